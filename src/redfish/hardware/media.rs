//! Virtual media: where the devices are, and how an image gets into them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::Reader;
use crate::redfish::document::{Document, truth, words};
use crate::redfish::links::{identity, tidy};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Device {
    /// `action`, or `patch` where there is no InsertMedia action (Lenovo, captured tree); null
    /// where the device cannot be read.
    insert_by: Option<&'static str>,
    inserted: Option<bool>,
    media_types: Vec<String>,
    path: String,
}

/// The devices of all managers and systems, by path, and in which of the two they live.
pub(super) async fn read(
    reader: &Reader<'_>,
    managers: &[Arc<Document>],
    systems: &[Arc<Document>],
) -> (Vec<Device>, Vec<String>) {
    let mut devices = Vec::new();
    let mut places = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let owners = managers
        .iter()
        .map(|owner| ("Managers", owner))
        .chain(systems.iter().map(|owner| ("Systems", owner)));
    for (kind, owner) in owners {
        let Some(path) = owner.link("VirtualMedia") else {
            continue;
        };
        if !seen.insert(identity(&path)) {
            continue;
        }
        let members = match reader.survey.expanded(&path).await {
            Ok(members) => members,
            Err(error) => {
                reader.note(&path, &error);
                continue;
            }
        };
        places.insert(place(&path, kind).to_owned());
        for member in members {
            let path = match &member {
                Ok(document) => document.path.clone(),
                Err((path, _)) => tidy(path),
            };
            let readable = reader.kept(member);
            if seen.insert(identity(&path)) {
                devices.push(device(path, readable.as_deref()));
            }
        }
    }
    devices.sort_by(|left, right| left.path.cmp(&right.path));
    (devices, places.into_iter().collect())
}

/// A system may link its manager's collection; what counts is where that is.
fn place<'a>(path: &str, owner: &'a str) -> &'a str {
    let path = identity(path);
    if path.contains("/managers/") {
        "Managers"
    } else if path.contains("/systems/") {
        "Systems"
    } else {
        owner
    }
}

fn device(path: String, document: Option<&Document>) -> Device {
    let Some(document) = document else {
        return Device {
            insert_by: None,
            inserted: None,
            media_types: Vec::new(),
            path,
        };
    };
    Device {
        insert_by: Some(match document.action("VirtualMedia.InsertMedia") {
            Some(_) => "action",
            None => "patch",
        }),
        inserted: truth(&document.body, "Inserted"),
        media_types: super::sorted(words(&document.body, "MediaTypes").unwrap_or_default()),
        path,
    }
}
