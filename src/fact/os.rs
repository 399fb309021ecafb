//! The distribution.

use serde_json::{Value, json};

use super::{Fact, contents, not_understood};
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{id, version, codename, family, pretty}`; family is `debian`, `rhel`, `suse` or the id.
pub(super) struct Os;

/// /etc/os-release is a link to it.
const RELEASE: &str = "/usr/lib/os-release";

impl Probe for Os {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        contents(&[RELEASE])
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        let text = answers
            .content(RELEASE)?
            .ok_or_else(|| Unread::Unreadable(format!("there is no {RELEASE}")))?;
        let get = |key: &str| {
            text.lines().find_map(|line| {
                let value = line.strip_prefix(key)?.strip_prefix('=')?;
                Some(value.trim_matches(['"', '\'']))
            })
        };
        let id = get("ID").ok_or_else(|| not_understood(RELEASE))?;
        let like = get("ID_LIKE").unwrap_or_default();
        let mut kin = std::iter::once(id).chain(like.split_whitespace());
        let family = kin.find_map(|name| match name {
            "debian" | "ubuntu" => Some("debian"),
            "rhel" | "fedora" | "centos" => Some("rhel"),
            "suse" | "opensuse" | "sles" => Some("suse"),
            _ => None,
        });
        Ok(json!({
            "id": id,
            "version": get("VERSION_ID"),
            "codename": get("VERSION_CODENAME"),
            "family": family.unwrap_or(id),
            "pretty": get("PRETTY_NAME"),
        }))
    }
}

impl Fact for Os {
    fn name(&self) -> &'static str {
        "os"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["id", "version", "codename", "family", "pretty"]
    }
}
