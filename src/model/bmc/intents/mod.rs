//! BIOS intents: one wish, whatever a vendor calls it. The names stand in `intents.yaml`, with
//! where each was learnt.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::{BiosAttribute, BiosRegistry, BiosState};

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intents {
    /// What the short names in `from` mean.
    pub sources: BTreeMap<String, String>,
    pub intents: BTreeMap<String, Intent>,
}

/// A wish of one kind, and the attributes that can stand for it, the surest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    pub summary: String,
    pub values: Vec<String>,
    pub attributes: Vec<Spelling>,
}

/// An attribute that an intent can be written as.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spelling {
    /// The attribute's name; `*` at the end stands for a suffix such as `_002B`.
    #[serde(default)]
    pub name: Option<String>,
    /// Instead of a name: the DisplayName in the attribute registry.
    #[serde(default)]
    pub display: Option<String>,
    /// Each value's spellings: the first one that the BIOS takes is written, all count as met.
    pub means: BTreeMap<String, Vec<String>>,
    /// Where it was learnt.
    #[serde(default)]
    pub from: Option<String>,
}

/// The table as it is written, with its explanations.
pub const TEXT: &str = include_str!("intents.yaml");

/// The table that comes with the program.
pub fn intents() -> &'static Intents {
    static TABLE: OnceLock<Intents> = OnceLock::new();
    TABLE.get_or_init(|| {
        serde_saphyr::from_str(TEXT).expect("the crate's own table is valid, which a test holds")
    })
}

/// A scalar as intents and enumerations write it.
pub fn spelt(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Spelling {
    /// As it is shown where it was looked for in vain.
    pub fn shown(&self) -> String {
        match (&self.name, &self.display) {
            (Some(name), _) => name.trim_end_matches('*').to_owned(),
            (None, Some(display)) => format!("“{}”", display.trim_end_matches('*')),
            (None, None) => String::new(),
        }
    }

    fn is_named(&self, attribute: &str) -> bool {
        self.name
            .as_deref()
            .is_some_and(|name| match name.strip_suffix('*') {
                None => attribute.eq_ignore_ascii_case(name),
                Some(stem) => without_suffix(attribute).eq_ignore_ascii_case(stem),
            })
    }

    fn is_displayed(&self, attribute: &BiosAttribute) -> bool {
        let (Some(wanted), Some(shown)) = (&self.display, &attribute.display_name) else {
            return false;
        };
        let (wanted, shown) = (wanted.to_lowercase(), shown.trim().to_lowercase());
        match wanted.strip_suffix('*') {
            None => shown == wanted,
            Some(start) => shown.starts_with(start),
        }
    }

    /// The attributes of this BIOS that it names.
    pub fn named_in<'a>(&self, names: impl Iterator<Item = &'a String>) -> Vec<String> {
        names.filter(|name| self.is_named(name)).cloned().collect()
    }

    /// The attributes that the registry displays so.
    pub fn displayed_in(&self, registry: &BiosRegistry) -> Vec<String> {
        let rows = registry.attributes.iter();
        rows.filter(|(_, attribute)| self.is_displayed(attribute))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether a value of the attribute is what the wish means.
    pub fn is_met(&self, wish: &str, found: &Value) -> bool {
        let found = spelt(found);
        self.means
            .get(wish)
            .is_some_and(|words| words.iter().any(|word| word.eq_ignore_ascii_case(&found)))
    }

    /// The value to write, as this BIOS spells it; none where it cannot be had.
    pub fn value(
        &self,
        wish: &str,
        attribute: Option<&BiosAttribute>,
        current: Option<&Value>,
    ) -> Option<Value> {
        let words = self.means.get(wish)?;
        let typed = |word: &str| match (attribute.and_then(|one| one.kind.as_deref()), word) {
            (Some("Boolean"), "true") => Value::Bool(true),
            (Some("Boolean"), "false") => Value::Bool(false),
            _ => match (current, word) {
                (Some(Value::Bool(_)), "true") => Value::Bool(true),
                (Some(Value::Bool(_)), "false") => Value::Bool(false),
                _ => Value::String(word.to_owned()),
            },
        };
        if let Some(attribute) = attribute {
            if attribute.kind.as_deref() == Some("Boolean") {
                let word = words
                    .iter()
                    .find(|word| ["true", "false"].contains(&word.as_str()));
                return word.map(|word| typed(word));
            }
            if !attribute.allowed.is_empty() {
                return words.iter().find_map(|word| {
                    let mut allowed = attribute.allowed.iter();
                    allowed
                        .find(|own| own.eq_ignore_ascii_case(word))
                        .map(|own| typed(own))
                });
            }
        }
        // The spelling at the place that the one in force has in its own row.
        let place = current.and_then(|current| {
            let now = spelt(current);
            self.means
                .values()
                .find_map(|row| row.iter().position(|word| *word == now))
        });
        let word = place.and_then(|place| words.get(place)).or(words.first());
        word.map(|word| typed(word))
    }
}

/// A name without Supermicro's suffix: an underscore and four hexadecimal digits.
fn without_suffix(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((stem, suffix))
            if suffix.len() == 4 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            stem
        }
        _ => name,
    }
}

