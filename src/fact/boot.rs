//! The boot that the host runs on.

use serde_json::{Value, json};

use super::{Fact, contents, trimmed};
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{id, started}`: the kernel's boot id (a container has that of the machine around it), and
/// when the first process started, seconds since the epoch.
pub(super) struct Boot;

const ID: &str = "/proc/sys/kernel/random/boot_id";
const STAT: &str = "/proc/stat";
const FIRST: &str = "/proc/1/stat";

/// Field 22 of a process's stat counts in these, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

impl Probe for Boot {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        contents(&[ID, STAT, FIRST])
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        answers.want(self.ask())?;
        Ok(json!({
            "id": trimmed(answers, ID)?,
            "started": started(answers)?,
        }))
    }
}

/// When the first process started, seconds since the epoch. In a container that is the
/// container's own boot, which the kernel's boot time is not. Needs the contents of /proc/stat
/// and /proc/1/stat.
pub fn started(answers: &Answers) -> Result<f64, Unread> {
    let kernel: f64 = answers
        .content(STAT)?
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("btime ")))
        .and_then(|seconds| seconds.trim().parse().ok())
        .ok_or_else(|| super::not_understood(STAT))?;
    // The command's name is in parentheses and may hold blanks; after it comes field 3.
    let ticks: f64 = answers
        .content(FIRST)?
        .and_then(|text| {
            let fields = text.rsplit_once(')')?.1;
            fields.split_whitespace().nth(22 - 3)?.parse().ok()
        })
        .ok_or_else(|| super::not_understood(FIRST))?;
    Ok(kernel + ticks / TICKS_PER_SECOND)
}

impl Fact for Boot {
    fn name(&self) -> &'static str {
        "boot"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["id", "started"]
    }
}
