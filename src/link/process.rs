//! A shell behind a command on this machine.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conversation::{Conversation, Outgoing, Setting};
use super::poll::{self, Interest, Wakened};
use super::traffic::Counters;
use super::{Cancel, Error, Exec, Job, Stopped};

/// How often a process that has closed its streams is asked whether it has ended.
const REAP_PAUSE: Duration = Duration::from_millis(5);
/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// Starts the command and a thread that converses with it.
pub(super) fn spawn(
    argv: &[String],
    exec: Arc<Exec>,
    setting: Setting,
    job: Job,
    counters: Counters,
) -> Result<Cancel, Error> {
    let host = setting.host.clone();
    let local = |source: io::Error| Error::Local {
        host: host.clone(),
        source: Arc::new(source),
    };
    let mut child = Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Of its own, so that Ctrl-C on the terminal does not reach it before us, and so that it
        // can be stopped with all its processes.
        .process_group(0)
        .spawn()
        .map_err(|source| Error::Spawn {
            host: host.clone(),
            program: argv[0].clone(),
            source: Arc::new(source),
        })?;
    let (waker, wakened) = poll::waker().map_err(local)?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(local(io::Error::other("a stream is missing")));
    };
    for descriptor in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        set_nonblocking(descriptor.as_raw_fd()).map_err(local)?;
    }
    let dialogue = Dialogue {
        child,
        stdin: Some(stdin),
        stdout: Some(stdout),
        stderr: Some(stderr),
        conversation: Conversation::new(exec, setting),
        wakened,
        counters,
        chunk: vec![0; CHUNK],
    };
    std::thread::Builder::new()
        .name("link-process".to_owned())
        .spawn(move || dialogue.hold(job))
        .map_err(local)?;
    Ok(Cancel(waker))
}

