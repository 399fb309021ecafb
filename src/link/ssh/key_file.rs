//! What a private key file says before it is decrypted.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A private key file as far as it can be read without a passphrase.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyFile {
    Plain,
    /// Needs a passphrase; the public key on the wire, where it is known, finds it in an agent.
    Encrypted(Option<Vec<u8>>),
    /// Not a private key.
    Other,
}

pub(super) fn inspect(path: &Path, text: &str) -> KeyFile {
    if !text.contains("PRIVATE KEY-----") {
        return KeyFile::Other;
    }
    let body = text
        .split_once("-----BEGIN OPENSSH PRIVATE KEY-----")
        .and_then(|(_, rest)| rest.split_once("-----END"));
    match body {
        Some((body, _)) => {
            let body: String = body.split_ascii_whitespace().collect();
            let Ok(bytes) = STANDARD.decode(body) else {
                return KeyFile::Other;
            };
            match read_openssh(&bytes) {
                None => KeyFile::Other,
                Some((b"none", _)) => KeyFile::Plain,
                Some((_, public)) => KeyFile::Encrypted(Some(public.to_owned())),
            }
        }
        None if text.contains("ENCRYPTED") => KeyFile::Encrypted(read_public(path)),
        None => KeyFile::Plain,
    }
}

/// Cipher and first public key of an `openssh-key-v1` file (PROTOCOL.key of OpenSSH).
fn read_openssh(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let (cipher, rest) = read_string(rest)?;
    let (_derivation, rest) = read_string(rest)?;
    let (_options, rest) = read_string(rest)?;
    let (public, _) = read_string(rest.get(4..)?)?;
    Some((cipher, public))
}

fn read_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// The public key in the `.pub` file beside the private one.
fn read_public(path: &Path) -> Option<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let text = std::fs::read_to_string(name).ok()?;
    STANDARD.decode(text.split_ascii_whitespace().nth(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn generate(folder: &Path, arguments: &[&str]) -> Option<(KeyFile, Vec<u8>)> {
        let path = folder.join("key");
        let _ = std::fs::remove_file(&path);
        let output = Command::new("ssh-keygen")
            .args(["-q", "-f"])
            .arg(&path)
            .args(arguments)
            .output();
        if !output.is_ok_and(|output| output.status.success()) {
            eprintln!("left out: no ssh-keygen on this machine");
            return None;
        }
        let text = std::fs::read_to_string(&path).ok()?;
        Some((inspect(&path, &text), read_public(&path)?))
    }

    #[test]
    fn tells_encrypted_keys_and_their_public_half() {
        let folder = tempfile::tempdir().expect("a folder");
        let encrypted: [&[&str]; 3] = [
            &["-t", "ed25519", "-N", "secret"],
            &["-t", "ecdsa", "-N", "secret"],
            &["-t", "rsa", "-m", "PEM", "-N", "secret"],
        ];
        for arguments in encrypted {
            let Some((found, public)) = generate(folder.path(), arguments) else {
                return;
            };
            assert_eq!(found, KeyFile::Encrypted(Some(public)), "{arguments:?}");
        }
        let plain: [&[&str]; 2] = [
            &["-t", "ed25519", "-N", ""],
            &["-t", "rsa", "-m", "PEM", "-N", ""],
        ];
        for arguments in plain {
            let Some((found, _)) = generate(folder.path(), arguments) else {
                return;
            };
            assert_eq!(found, KeyFile::Plain, "{arguments:?}");
        }
        assert_eq!(
            inspect(Path::new("x"), "ssh-ed25519 AAAA user"),
            KeyFile::Other
        );
    }
}
