//! What this run has brought to the BMC and no resource of it tells: firmware and volumes that
//! take effect at the server's next boot.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Instant;

use super::error::Error;
use super::options::{Listener, Progress};
use super::survey::{Cache, Survey};
use super::transport::{Client, Staged};
use super::{firmware, power, volume};
use crate::model::bmc::{FirmwareState, PowerGoal, WaitingState, compare};

pub(super) fn state(client: &Client) -> WaitingState {
    let staged = client.staged();
    let mut what: Vec<String> = staged
        .firmware
        .iter()
        .map(|(path, version)| format!("firmware {} {version}", super::task::name(path)))
        .collect();
    what.extend(staged.created.iter().map(|name| format!("volume {name}")));
    let deleted = staged.deleted.iter();
    what.extend(deleted.map(|path| format!("the end of volume {}", super::task::name(path))));
    WaitingState { what }
}

/// After a boot nothing waits any more: what is there is read from the BMC again.
pub(super) fn after(client: &Client, goal: PowerGoal) {
    match goal {
        PowerGoal::Off | PowerGoal::ForceOff => {}
        PowerGoal::On | PowerGoal::Restart | PowerGoal::ForceRestart => {
            *client.staged() = Default::default();
        }
    }
}

/// Boots the server where something waits for it, and waits until it is in force.
pub(super) async fn boot(survey: &Survey<'_>, listener: Listener<'_>) -> Result<(), Error> {
    let client = survey.client;
    if state(client).what.is_empty() {
        return Ok(());
    }
    let wanted = {
        let staged = client.staged();
        Staged {
            firmware: staged.firmware.clone(),
            created: staged.created.clone(),
            deleted: staged.deleted.clone(),
        }
    };
    power::bring(survey, PowerGoal::Restart, listener).await?;
    after(client, PowerGoal::Restart);
    let start = Instant::now();
    loop {
        let cache = Cache::default();
        let now = Survey {
            client,
            cache: &cache,
        };
        let left = match missing(&now, &wanted).await {
            Ok(left) => left,
            Err(error) if error.is_passing() => vec!["the BMC does not answer".to_owned()],
            Err(error) => return Err(error),
        };
        if left.is_empty() {
            return Ok(());
        }
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.update_budget {
            return Err(Error::NotProven {
                what: "what the boot was for".into(),
                found: left.join(", "),
                waited,
            });
        }
        listener(Progress::Waiting {
            what: format!("what was written to be in force ({})", left.join(", ")),
            elapsed: waited,
        });
        tokio::time::sleep(client.options.poll).await;
    }
}

/// What is not in force yet.
async fn missing(survey: &Survey<'_>, wanted: &Staged) -> Result<Vec<String>, Error> {
    let mut left = Vec::new();
    if !wanted.firmware.is_empty() {
        left.extend(unmet(&wanted.firmware, &firmware::state(survey).await?));
    }
    if wanted.created.is_empty() && wanted.deleted.is_empty() {
        return Ok(left);
    }
    let storage = volume::state(survey).await?;
    let volumes: Vec<_> = storage
        .controllers
        .iter()
        .flat_map(|controller| &controller.volumes)
        .collect();
    for name in &wanted.created {
        if volumes.iter().all(|volume| volume.name != *name) {
            left.push(format!("volume {name} is not there"));
        }
    }
    for path in &wanted.deleted {
        if let Some(volume) = volumes.iter().find(|volume| volume.path == *path) {
            left.push(format!("volume {} is still there", volume.name));
        }
    }
    Ok(left)
}

/// What does not run yet. A component can be listed under another path afterwards (iDRAC writes
/// the version into it; seen in the captured tree): then any that runs the version counts.
fn unmet(wanted: &BTreeMap<String, String>, now: &FirmwareState) -> Vec<String> {
    let runs = |version: &Option<String>, wish: &str| {
        version
            .as_deref()
            .is_some_and(|version| compare(wish, version) == Some(Ordering::Equal))
    };
    wanted
        .iter()
        .filter_map(|(path, wish)| {
            let name = super::task::name(path);
            match now.components.iter().find(|one| one.path == *path) {
                Some(one) if runs(&one.version, wish) => None,
                Some(one) => Some(format!(
                    "{} is {}",
                    one.name,
                    one.version.as_deref().unwrap_or("unknown")
                )),
                None if now.components.iter().any(|one| runs(&one.version, wish)) => None,
                None => Some(format!("{name} is not listed")),
            }
        })
        .collect()
}
