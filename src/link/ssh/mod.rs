//! SSH connections: dialling, retrying, and the jump hosts that links share.

mod authenticate;
mod driver;
mod exec;
mod forward;
mod handshake;
mod jump;
mod key_file;
mod known_hosts;
mod socket;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use super::conversation::{Conversation, Setting};
use super::error::is_key_exchange;
use super::poll::{self, Waker};
use super::traffic::Counters;
use super::{Cancel, Error, Exec, HopName, HopRole, Job};
use crate::model::target::{SshHop, SshTarget};
use driver::{Driver, Failure, Request, Work};
use handshake::{Failed, Opening, Stream};
use jump::Jump;

pub(super) use jump::Shared;

/// How long and how often a connection is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempts {
    pub count: u32,
    /// Tries until then, for a host that boots.
    pub wait_until: Option<Instant>,
}

/// The pause before the second try; it doubles up to [`LONGEST_PAUSE`], give or take a quarter.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a connection is waited for that is asked to end.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Enough for libssh2, whose buffers are on the heap, and for reading key files.
const STACK: usize = 512 * 1024;

/// A connection to a host, with the jump host that it goes through.
#[derive(Debug)]
pub(super) struct Connection {
    host: String,
    hop: Box<HopName>,
    handle: Handle,
    jump: Option<Arc<Jump>>,
}

/// Opens a connection to the target, over its jump hosts.
pub(super) async fn connect(
    shared: &Shared,
    host: &str,
    target: &SshTarget,
    attempts: Attempts,
    counters: Counters,
) -> Result<Connection, Error> {
    let route = Route {
        hop: &target.hop,
        name: name(&target.hop, HopRole::Host),
        timeout: target.connect_timeout,
        keep_alive: target.keep_alive,
        attempts,
        counters,
    };
    let jump = shared.jump(host, target, attempts).await?;
    let handle = dial(shared.turns(), route, jump.as_ref())
        .await
        .map_err(|error| blame(host, error, jump.as_ref()))?;
    Ok(Connection {
        host: host.to_owned(),
        hop: name(&target.hop, HopRole::Host),
        handle,
        jump,
    })
}

/// A failure behind a jump host that has failed itself is the jump host's.
fn blame(host: &str, error: Error, jump: Option<&Arc<Jump>>) -> Error {
    match jump.and_then(|jump| jump.failure().map(|reason| (jump, reason))) {
        Some((jump, reason)) => Error::Jump {
            host: host.to_owned(),
            jump: jump.name.clone(),
            source: Arc::new(Error::Closed {
                host: jump.name.to_string(),
                reason,
            }),
        },
        None => error,
    }
}

pub(super) fn name(hop: &SshHop, role: HopRole) -> Box<HopName> {
    Box::new(HopName {
        user: hop.user.clone(),
        address: hop.address.clone(),
        port: hop.port,
        role,
    })
}

impl Connection {
    /// Hands one exec to the connection's thread.
    pub fn exec(
        &self,
        command: String,
        exec: Arc<Exec>,
        setting: Setting,
        job: Job,
    ) -> Result<Cancel, Error> {
        let work = exec::ExecWork::new(
            self.host.clone(),
            self.hop.clone(),
            command,
            Conversation::new(exec, setting),
            job,
            self.jump.clone(),
        );
        self.handle.work(Box::new(work));
        Ok(Cancel(self.handle.waker.clone()))
    }

    pub async fn close(self) {
        self.handle.close().await;
    }
}

/// The async side of a connection's thread. Dropping it ends the thread once its work is done.
#[derive(Debug)]
struct Handle {
    requests: Sender<Request>,
    waker: Waker,
    failure: Failure,
    /// Resolves when the thread has ended.
    ended: oneshot::Receiver<()>,
}

impl Handle {
    fn work(&self, work: Box<dyn Work>) {
        if let Err(mpsc::SendError(Request::Work(work))) = self.requests.send(Request::Work(work)) {
            work.fail(self.failure.get().map_or("it was closed", String::as_str));
        }
        self.waker.wake();
    }

    async fn close(self) {
        let _ = self.requests.send(Request::Close);
        self.waker.wake();
        let _ = tokio::time::timeout(CLOSE_TIME, self.ended).await;
    }
}

/// One hop to connect to.
struct Route<'target> {
    hop: &'target SshHop,
    name: Box<HopName>,
    timeout: Duration,
    keep_alive: Duration,
    attempts: Attempts,
    counters: Counters,
}

