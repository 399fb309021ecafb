//! One exec on an SSH connection: a session channel and the conversation over it.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ssh2::{BlockDirections, Channel, Session};

use super::driver::{Step, Work, is_refusal, later, later_io};
use super::jump::Jump;
use crate::link::conversation::{Conversation, Outgoing};
use crate::link::{Error, HopName, Job, Stopped};

/// Rounds of reading and writing before another channel has its turn.
const ROUNDS: usize = 32;
/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;
/// Tries of a session that is refused, and the first pause between them.
const REFUSALS: u32 = 3;
const REFUSAL_PAUSE: Duration = Duration::from_millis(50);
/// How long the server may take to close a channel that nobody waits for.
const CLOSE_TIME: Duration = Duration::from_secs(5);

pub(super) struct ExecWork {
    host: String,
    hop: Box<HopName>,
    /// The constant bootstrap.
    command: String,
    conversation: Option<Conversation>,
    job: Option<Job>,
    started: Instant,
    /// The jump host that the connection goes through.
    jump: Option<Arc<Jump>>,
    state: State,
    /// How often the server has refused a session.
    refusals: u32,
    chunk: Vec<u8>,
}

enum State {
    Opening,
    /// The server refused a session; it is asked again then. OpenSSH counts a session that was
    /// closed the moment before.
    Pausing(Instant),
    Talking(Talk),
    /// All output is here; waits for the status and the server's goodbye.
    Closing(Channel),
    /// Nobody waits any more.
    Abandoned {
        talk: Talk,
        until: Instant,
    },
    Done,
}

struct Talk {
    channel: Channel,
    /// Whether the server has agreed to run the command. The script is sent without waiting for
    /// it, which saves a round trip.
    agreed: bool,
    /// Nothing more goes to the script's standard input.
    silent: bool,
    /// A packet is half way out; libssh2 wants the same bytes again before anything else.
    pending: bool,
}

impl ExecWork {
    pub fn new(
        host: String,
        hop: Box<HopName>,
        command: String,
        conversation: Conversation,
        job: Job,
        jump: Option<Arc<Jump>>,
    ) -> Self {
        Self {
            host,
            hop,
            command,
            conversation: Some(conversation),
            job: Some(job),
            started: Instant::now(),
            jump,
            state: State::Opening,
            refusals: 0,
            chunk: vec![0; CHUNK],
        }
    }

    fn reply(&mut self, stopped: impl Into<Stopped>) {
        if let Some(job) = self.job.take() {
            let _ = job.reply.send(Err(stopped.into()));
        }
    }

    fn refused(&mut self, error: &ssh2::Error) {
        let error = Error::Channel {
            hop: self.hop.clone(),
            reason: error.message().to_owned(),
        };
        self.reply(error);
    }

    /// Tells that time or interest has run out, when it has.
    fn check_time(&mut self) {
        let Some(job) = &self.job else { return };
        if job.reply.is_closed() || Instant::now() >= job.deadline {
            let process = self.conversation.as_ref().and_then(Conversation::process);
            self.reply(Stopped::OutOfTime { process });
        }
    }

    fn open(&mut self, session: &Session) -> Result<Step, String> {
        match later(session.channel_session()) {
            Ok(None) => Ok(Step::Waiting),
            Ok(Some(channel)) => {
                self.state = State::Talking(Talk {
                    channel,
                    agreed: false,
                    silent: false,
                    pending: false,
                });
                Ok(Step::Moved)
            }
            Err(error) if is_refusal(&error) && self.refusals < REFUSALS => {
                self.refusals += 1;
                self.state = State::Pausing(Instant::now() + REFUSAL_PAUSE * self.refusals);
                Ok(Step::Moved)
            }
            Err(error) if is_refusal(&error) => {
                self.refused(&error);
                Ok(Step::Done)
            }
            Err(error) => Err(error.message().to_owned()),
        }
    }

    fn talk(&mut self, mut talk: Talk, session: &Session) -> Result<Step, String> {
        let mut moved = false;
        if !talk.agreed {
            match later(talk.channel.exec(&self.command)) {
                Ok(None) => {}
                Ok(Some(())) => {
                    talk.agreed = true;
                    moved = true;
                }
                Err(error) if is_refusal(&error) => {
                    self.refused(&error);
                    self.abandon(talk);
                    return Ok(Step::Moved);
                }
                Err(error) => return Err(error.message().to_owned()),
            }
        }
        let Some(mut conversation) = self.conversation.take() else {
            return Ok(Step::Done);
        };
        let before = conversation.transferred();
        let mut outcome = Ok(false);
        for _ in 0..ROUNDS {
            outcome = self.exchange(&mut talk, &mut conversation, session)?;
            match outcome {
                Ok(true) => moved = true,
                Ok(false) | Err(_) => break,
            }
        }
        let now = conversation.transferred();
        if let (true, Some(job)) = (now != before, &self.job) {
            job.transferred.send_replace(now);
        }
        self.conversation = Some(conversation);
        if let Err(error) = outcome {
            self.reply(error);
            self.abandon(talk);
            return Ok(Step::Moved);
        }
        if talk.channel.eof() {
            self.state = State::Closing(talk.channel);
            return Ok(Step::Moved);
        }
        self.state = State::Talking(talk);
        Ok(if moved { Step::Moved } else { Step::Waiting })
    }

