//! Why a host could not be reached, or a script not be run to its end.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One SSH hop, named so that a bastion's failure is not taken for the target's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopName {
    pub user: String,
    pub address: String,
    pub port: u16,
    pub role: HopRole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HopRole {
    Host,
    Jump,
}

impl fmt::Display for HopName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.role == HopRole::Jump {
            formatter.write_str("jump host ")?;
        }
        let Self {
            user,
            address,
            port,
            ..
        } = self;
        match (address.contains(':'), port) {
            (false, 22) => write!(formatter, "{user}@{address}"),
            (false, _) => write!(formatter, "{user}@{address}:{port}"),
            (true, _) => write!(formatter, "{user}@[{address}]:{port}"),
        }
    }
}

/// What became of the processes of a script that ran out of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// They were stopped.
    Nothing,
    /// They may still run.
    Processes,
    /// The script had not started.
    NotStarted,
}

/// Why sudo ran nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    WrongPassword,
    PasswordRequired,
    NotAllowed,
    TerminalRequired,
    AccountExpired,
    Missing,
    Unable,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Refusal::WrongPassword => "the password was refused",
            Refusal::PasswordRequired => "a password is required",
            Refusal::NotAllowed => "the user is not allowed to",
            Refusal::TerminalRequired => "a terminal is required",
            Refusal::AccountExpired => "the account or its password has expired",
            Refusal::Missing => "sudo is not installed",
            Refusal::Unable => "sudo cannot gain root's rights there",
        })
    }
}

