//! Whether values fit the attributes of this BIOS: by its registry, else by what it shows.

use serde_json::Value;

use crate::model::bmc::intents::spelt;
use crate::model::bmc::{BiosAttribute, BiosRegistry, BiosState};
use crate::resource::words::nearest;

/// The value as the BIOS types it, or why it cannot be. Whether it may be written is another
/// question.
pub(super) fn value(
    name: &str,
    wish: &Value,
    registry: &BiosRegistry,
    state: &BiosState,
    bounds: &Bounds,
) -> Result<Value, String> {
    match registry.attributes.get(name) {
        Some(attribute) => fitting(name, wish, attribute, bounds),
        // Without a registry, or where it has holes, an attribute that the BIOS shows is one.
        None => match state.current.get(name) {
            Some(current) => typed_as(name, wish, current),
            None => {
                let known = registry.attributes.keys().chain(state.current.keys());
                let near = nearest(name, known.map(String::as_str))
                    .map(|near| format!(" (did you mean {near}?)"))
                    .unwrap_or_default();
                Err(format!("this BIOS has no attribute {name}{near}"))
            }
        },
    }
}

/// Bounds that a dependency puts in place of the registry's.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    pub lower: Option<f64>,
    pub upper: Option<f64>,
}

/// The wish in the type of the attribute, or why it does not fit.
fn fitting(
    name: &str,
    wish: &Value,
    attribute: &BiosAttribute,
    bounds: &Bounds,
) -> Result<Value, String> {
    let said = spelt(wish);
    match attribute.kind.as_deref() {
        Some("Enumeration") => {
            if attribute.allowed.is_empty() || attribute.allowed.contains(&said) {
                return Ok(Value::String(said));
            }
            let near = nearest(&said, attribute.allowed.iter().map(String::as_str))
                .map(|near| format!(" (did you mean {near}?)"))
                .unwrap_or_default();
            Err(format!(
                "{name} cannot be {said}{near}: it takes {}",
                attribute.allowed.join(", ")
            ))
        }
        Some("Integer") => {
            let number: i64 = said
                .parse()
                .map_err(|_| format!("{name} is a whole number, not {said}"))?;
            let lower = bounds.lower.or(attribute.lower_bound);
            let upper = bounds.upper.or(attribute.upper_bound);
            let below = lower.is_some_and(|bound| (number as f64) < bound);
            let above = upper.is_some_and(|bound| number as f64 > bound);
            if below || above {
                let bound =
                    |bound: Option<f64>| bound.map_or("…".to_owned(), |bound| bound.to_string());
                return Err(format!(
                    "{name} cannot be {number}: it lies between {} and {}",
                    bound(lower),
                    bound(upper)
                ));
            }
            Ok(number.into())
        }
        Some("Boolean") => match said.as_str() {
            "true" | "false" => Ok(Value::Bool(said == "true")),
            _ => Err(format!("{name} is true or false, not {said}")),
        },
        Some("String" | "Password") => {
            let length = said.chars().count() as u64;
            let short = attribute.min_length.is_some_and(|least| length < least);
            let long = attribute.max_length.is_some_and(|most| length > most);
            if short || long {
                return Err(format!(
                    "{name} has {length} characters, it takes {} to {}",
                    attribute.min_length.unwrap_or(0),
                    attribute
                        .max_length
                        .map_or("any number".to_owned(), |most| most.to_string())
                ));
            }
            Ok(Value::String(said))
        }
        _ => Ok(wish.clone()),
    }
}

/// The wish in the type that the current value has.
fn typed_as(name: &str, wish: &Value, current: &Value) -> Result<Value, String> {
    match (current, wish) {
        (Value::String(_), other) => Ok(Value::String(spelt(other))),
        (Value::Number(_), Value::String(said)) => said
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("{name} is a number, not {said}")),
        (Value::Bool(_), Value::String(said)) => said
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| format!("{name} is true or false, not {said}")),
        _ => Ok(wish.clone()),
    }
}
