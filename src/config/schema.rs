//! JSON Schema of the three kinds of files: the one description that the files are checked
//! against, that editors use, and that messages quote.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::file_inventory::InventoryFile;
use super::file_profile::ProfileFile;
use super::file_role::RoleFile;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    Inventory,
    Profile,
    Role,
}

impl FileKind {
    /// `inventory`, `profile`, `role`.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::Inventory => "inventory",
            FileKind::Profile => "profile",
            FileKind::Role => "role",
        }
    }
}

/// A kind of task as the resource room knows it.
#[derive(Debug, Clone, Copy)]
pub struct KindShape {
    /// The key in a role's task.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The task's YAML below its key.
    pub example: &'static str,
    /// The parameters' schema.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// The JSON Schema (draft 2020-12) of a kind of file, for editors. Where a role's task may hold
/// a template, a text with `{{` is allowed beside the parameter's own type.
pub fn schema(kind: FileKind, kinds: &[KindShape]) -> Value {
    let mut schema = exact(kind, kinds);
    if kind == FileKind::Role {
        allow_templates(&mut schema, kinds);
    }
    schema
}

/// The schema that files are checked against: template texts are the reader's business.
pub(super) fn exact(kind: FileKind, kinds: &[KindShape]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let (root, title) = match kind {
        FileKind::Inventory => (generator.subschema_for::<InventoryFile>(), "inventory"),
        FileKind::Profile => (generator.subschema_for::<ProfileFile>(), "profile"),
        FileKind::Role => (generator.subschema_for::<RoleFile>(), "role"),
    };
    let mut schemas = Map::new();
    if kind == FileKind::Role {
        for shape in kinds {
            let mut schema = (shape.schema)(&mut generator).to_value();
            if let Some(fields) = schema.as_object_mut() {
                fields.insert("description".to_owned(), json!(shape.summary));
                fields.insert("examples".to_owned(), json!([shape.example]));
                fields.insert("x-templates".to_owned(), json!(true));
            }
            schemas.insert(shape.name.to_owned(), schema);
        }
    }
    let mut definitions = generator.take_definitions(true);
    if let Some(Value::Object(task)) = definitions.get_mut("TaskFile") {
        let one: Vec<Value> = schemas
            .keys()
            .map(|name| json!({"required": [name]}))
            .collect();
        task.insert("oneOf".to_owned(), Value::Array(one));
        if let Some(Value::Object(properties)) = task.get_mut("properties") {
            properties.extend(schemas);
        }
    }
    let mut document = Map::new();
    document.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    document.insert("title".to_owned(), json!(format!("ra-deploy {title}")));
    document.extend(root.to_value().as_object().cloned().unwrap_or_default());
    document.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(document)
}

fn allow_templates(schema: &mut Value, kinds: &[KindShape]) {
    let pointer = |kind: &KindShape| format!("/$defs/TaskFile/properties/{}", kind.name);
    let mut waiting: Vec<String> = Vec::new();
    for kind in kinds {
        if let Some(parameters) = schema.pointer_mut(&pointer(kind)) {
            references(parameters, &mut waiting);
        }
    }
    let mut done: Vec<String> = Vec::new();
    while let Some(name) = waiting.pop() {
        if done.contains(&name) {
            continue;
        }
        if let Some(definition) = schema.pointer_mut(&format!("/$defs/{name}")) {
            references(definition, &mut waiting);
            if let Some(Value::Object(properties)) = definition.get_mut("properties") {
                properties.values_mut().for_each(allow_template);
            }
        }
        done.push(name);
    }
}

fn allow_template(schema: &mut Value) {
    if schema.get("type") == Some(&json!("string")) && schema.get("enum").is_none() {
        return;
    }
    if let Some(fields) = schema.as_object_mut() {
        let description = fields.remove("description");
        let own = Value::Object(std::mem::take(fields));
        if let Some(description) = description {
            fields.insert("description".to_owned(), description);
        }
        let template = json!({"type": "string", "pattern": r"\{[{%]"});
        fields.insert("anyOf".to_owned(), json!([own, template]));
    }
}

/// Names of the definitions that a schema refers to.
fn references(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                names.push(name.to_owned());
            }
            fields.values().for_each(|value| references(value, names));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, names)),
        _ => {}
    }
}
