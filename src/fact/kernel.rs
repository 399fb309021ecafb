//! The running kernel.

use serde_json::{Value, json};

use super::{Fact, contents, not_understood, survey, trimmed};
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{release, version: [major, minor], architecture, command_line, modules, loadable}`.
/// `modules` are those loaded; `loadable` tells whether there are any to load.
pub(super) struct Kernel;

const RELEASE: &str = "/proc/sys/kernel/osrelease";
const COMMAND_LINE: &str = "/proc/cmdline";
const MODULES: &str = "/proc/modules";

impl Probe for Kernel {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        let mut queries = contents(&[RELEASE, COMMAND_LINE, MODULES]);
        queries.push(survey::query());
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        answers.want(self.ask())?;
        let release = trimmed(answers, RELEASE)?.ok_or_else(|| not_understood(RELEASE))?;
        let mut numbers = release
            .split(|character: char| !character.is_ascii_digit())
            .map_while(|number| number.parse::<u64>().ok());
        let version = (numbers.next(), numbers.next());
        let (Some(major), Some(minor)) = version else {
            return Err(not_understood(RELEASE));
        };
        let modules: Vec<&str> = trimmed(answers, MODULES)?
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        Ok(json!({
            "release": release,
            "version": [major, minor],
            "architecture": survey::first(answers, "architecture")?,
            "command_line": trimmed(answers, COMMAND_LINE)?,
            "modules": modules,
            "loadable": survey::first(answers, "modules")?.is_some(),
        }))
    }
}

impl Fact for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn fields(&self) -> &'static [&'static str] {
        &[
            "release",
            "version",
            "architecture",
            "command_line",
            "modules",
            "loadable",
        ]
    }
}
