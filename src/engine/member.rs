//! One host in a run: what was asked, what is known, how it ended.

use std::sync::Arc;

use serde_json::Value;

use super::contact::{Contact, Patience};
use super::failures::unreadable;
use super::run::Run;
use super::stop::Will;
use crate::event::{CheckFinding, Failure, HostSummary, Outcome, What};
use crate::fact;
use crate::model::{Answer, Answers, BmcQuery, Place, Query, Unread};
use crate::plan::{self, Built, Finding, Setting, Step, Walk, Weighed};
use crate::resource::Removal;

/// How often readings may want more before that is a defect.
const ROUNDS: usize = 6;

/// Whether the host's shell can be had.
#[derive(Debug, Clone, PartialEq)]
pub enum Reach {
    /// Not tried yet.
    Untried,
    Up,
    /// It is off, or will be brought up by its BMC's steps first.
    Down(String),
    /// It is out of this run.
    Lost(Failure),
}

pub struct Member {
    pub(super) run: Arc<Run>,
    pub(super) contact: Arc<Contact>,
    pub(super) walk: Walk,
    pub(super) answers: Answers,
    pub(super) facts: Option<Value>,
    pub(super) built: Vec<Built>,
    pub(super) known: Vec<Weighed>,
    pub(super) reach: Reach,
    /// What a reset has to take back, by step.
    pub(super) removals: Vec<(usize, Removal)>,
    /// How each step ended, in an apply.
    pub(super) ended: Vec<Option<Outcome>>,
    /// Findings of requirements by their position in the profile.
    pub(super) findings: Vec<(usize, CheckFinding)>,
}

impl Member {
    pub(super) fn new(run: Arc<Run>, contact: Arc<Contact>, walk: Walk) -> Self {
        let steps = walk.steps.len();
        Self {
            run,
            contact,
            walk,
            answers: Answers::default(),
            facts: None,
            built: Vec::new(),
            known: Vec::new(),
            reach: Reach::Untried,
            removals: Vec::new(),
            ended: vec![None; steps],
            findings: Vec::new(),
        }
    }

    pub fn host(&self) -> &str {
        &self.walk.host.name
    }

    pub fn walk(&self) -> &Walk {
        &self.walk
    }

    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    pub fn facts(&self) -> Option<&Value> {
        self.facts.as_ref()
    }

    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    pub fn contact(&self) -> &Arc<Contact> {
        &self.contact
    }

    /// Whether the host is still part of the run.
    pub fn takes_part(&self) -> bool {
        !matches!(self.reach, Reach::Lost(_))
    }

    /// The steps with what is known of each.
    pub fn weighed(&self) -> impl Iterator<Item = (&Step, &Weighed)> {
        self.walk.steps.iter().zip(&self.known)
    }

