//! The hardware of the primary system in one flat summary.
//!
//! Strings are trimmed and blank ones are null; addresses of network interfaces are in lower case
//! with colons, all-zero ones and those of other lengths than six bytes left out; paths lose a
//! trailing slash and are compared without regard to case. What cannot be read is listed with
//! the reason and costs nothing else.

mod media;
mod network;
mod storage;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::{Number, Value};

use super::document::{Document, link_list, text, whole};
use super::error::Error;
use super::links::{distinct, identity, tidy};
use super::survey::{Member, Survey, side_by_side};
use super::{bios, registry, system};

/// The answer to [`crate::model::BmcQuery::Hardware`].
#[derive(Debug, Serialize)]
struct Hardware {
    summary: Summary,
    unreadable: Vec<Unreadable>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Unreadable {
    uri: String,
    reason: String,
}

/// One machine; null is 'not told'.
#[derive(Debug, Default, Serialize)]
struct Summary {
    adapter_count: usize,
    adapter_macs: Vec<String>,
    attribute_registry_present: bool,
    bios_attribute_count: Option<usize>,
    bios_path: Option<String>,
    bios_settings_path: Option<String>,
    bios_version: Option<String>,
    /// By the manager's path.
    bmc_firmware: BTreeMap<String, Option<String>>,
    boot_allowable: BootAllowable,
    boot_enabled: Option<String>,
    boot_mode: Option<String>,
    boot_target: Option<String>,
    /// Of the drives that are present.
    drive_capacity_bytes: u64,
    drive_count: usize,
    ethernet_count: usize,
    ethernet_macs: Vec<String>,
    firmware_inventory_count: usize,
    /// Of adapters, and of interfaces that do not lead to the manager.
    host_macs: Vec<String>,
    manufacturer: Option<String>,
    memory_gib: Option<Number>,
    model: Option<String>,
    power_state: Option<String>,
    processor_count: Option<u64>,
    reset_allowable: Option<Vec<String>>,
    reset_target: Option<String>,
    serial: Option<String>,
    /// Devices, over all simple controllers.
    simple_storage_count: usize,
    sku: Option<String>,
    virtual_media: Vec<media::Device>,
    virtual_media_lives_in: Vec<String>,
    volume_count: usize,
}

#[derive(Debug, Default, Serialize)]
struct BootAllowable {
    enabled: Option<Vec<String>>,
    mode: Option<Vec<String>>,
    target: Option<Vec<String>>,
}

/// Reads documents and notes what cannot be read.
struct Reader<'a> {
    survey: &'a Survey<'a>,
    unreadable: Mutex<Vec<Unreadable>>,
}

impl Reader<'_> {
    fn note(&self, uri: &str, error: &Error) {
        let entry = Unreadable {
            uri: tidy(uri),
            reason: error.to_string(),
        };
        self.unreadable
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(entry);
    }

    fn kept(&self, member: Member) -> Option<Arc<Document>> {
        match member {
            Ok(document) => Some(document),
            Err((path, error)) => {
                self.note(&path, &error);
                None
            }
        }
    }

    async fn get(&self, path: &str) -> Option<Arc<Document>> {
        match self.survey.get(path).await {
            Ok(document) => Some(document),
            Err(error) => {
                self.note(path, &error);
                None
            }
        }
    }

    /// The collection under a property.
    async fn collection(&self, document: &Document, key: &str) -> Option<Arc<Document>> {
        self.get(&document.link(key)?).await
    }

    /// The members' links of the collection under a property.
    async fn member_links(&self, document: &Document, key: &str) -> Vec<String> {
        let Some(collection) = self.collection(document, key).await else {
            return Vec::new();
        };
        let (links, fault) = self.survey.member_links(&collection.body).await;
        if let Some((path, error)) = fault {
            self.note(&path, &error);
        }
        links
    }

    /// The members of the collection under a property, the unreadable ones noted.
    async fn all_members(&self, document: &Document, key: &str) -> Vec<Option<Arc<Document>>> {
        let Some(path) = document.link(key) else {
            return Vec::new();
        };
        match self.survey.expanded(&path).await {
            Ok(members) => members
                .into_iter()
                .map(|member| self.kept(member))
                .collect(),
            Err(error) => {
                self.note(&path, &error);
                Vec::new()
            }
        }
    }

    /// The readable members of the collection under a property.
    async fn members(&self, document: &Document, key: &str) -> Vec<Arc<Document>> {
        let all = self.all_members(document, key).await;
        all.into_iter().flatten().collect()
    }

    /// The readable documents behind the links under a property, which is a list, or a link to
    /// a collection.
    async fn listed(&self, document: &Document, key: &str) -> Vec<Arc<Document>> {
        let links = match document.body.get(key) {
            Some(Value::Object(_)) => self.member_links(document, key).await,
            Some(list) => distinct(link_list(list)),
            None => Vec::new(),
        };
        let documents = links.iter().map(|path| self.get(path));
        side_by_side(documents)
            .await
            .into_iter()
            .flatten()
            .collect()
    }
}

