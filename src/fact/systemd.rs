//! The service manager.

use serde_json::{Value, json};

use super::{Fact, survey};
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{version}`: its number, null where there is no systemd.
pub(super) struct Systemd;

impl Probe for Systemd {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        vec![survey::query()]
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        // The name of its library: `252.so`, `252-14.el9.so`.
        let version = survey::first(answers, "systemd")?.and_then(|name| {
            let digits = name
                .split(|character: char| !character.is_ascii_digit())
                .next()?;
            digits.parse::<u64>().ok()
        });
        Ok(json!({"version": version}))
    }
}

impl Fact for Systemd {
    fn name(&self) -> &'static str {
        "systemd"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["version"]
    }
}
