//! What happens in a run, as plain values in one stream. The engine writes them; the report room
//! and the run record read them; a record replayed tells the run again.

use serde::{Deserialize, Serialize};

use crate::model::{Change, Difference};

/// How a task ended on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As it should be already.
    Unchanged,
    /// A plan only: the acts are needed.
    WouldChange,
    /// Acted, and confirmed by asking again.
    Changed,
    /// Its condition says that this host does not need it.
    Skipped,
    Failed,
}

/// One event with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339, UTC.
    pub at: String,
    /// Seconds since the run began.
    pub elapsed: f64,
    pub what: What,
}

/// A task on a host, as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskName {
    pub host: String,
    pub role: String,
    /// Position in the host's walk, from 0; unique on the host.
    pub index: usize,
    /// `file /etc/hosts`, or the name that the role's author gave it.
    pub title: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    RunStarted {
        /// `plan`, `apply`, `verify`, ….
        command: String,
        site: String,
        /// The profile's name, where the inventory has one.
        profile: Option<String>,
        hosts: Vec<String>,
        /// Identifier of the run: the name of its record's folder.
        run: String,
    },
    /// Work before any host is touched, such as building artifacts.
    Preparing(Preparation),
    HostConnecting {
        host: String,
    },
    /// Everything known was asked.
    HostSurveyed {
        host: String,
        tasks: usize,
        changes: usize,
    },
    TaskPlanned {
        task: TaskName,
        outcome: Outcome,
        change: Option<Change>,
        /// Why it cannot be known yet, for a task whose host has still to come up.
        unknown: Option<String>,
    },
    /// Every task that can be planned was: the plan can be shown, and asked about.
    PlanReady,
    TaskStarted {
        task: TaskName,
    },
    TaskProgress {
        task: TaskName,
        message: String,
        /// Bytes or parts, where they can be counted.
        done: Option<u64>,
        total: Option<u64>,
    },
    TaskFinished {
        task: TaskName,
        outcome: Outcome,
        differences: Vec<Difference>,
        seconds: f64,
    },
    TaskFailed {
        task: TaskName,
        failure: Failure,
    },
    /// The host waits for another one: for a milestone, or for its turn.
    Waiting {
        host: String,
        reason: String,
    },
    Retrying {
        host: String,
        reason: String,
        attempt: u32,
        wait_seconds: f64,
    },
    Warning {
        host: Option<String>,
        message: String,
    },
    /// The host is out of this run; the others go on.
    HostFailed {
        host: String,
        failure: Failure,
    },
    HostFinished {
        host: String,
        changed: usize,
        unchanged: usize,
        skipped: usize,
        /// Tasks that were not reached.
        #[serde(default)]
        left: usize,
        traffic: Traffic,
    },
    Checked(CheckResult),
    RunFinished(Summary),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// What is being made: `kubernetes 1.33.13`.
    pub subject: String,
    /// `building from its Go module`, `fetching`, `ready`.
    pub state: String,
    pub done: Option<u64>,
    pub total: Option<u64>,
    /// How many things are left, this one included.
    pub left: usize,
}

/// Everything a person needs at night.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Failure {
    /// Lower-case, one line.
    pub message: String,
    /// Causes, outermost first.
    pub causes: Vec<String>,
    /// The command or act, with secrets as `‹name›`.
    pub command: Option<String>,
    pub status: Option<i32>,
    /// What it printed, whole, secrets replaced.
    pub output: Option<String>,
    /// What to do next.
    pub hints: Vec<String>,
}

/// What a host cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traffic {
    pub connections: u64,
    pub execs: u64,
    /// Bytes to the host and from it.
    pub sent: u64,
    pub received: u64,
    pub bmc_reads: u64,
    pub bmc_writes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Requirement id, such as `ra2.k8s.005`.
    pub id: String,
    pub title: String,
    /// `must`, `should`, `may`.
    pub level: String,
    pub verdict: Verdict,
    /// One row for each host, or one for the cluster.
    pub findings: Vec<CheckFinding>,
    /// What mends a failure.
    pub mend: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckFinding {
    /// The host, or `cluster`.
    pub subject: String,
    pub verdict: Verdict,
    pub evidence: String,
    /// The questions that were asked, as a person would repeat them.
    pub asked: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    NotApplicable,
    Waived,
    /// The check could not be made; never counted as passed.
    Unknown,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    pub command: String,
    pub seconds: f64,
    pub hosts: Vec<HostSummary>,
    /// Counted checks, where the run verified.
    pub checks: Option<CheckCount>,
    pub interrupted: bool,
    /// Why the run ended before it changed anything.
    #[serde(default)]
    pub stopped: Option<Failure>,
    pub exit_code: i32,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostSummary {
    pub host: String,
    pub changed: usize,
    pub would_change: usize,
    pub unchanged: usize,
    pub skipped: usize,
    /// Tasks that were not reached.
    pub left: usize,
    pub failure: Option<Failure>,
    pub traffic: Traffic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CheckCount {
    pub passed: usize,
    pub failed: usize,
    pub unknown: usize,
    pub waived: usize,
    pub not_applicable: usize,
}

/// Whoever consumes events. Called from one task in order; must not block for long.
pub trait Listener: Send {
    fn hear(&mut self, event: &Event);
}
