//! Whether a live object holds what a manifest states. Fields that are not stated are the
//! cluster's own business, except those that were stated before and are no longer.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::objects::Object;
use super::quantity::{same_duration, same_quantity};
use crate::model::{Difference, Text};

/// Who owns the fields that we apply.
pub(super) const FIELD_MANAGER: &str = "ra-deploy";

/// SHA-256 of each sealed text of a manifest, with its values put in; `None` while one of them is
/// still to be made.
pub(super) type Digests = BTreeMap<String, Option<String>>;

/// What differs, by field path.
pub(super) fn differences(object: &Object, live: &Value, digests: &Digests) -> Vec<Difference> {
    let secret = object.group.is_empty() && object.kind == "Secret";
    let mut comparison = Comparison {
        digests,
        prefix: format!("{}: ", object.title()),
        sealed: secret,
        found: Vec::new(),
    };
    let Value::Object(stated) = &object.value else {
        return Vec::new();
    };
    for (key, wish) in stated {
        match key.as_str() {
            "apiVersion" | "kind" => {}
            // The API keeps it as `data`, encoded.
            "stringData" if secret => comparison.string_data(wish, live.get("data")),
            _ => comparison.value(wish, live.get(key), &Place::root(key)),
        }
    }
    if !secret {
        comparison.removed(&object.value, live);
    }
    comparison.found
}

/// Where in an object: the path as people write it, and the last two keys, which tell what a
/// value means.
struct Place {
    path: String,
    key: String,
    parent: String,
}

impl Place {
    fn root(key: &str) -> Self {
        Self {
            path: key.to_owned(),
            key: key.to_owned(),
            parent: String::new(),
        }
    }

    fn field(&self, key: &str) -> Self {
        let path = if key.contains(['.', '/']) {
            format!("{}[{key}]", self.path)
        } else {
            format!("{}.{key}", self.path)
        };
        Self {
            path,
            key: key.to_owned(),
            parent: self.key.clone(),
        }
    }

    fn item(&self, label: &str) -> Self {
        Self {
            path: format!("{}[{label}]", self.path),
            key: self.key.clone(),
            parent: self.parent.clone(),
        }
    }

    fn holds_quantity(&self) -> bool {
        const PARENTS: &[&str] = &[
            "limits",
            "requests",
            "capacity",
            "allocatable",
            "hard",
            "used",
            "max",
            "min",
            "default",
            "defaultRequest",
            "maxLimitRequestRatio",
            "podFixed",
        ];
        const KEYS: &[&str] = &["sizeLimit", "storage", "divisor", "averageValue"];
        PARENTS.contains(&self.parent.as_str()) || KEYS.contains(&self.key.as_str())
    }
}

struct Comparison<'a> {
    digests: &'a Digests,
    prefix: String,
    /// Values are not shown.
    sealed: bool,
    found: Vec<Difference>,
}

