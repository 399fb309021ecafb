//! One host's way through its walk: ask, act, ask again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::contact::Patience;
use super::failures::{of_act, remains, stopped, unreadable};
use super::fleet::Fleet;
use super::gates::{Gates, Passage};
use super::late;
use super::member::{Member, Reach};
use super::stop::Will;
use crate::event::{Failure, Outcome, What};
use crate::fact;
use crate::link::script::Batch;
use crate::model::{Action, Change, Difference, Place, Query, Standing, Unread};
use crate::plan::{self, Built, Finding};

/// How many steps one exec asks about beyond the one that it acted for.
const AHEAD: usize = 12;

/// Pauses before a change that remains is called one: some machines need a moment to show it.
const SECOND_LOOKS: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Walks a member to its end, or as far as it gets.
pub(super) async fn walk(mut member: Member, fleet: Arc<Fleet>, gates: Arc<Gates>) -> Member {
    if matches!(member.reach, Reach::Lost(_)) {
        gates.leave(member.host(), is_vital(&member));
        return member;
    }
    let mut walker = Walker {
        fresh: member.known.len(),
        acted: false,
        member: &mut member,
        fleet: &fleet,
        gates: &gates,
    };
    let stop = fleet.run().stop.clone();
    let result = tokio::select! {
        biased;
        result = walker.go() => result,
        () = stop.reached(Will::Now) => Err(stopped()),
    };
    if let Err(failure) = result {
        fleet.run().hub.tell(What::HostFailed {
            host: member.host().to_owned(),
            failure: failure.clone(),
        });
        member.reach = Reach::Lost(failure);
    }
    gates.leave(member.host(), is_vital(&member));
    let summary = member.summary().await;
    fleet.run().hub.tell(What::HostFinished {
        host: member.host().to_owned(),
        changed: summary.changed,
        unchanged: summary.unchanged,
        skipped: summary.skipped,
        left: summary.left,
        traffic: summary.traffic,
    });
    member
}

/// A control plane host's failure stops whoever waits for it; another host is left behind.
fn is_vital(member: &Member) -> bool {
    member
        .walk
        .host
        .groups
        .iter()
        .any(|group| group == "control-plane")
}

struct Walker<'a> {
    member: &'a mut Member,
    fleet: &'a Fleet,
    gates: &'a Gates,
    /// Steps before this position were asked since the last act.
    fresh: usize,
    acted: bool,
}

