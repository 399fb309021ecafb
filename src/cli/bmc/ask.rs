//! What BMCs tell of themselves: logs, jobs, sessions.

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::super::session::{self, Session};
use super::super::table::Table;
use super::super::{Chosen, Common, Format, exit};
use crate::config::words::duration;
use crate::model::bmc::{JobState, LogEntry, LogState, SessionState, Severity, instant};
use crate::model::{BmcQuery, Query};

#[derive(Debug, Args)]
pub struct Logs {
    #[command(flatten)]
    chosen: Chosen,
    /// Only what happened since: a span such as `2h` or `7d`, or a date. Entries that do not tell
    /// their time are shown all the same.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// Only what is at least this bad.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    severity: Option<AtLeast>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AtLeast {
    Ok,
    Warning,
    Critical,
}

impl From<AtLeast> for Severity {
    fn from(word: AtLeast) -> Self {
        match word {
            AtLeast::Ok => Self::Ok,
            AtLeast::Warning => Self::Warning,
            AtLeast::Critical => Self::Critical,
        }
    }
}

/// A span back from now, or a time.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Some(span) = duration(text) {
        let span = SignedDuration::try_from(span).map_err(|error| error.to_string())?;
        return Timestamp::now()
            .checked_sub(span)
            .map_err(|error| error.to_string());
    }
    instant(text)
        .or_else(|| instant(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "write a span such as `2h` or `7d`, or a date such as `2026-01-31`".into())
}

impl Logs {
    pub async fn run(&self, common: &Common) -> anyhow::Result<i32> {
        let told = ask::<LogState>(BmcQuery::Logs, &self.chosen, common).await?;
        let told = match told {
            Ok(told) => told,
            Err(code) => return Ok(code),
        };
        let mut table = Table::new(["host", "time", "severity", "log", "message"]);
        let mut hosts = Map::new();
        for (host, state) in &told.states {
            match state {
                Ok(state) => {
                    let mut state = state.clone();
                    state.entries.retain(|entry| self.wants(entry));
                    for entry in &state.entries {
                        let time = entry.time.map(|time| time.to_string());
                        table.row([
                            host.clone(),
                            time.or(entry.created.clone()).unwrap_or_else(dash),
                            entry.severity.word().to_owned(),
                            entry.log.clone(),
                            entry.message.clone(),
                        ]);
                    }
                    for reason in &state.unreadable {
                        table.failed(host.clone(), reason);
                    }
                    hosts.insert(host.clone(), serde_json::to_value(&state)?);
                }
                Err(reason) => {
                    table.failed(host.clone(), reason);
                    hosts.insert(host.clone(), json!({ "error": reason }));
                }
            }
        }
        told.finish(common, &hosts, || table.print()).await
    }

    fn wants(&self, entry: &LogEntry) -> bool {
        let bad_enough = self
            .severity
            .is_none_or(|least| entry.severity >= least.into());
        let late_enough = match (self.since, entry.time) {
            (Some(since), Some(time)) => time >= since,
            _ => true,
        };
        bad_enough && late_enough
    }
}

pub async fn jobs(chosen: &Chosen, common: &Common) -> anyhow::Result<i32> {
    let told = match ask::<JobState>(BmcQuery::Jobs, chosen, common).await? {
        Ok(told) => told,
        Err(code) => return Ok(code),
    };
    let mut table = Table::new(["host", "job", "state", "%", "name", "message"]);
    for (host, state) in &told.states {
        match state {
            Ok(state) => {
                for job in &state.jobs {
                    table.row([
                        host.clone(),
                        job.id.clone(),
                        job.state.clone(),
                        job.progress
                            .map_or_else(dash, |percent| percent.to_string()),
                        job.name.clone(),
                        job.message.clone().unwrap_or_else(dash),
                    ]);
                }
                for reason in &state.unreadable {
                    table.failed(host.clone(), reason);
                }
            }
            Err(reason) => table.failed(host.clone(), reason),
        }
    }
    let hosts = told.values()?;
    told.finish(common, &hosts, || table.print()).await
}

pub async fn sessions(chosen: &Chosen, common: &Common) -> anyhow::Result<i32> {
    let told = match ask::<SessionState>(BmcQuery::Sessions, chosen, common).await? {
        Ok(told) => told,
        Err(code) => return Ok(code),
    };
    let mut table = Table::new(["host", "session", "user", "kind", "from", "since"]);
    for (host, state) in &told.states {
        match state {
            Ok(state) => {
                let word = |text: &Option<String>| text.clone().unwrap_or_else(dash);
                for session in &state.sessions {
                    table.row([
                        host.clone(),
                        session.id.clone(),
                        word(&session.user),
                        word(&session.kind),
                        word(&session.origin),
                        word(&session.created),
                    ]);
                }
                if let Some(reason) = &state.unreadable {
                    table.failed(host.clone(), reason);
                }
            }
            Err(reason) => table.failed(host.clone(), reason),
        }
    }
    let hosts = told.values()?;
    told.finish(common, &hosts, || table.print()).await
}

fn dash() -> String {
    "-".to_owned()
}

/// One question's answers of all chosen hosts, in inventory order.
struct Told<T> {
    session: Session,
    states: Vec<(String, Result<T, String>)>,
}

async fn ask<T: DeserializeOwned>(
    question: BmcQuery,
    chosen: &Chosen,
    common: &Common,
) -> anyhow::Result<Result<Told<T>, i32>> {
    let mut session = match Session::open("bmc", chosen, common)? {
        Ok(session) => session,
        Err(code) => return Ok(Err(code)),
    };
    let answers = session.fleet.ask(&[Query::Bmc(question.clone())]).await;
    session.run.hub.settle();
    let states = answers
        .into_iter()
        .map(|(host, answers)| {
            let state = answers.bmc_state(&question).map_err(session::reason);
            (host, state)
        })
        .collect();
    Ok(Ok(Told { session, states }))
}

impl<T: Serialize> Told<T> {
    fn values(&self) -> anyhow::Result<Map<String, Value>> {
        let mut hosts = Map::new();
        for (host, state) in &self.states {
            let value = match state {
                Ok(state) => serde_json::to_value(state)?,
                Err(reason) => json!({ "error": reason }),
            };
            hosts.insert(host.clone(), value);
        }
        Ok(hosts)
    }

    async fn finish(
        self,
        common: &Common,
        hosts: &Map<String, Value>,
        text: impl FnOnce(),
    ) -> anyhow::Result<i32> {
        match common.output {
            Format::Text => text(),
            Format::Json => say!("{:#}", json!({ "hosts": hosts })),
            Format::Jsonl => say!("{}", json!({ "hosts": hosts })),
        }
        let lost = self.states.iter().filter(|(_, state)| state.is_err());
        let code = exit::of_lost(lost.count(), self.states.len());
        self.session.finish_quietly(code).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_a_span_or_a_date() {
        let hour_ago = since("1h").unwrap();
        let age = Timestamp::now().duration_since(hour_ago).as_secs();
        assert!((3600..3700).contains(&age), "{age}");
        assert_eq!(
            since("2026-01-31").unwrap().to_string(),
            "2026-01-31T00:00:00Z"
        );
        assert!(since("yesterday").unwrap_err().contains("7d"));
    }
}
