//! How messages name what was found and what belongs there.

use serde_json::Value;

use super::node::{Content, Natural, Node};

/// `the text `abc``, `the number 5`, `a list`, `nothing`.
pub(super) fn found(node: &Node) -> String {
    match &node.content {
        Content::List(_) => "a list".to_owned(),
        Content::Map(_) => "a map".to_owned(),
        Content::Scalar(scalar) => match scalar.natural {
            Natural::Null => "nothing".to_owned(),
            Natural::Boolean(value) => format!("`{value}`"),
            Natural::Number(_) => format!("the number {}", scalar.text),
            Natural::String => format!("the text `{}`", short(&scalar.text)),
        },
    }
}

/// The first line of a text, cut where it is long.
pub(super) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(40).collect();
    if cut.len() < text.trim_end().len() {
        format!("{cut}…")
    } else {
        cut
    }
}

/// What a schema wants, as people say it.
pub(super) fn belongs<'schema>(
    schema: &'schema Value,
    resolve: &dyn Fn(&'schema Value) -> &'schema Value,
) -> String {
    let schema = resolve(schema);
    match schema.get("type") {
        Some(Value::String(name)) => match name.as_str() {
            "array" => match schema.get("items") {
                Some(items) => {
                    let one = belongs(items, resolve);
                    match one.strip_prefix("a ") {
                        Some(word) if !word.contains(' ') => format!("a list of {word}s"),
                        _ => "a list".to_owned(),
                    }
                }
                None => "a list".to_owned(),
            },
            other => word(other).to_owned(),
        },
        Some(Value::Array(names)) => {
            let words: Vec<&str> = names
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| *name != "null")
                .map(word)
                .collect();
            words.join(" or ")
        }
        _ => match schema.get("anyOf").or_else(|| schema.get("oneOf")) {
            Some(Value::Array(alternatives)) => {
                let mut words: Vec<String> = alternatives
                    .iter()
                    .map(|alternative| belongs(alternative, resolve))
                    .filter(|words| words != "nothing")
                    .collect();
                words.dedup();
                words.join(" or ")
            }
            _ if schema.get("enum").is_some() || schema.get("const").is_some() => {
                "a word".to_owned()
            }
            _ => "a value".to_owned(),
        },
    }
}

fn word(name: &str) -> &'static str {
    match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "object" => "a map",
        "array" => "a list",
        "null" => "nothing",
        _ => "a value",
    }
}

/// The first line of a schema's description, without its full stop.
pub(super) fn describe(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?;
    let text = text.split("\n\n").next()?.replace('\n', " ");
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    let first = letters.next()?;
    let acronym = text
        .chars()
        .nth(1)
        .is_some_and(|second| !second.is_lowercase());
    match acronym {
        true => Some(text.to_owned()),
        false => Some(first.to_lowercase().chain(letters).collect()),
    }
}

/// A worked example that the schema shows.
pub(super) fn example(schema: &Value) -> Option<String> {
    match schema.get("examples")?.get(0)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