impl Walker<'_> {
    async fn go(&mut self) -> Result<(), Failure> {
        for index in 0..self.member.walk.steps.len() {
            if self.member.run.stop.will() > Will::Go {
                return Ok(());
            }
            self.step(index).await?;
        }
        Ok(())
    }

    async fn step(&mut self, index: usize) -> Result<(), Failure> {
        let started = Instant::now();
        let task = self.member.walk.steps[index].task.clone();
        if index >= self.fresh {
            self.refresh(index).await?;
        }
        let mut outcome = self.outcome(index)?;
        if outcome == Outcome::WouldChange {
            if !self.await_milestones(index, &task.awaits).await? {
                return Ok(());
            }
            let name = self.member.titled(&self.member.walk.steps[index]);
            let _turn = match &task.in_turn {
                Some(turn) => Some(self.gates.turn(turn).await),
                None => None,
            };
            self.member
                .run
                .hub
                .tell(What::TaskStarted { task: name.clone() });
            let acted = self.act(index, task.timeout).await;
            match acted {
                Ok(differences) => {
                    outcome = if differences.is_empty() {
                        Outcome::Unchanged
                    } else {
                        Outcome::Changed
                    };
                    self.member.run.hub.tell(What::TaskFinished {
                        task: name,
                        outcome,
                        differences,
                        seconds: started.elapsed().as_secs_f64(),
                    });
                }
                Err(failure) => {
                    self.member.ended[index] = Some(Outcome::Failed);
                    self.member.run.hub.tell(What::TaskFailed {
                        task: name.clone(),
                        failure: failure.clone(),
                    });
                    return Err(Failure {
                        message: format!("{} failed: {}", name.title, failure.message),
                        ..failure
                    });
                }
            }
        } else {
            self.member.run.hub.tell(What::TaskFinished {
                task: self.member.titled(&self.member.walk.steps[index]),
                outcome,
                differences: Vec::new(),
                seconds: 0.0,
            });
        }
        self.member.ended[index] = Some(outcome);
        if let Some(milestone) = &task.reaches {
            self.gates.reach(milestone, self.member.host());
        }
        Ok(())
    }

    /// What is to be done with a step; a step that cannot be read ends the walk.
    fn outcome(&mut self, index: usize) -> Result<Outcome, Failure> {
        let weighed = &self.member.known[index];
        let failure = match &weighed.finding {
            Finding::Skipped => return Ok(Outcome::Skipped),
            Finding::Known(_) | Finding::Unknown(_) => return Ok(weighed.outcome),
            Finding::Faulty(failure) => failure.clone(),
            Finding::Unread(Unread::Unreadable(reason)) => unreadable(reason),
            Finding::Unread(Unread::Wants(_)) => unreadable("its questions find no end"),
        };
        self.member.ended[index] = Some(Outcome::Failed);
        self.member.run.hub.tell(What::TaskFailed {
            task: self.member.titled(&self.member.walk.steps[index]),
            failure: failure.clone(),
        });
        Err(failure)
    }

    /// `false` when the run is to stop.
    async fn await_milestones(&mut self, index: usize, awaits: &[String]) -> Result<bool, Failure> {
        let mut waited = false;
        for milestone in awaits {
            if !self.gates.is_open(milestone) {
                self.member.run.hub.tell(What::Waiting {
                    host: self.member.host().to_owned(),
                    reason: format!("{milestone} on {}", self.gates.ahead(milestone).join(", ")),
                });
                waited = true;
            }
            match self.gates.pass(milestone, &self.member.run.stop).await {
                Passage::Open => {}
                Passage::Stopped => return Ok(false),
                Passage::Lost(host) => {
                    return Err(Failure {
                        message: format!("it waits for {milestone}, which {host} did not reach"),
                        hints: vec![format!("mend {host} first, then run again")],
                        ..Failure::default()
                    });
                }
            }
        }
        if waited {
            // Others have changed the world meanwhile.
            self.refresh(index).await?;
        }
        Ok(true)
    }

    /// Acts for a step and confirms it by asking again. Gives what differed; nothing when there
    /// was nothing to do after all.
    async fn act(&mut self, index: usize, timeout: Duration) -> Result<Vec<Difference>, Failure> {
        // A boot that is under way may be the very one that this step would ask for.
        let boots_unseen = self.member.reach != Reach::Up
            && matches!(&self.member.built[index], Built::Ready(resource) if resource.boots());
        if boots_unseen && !self.member.contact.has_shell() {
            self.member.contact.boot_over().await;
        }
        if boots_unseen || matches!(self.member.known[index].finding, Finding::Unknown(_)) {
            self.refresh(index).await?;
        }
        let change = match self.outcome(index)? {
            Outcome::WouldChange => self.member.known[index].change().cloned(),
            _ => return Ok(Vec::new()),
        };
        let Some(change) = change else {
            let reason = match &self.member.known[index].finding {
                Finding::Unknown(reason) => reason.clone(),
                _ => "it gave no change".to_owned(),
            };
            return Err(unreadable(&reason));
        };
        late::provide(self.fleet, &change.actions).await?;
        self.carry_out(index, &change, timeout).await?;
        for pause in SECOND_LOOKS {
            match &self.member.known[index].finding {
                Finding::Known(after) if after.standing != Standing::Differs => {
                    return Ok(change.differences);
                }
                Finding::Faulty(failure) => return Err(failure.clone()),
                _ => {}
            }
            tokio::time::sleep(pause).await;
            self.refresh(index).await?;
        }
        match &self.member.known[index].finding {
            Finding::Known(after) if after.standing != Standing::Differs => Ok(change.differences),
            Finding::Known(after) => Err(remains(after)),
            Finding::Unread(Unread::Unreadable(reason)) | Finding::Unknown(reason) => {
                Err(unreadable(reason))
            }
            Finding::Faulty(failure) => Err(failure.clone()),
            _ => Err(unreadable("its questions find no end")),
        }
    }

    /// One exec carries the acts, their confirmation and the next steps' questions; acts through
    /// the BMC are followed by a question each.
    async fn carry_out(
        &mut self,
        index: usize,
        change: &Change,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let name = self.member.titled(&self.member.walk.steps[index]);
        let mut shell = Vec::new();
        for action in &change.actions {
            match action {
                Action::Bmc(act) => {
                    self.member.contact.act_bmc(act, &name).await?;
                    self.after_bmc().await;
                }
                Action::Reboot => {
                    self.member.contact.reboot(&name).await?;
                    self.after_boot();
                }
                other => shell.push(other.clone()),
            }
        }
        self.acted = true;
        if shell.is_empty() {
            return self.refresh(index).await;
        }
        self.ready_artifacts(&shell).await?;
        let queries = self.forget_from(index);
        let (bmc, host): (Vec<Query>, Vec<Query>) = queries
            .into_iter()
            .partition(|query| query.place() == Place::Bmc);
        let batch = Batch {
            acts: shell,
            queries: host,
        };
        let reply = self
            .member
            .contact
            .exec(&batch, timeout, Some(&name))
            .await?;
        if let Some(failed) = reply.failure {
            return Err(of_act(failed, &self.member.run.site.vault));
        }
        self.member.answers.extend(reply.answers);
        if !bmc.is_empty() {
            let answers = self.member.contact.ask(&bmc).await?;
            self.member.answers.extend(answers);
        }
        self.reread(index).await;
        Ok(())
    }

    async fn ready_artifacts(&self, actions: &[Action]) -> Result<(), Failure> {
        let names: Vec<String> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Feed {
                    payload: crate::model::Payload::Artifact { artifact, .. },
                    ..
                } => Some(artifact.clone()),
                _ => None,
            })
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        let hub = self.member.run.hub.clone();
        let tell = move |preparation| hub.tell(What::Preparing(preparation));
        self.member.run.supply.ensure(&names, &tell).await
    }

    /// After an act by the BMC, the shell may be gone or come.
    async fn after_bmc(&mut self) {
        self.member
            .answers
            .retain(|query| query.place() != Place::Bmc);
        let power = self.member.contact.power().await;
        if power.as_deref() == Some("Off") {
            self.member.contact.give_up_link().await;
            self.member.reach = Reach::Down(format!("{} is up", self.member.host()));
        }
    }

    fn after_boot(&mut self) {
        self.member.answers = Default::default();
        self.member.facts = None;
    }

    /// The window of steps that the next exec asks about: this one and those after it, up to the
    /// next that is known to differ. Their answers are forgotten, their questions returned.
    fn forget_from(&mut self, index: usize) -> Vec<Query> {
        let end = self
            .member
            .known
            .iter()
            .enumerate()
            .skip(index + 1)
            .take(AHEAD)
            .find(|(_, weighed)| weighed.outcome == Outcome::WouldChange)
            .map_or(index + 1 + AHEAD, |(at, _)| at + 1)
            .min(self.member.known.len());
        self.fresh = end;
        let queries = self.member.questions(index..end);
        for query in &queries {
            self.member.answers.forget(query);
        }
        // Contents that a reading wanted before are stale too.
        self.member.answers.retain(|query| {
            !matches!(query, Query::Content(path)
            if queries.contains(&Query::File(path.clone())))
        });
        queries
    }

    /// Asks again about the step and those that follow.
    async fn refresh(&mut self, index: usize) -> Result<(), Failure> {
        self.member.contact.forget_bmc().await;
        self.ensure_reach(index).await?;
        let mut queries = self.forget_from(index);
        if self.member.facts.is_none() && self.member.reach == Reach::Up {
            queries.extend(fact::questions());
            queries.extend(self.member.questions(0..self.member.built.len()));
            self.fresh = self.member.built.len();
        }
        if self.member.reach != Reach::Up {
            queries.retain(|query| query.place() == Place::Bmc);
        }
        let answers = self.member.contact.ask(&queries).await?;
        self.member.answers.extend(answers);
        if self.member.facts.is_none() && self.member.reach == Reach::Up {
            self.member.gather_facts();
        }
        self.reread(index).await;
        Ok(())
    }

    /// Brings a shell up when the step needs one and the host was down.
    async fn ensure_reach(&mut self, index: usize) -> Result<(), Failure> {
        let Reach::Down(reason) = self.member.reach.clone() else {
            return Ok(());
        };
        let needs_shell = match &self.member.built[index] {
            // A boot that is under way may be the very one that the settings wait for.
            Built::Ready(resource) if resource.boots() => self.member.contact.has_shell(),
            Built::Ready(resource) => resource
                .ask()
                .iter()
                .any(|query| query.place() == Place::Host),
            _ => true,
        };
        if !needs_shell {
            return Ok(());
        }
        if !self.member.contact.has_shell() {
            return Err(unreadable(&format!("it cannot be known until {reason}")));
        }
        if self.member.contact.has_bmc()
            && self.member.contact.power().await.as_deref() == Some("Off")
        {
            return Err(Failure {
                message: format!(
                    "{} is off, and no step of its roles powers it on",
                    self.member.host()
                ),
                hints: vec!["power it on, or give it a role with `power: {state: on}`".to_owned()],
                ..Failure::default()
            });
        }
        let deadline = Instant::now() + self.member.run.options.boot;
        self.member
            .contact
            .connect(Patience::Until(deadline))
            .await?;
        self.member.reach = Reach::Up;
        Ok(())
    }

    /// Builds and reads everything anew with the answers there are; asks what readings want, for
    /// the steps of the window.
    async fn reread(&mut self, index: usize) {
        self.member.build();
        for _ in 0..4 {
            let known = plan::weigh(&self.member.built, &self.member.answers);
            let window = index..self.fresh.min(known.steps.len());
            let mut wants: Vec<Query> = known.steps[window.clone()]
                .iter()
                .flat_map(|weighed| match &weighed.finding {
                    Finding::Unread(Unread::Wants(queries)) => queries.clone(),
                    _ => Vec::new(),
                })
                .collect();
            wants.sort();
            wants.dedup();
            for (at, weighed) in known.steps.into_iter().enumerate() {
                if window.contains(&at) {
                    self.member.known[at] = weighed;
                }
            }
            if self.member.reach != Reach::Up {
                wants.retain(|query| query.place() == Place::Bmc);
            }
            if wants.is_empty() {
                break;
            }
            match self.member.contact.ask(&wants).await {
                Ok(answers) => self.member.answers.extend(answers),
                Err(_) => break,
            }
        }
        if let Reach::Down(reason) = &self.member.reach {
            for weighed in &mut self.member.known {
                if let Finding::Unread(Unread::Wants(_)) = weighed.finding {
                    weighed.finding = Finding::Unknown(reason.clone());
                    weighed.outcome = Outcome::WouldChange;
                }
            }
        }
    }
}
