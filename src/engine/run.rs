//! What everything in one run shares.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::hub::Hub;
use super::stop::Stop;
use super::supply::Supply;
use crate::config::Site;
use crate::link::Links;
use crate::link::script::Lease;
use crate::redfish;

/// How a run goes about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Execs at once over all hosts.
    pub parallel: usize,
    /// How long a host may take from power on to a shell.
    pub boot: Duration,
    pub redfish: redfish::Options,
    /// Where facts are kept between runs.
    pub facts: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parallel: 64,
            // Servers with much memory train it for several minutes.
            boot: Duration::from_secs(20 * 60),
            redfish: redfish::Options::default(),
            facts: None,
        }
    }
}

pub struct Run {
    pub site: Arc<Site>,
    pub supply: Arc<dyn Supply>,
    pub hub: Hub,
    pub links: Links,
    pub stop: Stop,
    pub lease: Lease,
    pub options: Options,
    pub(super) bound: Semaphore,
    /// One maker at a time for each late value.
    late: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Run {
    pub fn new(
        site: Arc<Site>,
        supply: Arc<dyn Supply>,
        hub: Hub,
        links: Links,
        stop: Stop,
        lease: Lease,
        options: Options,
    ) -> Self {
        Self {
            bound: Semaphore::new(options.parallel.max(1)),
            late: Mutex::default(),
            site,
            supply,
            hub,
            links,
            stop,
            lease,
            options,
        }
    }

    /// What a host was when it was last asked.
    pub(super) fn remembered(&self, host: &str) -> Option<Value> {
        let text = std::fs::read_to_string(self.memory(host)?).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps a host's facts for the next run's guess. Losing them costs that run one more exec.
    pub(super) fn remember(&self, host: &str, facts: &Value) {
        if let Some(path) = self.memory(host) {
            let beside = path.with_extension("new");
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(&beside, facts.to_string())
                .and_then(|()| std::fs::rename(&beside, &path));
        }
    }

    fn memory(&self, host: &str) -> Option<PathBuf> {
        let folder = self.options.facts.as_ref()?;
        Some(folder.join(format!("{host}.json")))
    }

    /// The lock under which one late value is made.
    pub(super) fn late_lock(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.late
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.to_owned())
            .or_default()
            .clone()
    }
}
