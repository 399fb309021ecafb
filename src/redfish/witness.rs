//! What tells that a server has booted, whatever the BMC has of it.

use super::document::{Document, text};
use super::quirks;

/// The stages of `BootProgress.LastState`, in their order.
const STAGES: &[&str] = &[
    "None",
    "PrimaryProcessorInitializationStarted",
    "BusInitializationStarted",
    "MemoryInitializationStarted",
    "SecondaryProcessorInitializationStarted",
    "PCIResourceConfigStarted",
    "SystemHardwareInitializationComplete",
    "SetupEntered",
    "OSBootStarted",
    "OSRunning",
];

/// One look at a system's signs of life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Witness {
    pub power: Option<String>,
    /// `BootProgress.LastState`.
    pub stage: Option<String>,
    /// `LastResetTime`, where it is a time.
    pub last_reset: Option<String>,
    /// HPE's state of the power-on self-test.
    pub post: Option<String>,
}

impl Witness {
    pub fn of(system: &Document) -> Self {
        Self {
            power: system.text("PowerState"),
            stage: system
                .body
                .get("BootProgress")
                .and_then(|progress| text(progress, "LastState")),
            last_reset: system
                .text("LastResetTime")
                .filter(|time| !quirks::is_no_time(time)),
            post: quirks::post_state(system),
        }
    }

    pub fn is(&self, power: &str) -> bool {
        self.power
            .as_deref()
            .is_some_and(|now| now.eq_ignore_ascii_case(power))
    }

    /// Whether a boot without a loss of power would show at all.
    pub fn shows_restarts(&self) -> bool {
        self.last_reset.is_some() || self.rank().is_some_and(|rank| rank > 0) || self.post.is_some()
    }

    fn rank(&self) -> Option<usize> {
        let stage = self.stage.as_deref()?;
        STAGES.iter().position(|known| *known == stage)
    }

    /// Whether a boot loader has been chosen already; none where the BMC does not tell.
    pub fn is_past_firmware(&self) -> Option<bool> {
        let loader = STAGES.iter().position(|known| *known == "OSBootStarted");
        let by_stage = self.rank().map(|rank| Some(rank) >= loader);
        let by_post = self.post.as_deref().map(|post| post == "FinishedPost");
        by_stage.or(by_post)
    }

    fn in_post(&self) -> Option<bool> {
        self.post.as_deref().map(|post| post.starts_with("InPost"))
    }
}

/// Looks at a server while it should boot, and knows when it did.
#[derive(Debug)]
pub(super) struct Watch {
    before: Witness,
    /// The furthest stage since the act; falling behind it is a new boot.
    furthest: Option<usize>,
    went_off: bool,
}

impl Watch {
    pub fn begin(before: Witness) -> Self {
        Self {
            furthest: before.rank(),
            went_off: before.is("Off"),
            before,
        }
    }

    /// Takes a further look. True once the server is on and a boot since the beginning shows:
    /// the power was away, the time of the last reset changed, the boot's progress fell back, or
    /// the self-test began again.
    pub fn booted(&mut self, now: &Witness) -> bool {
        if now.is("Off") || now.is("PoweringOff") {
            self.went_off = true;
        }
        let reset = now.last_reset.is_some() && now.last_reset != self.before.last_reset;
        let fell_back = match (now.rank(), self.furthest) {
            (Some(rank), Some(furthest)) => rank < furthest,
            _ => false,
        };
        self.furthest = self.furthest.max(now.rank());
        let post = self.before.in_post() == Some(false) && now.in_post() == Some(true);
        if reset || fell_back || post {
            // Remembered, because the next look may not show it any more.
            self.went_off = true;
        }
        now.is("On") && self.went_off
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(
        power: &str,
        stage: Option<&str>,
        reset: Option<&str>,
        post: Option<&str>,
    ) -> Witness {
        Witness {
            power: Some(power.into()),
            stage: stage.map(Into::into),
            last_reset: reset.map(Into::into),
            post: post.map(Into::into),
        }
    }

    #[test]
    fn nothing_happened_is_no_boot() {
        let before = witness("On", Some("OSRunning"), Some("t1"), Some("FinishedPost"));
        let mut watch = Watch::begin(before.clone());
        assert!(!watch.booted(&before));
        // Going on with a boot that had begun before is none either.
        let mut watch = Watch::begin(witness("On", Some("OSBootStarted"), None, None));
        assert!(!watch.booted(&witness("On", Some("OSRunning"), None, None)));
    }

    #[test]
    fn each_sign_alone_proves_a_boot() {
        let before = witness("On", Some("OSRunning"), Some("t1"), Some("FinishedPost"));
        for now in [
            witness(
                "On",
                Some("MemoryInitializationStarted"),
                Some("t1"),
                Some("FinishedPost"),
            ),
            witness("On", Some("OSRunning"), Some("t2"), Some("FinishedPost")),
            witness("On", Some("OSRunning"), Some("t1"), Some("InPost")),
        ] {
            assert!(Watch::begin(before.clone()).booted(&now), "{now:?}");
        }
        let mut watch = Watch::begin(before.clone());
        assert!(!watch.booted(&witness("Off", None, None, None)));
        assert!(watch.booted(&before));
    }

    #[test]
    fn a_sign_seen_between_is_remembered() {
        let mut watch = Watch::begin(witness("On", Some("OSRunning"), None, None));
        assert!(!watch.booted(&witness(
            "PoweringOn",
            Some("BusInitializationStarted"),
            None,
            None
        )));
        assert!(watch.booted(&witness("On", Some("OSRunning"), None, None)));
    }
}
