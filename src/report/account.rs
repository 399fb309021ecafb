//! What was heard of a run so far: everything that its plan, summary and document are told from.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::event::{CheckResult, Event, Failure, Outcome, Summary, TaskName, What};
use crate::model::Change;

#[derive(Debug, Default)]
pub struct Account {
    pub run: Option<Run>,
    /// By host and position in its walk; a task that is planned again replaces itself.
    planned: IndexMap<(String, usize), Planned>,
    pub checks: Vec<CheckResult>,
    pub failures: Vec<Failed>,
    pub warnings: Vec<Warning>,
    clocks: BTreeMap<String, Clock>,
    /// Tasks of each host that was asked.
    tasks: BTreeMap<String, usize>,
    /// Hosts that came to their end, the failed ones not counted.
    pub finished: usize,
    /// Tasks that have ended, whichever way.
    pub ended: usize,
    pub summary: Option<Summary>,
}

/// How the run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// RFC 3339, UTC.
    pub at: String,
    pub command: String,
    pub site: String,
    pub profile: Option<String>,
    pub hosts: Vec<String>,
    /// Identifier of the run.
    pub run: String,
}

/// A task as it was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    pub task: TaskName,
    pub outcome: Outcome,
    pub change: Option<Change>,
    /// What has to happen before it can be known: `w07 is up`.
    pub unknown: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    pub host: String,
    /// `None` when the host failed outside of a task.
    pub task: Option<TaskName>,
    pub failure: Failure,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    pub host: Option<String>,
    pub message: String,
}

/// Seconds since the run began, of a host's first and last event.
#[derive(Debug, Clone, Copy)]
struct Clock {
    first: f64,
    last: f64,
}

impl Account {
    pub fn hear(&mut self, event: &Event) {
        self.tick(event);
        match &event.what {
            What::RunStarted {
                command,
                site,
                profile,
                hosts,
                run,
            } => {
                self.run = Some(Run {
                    at: event.at.clone(),
                    command: command.clone(),
                    site: site.clone(),
                    profile: profile.clone(),
                    hosts: hosts.clone(),
                    run: run.clone(),
                });
            }
            What::HostSurveyed { host, tasks, .. } => {
                self.tasks.insert(host.clone(), *tasks);
            }
            What::HostFinished { .. } => self.finished += 1,
            What::TaskPlanned {
                task,
                outcome,
                change,
                unknown,
            } => {
                let planned = Planned {
                    task: task.clone(),
                    outcome: *outcome,
                    change: change.clone(),
                    unknown: unknown.clone(),
                };
                self.planned
                    .insert((task.host.clone(), task.index), planned);
            }
            What::TaskFinished { .. } => self.ended += 1,
            What::TaskFailed { task, failure } => {
                self.ended += 1;
                self.failures.push(Failed {
                    host: task.host.clone(),
                    task: Some(task.clone()),
                    failure: failure.clone(),
                });
            }
            What::HostFailed { host, failure } if !self.has_failed_with(host, failure) => {
                self.failures.push(Failed {
                    host: host.clone(),
                    task: None,
                    failure: failure.clone(),
                });
            }
            What::Warning { host, message } => self.warnings.push(Warning {
                host: host.clone(),
                message: message.clone(),
            }),
            What::Checked(result) => self.checks.push(result.clone()),
            What::RunFinished(summary) => self.summary = Some(summary.clone()),
            _ => {}
        }
    }

    fn tick(&mut self, event: &Event) {
        let Some(host) = host_of(&event.what) else {
            return;
        };
        let clock = self.clocks.entry(host.to_owned()).or_insert(Clock {
            first: event.elapsed,
            last: event.elapsed,
        });
        clock.last = event.elapsed;
    }

    pub fn planned(&self) -> impl Iterator<Item = &Planned> {
        self.planned.values()
    }

    pub fn command(&self) -> &str {
        self.run.as_ref().map_or("", |run| run.command.as_str())
    }

    pub fn hosts(&self) -> &[String] {
        self.run.as_ref().map_or(&[], |run| run.hosts.as_slice())
    }

    /// Seconds between a host's first and last event; `None` for a host that was never heard of.
    pub fn seconds(&self, host: &str) -> Option<f64> {
        self.clocks.get(host).map(|clock| clock.last - clock.first)
    }

    /// Whether a task's failure was heard that the host's failure only repeats.
    pub fn has_failed_with(&self, host: &str, failure: &Failure) -> bool {
        let mut before = self.failures.iter().filter(|failed| failed.host == host);
        // A host's failure is its task's, with the task's title before it.
        before.any(|failed| failure.message.ends_with(&failed.failure.message))
    }

    /// Hosts that failed, each once.
    pub fn failed_hosts(&self) -> usize {
        let hosts = self.failures.iter().map(|failed| failed.host.as_str());
        hosts.collect::<BTreeSet<&str>>().len()
    }

    /// Hosts that were asked.
    pub fn surveyed(&self) -> usize {
        self.tasks.len()
    }

    /// Tasks that the hosts that were asked have in all.
    pub fn tasks(&self) -> usize {
        self.tasks.values().sum()
    }

    /// Everything in one value, for programs.
    pub fn document(&self) -> Document<'_> {
        Document {
            format: Document::FORMAT,
            run: self.run.as_ref(),
            plan: self.planned().collect(),
            checks: &self.checks,
            failures: &self.failures,
            warnings: &self.warnings,
            summary: self.summary.as_ref(),
        }
    }
}

/// The one document that `--output json` prints and a run record keeps as its summary.
#[derive(Debug, Serialize)]
pub struct Document<'account> {
    /// Grows when a field changes its meaning; new fields leave it.
    pub format: u32,
    pub run: Option<&'account Run>,
    pub plan: Vec<&'account Planned>,
    pub checks: &'account [CheckResult],
    pub failures: &'account [Failed],
    pub warnings: &'account [Warning],
    /// `None` when the run was cut off.
    pub summary: Option<&'account Summary>,
}

impl Document<'_> {
    pub const FORMAT: u32 = 1;
}

/// The host that an event is about.
pub fn host_of(what: &What) -> Option<&str> {
    match what {
        What::HostConnecting { host }
        | What::HostSurveyed { host, .. }
        | What::Waiting { host, .. }
        | What::Retrying { host, .. }
        | What::HostFailed { host, .. }
        | What::HostFinished { host, .. } => Some(host),
        What::TaskPlanned { task, .. }
        | What::TaskStarted { task }
        | What::TaskProgress { task, .. }
        | What::TaskFinished { task, .. }
        | What::TaskFailed { task, .. } => Some(&task.host),
        What::Warning { host, .. } => host.as_deref(),
        What::RunStarted { .. }
        | What::Preparing(_)
        | What::PlanReady
        | What::Checked(_)
        | What::RunFinished(_) => None,
    }
}
