//! From an open stream to a session that may be used: handshake, host key, login. It runs in the
//! thread that drives the session afterwards.

use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ssh2::{MethodType, Session};

use super::authenticate::authenticate;
use super::known_hosts::{self, HostKey, KnownHosts, Verdict};
use super::socket;
use crate::link::traffic::Counters;
use crate::link::{Error, HopName};
use crate::model::target::{HostKeyPolicy, SshHop};

/// The bytes below a session.
pub(super) enum Stream {
    Tcp(TcpStream),
    /// The near end of a channel of a jump host.
    Local(UnixStream),
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Local(stream) => stream.as_raw_fd(),
        }
    }
}

/// What a handshake needs to know.
pub(super) struct Opening {
    pub hop: SshHop,
    pub name: Box<HopName>,
    pub stream: Stream,
    /// For the handshake; a login may take [`LOGIN_TIME`] more, as directories of users are slow.
    pub timeout: Duration,
    /// Host keys that were shown and are not the pinned one, with their types.
    pub shown: Vec<HostKey>,
    pub counters: Counters,
}

const LOGIN_TIME: Duration = Duration::from_secs(20);

/// Ciphers in the order of their speed here: libssh2 gives ChaCha20 whole packets and AES, even in
/// GCM, sixteen bytes at a time (measured over loopback: 255 and 225 MB/s).
const CIPHERS: &str = "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,\
aes256-gcm@openssh.com,aes128-ctr,aes256-ctr,aes192-ctr";
const CODES: &str = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,\
hmac-sha2-256,hmac-sha2-512";
/// Types of host keys with the signatures made by them. Certificates are left out: whether an
/// authority signed them is not checked here.
const HOST_KEYS: &[(&str, &str)] = &[
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("ssh-rsa", "rsa-sha2-512,rsa-sha2-256"),
];

/// Why a session did not come to be.
pub(super) enum Failed {
    Final(Error),
    /// May be tried again: nothing was authenticated.
    Handshake(ssh2::Error),
    /// The host showed a key that is not the pinned one; it may have others.
    NotPinned(HostKey),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Final(error)
    }
}

pub(super) fn open(opening: Opening) -> Result<Session, Failed> {
    let started = Instant::now();
    let mut session = Session::new().map_err(Failed::Handshake)?;
    socket::count(&session, opening.counters.clone());
    let known = match opening.hop.host_key {
        HostKeyPolicy::Pin(_) => None,
        _ => Some(load(&opening)?),
    };
    let prefer = |kind, list: &str| session.method_pref(kind, list).map_err(Failed::Handshake);
    prefer(MethodType::CryptCs, CIPHERS)?;
    prefer(MethodType::CryptSc, CIPHERS)?;
    prefer(MethodType::MacCs, CODES)?;
    prefer(MethodType::MacSc, CODES)?;
    let kinds = known.as_ref().map(KnownHosts::kinds).unwrap_or_default();
    let shown: Vec<&str> = opening.shown.iter().map(HostKey::kind).collect();
    prefer(MethodType::HostKey, &host_keys(&kinds, &shown))?;
    session.set_timeout(milliseconds(opening.timeout));
    session.set_tcp_stream(opening.stream);
    session.handshake().map_err(Failed::Handshake)?;
    tracing::debug!(
        hop = %opening.name,
        kex = session.methods(MethodType::Kex),
        cipher = session.methods(MethodType::CryptCs),
        elapsed = ?started.elapsed(),
        "handshake"
    );
    let key = session
        .host_key()
        .map(|(blob, _)| HostKey::new(blob))
        .unwrap_or_else(|| HostKey::new(&[]));
    verify(&opening.hop, &opening.name, known.as_ref(), key)?;
    let deadline = started + opening.timeout + LOGIN_TIME;
    authenticate(&session, &opening.hop, &opening.name, deadline)?;
    opening.counters.connected();
    tracing::debug!(hop = %opening.name, elapsed = ?started.elapsed(), "logged in");
    Ok(session)
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis())
        .unwrap_or(u32::MAX)
        .max(1)
}

fn load(opening: &Opening) -> Result<KnownHosts, Error> {
    let hop = &opening.hop;
    KnownHosts::load(&hop.known_hosts, &hop.address, hop.port)
        .map_err(|source| unreadable(&hop.known_hosts, "read", source))
}

fn unreadable(path: &Path, doing: &'static str, source: std::io::Error) -> Error {
    Error::KnownHosts {
        path: path.to_owned(),
        doing,
        source: Arc::new(source),
    }
}

/// The signatures to ask for: of known types first, without those already shown.
fn host_keys(known: &[&str], shown: &[&str]) -> String {
    type Kinds = Vec<&'static (&'static str, &'static str)>;
    let (first, rest): (Kinds, Kinds) = HOST_KEYS
        .iter()
        .filter(|(kind, _)| !shown.contains(kind))
        .partition(|(kind, _)| known.contains(kind));
    let signatures: Vec<&str> = first.into_iter().chain(rest).map(|pair| pair.1).collect();
    signatures.join(",")
}

fn verify(
    hop: &SshHop,
    name: &HopName,
    known: Option<&KnownHosts>,
    key: HostKey,
) -> Result<(), Failed> {
    if let HostKeyPolicy::Pin(pin) = &hop.host_key {
        let is_pinned = key.fingerprint() == pin.trim_end_matches('=');
        return if is_pinned {
            Ok(())
        } else {
            Err(Failed::NotPinned(key))
        };
    }
    let mut verdict = known.map_or(Verdict::Unknown, |known| known.check(&key));
    if verdict == Verdict::Unknown && hop.host_key == HostKeyPolicy::AcceptNew {
        verdict = known_hosts::record(&hop.known_hosts, &hop.address, hop.port, &key)
            .map_err(|source| unreadable(&hop.known_hosts, "written", source))?;
    }
    let known_hosts = hop.known_hosts.clone();
    let fingerprint = key.fingerprint();
    let kind = key.kind().to_owned();
    let hop_name = Box::new(name.clone());
    Err(Failed::Final(match verdict {
        Verdict::Known => return Ok(()),
        Verdict::Unknown => Error::HostKeyUnknown {
            hop: hop_name,
            kind,
            fingerprint,
            known_hosts,
        },
        Verdict::Changed { line } => Error::HostKeyChanged {
            hop: hop_name,
            kind,
            fingerprint,
            line,
            fix: known_hosts::forget(&known_hosts, &hop.address, hop.port),
            known_hosts,
        },
        Verdict::Revoked { line } => Error::HostKeyRevoked {
            hop: hop_name,
            fingerprint,
            known_hosts,
            line,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_known_types_first_and_for_shown_ones_no_more() {
        assert!(host_keys(&[], &[]).starts_with("ssh-ed25519,ecdsa"));
        assert!(host_keys(&["ssh-rsa"], &[]).starts_with("rsa-sha2-512,rsa-sha2-256,ssh-ed25519"));
        assert!(!host_keys(&[], &["ssh-ed25519"]).contains("ssh-ed25519"));
    }
}
