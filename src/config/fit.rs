//! Rendered parameters in the types that a kind of task wants: an expression yields its own
//! type, and a number may stand where a text belongs.

use std::sync::Arc;

use serde_json::Value;

use super::node::{Content, Document, Key, Mark, Natural, Node, Scalar};
use super::scope::RenderFault;
use super::shape;
use super::source::{Place, Source};

/// The value as the schema at `schema` of `root` wants it; the first thing that is wrong.
pub(super) fn fit(value: &Value, root: &Value, schema: &Value) -> Result<Value, RenderFault> {
    let mut pointers = Vec::new();
    let node = node(value, "", &mut pointers);
    let document = Document {
        source: Source {
            place: Arc::new(Place::Embedded(String::new())),
            text: "".into(),
        },
        root: node,
    };
    let mut faults = Vec::new();
    let read = shape::read_part(&document, root, schema, &mut faults);
    match (faults.into_iter().next(), read) {
        (None, Some(value)) => Ok(value),
        (fault, _) => Err(match fault {
            Some(fault) => RenderFault {
                message: fault.message,
                pointer: pointers.get(fault.spot.line).cloned().unwrap_or_default(),
                file: None,
                line: None,
                needs_facts: false,
                help: fault.help.into_iter().next(),
            },
            None => RenderFault {
                message: "the parameters have the wrong form".to_owned(),
                pointer: String::new(),
                file: None,
                line: None,
                needs_facts: false,
                help: None,
            },
        }),
    }
}

/// The value as a tree whose marks count its parts, so that a fault's place names a pointer.
fn node(value: &Value, pointer: &str, pointers: &mut Vec<String>) -> Node {
    let mark = Mark {
        line: u32::try_from(pointers.len()).unwrap_or(u32::MAX),
        ..Mark::default()
    };
    pointers.push(pointer.to_owned());
    let scalar = |natural, text: String| Content::Scalar(Scalar { text, natural });
    let content = match value {
        Value::Null => scalar(Natural::Null, String::new()),
        Value::Bool(value) => scalar(Natural::Boolean(*value), value.to_string()),
        Value::Number(number) => scalar(Natural::Number(number.clone()), number.to_string()),
        Value::String(text) => scalar(Natural::String, text.clone()),
        Value::Array(items) => Content::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| node(item, &format!("{pointer}/{index}"), pointers))
                .collect(),
        ),
        Value::Object(fields) => Content::Map(
            fields
                .iter()
                .map(|(name, value)| {
                    let step = name.replace('~', "~0").replace('/', "~1");
                    let inner = node(value, &format!("{pointer}/{step}"), pointers);
                    let key = Key {
                        mark: inner.mark,
                        name: name.clone(),
                    };
                    (key, inner)
                })
                .collect(),
        ),
    };
    Node { mark, content }
}
