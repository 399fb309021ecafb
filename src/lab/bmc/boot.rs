//! The boot source override: read back at once, consumed by a boot.

use serde_json::{Value, json};

use super::answer::{Answer, Message, merge, refuse};
use super::faults::FaultKind;
use super::machine::{Bmc, Inner};
use super::profile::{BootMode, BootPlace};

const FIELDS: [&str; 9] = [
    "BootSourceOverrideEnabled",
    "BootSourceOverrideTarget",
    "BootSourceOverrideMode",
    "UefiTargetBootSourceOverride",
    "BootNext",
    "HttpBootUri",
    "BootOrder",
    "StopBootOnFault",
    "AutomaticRetryConfig",
];

impl Bmc {
    /// Changes `Boot` of the system; the answer where it is refused.
    pub fn change_boot(
        &self,
        inner: &mut Inner,
        place: &str,
        change: &Value,
    ) -> Result<(), Answer> {
        self.check_place(place, change)?;
        let path = self.tree.anatomy.system.clone();
        let Some(mut system) = self.stored(inner, &path) else {
            return Ok(());
        };
        let mut change = change.clone();
        self.check_boot(&system["Boot"], &change)?;
        if inner.faults.is_active(FaultKind::OnceIgnored)
            && change["BootSourceOverrideEnabled"] == json!("Once")
        {
            change["BootSourceOverrideEnabled"] = json!("Continuous");
        }
        let target = change.get("BootSourceOverrideTarget").cloned();
        if target == Some(json!("None")) && change.get("BootSourceOverrideEnabled").is_none() {
            change["BootSourceOverrideEnabled"] = json!("Disabled");
        }
        if change["BootSourceOverrideEnabled"] == json!("Disabled") && target.is_none() {
            change["BootSourceOverrideTarget"] = json!("None");
        }
        if self.dialect.boot_mode == BootMode::ResetByTarget && target.is_some() {
            // This vendor forgets what is not sent along with a target.
            if change.get("BootSourceOverrideMode").is_none() {
                change["BootSourceOverrideMode"] = json!("Legacy");
            }
            if change.get("BootSourceOverrideEnabled").is_none() {
                change["BootSourceOverrideEnabled"] = json!("Disabled");
            }
        }
        // What the settings resource takes of the order, the system has after a boot.
        if self.tree.anatomy.system_settings.as_deref() == Some(place)
            && let Some(order) = change.get("BootOrder").cloned()
        {
            self.mirror_boot(inner, &json!({"BootOrder": order}));
            inner.state.boot_order = Some(order);
            if let Some(fields) = change.as_object_mut() {
                fields.shift_remove("BootOrder");
            }
        }
        merge(&mut system["Boot"], &change);
        self.put(inner, &path, system);
        self.mirror_boot(inner, &change);
        Ok(())
    }

    /// Which resource takes what, by the vendor.
    fn check_place(&self, place: &str, change: &Value) -> Result<(), Answer> {
        let in_settings = self.tree.anatomy.system_settings.as_deref() == Some(place);
        let refused = change
            .as_object()
            .into_iter()
            .flatten()
            .map(|row| row.0)
            .find(|name| match self.dialect.boot_place {
                BootPlace::System => false,
                BootPlace::Settings => !in_settings,
                BootPlace::OrderInSettings => in_settings != (*name == "BootOrder"),
            });
        match refused {
            Some(name) if self.tree.anatomy.system_settings.is_some() => Err(refuse(
                400,
                Message::new("PropertyNotWritable")
                    .arguments([name])
                    .related(format!("#/Boot/{name}")),
            )),
            _ => Ok(()),
        }
    }

    /// Shows in the settings resource what it has of a change.
    fn mirror_boot(&self, inner: &mut Inner, change: &Value) {
        let Some(settings) = self.tree.anatomy.system_settings.clone() else {
            return;
        };
        let Some(mut document) = self.stored(inner, &settings) else {
            return;
        };
        let Some(boot) = document["Boot"].as_object_mut() else {
            return;
        };
        for (name, value) in change.as_object().into_iter().flatten() {
            if let Some(present) = boot.get_mut(name) {
                *present = value.clone();
            }
        }
        self.put(inner, &settings, document);
    }