fn set_nonblocking(descriptor: i32) -> io::Result<()> {
    // SAFETY: plain flags of a descriptor that the caller owns.
    unsafe {
        let flags = libc::fcntl(descriptor, libc::F_GETFL);
        if flags < 0 || libc::fcntl(descriptor, libc::F_SETFL, flags | libc::O_NONBLOCK) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

struct Dialogue {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    conversation: Conversation,
    wakened: Wakened,
    counters: Counters,
    chunk: Vec<u8>,
}

impl Dialogue {
    fn hold(mut self, job: Job) {
        let outcome = match self.converse(&job) {
            Ok(true) => self.reap(job.deadline),
            Ok(false) => Err(self.out_of_time()),
            Err(error) => Err(Stopped::Error(error)),
        };
        let outcome = match outcome {
            Ok((status, signal)) => self
                .conversation
                .finish(status, signal)
                .map_err(Stopped::Error),
            Err(stopped) => {
                // The streams close first: what stands behind the command, be it in a container or
                // on another machine, is told by that and stopped by an exec of its own.
                drop((self.stdin, self.stdout, self.stderr));
                stop(&mut self.child);
                Err(stopped)
            }
        };
        let _ = job.reply.send(outcome);
    }

    fn out_of_time(&self) -> Stopped {
        Stopped::OutOfTime {
            process: self.conversation.process(),
        }
    }

    /// Moves bytes until both output streams end (true) or time or interest runs out (false).
    fn converse(&mut self, job: &Job) -> Result<bool, Error> {
        while self.stdout.is_some() || self.stderr.is_some() {
            let before = self.conversation.transferred();
            let mut moved = self.read()?;
            let (wrote, blocked) = self.write()?;
            moved |= wrote;
            let now = self.conversation.transferred();
            if now != before {
                job.transferred.send_replace(now);
            }
            if job.reply.is_closed() || Instant::now() >= job.deadline {
                return Ok(false);
            }
            if !moved {
                let mut interests = vec![self.wakened.interest()];
                let mut interest = |descriptor, read, write| {
                    interests.push(Interest {
                        descriptor,
                        read,
                        write,
                    });
                };
                if let Some(stdout) = &self.stdout {
                    interest(stdout.as_raw_fd(), true, false);
                }
                if let Some(stderr) = &self.stderr {
                    interest(stderr.as_raw_fd(), true, false);
                }
                if let (Some(stdin), true) = (&self.stdin, blocked) {
                    interest(stdin.as_raw_fd(), false, true);
                }
                poll::wait(&interests, job.deadline).map_err(|source| Error::Local {
                    host: "this machine".to_owned(),
                    source: Arc::new(source),
                })?;
                self.wakened.clear();
            }
        }
        Ok(true)
    }

    fn read(&mut self) -> Result<bool, Error> {
        let mut moved = false;
        if let Some(stdout) = &mut self.stdout {
            match stdout.read(&mut self.chunk) {
                Ok(count @ 1..) => {
                    self.counters.received(count as u64);
                    self.conversation.stdout(&self.chunk[..count])?;
                    moved = true;
                }
                Err(error) if is_later(&error) => {}
                Ok(_) | Err(_) => self.stdout = None,
            }
        }
        if let Some(stderr) = &mut self.stderr {
            match stderr.read(&mut self.chunk) {
                Ok(count @ 1..) => {
                    self.counters.received(count as u64);
                    self.conversation.stderr(&self.chunk[..count])?;
                    moved = true;
                }
                Err(error) if is_later(&error) => {}
                Ok(_) | Err(_) => self.stderr = None,
            }
        }
        Ok(moved || (self.stdout.is_none() && self.stderr.is_none()))
    }

    /// Whether bytes moved, and whether the stream is full.
    fn write(&mut self) -> Result<(bool, bool), Error> {
        let Some(stdin) = &mut self.stdin else {
            return Ok((false, false));
        };
        match self.conversation.next()? {
            Outgoing::Wait => Ok((false, false)),
            Outgoing::End => {
                self.stdin = None;
                Ok((true, false))
            }
            Outgoing::Bytes(bytes) => match stdin.write(bytes) {
                Ok(count) => {
                    self.counters.sent(count as u64);
                    self.conversation.advance(count);
                    Ok((true, false))
                }
                Err(error) if is_later(&error) => Ok((false, true)),
                // The script ended without taking everything; its status tells the rest.
                Err(_) => {
                    self.stdin = None;
                    Ok((true, false))
                }
            },
        }
    }

    /// Exit status and signal of a process that has closed its output.
    fn reap(&mut self, deadline: Instant) -> Result<(i32, Option<String>), Stopped> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    let signal = status.signal().map(signal_name);
                    return Ok((status.code().unwrap_or(-1), signal));
                }
                Ok(None) if Instant::now() >= deadline => return Err(self.out_of_time()),
                Ok(None) => std::thread::sleep(REAP_PAUSE),
                Err(_) => return Ok((-1, None)),
            }
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Ends the command and everything in its process group.
fn stop(child: &mut Child) {
    if let Ok(Some(_)) = child.try_wait() {
        return;
    }
    let group = child.id() as i32;
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        // SAFETY: the child has not been waited for, so the number still is its group's.
        unsafe {
            libc::kill(-group, signal);
        }
        for _ in 0..40 {
            if let Ok(Some(_)) = child.try_wait() {
                return;
            }
            std::thread::sleep(REAP_PAUSE * 5);
        }
    }
}

/// The name without SIG, or the number.
fn signal_name(number: i32) -> String {
    match number {
        libc::SIGHUP => "HUP",
        libc::SIGINT => "INT",
        libc::SIGQUIT => "QUIT",
        libc::SIGILL => "ILL",
        libc::SIGABRT => "ABRT",
        libc::SIGBUS => "BUS",
        libc::SIGFPE => "FPE",
        libc::SIGKILL => "KILL",
        libc::SIGSEGV => "SEGV",
        libc::SIGPIPE => "PIPE",
        libc::SIGALRM => "ALRM",
        libc::SIGTERM => "TERM",
        other => return other.to_string(),
    }
    .to_owned()
}
