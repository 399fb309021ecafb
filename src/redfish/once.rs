//! BMCs that take an override for good although it was wished once (ironic): the override is
//! taken away again once a boot has used it.

use std::time::{Duration, Instant};

use super::boot;
use super::error::Error;
use super::options::{Listener, Progress};
use super::survey::{Cache, Survey, fetch};
use super::transport::Client;
use super::witness::{Watch, Witness};
use crate::model::bmc::{BootOverride, SystemState};

/// An override that has to go after one boot.
pub(super) struct Once {
    target: Option<String>,
    /// Since it was set.
    watch: Watch,
}

impl Once {
    pub async fn begin(survey: &Survey<'_>, wanted: &BootOverride) -> Result<Self, Error> {
        let system = survey.system().await?;
        Ok(Self {
            target: wanted.target.clone(),
            watch: Watch::begin(Witness::of(&system)),
        })
    }

    /// Shows the override as it was meant, while it is the one that was set.
    pub fn colour(&self, state: &mut SystemState) {
        let shown = &mut state.boot_override;
        if shown.target == self.target && shown.enabled.as_deref() == Some("Continuous") {
            shown.enabled = Some("Once".into());
        }
    }

    /// Waits until the boot has left the firmware, and takes the override away. False where it
    /// has to stay: no boot has used it, or the BMC does not tell.
    pub async fn restore(
        &mut self,
        client: &Client,
        budget: Duration,
        listener: Listener<'_>,
    ) -> Result<bool, Error> {
        let start = Instant::now();
        loop {
            let cache = Cache::default();
            let survey = Survey {
                client,
                cache: &cache,
            };
            match self.look(&survey).await {
                Ok(Some(true)) => {
                    let none = BootOverride {
                        enabled: Some("Disabled".into()),
                        target: Some("None".into()),
                        ..BootOverride::default()
                    };
                    boot::set(&survey, &none, listener).await?;
                    listener(Progress::Note(
                        "the boot override is taken away again, as it was wished once".into(),
                    ));
                    return Ok(true);
                }
                Ok(Some(false)) => {}
                Ok(None) => {
                    listener(Progress::Note(
                        "the BMC does not tell how far the boot is; take the override away after it, with the task `boot: {target: none}`".into(),
                    ));
                    return Ok(false);
                }
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error),
            }
            if start.elapsed() + client.options.poll > budget {
                return Ok(false);
            }
            tokio::time::sleep(client.options.poll).await;
        }
    }

    /// Whether a boot has used it; none where the BMC would not show that.
    async fn look(&mut self, survey: &Survey<'_>) -> Result<Option<bool>, Error> {
        let path = survey.system().await?.path.clone();
        let now = Witness::of(&*fetch(survey.client, &path).await?);
        let booted = self.watch.booted(&now);
        Ok(now.is_past_firmware().map(|past| past && booted))
    }
}
