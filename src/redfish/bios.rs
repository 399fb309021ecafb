//! BIOS attributes: those in force, those that wait for a boot, and staging new ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::document::{Document, words};
use super::early::Early;
use super::error::Error;
use super::options::{Listener, Progress};
use super::survey::{Survey, fetch};
use super::task::{self, Standing};
use super::transport::{Reply, Request};
use super::witness::Witness;
use super::{quirks, write};
use crate::model::bmc::BiosState;

/// The two resources of a BIOS.
pub(super) struct Bios {
    pub current: Arc<Document>,
    /// What waits for the next boot; some have none and take changes on the BIOS itself.
    pub settings: Option<Arc<Document>>,
}

pub(super) async fn read(survey: &Survey<'_>) -> Result<Bios, Error> {
    let system = survey.system().await?;
    let path = system.link("Bios").ok_or_else(|| Error::Unsupported {
        what: "read BIOS attributes".into(),
        reason: format!("{} links no Bios", system.path),
    })?;
    let current = survey.get(&path).await?;
    let settings = match current.settings() {
        Some(path) => match survey.get(&path).await {
            Ok(settings) => Some(settings),
            Err(Error::Missing { .. }) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    Ok(Bios { current, settings })
}

pub(super) async fn state(survey: &Survey<'_>) -> Result<BiosState, Error> {
    let bios = read(survey).await?;
    let current = attributes(&bios.current);
    let pending = pending(&bios);
    // Asked only where something waits: a job without pending values is none of the BIOS.
    let job = if pending.is_empty() {
        None
    } else {
        queued_job(survey, &bios)
            .await
            .map(|job| job.text("Id").unwrap_or_else(|| task::name(&job.path)))
    };
    Ok(BiosState {
        registry: bios.current.text("AttributeRegistry"),
        current,
        pending,
        job,
    })
}

pub(super) fn attributes(document: &Document) -> BTreeMap<String, Value> {
    document
        .body
        .get("Attributes")
        .and_then(Value::as_object)
        .map(|object| {
            object
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })
        .unwrap_or_default()
}

/// The settings resource holds all attributes on some BMCs and only the changed ones on others
/// (iDRAC; ironic); what differs from the value in force is what waits.
fn pending(bios: &Bios) -> BTreeMap<String, Value> {
    let current = attributes(&bios.current);
    let mut waiting = bios.settings.as_deref().map(attributes).unwrap_or_default();
    waiting.retain(|name, value| {
        !value.is_null() && current.get(name).is_some_and(|now| now != value)
    });
    waiting
}

/// The BIOS job that waits in iDRAC's queue.
async fn queued_job(survey: &Survey<'_>, bios: &Bios) -> Option<Arc<Document>> {
    let queue = quirks::job_queue(bios.settings.as_deref()?)?;
    let jobs = survey.members(&queue).await.ok()?;
    jobs.into_iter().flatten().find(|job| {
        let concerns_bios = job
            .text("JobType")
            .is_some_and(|kind| kind.contains("BIOS"));
        let waits = matches!(
            task::standing(&job.body),
            Some(Standing::Queued(_) | Standing::Running(_))
        );
        concerns_bios && waits
    })
}

/// A queued BIOS job that holds something else than attributes, such as a boot order: iDRAC shows
/// it nowhere else.
pub(super) async fn job_without_attributes(survey: &Survey<'_>) -> Option<String> {
    survey.system().await.ok()?.at("/Oem/Dell")?;
    let bios = read(survey).await.ok()?;
    quirks::job_queue(bios.settings.as_deref()?)?;
    if !pending(&bios).is_empty() {
        return None;
    }
    let job = queued_job(survey, &bios).await?;
    Some(job.text("Id").unwrap_or_else(|| task::name(&job.path)))
}

/// Stages attributes for the next boot, and proves it by reading them back.
pub(super) async fn stage(
    survey: &Survey<'_>,
    wanted: &BTreeMap<String, Value>,
    listener: Listener<'_>,
) -> Result<Option<Early>, Error> {
    let bios = read(survey).await?;
    let current = attributes(&bios.current);
    let waiting = pending(&bios);
    let unknown: Vec<&str> = wanted
        .keys()
        .filter(|name| !current.is_empty() && !current.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(Error::Unsupported {
            what: "stage BIOS attributes".into(),
            reason: format!("this BIOS has no {}", unknown.join(", ")),
        });
    }
    let settled = |name: &String, value: &Value| {
        waiting.get(name).or_else(|| current.get(name)) == Some(value)
    };
    if wanted.iter().all(|(name, value)| settled(name, value)) {
        return Ok(None);
    }
    // Whatever else waits stays: all changes of a host go in one request and take one boot.
    let mut all = BTreeMap::new();
    let mut emptied = false;
    if let Some(settings) = &bios.settings
        && quirks::job_queue(settings).is_some()
        && !waiting.is_empty()
    {
        emptied = true;
        empty_queue(survey, &bios, settings, listener).await?;
        all.clone_from(&waiting);
    }
    for (name, value) in wanted {
        if all.contains_key(name) || !settled(name, value) {
            all.insert(name.clone(), value.clone());
        }
    }
    if emptied {
        // What is in force already needs no change once nothing waits.
        all.retain(|name, value| current.get(name) != Some(value));
        if all.is_empty() {
            return Ok(None);
        }
    }
    let reply = send(survey, &bios, &all).await?;
    let job = staged_job(survey, &bios, &reply).await?;
    let now = read_back(survey, wanted, &current, job, listener).await?;
    let system = survey.system().await?;
    Ok(Early::of(wanted, &current, &now, Witness::of(&system)))
}

async fn send(
    survey: &Survey<'_>,
    bios: &Bios,
    attributes: &BTreeMap<String, Value>,
) -> Result<Reply, Error> {
    let client = survey.client;
    let plain = json!({"Attributes": attributes});
    let Some(settings) = &bios.settings else {
        return write::patch(client, &bios.current, &plain).await;
    };
    let times = [settings.as_ref(), bios.current.as_ref()]
        .iter()
        .find_map(|document| words(document.at("/@Redfish.Settings")?, "SupportedApplyTimes"))
        .unwrap_or_default();
    if times.iter().any(|time| time == "OnReset") {
        let mut timed = plain.clone();
        timed["@Redfish.SettingsApplyTime"] = json!({
            "@odata.type": "#Settings.v1_1_0.PreferredApplyTime",
            "ApplyTime": "OnReset",
        });
        match write::patch(client, settings, &timed).await {
            // Told to be supported, and refused all the same: the body decides without it.
            Err(Error::Refused {
                status: 400,
                messages,
                ..
            }) if messages
                .iter()
                .any(|message| message.text.contains("ApplyTime")) => {}
            outcome => return outcome,
        }
    }
    match write::patch(client, settings, &plain).await {
        // Supermicro takes the change on the BIOS resource (libredfish).
        Err(Error::Refused { status: 405, .. } | Error::Missing { .. }) => {
            write::patch(client, &bios.current, &plain).await
        }
        outcome => outcome,
    }
}

/// The job that applies what was staged. iDRAC without apply times makes none by itself
/// (badfish), so it is asked for.
async fn staged_job(
    survey: &Survey<'_>,
    bios: &Bios,
    reply: &Reply,
) -> Result<Option<String>, Error> {
    let client = survey.client;
    let made = task::resource(reply).or_else(|| task::of_reply(client, reply));
    let path = match (made, &bios.settings) {
        (Some(path), _) => path,
        (None, Some(settings)) => {
            let Some(queue) = quirks::job_queue(settings) else {
                return Ok(None);
            };
            let request = Request::post(&queue, json!({"TargetSettingsURI": settings.path}));
            match task::of_reply(client, &client.send(&request).await?) {
                Some(path) => path,
                None => return Ok(None),
            }
        }
        (None, None) => return Ok(None),
    };
    // A reset before the job is scheduled would miss it.
    let start = Instant::now();
    loop {
        match client
            .send(&Request::get(&path))
            .await
            .map(|reply| reply.json())
        {
            Ok(job) => match task::standing(&job) {
                Some(Standing::Failed(state)) => {
                    return Err(Error::Task {
                        what: "the BIOS settings".into(),
                        state,
                        messages: task::task_messages(&job),
                    });
                }
                Some(Standing::Queued(state)) if state != "New" => break,
                Some(Standing::Done) | None => break,
                _ => {}
            },
            Err(Error::Missing { .. }) => break,
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error),
        }
        if start.elapsed() + client.options.poll > client.options.read_back_budget {
            break;
        }
        tokio::time::sleep(client.options.poll).await;
    }
    Ok(Some(task::name(&path)))
}

/// The attributes that the BIOS shows once they are staged.
async fn read_back(
    survey: &Survey<'_>,
    wanted: &BTreeMap<String, Value>,
    before: &BTreeMap<String, Value>,
    job: Option<String>,
    listener: Listener<'_>,
) -> Result<BTreeMap<String, Value>, Error> {
    let client = survey.client;
    let system = survey.system().await?;
    let path = system.link("Bios").unwrap_or_default();
    let start = Instant::now();
    loop {
        let current = fetch(client, &path).await?;
        let settings = match current.settings() {
            Some(path) => fetch(client, &path).await.ok(),
            None => None,
        };
        let now = attributes(&current);
        let staged = settings.as_deref().map(attributes).unwrap_or_default();
        let missing: Vec<String> = wanted
            .iter()
            .filter(|(name, value)| staged.get(*name).or_else(|| now.get(*name)) != Some(*value))
            .map(|(name, value)| {
                let found = staged
                    .get(name)
                    .or_else(|| now.get(name))
                    .unwrap_or(&Value::Null);
                format!("{name} is {found}, not {value}")
            })
            .collect();
        if missing.is_empty() {
            return Ok(now);
        }
        // A settings resource without attributes cannot show them; the queued job stands for
        // them then.
        if staged.is_empty() && job.is_some() && now == *before {
            listener(Progress::Note(
                "the BMC does not show what is staged; its job is queued".into(),
            ));
            return Ok(now);
        }
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.read_back_budget {
            return Err(Error::NotProven {
                what: "staging BIOS attributes".into(),
                found: missing.join("; "),
                waited,
            });
        }
        tokio::time::sleep(client.options.poll).await;
    }
}

/// iDRAC takes new values only while none wait (libredfish): removes the job, else clears them.
async fn empty_queue(
    survey: &Survey<'_>,
    bios: &Bios,
    settings: &Document,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client = survey.client;
    listener(Progress::Note(
        "values of an earlier change wait; they are staged again together with the new ones".into(),
    ));
    if let Some(job) = queued_job(survey, bios).await {
        match client.send(&Request::delete(&job.path)).await {
            Ok(_) | Err(Error::Missing { .. }) => return Ok(()),
            Err(error) if quirks::clear_pending(settings).is_none() => return Err(error),
            Err(_) => {}
        }
    }
    if let Some(target) = quirks::clear_pending(settings) {
        client.send(&Request::post(&target, json!({}))).await?;
    }
    Ok(())
}
