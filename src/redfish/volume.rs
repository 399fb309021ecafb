//! Drives and volumes: what there is, making a volume, deleting one.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::document::{Document, link_list, real, text, truth, whole, words};
use super::error::Error;
use super::links::{distinct, identity};
use super::options::{Listener, Progress};
use super::survey::{Cache, Survey};
use super::task::{self, Following, Outcome};
use super::transport::{Reply, Request};
use crate::model::bmc::{Controller, Disk, StorageState, Volume, VolumeOrder};

pub(super) async fn state(survey: &Survey<'_>) -> Result<StorageState, Error> {
    let system = survey.system().await?;
    let path = system.link("Storage").ok_or_else(|| Error::Unsupported {
        what: "make volumes".into(),
        reason: format!("{} links no Storage", system.path),
    })?;
    let mut state = StorageState::default();
    for member in survey.members(&path).await? {
        match member {
            Ok(storage) => {
                let controller = controller(survey, &storage, &mut state.unreadable).await;
                state.controllers.push(controller);
            }
            Err((path, error)) => state.unreadable.push(format!("{path}: {error}")),
        }
    }
    Ok(state)
}

async fn controller(
    survey: &Survey<'_>,
    storage: &Document,
    unreadable: &mut Vec<String>,
) -> Controller {
    let volumes_path = storage.link("Volumes");
    let mut volumes = Vec::new();
    if let Some(path) = &volumes_path {
        match survey.members(path).await {
            Ok(members) => {
                for member in members {
                    match member {
                        Ok(document) => volumes.push(volume(survey, &document)),
                        Err((path, error)) => unreadable.push(format!("{path}: {error}")),
                    }
                }
            }
            Err(error) => unreadable.push(format!("{path}: {error}")),
        }
    }
    let mut drives = Vec::new();
    let links = storage
        .body
        .get("Drives")
        .map(link_list)
        .unwrap_or_default();
    for path in distinct(links) {
        match survey.get(&path).await {
            Ok(document) => drives.extend(disk(&document, &volumes)),
            Err(error) => unreadable.push(format!("{path}: {error}")),
        }
    }
    let staged = survey.client.staged();
    Controller {
        path: storage.path.clone(),
        name: storage
            .text("Name")
            .unwrap_or_else(|| task::name(&storage.path)),
        raid_types: raid_types(storage),
        drives,
        coming: staged
            .created
            .iter()
            .filter(|name| volumes.iter().all(|volume| volume.name != **name))
            .filter(|_| volumes_path.is_some())
            .cloned()
            .collect(),
        volumes,
        volumes_path,
    }
}

/// Of the controllers that stand in the storage's own document; those of a collection of their own
/// are not fetched for it.
fn raid_types(storage: &Document) -> Vec<String> {
    let listed = storage
        .body
        .get("StorageControllers")
        .and_then(Value::as_array);
    listed
        .into_iter()
        .flatten()
        .filter_map(|controller| words(controller, "SupportedRAIDTypes"))
        .flatten()
        .collect()
}

fn volume(survey: &Survey<'_>, document: &Document) -> Volume {
    let mut drives = document.links("Drives");
    if drives.is_empty() {
        drives = document
            .body
            .get("Drives")
            .map(link_list)
            .unwrap_or_default();
    }
    Volume {
        going: survey.client.staged().deleted.contains(&document.path),
        name: document
            .text("DisplayName")
            .or_else(|| document.text("Name"))
            .unwrap_or_else(|| task::name(&document.path)),
        raid: document.text("RAIDType").or_else(|| older_raid(document)),
        bytes: whole(&document.body, "CapacityBytes"),
        drives,
        path: document.path.clone(),
    }
}

/// `VolumeType` of schemas before RAIDType.
fn older_raid(document: &Document) -> Option<String> {
    let kind = document.text("VolumeType")?;
    let raid = match kind.as_str() {
        "NonRedundant" => "RAID0",
        "Mirrored" => "RAID1",
        "StripedWithParity" => "RAID5",
        "SpannedMirrors" => "RAID10",
        "SpannedStripesWithParity" => "RAID50",
        _ => return None,
    };
    Some(raid.to_owned())
}

