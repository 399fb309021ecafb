//! One exec as a conversation, without input or output of its own: it says which bytes to send
//! next, takes what arrives, and tells in the end what happened. The SSH thread and the process
//! thread both move it along.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use super::error::Error;
use super::wire::{AHEAD_MARK, PASSWORD_PROMPT, READY_MARK, START_MARK, START_MARK_ERROR};
use super::{Completed, Exec, Payload, Transferred};
use crate::model::target::Sudo;

/// What the far side printed before the start mark and is kept for the error.
const NOISE_LIMIT: usize = 64 * 1024;
/// Bytes of a payload file that are held in memory.
const FILE_CHUNK: usize = 256 * 1024;

/// What to send now.
pub(super) enum Outgoing<'conversation> {
    /// Stays the same until [`Conversation::advance`].
    Bytes(&'conversation [u8]),
    /// Nothing before the far side has said something.
    Wait,
    /// Nothing any more: close the far side's standard input.
    End,
}

enum Segment {
    Text(Vec<u8>),
    /// The payload at this position.
    Payload(usize),
    Await(Stage),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Nothing,
    Ready,
    Started,
}

/// Where the conversation takes place, as its error texts need it.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub host: String,
    pub sudo: Sudo,
    /// Whether the bootstrap goes ahead on standard input.
    pub first_line: Option<String>,
    pub output_limit: u64,
}

pub(super) struct Conversation {
    exec: Arc<Exec>,
    setting: Setting,
    segments: std::vec::IntoIter<Segment>,
    current: Option<Segment>,
    /// Bytes of `current` that are in the far side's hands already.
    done: u64,
    file: Option<(File, Vec<u8>, usize)>,
    stage: Stage,
    /// The far side refused; nothing more is sent.
    refused: bool,
    process: Option<u32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    stderr_started: bool,
    transferred: Transferred,
}

impl Conversation {
    pub fn new(exec: Arc<Exec>, setting: Setting) -> Self {
        let mut segments = Vec::new();
        if let Some(line) = &setting.first_line {
            segments.push(Segment::Text(line.clone().into_bytes()));
        }
        if let Sudo::Password(password) = &setting.sudo {
            if setting.first_line.is_some() {
                segments.push(Segment::Await(Stage::Ready));
            }
            segments.push(Segment::Text(
                format!("{}\n", password.reveal()).into_bytes(),
            ));
        }
        if setting.first_line.is_some() || matches!(setting.sudo, Sudo::Password(_)) {
            segments.push(Segment::Await(Stage::Started));
        }
        let script = exec.script.reveal();
        let mut text = Vec::with_capacity(script.len() + 16);
        if matches!(setting.sudo, Sudo::Password(_)) {
            text.extend_from_slice(b"#\n");
        }
        text.extend_from_slice(format!("{}\n", script.len()).as_bytes());
        text.extend_from_slice(script.as_bytes());
        text.extend_from_slice(b"#\n");
        segments.push(Segment::Text(text));
        segments.extend((0..exec.payloads.len()).map(Segment::Payload));
        let total = exec.payloads.iter().map(Payload::size).sum();
        let mut segments = segments.into_iter();
        Self {
            current: segments.next(),
            segments,
            exec,
            setting,
            done: 0,
            file: None,
            stage: Stage::Nothing,
            refused: false,
            process: None,
            stdout: Vec::new(),
            stderr: Vec::new(),
            stderr_started: false,
            transferred: Transferred {
                sent: 0,
                total,
                received: 0,
            },
        }
    }

