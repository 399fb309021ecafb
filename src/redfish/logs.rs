//! Logs of system, manager and chassis, read and cleared.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::document::{Document, text, words};
use super::error::Error;
use super::links::identity;
use super::options::{Listener, Progress};
use super::quirks;
use super::survey::{Cache, Survey};
use super::task;
use super::transport::Request;
use crate::model::bmc::{LogEntry, LogState, Severity, instant};

/// A log service, or why it cannot be read.
type Service = Result<Arc<Document>, String>;

/// Every log service, each once: some BMCs link the same ones from system and manager.
async fn services(survey: &Survey<'_>) -> Result<Vec<Service>, Error> {
    let system = survey.system().await?;
    let mut owners = vec![system];
    owners.extend(survey.manager().await.ok());
    owners.extend(survey.chassis().await.ok());
    let mut seen = HashSet::new();
    let mut services = Vec::new();
    for owner in owners {
        let Some(path) = owner.link("LogServices") else {
            continue;
        };
        if !seen.insert(identity(&path)) {
            continue;
        }
        let members = match survey.members(&path).await {
            Ok(members) => members,
            Err(error) => {
                services.push(Err(format!("{path}: {error}")));
                continue;
            }
        };
        for member in members {
            match member {
                Ok(service) if seen.insert(identity(&service.path)) => services.push(Ok(service)),
                Ok(_) => {}
                Err((path, error)) => services.push(Err(format!("{path}: {error}"))),
            }
        }
    }
    Ok(services)
}

pub(super) async fn read(survey: &Survey<'_>) -> Result<LogState, Error> {
    let mut state = LogState::default();
    for service in services(survey).await? {
        match service {
            Ok(service) => entries(survey, &service, &mut state).await,
            Err(reason) => state.unreadable.push(reason),
        }
    }
    state.entries.sort_by_key(|entry| entry.time);
    Ok(state)
}

async fn entries(survey: &Survey<'_>, service: &Document, state: &mut LogState) {
    let Some(path) = service.link("Entries") else {
        return;
    };
    let log = service
        .text("Id")
        .unwrap_or_else(|| task::name(&service.path));
    match survey.expanded(&path).await {
        Ok(members) => {
            for member in members {
                match member {
                    Ok(document) => state.entries.push(entry(&log, &document.body)),
                    Err((path, error)) => state.unreadable.push(format!("{path}: {error}")),
                }
            }
        }
        Err(error) => state.unreadable.push(format!("{path}: {error}")),
    }
}

fn entry(log: &str, body: &Value) -> LogEntry {
    let created = text(body, "Created")
        .or_else(|| text(body, "EventTimestamp"))
        .filter(|time| !quirks::is_no_time(time));
    let severity = ["Severity", "MessageSeverity", "OemSeverity"]
        .iter()
        .find_map(|key| text(body, key));
    let message_id = text(body, "MessageId");
    let message = text(body, "Message").unwrap_or_else(|| {
        let arguments = words(body, "MessageArgs").unwrap_or_default().join(", ");
        let named = message_id.clone().or_else(|| text(body, "Name"));
        format!("{} {arguments}", named.unwrap_or_default())
            .trim()
            .to_owned()
    });
    LogEntry {
        log: log.to_owned(),
        id: text(body, "Id").unwrap_or_default(),
        time: created.as_deref().and_then(instant),
        created,
        severity: severity.map_or(Severity::Ok, |word| Severity::of(&word)),
        message,
        message_id,
    }
}

/// What tells an entry from another: a cleared log may begin its numbers anew.
fn key(entry: &LogEntry) -> (String, Option<String>, String) {
    (
        entry.id.clone(),
        entry.created.clone(),
        entry.message.clone(),
    )
}

/// Clears each log that can be; one that is empty already is left alone. Proven by reading: what
/// was there is gone. A BMC may note the clearing itself.
pub(super) async fn clear(survey: &Survey<'_>, listener: Listener<'_>) -> Result<(), Error> {
    let client = survey.client;
    let mut failed: Option<Error> = None;
    let mut cleared = 0;
    for service in services(survey).await? {
        let service = match service {
            Ok(service) => service,
            Err(reason) => {
                listener(Progress::Note(format!("a log cannot be read: {reason}")));
                continue;
            }
        };
        let Some(target) = service.target("LogService.ClearLog") else {
            continue;
        };
        // Read afresh: services may show one and the same log.
        let cache = Cache::default();
        let fresh = Survey {
            client,
            cache: &cache,
        };
        let mut before = LogState::default();
        entries(&fresh, &service, &mut before).await;
        // A log that says nothing but that it was cleared is as empty as it gets.
        let old: HashSet<_> = before
            .entries
            .iter()
            .filter(|entry| !entry.message.to_ascii_lowercase().contains("clear"))
            .map(key)
            .collect();
        if before.entries.len() <= 1 && old.is_empty() && before.unreadable.is_empty() {
            continue;
        }
        match client.send(&Request::post(&target, json!({}))).await {
            Ok(reply) => task::finish(client, &reply, "clearing a log", listener).await?,
            Err(
                error @ (Error::Refused { .. } | Error::Forbidden { .. } | Error::Missing { .. }),
            ) => {
                failed = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        }
        emptied(survey, &service, &old).await?;
        cleared += 1;
    }
    match failed {
        Some(error) => Err(error),
        None => {
            listener(Progress::Note(format!("{cleared} logs cleared")));
            Ok(())
        }
    }
}

async fn emptied(
    survey: &Survey<'_>,
    service: &Document,
    old: &HashSet<(String, Option<String>, String)>,
) -> Result<(), Error> {
    let start = std::time::Instant::now();
    let options = &survey.client.options;
    loop {
        let cache = Cache::default();
        let fresh = Survey {
            client: survey.client,
            cache: &cache,
        };
        let mut now = LogState::default();
        entries(&fresh, service, &mut now).await;
        let left = now.entries.iter().filter(|entry| old.contains(&key(entry)));
        let left = left.count();
        if left == 0 && now.unreadable.is_empty() {
            return Ok(());
        }
        if start.elapsed() + options.poll > options.read_back_budget {
            return Err(Error::NotProven {
                what: format!("clearing the log {}", service.path),
                found: match now.unreadable.first() {
                    Some(reason) => reason.clone(),
                    None => format!("{left} of its entries are still there"),
                },
                waited: start.elapsed(),
            });
        }
        tokio::time::sleep(options.poll).await;
    }
}
