//! The BIOS attribute registry, reduced to what a change is checked against.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::dependency::Dependency;
use super::tree::Tree;

#[derive(Debug, Clone, Default)]
pub struct BiosTable {
    /// Empty where the tree has no registry: then every value is taken.
    attributes: HashMap<String, Attribute>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Clone, Default)]
struct Attribute {
    kind: String,
    read_only: bool,
    allowed: Vec<String>,
    default: Option<Value>,
    lower: Option<f64>,
    upper: Option<f64>,
    longest: Option<u64>,
}

/// Why a value is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    Unknown,
    ReadOnly,
    WrongType,
    NotInList,
    OutOfBounds,
}

impl BiosTable {
    pub fn read(tree: &Tree) -> Self {
        let registry = tree
            .anatomy
            .registry
            .as_deref()
            .and_then(|path| tree.value(path));
        let attributes = registry
            .as_ref()
            .and_then(|registry| registry.pointer("/RegistryEntries/Attributes")?.as_array())
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = entry.get("AttributeName")?.as_str()?.to_owned();
                Some((name, Attribute::read(entry)))
            })
            .collect();
        let dependencies = registry
            .as_ref()
            .and_then(|registry| {
                registry
                    .pointer("/RegistryEntries/Dependencies")?
                    .as_array()
            })
            .into_iter()
            .flatten()
            .filter_map(Dependency::read)
            .collect();
        Self {
            attributes,
            dependencies,
        }
    }

    /// The objection to a value that comes with others: `now` is in force, `then` would be.
    pub fn objection_among(
        &self,
        name: &str,
        value: &Value,
        now: &BTreeMap<String, Value>,
        then: &BTreeMap<String, Value>,
    ) -> Option<Objection> {
        let Some(attribute) = self.attributes.get(name) else {
            return self.objection(name, value);
        };
        let locks = |values: &BTreeMap<String, Value>| {
            let mut rows = self.dependencies.iter();
            rows.any(|row| {
                row.attribute == name
                    && row.property == "ReadOnly"
                    && row.value == Value::Bool(true)
                    && row.holds(values)
            })
        };
        // A recorded registry shows as read-only what was so at that time.
        let read_only = (attribute.read_only && !locks(now)) || locks(then);
        if read_only {
            return Some(Objection::ReadOnly);
        }
        Attribute {
            read_only: false,
            ..attribute.clone()
        }
        .objection(value)
    }

    /// What a boot sets along with the attributes that it changes.
    pub fn consequences(
        &self,
        changed: &BTreeMap<String, Value>,
        values: &BTreeMap<String, Value>,
    ) -> BTreeMap<String, Value> {
        let names: BTreeSet<&String> = changed.keys().collect();
        let rows = self.dependencies.iter().filter(|row| {
            row.property == "CurrentValue"
                && values.contains_key(&row.attribute)
                && !changed.contains_key(&row.attribute)
                && row.hangs_on(&names)
                && row.holds(values)
        });
        rows.map(|row| (row.attribute.clone(), row.value.clone()))
            .collect()
    }

    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    pub fn default_of(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)?.default.as_ref()
    }

    /// The objection to a value, if there is one.
    pub fn objection(&self, name: &str, value: &Value) -> Option<Objection> {
        if self.is_empty() {
            return None;
        }
        let Some(attribute) = self.attributes.get(name) else {
            return Some(Objection::Unknown);
        };
        attribute.objection(value)
    }
}

impl Attribute {
    fn read(entry: &Value) -> Self {
        let number = |key: &str| entry.get(key).and_then(Value::as_f64);
        Self {
            kind: entry
                .get("Type")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            read_only: entry
                .get("ReadOnly")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            allowed: entry
                .get("Value")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|choice| choice.get("ValueName")?.as_str().map(str::to_owned))
                .collect(),
            default: entry
                .get("DefaultValue")
                .filter(|value| !value.is_null())
                .cloned(),
            lower: number("LowerBound"),
            upper: number("UpperBound"),
            longest: entry.get("MaxLength").and_then(Value::as_u64),
        }
    }

    fn objection(&self, value: &Value) -> Option<Objection> {
        if self.read_only {
            return Some(Objection::ReadOnly);
        }
        match (self.kind.as_str(), value) {
            ("Enumeration", Value::String(text)) => (!self.allowed.is_empty()
                && !self.allowed.contains(text))
            .then_some(Objection::NotInList),
            ("Integer", Value::Number(number)) => {
                let number = number.as_f64().unwrap_or_default();
                let outside = self.lower.is_some_and(|lower| number < lower)
                    || self.upper.is_some_and(|upper| number > upper);
                outside.then_some(Objection::OutOfBounds)
            }
            ("String" | "Password", Value::String(text)) => self
                .longest
                .is_some_and(|longest| text.chars().count() as u64 > longest)
                .then_some(Objection::OutOfBounds),
            ("Boolean", Value::Bool(_)) => None,
            ("Enumeration" | "Integer" | "String" | "Password" | "Boolean", _) => {
                Some(Objection::WrongType)
            }
            _ => None,
        }
    }
}
