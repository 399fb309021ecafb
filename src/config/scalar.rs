//! Which types a scalar can be, and small questions to a schema.

use serde_json::Value;

use super::node::{Content, Natural, Node, Scalar};

/// The scalar as a value of the type, where it is one.
pub(super) fn scalar_as(scalar: &Scalar, name: &str) -> Option<Value> {
    match (name, &scalar.natural) {
        ("null", Natural::Null) => Some(Value::Null),
        (_, Natural::Null) => None,
        ("string", _) => Some(Value::String(scalar.text.clone())),
        ("integer", Natural::Number(number)) if !number.is_f64() => Some(scalar.value()),
        ("number", Natural::Number(_)) => Some(scalar.value()),
        ("boolean", Natural::Boolean(value)) => Some(Value::Bool(*value)),
        // The words that YAML 1.1 and people use.
        ("boolean", Natural::String) => match scalar.text.as_str() {
            "on" | "yes" => Some(Value::Bool(true)),
            "off" | "no" => Some(Value::Bool(false)),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn fits(node: &Node, name: &str) -> bool {
    match &node.content {
        Content::Map(_) => name == "object",
        Content::List(_) => name == "array",
        Content::Scalar(scalar) => scalar_as(scalar, name).is_some(),
    }
}

pub(super) fn is_template(node: &Node) -> bool {
    node.text()
        .is_some_and(|text| text.contains("{{") || text.contains("{%"))
}

pub(super) fn is_required(schema: &Value, key: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|keys| keys.iter().any(|name| name == key))
}

/// The keys of which exactly one has to be there.
pub(super) fn one_of(schema: &Value) -> Vec<&str> {
    let alternatives = schema.get("oneOf").and_then(Value::as_array);
    alternatives
        .into_iter()
        .flatten()
        .filter_map(|alternative| alternative.get("required")?.get(0)?.as_str())
        .collect()
}
