//! Boots of a host whose only way in is its BMC: no shell tells when they are over.

use std::time::{Duration, Instant};

use super::contact::Contact;
use crate::event::{Failure, TaskName, What};
use crate::model::bmc::{BiosState, PowerGoal, SystemState};
use crate::model::{BmcAct, BmcQuery};

/// How long settings may go on pending after the self-test is over: some BMCs read them late.
const LATE: Duration = Duration::from_secs(30);

/// What a look at the BMC tells of a boot that may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// Nothing waits for a boot any more, or the server is off.
    Settled,
    /// The self-test is behind it.
    Over,
    /// The self-test goes on.
    UnderWay,
    /// This BMC does not tell how far a boot is.
    Untold,
}

fn sight(system: &SystemState, bios: Option<&BiosState>) -> Sight {
    let off = system
        .power
        .as_deref()
        .is_some_and(|power| power.eq_ignore_ascii_case("off"));
    if off || bios.is_none_or(|bios| bios.pending.is_empty() && bios.job.is_none()) {
        return Sight::Settled;
    }
    match system.boot_progress.as_deref() {
        Some("OSBootStarted" | "OSRunning" | "SetupEntered") => Sight::Over,
        Some(_) => Sight::UnderWay,
        None => Sight::Untold,
    }
}

/// Whether to wait on. A boot that this run began is given until `LATE` after its end; one that
/// it did not begin is only waited for where it shows.
fn goes_on(sight: Sight, ours: bool, over_for: Duration, late: Duration) -> bool {
    match sight {
        Sight::Settled => false,
        Sight::UnderWay => true,
        Sight::Untold => ours,
        Sight::Over => ours && over_for < late,
    }
}

impl Contact {
    /// Boots through the BMC and waits until what waited for the boot is in force. What is not
    /// then, the task's own confirmation tells.
    pub(super) async fn reboot_by_bmc(&self, task: &TaskName) -> Result<(), Failure> {
        self.act_bmc(&BmcAct::Power(PowerGoal::Restart), task)
            .await?;
        self.boot_over().await;
        Ok(())
    }

    /// Waits for the end of a boot that may be the very one that settings wait for.
    pub(super) async fn boot_over(&self) {
        let begin = Instant::now();
        let options = self.options();
        let poll = options.redfish.poll;
        let mut over = None;
        let mut told = begin;
        while begin.elapsed() < options.boot {
            let answers = self.look_at_boot().await;
            let now = match &answers {
                Some((system, bios)) => sight(system, bios.as_ref()),
                // It does not answer just now, as while it takes the settings over.
                None => Sight::UnderWay,
            };
            if now == Sight::Over {
                over.get_or_insert_with(Instant::now);
            }
            let over_for = over.map_or(Duration::ZERO, |since| since.elapsed());
            if !goes_on(
                now,
                self.has_switched_power(),
                over_for,
                LATE.min(15 * poll),
            ) {
                return;
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                let stage = answers.and_then(|(system, _)| system.boot_progress);
                self.tell(What::Waiting {
                    host: self.host.name.clone(),
                    reason: match stage {
                        Some(stage) => format!("the end of its boot, which is at {stage}"),
                        None => "its boot to take the BIOS settings over".to_owned(),
                    },
                });
            }
            tokio::time::sleep(poll).await;
        }
    }

    /// The system and, where it has one, the BIOS; nothing where the BMC does not answer.
    async fn look_at_boot(&self) -> Option<(SystemState, Option<BiosState>)> {
        self.forget_bmc().await;
        let system = self.answer(&BmcQuery::System).await?;
        let bios = self.answer(&BmcQuery::Bios).await;
        Some((
            serde_json::from_value(system).ok()?,
            bios.and_then(|bios| serde_json::from_value(bios).ok()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bmc::BootOverride;

    fn seen(power: &str, stage: Option<&str>, pending: bool) -> Sight {
        let system: SystemState = serde_json::from_value(serde_json::json!({
            "power": power, "boot_progress": stage, "reset_types": [], "boot_targets": [],
            "boot_override": BootOverride::default(),
        }))
        .expect("a state");
        let mut bios = BiosState::default();
        if pending {
            bios.pending.insert("Sriov".into(), "Enabled".into());
        }
        sight(&system, Some(&bios))
    }

    #[test]
    fn what_pends_is_waited_for_through_the_boot() {
        assert_eq!(seen("On", Some("OSRunning"), false), Sight::Settled);
        assert_eq!(seen("Off", None, true), Sight::Settled);
        assert_eq!(
            seen("On", Some("MemoryInitializationStarted"), true),
            Sight::UnderWay
        );
        assert_eq!(seen("On", Some("OSRunning"), true), Sight::Over);
        assert_eq!(seen("On", None, true), Sight::Untold);
    }

    #[test]
    fn a_boot_of_somebody_else_is_only_waited_for_where_it_shows() {
        let late = Duration::from_secs(30);
        let just = Duration::ZERO;
        assert!(goes_on(Sight::UnderWay, false, just, late));
        assert!(!goes_on(Sight::Untold, false, just, late));
        assert!(!goes_on(Sight::Over, false, just, late));
        assert!(goes_on(Sight::Untold, true, just, late));
        assert!(goes_on(Sight::Over, true, just, late));
        assert!(!goes_on(Sight::Over, true, late, late));
    }
}
