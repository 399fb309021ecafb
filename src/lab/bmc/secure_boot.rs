//! Secure boot: switched and its keys reset at any time, in force with a boot.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::Answer;
use super::machine::{Bmc, Inner};

/// BIOS attributes that are the same switch, or show it.
const ATTRIBUTES: [&str; 4] = [
    "SecureBoot",
    "SecureBootConfiguration_SecureBootSetting",
    "SecureBootEnable_00B2",
    "SecureBootStatus",
];

impl Bmc {
    fn secure_boot(&self, inner: &Inner) -> Option<(String, Value)> {
        let system = self.stored(inner, &self.tree.anatomy.system)?;
        let path = super::tree::link(&system, "SecureBoot")?.to_owned();
        let document = self.stored(inner, &path)?;
        Some((path, document))
    }

    /// `SecureBoot.ResetKeys`, once its parameter is known to be right.
    pub fn take_key_reset(&self, inner: &mut Inner, path: &str, kind: &str) -> Answer {
        if let Some(mut document) = self.stored(inner, path) {
            match kind {
                "DeleteAllKeys" | "DeletePK" => document["SecureBootMode"] = json!("SetupMode"),
                "ResetAllKeysToDefault" | "ResetPK" => {
                    document["SecureBootMode"] = json!("UserMode");
                }
                _ => {}
            }
            self.put(inner, path, document);
        }
        Answer::empty(204)
    }

    /// A boot takes the wish into force, where there are keys.
    pub fn boot_securely(&self, inner: &mut Inner) {
        let Some((path, mut secure)) = self.secure_boot(inner) else {
            return;
        };
        let Some(enabled) = secure["SecureBootEnable"].as_bool() else {
            return;
        };
        let runs = enabled && secure["SecureBootMode"] != json!("SetupMode");
        let word = if runs { "Enabled" } else { "Disabled" };
        if secure["SecureBootCurrentBoot"].as_str() != Some(word) {
            secure["SecureBootCurrentBoot"] = json!(word);
            self.put(inner, &path, secure);
        }
        self.show_in_bios(inner, enabled);
    }

    fn show_in_bios(&self, inner: &mut Inner, enabled: bool) {
        for path in &self.tree.anatomy.bios {
            let Some(mut bios) = self.stored(inner, path) else {
                continue;
            };
            let mut changed = false;
            for name in ATTRIBUTES {
                let Some(value) = bios["Attributes"].get_mut(name) else {
                    continue;
                };
                let wanted = match value {
                    Value::Bool(_) => json!(enabled),
                    _ if enabled => json!("Enabled"),
                    _ => json!("Disabled"),
                };
                changed |= *value != wanted;
                *value = wanted;
            }
            if changed {
                self.put(inner, path, bios);
            }
        }
    }

    /// The BIOS attribute was changed by a boot: the resource shows the same.
    pub fn follow_secure_boot(&self, inner: &mut Inner, applied: &BTreeMap<String, Value>) {
        let Some(value) = ATTRIBUTES.iter().find_map(|name| applied.get(*name)) else {
            return;
        };
        let enabled = *value == json!(true) || *value == json!("Enabled");
        if let Some((path, mut secure)) = self.secure_boot(inner) {
            secure["SecureBootEnable"] = json!(enabled);
            self.put(inner, &path, secure);
        }
    }

    /// A boot takes the order from the system's settings resource.
    pub fn take_boot_order(&self, inner: &mut Inner) {
        let Some(order) = inner.state.boot_order.take() else {
            return;
        };
        let path = self.tree.anatomy.system.clone();
        if let Some(mut system) = self.stored(inner, &path) {
            system["Boot"]["BootOrder"] = order;
            self.put(inner, &path, system);
        }
    }
}