    fn check_boot(&self, present: &Value, change: &Value) -> Result<(), Answer> {
        let Some(fields) = change.as_object() else {
            return Err(refuse(
                400,
                Message::new("PropertyValueTypeError").arguments([&change.to_string(), "Boot"]),
            ));
        };
        for (name, value) in fields {
            if !FIELDS.contains(&name.as_str()) {
                let key = if present.get(name).is_some() {
                    "PropertyNotWritable"
                } else {
                    "PropertyUnknown"
                };
                return Err(refuse(
                    400,
                    Message::new(key)
                        .arguments([name])
                        .related(format!("#/Boot/{name}")),
                ));
            }
            let allowed = present[format!("{name}@Redfish.AllowableValues")]
                .as_array()
                .cloned()
                .or_else(|| match name.as_str() {
                    "BootSourceOverrideEnabled" => {
                        Some(vec![json!("Disabled"), json!("Once"), json!("Continuous")])
                    }
                    "BootSourceOverrideMode" => Some(vec![json!("UEFI"), json!("Legacy")]),
                    _ => None,
                });
            // Allowed device paths are a hint, not a bound.
            let bound = allowed.filter(|_| name != "UefiTargetBootSourceOverride");
            if bound.is_some_and(|allowed| !allowed.contains(value)) {
                let shown = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                return Err(refuse(
                    400,
                    Message::new("PropertyValueNotInList")
                        .arguments([&shown, name])
                        .related(format!("#/Boot/{name}")),
                ));
            }
        }
        if let Some(order) = change.get("BootOrder") {
            let known: Vec<&Value> = present["BootOrder"]
                .as_array()
                .into_iter()
                .flatten()
                .collect();
            let wanted = order.as_array().cloned().unwrap_or_default();
            if !order.is_array() || wanted.iter().any(|entry| !known.contains(&entry)) {
                return Err(refuse(
                    400,
                    Message::new("PropertyValueNotInList")
                        .arguments([&order.to_string(), "BootOrder"])
                        .related("#/Boot/BootOrder"),
                ));
            }
        }
        let other_mode = change
            .get("BootSourceOverrideMode")
            .is_some_and(|mode| *mode != present["BootSourceOverrideMode"]);
        if self.dialect.boot_mode == BootMode::ByBiosOnly && other_mode {
            return Err(refuse(
                400,
                Message::new("PropertyNotWritable").arguments(["BootSourceOverrideMode"]),
            ));
        }
        Ok(())
    }

    /// What the machine boots from now: the override, else the first of the boot order. An override
    /// for one boot is used up.
    pub fn take_boot_target(&self, inner: &mut Inner) -> String {
        let path = self.tree.anatomy.system.clone();
        let Some(mut system) = self.stored(inner, &path) else {
            return "Hdd".into();
        };
        let enabled = system["Boot"]["BootSourceOverrideEnabled"]
            .as_str()
            .unwrap_or("Disabled")
            .to_owned();
        let target = system["Boot"]["BootSourceOverrideTarget"]
            .as_str()
            .unwrap_or("None")
            .to_owned();
        // Where a virtual CD boots as `UsbCd`, there is no disc in what `Cd` means.
        let has_usb_cd = system["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"]
            .as_array()
            .is_some_and(|targets| targets.contains(&json!("UsbCd")));
        let target = match target.as_str() {
            "Cd" if has_usb_cd => "None".to_owned(),
            "UsbCd" => "Cd".to_owned(),
            _ => target,
        };
        let chosen = if enabled == "Disabled" || target == "None" {
            self.first_in_order(inner, &system)
        } else {
            target
        };
        if enabled == "Once" {
            system["Boot"]["BootSourceOverrideEnabled"] = json!("Disabled");
            system["Boot"]["BootSourceOverrideTarget"] = json!("None");
            self.put(inner, &path, system.clone());
            self.mirror_boot(
                inner,
                &json!({"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}),
            );
        }
        inner.state.booted_from.clone_from(&chosen);
        chosen
    }

    fn first_in_order(&self, inner: &Inner, system: &Value) -> String {
        let first = system["Boot"]["BootOrder"][0].as_str().unwrap_or_default();
        super::tree::link(&system["Boot"], "BootOptions")
            .and_then(|options| self.stored(inner, &format!("{options}/{first}")))
            .and_then(|option| option["Alias"].as_str().map(str::to_owned))
            .unwrap_or_else(|| "Hdd".into())
    }

    /// What is in the drive that a boot from CD, or HTTP boot, would use.
    pub fn boot_image(&self, inner: &Inner, target: &str) -> String {
        if target == "UefiHttp" {
            let system = self
                .stored(inner, &self.tree.anatomy.system)
                .unwrap_or_default();
            return system["Boot"]["HttpBootUri"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
        }
        self.tree
            .anatomy
            .media
            .iter()
            .filter_map(|path| self.stored(inner, path))
            .filter(|device| device["Inserted"] == json!(true))
            .find_map(|device| device["Image"].as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}
