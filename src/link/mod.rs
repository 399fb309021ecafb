//! The link room: the only way to a shell on a host.
//!
//! A [`Link`] is a way to one host's shell: an SSH connection, a command such as
//! `docker exec -i NAME sh`, or this machine. [`Link::exec`] runs one POSIX shell text there in
//! one exec, with payloads behind it on the same standard input; [`wire`] says how. [`Links`]
//! holds what the links of one run share: the connections to jump hosts and the bound on
//! simultaneous handshakes.
//!
//! libssh2 blocks and locks its session while it does, so each SSH connection is driven without
//! blocking by one thread of its own, which waits with `poll` on the socket and, for a jump host,
//! on the local ends of its channels. The async side sends it work and awaits the outcome.
//!
//! Scripts run with `LC_ALL=C` and with the system's folders of programs appended to `PATH`.
//!
//! # Command links
//!
//! The argument vector has to give a POSIX shell that takes commands from its standard input and
//! keeps standard output and standard error apart and untouched (no terminal):
//! `docker exec -i NAME sh`, `kubectl exec -i NAME -- sh`, `ip netns exec NAME sh`,
//! `ssh HOST sh`, `nsenter -t PID -a sh`.

mod conversation;
mod error;
mod poll;
mod process;
pub mod script;
mod ssh;
mod sudo;
mod traffic;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

pub use error::{Error, HopName, HopRole, Refusal, Remains};
pub use traffic::Traffic;

use crate::model::Secret;
use crate::model::target::{Sudo, Target};
use conversation::Setting;
use traffic::Counters;
use wire::{Entry, Take};

/// What holds for all links of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// SSH handshakes at a time.
    pub handshakes: usize,
    /// Tries of a connection that is refused, reset or has no SSH handshake.
    pub attempts: u32,
    /// Bytes of standard output and error of one script; more is an error.
    pub output_limit: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            handshakes: 16,
            attempts: 3,
            output_limit: 64 * 1024 * 1024,
        }
    }
}

/// One script and what follows it on its standard input.
#[derive(Debug, Clone)]
pub struct Exec {
    /// POSIX shell text. It may hold revealed secrets: it is never logged and never stands in an
    /// argument vector, here or there.
    pub script: Secret,
    /// Bytes behind the script, in order; it takes each with `head -c SIZE`.
    pub payloads: Vec<Payload>,
    /// From the start of sending to the end of the script.
    pub timeout: Duration,
}

/// Bytes that follow a script on its standard input.
#[derive(Clone)]
pub enum Payload {
    Bytes(Vec<u8>),
    /// A file on this machine, streamed; exactly `size` bytes of it are sent.
    File {
        path: PathBuf,
        size: u64,
    },
}

impl Payload {
    /// Bytes.
    pub fn size(&self) -> u64 {
        match self {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::File { size, .. } => *size,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Bytes(bytes) => write!(formatter, "Bytes({})", bytes.len()),
            Payload::File { path, size } => formatter
                .debug_struct("File")
                .field("path", path)
                .field("size", size)
                .finish(),
        }
    }
}

/// A script that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Exit status; -1 when a signal ended the script.
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// The signal's name without SIG, such as `KILL`.
    pub signal: Option<String>,
}

/// How far an exec is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Bytes of the payloads that were handed over.
    pub sent: u64,
    /// Bytes of all payloads.
    pub total: u64,
    /// Bytes of output that came back.
    pub received: u64,
}

/// What the links of one run share. Dropping it closes the connections to jump hosts.
#[derive(Debug)]
pub struct Links {
    options: Options,
    ssh: ssh::Shared,
}

impl Links {
    pub fn new(options: Options) -> Links {
        Links {
            ssh: ssh::Shared::new(options.handshakes),
            options,
        }
    }

    /// What went over the connections to jump hosts; each link counts its own.
    pub fn traffic(&self) -> Traffic {
        self.ssh.traffic()
    }
}

/// A way to the shell of one host.
#[derive(Debug)]
pub struct Link {
    host: String,
    way: Way,
    sudo: Sudo,
    counters: Counters,
    output_limit: u64,
    /// Whether `head` on the host was found to read ahead.
    exact: AtomicBool,
}

#[derive(Debug)]
enum Way {
    Ssh(ssh::Connection),
    Command(Vec<String>),
    Local,
}

/// How long to wait for the stopping of a script that ran out of time.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

impl Link {
    /// Opens a link to `host`, the name that errors call it by.
    ///
    /// Connections that are refused, reset or get no SSH handshake are tried
    /// [`Options::attempts`] times; nothing is repeated once authentication has begun.
    pub async fn open(links: &Links, host: &str, target: &Target) -> Result<Link, Error> {
        Self::open_by(links, host, target, None).await
    }

    /// Opens a link to a host that may be booting: tries until `wait_until` where
    /// [`Link::open`] would give up, also over silence and over a login that is cut off.
    pub async fn open_until(
        links: &Links,
        host: &str,
        target: &Target,
        wait_until: Instant,
    ) -> Result<Link, Error> {
        Self::open_by(links, host, target, Some(wait_until)).await
    }

