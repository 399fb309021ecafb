//! Secure boot: the switch for the next boot, and its keys.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::document::{Document, text, truth};
use super::error::Error;
use super::survey::{Survey, fetch};
use super::system::allowable;
use super::transport::{Reply, Request};
use super::{task, write};
use crate::model::bmc::{SecureBootKeys, SecureBootState, SecureBootWish};

const RESET_KEYS: &str = "SecureBoot.ResetKeys";

async fn document(survey: &Survey<'_>) -> Result<Arc<Document>, Error> {
    let system = survey.system().await?;
    let path = system
        .link("SecureBoot")
        .ok_or_else(|| Error::Unsupported {
            what: "look after secure boot".into(),
            reason: format!("{} links no SecureBoot", system.path),
        })?;
    survey.get(&path).await
}

pub(super) async fn state(survey: &Survey<'_>) -> Result<SecureBootState, Error> {
    let document = document(survey).await?;
    let resets = match document.action(RESET_KEYS) {
        Some(action) => Some(
            allowable(survey, action, "ResetKeysType")
                .await
                .unwrap_or_default(),
        ),
        None => None,
    };
    Ok(SecureBootState {
        resets,
        ..shown(&document)
    })
}

fn shown(document: &Document) -> SecureBootState {
    SecureBootState {
        enabled: truth(&document.body, "SecureBootEnable"),
        in_force: text(&document.body, "SecureBootCurrentBoot"),
        mode: text(&document.body, "SecureBootMode"),
        resets: None,
    }
}

/// Resets the keys first: without keys the switch does nothing.
pub(super) async fn set(survey: &Survey<'_>, wish: &SecureBootWish) -> Result<(), Error> {
    let before = document(survey).await?;
    if let Some(keys) = wish.keys
        && shown(&before).has_keys() != Some(keys.leaves_keys())
    {
        reset_keys(survey, &before, keys).await?;
    }
    let Some(enabled) = wish.enabled else {
        return Ok(());
    };
    let now = fetch(survey.client, &before.path).await?;
    if shown(&now).enabled == Some(enabled) {
        return Ok(());
    }
    let reply = write::patch(survey.client, &now, &json!({"SecureBootEnable": enabled})).await?;
    let what = "the switch of secure boot";
    prove(survey, &before.path, &reply, what, |state| {
        state.enabled == Some(enabled)
    })
    .await
}

async fn reset_keys(
    survey: &Survey<'_>,
    document: &Document,
    keys: SecureBootKeys,
) -> Result<(), Error> {
    let target = document
        .target(RESET_KEYS)
        .ok_or_else(|| Error::Unsupported {
            what: "reset the keys of secure boot".into(),
            reason: format!("{} has no {RESET_KEYS}", document.path),
        })?;
    let request = Request::post(&target, json!({"ResetKeysType": keys.reset_type()}));
    let reply = survey.client.send(&request).await?;
    let what = "the reset of the keys of secure boot";
    prove(survey, &document.path, &reply, what, |state| {
        state.has_keys() == Some(keys.leaves_keys())
    })
    .await
}

/// Reads until it is so. What only a boot shows is not proven; the operator is told to boot.
async fn prove(
    survey: &Survey<'_>,
    path: &str,
    reply: &Reply,
    what: &str,
    there: impl Fn(&SecureBootState) -> bool,
) -> Result<(), Error> {
    let client = survey.client;
    let waits = awaits_boot(reply) || task::of_reply(client, reply).is_some();
    let start = Instant::now();
    loop {
        let state = shown(&*fetch(client, path).await?);
        if there(&state) {
            return Ok(());
        }
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.read_back_budget {
            let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "not told".into());
            let enabled = state.enabled.map(|enabled| enabled.to_string());
            let mut found = format!(
                "SecureBootEnable is {}, SecureBootMode {}",
                word(&enabled),
                word(&state.mode)
            );
            if waits {
                found.push_str("; the BMC took it for the next boot: boot the server (`ra-deploy power cycle`), then run this again");
            }
            return Err(Error::NotProven {
                what: what.into(),
                found,
                waited,
            });
        }
        tokio::time::sleep(client.options.poll).await;
    }
}

/// iLO says `SystemResetRequired`, others `ResetRequired` or `RebootRequired`.
fn awaits_boot(reply: &Reply) -> bool {
    let says = |part: &str| {
        let messages = reply.messages();
        messages.iter().any(|message| message.id.contains(part))
    };
    says("ResetRequired") || says("RebootRequired")
}
