//! BIOS attributes through the BMC. A value counts as applied when it is in force, not when it
//! is accepted: until the next boot the task awaits that boot.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::words::nearest;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{BiosAttribute, BiosRegistry, BiosState};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// BIOS attributes by the names of the BMC's attribute registry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Attribute to value: `SriovGlobalEnable: Enabled`.
    attributes: BTreeMap<String, Value>,
}

#[derive(Debug)]
pub struct Bios {
    attributes: BTreeMap<String, Value>,
}

impl Kind for Bios {
    const NAME: &'static str = "bios";
    const SUMMARY: &'static str = "BIOS attributes, in force after the next boot";
    const EXAMPLE: &'static str =
        "{attributes: {SriovGlobalEnable: Enabled, ProcVirtualization: Enabled}}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        if parameters.attributes.is_empty() {
            return Err(Fault::at("/attributes", "no attribute is named"));
        }
        for (name, value) in &parameters.attributes {
            if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                return Err(Fault::at(
                    &format!("/attributes/{name}"),
                    format!("`{name}` needs a string, a number or a boolean"),
                ));
            }
        }
        Ok(Self {
            attributes: parameters.attributes,
        })
    }
}

pub(super) fn need_bmc(around: &dyn Surroundings) -> Result<(), Fault> {
    if around.has_bmc() {
        return Ok(());
    }
    Err(Fault::at("", "the inventory names no BMC for this host")
        .hint("give the host a `bmc`, or the task `when: host.bmc`"))
}

/// Equal as people mean it: `1` and `1.0`, and a number or boolean written as the text that an
/// enumeration has for it.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        _ => text(left) == text(right),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Probe for Bios {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::Bios)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: BiosState = answers.bmc_state(&BmcQuery::Bios)?;
        let mut differences = Vec::new();
        let mut stage = BTreeMap::new();
        let mut waiting = false;
        for (name, wish) in &self.attributes {
            let current = state.current.get(name);
            let pending = state.pending.get(name);
            let in_force = current.is_some_and(|value| same(value, wish));
            match pending {
                None if in_force => continue,
                // A job may hold attributes that the pending area does not show.
                Some(value) if same(value, wish) => waiting = true,
                _ => {
                    stage.insert(name.clone(), wish.clone());
                }
            }
            let shown = match pending {
                Some(value) if !same(value, wish) => Some(format!(
                    "{} (pending {})",
                    current.map(text).unwrap_or_default(),
                    text(value)
                )),
                _ => current.map(text),
            };
            differences.push(Difference::value(name, shown, text(wish)));
        }
        if stage.is_empty() {
            if !waiting {
                return Ok(Change::settled());
            }
            differences.push(Difference::Note(
                "accepted; takes effect at the next boot".to_owned(),
            ));
            return Ok(Change::awaits_boot(differences));
        }
        let registry: BiosRegistry = answers.bmc_state(&BmcQuery::BiosRegistry)?;
        let attributes = checked(&stage, &registry, &state)?;
        differences.push(Difference::Note("takes effect at the next boot".to_owned()));
        Ok(Change::at_boot(
            differences,
            vec![Action::Bmc(BmcAct::StageBios { attributes })],
        ))
    }
}

/// The values as the registry types them; all that is wrong with them otherwise.
fn checked(
    stage: &BTreeMap<String, Value>,
    registry: &BiosRegistry,
    state: &BiosState,
) -> Result<BTreeMap<String, Value>, Unread> {
    let mut attributes = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, wish) in stage {
        let checked = match registry.attributes.get(name) {
            Some(attribute) => fitting(name, wish, attribute),
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
        };
        match checked {
            Ok(value) => {
                attributes.insert(name.clone(), value);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Ok(attributes)
    } else {
        Err(Unread::Unreadable(faults.join("; ")))
    }
}

/// The wish in the type of the attribute, or why it does not fit.
fn fitting(name: &str, wish: &Value, attribute: &BiosAttribute) -> Result<Value, String> {
    if attribute.read_only {
        return Err(format!("{name} is read-only on this BIOS"));
    }
    let said = text(wish);
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
            let below = attribute
                .lower_bound
                .is_some_and(|bound| (number as f64) < bound);
            let above = attribute
                .upper_bound
                .is_some_and(|bound| number as f64 > bound);
            if below || above {
                let bound =
                    |bound: Option<f64>| bound.map_or("…".to_owned(), |bound| bound.to_string());
                return Err(format!(
                    "{name} cannot be {number}: it lies between {} and {}",
                    bound(attribute.lower_bound),
                    bound(attribute.upper_bound)
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
        (Value::String(_), other) => Ok(Value::String(text(other))),
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

impl Resource for Bios {
    fn title(&self) -> String {
        let names: Vec<&str> = self.attributes.keys().map(String::as_str).collect();
        format!("bios {}", super::words::listed(&names))
    }
}