    /// The next bytes to send.
    pub fn next(&mut self) -> Result<Outgoing<'_>, Error> {
        if self.refused {
            return Ok(Outgoing::End);
        }
        loop {
            match &self.current {
                None => return Ok(Outgoing::End),
                Some(Segment::Await(stage)) => {
                    if self.stage < *stage {
                        return Ok(Outgoing::Wait);
                    }
                }
                Some(Segment::Text(text)) if self.done < text.len() as u64 => break,
                Some(Segment::Payload(index)) if self.done < self.exec.payloads[*index].size() => {
                    break;
                }
                Some(_) => {}
            }
            self.current = self.segments.next();
            self.done = 0;
            self.file = None;
        }
        if let Some(Segment::Payload(index)) = &self.current
            && let Payload::File { path, size } = &self.exec.payloads[*index]
        {
            let failed = |source| Error::Payload {
                path: path.clone(),
                source: Arc::new(source),
            };
            if self.file.is_none() {
                let file = File::open(path).map_err(failed)?;
                self.file = Some((file, Vec::new(), 0));
            }
            if let Some((file, chunk, offset)) = &mut self.file
                && *offset == chunk.len()
            {
                let left = size - self.done;
                chunk.clear();
                *offset = 0;
                let count = file
                    .take(left.min(FILE_CHUNK as u64))
                    .read_to_end(chunk)
                    .map_err(failed)?;
                if count == 0 {
                    return Err(Error::PayloadShort {
                        path: path.clone(),
                        expected: *size,
                        found: self.done,
                    });
                }
            }
        }
        match (&self.current, &self.file) {
            (_, Some((_, chunk, offset))) => Ok(Outgoing::Bytes(&chunk[*offset..])),
            (Some(Segment::Text(text)), _) => Ok(Outgoing::Bytes(&text[self.done as usize..])),
            (Some(Segment::Payload(index)), _) => match &self.exec.payloads[*index] {
                Payload::Bytes(bytes) => Ok(Outgoing::Bytes(&bytes[self.done as usize..])),
                Payload::File { .. } => Ok(Outgoing::End),
            },
            (Some(Segment::Await(_)) | None, _) => Ok(Outgoing::End),
        }
    }

    /// `count` of the bytes that [`Conversation::next`] gave have been sent.
    pub fn advance(&mut self, count: usize) {
        self.done += count as u64;
        if let Some((_, _, offset)) = &mut self.file {
            *offset += count;
        }
        if matches!(self.current, Some(Segment::Payload(_))) {
            self.transferred.sent += count as u64;
        }
    }

    /// Bytes from the far side's standard output.
    pub fn stdout(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stdout.extend_from_slice(bytes);
        self.transferred.received += bytes.len() as u64;
        if self.stage < Stage::Ready
            && let Some(position) = find(&self.stdout, READY_MARK.as_bytes())
        {
            self.stdout.drain(..position + READY_MARK.len());
            self.stage = Stage::Ready;
        }
        if self.stage < Stage::Started {
            match start_mark(&self.stdout) {
                Some((end, process)) => {
                    self.stdout.drain(..end);
                    self.process = Some(process);
                    self.stage = Stage::Started;
                }
                None => trim(&mut self.stdout),
            }
        }
        self.check_limit()
    }

    /// Bytes from the far side's standard error.
    pub fn stderr(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stderr.extend_from_slice(bytes);
        self.transferred.received += bytes.len() as u64;
        if !self.stderr_started {
            match find(&self.stderr, START_MARK_ERROR.as_bytes()) {
                Some(position) => {
                    self.stderr.drain(..position + START_MARK_ERROR.len());
                    self.stderr_started = true;
                }
                None if self.stage < Stage::Started => {
                    trim(&mut self.stderr);
                    if matches!(self.setting.sudo, Sudo::Password(_))
                        && super::sudo::asks_again(&String::from_utf8_lossy(&self.stderr))
                    {
                        // Whatever came next would be taken for another password.
                        self.refused = true;
                    }
                }
                None => self.stderr_started = self.stderr.len() > NOISE_LIMIT,
            }
        }
        self.check_limit()
    }

    fn check_limit(&self) -> Result<(), Error> {
        let held = (self.stdout.len() + self.stderr.len()) as u64;
        if held > self.setting.output_limit {
            return Err(Error::OutputLimit {
                host: self.setting.host.clone(),
                limit: self.setting.output_limit,
            });
        }
        Ok(())
    }

    pub fn transferred(&self) -> Transferred {
        self.transferred
    }

    /// The process number of the far side's shell, once it has started.
    pub fn process(&self) -> Option<u32> {
        self.process
    }

    /// The far side has ended.
    pub fn finish(self, status: i32, signal: Option<String>) -> Result<Completed, Error> {
        let stderr = String::from_utf8_lossy(&self.stderr);
        if self.stage == Stage::Started {
            if status == 95 && stderr.starts_with(AHEAD_MARK) {
                return Err(Error::ReadAhead {
                    host: self.setting.host,
                });
            }
            return Ok(Completed {
                status,
                stdout: self.stdout,
                stderr: self.stderr,
                signal,
            });
        }
        let host = self.setting.host;
        if !matches!(self.setting.sudo, Sudo::None)
            && let Some(refusal) = super::sudo::refusal(&stderr, status)
        {
            return Err(Error::Sudo {
                host,
                refusal,
                said: said(&stderr),
            });
        }
        let stdout = String::from_utf8_lossy(&self.stdout);
        let words = if stderr.trim().is_empty() {
            said(&stdout)
        } else {
            said(&stderr)
        };
        Err(Error::NotStarted {
            host,
            status,
            signal,
            said: words,
        })
    }
}

/// The last lines of what was printed, on one line, for an error text.
fn said(text: &str) -> String {
    let text = text.replace(PASSWORD_PROMPT, "");
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(4);
    lines[from..].join(" / ")
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// The end of the start mark and the process number in it.
fn start_mark(text: &[u8]) -> Option<(usize, u32)> {
    let begin = find(text, START_MARK.as_bytes())? + START_MARK.len();
    let length = find(&text[begin..], b"::\n")?;
    let number = std::str::from_utf8(&text[begin..begin + length]).ok()?;
    Some((begin + length + 3, number.parse().ok()?))
}

/// Keeps the end of what came before the mark.
fn trim(noise: &mut Vec<u8>) {
    if noise.len() > NOISE_LIMIT {
        noise.drain(..noise.len() - NOISE_LIMIT);
    }
}
