//! Attributes of the BIOS that hang on others: what a change makes read-only, and what a boot sets
//! along with it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// One entry of a registry's `Dependencies`.
#[derive(Debug, Clone)]
pub struct Dependency {
    pub attribute: String,
    pub property: String,
    pub value: Value,
    terms: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Term {
    attribute: String,
    negated: bool,
    value: Value,
    joined_by_and: bool,
}

impl Dependency {
    /// None for one that compares other things than equality of values.
    pub fn read(entry: &Value) -> Option<Self> {
        let inner = entry.get("Dependency")?;
        let terms = inner["MapFrom"]
            .as_array()?
            .iter()
            .map(|term| {
                Some(Term {
                    attribute: term["MapFromAttribute"].as_str()?.to_owned(),
                    negated: match term["MapFromCondition"].as_str()? {
                        "EQU" => false,
                        "NEQ" => true,
                        _ => return None,
                    },
                    value: term["MapFromValue"].clone(),
                    joined_by_and: term["MapTerms"] == "AND",
                })
            })
            .collect::<Option<Vec<Term>>>()?;
        Some(Self {
            attribute: inner["MapToAttribute"].as_str()?.to_owned(),
            property: inner["MapToProperty"].as_str()?.to_owned(),
            value: inner["MapToValue"].clone(),
            terms,
        })
    }

    pub fn holds(&self, values: &BTreeMap<String, Value>) -> bool {
        let mut whole = None;
        for term in &self.terms {
            let here = (values.get(&term.attribute) == Some(&term.value)) != term.negated;
            whole = Some(match whole {
                None => here,
                Some(before) if term.joined_by_and => before && here,
                Some(before) => before || here,
            });
        }
        whole == Some(true)
    }

    /// Whether one of these attributes is among its terms.
    pub fn hangs_on(&self, names: &BTreeSet<&String>) -> bool {
        self.terms
            .iter()
            .any(|term| names.contains(&term.attribute))
    }
}
