//! The thread behind one SSH connection: it moves all channels along without blocking and waits
//! with `poll` when none can move.

use std::os::fd::RawFd;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ssh2::{ErrorCode, Session};

use super::socket;
use crate::link::poll::{self, Interest, Wakened};

/// A channel, moved along by its connection's thread.
pub(super) trait Work: Send {
    /// Moves as far as it goes without waiting. An error is the whole connection's.
    fn step(&mut self, session: &Session) -> Result<Step, String>;

    /// libssh2 opens one channel at a time.
    fn is_opening(&self) -> bool;

    /// A descriptor beside the connection's socket that this work waits for.
    fn interest(&self) -> Option<Interest> {
        None
    }

    /// When to be moved along at the latest.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The connection is gone.
    fn fail(self: Box<Self>, reason: &str);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Moved,
    Waiting,
    Done,
}

/// What the async side asks of the thread.
pub(super) enum Request {
    Work(Box<dyn Work>),
    Close,
}

/// Why the connection ended, once it has.
pub(super) type Failure = Arc<OnceLock<String>>;

pub(super) struct Driver {
    pub session: Session,
    pub descriptor: RawFd,
    pub requests: Receiver<Request>,
    pub wakened: Wakened,
    pub keep_alive: Duration,
    pub failure: Failure,
}

/// Stands in for an interval of zero, which means that no sign of life is wanted.
const NO_KEEP_ALIVE: Duration = Duration::from_secs(24 * 3600);

impl Driver {
    /// Serves the connection until it fails, is closed, or nobody holds its other end any more.
    pub fn run(mut self) {
        self.session.set_blocking(false);
        if self.keep_alive.is_zero() {
            self.keep_alive = NO_KEEP_ALIVE;
        }
        let mut works: Vec<Box<dyn Work>> = Vec::new();
        let reason = match self.serve(&mut works) {
            Ok(()) => "it was closed".to_owned(),
            Err(reason) => reason,
        };
        // Told first: whoever sees a channel end looks here for the reason.
        let _ = self.failure.set(reason.clone());
        for work in works {
            work.fail(&reason);
        }
        while let Ok(request) = self.requests.try_recv() {
            if let Request::Work(work) = request {
                work.fail(&reason);
            }
        }
        // Freeing a session says goodbye on its channels; a dead peer must not hold that up.
        self.session.set_timeout(300);
        self.session.set_blocking(true);
        let _ = self.session.disconnect(None, "done", None);
    }

    fn serve(&mut self, works: &mut Vec<Box<dyn Work>>) -> Result<(), String> {
        let mut heard = Instant::now();
        let mut readable = false;
        loop {
            loop {
                match self.requests.try_recv() {
                    Ok(Request::Work(work)) => works.push(work),
                    Ok(Request::Close) => return Ok(()),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            let now = Instant::now();
            let silent = now.duration_since(heard);
            if silent >= self.keep_alive * 3 {
                return Err(format!("no sign of life for {} s", silent.as_secs()));
            }
            // Only work reads the socket, so without any, what came in needs some too.
            let idle = works.is_empty() && readable;
            if (silent >= self.keep_alive || idle) && !works.iter().any(|work| work.is_opening()) {
                works.push(Box::new(Ping));
            }
            let before = (socket::received(), socket::sent());
            let moved = step_all(works, &self.session)?;
            if socket::received() != before.0 {
                heard = Instant::now();
            }
            // Bytes that one work took off the socket may be another's, so a round in which any
            // came is never the last one before waiting.
            if moved || (socket::received(), socket::sent()) != before {
                readable = false;
                continue;
            }
            let mut interests = vec![
                self.wakened.interest(),
                Interest {
                    descriptor: self.descriptor,
                    read: true,
                    write: matches!(
                        self.session.block_directions(),
                        ssh2::BlockDirections::Outbound | ssh2::BlockDirections::Both
                    ),
                },
            ];
            interests.extend(works.iter().filter_map(|work| work.interest()));
            let quiet = if silent >= self.keep_alive {
                heard + self.keep_alive * 3
            } else {
                heard + self.keep_alive
            };
            let until = works
                .iter()
                .filter_map(|work| work.deadline())
                .fold(quiet, Instant::min);
            readable = poll::wait(&interests, until)
                .map_err(|error| error.to_string())?
                .contains(&self.descriptor);
            self.wakened.clear();
        }
    }
}

/// Moves every work once; whether any moved.
fn step_all(works: &mut Vec<Box<dyn Work>>, session: &Session) -> Result<bool, String> {
    let mut moved = false;
    let mut opener_seen = false;
    let mut index = 0;
    while index < works.len() {
        if works[index].is_opening() && std::mem::replace(&mut opener_seen, true) {
            index += 1;
            continue;
        }
        match works[index].step(session) {
            Ok(Step::Done) => {
                works.remove(index);
                moved = true;
            }
            Ok(step) => {
                moved |= step == Step::Moved;
                index += 1;
            }
            Err(reason) => return Err(reason),
        }
    }
    Ok(moved)
}

/// A sign of life: an attempt to open a channel of a type that no server knows. The refusal that
/// RFC 4254 demands proves the peer alive, and waiting for it reads what else has come in, which
/// libssh2 does not do by itself on a connection without channels.
struct Ping;

impl Work for Ping {
    fn step(&mut self, session: &Session) -> Result<Step, String> {
        match later(session.channel_open("keep-alive@ra-deploy", 32 * 1024, 32 * 1024, None)) {
            Ok(None) => Ok(Step::Waiting),
            Ok(Some(_)) => Ok(Step::Done),
            Err(error) if is_refusal(&error) => Ok(Step::Done),
            Err(error) => Err(error.message().to_owned()),
        }
    }

    fn is_opening(&self) -> bool {
        true
    }

    fn fail(self: Box<Self>, _reason: &str) {}
}

/// `None` when libssh2 would have to wait (LIBSSH2_ERROR_EAGAIN).
pub(super) fn later<T>(result: Result<T, ssh2::Error>) -> Result<Option<T>, ssh2::Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == ErrorCode::Session(-37) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same for reading and writing, whose errors the ssh2 crate wraps.
pub(super) fn later_io(result: std::io::Result<usize>) -> Result<Option<usize>, String> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// The server refused a channel or a request on it (LIBSSH2_ERROR_CHANNEL_FAILURE,
/// LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED); the connection itself is well.
pub(super) fn is_refusal(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(-21 | -22))
}
