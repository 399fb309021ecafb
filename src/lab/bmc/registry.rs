//! The BIOS attribute registry, reduced to what a change is checked against.

use std::collections::HashMap;

use serde_json::Value;

use super::tree::Tree;

#[derive(Debug, Clone, Default)]
pub struct BiosTable {
    /// Empty where the tree has no registry: then every value is taken.
    attributes: HashMap<String, Attribute>,
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
        Self { attributes }
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
