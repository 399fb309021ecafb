//! The power button: sequences that take their time, with the machine's hooks where there are some.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use super::answer::{Answer, Message, refuse};
use super::faults::FaultKind;
use super::hooks::Lamp;
use super::machine::{Bmc, Inner};
use super::profile::{AfterReset, Lag, PowerRepeat};
use super::state::{Power, Stage, TaskEffect, TaskState};

/// What happens to the machine, over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence {
    On,
    Off {
        graceful: bool,
    },
    Restart {
        graceful: bool,
    },
    /// Off, a pause, on.
    Cycle,
}

impl Bmc {
    /// `ComputerSystem.Reset` and its like.
    pub fn reset_machine(
        self: &Arc<Self>,
        action: &str,
        body: &Value,
        allowed: &[String],
    ) -> Answer {
        let kind = match body.get("ResetType") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(other) => {
                return refuse(
                    400,
                    Message::new("ActionParameterValueTypeError").arguments([
                        &other.to_string(),
                        "ResetType",
                        action,
                    ]),
                );
            }
            None if allowed.is_empty() => "On",
            None => {
                return refuse(
                    400,
                    Message::new("ActionParameterMissing").arguments([action, "ResetType"]),
                );
            }
        };
        if !allowed.is_empty() && !allowed.iter().any(|known| known == kind) {
            return refuse(
                400,
                Message::new("ActionParameterValueNotInList").arguments([
                    kind,
                    "ResetType",
                    action,
                ]),
            );
        }
        let sequence = {
            let mut inner = self.lock();
            let power = inner.state.power;
            let settles = self.dialect.power_settle == Lag::Lags
                && inner
                    .powered_off
                    .is_some_and(|at| at.elapsed() < self.config.timing.cycle_pause.duration());
            if settles && kind == "On" {
                return refuse(409, conflict(kind));
            }
            if let Some(answer) = self.refuse_repeat(power, kind) {
                return answer;
            }
            if inner
                .faults
                .strikes(FaultKind::AcceptedButNothingHappened, "reset")
            {
                inner
                    .state
                    .note("OK", format!("a reset {kind} was accepted"));
                return Answer::empty(204);
            }
            let on = matches!(power, Power::On | Power::PoweringOn);
            match kind {
                "On" | "ForceOn" if on => None,
                "On" | "ForceOn" => Some(Sequence::On),
                "ForceOff" if power == Power::Off => None,
                "ForceOff" => Some(Sequence::Off { graceful: false }),
                "GracefulShutdown" if !on => None,
                "GracefulShutdown" => Some(Sequence::Off { graceful: true }),
                "PushPowerButton" if on => Some(Sequence::Off { graceful: true }),
                "PushPowerButton" => Some(Sequence::On),
                "GracefulRestart" if on => Some(Sequence::Restart { graceful: true }),
                "ForceRestart" if on => Some(Sequence::Restart { graceful: false }),
                "PowerCycle" | "FullPowerCycle" if on => Some(Sequence::Cycle),
                "Nmi" => {
                    self.press_nmi();
                    None
                }
                // A restart of a machine that is off turns it on on some BMCs; here it is refused.
                _ => return refuse(409, conflict(kind)),
            }
        };
        if let Some(sequence) = sequence {
            self.begin_sequence(sequence);
        }
        Answer::empty(204)
    }

    fn refuse_repeat(&self, power: Power, kind: &str) -> Option<Answer> {
        if self.dialect.power_repeat != PowerRepeat::Conflict {
            return None;
        }
        let repeats = match kind {
            "On" => power != Power::Off,
            "ForceOff" | "GracefulShutdown" => power != Power::On,
            _ => false,
        };
        repeats.then(|| refuse(409, conflict(kind)))
    }

    fn press_nmi(self: &Arc<Self>) {
        let bmc = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(problem) = bmc.config.hook.press(&bmc.hook_values("Nmi", "", "")).await {
                bmc.lock().state.note("Warning", problem);
            }
        });
    }

    pub fn begin_sequence(self: &Arc<Self>, sequence: Sequence) {
        let number = {
            let mut inner = self.lock();
            inner.sequence += 1;
            inner.sequence_runs = true;
            inner.state.note("OK", format!("power: {sequence:?}"));
            // What a reader sees from the answer on.
            inner.state.power = match sequence {
                Sequence::On => Power::PoweringOn,
                Sequence::Off { .. } => Power::PoweringOff,
                Sequence::Restart { .. } | Sequence::Cycle => inner.state.power,
            };
            self.mark_reset(&mut inner, Instant::now());
            self.save(&inner);
            inner.sequence
        };
        if self.dialect.after_reset == AfterReset::CutConnections && sequence != Sequence::On {
            self.cut_connections();
        }
        let bmc = Arc::clone(self);
        tokio::spawn(async move {
            bmc.run(number, sequence).await;
            bmc.step(number, |inner| {
                inner.sequence_runs = false;
                inner.looked = None;
            });
        });
    }

    async fn run(&self, number: u64, sequence: Sequence) {
        let pause = self.config.timing.cycle_pause.duration();
        match sequence {
            Sequence::On => self.run_on(number).await,
            Sequence::Off { graceful } => drop(self.run_off(number, graceful).await),
            Sequence::Restart { graceful } => {
                if self.run_off(number, graceful).await {
                    self.run_on(number).await;
                }
            }
            Sequence::Cycle => {
                if self.run_off(number, false).await {
                    tokio::time::sleep(pause).await;
                    self.run_on(number).await;
                }
            }
        }
    }

    /// Changes the state unless a newer sequence has begun; says whether it did.
    fn step(&self, number: u64, change: impl FnOnce(&mut Inner)) -> bool {
        let mut inner = self.lock();
        if inner.sequence != number {
            return false;
        }
        change(&mut inner);
        self.save(&inner);
        true
    }

    async fn run_on(&self, number: u64) {
        let timing = &self.config.timing;
        let begun = self.step(number, |inner| {
            inner.state.power = Power::PoweringOn;
            inner.state.stage = Stage::None;
            inner.state.last_reset = Timestamp::now();
        });
        if !begun {
            return;
        }
        tokio::time::sleep(timing.power_on.duration()).await;
        for stage in Stage::SELF_TEST {
            let stepped = self.step(number, |inner| {
                inner.state.power = Power::On;
                inner.state.stage = stage;
                if inner.state.armed {
                    for task in inner.state.tasks.iter_mut().filter(|task| {
                        task.effect == TaskEffect::Bios && task.state == TaskState::Scheduled
                    }) {
                        task.state = TaskState::Running;
                    }
                }
            });
            if !stepped {
                return;
            }
            tokio::time::sleep(timing.post.duration() / 4).await;
        }
        let mut boot = String::new();
        let mut image = String::new();
        let stepped = self.step(number, |inner| {
            self.apply_bios(inner);
            self.apply_bios_firmware(inner);
            self.boot_securely(inner);
            self.take_boot_order(inner);
            self.apply_tasks(inner);
            boot = self.take_boot_target(inner);
            image = self.boot_image(inner, &boot);
        });
        if !stepped {
            return;
        }
        if let Err(problem) = self
            .config
            .hook
            .press(&self.hook_values("On", &boot, &image))
            .await
        {
            tracing::warn!(bmc = %self.config.name, %problem, "power hook failed");
            self.step(number, |inner| {
                inner.state.power = Power::Off;
                inner.state.stage = Stage::None;
                inner.state.note("Critical", problem);
            });
            return;
        }
        let started = self.step(number, |inner| {
            inner.state.stage = Stage::SystemBootStarted;
            inner.state.boots += 1;
            inner.state.seen_boot = None;
            inner
                .state
                .note("OK", format!("the machine boots from {boot}"));
        });
        if !started {
            return;
        }
        tokio::time::sleep(timing.system_boot.duration()).await;
        self.step(number, |inner| inner.state.stage = Stage::SystemRunning);
    }

    /// Whether the machine is off in the end, and this sequence still the newest.
    async fn run_off(&self, number: u64, graceful: bool) -> bool {
        if !self.step(number, |inner| inner.state.power = Power::PoweringOff) {
            return false;
        }
        let action = if graceful {
            "GracefulShutdown"
        } else {
            "ForceOff"
        };
        if let Err(problem) = self
            .config
            .hook
            .press(&self.hook_values(action, "", ""))
            .await
        {
            tracing::warn!(bmc = %self.config.name, %problem, "power hook failed");
            self.step(number, |inner| {
                inner.state.power = Power::On;
                inner.state.note("Critical", problem);
            });
            return false;
        }
        if graceful && !self.wait_for_shutdown().await {
            self.step(number, |inner| {
                inner.state.power = Power::On;
                inner
                    .state
                    .note("Warning", "the machine did not shut down in time");
            });
            return false;
        }
        self.step(number, |inner| {
            inner.state.power = Power::Off;
            inner.state.stage = Stage::None;
            inner.state.seen_boot = None;
            inner.powered_off = Some(Instant::now());
        })
    }

    async fn wait_for_shutdown(&self) -> bool {
        let timing = &self.config.timing;
        if self.config.hook.state.is_empty() {
            tokio::time::sleep(timing.shutdown.duration()).await;
            return true;
        }
        let limit = Instant::now() + timing.shutdown_limit.duration();
        while Instant::now() < limit {
            if self.lamp().await == Ok(Some(Lamp::Off)) {
                return true;
            }
            tokio::time::sleep(timing.state_poll.duration()).await;
        }
        false
    }
}

fn conflict(kind: &str) -> Message {
    Message::new("ActionParameterValueConflict").arguments(["ResetType", kind])
}
