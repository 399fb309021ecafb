//! What a host is told to do that no wish describes: an operator's orders, and taking back what
//! was made.

use std::time::Instant;

use super::member::{Member, Reach};
use crate::event::{Failure, Outcome, TaskName, What};
use crate::link::script::Batch;
use crate::model::BmcAct;
use crate::plan::Built;

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

    /// Takes back what the resources made, last first, each in an exec of its own. What fails
    /// does not keep the rest from being taken back, but the host counts as failed.
    pub(super) async fn undo(&mut self) {
        if self.reach != Reach::Up {
            return;
        }
        for index in (0..self.built.len()).rev() {
            let Built::Ready(resource) = &self.built[index] else {
                continue;
            };
            let acts = resource.undo();
            if acts.is_empty() {
                continue;
            }
            let task = self.titled(&self.walk.steps[index]);
            let started = self.begin(&task);
            let batch = Batch {
                acts,
                queries: Vec::new(),
            };
            let timeout = self.walk.steps[index].task.timeout;
            let failure = match self.contact.exec(&batch, timeout, Some(&task)).await {
                Ok(reply) => reply.failure.map(|failed| Failure {
                    message: format!("it ended with status {}", failed.status),
                    command: Some(failed.shown),
                    status: Some(failed.status),
                    output: Some(failed.output),
                    ..Failure::default()
                }),
                Err(failure) => Some(failure),
            };
            self.ended[index] = Some(self.conclude(&task, started, failure));
        }
        self.told_lost();
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
