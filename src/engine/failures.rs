//! Failures that several parts of the engine tell, in the words that a person needs.

use super::hub::failure;
use crate::event::Failure;
use crate::link::Error as LinkError;
use crate::link::script::ActFailure;
use crate::model::{Change, Difference, Vault};

/// What programs print for reasons that have nothing to do with them, and what to do then.
const REASONS: [(&str, &str, &str); 5] = [
    (
        "No space left on device",
        "a file system of the host is full",
        "`df -h` and `df -i` on the host show which; make room, then run again",
    ),
    (
        "Read-only file system",
        "a file system of the host is read-only",
        "`dmesg` on the host tells whether its disk failed; mount it for writing, then run again",
    ),
    (
        "Cannot allocate memory",
        "the host is out of memory",
        "`free -m` on the host shows how much there is; make room, then run again",
    ),
    (
        "Could not get lock",
        "another package manager is at work on the host",
        "wait until it has ended (often it is `unattended-upgrades` after a boot), then run again",
    ),
    (
        "Temporary failure resolving",
        "the host resolves no names",
        "look at /etc/resolv.conf on the host, then run again",
    ),
];

/// An act that ended with another status than 0.
pub(super) fn of_act(failed: ActFailure, vault: &Vault) -> Failure {
    let reason = REASONS
        .iter()
        .find(|(words, ..)| failed.output.contains(words));
    Failure {
        message: match reason {
            Some((_, reason, _)) => format!("it ended with status {}: {reason}", failed.status),
            None => format!("it ended with status {}", failed.status),
        },
        command: Some(failed.shown),
        status: Some(failed.status),
        output: Some(vault.redact(&failed.output)),
        hints: reason.iter().map(|(.., hint)| (*hint).to_owned()).collect(),
        ..Failure::default()
    }
}

/// Why the link did not lead to the host, or broke. The host's name stands beside it already.
pub(super) fn of_link(host: &str, error: &LinkError) -> Failure {
    let failure = failure(error, Some(error.hint()));
    let message = failure.message.strip_prefix(&format!("{host}: "));
    Failure {
        message: message.unwrap_or(&failure.message).to_owned(),
        ..failure
    }
}

/// Stopped in the middle, by the second Ctrl-C.
pub(super) fn stopped() -> Failure {
    Failure {
        message: "stopped in the middle of a step".to_owned(),
        hints: vec![
            "what it was doing may still go on there; run it again: what was done is found, the \
             rest is finished"
                .to_owned(),
        ],
        ..Failure::default()
    }
}

pub(super) fn unreadable(reason: &str) -> Failure {
    Failure {
        message: format!("the host's state cannot be read: {reason}"),
        ..Failure::default()
    }
}

/// The change that acting did not make.
pub(super) fn remains(after: &Change) -> Failure {
    let left: Vec<String> = after
        .differences
        .iter()
        .map(|difference| match difference {
            Difference::Value { what, from, to } => format!(
                "{what} is {}, not {}",
                from.as_deref().unwrap_or("absent"),
                to.as_deref().unwrap_or("absent")
            ),
            Difference::Lines { added, removed, .. } => {
                format!("content still differs (+{added} −{removed})")
            }
            Difference::Sealed { what } => format!("{what} still differs"),
            Difference::Note(note) => note.clone(),
        })
        .collect();
    Failure {
        message: "it was acted on, and still differs when asked again".to_owned(),
        causes: left,
        hints: vec!["something on the host changes it back, or refuses it silently".to_owned()],
        ..Failure::default()
    }
}

/// Another run holds the host: until when, with which step, who.
pub(super) fn taken_by(host: &str, taken: &str) -> Failure {
    let mut words = taken.splitn(4, ' ');
    let until = words.next().and_then(|word| word.parse::<i64>().ok());
    let step = words.next().and_then(|word| word.parse::<u32>().ok());
    let run = words.next().unwrap_or("of which nothing is known");
    let holder = words.next().unwrap_or("somebody");
    let hint = match step {
        Some(step) if step > 0 => format!(
            "wait for that run to end; one of its steps is at work on {host}, as process {step}, \
             and holds the host until it ends, even if its operator has gone"
        ),
        _ => format!(
            "wait for that run to end; if it is dead, its hold ends by itself at {} (UTC)",
            until
                .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
                .map(|time| time.strftime("%H:%M:%S").to_string())
                .unwrap_or_default()
        ),
    };
    Failure {
        message: format!("{holder} is changing {host} in another run, {run}"),
        hints: vec![hint],
        ..Failure::default()
    }
}
