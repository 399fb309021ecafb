//! Values of role parameters: as the type that the role declares, from the nearest place that
//! sets them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fault::Fault;
use super::nearest::{list, suggestion};
use super::node::{Content, Document, Natural, Node};
use super::scalar::scalar_as;
use super::shape_words::found;
use super::site::{Parameter, ParameterKind};
use super::words::snake;

/// The parameters that roles declare, by snake case name; several roles may declare one name.
pub(super) type Declared<'a> = BTreeMap<String, Vec<(&'a str, &'a Parameter)>>;

/// The values of a `parameters` map. `names` are all that exist, also of faulty roles; `None`
/// when no role is known, so that nothing can be checked.
pub(super) fn values(
    node: &Node,
    document: &Document,
    declared: &Declared<'_>,
    names: Option<&[String]>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (key, value) in node.pairs() {
        let name = snake(&key.name);
        if let Some(names) = names
            && !names.contains(&name)
        {
            faults.push(
                Fault::new(
                    document.spot(key.mark),
                    format!("no role has a parameter `{}`", key.name),
                )
                .help(suggestion(
                    &name,
                    "parameters",
                    names
                        .iter()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                        .iter()
                        .copied(),
                )),
            );
            continue;
        }
        let value = match declared.get(&name).and_then(|roles| roles.first()) {
            Some((_, parameter)) => fits_kind(value, parameter, &key.name, document, faults),
            None => Some(value.natural()),
        };
        if let Some(value) = value {
            values.insert(name, value);
        }
    }
    values
}

/// The value as the parameter's type, and one of its choices.
pub(super) fn fits_kind(
    node: &Node,
    parameter: &Parameter,
    name: &str,
    document: &Document,
    faults: &mut Vec<Fault>,
) -> Option<Value> {
    let value = converted(node, parameter, name, document, faults)?;
    let template = node.text().is_some_and(|text| text.contains("{{"));
    if parameter.choices.is_empty() || template || parameter.choices.contains(&value) {
        return Some(value);
    }
    let words: Vec<String> = parameter
        .choices
        .iter()
        .map(|choice| match choice {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .collect();
    let mut fault = Fault::new(
        document.spot(node.mark),
        format!("{} is no choice for `{name}`", found(node)),
    );
    if let Some(near) = node
        .text()
        .and_then(|text| super::nearest::nearest(text, words.iter().map(String::as_str)))
    {
        fault = fault.help(format!("did you mean `{near}`?"));
    }
    faults.push(fault.help(list("choices", words.iter().map(String::as_str))));
    None
}

/// The value as the parameter's type.
pub(super) fn converted(
    node: &Node,
    parameter: &Parameter,
    name: &str,
    document: &Document,
    faults: &mut Vec<Fault>,
) -> Option<Value> {
    let template = node.text().is_some_and(|text| text.contains("{{"));
    let wanted = match parameter.kind {
        ParameterKind::Any => return Some(node.natural()),
        _ if template => return Some(node.natural()),
        ParameterKind::String => "string",
        ParameterKind::Integer => "integer",
        ParameterKind::Number => "number",
        ParameterKind::Boolean => "boolean",
        ParameterKind::List => "array",
        ParameterKind::Map => "object",
    };
    let value = match &node.content {
        Content::Scalar(scalar) if scalar.natural == Natural::Null => None,
        Content::Scalar(scalar) => scalar_as(scalar, wanted),
        Content::List(_) => (wanted == "array").then(|| node.natural()),
        Content::Map(_) => (wanted == "object").then(|| node.natural()),
    };
    if value.is_none() {
        let belongs = match parameter.kind {
            ParameterKind::String => "a text",
            ParameterKind::Integer => "a whole number",
            ParameterKind::Number => "a number",
            ParameterKind::Boolean => "`true` or `false`",
            ParameterKind::List => "a list",
            _ => "a map",
        };
        let mut fault = Fault::new(
            document.spot(node.mark),
            format!("`{name}` is {belongs}, and {} stands here", found(node)),
        );
        if let Some(summary) = &parameter.summary {
            fault = fault.help(format!("`{name}`: {summary}"));
        }
        faults.push(fault);
    }
    value
}
