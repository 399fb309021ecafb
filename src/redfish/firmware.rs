//! Firmware: what runs, and bringing components to a version.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::document::{Document, link_list, text, truth, words};
use super::error::Error;
use super::message::sentence;
use super::options::{Listener, Progress};
use super::survey::{Cache, Survey};
use super::task::{self, Following, Outcome, Standing};
use super::transport::{Reply, Request};
use super::upload::{self, Place};
use super::{quirks, system};
use crate::model::bmc::{Component, FirmwareImage, FirmwareOrder, FirmwareState, Part, compare};

const SIMPLE: &str = "UpdateService.SimpleUpdate";

async fn service(survey: &Survey<'_>) -> Result<Arc<Document>, Error> {
    let root = survey.root().await?;
    let path = root
        .link("UpdateService")
        .ok_or_else(|| Error::Unsupported {
            what: "update firmware".into(),
            reason: "its root links no UpdateService".into(),
        })?;
    survey.get(&path).await
}

pub(super) async fn state(survey: &Survey<'_>) -> Result<FirmwareState, Error> {
    let service = service(survey).await?;
    let path = service
        .link("FirmwareInventory")
        .ok_or_else(|| Error::Unsupported {
            what: "list firmware".into(),
            reason: format!("{} links no FirmwareInventory", service.path),
        })?;
    let mut state = FirmwareState::default();
    for member in survey.expanded(&path).await? {
        match member {
            Ok(document) => {
                let component = component(survey, &document);
                if !quirks::is_kept_firmware(&component.id) {
                    state.components.push(component);
                }
            }
            Err((path, error)) => state.unreadable.push(format!("{path}: {error}")),
        }
    }
    Ok(state)
}

fn component(survey: &Survey<'_>, document: &Document) -> Component {
    let id = document
        .text("Id")
        .unwrap_or_else(|| task::name(&document.path));
    let name = document.text("Name").unwrap_or_else(|| id.clone());
    let related = document
        .body
        .get("RelatedItem")
        .map(link_list)
        .unwrap_or_default();
    Component {
        part: part(&id, &name, &related),
        version: document.text("Version"),
        updateable: truth(&document.body, "Updateable"),
        staged: survey.client.staged().firmware.get(&document.path).cloned(),
        path: document.path.clone(),
        id,
        name,
    }
}

/// By the resource that it belongs to, else by what the vendors call theirs.
fn part(id: &str, name: &str, related: &[String]) -> Part {
    let related: Vec<String> = related.iter().map(|one| one.to_ascii_lowercase()).collect();
    let last = |path: &String, word: &str| {
        path.trim_end_matches('/')
            .rsplit('/')
            .nth(1)
            .is_some_and(|part| part == word)
    };
    if related
        .iter()
        .any(|path| path.trim_end_matches('/').ends_with("/bios"))
    {
        return Part::Bios;
    }
    if related.iter().any(|path| last(path, "managers")) {
        return Part::Bmc;
    }
    let words: Vec<String> = format!("{id} {name}")
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .map(str::to_ascii_lowercase)
        .collect();
    let has = |one: &str| words.iter().any(|word| word == one);
    if has("bios") || has("uefi") || has("rom") && has("system") {
        Part::Bios
    } else if ["bmc", "idrac", "ilo", "xcc", "cimc"]
        .iter()
        .any(|word| has(word))
        || name == "Integrated Dell Remote Access Controller"
    {
        Part::Bmc
    } else {
        Part::Other
    }
}

/// The components that have yet to be brought to the version.
fn open<'a>(state: &'a FirmwareState, order: &FirmwareOrder) -> Vec<&'a Component> {
    let runs = |version: &Option<String>| {
        version
            .as_deref()
            .is_some_and(|version| compare(&order.version, version) == Some(Ordering::Equal))
    };
    state
        .matching(&order.component)
        .into_iter()
        .filter(|one| !runs(&one.version) && !runs(&one.staged))
        .collect()
}