/// Connects to a hop, again and again as far as that makes sense.
async fn dial(
    turns: &Semaphore,
    route: Route<'_>,
    jump: Option<&Arc<Jump>>,
) -> Result<Handle, Error> {
    let mut shown = Vec::new();
    let mut tries = 0;
    loop {
        tries += 1;
        let stream = match jump {
            Some(jump) => jump
                .forward(route.hop, route.timeout)
                .await
                .map(Stream::Local),
            None => connect_tcp(route.hop, &route.name, route.timeout, tries)
                .await
                .map(Stream::Tcp),
        };
        let outcome = match stream {
            Ok(stream) => {
                // Waited for with the connection open: a host that does not answer at all must
                // not hold up the others' handshakes.
                let _turn = turns.acquire().await;
                let opening = Opening {
                    hop: route.hop.clone(),
                    name: route.name.clone(),
                    stream,
                    timeout: route.timeout,
                    shown: std::mem::take(&mut shown),
                    counters: route.counters.clone(),
                };
                let pinned = opening.shown.clone();
                let outcome = start(opening, route.keep_alive).await?;
                shown = pinned;
                outcome
            }
            Err(error) => Err(Failed::Final(error)),
        };
        let error = match outcome {
            Ok(handle) => return Ok(handle),
            // Every other kind of host key that the host has is looked at before it is refused.
            Err(Failed::NotPinned(key)) => {
                shown.push(key);
                continue;
            }
            Err(Failed::Handshake(error)) if !shown.is_empty() && is_key_exchange(&error) => {
                return Err(Error::HostKeyPin {
                    hop: route.name,
                    expected: match &route.hop.host_key {
                        crate::model::target::HostKeyPolicy::Pin(pin) => pin.clone(),
                        _ => String::new(),
                    },
                    found: shown
                        .iter()
                        .map(known_hosts::HostKey::fingerprint)
                        .collect(),
                });
            }
            Err(Failed::Handshake(error)) => Error::Handshake {
                hop: route.name.clone(),
                attempts: tries,
                source: Arc::new(error),
            },
            Err(Failed::Final(error)) => error,
        };
        let jump_failed = jump.is_some_and(|jump| jump.failure().is_some());
        match pause(&error, tries, route.attempts) {
            Some(pause) if !jump_failed => {
                tracing::debug!(hop = %route.name, %error, ?pause, "trying again");
                tokio::time::sleep(pause).await;
            }
            _ => return Err(error),
        }
    }
}

/// How long to wait before the next try; `None` when there is none.
fn pause(error: &Error, tries: u32, attempts: Attempts) -> Option<Duration> {
    let is_silent = |source: &io::Error| {
        matches!(
            source.kind(),
            io::ErrorKind::TimedOut
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
        )
    };
    let again = match error {
        Error::Connect { source, .. } => attempts.wait_until.is_some() || !is_silent(source),
        Error::Handshake { source, .. } => !is_key_exchange(source),
        // A jump host's name service and routes may come up late, and a booting host lets only
        // root in for a while.
        Error::Forward { .. } | Error::AuthenticationCut { .. } | Error::Resolve { .. } => {
            attempts.wait_until.is_some()
        }
        _ => false,
    };
    if !again {
        return None;
    }
    let doubled = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(8));
    let pause = doubled.min(LONGEST_PAUSE).mul_f64(jitter());
    match attempts.wait_until {
        Some(until) if Instant::now() + pause < until => Some(pause),
        Some(_) => None,
        None => (tries < attempts.count).then_some(pause),
    }
}

/// Between 0.75 and 1.25, so that hosts that failed together do not come back together.
fn jitter() -> f64 {
    let random = RandomState::new().hash_one(0u8);
    0.75 + (random % 1000) as f64 / 2000.0
}

async fn connect_tcp(
    hop: &SshHop,
    name: &HopName,
    timeout: Duration,
    attempts: u32,
) -> Result<std::net::TcpStream, Error> {
    let failed = |source| Error::Connect {
        hop: Box::new(name.clone()),
        attempts,
        source: Arc::new(source),
    };
    let deadline = Instant::now() + timeout;
    let addresses: Vec<SocketAddr> =
        match tokio::time::timeout(timeout, tokio::net::lookup_host((&*hop.address, hop.port)))
            .await
        {
            Err(_) => return Err(failed(io::ErrorKind::TimedOut.into())),
            Ok(Err(source)) => {
                return Err(Error::Resolve {
                    hop: Box::new(name.clone()),
                    source: Arc::new(source),
                });
            }
            Ok(Ok(addresses)) => addresses.collect(),
        };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        // An address that is silent leaves time for those after it.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - index) as u32;
        match tokio::time::timeout(share, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return settle(stream).map_err(failed),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed(last))
}

/// For libssh2: small packets leave at once, and the thread may block until it has logged in.
fn settle(stream: tokio::net::TcpStream) -> io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Starts the thread of a connection and waits until it is logged in.
async fn start(opening: Opening, keep_alive: Duration) -> Result<Result<Handle, Failed>, Error> {
    let host = opening.name.to_string();
    let local = |source: io::Error| Error::Local {
        host: host.clone(),
        source: Arc::new(source),
    };
    let (requests, inbox) = mpsc::channel();
    let (waker, wakened) = poll::waker().map_err(local)?;
    let (ready, opened) = oneshot::channel();
    let (alive, ended) = oneshot::channel();
    let failure = Failure::default();
    let thread_failure = Arc::clone(&failure);
    std::thread::Builder::new()
        .name("link-ssh".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            let descriptor = opening.stream.as_raw_fd();
            match handshake::open(opening) {
                Ok(session) => {
                    if ready.send(Ok(())).is_ok() {
                        let driver = Driver {
                            session,
                            descriptor,
                            requests: inbox,
                            wakened,
                            keep_alive,
                            failure: thread_failure,
                        };
                        driver.run();
                    }
                }
                Err(failed) => {
                    let _ = ready.send(Err(failed));
                }
            }
            drop(alive);
        })
        .map_err(local)?;
    let handle = Handle {
        requests,
        waker,
        failure,
        ended,
    };
    match opened.await {
        Ok(outcome) => Ok(outcome.map(|()| handle)),
        Err(_) => Err(local(io::Error::other("the connection's thread ended"))),
    }
}
