//! Drives, volumes and simple storage.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Reader, Summary};
use crate::redfish::document::{Document, text, whole};
use crate::redfish::links::identity;
use crate::redfish::survey::side_by_side;

#[derive(Default)]
pub(super) struct Storage {
    drive_count: usize,
    capacity: u64,
    volume_count: usize,
    simple_count: usize,
}

pub(super) async fn read(reader: &Reader<'_>, primary: &Document) -> Storage {
    let (subsystems, simple) = tokio::join!(
        reader.members(primary, "Storage"),
        reader.members(primary, "SimpleStorage"),
    );
    // Subsystems may share drives and volumes (seen in DMTF's tower).
    let mut drives = BTreeMap::new();
    let mut volumes = BTreeMap::new();
    let parts = side_by_side(subsystems.iter().map(|subsystem| async move {
        tokio::join!(
            reader.listed(subsystem, "Drives"),
            reader.members(subsystem, "Volumes")
        )
    }))
    .await;
    for (some_drives, some_volumes) in parts {
        gather(&mut drives, some_drives);
        gather(&mut volumes, some_volumes);
    }
    let present: Vec<&Arc<Document>> = drives
        .values()
        .filter(|drive| !is_absent(&drive.body))
        .collect();
    Storage {
        drive_count: present.len(),
        capacity: present
            .iter()
            .filter_map(|drive| whole(&drive.body, "CapacityBytes"))
            .fold(0, u64::saturating_add),
        volume_count: volumes.len(),
        simple_count: simple
            .iter()
            .filter_map(|controller| controller.body.get("Devices").and_then(Value::as_array))
            .map(Vec::len)
            .sum(),
    }
}

impl Storage {
    pub fn put(self, summary: &mut Summary) {
        summary.drive_count = self.drive_count;
        summary.drive_capacity_bytes = self.capacity;
        summary.volume_count = self.volume_count;
        summary.simple_storage_count = self.simple_count;
    }
}

fn gather(into: &mut BTreeMap<String, Arc<Document>>, documents: Vec<Arc<Document>>) {
    for document in documents {
        into.entry(identity(&document.path)).or_insert(document);
    }
}

fn is_absent(body: &Value) -> bool {
    body.get("Status")
        .and_then(|status| text(status, "State"))
        .is_some_and(|state| state == "Absent")
}
