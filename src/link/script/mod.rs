//! The wire: acts and questions as one POSIX shell text, and its framed output read back.
//!
//! Forks are what a host pays for, so questions of one kind go to one program: one `stat` for all
//! files, one `sha256sum`, one `systemctl show`, one `dpkg-query`, one `curl` for all API paths.
//! Every section ends with a line that carries a nonce, on standard output with the exit status
//! and on standard error, so that what a program prints can never pass for a frame.

mod act;
mod again;
mod ask;
mod frame;
mod lease;
mod pod;
mod read;

use std::path::PathBuf;

pub use read::{ActFailure, Reply};

use crate::model::query::PodQuery;
use crate::model::{Action, Query, Vault};

/// One exec: acts in order, then questions.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    pub acts: Vec<Action>,
    pub queries: Vec<Query>,
}

/// What the text needs to know beyond the batch.
pub struct Around<'run> {
    pub vault: &'run Vault,
    /// Finds the bytes of a payload that is not text.
    pub find: &'run Find<'run>,
    /// Held by a run that acts on the host, so that two operators do not act at once.
    pub lease: Option<Lease>,
}

/// From an artifact's name, and its file's where it has several, to the path.
pub type Find<'run> = dyn Fn(&str, Option<&str>) -> Result<PathBuf, String> + Send + Sync + 'run;

/// Who acts on a host.
#[derive(Debug, Clone)]
pub struct Lease {
    pub run: String,
    /// `user@controller`, shown to whoever finds the host taken.
    pub holder: String,
    /// How long it holds without a further sign of life; a script that runs is one.
    pub seconds: u64,
}

/// Why a batch has no text.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("the value ‹{0}› is not known yet")]
    Missing(String),
    #[error("{0}")]
    Payload(String),
}

/// A compiled batch: the text, the bytes that follow it, and how to read what comes back.
pub struct Script {
    pub text: String,
    pub payloads: Vec<super::Payload>,
    frames: frame::Frames,
    sections: Vec<Section>,
}

/// What one frame of the output answers.
#[derive(Debug, PartialEq)]
enum Section {
    /// The lease was taken.
    Lease,
    /// The act at this position of the batch, and how people read it.
    Act {
        index: usize,
        shown: String,
    },
    /// Clock and uptime, for unit start times.
    Clock,
    Files(Vec<String>),
    Digests(Vec<String>),
    Contents(Vec<String>),
    Units(Vec<String>),
    Packages(Vec<String>),
    /// Stamp lines of archives.
    Stamps(Vec<String>),
    /// What is there of the stamps' files.
    StampedFiles,
    Images,
    Run(String),
    Kube(Vec<String>),
    Pods(Vec<PodQuery>),
}

/// Where archives leave their stamps.
pub const STAMPS: &str = "/var/lib/ra-deploy/archives";

/// Exit status of the text when another run holds the host.
pub const STATUS_TAKEN: i32 = 97;
/// Exit status of the text when an act failed.
pub const STATUS_ACT_FAILED: i32 = 98;

/// The batch as one text.
pub fn compile(batch: &Batch, around: &Around<'_>) -> Result<Script, CompileError> {
    let mut writer = Writer::new();
    if let Some(lease) = &around.lease {
        lease::take(&mut writer, lease);
    }
    if !batch.acts.is_empty() {
        writer.text.push_str(again::AGAIN);
    }
    for (index, action) in batch.acts.iter().enumerate() {
        act::write(&mut writer, index, action, around)?;
    }
    if around.lease.is_some() {
        lease::keep(&mut writer);
    }
    // Whatever is asked twice is answered once: the answers of one program are told apart by what
    // they are about.
    let mut queries = batch.queries.clone();
    queries.sort();
    queries.dedup();
    ask::write(&mut writer, &queries);
    Ok(writer.finish())
}

/// The text that gives a lease back, unless a step of its run still goes on there.
pub fn release(lease: &Lease) -> String {
    lease::release(lease)
}

/// The text that keeps a lease between two scripts that act.
pub fn renew(lease: &Lease) -> String {
    lease::renew(lease)
}

/// Collects text and sections.
struct Writer {
    text: String,
    payloads: Vec<super::Payload>,
    frames: frame::Frames,
    sections: Vec<Section>,
}

impl Writer {
    fn new() -> Self {
        let frames = frame::Frames::fresh();
        let text = frames.prelude();
        Self {
            text,
            payloads: Vec::new(),
            frames,
            sections: Vec::new(),
        }
    }

    /// One section: `body` runs, and its exit status ends the frame.
    fn section(&mut self, section: Section, body: &str) {
        self.text.push_str(body);
        if !body.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str("frame $?\n");
        self.sections.push(section);
    }

    fn finish(self) -> Script {
        Script {
            text: self.text,
            payloads: self.payloads,
            frames: self.frames,
            sections: self.sections,
        }
    }
}

#[cfg(test)]
mod tests;
