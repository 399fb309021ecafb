//! The lasting boot order: where it is shown, where it is taken, and the options it orders.

use std::time::Instant;

use serde_json::{Value, json};

use super::document::{Document, text, truth, words};
use super::error::Error;
use super::options::{Listener, Progress};
use super::survey::{Survey, fetch};
use super::{bios, system, task, write};
use crate::model::bmc::{BootOption, BootOrderState};

/// `BootOrder` of a document, none where it has none.
fn order(document: &Document) -> Option<Vec<String>> {
    words(document.body.get("Boot")?, "BootOrder").filter(|order| !order.is_empty())
}

/// The order in force, and the one that waits in the system's settings resource (Lenovo
/// `/Pending`, AMI `/SD`).
fn orders(system: &Document, settings: Option<&Document>) -> (Vec<String>, Option<Vec<String>>) {
    let shown = order(system);
    let waiting = settings.and_then(order);
    match (shown, waiting) {
        (Some(shown), Some(waiting)) if shown != waiting => (shown, Some(waiting)),
        (Some(shown), _) => (shown, None),
        (None, Some(only)) => (only, None),
        (None, None) => (Vec::new(), None),
    }
}

pub(super) async fn state(survey: &Survey<'_>) -> Result<BootOrderState, Error> {
    let system = survey.system().await?;
    let settings = system::boot_settings(survey, &system).await;
    let (order, pending) = orders(&system, settings.as_deref());
    let mut options = Vec::new();
    let place = system
        .at("/Boot/BootOptions")
        .and_then(super::document::link);
    if let Some(path) = place {
        for member in survey.expanded(&path).await?.into_iter().flatten() {
            let body = &member.body;
            // What has no reference of its own is named as the order names it, by its identifier.
            let reference = text(body, "BootOptionReference").or_else(|| text(body, "Id"));
            if let Some(reference) = reference {
                options.push(BootOption {
                    reference,
                    name: text(body, "DisplayName").or_else(|| text(body, "Name")),
                    alias: text(body, "Alias"),
                    path: text(body, "UefiDevicePath"),
                    enabled: truth(body, "BootOptionEnabled"),
                });
            }
        }
    }
    Ok(BootOrderState {
        order,
        pending,
        options,
        job: bios::job_without_attributes(survey).await,
    })
}

/// Writes the order where the BMC takes it, and reads it back: shown at once, or waiting for a
/// boot in the settings resource or in a job.
pub(super) async fn set(
    survey: &Survey<'_>,
    wanted: &[String],
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client = survey.client;
    let system = survey.system().await?;
    let settings = system::boot_settings(survey, &system).await;
    let (now, pending) = orders(&system, settings.as_deref());
    if pending.as_deref().unwrap_or(&now) == wanted {
        return Ok(());
    }
    // Where the settings resource has an order, that is where it is taken (Lenovo; sushy).
    let places = settings.iter().filter(|place| order(place).is_some());
    let tries: Vec<(&Document, Value)> = places
        .chain([&system])
        .map(|place| (place.as_ref(), json!({"Boot": {"BootOrder": wanted}})))
        .collect();
    let (reply, _) = write::first(client, &tries, "set the boot order").await?;
    let job = task::of_reply(client, &reply);
    let start = Instant::now();
    loop {
        let system = fetch(client, &system.path).await?;
        let settings = match &settings {
            Some(settings) => fetch(client, &settings.path).await.ok(),
            None => None,
        };
        let (now, pending) = orders(&system, settings.as_deref());
        if pending.as_deref().unwrap_or(&now) == wanted {
            return Ok(());
        }
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.read_back_budget {
            if let Some(job) = job {
                listener(Progress::Note(format!(
                    "the boot order waits for the next boot, in the job {}",
                    task::name(&job)
                )));
                return Ok(());
            }
            return Err(Error::NotProven {
                what: "the boot order".into(),
                found: format!("it is {}", pending.unwrap_or(now).join(", ")),
                waited,
            });
        }
        tokio::time::sleep(client.options.poll).await;
    }
}
