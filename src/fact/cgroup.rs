//! Control groups.

use serde_json::{Value, json};

use super::{Fact, contents, trimmed};
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{version, controllers}`: version 2 where the unified hierarchy is the only one, else 1.
pub(super) struct Cgroup;

const UNIFIED: &str = "/sys/fs/cgroup/cgroup.controllers";
const CONTROLLERS: &str = "/proc/cgroups";

impl Probe for Cgroup {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        contents(&[UNIFIED, CONTROLLERS])
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        answers.want(self.ask())?;
        if let Some(controllers) = answers.content(UNIFIED)? {
            let controllers: Vec<&str> = controllers.split_whitespace().collect();
            return Ok(json!({"version": 2, "controllers": controllers}));
        }
        // Columns: name, hierarchy, number of groups, enabled.
        let controllers: Vec<&str> = trimmed(answers, CONTROLLERS)?
            .unwrap_or_default()
            .lines()
            .filter(|line| !line.starts_with('#') && line.ends_with('1'))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        Ok(json!({"version": 1, "controllers": controllers}))
    }
}

impl Fact for Cgroup {
    fn name(&self) -> &'static str {
        "cgroup"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["version", "controllers"]
    }
}