pub(super) async fn read(survey: &Survey<'_>) -> Result<Value, Error> {
    let root = survey.root().await?;
    let reader = Reader {
        survey,
        unreadable: Mutex::default(),
    };
    // What hangs on the root is read while the system is looked for.
    let (primary, managers, chassis, firmware, ()) = tokio::join!(
        survey.system(),
        async {
            let managers = reader.members(&root, "Managers").await;
            media::read(&reader, &managers, &[]).await;
            managers
        },
        async {
            let chassis = reader.members(&root, "Chassis").await;
            network::prepare(&reader, &chassis).await;
            chassis
        },
        firmware(&reader, &root),
        async {
            if let Some(path) = root.link("Registries") {
                let _ = survey.get(&path).await;
            }
        },
    );
    let primary = primary?;
    let mut summary = Summary {
        bios_version: primary.text("BiosVersion"),
        manufacturer: primary.text("Manufacturer"),
        model: primary.text("Model"),
        power_state: primary.text("PowerState"),
        serial: primary.text("SerialNumber"),
        sku: primary.text("SKU"),
        memory_gib: primary
            .body
            .get("MemorySummary")
            .and_then(|memory| number(memory, "TotalSystemMemoryGiB")),
        processor_count: primary
            .body
            .get("ProcessorSummary")
            .and_then(|processors| whole(processors, "Count")),
        ..Summary::default()
    };
    let systems = match survey
        .expansion_for_reading(&root.link("Systems").unwrap_or_default())
        .await
    {
        Some(collection) => {
            let members = survey.members_of(&collection.body).await;
            members
                .into_iter()
                .filter_map(|member| reader.kept(member))
                .collect()
        }
        None => reader.listed(&root, "Systems").await,
    };
    summary.bmc_firmware = managers
        .iter()
        .map(|manager| (manager.path.clone(), manager.text("FirmwareVersion")))
        .collect();
    let (boot, bios, network, storage, media) = tokio::join!(
        boot(survey, &primary),
        attributes(&reader, &primary),
        network::read(&reader, &primary, &chassis),
        storage::read(&reader, &primary),
        media::read(&reader, &managers, &systems),
    );
    boot.put(&mut summary);
    bios.put(&mut summary);
    network.put(&mut summary);
    storage.put(&mut summary);
    (summary.virtual_media, summary.virtual_media_lives_in) = media;
    summary.firmware_inventory_count = firmware;
    let mut unreadable = reader
        .unreadable
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    unreadable.sort();
    unreadable.dedup();
    Ok(super::json(Hardware {
        summary,
        unreadable,
    }))
}

/// A number as it was given, but whole where it is whole.
fn number(value: &Value, key: &str) -> Option<Number> {
    match whole(value, key) {
        Some(whole) => Some(whole.into()),
        None => super::document::real(value, key).and_then(Number::from_f64),
    }
}

struct Boot {
    enabled: Option<String>,
    mode: Option<String>,
    target: Option<String>,
    allowable: BootAllowable,
    reset_target: Option<String>,
    reset_allowable: Option<Vec<String>>,
}

async fn boot(survey: &Survey<'_>, primary: &Arc<Document>) -> Boot {
    let settings = system::boot_settings(survey, primary).await;
    let places = [Some(primary.as_ref()), settings.as_deref()];
    let value = |key: &str| {
        places
            .iter()
            .flatten()
            .find_map(|place| text(place.body.get("Boot")?, key))
    };
    let allowable = |key: &str| {
        places
            .iter()
            .flatten()
            .find_map(|place| system::boot_allowable(place, key))
            .map(sorted)
    };
    Boot {
        enabled: value("BootSourceOverrideEnabled"),
        mode: value("BootSourceOverrideMode"),
        target: value("BootSourceOverrideTarget"),
        allowable: BootAllowable {
            enabled: allowable("BootSourceOverrideEnabled"),
            mode: allowable("BootSourceOverrideMode"),
            target: allowable("BootSourceOverrideTarget"),
        },
        reset_target: primary.target(system::RESET).map(|path| tidy(&path)),
        reset_allowable: system::reset_types(survey, primary).await.map(sorted),
    }
}

impl Boot {
    fn put(self, summary: &mut Summary) {
        summary.boot_enabled = self.enabled;
        summary.boot_mode = self.mode;
        summary.boot_target = self.target;
        summary.boot_allowable = self.allowable;
        summary.reset_target = self.reset_target;
        summary.reset_allowable = self.reset_allowable;
    }
}

#[derive(Default)]
struct Attributes {
    path: Option<String>,
    settings: Option<String>,
    count: Option<usize>,
    registry: bool,
}

async fn attributes(reader: &Reader<'_>, primary: &Document) -> Attributes {
    let Some(path) = primary.link("Bios") else {
        return Attributes::default();
    };
    let mut found = Attributes {
        path: Some(tidy(&path)),
        ..Attributes::default()
    };
    if let Some(document) = reader.get(&path).await {
        found.settings = document.settings().map(|path| tidy(&path));
        found.count = Some(bios::attributes(&document).len());
        let name = document.text("AttributeRegistry");
        found.registry = registry::find(reader.survey, name.as_deref()).await.is_ok();
    }
    found
}

impl Attributes {
    fn put(self, summary: &mut Summary) {
        summary.bios_path = self.path;
        summary.bios_settings_path = self.settings;
        summary.bios_attribute_count = self.count;
        summary.attribute_registry_present = self.registry;
    }
}

/// The entries are counted, not read: an inventory has some fifty.
async fn firmware(reader: &Reader<'_>, root: &Document) -> usize {
    match reader.collection(root, "UpdateService").await {
        Some(service) => reader
            .member_links(&service, "FirmwareInventory")
            .await
            .len(),
        None => 0,
    }
}

fn sorted(mut values: Vec<String>) -> Vec<String> {
    values.sort();
    values.dedup();
    values
}

/// Whether two paths name one resource.
fn same(left: &str, right: &str) -> bool {
    identity(left) == identity(right)
}
