//! The known_hosts file, as sshd(8) describes its format: which host keys are known, and the
//! recording of new ones.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use ssh2::{CheckResult, KnownHostFileKind, Session};

use crate::model::shell::quote;

/// A public key as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostKey {
    blob: Vec<u8>,
}

impl HostKey {
    pub fn new(blob: &[u8]) -> Self {
        Self {
            blob: blob.to_owned(),
        }
    }

    /// The algorithm's name, which begins the key: `ssh-ed25519`.
    pub fn kind(&self) -> &str {
        let length = self
            .blob
            .first_chunk::<4>()
            .map_or(0, |length| u32::from_be_bytes(*length) as usize);
        self.blob
            .get(4..4 + length)
            .and_then(|name| std::str::from_utf8(name).ok())
            .unwrap_or("unknown")
    }

    /// As OpenSSH prints it: `SHA256:` and base64 without padding.
    pub fn fingerprint(&self) -> String {
        let encoded = STANDARD.encode(Sha256::digest(&self.blob));
        format!("SHA256:{}", encoded.trim_end_matches('='))
    }

    fn base64(&self) -> String {
        STANDARD.encode(&self.blob)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Known,
    Unknown,
    /// The file has other keys for the host, the first on this line.
    Changed {
        line: usize,
    },
    Revoked {
        line: usize,
    },
}

#[derive(Debug)]
pub(super) struct KnownHosts {
    entries: Vec<Entry>,
}

/// One line that concerns the host that was asked for.
#[derive(Debug)]
struct Entry {
    line: usize,
    revoked: bool,
    kind: String,
    key: String,
}

/// How the file calls a host: with brackets when the port is not 22.
pub(super) fn name(address: &str, port: u16) -> String {
    match port {
        22 => address.to_lowercase(),
        port => format!("[{}]:{port}", address.to_lowercase()),
    }
}

/// The command that forgets a host's keys.
pub(super) fn forget(path: &Path, address: &str, port: u16) -> String {
    format!(
        "ssh-keygen -R {} -f {}",
        quote(&name(address, port)),
        quote(&path.to_string_lossy())
    )
}

impl KnownHosts {
    /// What the file says about one host; a file that does not exist says nothing.
    pub fn load(path: &Path, address: &str, port: u16) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::parse(
                &String::from_utf8_lossy(&bytes),
                &name(address, port),
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                entries: Vec::new(),
            }),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str, name: &str) -> Self {
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let mut fields = line.split_ascii_whitespace().peekable();
            let marker = fields.next_if(|field| field.starts_with('@'));
            let revoked = match marker {
                None => false,
                Some("@revoked") => true,
                // libssh2 knows certificates of hosts, but not whether an authority signed them.
                Some(_) => continue,
            };
            let (Some(hosts), Some(kind), Some(key)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if hosts.starts_with('#') || !matches(hosts, name) {
                continue;
            }
            entries.push(Entry {
                line: index + 1,
                revoked,
                kind: kind.to_owned(),
                key: key.to_owned(),
            });
        }
        Self { entries }
    }

    pub fn check(&self, key: &HostKey) -> Verdict {
        let encoded = key.base64();
        let same = |entry: &&Entry| entry.key == encoded;
        if let Some(entry) = self.entries.iter().filter(same).find(|entry| entry.revoked) {
            return Verdict::Revoked { line: entry.line };
        }
        let known = || self.entries.iter().filter(|entry| !entry.revoked);
        if known().any(|entry| entry.key == encoded) {
            return Verdict::Known;
        }
        // A key of another type counts as changed too: the known types were asked for first, so
        // the server has none of the known keys.
        let alike = known().find(|entry| entry.kind == key.kind());
        match alike.or_else(|| known().next()) {
            Some(entry) => Verdict::Changed { line: entry.line },
            None => Verdict::Unknown,
        }
    }

    /// The types of the host's known keys, for the handshake to ask for first.
    pub fn kinds(&self) -> Vec<&str> {
        self.entries
            .iter()
            .filter(|entry| !entry.revoked)
            .map(|entry| entry.kind.as_str())
            .collect()
    }
}

/// Records a host's key unless the file has come to hold one for the host meanwhile; the verdict
/// is the one after that. Runs that record at the same time wait for each other.
pub(super) fn record(path: &Path, address: &str, port: u16, key: &HostKey) -> io::Result<Verdict> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut file: File = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    file.lock()?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let name = name(address, port);
    let verdict = KnownHosts::parse(&String::from_utf8_lossy(&bytes), &name).check(key);
    if verdict != Verdict::Unknown {
        return Ok(verdict);
    }
    let mut line = format!("{name} {} {}\n", key.kind(), key.base64());
    if bytes.last().is_some_and(|last| *last != b'\n') {
        line.insert(0, '\n');
    }
    file.write_all(line.as_bytes())?;
    Ok(Verdict::Known)
}

/// Whether a line's host field speaks of the host.
fn matches(hosts: &str, name: &str) -> bool {
    if hosts.starts_with("|1|") {
        return matches_hashed(hosts, name);
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_pattern(pattern, name) => return false,
            Some(_) => {}
            None => found |= matches_pattern(pattern, name),
        }
    }
    found
}

