//! Mandatory access control.

use serde_json::{Value, json};

use super::{Fact, contents, trimmed};
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{selinux, apparmor}`: `enforcing`, `permissive` or `disabled`, and whether it is on.
pub(super) struct Security;

const SELINUX: &str = "/sys/fs/selinux/enforce";
const APPARMOR: &str = "/sys/module/apparmor/parameters/enabled";

impl Probe for Security {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        contents(&[SELINUX, APPARMOR])
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        answers.want(self.ask())?;
        Ok(json!({
            "selinux": match trimmed(answers, SELINUX)? {
                Some("1") => "enforcing",
                Some("0") => "permissive",
                _ => "disabled",
            },
            "apparmor": trimmed(answers, APPARMOR)? == Some("Y"),
        }))
    }
}

impl Fact for Security {
    fn name(&self) -> &'static str {
        "security"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["selinux", "apparmor"]
    }
}