/// What of the wished intents is not in force by the attributes' names, in words; what only a
/// registry's display names could tell counts as not in force. For checks, which read the state
/// alone.
pub fn unmet(state: &BiosState, wishes: &BTreeMap<String, String>) -> Vec<String> {
    let mut unmet = Vec::new();
    for (name, wish) in wishes {
        let Some(intent) = intents().intents.get(name) else {
            unmet.push(format!("there is no intent {name}"));
            continue;
        };
        let found = intent.attributes.iter().find_map(|spelling| {
            let names = spelling.named_in(state.current.keys());
            (!names.is_empty()).then_some((spelling, names))
        });
        match found {
            None => unmet.push(format!("no attribute is known here for {name}")),
            Some((spelling, names)) => {
                for attribute in names {
                    let value = &state.current[&attribute];
                    if !spelling.is_met(wish, value) {
                        unmet.push(format!("{name} {wish}: {attribute} is {}", spelt(value)));
                    } else if state.pending.contains_key(&attribute) {
                        unmet.push(format!("{name} {wish}: {attribute} is about to change"));
                    }
                }
            }
        }
    }
    unmet
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        let table = intents();
        for (name, intent) in &table.intents {
            assert!(intent.values.len() >= 2, "{name}");
            for spelling in &intent.attributes {
                assert!(
                    spelling.name.is_some() != spelling.display.is_some(),
                    "{name}: {spelling:?}"
                );
                let from = spelling.from.as_deref().unwrap_or_default();
                assert!(table.sources.contains_key(from), "{name}: source {from}");
                for (value, words) in &spelling.means {
                    assert!(intent.values.contains(value), "{name}: {value}");
                    assert!(!words.is_empty(), "{name}: {value}");
                }
            }
        }
        let names: Vec<&str> = table.intents.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "boot-mode",
                "c-states",
                "iommu",
                "numa-per-socket",
                "power-profile",
                "secure-boot",
                "smt",
                "sriov",
                "tpm",
                "turbo",
                "virtualisation"
            ]
        );
    }

    fn row(name: &str, means: Value) -> Spelling {
        serde_json::from_value(json!({"name": name, "means": means})).unwrap()
    }

    #[test]
    fn suffixes_are_numbers_and_nothing_else() {
        let one = row("SR_IOVSupport*", json!({"on": ["Enabled"]}));
        assert!(one.is_named("SR_IOVSupport_002B"));
        assert!(one.is_named("SR_IOVSupport"));
        assert!(!one.is_named("SR_IOVSupport_Slot1"));
    }

    #[test]
    fn the_spelling_is_the_one_of_this_bios() {
        let one = row(
            "X",
            json!({"on": ["Enabled", "Enable"], "off": ["Disabled", "Disable"]}),
        );
        let allowed = BiosAttribute {
            allowed: vec!["Disable".into(), "Enable".into()],
            ..BiosAttribute::default()
        };
        assert_eq!(one.value("on", Some(&allowed), None), Some(json!("Enable")));
        assert_eq!(
            one.value("on", None, Some(&json!("Disable"))),
            Some(json!("Enable"))
        );
        assert_eq!(one.value("on", None, None), Some(json!("Enabled")));
        let other = BiosAttribute {
            allowed: vec!["Auto".into()],
            ..BiosAttribute::default()
        };
        assert_eq!(one.value("on", Some(&other), None), None);
        let boolean = row("X", json!({"on": ["true", "Enabled"], "off": ["false"]}));
        assert_eq!(
            boolean.value("on", None, Some(&json!(false))),
            Some(json!(true))
        );
        assert!(boolean.is_met("off", &json!(false)));
    }
}