/// `|1|SALT|HASH` with HMAC-SHA1, which libssh2 computes: to it the host matches when it finds
/// the key (there is none) to be another.
fn matches_hashed(hosts: &str, name: &str) -> bool {
    const ANY_KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let check = || {
        let session = Session::new()?;
        let mut one = session.known_hosts()?;
        one.read_str(&format!("{hosts} {ANY_KEY}"), KnownHostFileKind::OpenSSH)?;
        Ok::<CheckResult, ssh2::Error>(one.check(name, b"none"))
    };
    matches!(check(), Ok(CheckResult::Match | CheckResult::Mismatch))
}

/// `*` is any text, `?` any character.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(&character) if character == '?' || character == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    in_name = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn key(seed: u8) -> HostKey {
        let mut blob = vec![0, 0, 0, 11];
        blob.extend_from_slice(b"ssh-ed25519");
        blob.extend_from_slice(&[0, 0, 0, 32]);
        blob.extend_from_slice(&[seed; 32]);
        HostKey { blob }
    }

    fn line(hosts: &str, seed: u8) -> String {
        format!("{hosts} ssh-ed25519 {}\n", key(seed).base64())
    }

    #[test]
    fn finds_a_host_in_every_form() {
        let cases: &[(&str, &str, u16, bool)] = &[
            ("w07", "w07", 22, true),
            ("W07", "w07", 22, true),
            ("w07", "w08", 22, false),
            ("w07,192.0.2.7", "192.0.2.7", 22, true),
            ("w07", "w07", 2222, false),
            ("[w07]:2222", "w07", 2222, true),
            ("[w07]:2222", "w07", 22, false),
            ("[192.0.2.*]:2222", "192.0.2.9", 2222, true),
            ("*.example.net,!bad.example.net", "w.example.net", 22, true),
            (
                "*.example.net,!bad.example.net",
                "bad.example.net",
                22,
                false,
            ),
            ("w0?", "w07", 22, true),
            ("w0?", "w0", 22, false),
            ("2001:db8::1", "2001:db8::1", 22, true),
            ("#w07", "#w07", 22, false),
        ];
        for (hosts, address, port, found) in cases {
            let known = KnownHosts::parse(&line(hosts, 1), &name(address, *port));
            let expected = if *found {
                Verdict::Known
            } else {
                Verdict::Unknown
            };
            assert_eq!(
                known.check(&key(1)),
                expected,
                "{hosts} for {address}:{port}"
            );
        }
    }

    #[test]
    fn tells_changed_from_revoked_from_unknown() {
        let text = format!(
            "# comment\n\n{}{}@revoked {}@cert-authority {}",
            line("w07", 1),
            line("w08", 2),
            line("*", 9),
            line("*", 5)
        );
        let check = |host: &str, seed| KnownHosts::parse(&text, host).check(&key(seed));
        assert_eq!(check("w07", 1), Verdict::Known);
        assert_eq!(check("w07", 2), Verdict::Changed { line: 3 });
        assert_eq!(check("w08", 1), Verdict::Changed { line: 4 });
        assert_eq!(check("w07", 9), Verdict::Revoked { line: 5 });
        assert_eq!(check("w09", 5), Verdict::Unknown);
    }

    #[test]
    fn finds_what_ssh_keygen_hashed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("known_hosts");
        std::fs::write(&path, line("w07", 1) + &line("[w07]:2222", 2)).expect("written");
        let hashed = Command::new("ssh-keygen")
            .args(["-q", "-H", "-f"])
            .arg(&path)
            .output();
        if !hashed.is_ok_and(|output| output.status.success()) {
            eprintln!("left out: no ssh-keygen on this machine");
            return;
        }
        let text = std::fs::read_to_string(&path).expect("read");
        assert!(text.starts_with("|1|") && !text.contains("w07"));
        let check = |address, port, seed| {
            KnownHosts::load(&path, address, port)
                .expect("read")
                .check(&key(seed))
        };
        assert_eq!(check("w07", 22, 1), Verdict::Known);
        assert_eq!(check("w07", 22, 2), Verdict::Changed { line: 1 });
        assert_eq!(check("w07", 2222, 2), Verdict::Known);
        assert_eq!(check("w08", 22, 1), Verdict::Unknown);
    }

    #[test]
    fn records_a_new_host_once_and_keeps_the_last_line_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fresh/known_hosts");
        assert_eq!(record(&path, "w07", 22, &key(1)).ok(), Some(Verdict::Known));
        let unended = line("w08", 2);
        std::fs::write(&path, unended.trim_end()).expect("written");
        assert_eq!(
            record(&path, "w07", 2222, &key(1)).ok(),
            Some(Verdict::Known)
        );
        assert_eq!(
            record(&path, "w07", 2222, &key(1)).ok(),
            Some(Verdict::Known)
        );
        assert_eq!(
            record(&path, "w07", 2222, &key(3)).ok(),
            Some(Verdict::Changed { line: 2 })
        );
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, unended + &line("[w07]:2222", 1));
    }

    #[test]
    fn recording_side_by_side_loses_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("known_hosts");
        std::thread::scope(|scope| {
            for seed in 0..20 {
                let path = &path;
                scope.spawn(move || record(path, &format!("w{seed}"), 22, &key(seed)));
            }
        });
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text.lines().count(), 20);
        for seed in 0..20 {
            assert!(text.contains(line(&format!("w{seed}"), seed).trim_end()));
        }
    }
}
