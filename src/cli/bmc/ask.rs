//! What BMCs tell of themselves: logs, jobs, sessions.

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use super::super::told::{self, word};
use super::super::{Chosen, Common};
use crate::config::words::duration;
use crate::model::BmcQuery;
use crate::model::bmc::{JobState, LogEntry, LogState, SessionState, Severity, instant};

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
        let told = told::ask::<LogState>("bmc", BmcQuery::Logs, &self.chosen, common).await?;
        let mut told = match told {
            Ok(told) => told,
            Err(code) => return Ok(code),
        };
        told.narrow(|state| state.entries.retain(|entry| self.wants(entry)));
        let heading = ["host", "time", "severity", "log", "message"];
        told.show(common, heading, |host, state, table| {
            for entry in &state.entries {
                let time = entry.time.map(|time| time.to_string());
                table.row([
                    host.to_owned(),
                    word(time.or(entry.created.clone()).as_ref()),
                    entry.severity.word().to_owned(),
                    entry.log.clone(),
                    entry.message.clone(),
                ]);
            }
            for reason in &state.unreadable {
                table.failed(host.to_owned(), reason);
            }
        })
        .await
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
    let told = match told::ask::<JobState>("bmc", BmcQuery::Jobs, chosen, common).await? {
        Ok(told) => told,
        Err(code) => return Ok(code),
    };
    let heading = ["host", "job", "state", "%", "name", "message"];
    told.show(common, heading, |host, state, table| {
        for job in &state.jobs {
            let progress = job.progress.map(|percent| percent.to_string());
            table.row([
                host.to_owned(),
                job.id.clone(),
                job.state.clone(),
                word(progress.as_ref()),
                job.name.clone(),
                word(job.message.as_ref()),
            ]);
        }
        for reason in &state.unreadable {
            table.failed(host.to_owned(), reason);
        }
    })
    .await
}

pub async fn sessions(chosen: &Chosen, common: &Common) -> anyhow::Result<i32> {
    let told = match told::ask::<SessionState>("bmc", BmcQuery::Sessions, chosen, common).await? {
        Ok(told) => told,
        Err(code) => return Ok(code),
    };
    let heading = ["host", "session", "user", "kind", "from", "since"];
    told.show(common, heading, |host, state, table| {
        for session in &state.sessions {
            table.row([
                host.to_owned(),
                session.id.clone(),
                word(session.user.as_ref()),
                word(session.kind.as_ref()),
                word(session.origin.as_ref()),
                word(session.created.as_ref()),
            ]);
        }
        if let Some(reason) = &state.unreadable {
            table.failed(host.to_owned(), reason);
        }
    })
    .await
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
