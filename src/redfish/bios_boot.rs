//! A boot for the BIOS attributes that wait, and the proof that it applied them.

use std::time::{Duration, Instant};

use super::error::Error;
use super::options::{Listener, Progress};
use super::survey::{Cache, Survey};
use super::{bios, power};
use crate::model::bmc::PowerGoal;
use crate::model::bmc::bios::alike;

/// Nothing is booted where nothing waits.
pub(super) async fn boot(survey: &Survey<'_>, listener: Listener<'_>) -> Result<(), Error> {
    let before = bios::state(survey).await?;
    if before.pending.is_empty() && before.job.is_none() {
        return Ok(());
    }
    power::bring(survey, PowerGoal::Restart, listener).await?;
    let client = survey.client;
    let start = Instant::now();
    let mut told = start;
    loop {
        // Read past what was read before the boot.
        let cache = Cache::default();
        let fresh = Survey {
            client,
            cache: &cache,
        };
        let found = match bios::state(&fresh).await {
            Ok(now) => {
                let missing: Vec<String> = before
                    .pending
                    .iter()
                    .filter(|(name, value)| {
                        let current = now.current.get(*name);
                        !current.is_some_and(|current| alike(current, value))
                    })
                    .map(|(name, _)| name.clone())
                    .collect();
                let waits = now
                    .pending
                    .keys()
                    .any(|name| before.pending.contains_key(name));
                if missing.is_empty() && !waits && (now.job.is_none() || now.job != before.job) {
                    return Ok(());
                }
                match (missing.is_empty(), now.job) {
                    (false, _) => format!("not in force yet: {}", missing.join(", ")),
                    (true, Some(job)) => format!("the job {job} is not done yet"),
                    (true, None) => "the BMC still shows them as pending".to_owned(),
                }
            }
            // A BMC may be away or empty-handed while its server boots.
            Err(error) if error.is_passing() => error.to_string(),
            Err(error) => return Err(error),
        };
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.task_budget {
            return Err(Error::NotProven {
                what: "the boot for BIOS settings".into(),
                found,
                waited,
            });
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            listener(Progress::Waiting {
                what: format!("BIOS settings: {found}"),
                elapsed: waited,
            });
        }
        tokio::time::sleep(client.options.poll).await;
    }
}
