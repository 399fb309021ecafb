//! Power: every change is proven by the state that follows, and escalated within a budget.
//!
//! 'Accepted' is not 'happened'. What is asked for is a state, or a boot; the resets are only
//! ways to it, from the mildest to the last, and which of them a BMC has it tells itself.

use std::time::{Duration, Instant};

use serde_json::json;

use super::error::{Arrival, Error};
use super::options::{Listener, Options, Progress};
use super::survey::{Survey, fetch};
use super::transport::Request;
use super::witness::{Watch, Witness};
use super::{quirks, system};
use crate::model::bmc::PowerGoal;

/// One way to a state: the reset types that mean it, best first, and how long it may take.
struct Way {
    name: &'static str,
    types: &'static [&'static str],
    budget: fn(&Options) -> Duration,
    goal: Goal,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    On,
    Off,
    Boot,
}

const TURN_ON: Way = Way {
    name: "power on",
    types: &["On", "ForceOn", "PushPowerButton"],
    budget: |options| options.power_budget,
    goal: Goal::On,
};
const SHUT_DOWN: Way = Way {
    name: "ordered shutdown",
    types: &["GracefulShutdown"],
    budget: |options| options.graceful_budget,
    goal: Goal::Off,
};
const FORCE_OFF: Way = Way {
    name: "forced power-off",
    types: &["ForceOff"],
    budget: |options| options.power_budget,
    goal: Goal::Off,
};
const RESTART: Way = Way {
    name: "ordered restart",
    types: &["GracefulRestart"],
    budget: |options| options.graceful_budget,
    goal: Goal::Boot,
};
const FORCE_RESTART: Way = Way {
    name: "forced restart",
    types: &["ForceRestart", "PowerCycle"],
    budget: |options| options.boot_budget,
    goal: Goal::Boot,
};

pub(super) async fn bring(
    survey: &Survey<'_>,
    goal: PowerGoal,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let system = survey.system().await?;
    let Some(target) = system.target(system::RESET) else {
        return Err(Error::Unsupported {
            what: "change the power".into(),
            reason: format!("{} has no reset action", system.path),
        });
    };
    let hand = Hand {
        survey,
        path: system.path.clone(),
        target,
        types: system::reset_types(survey, &system).await,
        listener,
    };
    let now = hand.look().await?;
    match goal {
        PowerGoal::On => hand.on(&now).await,
        PowerGoal::Off => {
            hand.first_of(&[&SHUT_DOWN, &FORCE_OFF, &FORCE_OFF], &now)
                .await
        }
        PowerGoal::ForceOff => hand.first_of(&[&FORCE_OFF, &FORCE_OFF], &now).await,
        PowerGoal::Restart | PowerGoal::ForceRestart if now.is("Off") => hand.on(&now).await,
        PowerGoal::Restart => hand.restart(&now, &[&RESTART, &FORCE_RESTART]).await,
        PowerGoal::ForceRestart => hand.restart(&now, &[&FORCE_RESTART]).await,
    }
}

/// The hand on one server's power button.
struct Hand<'a> {
    survey: &'a Survey<'a>,
    path: String,
    target: String,
    /// What the BMC says it takes; none where it does not say.
    types: Option<Vec<String>>,
    listener: Listener<'a>,
}