    async fn open_by(
        links: &Links,
        host: &str,
        target: &Target,
        wait_until: Option<Instant>,
    ) -> Result<Link, Error> {
        let counters = Counters::default();
        let (way, sudo) = match target {
            Target::Ssh(ssh) => {
                let attempts = ssh::Attempts {
                    count: links.options.attempts,
                    wait_until,
                };
                let connection =
                    ssh::connect(&links.ssh, host, ssh, attempts, counters.clone()).await?;
                (Way::Ssh(connection), &ssh.sudo)
            }
            Target::Command { argv, sudo } => {
                if argv.is_empty() {
                    return Err(Error::Unusable {
                        host: host.to_owned(),
                        fault: "the link's command is empty",
                    });
                }
                (Way::Command(argv.clone()), sudo)
            }
            Target::Local { sudo } => (Way::Local, sudo),
        };
        if let Sudo::Password(password) = sudo
            && password.reveal().contains('\n')
        {
            return Err(Error::Unusable {
                host: host.to_owned(),
                fault: "the sudo password holds a line break",
            });
        }
        Ok(Link {
            host: host.to_owned(),
            way,
            sudo: sudo.clone(),
            counters,
            output_limit: links.options.output_limit,
            exact: AtomicBool::new(false),
        })
    }

    /// Runs one script in one exec. `progress` hears how far it is, at most as often as bytes
    /// move.
    ///
    /// A script that fails is no error: its status says so. A script that runs out of time is
    /// stopped, with what it started, by a second exec; where that does not succeed the error
    /// says what may remain. Dropping the future closes the script's streams and no more.
    pub async fn exec(
        &self,
        exec: Exec,
        progress: impl Fn(Transferred) + Send,
    ) -> Result<Completed, Error> {
        if exec.script.reveal().contains('\0') {
            return Err(Error::Unusable {
                host: self.host.clone(),
                fault: "a script cannot hold a NUL character",
            });
        }
        let exec = Arc::new(exec);
        let mut ended = self.run(Arc::clone(&exec), &progress).await;
        if matches!(ended, Err(Stopped::Error(Error::ReadAhead { .. })))
            && !self.exact.swap(true, Ordering::Relaxed)
        {
            ended = self.run(Arc::clone(&exec), &progress).await;
        }
        match ended {
            Ok(completed) => Ok(completed),
            Err(Stopped::Error(error)) => Err(error),
            Err(Stopped::OutOfTime { process }) => {
                let remains = match process {
                    None => Remains::NotStarted,
                    Some(process) => self.stop(process).await,
                };
                Err(Error::TimedOut {
                    host: self.host.clone(),
                    after: exec.timeout,
                    remains,
                })
            }
        }
    }

    async fn stop(&self, process: u32) -> Remains {
        let stop = Arc::new(Exec {
            script: Secret::new(wire::stop_script(process)),
            payloads: Vec::new(),
            timeout: STOP_TIMEOUT,
        });
        match self.run(stop, &|_| {}).await {
            Ok(completed) if completed.status == 0 => Remains::Nothing,
            _ => Remains::Processes,
        }
    }

    async fn run(
        &self,
        exec: Arc<Exec>,
        progress: &(impl Fn(Transferred) + Send),
    ) -> Result<Completed, Stopped> {
        let take = if self.exact.load(Ordering::Relaxed) {
            Take::Dd
        } else {
            Take::Head
        };
        let bootstrap = |entry| wire::bootstrap(entry, take, &self.sudo);
        let mut setting = Setting {
            host: self.host.clone(),
            sudo: self.sudo.clone(),
            first_line: None,
            output_limit: self.output_limit,
        };
        let (transferred, mut watched) = watch::channel(Transferred::default());
        let (reply, mut outcome) = oneshot::channel();
        let job = Job {
            deadline: Instant::now() + exec.timeout,
            transferred,
            reply,
        };
        self.counters.executed();
        // Held to the end: dropping it tells the thread that nobody waits any more.
        let _cancel = match &self.way {
            Way::Ssh(connection) => {
                connection.exec(bootstrap(Entry::Command), exec, setting, job)?
            }
            Way::Command(argv) => {
                setting.first_line = Some(bootstrap(Entry::Line));
                self.counters.connected();
                process::spawn(argv, exec, setting, job, self.counters.clone())?
            }
            Way::Local => {
                let argv = ["sh", "-c", &bootstrap(Entry::Command)].map(str::to_owned);
                self.counters.connected();
                process::spawn(&argv, exec, setting, job, self.counters.clone())?
            }
        };
        loop {
            tokio::select! {
                biased;
                outcome = &mut outcome => {
                    let last = *watched.borrow();
                    progress(last);
                    return outcome.unwrap_or_else(|_| {
                        Err(Stopped::Error(Error::Closed {
                            host: self.host.clone(),
                            reason: "its thread has ended".to_owned(),
                        }))
                    });
                }
                Ok(()) = watched.changed() => {
                    let now = *watched.borrow_and_update();
                    progress(now);
                }
            }
        }
    }

    /// What went over this link so far. Every exec of a command link is a connection of its own.
    pub fn traffic(&self) -> Traffic {
        self.counters.total()
    }

    /// Ends the connection. Scripts that still run are cut off.
    pub async fn close(self) {
        if let Way::Ssh(connection) = self.way {
            connection.close().await;
        }
    }
}

/// The async side of one exec, in the hands of the thread that carries it out.
struct Job {
    deadline: Instant,
    transferred: watch::Sender<Transferred>,
    reply: oneshot::Sender<Result<Completed, Stopped>>,
}

/// Why an exec has no result.
#[derive(Debug)]
enum Stopped {
    Error(Error),
    /// With the process number of the shell there, if it had started.
    OutOfTime {
        process: Option<u32>,
    },
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Error(error)
    }
}

/// Wakes the thread of an exec when it is dropped, so that the thread sees whether anybody waits.
struct Cancel(poll::Waker);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.wake();
    }
}

#[cfg(test)]
mod tests;