/// Updates, waits, and reads the version back. An update that takes effect with the server's next
/// boot is done when it is written.
pub(super) async fn update(
    survey: &Survey<'_>,
    order: &FirmwareOrder,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client = survey.client;
    let mut now = state(survey).await?;
    if now.matching(&order.component).is_empty() {
        return Err(Error::Unsupported {
            what: format!("update {}", order.component),
            reason: "its firmware inventory has no such component".into(),
        });
    }
    if open(&now, order).is_empty() {
        return Ok(());
    }
    let start = Instant::now();
    if let Some(running) = running_update(survey).await {
        await_end(survey, &running, listener).await?;
        now = fresh(survey).await?;
    }
    let left: Vec<Component> = open(&now, order).into_iter().cloned().collect();
    if left.is_empty() {
        return Ok(());
    }
    let part = left
        .iter()
        .map(|one| one.part)
        .fold(
            left[0].part,
            |all, one| {
                if all == one { all } else { Part::Other }
            },
        );
    let what = format!("the update of {}", order.component);
    let (reply, time) = begin(survey, order, part, listener).await?;
    let on_reset = time == Some("OnReset");
    let following = Following {
        what: &what,
        budget: client.options.update_budget,
        queued: Some(if on_reset {
            client.options.poll * 5
        } else {
            client.options.read_back_budget
        }),
    };
    let outcome = match task::follow(client, &reply, &following, listener).await {
        Err(Error::Task { messages, .. }) if quirks::image_unreachable(&messages) => {
            return Err(unreachable_image(order, &sentence(&messages)));
        }
        outcome => outcome?,
    };
    let ended = Instant::now();
    loop {
        let waited = ended.elapsed();
        let looked = match fresh(survey).await {
            Ok(state) => Some(state),
            Err(error) if error.is_passing() || matches!(error, Error::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        let found = match &looked {
            Some(state)
                if open(state, order).is_empty()
                    && !state.matching(&order.component).is_empty() =>
            {
                return Ok(());
            }
            Some(state) => open(state, order)
                .iter()
                .map(|one| {
                    format!(
                        "{} is {}",
                        one.name,
                        one.version.as_deref().unwrap_or("unknown")
                    )
                })
                .collect::<Vec<_>>()
                .join(", "),
            None => "the BMC does not answer yet".to_owned(),
        };
        let awaits = match (part, &outcome) {
            (Part::Bmc, _) => false,
            (_, Outcome::AwaitsBoot) => true,
            // It was written with success, or so it was said; what the BMC shows is what runs.
            (Part::Bios, _) => waited > client.options.poll * 5,
            (Part::Other, Outcome::Ended) => waited > client.options.read_back_budget,
            (Part::Other, Outcome::Untold) => false,
        };
        if awaits && looked.is_some() {
            stage(survey, &left, order, listener);
            return Ok(());
        }
        let budget = match (part, &outcome) {
            (Part::Other, Outcome::Untold) => client.options.task_budget,
            _ => client.options.update_budget,
        };
        if start.elapsed() + client.options.poll > budget {
            return Err(Error::NotProven {
                what,
                found,
                waited: start.elapsed(),
            });
        }
        listener(Progress::Waiting {
            what: format!("{} to run {}: {found}", order.component, order.version),
            elapsed: waited,
        });
        tokio::time::sleep(client.options.poll).await;
    }
}

fn stage(survey: &Survey<'_>, left: &[Component], order: &FirmwareOrder, listener: Listener<'_>) {
    let mut staged = survey.client.staged();
    for component in left {
        staged
            .firmware
            .insert(component.path.clone(), order.version.clone());
    }
    listener(Progress::Note(format!(
        "{} {} is written; it takes effect at the server's next boot",
        order.component, order.version
    )));
}

async fn fresh(survey: &Survey<'_>) -> Result<FirmwareState, Error> {
    let cache = Cache::default();
    let survey = Survey {
        client: survey.client,
        cache: &cache,
    };
    state(&survey).await
}

/// Has the BMC begin, in the way that it offers for where the image is; with the time that it was
/// told to apply it at.
async fn begin(
    survey: &Survey<'_>,
    order: &FirmwareOrder,
    part: Part,
    listener: Listener<'_>,
) -> Result<(Reply, Option<&'static str>), Error> {
    let service = service(survey).await?;
    if truth(&service.body, "ServiceEnabled") == Some(false) {
        return Err(Error::Unsupported {
            what: "update firmware".into(),
            reason: "its update service is switched off".into(),
        });
    }
    match &order.image {
        FirmwareImage::Address(image) => {
            let (body, time) = simple(survey, &service, order, image, part).await?;
            let target = service.target(SIMPLE).unwrap_or_default();
            match survey.client.send(&Request::post(&target, body)).await {
                Err(Error::Refused { messages, .. }) if quirks::image_unreachable(&messages) => {
                    Err(unreachable_image(order, &sentence(&messages)))
                }
                outcome => Ok((outcome?, time)),
            }
        }
        FirmwareImage::File(file) => {
            let root = survey.root().await?;
            let (place, time) = place(&root, &service, order, part)?;
            listener(Progress::Note(format!("sending {}", file.display())));
            Ok((upload::send(survey.client, &place, file).await?, time))
        }
    }
}

/// The body of SimpleUpdate with what this BMC takes of it.
async fn simple(
    survey: &Survey<'_>,
    service: &Document,
    order: &FirmwareOrder,
    image: &str,
    part: Part,
) -> Result<(Value, Option<&'static str>), Error> {
    let action = service.action(SIMPLE).ok_or_else(|| Error::Unsupported {
        what: "fetch firmware".into(),
        reason: "it has no SimpleUpdate; download the image and give the file, which is sent"
            .into(),
    })?;
    let mut body = Map::new();
    body.insert("ImageURI".into(), json!(image));
    let scheme = image.split("://").next().unwrap_or_default();
    let protocol = order
        .protocol
        .clone()
        .unwrap_or_else(|| scheme.to_ascii_uppercase());
    match system::allowable(survey, action, "TransferProtocol").await {
        Some(allowed) if !allowed.contains(&protocol) => {
            return Err(Error::Unsupported {
                what: format!("fetch firmware by {protocol}"),
                reason: format!("it takes {}", allowed.join(", ")),
            });
        }
        None if order.protocol.is_none() => {}
        _ => drop(body.insert("TransferProtocol".into(), json!(protocol))),
    }
    if !order.targets.is_empty() {
        body.insert("Targets".into(), json!(order.targets));
    }
    for (key, value) in [("Username", &order.user), ("Password", &order.password)] {
        if let Some(value) = value {
            body.insert(key.into(), json!(survey.client.reveal(value)?));
        }
    }
    if let Some(known) = known_parameters(survey, action).await {
        body.retain(|key, _| known.contains(key));
    }
    let time = apply_time(action, "@Redfish.OperationApplyTimeSupport", part);
    if let Some(time) = time {
        body.insert("@Redfish.OperationApplyTime".into(), json!(time));
    }
    Ok((Value::Object(body), time))
}

/// The parameters that the action's ActionInfo lists, where there is one.
async fn known_parameters(survey: &Survey<'_>, action: &Value) -> Option<Vec<String>> {
    let info = survey
        .get(&text(action, "@Redfish.ActionInfo")?)
        .await
        .ok()?;
    let rows = info.body.get("Parameters")?.as_array()?;
    Some(rows.iter().filter_map(|row| text(row, "Name")).collect())
}

/// When to apply, where the BMC lets one choose: with the next boot, so that no server boots
/// unasked; the BMC's own firmware at once.
fn apply_time(from: &Value, key: &str, part: Part) -> Option<&'static str> {
    let supported = words(from.get(key)?, "SupportedValues")?;
    let order: [&str; 2] = match part {
        Part::Bmc => ["Immediate", "OnReset"],
        Part::Bios | Part::Other => ["OnReset", "Immediate"],
    };
    order
        .into_iter()
        .find(|time| supported.iter().any(|one| one == time))
}

/// Where to send a file.
fn place(
    root: &Document,
    service: &Document,
    order: &FirmwareOrder,
    part: Part,
) -> Result<(Place, Option<&'static str>), Error> {
    let plain = service.text("HttpPushUri");
    let multipart = service.text("MultipartHttpPushUri").or_else(|| {
        // Only where nothing else is told.
        quirks::untold_multipart(root, service).filter(|_| plain.is_none())
    });
    if let Some(path) = multipart {
        let key = "MultipartHttpPushUri@Redfish.OperationApplyTimeSupport";
        let time = apply_time(&service.body, key, part);
        let mut parameters = Map::new();
        if !order.targets.is_empty() {
            parameters.insert("Targets".into(), json!(order.targets));
        }
        if let Some(time) = time {
            parameters.insert("@Redfish.OperationApplyTime".into(), json!(time));
        }
        let parameters = Value::Object(parameters);
        return Ok((Place::Multipart { path, parameters }, time));
    }
    match plain {
        Some(path) => Ok((Place::Plain(path), None)),
        None => Err(Error::Unsupported {
            what: "take a firmware image".into(),
            reason: "its update service names no place to send one to; serve the image and give \
                     its address"
                .into(),
        }),
    }
}

fn unreachable_image(order: &FirmwareOrder, reason: &str) -> Error {
    let image = match &order.image {
        FirmwareImage::Address(image) => image.clone(),
        FirmwareImage::File(file) => file.display().to_string(),
    };
    Error::Image {
        image,
        reason: reason.to_owned(),
    }
}

/// A task that updates firmware at this moment: another would be refused, and after a lost answer
/// it may be our own.
async fn running_update(survey: &Survey<'_>) -> Option<String> {
    let root = survey.root().await.ok()?;
    let service = survey.get(&root.link("Tasks")?).await.ok()?;
    let members = survey.members(&service.link("Tasks")?).await.ok()?;
    members.into_iter().flatten().find_map(|task| {
        let said = format!(
            "{} {}",
            task.text("Name").unwrap_or_default(),
            task.at("/Payload/TargetUri")
                .and_then(Value::as_str)
                .unwrap_or_default()
        )
        .to_ascii_lowercase();
        let updates = ["update", "firmware", "upload"]
            .iter()
            .any(|word| said.contains(word));
        let runs = matches!(task::standing(&task.body), Some(Standing::Running(_)));
        (updates && runs).then(|| task.path.clone())
    })
}

async fn await_end(survey: &Survey<'_>, path: &str, listener: Listener<'_>) -> Result<(), Error> {
    let client = survey.client;
    let start = Instant::now();
    listener(Progress::Note(format!(
        "the BMC is busy with update task {}; waiting for its end",
        task::name(path)
    )));
    loop {
        match client.send(&Request::get(path)).await {
            Ok(reply) => match task::standing(&reply.json()) {
                Some(Standing::Running(state)) => listener(Progress::Task {
                    state,
                    percent: task::percent(&reply.json()),
                }),
                _ => return Ok(()),
            },
            Err(Error::Missing { .. }) => return Ok(()),
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error),
        }
        if start.elapsed() + client.options.poll > client.options.update_budget {
            return Err(Error::NotProven {
                what: "the end of an update that was running already".into(),
                found: format!("task {} still runs", task::name(path)),
                waited: start.elapsed(),
            });
        }
        tokio::time::sleep(client.options.poll).await;
    }
}