/// Secrets never stand in here. Sources are shared, so that all hosts behind a jump host can tell
/// why it failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("{hop}: the name does not resolve")]
    Resolve {
        hop: Box<HopName>,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{hop}: no connection ({})", times(*attempts))]
    Connect {
        hop: Box<HopName>,
        attempts: u32,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{hop}: no SSH handshake ({})", times(*attempts))]
    Handshake {
        hop: Box<HopName>,
        attempts: u32,
        #[source]
        source: Arc<ssh2::Error>,
    },
    #[error("{hop}: its host key is not known ({kind}, {fingerprint})")]
    HostKeyUnknown {
        hop: Box<HopName>,
        kind: String,
        fingerprint: String,
        known_hosts: PathBuf,
    },
    #[error(
        "{hop}: its host key has CHANGED: it shows {kind} {fingerprint}, {}:{line} says otherwise",
        known_hosts.display()
    )]
    HostKeyChanged {
        hop: Box<HopName>,
        kind: String,
        fingerprint: String,
        known_hosts: PathBuf,
        line: usize,
        /// The command that forgets the recorded key.
        fix: String,
    },
    #[error("{hop}: its host key {fingerprint} is revoked in {}:{line}", known_hosts.display())]
    HostKeyRevoked {
        hop: Box<HopName>,
        fingerprint: String,
        known_hosts: PathBuf,
        line: usize,
    },
    #[error("{hop}: its host key is not the pinned {expected}: it shows {}", found.join(", "))]
    HostKeyPin {
        hop: Box<HopName>,
        expected: String,
        found: Vec<String>,
    },
    #[error("{}: cannot be {doing}", path.display())]
    KnownHosts {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{hop}: no authentication was accepted: {}{}{}", tried.join(", "), accepted(methods), spoken(banner))]
    Authentication {
        hop: Box<HopName>,
        /// Each key, agent and password with what became of it.
        tried: Vec<String>,
        /// What the server takes, when it said so.
        methods: Option<String>,
        banner: Option<String>,
    },
    #[error("{hop}: the connection ended during authentication: {}{}", tried.join(", "), spoken(banner))]
    AuthenticationCut {
        hop: Box<HopName>,
        tried: Vec<String>,
        banner: Option<String>,
        #[source]
        source: Arc<ssh2::Error>,
    },
    #[error("{host}: its {jump} failed")]
    Jump {
        host: String,
        jump: Box<HopName>,
        #[source]
        source: Arc<Error>,
    },
    #[error("{jump} does not get through to {address}:{port}: {reason}")]
    Forward {
        jump: Box<HopName>,
        address: String,
        port: u16,
        reason: String,
    },
    #[error("{hop}: refused one more session on its connection: {reason}")]
    Channel { hop: Box<HopName>, reason: String },
    #[error("{host}: the connection ended {} into the script: {reason}", seconds(*after))]
    Dropped {
        host: String,
        after: Duration,
        reason: String,
    },
    #[error("{host}: the link is closed: {reason}")]
    Closed { host: String, reason: String },
    #[error("{host}: the script did not end within {}{}", seconds(*after), remaining(*remains))]
    TimedOut {
        host: String,
        after: Duration,
        remains: Remains,
    },
    #[error("{host}: no root's rights through sudo: {refusal}{}", quoted(said))]
    Sudo {
        host: String,
        refusal: Refusal,
        said: String,
    },
    #[error("{host}: no shell started ({}){}", ended(*status, signal), quoted(said))]
    NotStarted {
        host: String,
        status: i32,
        signal: Option<String>,
        said: String,
    },
    #[error("{host}: its `head` takes more off standard input than it is told to")]
    ReadAhead { host: String },
    #[error("{host}: `{program}` does not run")]
    Spawn {
        host: String,
        program: String,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{}: cannot be read", path.display())]
    Payload {
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{}: ended after {found} of {expected} bytes", path.display())]
    PayloadShort {
        path: PathBuf,
        expected: u64,
        found: u64,
    },
    #[error("{host}: the script printed more than {} MiB", limit / (1024 * 1024))]
    OutputLimit { host: String, limit: u64 },
    #[error("{host}: {fault}")]
    Unusable { host: String, fault: &'static str },
    #[error("{host}: this machine has no room for another connection")]
    Local {
        host: String,
        #[source]
        source: Arc<io::Error>,
    },
}

impl Error {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Error::Resolve { .. } => "check the host's address in the inventory, or use an IP address".into(),
            Error::Connect { source, .. } => match source.kind() {
                io::ErrorKind::ConnectionRefused => {
                    "the machine answers, but nothing listens on the port: is sshd running, is the port right?".into()
                }
                io::ErrorKind::TimedOut => {
                    "nothing answers: is the machine on and booted, does a firewall drop the port?".into()
                }
                _ => "check the address, the route and that the machine is on".into(),
            },
            Error::Handshake { source, .. } if is_key_exchange(source) => {
                "the server offers no algorithm in common; look at its sshd_config for KexAlgorithms, Ciphers and HostKeyAlgorithms".into()
            }
            Error::Handshake { .. } => {
                "something listens but does not speak SSH in time: sshd may be starting, or at its MaxStartups".into()
            }
            Error::HostKeyUnknown { hop, known_hosts, .. } => format!(
                "compare the fingerprint on the machine's console, then run `{} >> {}`, or set `host-key: accept-new`, or pin it",
                scan(hop),
                known_hosts.display()
            ),
            Error::HostKeyChanged { fix, .. } => format!(
                "somebody may be in between. If the machine was installed anew, run `{fix}` and try again"
            ),
            Error::HostKeyRevoked { .. } => {
                "do not connect; give the machine a new host key, or remove the line if it is wrong".into()
            }
            Error::HostKeyPin { .. } => {
                "somebody may be in between. If the machine was installed anew, put the fingerprint shown on its console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`) into the inventory".into()
            }
            Error::KnownHosts { path, .. } => format!("check the rights of {}", path.display()),
            Error::Authentication { hop, .. } => format!(
                "try `ssh -v -p {} {}@{}`; the key must be in that user's ~/.ssh/authorized_keys",
                hop.port, hop.user, hop.address
            ),
            Error::AuthenticationCut { .. } => {
                "the server may be still booting (only root may log in then), or it has had too many tries (MaxAuthTries): list fewer keys".into()
            }
            Error::Jump { source, .. } => source.hint(),
            Error::Forward { jump, .. } => format!(
                "look from the jump host itself (`ssh {}@{}`): is the host up, and does its sshd_config have AllowTcpForwarding yes?",
                jump.user, jump.address
            ),
            Error::Channel { .. } => "raise MaxSessions in that machine's sshd_config".into(),
            Error::Dropped { .. } => {
                "running again is safe: what was done is found done, the rest is done then".into()
            }
            Error::Closed { .. } => "run again; the host is connected to anew".into(),
            Error::TimedOut { remains: Remains::NotStarted, .. } => {
                "the far side gave no shell in time; a login file or sudo may be waiting for input".into()
            }
            Error::TimedOut { .. } => {
                "look on the host for what hangs; a process left in the background must not hold the script's output open".into()
            }
            Error::Sudo { refusal, .. } => match refusal {
                Refusal::WrongPassword => "check the sudo password's source in the inventory".into(),
                Refusal::PasswordRequired => {
                    "give the sudo password in the inventory, or a NOPASSWD rule in sudoers".into()
                }
                Refusal::NotAllowed => "add the user to the sudo (or wheel) group, or log in as root".into(),
                Refusal::TerminalRequired => "remove `Defaults requiretty` from sudoers for this user".into(),
                Refusal::AccountExpired => "log in by hand once and renew the password".into(),
                Refusal::Missing => "install sudo, or log in as root".into(),
                Refusal::Unable => "the session forbids more rights (no_new_privs, or a mount with nosuid); log in as root".into(),
            },
            Error::NotStarted { .. } => {
                "the login shell or the link's command ended before a POSIX shell ran: check the user's shell, or run the command by hand".into()
            }
            Error::ReadAhead { .. } => "install GNU coreutils, or a `dd` that knows iflag=fullblock".into(),
            Error::Spawn { program, .. } => format!("is `{program}` installed and in PATH?"),
            Error::Payload { .. } | Error::PayloadShort { .. } => {
                "the file changed or went away during the run; run again".into()
            }
            Error::OutputLimit { .. } => "make the script print less; its output is kept in memory".into(),
            Error::Unusable { .. } => "correct the value in the inventory".into(),
            Error::Local { .. } => "raise the limit of open files (`ulimit -n`), or lower the number of hosts at a time".into(),
        }
    }

    /// Whether the host, or a hop on the way to it, could not be reached or logged in to, so that
    /// no script has run.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Error::Resolve { .. }
                | Error::Connect { .. }
                | Error::Handshake { .. }
                | Error::HostKeyUnknown { .. }
                | Error::HostKeyChanged { .. }
                | Error::HostKeyRevoked { .. }
                | Error::HostKeyPin { .. }
                | Error::Authentication { .. }
                | Error::AuthenticationCut { .. }
                | Error::Jump { .. }
                | Error::Forward { .. }
                | Error::Spawn { .. }
                | Error::Local { .. }
        )
    }

    /// Whether the connection was lost: a new link may find the host well.
    pub fn is_dropped(&self) -> bool {
        matches!(self, Error::Dropped { .. } | Error::Closed { .. })
    }
}

