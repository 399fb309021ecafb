//! Failures that several parts of the engine tell, in the words that a person needs.

use crate::event::Failure;
use crate::model::{Change, Difference};

/// Stopped in the middle, by the second Ctrl-C.
pub(super) fn stopped() -> Failure {
    Failure {
        message: "stopped in the middle of a step".to_owned(),
        hints: vec!["run it again: what was done is found, the rest is finished".to_owned()],
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
    let mut words = taken.splitn(3, ' ');
    let until = words.next().and_then(|word| word.parse::<i64>().ok());
    let step = words.next().and_then(|word| word.parse::<u32>().ok());
    let holder = words.next().unwrap_or("somebody");
    let hint = match step {
        Some(step) if step > 0 => format!(
            "wait for that run to end; if its operator is gone, its step still runs on {host} as \
             process {step}, and holds the host until it ends"
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
        message: format!("{host} is being changed by another run, of {holder}"),
        hints: vec![hint],
        ..Failure::default()
    }
}
