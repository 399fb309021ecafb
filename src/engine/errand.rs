//! What a host is told to do that no wish describes: an operator's orders, and taking back what
//! was made.

use std::collections::BTreeSet;
use std::time::Instant;

use super::failures::of_act;
use super::member::{Member, Reach};
use super::stop::Will;
use crate::event::{Failure, Outcome, TaskName, What};
use crate::link::script::Batch;
use crate::model::{Action, Answer, BmcAct, Change, Difference, Query};
use crate::plan::Built;
use crate::resource::Removal;

impl Member {
    /// Acts of its BMC in their order, told as one task; the first that fails ends the host.
    pub(super) async fn order(&mut self, command: &str, title: &str, acts: &[BmcAct]) {
        let task = TaskName {
            host: self.host().to_owned(),
            role: command.to_owned(),
            index: self.ended.len(),
            title: title.to_owned(),
        };
        let started = self.begin(&task);
        let mut failure = None;
        for act in acts {
            failure = self.contact.act_bmc(act, &task).await.err();
            if failure.is_some() {
                break;
            }
        }
        let outcome = self.conclude(&task, started, failure);
        self.ended.push(Some(outcome));
        self.told_lost();
    }

    /// Asks what the host is and what there is to take back, and tells it as a plan. How many
    /// things there are.
    pub(super) async fn survey_removals(&mut self) {
        self.survey_facts().await;
        if let Reach::Down(_) = &self.reach {
            self.lose(Failure {
                message: format!("{} is off: nothing can be taken off it", self.host()),
                hints: vec![
                    "power it on and reset again, or leave it out with `--limit`".to_owned(),
                ],
                ..Failure::default()
            });
            return self.told_lost();
        }
        if self.reach != Reach::Up {
            return;
        }
        self.build();
        let removals: Vec<Option<Removal>> = self.built.iter().map(removal).collect();
        let present = match self.present(removals.iter().flatten()).await {
            Ok(present) => present,
            Err(failure) => {
                self.lose(failure);
                return self.told_lost();
            }
        };
        self.removals = removals
            .into_iter()
            .enumerate()
            .filter_map(|(index, removal)| Some((index, removal?)))
            .filter(|(_, removal)| present.contains(&removal.there))
            .collect();
        self.run.hub.tell(What::HostSurveyed {
            host: self.host().to_owned(),
            tasks: self.built.len(),
            changes: self.removals.len(),
        });
        for (index, removal) in &self.removals {
            self.run.hub.tell(What::TaskPlanned {
                task: self.titled(&self.walk.steps[*index]),
                outcome: Outcome::WouldChange,
                change: Some(taken_away(removal)),
                unknown: None,
            });
        }
    }

    /// Takes back what the resources made, last first, each in an exec of its own, and asks
    /// afterwards whether it is gone. What fails does not keep the rest from being taken back,
    /// but the host counts as failed.
    pub(super) async fn undo(&mut self) {
        let removals = std::mem::take(&mut self.removals);
        if self.reach != Reach::Up {
            return;
        }
        let mut done = Vec::new();
        for (index, removal) in removals.into_iter().rev() {
            if self.run.stop.will() > Will::Go {
                break;
            }
            let task = self.titled(&self.walk.steps[index]);
            let started = self.begin(&task);
            let batch = Batch {
                acts: taken_away(&removal).actions,
                queries: Vec::new(),
            };
            let timeout = self.walk.steps[index].task.timeout;
            let failure = match self.contact.exec(&batch, timeout, Some(&task)).await {
                Ok(reply) => reply
                    .failure
                    .map(|failed| of_act(failed, &self.run.site.vault)),
                Err(failure) => Some(failure),
            };
            let outcome = self.conclude(&task, started, failure);
            self.ended[index] = Some(outcome);
            if outcome == Outcome::Changed {
                done.push((index, task, removal));
            }
        }
        if self.run.stop.will() == Will::Go {
            // What is kept was not to be taken.
            for ended in &mut self.ended {
                ended.get_or_insert(Outcome::Unchanged);
            }
        }
        match self
            .present(done.iter().map(|(_, _, removal)| removal))
            .await
        {
            Ok(present) => {
                for (index, task, removal) in &done {
                    if present.contains(&removal.there) {
                        let failure = Failure {
                            message: "it was taken away, and is still there when asked again"
                                .to_owned(),
                            command: Some(removal.there.clone()),
                            hints: vec![
                                "look on the host what holds it or brings it back, then reset again"
                                    .to_owned(),
                            ],
                            ..Failure::default()
                        };
                        self.ended[*index] =
                            Some(self.conclude(task, Instant::now(), Some(failure)));
                    }
                }
            }
            Err(failure) => self.lose(failure),
        }
        self.told_lost();
    }

    /// The tests of those removals that have something to take, asked in one exec.
    async fn present<'a>(
        &self,
        removals: impl Iterator<Item = &'a Removal>,
    ) -> Result<BTreeSet<String>, Failure> {
        let queries: BTreeSet<Query> = removals
            .map(|removal| Query::Run(removal.there.clone()))
            .collect();
        if queries.is_empty() {
            return Ok(BTreeSet::new());
        }
        let queries: Vec<Query> = queries.into_iter().collect();
        let answers = self.contact.ask(&queries).await?;
        let there = answers.into_iter().filter_map(|answer| match answer {
            (Query::Run(script), Answer::Output(output)) if output.status == 0 => Some(script),
            _ => None,
        });
        Ok(there.collect())
    }

    fn lose(&mut self, failure: Failure) {
        if !matches!(self.reach, Reach::Lost(_)) {
            self.reach = Reach::Lost(failure);
        }
    }

    fn begin(&self, task: &TaskName) -> Instant {
        self.run.hub.tell(What::TaskStarted { task: task.clone() });
        Instant::now()
    }

    /// Tells how a task ended. The first failure is the host's.
    fn conclude(&mut self, task: &TaskName, started: Instant, failure: Option<Failure>) -> Outcome {
        let Some(failure) = failure else {
            self.run.hub.tell(What::TaskFinished {
                task: task.clone(),
                outcome: Outcome::Changed,
                differences: Vec::new(),
                seconds: started.elapsed().as_secs_f64(),
            });
            return Outcome::Changed;
        };
        self.run.hub.tell(What::TaskFailed {
            task: task.clone(),
            failure: failure.clone(),
        });
        if !matches!(self.reach, Reach::Lost(_)) {
            self.reach = Reach::Lost(Failure {
                message: format!("{} failed: {}", task.title, failure.message),
                ..failure
            });
        }
        Outcome::Failed
    }

    fn told_lost(&self) {
        if let Reach::Lost(failure) = &self.reach {
            self.run.hub.tell(What::HostFailed {
                host: self.host().to_owned(),
                failure: failure.clone(),
            });
        }
    }
}

fn removal(built: &Built) -> Option<Removal> {
    match built {
        Built::Ready(resource) => resource.undo(),
        _ => None,
    }
}

/// A removal as a plan shows it.
fn taken_away(removal: &Removal) -> Change {
    Change::from(
        vec![Difference::Note("is taken away".to_owned())],
        vec![Action::Run(removal.take.as_str().into())],
    )
}
