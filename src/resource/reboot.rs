//! A reboot that something waits for: files newer than the boot, BIOS settings that pend, firmware
//! and volumes that were written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::service::is_newer;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{BiosState, BootOrderState, SecureBootState, WaitingState};
use crate::model::query::FileState;
use crate::model::{Action, Answers, BmcQuery, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// Boots the host when something waits for it. All that waited before this task is served by one
/// boot.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Paths: one that is newer than the boot means a reboot.
    watch: Vec<String>,
    /// `false`: BIOS settings, firmware and volumes that pend are left to a later boot.
    bios: Option<bool>,
    /// Whether a switch of secure boot that waits for a boot means one.
    secure_boot: bool,
    /// Whether a boot order that waits for a boot means one.
    boot_order: bool,
}

#[derive(Debug)]
pub struct Reboot {
    watch: Vec<String>,
    bios: bool,
    secure_boot: bool,
    boot_order: bool,
}

impl Kind for Reboot {
    const NAME: &'static str = "reboot";
    const SUMMARY: &'static str =
        "a boot, when files are newer than the last one or BIOS settings pend";
    const EXAMPLE: &'static str = "{watch: [/etc/default/grub.d/hugepages.cfg]}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        Ok(Self {
            watch: parameters.watch,
            bios: parameters.bios.unwrap_or(true) && around.has_bmc(),
            secure_boot: parameters.secure_boot && around.has_bmc(),
            boot_order: parameters.boot_order && around.has_bmc(),
        })
    }
}

impl Probe for Reboot {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        let mut queries = Vec::new();
        if !self.watch.is_empty() {
            queries.push(Query::Content("/proc/stat".to_owned()));
            queries.push(Query::Content("/proc/1/stat".to_owned()));
        }
        queries.extend(self.watch.iter().cloned().map(Query::File));
        if self.bios {
            queries.push(Query::Bmc(BmcQuery::Bios));
            queries.push(Query::Bmc(BmcQuery::Waiting));
        }
        if self.secure_boot {
            queries.push(Query::Bmc(BmcQuery::SecureBoot));
        }
        if self.boot_order {
            queries.push(Query::Bmc(BmcQuery::BootOrder));
        }
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let mut differences = Vec::new();
        if !self.watch.is_empty() {
            let booted = crate::fact::started(answers)?;
            for path in &self.watch {
                if let FileState::Present(metadata) = answers.file(path)?
                    && is_newer(metadata.modified, booted)
                {
                    differences.push(Difference::Note(format!("{path} is newer than the boot")));
                }
            }
        }
        if self.bios {
            let state: BiosState = answers.bmc_state(&BmcQuery::Bios)?;
            if !state.pending.is_empty() {
                let names: Vec<&String> = state.pending.keys().collect();
                differences.push(Difference::Note(format!(
                    "BIOS settings wait for it: {}",
                    super::words::listed(&names)
                )));
            } else if let Some(job) = state.job {
                differences.push(Difference::Note(format!(
                    "the BMC's job {job} waits for it"
                )));
            }
            let waiting: WaitingState = answers.bmc_state(&BmcQuery::Waiting)?;
            if !waiting.what.is_empty() {
                differences.push(Difference::Note(format!(
                    "it is waited for by {}",
                    super::words::listed(&waiting.what)
                )));
            }
        }
        if self.secure_boot {
            let state: SecureBootState = answers.bmc_state(&BmcQuery::SecureBoot)?;
            // In setup mode the switch waits for keys, not for a boot.
            let waits = state.runs().zip(state.enabled);
            if waits.is_some_and(|(now, next)| now != next) && state.has_keys() != Some(false) {
                differences.push(Difference::Note("secure boot waits for it".to_owned()));
            }
        }
        if self.boot_order {
            let state: BootOrderState = answers.bmc_state(&BmcQuery::BootOrder)?;
            if state.pending.is_some() || state.job.is_some() {
                differences.push(Difference::Note("the boot order waits for it".to_owned()));
            }
        }
        Ok(Change::from(differences, vec![Action::Reboot]))
    }
}

impl Resource for Reboot {
    fn boots(&self) -> bool {
        true
    }

    fn title(&self) -> String {
        "reboot".to_owned()
    }
}