/// libssh2: LIBSSH2_ERROR_KEX_FAILURE, no algorithm in common.
pub(super) fn is_key_exchange(error: &ssh2::Error) -> bool {
    error.code() == ssh2::ErrorCode::Session(-5)
}

fn scan(hop: &HopName) -> String {
    match hop.port {
        22 => format!("ssh-keyscan {}", hop.address),
        port => format!("ssh-keyscan -p {port} {}", hop.address),
    }
}

fn times(attempts: u32) -> String {
    match attempts {
        1 => "tried once".into(),
        many => format!("tried {many} times"),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn accepted(methods: &Option<String>) -> String {
    match methods {
        Some(methods) => format!("; the server takes {methods}"),
        None => String::new(),
    }
}

fn spoken(banner: &Option<String>) -> String {
    match banner {
        Some(banner) => format!("; the server says '{banner}'"),
        None => String::new(),
    }
}

fn quoted(said: &str) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!("; it said: {said}")
    }
}

fn ended(status: i32, signal: &Option<String>) -> String {
    match signal {
        Some(signal) => format!("signal {signal}"),
        None => format!("status {status}"),
    }
}

fn remaining(remains: Remains) -> &'static str {
    match remains {
        Remains::Nothing => " and was stopped",
        Remains::Processes => "; some of its processes may still run there",
        Remains::NotStarted => "; no shell had started there",
    }
}
