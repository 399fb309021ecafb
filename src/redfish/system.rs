//! The primary system: which one it is, and what it says of itself.

use std::sync::Arc;

use serde_json::Value;

use super::document::{Document, text, words};
use super::error::Error;
use super::survey::Survey;
use crate::model::bmc::{BootOverride, SystemState};

pub(super) const RESET: &str = "ComputerSystem.Reset";

/// Finds the primary system: the first member that has both a reset action and a boot override.
/// AMI lists a second 'system' without a reset, and on GB200 a baseboard comes beside the host
/// (seen in captured trees). Where none has both, the first with a reset is taken, else the
/// first that can be read.
pub(super) async fn primary(survey: &Survey<'_>) -> Result<Arc<Document>, Error> {
    let root = survey.root().await?;
    let path = root.link("Systems").ok_or_else(|| Error::NoSystem {
        reason: "the service root links no Systems".into(),
    })?;
    let collection = match survey.expansion_for_reading(&path).await {
        Some(collection) => collection,
        None => survey.settled_systems(&path).await?,
    };
    let mut candidates: Vec<(u8, Arc<Document>)> = Vec::new();
    let mut last = None;
    for member in survey.members_of(&collection.body).await {
        match member {
            Ok(system) => {
                let resets = system.action(RESET).is_some();
                let rank = match (resets, resets && overrides_boot(survey, &system).await) {
                    (_, true) => return Ok(system),
                    (true, _) => 1,
                    _ => 0,
                };
                candidates.push((rank, system));
            }
            Err((_, error)) => last = Some(error),
        }
    }
    // The first of the best: `max_by_key` would give the last.
    let best = candidates.iter().map(|(rank, _)| *rank).max();
    let found = candidates.into_iter().find(|(rank, _)| Some(*rank) == best);
    match (found, last) {
        (Some((_, system)), _) => Ok(system),
        (None, Some(error)) => Err(error),
        (None, None) => Err(Error::NoSystem {
            reason: format!("{path} has no member"),
        }),
    }
}

async fn overrides_boot(survey: &Survey<'_>, system: &Document) -> bool {
    if has_override(system.body.get("Boot")) {
        return true;
    }
    boot_settings(survey, system)
        .await
        .is_some_and(|settings| has_override(settings.body.get("Boot")))
}

fn has_override(boot: Option<&Value>) -> bool {
    boot.is_some_and(|boot| {
        ["BootSourceOverrideTarget", "BootSourceOverrideEnabled"]
            .iter()
            .any(|key| boot.get(key).is_some())
    })
}

/// The system's settings resource, where the boot override lives on some (GB200, captured tree).
pub(super) async fn boot_settings(survey: &Survey<'_>, system: &Document) -> Option<Arc<Document>> {
    let path = system.settings()?;
    survey.get(&path).await.ok()
}

/// The resource that carries the boot override: the system itself, else its settings.
pub(super) async fn boot_carrier(survey: &Survey<'_>, system: &Arc<Document>) -> Arc<Document> {
    if has_override(system.body.get("Boot")) {
        return Arc::clone(system);
    }
    match boot_settings(survey, system).await {
        Some(settings) if has_override(settings.body.get("Boot")) => settings,
        _ => Arc::clone(system),
    }
}

pub(super) fn boot_override(carrier: &Document) -> BootOverride {
    let Some(boot) = carrier.body.get("Boot") else {
        return BootOverride::default();
    };
    BootOverride {
        enabled: text(boot, "BootSourceOverrideEnabled"),
        target: text(boot, "BootSourceOverrideTarget"),
        mode: text(boot, "BootSourceOverrideMode"),
        uefi_target: text(boot, "UefiTargetBootSourceOverride"),
        http_boot_uri: text(boot, "HttpBootUri"),
    }
}

/// The values that a property of `Boot` may take, where the BMC says.
pub(super) fn boot_allowable(carrier: &Document, property: &str) -> Option<Vec<String>> {
    words(
        carrier.body.get("Boot")?,
        &format!("{property}@Redfish.AllowableValues"),
    )
}

/// The values that an action's parameter may take: from the action, else from its ActionInfo
/// (AMI gives them only there, captured tree).
pub(super) async fn allowable(
    survey: &Survey<'_>,
    action: &Value,
    parameter: &str,
) -> Option<Vec<String>> {
    if let Some(values) = words(action, &format!("{parameter}@Redfish.AllowableValues")) {
        return Some(values);
    }
    let info = text(action, "@Redfish.ActionInfo")?;
    let info = survey.get(&info).await.ok()?;
    info.body
        .get("Parameters")?
        .as_array()?
        .iter()
        .find(|entry| text(entry, "Name").as_deref() == Some(parameter))
        .and_then(|entry| words(entry, "AllowableValues"))
}

pub(super) async fn reset_types(survey: &Survey<'_>, system: &Document) -> Option<Vec<String>> {
    allowable(survey, system.action(RESET)?, "ResetType").await
}

pub(super) async fn state(survey: &Survey<'_>) -> Result<SystemState, Error> {
    let system = survey.system().await?;
    let carrier = boot_carrier(survey, &system).await;
    Ok(SystemState {
        manufacturer: system.text("Manufacturer"),
        model: system.text("Model"),
        serial: system.text("SerialNumber"),
        bios_version: system.text("BiosVersion"),
        power: system.text("PowerState"),
        boot_progress: system
            .body
            .get("BootProgress")
            .and_then(|progress| text(progress, "LastState")),
        last_reset: system.text("LastResetTime"),
        reset_types: reset_types(survey, &system).await.unwrap_or_default(),
        boot_override: boot_override(&carrier),
        boot_targets: boot_allowable(&carrier, "BootSourceOverrideTarget").unwrap_or_default(),
        boot_properties: carrier
            .body
            .get("Boot")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|boot| boot.keys())
            .filter(|key| !key.contains('@'))
            .cloned()
            .collect(),
    })
}
