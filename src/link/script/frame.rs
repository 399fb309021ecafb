//! Frames: where one section's output ends and the next begins.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The nonce of one script.
pub(super) struct Frames {
    nonce: String,
}

/// What one section printed.
#[derive(Debug, PartialEq)]
pub(super) struct Framed {
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Frames {
    /// A nonce that no program can guess. `RandomState` is seeded from the system's random source.
    pub fn fresh() -> Self {
        let word = || RandomState::new().build_hasher().finish();
        Self {
            nonce: format!("ra-{:016x}{:016x}", word(), word()),
        }
    }

    /// Defines `frame STATUS`, which ends a section on both streams.
    pub fn prelude(&self) -> String {
        let nonce = &self.nonce;
        format!(
            "LC_ALL=C QUOTING_STYLE=literal; export LC_ALL QUOTING_STYLE\n\
             PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH\n\
             umask 022\n\
             frame() {{ printf '\\n%s %s\\n' {nonce} \"$1\"; printf '\\n%s\\n' {nonce} >&2; }}\n"
        )
    }

    /// The line that `curl` and the pods' loop write between their answers.
    pub fn inner(&self) -> String {
        format!("{}+", self.nonce)
    }

    /// The frames in order. A script that was cut off gives fewer; the rest of standard error
    /// belongs to what was running then.
    pub fn split(&self, stdout: &[u8], stderr: &[u8]) -> (Vec<Framed>, Vec<u8>) {
        let mark = format!("\n{} ", self.nonce);
        let mut frames = Vec::new();
        let mut rest = stdout;
        while let Some(at) = find(rest, mark.as_bytes()) {
            let after = &rest[at + mark.len()..];
            let Some(end) = after.iter().position(|byte| *byte == b'\n') else {
                break;
            };
            let status = String::from_utf8_lossy(&after[..end]).trim().parse();
            frames.push(Framed {
                status: status.unwrap_or(-1),
                stdout: rest[..at].to_vec(),
                stderr: Vec::new(),
            });
            rest = &after[end + 1..];
        }
        let mark = format!("\n{}\n", self.nonce);
        let mut left = stderr;
        for frame in &mut frames {
            let Some(at) = find(left, mark.as_bytes()) else {
                break;
            };
            frame.stderr = left[..at].to_vec();
            left = &left[at + mark.len()..];
        }
        let mut unframed = left.to_vec();
        unframed.extend_from_slice(rest);
        (frames, unframed)
    }
}

/// Position of `needle` in `haystack`.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
