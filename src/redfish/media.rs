//! Virtual media: finding the devices, taking images out and putting them in, in every dialect
//! that BMCs speak, and the proof that an image is in.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::document::{Document, link, text, truth, words};
use super::error::Error;
use super::insert::{self, Order};
use super::links::identity;
use super::options::{Listener, Progress};
use super::survey::{Survey, fetch};
use super::transport::{Client, Reply, Request};
use super::{quirks, task, write};
use crate::model::bmc::{Drive, MediaDevice, MediaState, MediaWay, Medium};

pub(super) const INSERT: &str = "VirtualMedia.InsertMedia";
const EJECT: &str = "VirtualMedia.EjectMedia";

pub(super) async fn state(survey: &Survey<'_>) -> Result<MediaState, Error> {
    let mut state = MediaState::default();
    let mut seen = BTreeSet::new();
    let mut vendor = None;
    for collection in collections(survey).await? {
        if !seen.insert(identity(&collection)) {
            continue;
        }
        match survey.get(&collection).await {
            Ok(document) => vendor = vendor.or_else(|| quirks::iso_config(&document)),
            Err(error) => {
                state.unreadable.push(format!("{collection}: {error}"));
                continue;
            }
        }
        for member in survey.members(&collection).await? {
            match member {
                Ok(document) if seen.insert(identity(&document.path)) => {
                    state.devices.push(device(&document));
                }
                Ok(_) => {}
                Err((path, error)) => state.unreadable.push(format!("{path}: {error}")),
            }
        }
    }
    // Where there is no device with an action, Supermicro's older way is left.
    if let Some(path) = vendor
        && !state.devices.iter().any(|one| one.way == MediaWay::Action)
        && let Ok(config) = survey.get(&path).await
    {
        let shown = state
            .devices
            .iter()
            .find(|one| one.serves(Drive::Cd) == Some(true));
        state.devices = vec![iso_device(&config, shown)];
    }
    state.devices.sort_by_key(quirks::media_rank);
    Ok(state)
}

/// The collections of virtual media: the system's, then those of its managers.
async fn collections(survey: &Survey<'_>) -> Result<Vec<String>, Error> {
    let system = survey.system().await?;
    let mut found: Vec<String> = system.link("VirtualMedia").into_iter().collect();
    let mut managers = Vec::new();
    for path in system.links("ManagedBy") {
        managers.extend(survey.get(&path).await.ok());
    }
    if managers.is_empty() {
        managers.extend(survey.manager().await.ok());
    }
    found.extend(
        managers
            .iter()
            .filter_map(|manager| manager.link("VirtualMedia")),
    );
    if found.is_empty() {
        return Err(Error::Unsupported {
            what: "hold virtual media".into(),
            reason:
                "neither its system nor its manager links VirtualMedia; a licence may be missing"
                    .into(),
        });
    }
    Ok(found)
}

pub(super) fn device(document: &Document) -> MediaDevice {
    let image = text(&document.body, "Image").or_else(|| text(&document.body, "ImageName"));
    MediaDevice {
        path: document.path.clone(),
        name: document
            .text("Id")
            .unwrap_or_else(|| task::name(&document.path)),
        kinds: words(&document.body, "MediaTypes").unwrap_or_default(),
        inserted: truth(&document.body, "Inserted").unwrap_or(image.is_some()),
        image,
        connected: document.text("ConnectedVia"),
        write_protected: truth(&document.body, "WriteProtected"),
        way: match document.action(INSERT) {
            Some(_) => MediaWay::Action,
            None => MediaWay::Patch,
        },
    }
}

/// Supermicro's `IsoConfig` as a device; whether it is mounted shows in the device that appears
/// in the collection meanwhile.
fn iso_device(config: &Document, shown: Option<&MediaDevice>) -> MediaDevice {
    let address = config
        .text("Host")
        .zip(config.text("Path"))
        .map(|(host, path)| format!("{host}{path}"));
    let inserted = shown.is_some_and(|shown| shown.inserted);
    MediaDevice {
        path: config.path.clone(),
        name: shown.map_or_else(|| "IsoConfig".into(), |shown| shown.name.clone()),
        kinds: vec!["CD".into()],
        image: address.filter(|_| inserted),
        inserted,
        connected: shown.and_then(|shown| shown.connected.clone()),
        write_protected: Some(true),
        way: MediaWay::IsoConfig,
    }
}

/// Puts an image in: into the first device of the kind that takes it. One that holds the image
/// already is all that is wanted.
pub(super) async fn insert(
    survey: &Survey<'_>,
    medium: &Medium,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client = survey.client;
    let state = state(survey).await?;
    let candidates = state.candidates(medium.drive);
    if candidates.is_empty() {
        return Err(Error::Unsupported {
            what: format!("serve a virtual {}", medium.drive.word()),
            reason: state.lack(medium.drive),
        });
    }
    if candidates.iter().any(|device| device.holds(&medium.image)) {
        return Ok(());
    }
    let order = Order::new(client, medium)?;
    let mut refusals = Vec::new();
    for device in candidates {
        if !device.is_empty() {
            listener(Progress::Note(format!(
                "{} holds {}; it is taken out first",
                device.name,
                device.image.as_deref().unwrap_or("another image")
            )));
            take_out(survey, device, listener).await?;
        }
        match insert::put_in(survey, device, &order, listener).await {
            Ok(()) => return proven(survey, device, &order, listener).await,
            Err(error) if insert::next_device(&error) => {
                listener(Progress::Note(format!(
                    "{} takes no image ({error}); trying the next device",
                    device.name
                )));
                refusals.push((device.name.clone(), error));
            }
            Err(error) => return Err(insert::in_words(error, &medium.image)),
        }
    }
    match refusals.len() {
        1 => Err(refusals.remove(0).1),
        _ => Err(Error::Unsupported {
            what: format!(
                "put {} into a virtual {}",
                medium.image,
                medium.drive.word()
            ),
            reason: refusals
                .iter()
                .map(|(name, error)| format!("{name}: {error}"))
                .collect::<Vec<_>>()
                .join("; "),
        }),
    }
}

