//! How a host is reached: plain data that the inventory yields and the link room opens.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;

/// The way to a shell on one host.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    Ssh(SshTarget),
    /// A command that gives a POSIX shell on its standard input, such as
    /// `docker exec -i NAME sh`. The argument vector is already rendered.
    Command {
        argv: Vec<String>,
        sudo: Sudo,
    },
    /// This very machine.
    Local {
        sudo: Sudo,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct SshTarget {
    /// The hop that is the host itself.
    pub hop: SshHop,
    /// Jump hosts, outermost first. Hosts that share a jump share one connection to it.
    pub jumps: Vec<SshHop>,
    pub sudo: Sudo,
    pub connect_timeout: Duration,
    pub keep_alive: Duration,
}

/// One machine that an SSH connection is made to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SshHop {
    /// Host name or address, without brackets.
    pub address: String,
    pub port: u16,
    pub user: String,
    /// Private key files, tried in order.
    pub keys: Vec<PathBuf>,
    pub agent: Agent,
    pub password: Option<Secret>,
    pub host_key: HostKeyPolicy,
    /// The known_hosts file that is read, and written by `accept-new`.
    pub known_hosts: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Agent {
    Offer,
    Ignore,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostKeyPolicy {
    /// Only a key that known_hosts holds.
    Strict,
    /// A host seen for the first time is recorded; a changed key is refused.
    AcceptNew,
    /// Only the key with this OpenSSH fingerprint, `SHA256:…` without padding.
    Pin(String),
}

/// How commands get root's rights.
#[derive(Debug, Clone, PartialEq)]
pub enum Sudo {
    /// The user is root already, or needs no more rights.
    None,
    /// `sudo` without a password.
    Free,
    Password(Secret),
}
