//! A manifest's text as objects, each with its place in the API.

use serde_json::{Map, Value};

use super::paths::{self, Definition, Scope};
use crate::resource::Fault;

/// One object of a manifest.
#[derive(Debug)]
pub(super) struct Object {
    pub value: Value,
    pub kind: String,
    pub group: String,
    pub name: String,
    pub namespace: Option<String>,
    /// Path of its GET.
    pub path: String,
}

impl Object {
    /// `Deployment kube-system/coredns`
    pub fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }

    pub fn is_definition(&self) -> bool {
        self.group == "apiextensions.k8s.io" && self.kind == "CustomResourceDefinition"
    }

    /// What the others of the manifest may need first.
    pub fn is_ground(&self) -> bool {
        self.is_definition() || (self.group.is_empty() && self.kind == "Namespace")
    }

    /// Whether `kubectl rollout status` knows it.
    pub fn is_rolled_out(&self) -> bool {
        self.group == "apps"
            && matches!(
                self.kind.as_str(),
                "Deployment" | "DaemonSet" | "StatefulSet"
            )
    }
}

/// The objects of a manifest's text, lists taken apart.
pub(super) fn parse(
    text: &str,
    namespace: Option<&str>,
    pointer: &str,
) -> Result<Vec<Object>, Fault> {
    // As kubectl reads YAML: a leading zero means octal, and a large manifest is no attack.
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        budget: None,
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| Fault::at(pointer, format!("the manifest is no YAML: {error}")))?;
    let mut values = Vec::new();
    for document in documents {
        flatten(document, &mut values);
    }
    if values.is_empty() {
        return Err(Fault::at(pointer, "the manifest holds no object"));
    }
    let known: Vec<Definition> = values.iter().flat_map(definitions).collect();
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| {
            object(value, namespace, &known).map_err(|message| {
                Fault::at(
                    pointer,
                    format!("object {} of the manifest {message}", index + 1),
                )
            })
        })
        .collect()
}

fn flatten(document: Value, values: &mut Vec<Value>) {
    if document.is_null() {
        return;
    }
    let is_list = text(&document, "kind").is_some_and(|kind| kind.ends_with("List"));
    match document {
        Value::Object(mut map) if is_list && map.get("items").is_some_and(Value::is_array) => {
            if let Some(Value::Array(items)) = map.remove("items") {
                for item in items {
                    flatten(item, values);
                }
            }
        }
        other => values.push(other),
    }
}

fn text<'value>(value: &'value Value, key: &str) -> Option<&'value str> {
    value.get(key).and_then(Value::as_str)
}

fn definitions(value: &Value) -> Option<Definition> {
    if text(value, "kind") != Some("CustomResourceDefinition") {
        return None;
    }
    let spec = value.get("spec")?;
    let names = spec.get("names")?;
    Some(Definition {
        group: text(spec, "group")?.to_owned(),
        kind: text(names, "kind")?.to_owned(),
        plural: text(names, "plural")?.to_owned(),
        scope: match text(spec, "scope")? {
            "Cluster" => Scope::Cluster,
            _ => Scope::Namespaced,
        },
    })
}

fn object(mut value: Value, default: Option<&str>, known: &[Definition]) -> Result<Object, String> {
    let Value::Object(map) = &mut value else {
        return Err("is no mapping".to_owned());
    };
    let word = |map: &Map<String, Value>, key: &str| -> Result<String, String> {
        let found = map
            .get(key)
            .and_then(Value::as_str)
            .filter(|word| !word.is_empty());
        found
            .map(str::to_owned)
            .ok_or_else(|| format!("has no `{key}`"))
    };
    let api_version = word(map, "apiVersion")?;
    let kind = word(map, "kind")?;
    let group = match api_version.split_once('/') {
        Some((group, _)) => group.to_owned(),
        None => String::new(),
    };
    let Some(Value::Object(metadata)) = map.get_mut("metadata") else {
        return Err(format!("({kind}) has no `metadata`"));
    };
    if metadata.contains_key("generateName") {
        return Err(format!(
            "({kind}) has `generateName`, so it would be another one each time"
        ));
    }
    let name = word(metadata, "name").map_err(|what| format!("({kind}) {what}"))?;
    let stated = metadata
        .get("namespace")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let namespace = match paths::scope(&group, &kind, stated.is_some(), known) {
        Scope::Cluster => None,
        Scope::Namespaced => {
            let namespace = stated.unwrap_or_else(|| default.unwrap_or("default").to_owned());
            metadata.insert("namespace".to_owned(), namespace.clone().into());
            Some(namespace)
        }
    };
    // Status is the cluster's own to write.
    map.remove("status");
    let path = paths::path(&api_version, &kind, namespace.as_deref(), &name, known);
    Ok(Object {
        value,
        kind,
        group,
        name,
        namespace,
        path,
    })
}
