//! Scalars against a schema: choices and bounds.

use serde_json::Value;

use super::fault::Fault;
use super::nearest::list;
use super::node::Node;
use super::shape::Reader;
use super::shape_words::found;

impl Reader<'_> {
    pub(super) fn choose(&mut self, node: &Node, choices: &[&Value]) -> Option<Value> {
        let text = node.text();
        let same = |choice: &&Value| match choice {
            Value::String(word) => text == Some(word),
            other => node.natural() == **other,
        };
        if let Some(choice) = choices.iter().copied().find(|choice| same(choice)) {
            return Some(choice.clone());
        }
        let words: Vec<String> = choices
            .iter()
            .filter(|choice| !choice.is_null())
            .map(|choice| match choice {
                Value::String(word) => word.clone(),
                other => other.to_string(),
            })
            .collect();
        let names = || words.iter().map(String::as_str);
        let fault = Fault::new(
            self.document.spot(node.mark),
            format!("{} is not one of the choices here", found(node)),
        );
        let near = text.and_then(|text| super::nearest::nearest(text, names()));
        let fault = match near {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault,
        };
        self.faults.push(fault.help(list("choices", names())));
        None
    }

    pub(super) fn bounded(&mut self, node: &Node, value: Value, schema: &Value) -> Option<Value> {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let number = value.as_f64();
        let low = number
            .zip(bound("minimum"))
            .is_some_and(|(value, low)| value < low);
        let high = number
            .zip(bound("maximum"))
            .is_some_and(|(value, high)| value > high);
        if low || high {
            let range = match (schema.get("minimum"), schema.get("maximum")) {
                (Some(low), Some(high)) => format!("from {low} to {high}"),
                (Some(low), None) => format!("{low} or more"),
                (_, high) => format!("{} or less", high.unwrap_or(&Value::Null)),
            };
            self.faults.push(
                Fault::new(
                    self.document.spot(node.mark),
                    format!("{} is out of bounds", found(node)),
                )
                .help(format!("allowed here: {range}")),
            );
            return None;
        }
        Some(value)
    }
}
