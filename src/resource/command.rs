//! A command for what no other kind says, and how to tell that it is not needed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::absolute;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::query::FileState;
use crate::model::{Action, Answers, Change, Difference, Payload, Query, Text, Unread};
use crate::probe::Probe;

/// A shell text that runs unless a path is there, or unless another text says that it has not to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// POSIX shell text, run as root with `set -e`.
    run: String,
    /// It runs only while nothing is at this path.
    creates: Option<String>,
    /// POSIX shell text that only reads: it runs only while this one fails.
    unless: Option<String>,
    /// A text that it reads from its standard input.
    stdin: Option<String>,
}

#[derive(Debug)]
pub struct Command {
    run: Text,
    guard: Guard,
    stdin: Option<Text>,
}

#[derive(Debug)]
enum Guard {
    Creates(String),
    Unless(String),
}

impl Kind for Command {
    const NAME: &'static str = "command";
    const SUMMARY: &'static str =
        "a shell text, with `creates` or `unless` to tell that it is done";
    const EXAMPLE: &'static str = "{run: update-initramfs -u, unless: test /boot/initrd.img -nt /etc/initramfs-tools/modules}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        let guard = match (parameters.creates, parameters.unless) {
            (Some(path), None) => Guard::Creates(absolute(path, "/creates")?),
            (None, Some(text)) if Text::new(text.as_str()).is_sealed() => {
                return Err(Fault::at(
                    "/unless",
                    "a question cannot hold a secret or a late value",
                ));
            }
            (None, Some(text)) => Guard::Unless(text),
            _ => {
                return Err(
                    Fault::at("", "a command takes exactly one of `creates` and `unless`")
                        .hint("without one of them nobody can tell whether it still has to run"),
                );
            }
        };
        Ok(Self {
            run: parameters.run.into(),
            guard,
            stdin: parameters.stdin.map(Text::new),
        })
    }
}

impl Probe for Command {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![match &self.guard {
            Guard::Creates(path) => Query::File(path.clone()),
            Guard::Unless(text) => Query::Run(text.clone()),
        }]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let difference = match &self.guard {
            Guard::Creates(path) => match answers.file(path)? {
                FileState::Present(_) => return Ok(Change::settled()),
                FileState::Absent => Difference::value(path, None, "made".to_owned()),
            },
            Guard::Unless(text) => match answers.output(text)?.status {
                0 => return Ok(Change::settled()),
                status => {
                    Difference::value("unless", format!("status {status}"), "status 0".to_owned())
                }
            },
        };
        let action = match &self.stdin {
            None => Action::Run(self.run.clone()),
            Some(text) => Action::Feed {
                script: self.run.clone(),
                payload: Payload::Text(text.clone()),
            },
        };
        Ok(Change::from(vec![difference], vec![action]))
    }
}

impl Resource for Command {
    fn title(&self) -> String {
        const SHOWN: usize = 60;
        let text = self.run.to_string();
        let first = text.trim().lines().next().unwrap_or_default();
        match first.char_indices().nth(SHOWN) {
            Some((cut, _)) => format!("command {}…", &first[..cut]),
            None if text.trim().lines().count() > 1 => format!("command {first} …"),
            None => format!("command {first}"),
        }
    }
}
