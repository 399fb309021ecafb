//! The boot override, written whole and read back.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::document::Document;
use super::error::Error;
use super::options::{Listener, Progress};
use super::survey::{Survey, fetch};
use super::{system, task, write};
use crate::model::bmc::BootOverride;

/// What a BMC made of an override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    AsWished,
    /// It was wished once and taken for good.
    ForGood,
}

/// Sets the boot override. A field of `wanted` that is none is left as it is.
///
/// Enabled, target and mode always go together: on some BMCs a change of the target resets the
/// mode (ironic). Where the mode is refused it is left out, which is an error only if another
/// mode was wanted than the one in force.
pub(super) async fn set(
    survey: &Survey<'_>,
    wanted: &BootOverride,
    listener: Listener<'_>,
) -> Result<Lasts, Error> {
    let primary = survey.system().await?;
    let carrier = system::boot_carrier(survey, &primary).await;
    let before = system::boot_override(&carrier);
    if !differs(wanted, &before) {
        return Ok(Lasts::AsWished);
    }
    let client = survey.client;
    let body = |with_mode: bool| {
        let mut boot = Map::new();
        let mut put = |key: &str, wish: &Option<String>, now: &Option<String>| {
            if let Some(value) = wish.as_ref().or(now.as_ref()) {
                boot.insert(key.into(), Value::String(value.clone()));
            }
        };
        put(
            "BootSourceOverrideEnabled",
            &wanted.enabled,
            &before.enabled,
        );
        put("BootSourceOverrideTarget", &wanted.target, &before.target);
        if with_mode {
            put("BootSourceOverrideMode", &wanted.mode, &before.mode);
        }
        put("UefiTargetBootSourceOverride", &wanted.uefi_target, &None);
        put("HttpBootUri", &wanted.http_boot_uri, &None);
        json!({ "Boot": boot })
    };
    let mut places = vec![Arc::clone(&carrier)];
    // AMI shows the override in the system and takes it in its settings resource (libredfish).
    if let Some(settings) = system::boot_settings(survey, &primary).await
        && settings.path != carrier.path
    {
        places.push(settings);
    }
    let mut tries: Vec<(bool, &Arc<Document>)> = places.iter().map(|place| (true, place)).collect();
    let has_mode = wanted.mode.is_some() || before.mode.is_some();
    if has_mode && (wanted.mode.is_none() || wanted.mode == before.mode) {
        tries.extend(places.iter().map(|place| (false, place)));
    }
    let bodies: Vec<(&Document, Value)> = tries
        .iter()
        .map(|(with_mode, place)| (place.as_ref(), body(*with_mode)))
        .collect();
    let (reply, taken) = write::first(client, &bodies, "set the boot override").await?;
    let (with_mode, place) = tries[taken];
    if !with_mode {
        listener(Progress::Note(
            "the BMC refuses the boot mode; it is left as it is".into(),
        ));
    }
    task::finish(client, &reply, "the boot override", listener).await?;
    let start = Instant::now();
    loop {
        let mut now = system::boot_override(&*fetch(client, &place.path).await?);
        // A settings resource may show less than it takes (AMI); the system shows the rest.
        if differs(wanted, &now) && place.path != carrier.path {
            let shown = system::boot_override(&*fetch(client, &carrier.path).await?);
            now.uefi_target = now.uefi_target.or(shown.uefi_target);
            now.http_boot_uri = now.http_boot_uri.or(shown.http_boot_uri);
        }
        if !differs(wanted, &now) {
            return Ok(Lasts::AsWished);
        }
        let waited = start.elapsed();
        if waited * 4 > client.options.read_back_budget && !differs(&lasting(wanted), &now) {
            listener(Progress::Note(
                "the BMC takes a boot override for good only; it is disabled after the boot".into(),
            ));
            return Ok(Lasts::ForGood);
        }
        if waited + client.options.poll > client.options.read_back_budget {
            return Err(Error::NotProven {
                what: "the boot override".into(),
                found: shown(&now),
                waited,
            });
        }
        tokio::time::sleep(client.options.poll).await;
    }
}

/// Whether a wish is unmet. A disabled override has no target worth comparing.
fn differs(wanted: &BootOverride, now: &BootOverride) -> bool {
    let unmet = |wish: &Option<String>, is: &Option<String>| wish.is_some() && wish != is;
    if wanted.enabled.as_deref() == Some("Disabled") {
        return unmet(&wanted.enabled, &now.enabled);
    }
    unmet(&wanted.enabled, &now.enabled)
        || unmet(&wanted.target, &now.target)
        || unmet(&wanted.mode, &now.mode)
        || unmet(&wanted.uefi_target, &now.uefi_target)
        || unmet(&wanted.http_boot_uri, &now.http_boot_uri)
}

/// What some BMCs make of an override that is wanted once (ironic).
fn lasting(wanted: &BootOverride) -> BootOverride {
    let mut lasting = wanted.clone();
    if lasting.enabled.as_deref() == Some("Once") {
        lasting.enabled = Some("Continuous".into());
    }
    lasting
}

fn shown(now: &BootOverride) -> String {
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "unset".into());
    format!(
        "it is {}, target {}, mode {}",
        word(&now.enabled),
        word(&now.target),
        word(&now.mode)
    )
}
