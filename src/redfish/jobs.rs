//! Tasks of the standard, jobs of the standard, and jobs of vendors: listed, and deleted.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::json;

use super::document::{Document, text};
use super::error::Error;
use super::options::{Listener, Progress};
use super::quirks;
use super::survey::{Cache, Survey};
use super::task::{self, Standing};
use super::transport::Request;
use crate::model::bmc::{Job, JobStage, JobState};

/// Collections of jobs, the vendor's own first: it says most of a job that stands in several.
async fn collections(survey: &Survey<'_>) -> Result<Vec<String>, Error> {
    let root = survey.root().await?;
    let mut paths = Vec::new();
    if let Ok(manager) = survey.manager().await {
        paths.extend(quirks::manager_jobs(&manager));
    }
    for (service, collection) in [("JobService", "Jobs"), ("Tasks", "Tasks")] {
        if let Some(path) = root.link(service)
            && let Ok(service) = survey.get(&path).await
        {
            paths.extend(service.link(collection));
        }
    }
    Ok(super::links::distinct(paths))
}

pub(super) async fn read(survey: &Survey<'_>) -> Result<JobState, Error> {
    let mut state = JobState::default();
    // By identifier: iDRAC shows one job as a task and as a job.
    let mut seen: HashMap<String, usize> = HashMap::new();
    for path in collections(survey).await? {
        let members = match survey.expanded(&path).await {
            Ok(members) => members,
            Err(error) => {
                state.unreadable.push(format!("{path}: {error}"));
                continue;
            }
        };
        for member in members {
            match member {
                Ok(document) => {
                    let job = job(&document);
                    if seen.insert(job.id.clone(), state.jobs.len()).is_none() {
                        state.jobs.push(job);
                    }
                }
                // Gone between the list and the look.
                Err((_, Error::Missing { .. })) => {}
                Err((path, error)) => state.unreadable.push(format!("{path}: {error}")),
            }
        }
    }
    Ok(state)
}

fn job(document: &Document) -> Job {
    let body = &document.body;
    let (stage, word) = match task::standing(body) {
        Some(Standing::Queued(word)) => (JobStage::Queued, word),
        Some(Standing::Running(word)) => (JobStage::Running, word),
        Some(Standing::Done) => (JobStage::Done, "Completed".to_owned()),
        Some(Standing::Failed(word)) => (JobStage::Failed, word),
        None => (JobStage::Done, "unknown".to_owned()),
    };
    let messages = task::task_messages(body);
    Job {
        id: text(body, "Id").unwrap_or_else(|| task::name(&document.path)),
        name: text(body, "Name").unwrap_or_default(),
        state: word,
        stage,
        progress: task::percent(body),
        message: messages.last().map(|message| message.text.clone()),
        started: text(body, "ActualRunningStartTime")
            .or_else(|| text(body, "StartTime"))
            .filter(|time| time.contains('-') && !quirks::is_no_time(time)),
        path: document.path.clone(),
    }
}

/// Deletes what can be deleted: the whole queue where the vendor has a way for it, else member by
/// member. Proven when nothing waits any more, and the BMC lists its system again: after a
/// cleared queue that can take two minutes (badfish).
pub(super) async fn clear(
    survey: &Survey<'_>,
    force: bool,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let before = read(survey).await?;
    if before.jobs.is_empty() && before.unreadable.is_empty() {
        return Ok(());
    }
    let service = match survey.manager().await {
        Ok(manager) => quirks::job_service(&manager),
        Err(_) => None,
    };
    let target = match service {
        Some(path) => survey
            .get(&path)
            .await?
            .target("DellJobService.DeleteJobQueue"),
        None => None,
    };
    match target {
        Some(target) => empty_queue(survey, &target, force, listener).await?,
        None => delete_each(survey, &before, listener).await?,
    }
    let cache = Cache::default();
    let fresh = Survey {
        client: survey.client,
        cache: &cache,
    };
    // Waits while the systems are not listed.
    fresh.system().await.map(drop)
}

async fn empty_queue(
    survey: &Survey<'_>,
    target: &str,
    force: bool,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client = survey.client;
    let ways = match force {
        true => &quirks::ALL_JOBS[..],
        false => &quirks::ALL_JOBS[..1],
    };
    let mut last = None;
    for way in ways {
        match client
            .send(&Request::post(target, json!({"JobID": way})))
            .await
        {
            Ok(reply) => task::finish(client, &reply, "deleting the jobs", listener).await?,
            Err(error @ Error::Refused { .. }) => {
                last = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        }
        match nothing_waits(survey, listener).await {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(Error::Missing {
        path: target.to_owned(),
    }))
}

async fn delete_each(
    survey: &Survey<'_>,
    before: &JobState,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let mut kept = Vec::new();
    for job in &before.jobs {
        match survey.client.send(&Request::delete(&job.path)).await {
            Ok(_) | Err(Error::Missing { .. }) => {}
            Err(error @ (Error::Refused { .. } | Error::Forbidden { .. })) => {
                kept.push(format!("{} ({})", job.id, error));
            }
            Err(error) => return Err(error),
        }
    }
    if !kept.is_empty() {
        listener(Progress::Note(format!(
            "the BMC keeps {} of its jobs: {}",
            kept.len(),
            kept.join(", ")
        )));
    }
    nothing_waits(survey, listener).await
}

/// Waits until no job is queued or running.
async fn nothing_waits(survey: &Survey<'_>, listener: Listener<'_>) -> Result<(), Error> {
    let start = Instant::now();
    let options = &survey.client.options;
    loop {
        let cache = Cache::default();
        let fresh = Survey {
            client: survey.client,
            cache: &cache,
        };
        let open: Vec<String> = read(&fresh)
            .await?
            .jobs
            .iter()
            .filter(|job| job.stage.is_open())
            .map(|job| format!("{} is {}", job.id, job.state))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let waited = start.elapsed();
        if waited + options.poll > options.read_back_budget {
            return Err(Error::NotProven {
                what: "deleting the jobs".to_owned(),
                found: open.join(", "),
                waited,
            });
        }
        listener(Progress::Waiting {
            what: format!("the jobs to go: {}", open.join(", ")),
            elapsed: waited,
        });
        tokio::time::sleep(options.poll).await;
    }
}
