//! The BMC's own name and clock, read and set.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::document::{Document, truth, words};
use super::error::Error;
use super::options::Listener;
use super::quirks;
use super::survey::{Cache, Survey};
use super::task;
use super::write;
use crate::model::bmc::{SettingsState, SettingsWish};

/// The resources that carry the settings.
struct Places {
    manager: Arc<Document>,
    protocol: Option<Arc<Document>>,
    /// The interface that has the BMC's name.
    interface: Option<Arc<Document>>,
    /// HPE's service for the clock.
    clock: Option<Arc<Document>>,
}

async fn places(survey: &Survey<'_>) -> Result<Places, Error> {
    let manager = survey.manager().await?;
    let protocol = match manager.link("NetworkProtocol") {
        Some(path) => survey.get(&path).await.ok(),
        None => None,
    };
    let mut interface = None;
    if let Some(path) = manager.link("EthernetInterfaces")
        && let Ok(members) = survey.members(&path).await
    {
        interface = members
            .into_iter()
            .flatten()
            .find(|one| one.text("HostName").is_some());
    }
    let clock = match quirks::clock_service(&manager) {
        Some(path) => survey.get(&path).await.ok(),
        None => None,
    };
    Ok(Places {
        manager,
        protocol,
        interface,
        clock,
    })
}

pub(super) async fn read(survey: &Survey<'_>) -> Result<SettingsState, Error> {
    let places = places(survey).await?;
    let protocol = places.protocol.as_deref();
    let ntp = protocol
        .and_then(|protocol| protocol.body.get("NTP"))
        .filter(|ntp| ntp.is_object());
    let servers = match (ntp, &places.clock) {
        (Some(ntp), _) => words(ntp, "NTPServers"),
        (None, Some(clock)) => words(&clock.body, "StaticNTPServers"),
        (None, None) => None,
    };
    let name =
        |document: Option<&Document>| document.and_then(|document| document.text("HostName"));
    Ok(SettingsState {
        host_name: name(places.interface.as_deref()).or_else(|| name(protocol)),
        ntp_enabled: ntp
            .and_then(|ntp| truth(ntp, "ProtocolEnabled"))
            .or(places.clock.as_ref().map(|_| true)),
        ntp_servers: servers
            .unwrap_or_default()
            .into_iter()
            .filter(|server| !quirks::is_no_server(server))
            .collect(),
        offset: places.manager.text("DateTimeLocalOffset"),
        time_zone: places.manager.text("TimeZoneName"),
        time: places.manager.text("DateTime"),
    })
}

/// Sets what differs, and reads it back.
pub(super) async fn set(
    survey: &Survey<'_>,
    wish: &SettingsWish,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let now = read(survey).await?;
    let places = places(survey).await?;
    if let Some(name) = &wish.host_name
        && now.host_name.as_ref() != Some(name)
    {
        let body = json!({"HostName": name});
        let homes = [&places.interface, &places.protocol];
        let homes = homes.into_iter().flatten().cloned().collect();
        first_that_takes(survey, homes, &body, "take a host name", listener).await?;
    }
    if let Some(servers) = &wish.ntp
        && (now.ntp_servers != *servers || now.ntp_enabled != Some(true))
    {
        let standard = json!({"NTP": {"ProtocolEnabled": true, "NTPServers": servers}});
        let has_ntp = places
            .protocol
            .as_ref()
            .is_some_and(|protocol| protocol.body.get("NTP").is_some_and(Value::is_object));
        if has_ntp || places.clock.is_none() {
            let homes = places.protocol.iter().cloned().collect();
            first_that_takes(survey, homes, &standard, "take time servers", listener).await?;
        } else {
            let body = quirks::clock_servers(servers);
            let homes = places.clock.iter().cloned().collect();
            first_that_takes(survey, homes, &body, "take time servers", listener).await?;
        }
    }
    if let Some(zone) = &wish.time_zone
        && !now.is_in_zone(zone)
    {
        let key = match zone.starts_with(['+', '-']) {
            true => "DateTimeLocalOffset",
            false => "TimeZoneName",
        };
        let homes = vec![Arc::clone(&places.manager)];
        let body = json!({ key: zone });
        first_that_takes(survey, homes, &body, "take a time zone", listener).await?;
    }
    prove(survey, wish).await
}

/// PATCHes the first resource that takes it; the first refusal is told, as it is about the place
/// of the standard.
async fn first_that_takes(
    survey: &Survey<'_>,
    homes: Vec<Arc<Document>>,
    body: &Value,
    what: &str,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let mut refusal = None;
    for home in homes {
        match write::patch(survey.client, &home, body).await {
            Ok(reply) => return task::finish(survey.client, &reply, what, listener).await,
            Err(error @ (Error::Refused { .. } | Error::Forbidden { .. })) => {
                refusal.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refusal.unwrap_or_else(|| Error::Unsupported {
        what: what.to_owned(),
        reason: "it has no place for it".to_owned(),
    }))
}

async fn prove(survey: &Survey<'_>, wish: &SettingsWish) -> Result<(), Error> {
    let start = Instant::now();
    let options = &survey.client.options;
    loop {
        let cache = Cache::default();
        let fresh = Survey {
            client: survey.client,
            cache: &cache,
        };
        let now = read(&fresh).await?;
        let mut lacks = Vec::new();
        if let Some(name) = &wish.host_name
            && now.host_name.as_ref() != Some(name)
        {
            lacks.push(format!(
                "its name is {:?}",
                now.host_name.clone().unwrap_or_default()
            ));
        }
        if let Some(servers) = &wish.ntp
            && (now.ntp_servers != *servers || now.ntp_enabled == Some(false))
        {
            lacks.push(format!("its time servers are {:?}", now.ntp_servers));
        }
        if let Some(zone) = &wish.time_zone {
            let found = now.time_zone.clone().or(now.offset.clone());
            if !now.is_in_zone(zone) {
                lacks.push(format!("its time zone is {:?}", found.unwrap_or_default()));
            }
        }
        if lacks.is_empty() {
            return Ok(());
        }
        if start.elapsed() + options.poll > options.read_back_budget {
            return Err(Error::NotProven {
                what: "the BMC's settings".to_owned(),
                found: lacks.join(", "),
                waited: start.elapsed(),
            });
        }
        tokio::time::sleep(options.poll).await;
    }
}