/// Takes the images out of every device of the kind, or of every device.
pub(super) async fn eject(
    survey: &Survey<'_>,
    drive: Option<Drive>,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let state = state(survey).await?;
    for device in &state.devices {
        let meant = drive.is_none_or(|drive| device.serves(drive) != Some(false));
        if meant && !device.is_empty() {
            take_out(survey, device, listener).await?;
        }
    }
    Ok(())
}

/// Ejects until the device is seen to be empty. A device can show its image for a while after
/// the eject was accepted, and some want to be told again (ironic).
async fn take_out(
    survey: &Survey<'_>,
    device: &MediaDevice,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client = survey.client;
    let start = Instant::now();
    let budget = client.options.read_back_budget;
    let mut tries = 0;
    let mut refusal = None;
    loop {
        let now = look(survey, device).await?;
        if now.is_empty() || !now.inserted && now.connected.as_deref() == Some("NotConnected") {
            return Ok(());
        }
        let waited = start.elapsed();
        if waited + client.options.poll > budget {
            return Err(refusal.unwrap_or_else(|| Error::NotProven {
                what: format!("taking the image out of {}", device.name),
                found: format!(
                    "it still shows {}",
                    now.image.as_deref().unwrap_or("an image without a name")
                ),
                waited,
            }));
        }
        if waited >= budget / 4 * tries {
            tries += 1;
            match eject_once(survey, device).await {
                Ok(reply) => task::finish(client, &reply, "the eject", listener).await?,
                // Still busy with an earlier eject.
                Err(
                    error @ Error::Refused {
                        status: 409 | 500..,
                        ..
                    },
                ) => refusal = Some(error),
                Err(error) => return Err(error),
            }
        } else {
            listener(Progress::Waiting {
                what: format!("{} to be empty", device.name),
                elapsed: waited,
            });
        }
        tokio::time::sleep(client.options.poll).await;
    }
}

async fn eject_once(survey: &Survey<'_>, device: &MediaDevice) -> Result<Reply, Error> {
    let client = survey.client;
    let document = fetch(client, &device.path).await?;
    if device.way == MediaWay::IsoConfig {
        let target = document
            .target("IsoConfig.UnMount")
            .ok_or_else(|| insert::no_way(&device.name))?;
        return client.send(&Request::post(&target, json!({}))).await;
    }
    if let Some(target) = document.target(EJECT) {
        // Without a body it is refused by HPE and others (sushy).
        match client.send(&Request::post(&target, json!({}))).await {
            Err(
                Error::Refused {
                    status: 405 | 501, ..
                }
                | Error::Missing { .. },
            ) => {}
            outcome => return outcome,
        }
    }
    let mut last = None;
    for body in [
        json!({"Image": null, "Inserted": false}),
        json!({"Image": null}),
        json!({"Inserted": false}),
    ] {
        match write::patch(client, &document, &body).await {
            Err(error @ Error::Refused { status: 400, .. }) => last = Some(error),
            outcome => return outcome,
        }
    }
    Err(last.unwrap_or_else(|| insert::no_way(&device.name)))
}

/// The device as it is now.
pub(super) async fn look(survey: &Survey<'_>, device: &MediaDevice) -> Result<MediaDevice, Error> {
    if device.way != MediaWay::IsoConfig {
        return Ok(self::device(&*fetch(survey.client, &device.path).await?));
    }
    let config = fetch(survey.client, &device.path).await?;
    for path in collections(survey).await? {
        let collection = fetch(survey.client, &path).await?;
        let links = collection.body.get("Members").and_then(Value::as_array);
        for member in links.into_iter().flatten().filter_map(link) {
            let shown = self::device(&*fetch(survey.client, &member).await?);
            if shown.serves(Drive::Cd) == Some(true) {
                return Ok(iso_device(&config, Some(&shown)));
            }
        }
    }
    Ok(iso_device(&config, None))
}

/// Reads the image back. Where the BMC shows no address to compare, `ConnectedVia: URI` tells
/// that what it was given is in use.
async fn proven(
    survey: &Survey<'_>,
    device: &MediaDevice,
    order: &Order,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client: &Client = survey.client;
    let start = Instant::now();
    loop {
        let now = look(survey, device).await?;
        let connected = now.connected.as_deref() == Some("URI");
        if now.holds(order.image()) || (now.inserted && now.image.is_none() && connected) {
            let open = !order.write_protected() && now.write_protected == Some(true);
            if open {
                listener(Progress::Note(format!(
                    "{} keeps the image write-protected: this BMC does not take the wish",
                    now.name
                )));
            }
            return Ok(());
        }
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.read_back_budget {
            return Err(Error::Image {
                image: order.image().to_owned(),
                reason: format!(
                    "accepted, and after {} s {} shows {}",
                    waited.as_secs(),
                    now.name,
                    match (&now.image, now.inserted) {
                        (Some(image), true) => image.clone(),
                        (Some(image), false) => format!("{image}, not inserted"),
                        (None, true) => "an image without a name".into(),
                        (None, false) => "no image".into(),
                    }
                ),
            });
        }
        listener(Progress::Waiting {
            what: format!("{} to show the image", now.name),
            elapsed: waited,
        });
        tokio::time::sleep(client.options.poll).await;
    }
}