    pub(super) fn setting(&self) -> Setting<'_> {
        Setting {
            site: &self.run.site,
            artifacts: &*self.run.supply,
        }
    }

    /// Asks everything: facts and every step's questions in one exec where nothing differs.
    pub async fn survey(&mut self) {
        // Facts of an earlier run are good enough to guess which questions there will be, so that
        // all of them fit into one exec. What is read rests on the facts asked in it.
        let guess = self.run.remembered(self.host());
        self.built = plan::build(&self.walk, self.setting(), guess.as_ref());
        let mut queries = self.questions(0..self.walk.steps.len());
        if self.contact.has_shell() {
            queries.extend(fact::questions());
        }
        queries.sort();
        queries.dedup();
        let (bmc, host): (Vec<Query>, Vec<Query>) = queries
            .into_iter()
            .partition(|query| query.place() == Place::Bmc);
        self.first_contact(bmc, host).await;
        self.build();
        self.settle_readings().await;
        self.hub_surveyed();
    }

    /// Asks only what the host is.
    pub async fn survey_facts(&mut self) {
        let mut questions = Vec::new();
        if self.contact.has_shell() {
            questions = fact::questions();
        }
        self.first_contact(Vec::new(), questions).await;
        if let Reach::Lost(failure) = &self.reach {
            self.run.hub.tell(What::HostFailed {
                host: self.host().to_owned(),
                failure: failure.clone(),
            });
        }
    }

    /// The first questions to BMC and shell, side by side. A server that its BMC says is off is
    /// not tried by SSH until that has timed out.
    async fn first_contact(&mut self, mut bmc: Vec<Query>, host: Vec<Query>) {
        if !bmc.is_empty() {
            bmc.push(Query::Bmc(BmcQuery::System));
            bmc.sort();
            bmc.dedup();
        }
        let contact = self.contact.clone();
        let by_bmc = contact.ask(&bmc);
        let by_shell = async {
            if host.is_empty() {
                return Ok(Vec::new());
            }
            contact.connect(Patience::Short).await?;
            contact.ask(&host).await
        };
        tokio::pin!(by_bmc, by_shell);
        let mut off = false;
        let mut told = None;
        let shell = tokio::select! {
            biased;
            answers = &mut by_bmc => {
                let answers: Answers = answers.unwrap_or_default().into_iter().collect();
                off = is_off(&answers);
                told = Some(answers);
                if off { None } else { Some(by_shell.await) }
            }
            shell = &mut by_shell => Some(shell),
        };
        let told = match told {
            Some(told) => told,
            None => by_bmc.await.unwrap_or_default().into_iter().collect(),
        };
        let bmc_answers: Vec<_> = told
            .iter()
            .map(|(query, answer)| (query.clone(), answer.clone()))
            .collect();
        self.answers.extend(bmc_answers);
        self.reach = match shell {
            None => Reach::Down(format!("{} is up", self.host())),
            Some(Ok(answers)) => {
                self.answers.extend(answers);
                if self.contact.has_shell() {
                    Reach::Up
                } else {
                    Reach::Down(format!("{} has an address in the inventory", self.host()))
                }
            }
            Some(Err(failure)) => {
                // It may have been switched off, or be rebooting, without this walk asking its
                // BMC for anything.
                if !off && self.contact.has_bmc() && bmc.is_empty() {
                    off = self
                        .contact
                        .power()
                        .await
                        .is_some_and(|power| power != "On");
                }
                if off {
                    Reach::Down(format!("{} is up", self.host()))
                } else {
                    Reach::Lost(failure)
                }
            }
        };
        if let Some(failure) = contact.without_bmc().filter(|_| !bmc.is_empty()) {
            self.lose_bmc(failure);
        }
        if self.reach == Reach::Up {
            self.gather_facts();
            if let Some(facts) = &self.facts {
                self.run.remember(self.host(), facts);
            }
        }
    }

    /// A host whose BMC the walk needs and cannot ask is out of the run: what its firmware and its
    /// power are, nobody knows.
    fn lose_bmc(&mut self, failure: Failure) {
        self.reach = Reach::Lost(match &self.reach {
            Reach::Lost(shell) => Failure {
                causes: [shell.causes.clone(), vec![failure.message]].concat(),
                hints: [shell.hints.clone(), failure.hints].concat(),
                ..shell.clone()
            },
            Reach::Up => Failure {
                message: format!(
                    "{}; the server itself is up, its shell answers",
                    failure.message
                ),
                ..failure
            },
            _ => failure,
        });
    }

    /// Whether anything of the host answered, by the way that leads to it.
    pub fn has_answered(&self) -> bool {
        self.answers
            .iter()
            .any(|(query, answer)| match query.place() {
                Place::Host => true,
                Place::Bmc => !self.contact.has_shell() && !matches!(answer, Answer::Failed(_)),
            })
    }

    /// A host with a step that cannot be read is out of the run, and the others go on.
    pub(super) fn quarantine(&mut self) {
        if matches!(self.reach, Reach::Lost(_)) {
            return;
        }
        let mut unread = self
            .weighed()
            .filter_map(|(step, weighed)| match &weighed.finding {
                Finding::Unread(Unread::Unreadable(reason)) => Some((step, reason)),
                _ => None,
            });
        let Some((step, reason)) = unread.next() else {
            return;
        };
        let failure = unreadable(reason);
        let failure = Failure {
            message: format!("{}: {}", self.titled(step).title, failure.message),
            ..failure
        };
        drop(unread);
        self.run.hub.tell(What::HostFailed {
            host: self.host().to_owned(),
            failure: failure.clone(),
        });
        self.reach = Reach::Lost(failure);
    }

    /// Asks and keeps the answers; a shell that cannot be had answers with its failure.
    pub(super) async fn put(&mut self, queries: &[Query]) {
        match self.contact.ask(queries).await {
            Ok(answers) => self.answers.extend(answers),
            Err(failure) => self.reach = Reach::Lost(failure),
        }
    }

    pub(super) fn gather_facts(&mut self) {
        self.facts = fact::gather(&self.answers).ok();
    }

    pub(super) fn build(&mut self) {
        let built = plan::build(&self.walk, self.setting(), self.facts.as_ref());
        self.built = built;
    }

    /// Questions of the steps that can be asked with what is known.
    pub(super) fn questions(&self, steps: std::ops::Range<usize>) -> Vec<Query> {
        let mut queries: Vec<Query> = self.built[steps]
            .iter()
            .filter_map(|built| match built {
                Built::Ready(resource) => Some(resource.ask()),
                _ => None,
            })
            .flatten()
            .collect();
        queries.sort();
        queries.dedup();
        queries
    }

    /// Reads every step, asking what readings still want, until none wants more.
    pub(super) async fn settle_readings(&mut self) {
        for _ in 0..ROUNDS {
            let known = plan::weigh(&self.built, &self.answers);
            self.known = known.steps;
            let mut wants = known.wants;
            // Questions that only became known with the facts.
            wants.extend(self.answers.missing(self.questions(0..self.built.len())));
            wants.sort();
            wants.dedup();
            if self.reach != Reach::Up {
                wants.retain(|query| query.place() == Place::Bmc);
            }
            if wants.is_empty() {
                break;
            }
            match self.contact.ask(&wants).await {
                Ok(answers) => self.answers.extend(answers),
                Err(failure) => {
                    self.reach = Reach::Lost(failure);
                    break;
                }
            }
        }
        if let Reach::Down(reason) = &self.reach {
            let reason = reason.clone();
            for weighed in &mut self.known {
                if let Finding::Unread(Unread::Wants(_)) | Finding::Unknown(_) = weighed.finding {
                    weighed.finding = Finding::Unknown(reason.clone());
                    weighed.outcome = Outcome::WouldChange;
                }
            }
        }
    }

    fn hub_surveyed(&self) {
        let hub = &self.run.hub;
        if let Reach::Lost(failure) = &self.reach {
            hub.tell(What::HostFailed {
                host: self.host().to_owned(),
                failure: failure.clone(),
            });
            return;
        }
        hub.tell(What::HostSurveyed {
            host: self.host().to_owned(),
            tasks: self.known.len(),
            changes: self
                .known
                .iter()
                .filter(|weighed| weighed.outcome == Outcome::WouldChange)
                .count(),
        });
    }

    pub(super) fn tell_plan(&self) {
        if matches!(self.reach, Reach::Lost(_)) {
            return;
        }
        for (step, weighed) in self.weighed() {
            let failure = match &weighed.finding {
                Finding::Faulty(failure) => Some(failure.clone()),
                Finding::Unread(Unread::Unreadable(reason)) => Some(unreadable(reason)),
                _ => None,
            };
            if let Some(failure) = failure {
                self.run.hub.tell(What::TaskFailed {
                    task: step.name.clone(),
                    failure,
                });
                continue;
            }
            let unknown = match &weighed.finding {
                Finding::Unknown(reason) => Some(reason.clone()),
                _ => None,
            };
            self.run.hub.tell(What::TaskPlanned {
                task: self.titled(step),
                outcome: weighed.outcome,
                change: weighed.change().cloned(),
                unknown,
            });
        }
    }

    /// The step's name with the title that the built resource gives, where its author gave none.
    pub(super) fn titled(&self, step: &Step) -> crate::event::TaskName {
        let mut name = step.name.clone();
        if step.task.name.is_none()
            && let Some(Built::Ready(resource)) = self.built.get(step.name.index)
        {
            name.title = resource.title();
        }
        name
    }

    pub(super) async fn summary(&self) -> HostSummary {
        let count = |outcome| {
            self.ended
                .iter()
                .filter(|ended| **ended == Some(outcome))
                .count()
        };
        let applied = self.ended.iter().any(Option::is_some);
        let lost = matches!(self.reach, Reach::Lost(_));
        // Of a host that was lost before anything was done, nothing is known.
        let planned = |outcome| {
            self.known
                .iter()
                .filter(|weighed| weighed.outcome == outcome && !lost)
                .count()
        };
        let (unchanged, skipped) = if applied {
            (count(Outcome::Unchanged), count(Outcome::Skipped))
        } else {
            (planned(Outcome::Unchanged), planned(Outcome::Skipped))
        };
        let changed = count(Outcome::Changed);
        let left = if applied || self.run.stop.will() > Will::Go {
            self.ended.iter().filter(|ended| ended.is_none()).count()
        } else {
            0
        };
        HostSummary {
            host: self.host().to_owned(),
            changed,
            would_change: if applied {
                0
            } else {
                planned(Outcome::WouldChange)
            },
            unchanged,
            skipped,
            left,
            failure: match &self.reach {
                Reach::Lost(failure) => Some(failure.clone()),
                _ => None,
            },
            traffic: self.contact.traffic().await,
        }
    }
}

fn is_off(answers: &Answers) -> bool {
    answers
        .bmc(&BmcQuery::System)
        .ok()
        .and_then(|state| state.get("power")?.as_str())
        .is_some_and(|power| power == "Off")
}