/// A drive; none where the bay is empty.
fn disk(document: &Document, volumes: &[Volume]) -> Option<Disk> {
    let status = |key: &str| {
        document
            .body
            .get("Status")
            .and_then(|status| text(status, key))
    };
    let state = status("State").unwrap_or_default();
    if state == "Absent" {
        return None;
    }
    let holder = volumes.iter().find(|volume| {
        volume
            .drives
            .iter()
            .any(|path| identity(path) == identity(&document.path))
    });
    let linked = document.links("Volumes");
    let protocol = document.text("Protocol").map(|word| match word.as_str() {
        "PCIe" => "NVMe".to_owned(),
        _ => word,
    });
    // Some tell no MediaType (Supermicro, captured tree).
    let media = document.text("MediaType").or_else(|| {
        let turns = real(&document.body, "RotationSpeedRPM");
        match (protocol.as_deref(), turns) {
            (_, Some(turns)) if turns > 0.0 => Some("HDD".to_owned()),
            (Some("NVMe"), _) => Some("SSD".to_owned()),
            _ => None,
        }
    });
    let spare = document
        .text("HotspareType")
        .is_some_and(|kind| kind != "None");
    let taken = if let Some(volume) = holder {
        Some(format!("volume {}", volume.name))
    } else if let Some(path) = linked.first() {
        Some(format!("volume {}", task::name(path)))
    } else if spare {
        Some("it is a hot spare".to_owned())
    } else if truth(&document.body, "FailurePredicted") == Some(true) {
        Some("its failure is predicted".to_owned())
    } else if status("Health").is_some_and(|health| health == "Critical") {
        Some("its health is critical".to_owned())
    } else if !matches!(
        state.as_str(),
        "" | "Enabled" | "StandbyOffline" | "StandbySpare"
    ) {
        Some(format!("it is {state}"))
    } else {
        None
    };
    Some(Disk {
        path: document.path.clone(),
        name: document
            .text("Id")
            .unwrap_or_else(|| task::name(&document.path)),
        protocol,
        media,
        bytes: whole(&document.body, "CapacityBytes"),
        taken,
    })
}

/// Makes a volume, and reads it back. One that only the next boot makes is done when it is
/// ordered.
pub(super) async fn create(
    survey: &Survey<'_>,
    order: &VolumeOrder,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let now = state(survey).await?;
    if is_there(&now, order) {
        return Ok(());
    }
    for path in &order.drives {
        let disk = now
            .controllers
            .iter()
            .flat_map(|controller| &controller.drives)
            .find(|disk| identity(&disk.path) == identity(path));
        // What was free when the plan was made may be so no more.
        match disk {
            None => {
                return Err(Error::Missing { path: path.clone() });
            }
            Some(Disk {
                name,
                taken: Some(taken),
                ..
            }) => {
                return Err(Error::Unsupported {
                    what: format!("make volume {}", order.name),
                    reason: format!("drive {name} is not free any more: {taken}"),
                });
            }
            Some(_) => {}
        }
    }
    let collection = survey.get(&order.volumes_path).await?;
    let time = apply_time(&collection);
    let reply = post(survey, order, time).await?;
    let what = format!("volume {}", order.name);
    let outcome = follow(survey, &reply, &what, time, listener).await?;
    settle(survey, &what, outcome, |now| is_there(now, order), listener).await?;
    let fresh = fresh(survey).await;
    if !fresh.is_ok_and(|now| is_there(&now, order)) {
        survey.client.staged().created.insert(order.name.clone());
    }
    Ok(())
}

fn is_there(now: &StorageState, order: &VolumeOrder) -> bool {
    let wanted = |volume: &Volume| {
        let same = order.drives.iter().all(|path| {
            volume
                .drives
                .iter()
                .any(|other| identity(other) == identity(path))
        });
        same && volume.drives.len() == order.drives.len()
    };
    now.controllers
        .iter()
        .flat_map(|controller| &controller.volumes)
        .any(wanted)
}

/// At once where both can be chosen: nothing of the running system is on free drives.
fn apply_time(collection: &Document) -> Option<&'static str> {
    let support = collection
        .body
        .get("@Redfish.OperationApplyTimeSupport")
        .and_then(|support| words(support, "SupportedValues"))?;
    ["Immediate", "OnReset"]
        .into_iter()
        .find(|time| support.iter().any(|one| one == time))
}

