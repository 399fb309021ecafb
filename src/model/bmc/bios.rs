//! What a BIOS attribute registry says of attributes that hang on others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of `Dependencies`: while the terms hold, a property of an attribute has a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BiosDependency {
    pub attribute: String,
    pub property: DependentProperty,
    pub value: Value,
    pub terms: Vec<BiosTerm>,
}

/// What of an attribute a dependency changes. Others, such as display names, are of no concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DependentProperty {
    ReadOnly,
    Hidden,
    CurrentValue,
    LowerBound,
    UpperBound,
}

/// A condition on the value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BiosTerm {
    pub attribute: String,
    pub condition: Condition,
    pub value: Value,
    /// How it goes together with the terms before it.
    pub joined: Joined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// Dell names none where it lists several values of one attribute, and means any of them
/// (captured tree).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Joined {
    And,
    Or,
}

impl BiosDependency {
    /// Whether the terms hold for these values, taken in order; none where one of them asks for an
    /// attribute that has no value.
    pub fn holds(&self, values: &BTreeMap<String, Value>) -> Option<bool> {
        let mut whole: Option<bool> = None;
        for term in &self.terms {
            let here = term.holds(values.get(&term.attribute)?);
            whole = Some(match (whole, term.joined) {
                (None, _) => here,
                (Some(before), Joined::And) => before && here,
                (Some(before), Joined::Or) => before || here,
            });
        }
        whole
    }

    /// `SysProfile is not Custom`.
    pub fn because(&self) -> String {
        let mut words = String::new();
        for term in &self.terms {
            if !words.is_empty() {
                words.push_str(match term.joined {
                    Joined::And => " and ",
                    Joined::Or => " or ",
                });
            }
            let how = match term.condition {
                Condition::Equal => "is",
                Condition::NotEqual => "is not",
                Condition::Greater => "is above",
                Condition::GreaterOrEqual => "is at least",
                Condition::Less => "is below",
                Condition::LessOrEqual => "is at most",
            };
            let value = super::intents::spelt(&term.value);
            words.push_str(&format!("{} {how} {value}", term.attribute));
        }
        words
    }
}

impl BiosTerm {
    pub fn holds(&self, found: &Value) -> bool {
        let equal = alike(found, &self.value);
        let ordered = |wanted: fn(f64, f64) -> bool| {
            let numbers = number(found).zip(number(&self.value));
            numbers.is_some_and(|(found, bound)| wanted(found, bound))
        };
        match self.condition {
            Condition::Equal => equal,
            Condition::NotEqual => !equal,
            Condition::Greater => ordered(|found, bound| found > bound),
            Condition::GreaterOrEqual => ordered(|found, bound| found >= bound),
            Condition::Less => ordered(|found, bound| found < bound),
            Condition::LessOrEqual => ordered(|found, bound| found <= bound),
        }
    }
}

/// Equal as people mean it: `1` and `1.0`, and a number or boolean written as the text that an
/// enumeration has for it.
pub fn alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        _ => super::intents::spelt(left) == super::intents::spelt(right),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}