impl Hand<'_> {
    async fn look(&self) -> Result<Witness, Error> {
        fetch(self.survey.client, &self.path)
            .await
            .map(|system| Witness::of(&system))
    }

    fn options(&self) -> &Options {
        &self.survey.client.options
    }

    async fn on(&self, now: &Witness) -> Result<(), Error> {
        self.first_of(&[&TURN_ON, &TURN_ON], now).await?;
        if now.is("On") {
            return Ok(());
        }
        self.first_signs(now).await
    }

    /// After power-on: waits for the boot's first sign where the BMC has such signs. Their lack
    /// is told, not failed: the power state is proven.
    async fn first_signs(&self, before: &Witness) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            let now = match self.look().await {
                Ok(now) => now,
                Err(error) if error.is_passing() => Witness::default(),
                Err(error) => return Err(error),
            };
            let told = now.stage.as_deref().is_some_and(|stage| stage != "None")
                || (now.last_reset.is_some() && now.last_reset != before.last_reset)
                || now.post.as_deref().is_some_and(|post| post != "PowerOff");
            let silent = now.power.is_some()
                && now.stage.is_none()
                && now.last_reset.is_none()
                && now.post.is_none();
            if told || silent {
                return Ok(());
            }
            if start.elapsed() + self.options().poll > self.options().boot_budget {
                (self.listener)(Progress::Note(
                    "the power is on, but the BMC tells of no progress of the boot".into(),
                ));
                return Ok(());
            }
            tokio::time::sleep(self.options().poll).await;
        }
    }

    /// A boot, proven. A BMC that would not show a restart gets its server turned off and on,
    /// which always shows.
    async fn restart(&self, now: &Witness, ways: &[&Way]) -> Result<(), Error> {
        if now.shows_restarts() {
            match self.first_of(ways, now).await {
                Err(
                    error @ (Error::NotProven { .. }
                    | Error::Unsupported { .. }
                    | Error::Refused { .. }),
                ) => {
                    tracing::debug!(%error, "no restart");
                    (self.listener)(Progress::Escalating {
                        from: ways.last().map_or("restart", |way| way.name).into(),
                        to: "power off and on".into(),
                    });
                }
                outcome => return outcome,
            }
        } else {
            (self.listener)(Progress::Note(
                "this BMC does not show restarts; the server is turned off and on instead".into(),
            ));
        }
        let gentle = ways.iter().any(|way| way.name == RESTART.name) && !now.shows_restarts();
        let off: &[&Way] = if gentle {
            &[&SHUT_DOWN, &FORCE_OFF, &FORCE_OFF]
        } else {
            &[&FORCE_OFF, &FORCE_OFF]
        };
        let now = self.look().await?;
        self.first_of(off, &now).await?;
        let off = self.look().await?;
        self.on(&off).await
    }

    /// The first of the ways that gets there, each with its own budget. The last one may come
    /// twice: a BMC can swallow a single press.
    async fn first_of(&self, ways: &[&Way], now: &Witness) -> Result<(), Error> {
        let mut last = Error::Unsupported {
            what: ways.last().map_or("reset", |way| way.name).into(),
            reason: match &self.types {
                Some(types) => format!("it offers only {}", types.join(", ")),
                None => "it refuses every type of reset for this".into(),
            },
        };
        let mut tried: Option<&Way> = None;
        for way in ways {
            let reached = match way.goal {
                Goal::On => now.is("On"),
                Goal::Off => now.is("Off"),
                Goal::Boot => false,
            };
            if reached {
                return Ok(());
            }
            // Again the same way: only where it was taken and nothing came of it.
            if tried.is_some_and(|before| before.name == way.name)
                && !matches!(last, Error::NotProven { .. })
            {
                break;
            }
            if let Some(before) = tried {
                (self.listener)(Progress::Escalating {
                    from: before.name.into(),
                    to: way.name.into(),
                });
            }
            match self.go(way, now).await {
                Ok(()) => return Ok(()),
                Err(error @ (Error::NotProven { .. } | Error::Refused { .. })) => {
                    last = error;
                    tried = Some(way);
                }
                Err(Error::Unsupported { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn go(&self, way: &Way, before: &Witness) -> Result<(), Error> {
        let start = Instant::now();
        let budget = (way.budget)(self.options());
        let mut watch = Watch::begin(before.clone());
        let offered: Vec<&str> = way
            .types
            .iter()
            .copied()
            .filter(|kind| match &self.types {
                Some(types) => types.iter().any(|offer| offer == kind),
                None => true,
            })
            .collect();
        let mut refusal = Error::Unsupported {
            what: way.name.into(),
            reason: "it offers no such reset".into(),
        };
        for kind in offered {
            match self.press(kind, start, budget).await {
                Ok(()) => return self.prove(way, &mut watch, start, budget).await,
                // A type that is refused although it is offered: the next one may be taken.
                Err(error @ Error::Refused { .. }) => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// Sends a reset. One whose answer got lost may have happened: it is looked for, not sent
    /// again.
    async fn press(&self, kind: &str, start: Instant, budget: Duration) -> Result<(), Error> {
        let client = self.survey.client;
        let request = Request::post(&self.target, json!({"ResetType": kind}));
        loop {
            match client.send(&request).await {
                Ok(_) => return Ok(()),
                Err(
                    Error::Unreachable {
                        arrival: Arrival::Possible,
                        ..
                    }
                    | Error::Refused {
                        status: 502 | 504, ..
                    },
                ) => return Ok(()),
                Err(error) if quirks::reset_refused_for_state(&error) => {
                    let wanted = if kind.contains("Off") || kind.contains("Shutdown") {
                        "Off"
                    } else {
                        "On"
                    };
                    let there = self.look().await.is_ok_and(|now| now.is(wanted));
                    if there && !kind.contains("Restart") && kind != "PowerCycle" {
                        return Ok(());
                    }
                    if start.elapsed() + self.options().poll > budget {
                        return Err(error);
                    }
                    tokio::time::sleep(self.options().poll).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn prove(
        &self,
        way: &Way,
        watch: &mut Watch,
        start: Instant,
        budget: Duration,
    ) -> Result<(), Error> {
        let mut told = Instant::now();
        let mut found;
        loop {
            match self.look().await {
                Ok(now) => {
                    let booted = watch.booted(&now);
                    let there = match way.goal {
                        Goal::On => now.is("On"),
                        Goal::Off => now.is("Off"),
                        Goal::Boot => booted,
                    };
                    if there {
                        return Ok(());
                    }
                    found = format!(
                        "the power is {}",
                        now.power.as_deref().unwrap_or("not told")
                    );
                    if way.goal == Goal::Boot {
                        found.push_str(" and no sign of a new boot is seen");
                    }
                }
                Err(error) if error.is_passing() => found = error.to_string(),
                Err(error) => return Err(error),
            }
            let waited = start.elapsed();
            if waited + self.options().poll > budget {
                return Err(Error::NotProven {
                    what: way.name.into(),
                    found,
                    waited,
                });
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                (self.listener)(Progress::Waiting {
                    what: format!("{}: {found}", way.name),
                    elapsed: waited,
                });
            }
            tokio::time::sleep(self.options().poll).await;
        }
    }
}
