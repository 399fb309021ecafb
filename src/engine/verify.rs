//! Verification: the profile's rows, asked of the hosts they concern, in as few rounds as their
//! questions need.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fleet::Fleet;
use super::member::{Member, Reach};
use crate::check::{self, Row};
use crate::config::site::{Level, Requirement, Scope};
use crate::event::{CheckCount, CheckFinding, CheckResult, Verdict, What};
use crate::model::{Answers, Place, Query, Unread};
use crate::plan::Scene;
use crate::probe::Probe;

const ROUNDS: usize = 4;

/// Which rows concern which host, by position in the profile.
type Concerns = BTreeMap<String, Vec<usize>>;

impl Fleet {
    /// Asks and judges every requirement of the profile. Results come in the profile's order;
    /// each is told as an event.
    pub async fn verify(&mut self) -> Vec<CheckResult> {
        let run = self.run().clone();
        let Some(profile) = &run.site.profile else {
            return Vec::new();
        };
        self.greet().await;
        let concerns = concerns(self, &profile.requirements);
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let members = self.take_members();
        let members = super::fleet::side_by_side(members, |mut member| {
            let rows = concerns.get(member.host()).cloned().unwrap_or_default();
            async move {
                member.judge(&rows).await;
                member
            }
        })
        .await;
        let mut findings: BTreeMap<usize, Vec<CheckFinding>> = BTreeMap::new();
        for member in &members {
            for (row, finding) in &member.findings {
                findings.entry(*row).or_default().push(finding.clone());
            }
        }
        self.put_members(members);
        let mut results = Vec::with_capacity(profile.requirements.len());
        for (index, requirement) in profile.requirements.iter().enumerate() {
            let mut findings = findings.remove(&index).unwrap_or_default();
            if findings.is_empty() && requirement.scope == Scope::Cluster {
                findings.push(unasked("no host is there to ask"));
            }
            let result = CheckResult {
                id: requirement.id.clone(),
                title: requirement.title.clone(),
                level: match requirement.level {
                    Level::Must => "must",
                    Level::Should => "should",
                    Level::May => "may",
                }
                .to_owned(),
                verdict: check::judged(requirement, &findings, &today),
                findings,
                mend: requirement.mend.clone(),
            };
            run.hub.tell(What::Checked(result.clone()));
            results.push(result);
        }
        results
    }
}

fn unasked(reason: &str) -> CheckFinding {
    CheckFinding {
        subject: "cluster".to_owned(),
        verdict: Verdict::Unknown,
        evidence: reason.to_owned(),
        asked: Vec::new(),
    }
}

/// A row of the cluster is asked of the first host that can be reached, so that one dead control
/// plane does not leave the cluster unjudged.
fn concerns(fleet: &Fleet, requirements: &[Requirement]) -> Concerns {
    let site = &fleet.run().site;
    let mut concerns = Concerns::new();
    let reachable = |host: &str| {
        fleet
            .members()
            .iter()
            .any(|member| member.host() == host && matches!(member.reach(), Reach::Up))
    };
    for (index, requirement) in requirements.iter().enumerate() {
        let hosts = requirement.on.hosts(site);
        let chosen: Vec<&str> = match requirement.scope {
            Scope::Host => hosts,
            Scope::Cluster => hosts
                .iter()
                .copied()
                .find(|host| reachable(host))
                .or_else(|| hosts.first().copied())
                .into_iter()
                .collect(),
        };
        for host in chosen {
            concerns.entry(host.to_owned()).or_default().push(index);
        }
    }
    concerns
}

impl Member {
    async fn judge(&mut self, rows: &[usize]) {
        let run = self.run.clone();
        let Some(profile) = &run.site.profile else {
            return;
        };
        let lost = match &self.reach {
            Reach::Lost(failure) => Some(failure.message.clone()),
            Reach::Down(reason) => Some(reason.clone()),
            _ => None,
        };
        let mut answers = Answers::default();
        let mut findings = Vec::new();
        for round in 0..=ROUNDS {
            findings.clear();
            let mut wants: Vec<Query> = Vec::new();
            for index in rows {
                let requirement = &profile.requirements[*index];
                let subject = match requirement.scope {
                    Scope::Cluster => "cluster",
                    Scope::Host => self.host(),
                };
                let scene = Scene::of_requirement(self.setting(), &self.walk, self.facts.as_ref());
                let row = Row::new(requirement, &scene, subject);
                let finding = match row.read(&answers) {
                    Ok(finding) => finding,
                    Err(Unread::Unreadable(reason)) => unknown(subject, &row, reason),
                    Err(Unread::Wants(queries)) => {
                        let shell = queries.iter().any(|query| query.place() == Place::Host);
                        match &lost {
                            Some(reason) if shell => unknown(subject, &row, reason.clone()),
                            _ => {
                                wants.extend(queries);
                                unknown(subject, &row, "its questions find no end".to_owned())
                            }
                        }
                    }
                };
                findings.push((*index, finding));
            }
            wants.sort();
            wants.dedup();
            if wants.is_empty() || round == ROUNDS {
                break;
            }
            match self.contact.ask(&wants).await {
                Ok(more) => answers.extend(more),
                Err(failure) => {
                    let reason = failure.message.clone();
                    answers.extend(
                        wants
                            .into_iter()
                            .map(|query| (query, crate::model::Answer::Failed(reason.clone()))),
                    );
                }
            }
        }
        self.findings = findings;
    }
}

fn unknown(subject: &str, row: &Row<'_>, reason: String) -> CheckFinding {
    CheckFinding {
        subject: subject.to_owned(),
        verdict: Verdict::Unknown,
        evidence: reason,
        asked: row.ask().iter().map(check::in_words).collect(),
    }
}

/// How many of each verdict.
pub fn count(results: &[CheckResult]) -> CheckCount {
    let of = |verdict| {
        results
            .iter()
            .filter(|result| result.verdict == verdict)
            .count()
    };
    CheckCount {
        passed: of(Verdict::Passed),
        failed: of(Verdict::Failed),
        unknown: of(Verdict::Unknown),
        waived: of(Verdict::Waived),
        not_applicable: of(Verdict::NotApplicable),
    }
}

/// Whether the cluster conforms: every must is passed, waived or not applicable. The facts are
/// asked along, so that a caller sees what they rest on.
pub fn conforms(results: &[CheckResult]) -> bool {
    results.iter().all(|result| {
        result.level != "must" || !matches!(result.verdict, Verdict::Failed | Verdict::Unknown)
    })
}

/// The facts as one value by host name.
pub fn facts(fleet: &Fleet) -> BTreeMap<String, Value> {
    fleet
        .members()
        .iter()
        .filter_map(|member| Some((member.host().to_owned(), member.facts()?.clone())))
        .collect()
}
