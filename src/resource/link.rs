//! A symbolic link; or nothing at that path.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::absolute;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::query::{FileKind, FileState};
use crate::model::{Action, Answers, Change, Difference, Query, Unread, shell};
use crate::probe::Probe;

/// A symbolic link. A file in its place is replaced, a folder is not.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Absolute path of the link itself.
    path: String,
    /// What it points to, as it is written into the link.
    to: Option<String>,
    /// `true`: no link may be there.
    #[serde(default)]
    absent: bool,
}

#[derive(Debug)]
pub struct Link {
    path: String,
    /// `None`: no link.
    to: Option<String>,
}

impl Kind for Link {
    const NAME: &'static str = "link";
    const SUMMARY: &'static str = "a symbolic link, or its absence";
    const EXAMPLE: &'static str = "{path: /etc/resolv.conf, to: /run/systemd/resolve/resolv.conf}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        if parameters.to.is_some() == parameters.absent {
            return Err(Fault::at(
                "",
                "a link takes exactly one of `to` and `absent: true`",
            ));
        }
        Ok(Self {
            path: absolute(parameters.path, "/path")?,
            to: parameters.to,
        })
    }
}

impl Probe for Link {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::File(self.path.clone())]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let found = match answers.file(&self.path)? {
            FileState::Absent => None,
            FileState::Present(metadata) if metadata.kind == FileKind::Directory => {
                return Err(Unread::Unreadable(format!("{} is a directory", self.path)));
            }
            FileState::Present(metadata) => Some(
                metadata
                    .link
                    .clone()
                    .unwrap_or_else(|| "a file of its own".to_owned()),
            ),
        };
        if found == self.to {
            return Ok(Change::settled());
        }
        let path = shell::quote(&self.path);
        let script = match &self.to {
            None => format!("rm -f -- {path}"),
            Some(to) => format!(
                "mkdir -p -- \"$(dirname -- {path})\"\nln -sfnT -- {} {path}",
                shell::quote(to)
            ),
        };
        Ok(Change::from(
            vec![Difference::value("link", found, self.to.clone())],
            vec![Action::Run(script.into())],
        ))
    }
}

impl Resource for Link {
    fn title(&self) -> String {
        format!("link {}", self.path)
    }

    fn writes(&self) -> Vec<String> {
        vec![self.path.clone()]
    }
}