/// The forms of the request, newest schema first; the next where one is refused as such.
async fn post(
    survey: &Survey<'_>,
    order: &VolumeOrder,
    time: Option<&str>,
) -> Result<Reply, Error> {
    let drives: Vec<Value> = order
        .drives
        .iter()
        .map(|path| json!({"@odata.id": path}))
        .collect();
    let base = |name: &str| {
        let mut body = Map::new();
        body.insert(name.into(), json!(order.name));
        body.insert("RAIDType".into(), json!(order.raid));
        if let Some(bytes) = order.bytes {
            body.insert("CapacityBytes".into(), json!(bytes));
        }
        if let Some(time) = time {
            body.insert("@Redfish.OperationApplyTime".into(), json!(time));
        }
        body
    };
    let mut forms = Vec::new();
    for name in ["Name", "DisplayName"] {
        let mut body = base(name);
        body.insert("Links".into(), json!({"Drives": drives}));
        forms.push(body);
    }
    // Before `Links/Drives` and `RAIDType` came to the schema.
    let mut older = base("Name");
    older.insert("Drives".into(), json!(drives));
    forms.push(older.clone());
    let kind = match order.raid.as_str() {
        "RAID0" => Some("NonRedundant"),
        "RAID1" => Some("Mirrored"),
        "RAID5" => Some("StripedWithParity"),
        "RAID10" => Some("SpannedMirrors"),
        _ => None,
    };
    if let Some(kind) = kind {
        older.remove("RAIDType");
        older.insert("VolumeType".into(), json!(kind));
        forms.push(older);
    }
    let mut refusal = None;
    for form in forms {
        let request = Request::post(&order.volumes_path, Value::Object(form));
        match survey.client.send(&request).await {
            Err(error @ Error::Refused { status: 400, .. }) => {
                refusal.get_or_insert(error);
            }
            outcome => return outcome,
        }
    }
    Err(refusal.unwrap_or_else(|| Error::Missing {
        path: order.volumes_path.clone(),
    }))
}

async fn follow(
    survey: &Survey<'_>,
    reply: &Reply,
    what: &str,
    time: Option<&str>,
    listener: Listener<'_>,
) -> Result<Outcome, Error> {
    let options = &survey.client.options;
    let following = Following {
        what,
        budget: options.task_budget,
        queued: Some(match time {
            Some("OnReset") => options.poll * 5,
            _ => options.read_back_budget,
        }),
    };
    task::follow(survey.client, reply, &following, listener).await
}

/// Waits until a state is read, or is left to the next boot.
async fn settle(
    survey: &Survey<'_>,
    what: &str,
    outcome: Outcome,
    reached: impl Fn(&StorageState) -> bool,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let options = &survey.client.options;
    let start = Instant::now();
    loop {
        let now = fresh(survey).await?;
        if reached(&now) {
            return Ok(());
        }
        if outcome == Outcome::AwaitsBoot {
            listener(Progress::Note(format!(
                "{what} is ordered; it takes effect at the server's next boot"
            )));
            return Ok(());
        }
        let waited: Duration = start.elapsed();
        if waited + options.poll > options.read_back_budget {
            let names: Vec<&str> = now
                .controllers
                .iter()
                .flat_map(|controller| &controller.volumes)
                .map(|volume| volume.name.as_str())
                .collect();
            return Err(Error::NotProven {
                what: what.to_owned(),
                found: format!("the volumes are {}", names.join(", ")),
                waited,
            });
        }
        tokio::time::sleep(options.poll).await;
    }
}

async fn fresh(survey: &Survey<'_>) -> Result<StorageState, Error> {
    let cache = Cache::default();
    state(&Survey {
        client: survey.client,
        cache: &cache,
    })
    .await
}

/// Deletes a volume and what is on it.
pub(super) async fn delete(
    survey: &Survey<'_>,
    path: &str,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let what = format!("the end of volume {}", task::name(path));
    let gone = |now: &StorageState| {
        now.controllers
            .iter()
            .flat_map(|controller| &controller.volumes)
            .all(|volume| identity(&volume.path) != identity(path))
    };
    if gone(&state(survey).await?) {
        return Ok(());
    }
    let reply = match survey.client.send(&Request::delete(path)).await {
        Err(Error::Missing { .. }) => return Ok(()),
        outcome => outcome?,
    };
    let outcome = follow(survey, &reply, &what, None, listener).await?;
    settle(survey, &what, outcome, gone, listener).await?;
    let left = !fresh(survey).await.is_ok_and(|now| gone(&now));
    if left {
        survey.client.staged().deleted.insert(path.to_owned());
    }
    Ok(())
}
