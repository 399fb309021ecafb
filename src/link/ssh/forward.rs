//! One way through a jump host: a direct-tcpip channel with a local socket at its near end, which
//! the next hop's session takes for its own.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use ssh2::{Channel, Session};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::driver::{Step, Work, is_refusal, later, later_io};
use super::exec::is_outbound;
use crate::link::poll::Interest;

/// Bytes on their way in each direction.
const CHUNK: usize = 64 * 1024;
/// Rounds of reading and writing before another channel has its turn.
const ROUNDS: usize = 8;
/// How long the jump host may take to close a channel.
const CLOSE_TIME: Duration = Duration::from_secs(10);

pub(super) type Opened = oneshot::Sender<Result<UnixStream, String>>;

pub(super) struct ForwardWork {
    address: String,
    port: u16,
    state: State,
}

enum State {
    /// With the right to open a channel, given back by dropping it.
    Opening(Opened, OwnedSemaphorePermit),
    Open(Flow),
    Closing {
        flow: Flow,
        until: Instant,
    },
    Done,
}

struct Flow {
    channel: Channel,
    local: UnixStream,
    /// From the local socket to the channel.
    up: Stretch,
    /// From the channel to the local socket.
    down: Stretch,
    /// The session at the local end is gone.
    local_ended: bool,
    remote_ended: bool,
    /// A packet is half way out; libssh2 wants the same bytes again before anything else.
    pending: bool,
}

/// Bytes that are passed on before more are taken.
struct Stretch {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl Stretch {
    fn new() -> Self {
        Self {
            bytes: vec![0; CHUNK],
            from: 0,
            to: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    fn filled(&mut self, count: usize) {
        (self.from, self.to) = (0, count);
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }
}

impl ForwardWork {
    pub fn new(address: String, port: u16, opened: Opened, permit: OwnedSemaphorePermit) -> Self {
        Self {
            address,
            port,
            state: State::Opening(opened, permit),
        }
    }

    fn open(
        &mut self,
        opened: Opened,
        permit: OwnedSemaphorePermit,
        session: &Session,
    ) -> Result<Step, String> {
        match later(session.channel_direct_tcpip(&self.address, self.port, None)) {
            Ok(None) => {
                self.state = State::Opening(opened, permit);
                Ok(Step::Waiting)
            }
            Err(error) if is_refusal(&error) => {
                let _ = opened.send(Err(error.message().to_owned()));
                Ok(Step::Done)
            }
            Err(error) => {
                let reason = error.message().to_owned();
                let _ = opened.send(Err(reason.clone()));
                Err(reason)
            }
            Ok(Some(channel)) => {
                let pair = UnixStream::pair().and_then(|(near, far)| {
                    near.set_nonblocking(true)?;
                    Ok((near, far))
                });
                let (near, far) = match pair {
                    Ok(pair) => pair,
                    Err(error) => {
                        let _ = opened.send(Err(error.to_string()));
                        return Ok(Step::Done);
                    }
                };
                self.state = State::Open(Flow {
                    channel,
                    local: near,
                    up: Stretch::new(),
                    down: Stretch::new(),
                    // Nobody waits any more: `far` comes back and is closed right here.
                    local_ended: opened.send(Ok(far)).is_err(),
                    remote_ended: false,
                    pending: false,
                });
                Ok(Step::Moved)
            }
        }
    }
}

impl Flow {
    /// One round in both directions; whether bytes moved.
    fn exchange(&mut self, session: &Session) -> Result<bool, String> {
        let mut moved = false;
        if self.up.is_empty() && !self.local_ended {
            match self.local.read(&mut self.up.bytes) {
                Ok(count @ 1..) => {
                    self.up.filled(count);
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => self.local_ended = true,
            }
        }
        if !self.up.is_empty() {
            match later_io(self.channel.write(self.up.rest())) {
                Ok(Some(count)) => {
                    self.up.from += count;
                    self.pending = false;
                    moved = true;
                }
                Ok(None) => self.pending = is_outbound(session),
                // The channel is closed; a dead connection is told by the next read.
                Err(_) => self.up.filled(0),
            }
        }
        if self.down.is_empty() && !self.remote_ended {
            match later_io(self.channel.read(&mut self.down.bytes))? {
                Some(count @ 1..) => {
                    self.down.filled(count);
                    moved = true;
                }
                Some(_) => self.remote_ended = self.channel.eof(),
                None => {}
            }
        }
        if !self.down.is_empty() {
            match self.local.write(self.down.rest()) {
                Ok(count) => {
                    self.down.from += count;
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.down.filled(0);
                    self.local_ended = true;
                }
            }
        }
        Ok(moved)
    }

    fn has_ended(&self) -> bool {
        (self.local_ended && self.up.is_empty()) || (self.remote_ended && self.down.is_empty())
    }

    /// Closes the channel, after what is half way out, and waits for the other side to do so too:
    /// libssh2 gives a freed channel's number to the next one.
    fn clear_up(&mut self, session: &Session) -> Result<Step, String> {
        while let Some(1..) = later_io(self.channel.read(&mut self.down.bytes))? {}
        if self.pending {
            let written = later_io(self.channel.write(self.up.rest()));
            self.pending = matches!(written, Ok(None)) && is_outbound(session);
        }
        if self.pending || matches!(later(self.channel.close()), Ok(None)) {
            return Ok(Step::Waiting);
        }
        if !self.channel.eof() || matches!(later(self.channel.wait_close()), Ok(None)) {
            return Ok(Step::Waiting);
        }
        Ok(Step::Done)
    }
}

impl Work for ForwardWork {
    fn step(&mut self, session: &Session) -> Result<Step, String> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Opening(opened, permit) => self.open(opened, permit, session),
            State::Open(mut flow) => {
                let mut moved = false;
                let mut outcome = Ok(true);
                for _ in 0..ROUNDS {
                    outcome = flow.exchange(session);
                    if outcome != Ok(true) {
                        break;
                    }
                    moved = true;
                }
                // Kept when the connection has failed: the local end closes only once the reason
                // can be looked up.
                if outcome.is_ok() && flow.has_ended() {
                    let _ = flow.local.shutdown(Shutdown::Both);
                    let until = Instant::now() + CLOSE_TIME;
                    self.state = State::Closing { flow, until };
                    return Ok(Step::Moved);
                }
                self.state = State::Open(flow);
                outcome?;
                Ok(if moved { Step::Moved } else { Step::Waiting })
            }
            State::Closing { mut flow, until } => {
                if Instant::now() >= until {
                    return Ok(Step::Done);
                }
                let step = flow.clear_up(session)?;
                if step != Step::Done {
                    self.state = State::Closing { flow, until };
                }
                Ok(step)
            }
            State::Done => Ok(Step::Done),
        }
    }

    fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(..))
    }

    fn interest(&self) -> Option<Interest> {
        match &self.state {
            State::Open(flow) => {
                let read = flow.up.is_empty() && !flow.local_ended;
                let write = !flow.down.is_empty();
                // A descriptor that is waited for in neither way would still report its end, again
                // and again.
                (read || write).then(|| Interest {
                    descriptor: flow.local.as_raw_fd(),
                    read,
                    write,
                })
            }
            _ => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Closing { until, .. } => Some(*until),
            _ => None,
        }
    }

    fn fail(self: Box<Self>, reason: &str) {
        if let State::Opening(opened, _) = self.state {
            let _ = opened.send(Err(reason.to_owned()));
        }
    }
}
