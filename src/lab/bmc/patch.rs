//! PATCH of resources that have no file of their own: which properties can be written.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Message, merge, not_found, refusal_body, refuse};
use super::machine::Bmc;
use super::profile::PatchAnswer;

/// Writable properties by resource type.
const WRITABLE: &[(&str, &[&str])] = &[
    (
        "ComputerSystem",
        &[
            "AssetTag",
            "IndicatorLED",
            "LocationIndicatorActive",
            "HostName",
            "PowerRestorePolicy",
            "HostWatchdogTimer",
        ],
    ),
    (
        "Manager",
        &[
            "DateTime",
            "DateTimeLocalOffset",
            "CommandShell",
            "GraphicalConsole",
            "SerialConsole",
            "LocationIndicatorActive",
            "ServiceIdentification",
            "AutoDSTEnabled",
        ],
    ),
    (
        "ManagerNetworkProtocol",
        &[
            "HostName",
            "FQDN",
            "NTP",
            "SSH",
            "IPMI",
            "HTTP",
            "HTTPS",
            "KVMIP",
            "SNMP",
            "SSDP",
            "Telnet",
            "VirtualMedia",
        ],
    ),
    (
        "EthernetInterface",
        &[
            "HostName",
            "FQDN",
            "InterfaceEnabled",
            "IPv4StaticAddresses",
            "IPv4Addresses",
            "IPv6StaticAddresses",
            "DHCPv4",
            "DHCPv6",
            "NameServers",
            "StaticNameServers",
            "MTUSize",
            "VLAN",
            "SpeedMbps",
            "FullDuplex",
            "AutoNeg",
        ],
    ),
    (
        "Chassis",
        &["AssetTag", "IndicatorLED", "LocationIndicatorActive"],
    ),
    ("SecureBoot", &["SecureBootEnable"]),
    ("BootOption", &["BootOptionEnabled"]),
    ("SessionService", &["SessionTimeout", "ServiceEnabled"]),
    (
        "AccountService",
        &[
            "MinPasswordLength",
            "AccountLockoutThreshold",
            "AccountLockoutDuration",
            "AccountLockoutCounterResetAfter",
        ],
    ),
    (
        "EventService",
        &[
            "DeliveryRetryAttempts",
            "DeliveryRetryIntervalSeconds",
            "ServiceEnabled",
        ],
    ),
    ("EventDestination", &["Context", "DeliveryRetryPolicy"]),
    (
        "Drive",
        &["IndicatorLED", "LocationIndicatorActive", "AssetTag"],
    ),
    (
        "Volume",
        &["DisplayName", "ReadCachePolicy", "WriteCachePolicy"],
    ),
    (
        "LogService",
        &["ServiceEnabled", "DateTime", "DateTimeLocalOffset"],
    ),
    (
        "NetworkDeviceFunction",
        &[
            "DeviceEnabled",
            "Ethernet",
            "BootMode",
            "VirtualFunctionsEnabled",
        ],
    ),
    ("Power", &["PowerControl"]),
    ("HpeiLODateTime", &["StaticNTPServers"]),
];

/// `ComputerSystem` of `#ComputerSystem.v1_22_0.ComputerSystem`.
pub fn kind(document: &Value) -> &str {
    let kind = document["@odata.type"].as_str().unwrap_or_default();
    kind.trim_start_matches('#')
        .split('.')
        .next()
        .unwrap_or_default()
}

impl Bmc {
    pub fn patch_plain(self: &Arc<Self>, path: &str, body: &Value) -> Answer {
        let mut inner = self.lock();
        let Some(document) = self.stored(&inner, path) else {
            return not_found(path);
        };
        let writable = WRITABLE
            .iter()
            .find(|row| row.0 == kind(&document))
            .map_or(&[][..], |row| row.1);
        let mut change = Map::new();
        let mut messages = Vec::new();
        let mut boot = None;
        for (name, value) in body.as_object().into_iter().flatten() {
            // Annotations of a client's own copy are ignored, as the standard says.
            if name.starts_with("@odata.") {
                continue;
            }
            if name == "Boot" && self.takes_boot(path) {
                boot = Some(value);
            } else if let Some(message) = objection(&document, writable, name, value) {
                messages.push((name.clone(), message.related(format!("#/{name}"))));
            } else {
                change.insert(name.clone(), value.clone());
            }
        }
        if change.is_empty() && boot.is_none() {
            if writable.is_empty() && messages.is_empty() {
                drop(inner);
                return self.refuse_method(path);
            }
            if messages.is_empty() {
                return refuse(400, Message::new("EmptyJSON"));
            }
            let messages: Vec<Message> = messages.into_iter().map(|row| row.1).collect();
            return Answer::json(400, refusal_body(&messages));
        }
        if let Some(boot) = boot
            && let Err(answer) = self.change_boot(&mut inner, path, boot)
        {
            return answer;
        }
        if !change.is_empty() {
            let mut document = self.stored(&inner, path).unwrap_or_default();
            merge(&mut document, &Value::Object(change));
            self.put(&mut inner, path, document);
        }
        if self.dialect.patch_answer == PatchAnswer::Messages {
            let mut messages: Vec<Message> = messages.into_iter().map(|row| row.1).collect();
            messages.push(Message::new("Success"));
            return Answer::json(200, under_ilo(&messages));
        }
        let mut shown = self.view_json(&mut inner, path).unwrap_or_default();
        let tag = self.tag(&mut shown);
        for (name, message) in messages {
            shown[format!("{name}@Message.ExtendedInfo")] = json!([message.value()]);
        }
        Answer::json(200, shown).with(axum::http::header::ETAG, tag)
    }

    fn takes_boot(&self, path: &str) -> bool {
        let anatomy = &self.tree.anatomy;
        path == anatomy.system || anatomy.system_settings.as_deref() == Some(path)
    }
}

fn objection(document: &Value, writable: &[&str], name: &str, value: &Value) -> Option<Message> {
    if !writable.contains(&name) {
        let key = if document.get(name).is_some() {
            "PropertyNotWritable"
        } else {
            "PropertyUnknown"
        };
        return Some(Message::new(key).arguments([name]));
    }
    let shown = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let present = document.get(name);
    let alike = present.is_none_or(|present| {
        present.is_null()
            || value.is_null()
            || std::mem::discriminant(present) == std::mem::discriminant(value)
    });
    if !alike {
        return Some(Message::new("PropertyValueTypeError").arguments([&shown, name]));
    }
    if let Some(allowed) = document[format!("{name}@Redfish.AllowableValues")].as_array()
        && !allowed.contains(value)
    {
        return Some(Message::new("PropertyValueNotInList").arguments([&shown, name]));
    }
    // A part of an object that the resource does not have.
    if let (Some(Value::Object(present)), Value::Object(wanted)) = (present, value)
        && !present.is_empty()
        && let Some(unknown) = wanted.keys().find(|key| !present.contains_key(*key))
    {
        return Some(Message::new("PropertyUnknown").arguments([unknown]));
    }
    None
}

/// Whether resources of that type have anything to write.
pub fn is_writable(kind: &str) -> bool {
    WRITABLE.iter().any(|row| row.0 == kind)
}

/// Messages as iLO wraps them, whether they tell of success or failure.
pub fn under_ilo(messages: &[Message]) -> Value {
    let mut body = refusal_body(messages);
    body["error"]["code"] = json!("iLO.0.10.ExtendedInfo");
    body["error"]["message"] = json!("See @Message.ExtendedInfo for more information.");
    body
}
