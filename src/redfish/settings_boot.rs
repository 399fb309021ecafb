//! A boot for the settings that wait (BIOS attributes, secure boot, boot order), and the proof that
//! it applied them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::error::Error;
use super::options::{Listener, Progress};
use super::survey::{Cache, Survey};
use super::{bios, boot_order, power, secure_boot, waiting};
use crate::model::bmc::PowerGoal;
use crate::model::bmc::bios::alike;

/// What waits for a boot.
#[derive(Default)]
struct Waiting {
    attributes: BTreeMap<String, Value>,
    others: Vec<String>,
}

impl Waiting {
    /// What a BMC has no resource for does not wait.
    async fn read(survey: &Survey<'_>) -> Result<(Self, BTreeMap<String, Value>), Error> {
        let mut waiting = Self::default();
        let mut current = BTreeMap::new();
        match bios::state(survey).await {
            Ok(state) => {
                waiting.attributes = state.pending;
                current = state.current;
                waiting
                    .others
                    .extend(state.job.map(|job| format!("the job {job}")));
            }
            Err(Error::Unsupported { .. } | Error::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        match secure_boot::state(survey).await {
            Ok(state) => {
                // In setup mode the switch waits for keys, not for a boot.
                let moves = state.runs().zip(state.enabled);
                if moves.is_some_and(|(now, next)| now != next) && state.has_keys() != Some(false) {
                    waiting.others.push("secure boot".to_owned());
                }
            }
            Err(error) if error.is_passing() => return Err(error),
            Err(_) => {}
        }
        match boot_order::state(survey).await {
            Ok(state) => {
                if state.pending.is_some() || state.job.is_some() {
                    waiting.others.push("the boot order".to_owned());
                }
            }
            Err(error) if error.is_passing() => return Err(error),
            Err(_) => {}
        }
        Ok((waiting, current))
    }

    fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.others.is_empty()
    }
}

/// Nothing is booted where nothing waits; `unseen` tells that something does which the BMC does
/// not show as waiting.
pub(super) async fn boot(
    survey: &Survey<'_>,
    unseen: bool,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let (before, _) = Waiting::read(survey).await?;
    if before.is_empty() && !unseen {
        return Ok(());
    }
    power::bring(survey, PowerGoal::Restart, listener).await?;
    let client = survey.client;
    waiting::after(client, PowerGoal::Restart);
    let start = Instant::now();
    let mut told = start;
    loop {
        // Read past what was read before the boot.
        let cache = Cache::default();
        let fresh = Survey {
            client,
            cache: &cache,
        };
        let found = match Waiting::read(&fresh).await {
            Ok((now, current)) => {
                let unmet = before.attributes.iter().filter(|(name, value)| {
                    let in_force = current.get(*name);
                    !in_force.is_some_and(|current| alike(current, value))
                });
                let mut missing: Vec<String> = unmet.map(|(name, _)| name.clone()).collect();
                missing.extend(
                    now.attributes
                        .into_keys()
                        .filter(|name| !before.attributes.contains_key(name)),
                );
                missing.extend(now.others);
                if missing.is_empty() {
                    return Ok(());
                }
                format!("not in force yet: {}", missing.join(", "))
            }
            // A BMC may be away or empty-handed while its server boots.
            Err(error) if error.is_passing() => error.to_string(),
            Err(error) => return Err(error),
        };
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.task_budget {
            return Err(Error::NotProven {
                what: "the boot for firmware settings".into(),
                found,
                waited,
            });
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            listener(Progress::Waiting {
                what: format!("firmware settings: {found}"),
                elapsed: waited,
            });
        }
        tokio::time::sleep(client.options.poll).await;
    }
}