impl Comparison<'_> {
    fn differ(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>) {
        let what = format!("{}{path}", self.prefix);
        self.found.push(if self.sealed {
            Difference::Sealed { what }
        } else {
            Difference::value(&what, from.map(shown), to.map(shown))
        });
    }

    fn value(&mut self, wish: &Value, live: Option<&Value>, place: &Place) {
        let Some(live) = live.filter(|live| !live.is_null()) else {
            if !is_zero(wish) {
                self.differ(&place.path, None, Some(wish));
            }
            return;
        };
        match (wish, live) {
            (Value::Null, _) => {}
            (Value::Object(wish), Value::Object(live)) => {
                for (key, value) in wish {
                    self.value(value, live.get(key), &place.field(key));
                }
            }
            (Value::Array(wish), Value::Array(live)) => self.list(wish, live, place),
            (Value::String(text), Value::String(found)) if Text::new(text.as_str()).is_sealed() => {
                if !self.matches(text, found.as_bytes()) {
                    self.found.push(Difference::Sealed {
                        what: format!("{}{}", self.prefix, place.path),
                    });
                }
            }
            _ => {
                if !same(wish, live, place) {
                    self.differ(&place.path, Some(live), Some(wish));
                }
            }
        }
    }

    /// Whether a sealed text is what is there.
    fn matches(&self, text: &str, found: &[u8]) -> bool {
        let digest = self.digests.get(text).and_then(Option::as_deref);
        digest.is_some_and(|digest| hex::encode(Sha256::digest(found)) == digest)
    }

    fn list(&mut self, wish: &[Value], live: &[Value], place: &Place) {
        if let Some(key) = merge_key(wish, live) {
            for item in wish {
                let label = format!("{key}={}", item.get(key).map(shown).unwrap_or_default());
                let twin = live.iter().find(|other| other.get(key) == item.get(key));
                self.value(item, twin, &place.item(&label));
            }
        } else if place.key == "finalizers" {
            for item in wish.iter().filter(|item| !live.contains(item)) {
                self.differ(&place.path, None, Some(item));
            }
        } else if wish.len() != live.len() {
            let lists = (Value::Array(live.to_vec()), Value::Array(wish.to_vec()));
            self.differ(&place.path, Some(&lists.0), Some(&lists.1));
        } else {
            for (index, (wish, live)) in wish.iter().zip(live).enumerate() {
                self.value(wish, Some(live), &place.item(&index.to_string()));
            }
        }
    }

    fn string_data(&mut self, wish: &Value, data: Option<&Value>) {
        let Value::Object(wish) = wish else { return };
        for (key, value) in wish {
            let text = value.as_str().unwrap_or_default();
            let found = data
                .and_then(|data| data.get(key))
                .and_then(Value::as_str)
                .and_then(|encoded| {
                    base64::engine::general_purpose::STANDARD
                        .decode(encoded)
                        .ok()
                });
            let same = found.is_some_and(|found| match Text::new(text).is_sealed() {
                true => self.matches(text, &found),
                false => found == text.as_bytes(),
            });
            if !same {
                self.differ(&format!("data.{key}"), None, None);
            }
        }
    }

    /// Fields that the last apply owned and the manifest no longer states: applying takes them
    /// away.
    fn removed(&mut self, stated: &Value, live: &Value) {
        let entries = live
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array);
        let own = entries.into_iter().flatten().find(|entry| {
            entry.get("manager").and_then(Value::as_str) == Some(FIELD_MANAGER)
                && entry.get("operation").and_then(Value::as_str) == Some("Apply")
                && entry.get("apiVersion") == stated.get("apiVersion")
                && entry.get("subresource").is_none()
        });
        if let Some(Value::Object(fields)) = own.and_then(|entry| entry.get("fieldsV1")) {
            self.owned(fields, stated, "");
        }
    }

    fn owned(&mut self, fields: &Map<String, Value>, stated: &Value, path: &str) {
        for (name, below) in fields {
            let (part, found) = if let Some(field) = name.strip_prefix("f:") {
                (format!(".{field}"), stated.get(field))
            } else if let Some(keys) = name.strip_prefix("k:") {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                (label(&keys), element(stated, &keys))
            } else if let Some(value) = name.strip_prefix("v:") {
                let value: Value = serde_json::from_str(value).unwrap_or_default();
                let list = stated.as_array();
                let found = list.and_then(|list| list.iter().find(|item| **item == value));
                (format!("[{}]", shown(&value)), found)
            } else {
                continue;
            };
            let here = format!("{path}{part}");
            match (found, below) {
                (None, _) => self.differ(here.trim_start_matches('.'), Some(&"set".into()), None),
                (Some(found), Value::Object(below)) => self.owned(below, found, &here),
                _ => {}
            }
        }
    }
}

fn label(keys: &Map<String, Value>) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|(key, value)| format!("{key}={}", shown(value)))
        .collect();
    format!("[{}]", keys.join(","))
}

/// The list's element with these keys; a key that it does not state has its default.
fn element<'value>(list: &'value Value, keys: &Map<String, Value>) -> Option<&'value Value> {
    list.as_array()?.iter().find(|item| {
        keys.iter()
            .all(|(key, value)| item.get(key).is_none_or(|stated| stated == value))
    })
}

/// The key by which a list of mappings is told apart, where every item has it and no two share it.
fn merge_key(wish: &[Value], live: &[Value]) -> Option<&'static str> {
    const KEYS: &[&str] = &[
        "name",
        "mountPath",
        "containerPort",
        "port",
        "devicePath",
        "ip",
        "topologyKey",
    ];
    let unique = |list: &[Value], key: &str| {
        list.iter().enumerate().all(|(index, item)| {
            let value = item.get(key);
            value.is_some() && list[..index].iter().all(|before| before.get(key) != value)
        })
    };
    KEYS.iter()
        .copied()
        .find(|key| !wish.is_empty() && unique(wish, key) && unique(live, key))
}

/// Equal as the API understands it.
fn same(wish: &Value, live: &Value, place: &Place) -> bool {
    match (wish, live) {
        (Value::Number(wish), Value::Number(live)) if wish.as_f64() == live.as_f64() => true,
        (Value::String(wish), Value::String(live)) if same_duration(wish, live) => true,
        _ => wish == live || (place.holds_quantity() && same_quantity(wish, live)),
    }
}

/// What the API leaves out when it is stated.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(is_zero),
    }
}

/// A value in one short line.
fn shown(value: &Value) -> String {
    const SHOWN: usize = 80;
    let text = match value {
        Value::String(text) => Text::new(text.as_str()).to_string(),
        other => Text::new(other.to_string()).to_string(),
    };
    let line = text.replace('\n', "⏎");
    match line.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