    /// One round of reading and writing; whether bytes moved. The outer error is the
    /// connection's, the inner one the conversation's.
    fn exchange(
        &mut self,
        talk: &mut Talk,
        conversation: &mut Conversation,
        session: &Session,
    ) -> Result<Result<bool, Error>, String> {
        let mut moved = false;
        if let Some(count @ 1..) = later_io(talk.channel.read(&mut self.chunk))? {
            if let Err(error) = conversation.stdout(&self.chunk[..count]) {
                return Ok(Err(error));
            }
            moved = true;
        }
        if let Some(count @ 1..) = later_io(talk.channel.stderr().read(&mut self.chunk))? {
            if let Err(error) = conversation.stderr(&self.chunk[..count]) {
                return Ok(Err(error));
            }
            moved = true;
        }
        if talk.silent {
            return Ok(Ok(moved));
        }
        match conversation.next() {
            Err(error) => return Ok(Err(error)),
            Ok(Outgoing::Wait) => {}
            Ok(Outgoing::Bytes(bytes)) => match later_io(talk.channel.write(bytes)) {
                Ok(Some(count)) => {
                    conversation.advance(count);
                    talk.pending = false;
                    moved = true;
                }
                Ok(None) => talk.pending = is_outbound(session),
                // The script has ended without taking everything; its status tells the rest, and
                // a dead connection is told by the next read.
                Err(_) => talk.silent = true,
            },
            Ok(Outgoing::End) => match later(talk.channel.send_eof()) {
                Ok(None) => {}
                Ok(Some(())) | Err(_) => talk.silent = true,
            },
        }
        Ok(Ok(moved))
    }

    fn abandon(&mut self, talk: Talk) {
        self.state = State::Abandoned {
            talk,
            until: Instant::now() + CLOSE_TIME,
        };
    }

    /// Closes the channel, after what is half way out.
    fn clear_up(&mut self, talk: &mut Talk, session: &Session) -> Result<Step, String> {
        for stream in [0, 1] {
            while let Some(1..) = later_io(talk.channel.stream(stream).read(&mut self.chunk))? {}
        }
        if talk.pending
            && let Some(conversation) = &mut self.conversation
            && let Ok(Outgoing::Bytes(bytes)) = conversation.next()
        {
            let written = later_io(talk.channel.write(bytes));
            talk.pending = matches!(written, Ok(None)) && is_outbound(session);
        }
        if talk.pending {
            return Ok(Step::Waiting);
        }
        match later(talk.channel.close()) {
            Ok(None) => Ok(Step::Waiting),
            Ok(Some(())) | Err(_) if talk.channel.eof() => Ok(Step::Done),
            Ok(Some(())) | Err(_) => Ok(Step::Waiting),
        }
    }

    fn end(&mut self, mut channel: Channel) -> Result<Step, String> {
        // The server closes first: it does so once the script's process has ended and its session
        // is free for the next one.
        if matches!(later(channel.wait_close()), Ok(None))
            || matches!(later(channel.close()), Ok(None))
        {
            self.state = State::Closing(channel);
            return Ok(Step::Waiting);
        }
        let signal = channel
            .exit_signal()
            .ok()
            .and_then(|signal| signal.exit_signal);
        let status = match &signal {
            Some(_) => -1,
            None => channel.exit_status().unwrap_or(-1),
        };
        if let (Some(job), Some(conversation)) = (self.job.take(), self.conversation.take()) {
            let outcome = conversation.finish(status, signal);
            let _ = job.reply.send(outcome.map_err(Stopped::Error));
        }
        Ok(Step::Done)
    }
}

/// Whether libssh2 has bytes that the socket did not take.
pub(super) fn is_outbound(session: &Session) -> bool {
    matches!(
        session.block_directions(),
        BlockDirections::Outbound | BlockDirections::Both
    )
}

impl Work for ExecWork {
    fn step(&mut self, session: &Session) -> Result<Step, String> {
        self.check_time();
        match std::mem::replace(&mut self.state, State::Done) {
            State::Opening => {
                self.state = State::Opening;
                self.open(session)
            }
            State::Pausing(_) if self.job.is_none() => Ok(Step::Done),
            State::Pausing(until) => {
                if Instant::now() < until {
                    self.state = State::Pausing(until);
                    return Ok(Step::Waiting);
                }
                self.state = State::Opening;
                Ok(Step::Moved)
            }
            State::Talking(talk) if self.job.is_none() => {
                self.abandon(talk);
                Ok(Step::Moved)
            }
            State::Talking(talk) => self.talk(talk, session),
            State::Closing(channel) if self.job.is_none() => {
                drop(channel);
                Ok(Step::Done)
            }
            State::Closing(channel) => self.end(channel),
            State::Abandoned { mut talk, until } => {
                if Instant::now() >= until {
                    return Ok(Step::Done);
                }
                let step = self.clear_up(&mut talk, session)?;
                if step != Step::Done {
                    self.state = State::Abandoned { talk, until };
                }
                Ok(step)
            }
            State::Done => Ok(Step::Done),
        }
    }

    fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Abandoned { until, .. } => Some(*until),
            State::Pausing(until) => self.job.as_ref().map(|job| job.deadline.min(*until)),
            _ => self.job.as_ref().map(|job| job.deadline),
        }
    }

    fn fail(mut self: Box<Self>, reason: &str) {
        let error = Error::Dropped {
            host: self.host.clone(),
            after: self.started.elapsed(),
            reason: match self
                .jump
                .as_ref()
                .and_then(|jump| Some((&jump.name, jump.failure()?)))
            {
                Some((jump, reason)) => format!("its {jump} failed: {reason}"),
                None => reason.to_owned(),
            },
        };
        self.reply(error);
    }
}
