//! Where sealed values live while a run lasts.

use std::collections::BTreeMap;
use std::sync::RwLock;

use super::text::Part;
use super::{Secret, Text};

/// Secrets from the inventory and late values made during the run (join tokens, certificate
/// keys). It shows nothing of itself and is never serialised.
#[derive(Debug, Default)]
pub struct Vault {
    values: RwLock<BTreeMap<String, Secret>>,
}

impl Vault {
    pub fn put(&self, name: impl Into<String>, value: Secret) {
        self.lock_write().insert(name.into(), value);
    }

    pub fn get(&self, name: &str) -> Option<Secret> {
        self.lock_read().get(name).cloned()
    }

    pub fn holds(&self, name: &str) -> bool {
        self.lock_read().contains_key(name)
    }

    /// The text with every sealed value put in, or the name of the first value that is missing.
    pub fn reveal(&self, text: &Text) -> Result<String, String> {
        let values = self.lock_read();
        let mut revealed = String::with_capacity(text.raw().len());
        for part in text.parts() {
            match part {
                Part::Plain(plain) => revealed.push_str(plain),
                Part::Sealed(name) => match values.get(name) {
                    Some(value) => revealed.push_str(value.reveal()),
                    None => return Err(name.to_owned()),
                },
            }
        }
        Ok(revealed)
    }

    /// `text` with every value that the vault holds replaced by its name: what a machine printed
    /// passes through here before it reaches an event, an error or the run record.
    pub fn redact(&self, text: &str) -> String {
        let values = self.lock_read();
        let mut redacted = text.to_owned();
        for (name, value) in values.iter() {
            // A value of a few characters would black out half of every message.
            if value.reveal().len() >= 4 && redacted.contains(value.reveal()) {
                redacted = redacted.replace(value.reveal(), &format!("‹{name}›"));
            }
        }
        redacted
    }

    /// The same for text that is JSON, in which a value may stand with its special characters
    /// escaped.
    pub fn redact_json(&self, json: &str) -> String {
        let values = self.lock_read();
        let mut redacted = json.to_owned();
        for (name, value) in values.iter().filter(|(_, value)| value.reveal().len() >= 4) {
            let escaped = serde_json::Value::from(value.reveal()).to_string();
            let escaped = &escaped[1..escaped.len() - 1];
            if redacted.contains(escaped) {
                redacted = redacted.replace(escaped, &format!("‹{name}›"));
            }
        }
        redacted
    }

    fn lock_read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Secret>> {
        self.values
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn lock_write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Secret>> {
        self.values
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reveals_what_it_holds_and_names_what_it_lacks() {
        let vault = Vault::default();
        vault.put("token", Secret::new("abcdef.0123"));
        let text = Text::new(format!("--token {}", Text::mark("token")));
        assert_eq!(vault.reveal(&text).as_deref(), Ok("--token abcdef.0123"));
        assert_eq!(
            vault.reveal(&Text::new(Text::mark("key"))),
            Err("key".to_owned())
        );
        assert_eq!(vault.redact("said abcdef.0123"), "said ‹token›");
    }
}
