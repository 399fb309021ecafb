//! How often a plan boots its hosts, and what the changes that need it say.

use std::collections::BTreeMap;

use super::{Told, is_change};
use crate::model::Action;
use crate::model::bmc::{BmcAct, PowerGoal};
use crate::report::words::count;

/// Boots that the hosts' changes need.
pub(super) struct Boots<'plan>(BTreeMap<&'plan str, HostBoots>);

#[derive(Default)]
struct HostBoots {
    /// Acts that boot the host anew.
    reboots: usize,
    /// Acts that turn it on: a boot, but no reboot.
    starts: usize,
    /// Changes that wait for a boot.
    waiting: usize,
}

impl<'plan> Boots<'plan> {
    pub(super) fn count(told: &Told<'plan>) -> Self {
        let mut boots: BTreeMap<&str, HostBoots> = BTreeMap::new();
        for planned in &told.tasks {
            let Some(change) = planned.change.as_ref().filter(|_| is_change(planned)) else {
                continue;
            };
            let host = boots.entry(planned.task.host.as_str()).or_default();
            host.waiting += usize::from(change.boots);
            for action in &change.actions {
                match action {
                    Action::Reboot
                    | Action::Bmc(BmcAct::Power(PowerGoal::Restart | PowerGoal::ForceRestart)) => {
                        host.reboots += 1;
                    }
                    Action::Bmc(BmcAct::Power(PowerGoal::On)) => host.starts += 1,
                    _ => {}
                }
            }
        }
        Self(boots)
    }

    pub(super) fn note(&self, host: &str) -> Option<String> {
        let boots = self.0.get(host)?;
        if boots.reboots == 0 && boots.starts > 0 {
            return Some("takes effect when the host starts".to_owned());
        }
        let shared = match boots.waiting.saturating_sub(1) {
            0 => String::new(),
            others => format!(" (shared with {})", count(others, "other change")),
        };
        Some(format!("needs 1 reboot{shared}"))
    }

    pub(super) fn reboots(&self) -> usize {
        let hosts = self.0.values();
        hosts
            .map(|host| match host.reboots {
                // Nothing in the walk boots the host, but its changes need it.
                0 => usize::from(host.waiting > 0 && host.starts == 0),
                reboots => reboots,
            })
            .sum()
    }
}
