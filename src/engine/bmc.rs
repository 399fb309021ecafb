//! The BMC of one host in a run.

use std::sync::Arc;

use super::contact::{Contact, lock};
use super::hub::failure;
use crate::event::{Failure, TaskName, What};
use crate::model::{Answer, BmcAct, BmcQuery, Query};
use crate::redfish::{self, Bmc};

impl Contact {
    pub(super) async fn bmc(&self) -> Result<Arc<Bmc>, Failure> {
        let mut slot = self.bmc.write().await;
        if let Some(bmc) = &*slot {
            return Ok(bmc.clone());
        }
        let Some(endpoint) = &self.host.bmc else {
            return Err(Failure {
                message: format!("{} has no BMC in the inventory", self.host.name),
                hints: vec![format!(
                    "give {} a `bmc`, or leave its BMC tasks out",
                    self.host.name
                )],
                ..Failure::default()
            });
        };
        let options = redfish::Options {
            vault: self.run.site.vault.clone(),
            ..self.run.options.redfish.clone()
        };
        let bmc = Bmc::connect(endpoint.clone(), options)
            .await
            .map_err(|error| self.note_bmc(&error))?;
        if bmc.password_was_set() {
            self.run.hub.warn(
                Some(&self.host.name),
                "the BMC had its first password; it is now the inventory's `password`",
            );
        }
        let bmc = Arc::new(bmc);
        *slot = Some(bmc.clone());
        Ok(bmc)
    }

    fn note_bmc(&self, error: &redfish::Error) -> Failure {
        let failure = of_bmc(error);
        *lock(&self.without_bmc) = Some(failure.clone());
        failure
    }

    /// Why the BMC cannot be asked, where it was tried in vain.
    pub fn without_bmc(&self) -> Option<Failure> {
        lock(&self.without_bmc).clone()
    }

    pub(super) async fn ask_bmc(&self, queries: &[Query]) -> Vec<(Query, Answer)> {
        if queries.is_empty() {
            return Vec::new();
        }
        let known = self.without_bmc();
        let bmc = match known.map_or(Ok(()), Err) {
            Ok(()) => self.bmc().await,
            Err(failure) => Err(failure),
        };
        let bmc = match bmc {
            Ok(bmc) => bmc,
            Err(failure) => {
                let mut reason = std::iter::once(failure.message)
                    .chain(failure.causes)
                    .collect::<Vec<_>>()
                    .join(": ");
                for hint in failure.hints {
                    reason.push_str("; ");
                    reason.push_str(&hint);
                }
                return queries
                    .iter()
                    .map(|query| (query.clone(), Answer::Failed(reason.clone())))
                    .collect();
            }
        };
        let mut answers = Vec::with_capacity(queries.len());
        // One after the other: they share documents, and a BMC takes few requests at once anyway.
        for query in queries {
            let Query::Bmc(question) = query else {
                continue;
            };
            // Silence costs its whole budget; once is enough.
            if let Some(gone) = self.without_bmc() {
                answers.push((query.clone(), Answer::Failed(gone.message)));
                continue;
            }
            let answer = match bmc.answer(question).await {
                Ok(value) => Answer::Bmc(value),
                Err(error) => {
                    if matches!(error, redfish::Error::Unreachable { .. }) {
                        self.note_bmc(&error);
                    }
                    Answer::Failed(format!("{error}; {}", error.hint()))
                }
            };
            answers.push((query.clone(), answer));
        }
        answers
    }

    /// What the BMC says of the server's power, asked afresh.
    pub async fn power(&self) -> Option<String> {
        let bmc = self.bmc().await.ok()?;
        bmc.forget().await;
        let state = bmc.answer(&BmcQuery::System).await.ok()?;
        state.get("power")?.as_str().map(str::to_owned)
    }

    pub async fn act_bmc(&self, act: &BmcAct, task: &TaskName) -> Result<(), Failure> {
        let bmc = self.bmc().await?;
        if matches!(act, BmcAct::Power(_)) {
            self.switched
                .store(true, std::sync::atomic::Ordering::Relaxed);
        }
        let tell = |progress: redfish::Progress| {
            self.run.hub.tell(What::TaskProgress {
                task: task.clone(),
                message: in_words(&progress),
                done: None,
                total: None,
            });
        };
        bmc.act(act, &tell).await.map_err(|error| of_bmc(&error))
    }

    pub(super) fn has_switched_power(&self) -> bool {
        self.switched.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(super) fn options(&self) -> &super::run::Options {
        &self.run.options
    }

    pub(super) fn tell(&self, what: What) {
        self.run.hub.tell(what);
    }

    /// What the BMC answers; nothing where it does not.
    pub(super) async fn answer(&self, query: &BmcQuery) -> Option<serde_json::Value> {
        self.bmc().await.ok()?.answer(query).await.ok()
    }

    /// The BMC's answers are asked anew from here on.
    pub async fn forget_bmc(&self) {
        lock(&self.without_bmc).take();
        if let Some(bmc) = &*self.bmc.read().await {
            bmc.forget().await;
        }
    }
}

/// What a BMC did not do, as people read it. Its message holds the innermost cause already.
fn of_bmc(error: &redfish::Error) -> Failure {
    Failure {
        causes: Vec::new(),
        ..failure(error, Some(error.hint()))
    }
}

fn in_words(progress: &redfish::Progress) -> String {
    use redfish::Progress;
    match progress {
        Progress::Waiting { what, elapsed } => {
            format!("waiting for {what}, {} s so far", elapsed.as_secs())
        }
        Progress::Escalating { from, to } => format!("{from} was not enough: {to}"),
        Progress::Task { state, percent } => match percent {
            Some(percent) => format!("task {state}, {percent} %"),
            None => format!("task {state}"),
        },
        Progress::Note(note) => note.clone(),
    }
}
