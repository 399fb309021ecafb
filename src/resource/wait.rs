//! A condition that something else brings about: the task ends when it holds.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::absolute;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::query::FileState;
use crate::model::{Action, Answers, Change, Difference, Query, Text, Unread, shell};
use crate::probe::Probe;

/// Waits until a port answers, an address is served, a file is there or a command succeeds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// A TCP port that takes connections.
    port: Option<u16>,
    /// Where the port is; this host when unset.
    address: Option<String>,
    /// An address that answers with a status below 400. Certificates are not checked.
    url: Option<String>,
    /// Absolute path of something that is there.
    file: Option<String>,
    /// POSIX shell text that only reads and succeeds.
    command: Option<String>,
    /// Seconds to wait at most.
    #[serde(default = "timeout_default")]
    timeout: u32,
    /// Seconds between two looks.
    #[serde(default = "every_default")]
    every: u32,
}

fn timeout_default() -> u32 {
    120
}

fn every_default() -> u32 {
    1
}

#[derive(Debug)]
pub struct Wait {
    condition: Condition,
    timeout: u32,
    every: u32,
}

#[derive(Debug)]
enum Condition {
    Port { address: String, port: u16 },
    Url(String),
    File(String),
    Command(String),
}

impl Kind for Wait {
    const NAME: &'static str = "wait";
    const SUMMARY: &'static str = "until a port, an address, a file or a command is as awaited";
    const EXAMPLE: &'static str = "{url: \"https://127.0.0.1:6443/readyz\", timeout: 180}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        let condition = match (
            parameters.port,
            parameters.url,
            parameters.file,
            parameters.command,
        ) {
            (Some(port), None, None, None) => Condition::Port {
                address: parameters.address.unwrap_or_else(|| "127.0.0.1".to_owned()),
                port,
            },
            (None, Some(url), None, None) => Condition::Url(url),
            (None, None, Some(file), None) => Condition::File(absolute(file, "/file")?),
            (None, None, None, Some(command)) => Condition::Command(command),
            _ => {
                return Err(Fault::at(
                    "",
                    "wait takes exactly one of `port`, `url`, `file` and `command`",
                ));
            }
        };
        let wait = Self {
            condition,
            timeout: parameters.timeout,
            every: parameters.every.max(1),
        };
        if Text::new(wait.test()).is_sealed() {
            return Err(Fault::at(
                "",
                "a question cannot hold a secret or a late value",
            ));
        }
        Ok(wait)
    }
}

impl Wait {
    /// A shell text that succeeds when the condition holds.
    fn test(&self) -> String {
        match &self.condition {
            // Bash can open a connection without a further program.
            Condition::Port { address, port } => format!(
                "timeout 3 bash -c {} 2>/dev/null",
                shell::quote(&format!("exec 3<>/dev/tcp/{address}/{port}"))
            ),
            Condition::Url(url) => format!(
                "curl -k -s -S -f -g -o /dev/null --max-time 5 -- {}",
                shell::quote(url)
            ),
            Condition::File(path) => format!("test -e {}", shell::quote(path)),
            Condition::Command(text) => text.clone(),
        }
    }

    fn name(&self) -> String {
        match &self.condition {
            Condition::Port { address, port } if address.contains(':') => {
                format!("port [{address}]:{port}")
            }
            Condition::Port { address, port } => format!("port {address}:{port}"),
            Condition::Url(url) => url.clone(),
            Condition::File(path) => format!("file {path}"),
            Condition::Command(text) => text.trim().lines().next().unwrap_or_default().to_owned(),
        }
    }

    /// Looks until it holds or time is up; the last look's words tell why not.
    fn until(&self) -> String {
        format!(
            "end=$(($(date +%s) + {timeout}))\n\
             until said=$( {{ {test}\n}} 2>&1 ); do\n\
             [ \"$(date +%s)\" -lt $end ] || {{ printf '%s\\n' {late} \"$said\" >&2; exit 1; }}\n\
             sleep {every}\n\
             done",
            test = self.test(),
            timeout = self.timeout,
            every = self.every,
            late = shell::quote(&format!(
                "still not there after {} s: {}",
                self.timeout,
                self.name()
            )),
        )
    }
}

impl Probe for Wait {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![match &self.condition {
            Condition::File(path) => Query::File(path.clone()),
            _ => Query::Run(self.test()),
        }]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let holds = match &self.condition {
            Condition::File(path) => matches!(answers.file(path)?, FileState::Present(_)),
            _ => answers.output(&self.test())?.status == 0,
        };
        if holds {
            return Ok(Change::settled());
        }
        Ok(Change::from(
            vec![Difference::value(
                &self.name(),
                "not yet".to_owned(),
                format!("within {} s", self.timeout),
            )],
            vec![Action::Run(self.until().into())],
        ))
    }
}

impl Resource for Wait {
    fn title(&self) -> String {
        format!("wait {}", self.name())
    }
}
