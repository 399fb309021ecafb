//! How patient the client is, what it counts, and what it tells meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::model::Vault;

/// Bounds of a BMC's client. The defaults suit real BMCs; tests shorten them.
#[derive(Debug, Clone)]
pub struct Options {
    /// Requests in flight at once to this BMC.
    pub gate: usize,
    /// A bound over all BMCs, shared by their clients.
    pub fleet: Option<Arc<Semaphore>>,
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub read_timeout: Duration,
    /// The first pause before a retry; it doubles up to `pause_cap`.
    pub pause: Duration,
    pub pause_cap: Duration,
    /// How long a request is repeated while nothing answers.
    pub silence_budget: Duration,
    /// How long a request is repeated while the BMC says 'not ready', and how long an empty
    /// collection of systems is waited for.
    pub ready_budget: Duration,
    /// Between two looks at a state that is waited for.
    pub poll: Duration,
    /// For an ordered shutdown or restart before it is forced.
    pub graceful_budget: Duration,
    /// For a forced change of power.
    pub power_budget: Duration,
    /// For the first signs of a boot.
    pub boot_budget: Duration,
    /// For a change to be readable after it was accepted.
    pub read_back_budget: Duration,
    /// For a task that does not wait for a reset.
    pub task_budget: Duration,
    /// For a firmware update from its start to the version that runs, the BMC's restart included.
    pub update_budget: Duration,
    /// For sending an image.
    pub upload_timeout: Duration,
    /// Whether a password that the BMC was delivered with is replaced at the login.
    pub first_login: FirstLogin,
    /// What the sealed parts of acts stand for.
    pub vault: Arc<Vault>,
    /// For a BMC that restarts to answer again.
    pub restart_budget: Duration,
}

/// What is done where only `first-password` is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLogin {
    Replace,
    /// Nothing is touched.
    Leave,
}

impl Default for Options {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            gate: 2,
            fleet: None,
            connect_timeout: seconds(5),
            read_timeout: seconds(60),
            pause: Duration::from_millis(500),
            pause_cap: seconds(15),
            silence_budget: seconds(25),
            ready_budget: seconds(300),
            poll: seconds(2),
            graceful_budget: seconds(180),
            power_budget: seconds(90),
            boot_budget: seconds(120),
            read_back_budget: seconds(60),
            task_budget: seconds(1800),
            update_budget: seconds(3600),
            upload_timeout: seconds(1800),
            first_login: FirstLogin::Replace,
            vault: Arc::default(),
            restart_budget: seconds(900),
        }
    }
}

/// What a client has sent, for the run record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requests {
    pub gets: u64,
    /// POST, PATCH, PUT and DELETE, those of the session not counted.
    pub writes: u64,
    pub sessions: u64,
    /// Of answers' bodies, as received.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub gets: AtomicU64,
    pub writes: AtomicU64,
    pub sessions: AtomicU64,
    pub bytes: AtomicU64,
}

impl Counters {
    pub fn read(&self) -> Requests {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Requests {
            gets: read(&self.gets),
            writes: read(&self.writes),
            sessions: read(&self.sessions),
            bytes: read(&self.bytes),
        }
    }
}

/// What an act tells while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A state is waited for.
    Waiting { what: String, elapsed: Duration },
    /// A milder way was not enough.
    Escalating { from: String, to: String },
    /// A task of the BMC, with its percentage where told.
    Task { state: String, percent: Option<u8> },
    /// Something worth knowing that is no failure.
    Note(String),
}

/// Where progress goes.
pub type Listener<'a> = &'a (dyn Fn(Progress) + Send + Sync);
