//! Intents, brought down to the attributes that this machine's BIOS has.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::bmc::intents::{Spelling, intents, spelt};
use crate::model::bmc::{BiosRegistry, BiosState};
use crate::model::{Answers, BmcQuery, Unread};
use crate::resource::Fault;
use crate::resource::words::nearest;

/// An intent with its value, and what it can be written as, the surest first.
#[derive(Debug)]
pub(super) struct Wish {
    pub intent: String,
    pub value: String,
    spellings: Vec<Spelling>,
}

/// What an intent comes to on one machine.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    Attributes(BTreeMap<String, Value>),
    /// An attribute that is wished by its own name takes its place.
    GivesWay {
        attribute: String,
        value: String,
    },
    /// No attribute stands for it: this is what was looked for.
    None(String),
}

impl Wish {
    /// # Errors
    /// An intent or a value that is none, with the nearest right one.
    pub fn new(intent: &str, value: &str, own: Option<&Vec<Spelling>>) -> Result<Self, Fault> {
        let table = &intents().intents;
        let pointer = format!("/intents/{intent}");
        let Some(row) = table.get(intent) else {
            let near = nearest(intent, table.keys().map(String::as_str));
            let names: Vec<&str> = table.keys().map(String::as_str).collect();
            return Err(
                Fault::at(&pointer, format!("there is no intent `{intent}`")).hint(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", names.join(", ")),
                }),
            );
        };
        // YAML reads a bare `on` as a boolean.
        let value = match value {
            "true" => "on",
            "false" => "off",
            other => other,
        };
        if !row.values.iter().any(|one| one == value) {
            let near = nearest(value, row.values.iter().map(String::as_str))
                .map(|near| format!("did you mean `{near}`? "))
                .unwrap_or_default();
            return Err(
                Fault::at(&pointer, format!("`{intent}` cannot be `{value}`"))
                    .hint(format!("{near}it is one of {}", row.values.join(", "))),
            );
        }
        let own = own.into_iter().flatten();
        Ok(Self {
            intent: intent.to_owned(),
            value: value.to_owned(),
            spellings: own.chain(&row.attributes).cloned().collect(),
        })
    }

    /// `sriov on`.
    pub fn shown(&self) -> String {
        format!("{} {}", self.intent, self.value)
    }

    /// What it comes to on this machine. The registry is asked for only where the wish is not met.
    pub fn meaning(
        &self,
        raw: &BTreeMap<String, Value>,
        state: &BiosState,
        answers: &Answers,
    ) -> Result<Meaning, Unread> {
        let mut refused = Vec::new();
        for spelling in &self.spellings {
            let names = spelling.named_in(state.current.keys());
            if names.is_empty() {
                continue;
            }
            if let Some(way) = self.gives_way(spelling, &names, raw) {
                return Ok(way);
            }
            let met = names
                .iter()
                .all(|name| spelling.is_met(&self.value, &state.current[name]));
            if met {
                let kept = names.into_iter().map(|name| {
                    let value = state.current[&name].clone();
                    (name, value)
                });
                return Ok(Meaning::Attributes(kept.collect()));
            }
            let registry: BiosRegistry = answers.bmc_state(&BmcQuery::BiosRegistry)?;
            match self.written(spelling, &names, &registry, state) {
                Ok(attributes) => return Ok(Meaning::Attributes(attributes)),
                Err(reason) => refused.push(reason),
            }
        }
        let registry: BiosRegistry = answers.bmc_state(&BmcQuery::BiosRegistry)?;
        for spelling in &self.spellings {
            // What the BIOS does not show, or shows under a name that says nothing.
            let mut names = spelling.named_in(registry.attributes.keys());
            names.retain(|name| !state.current.contains_key(name));
            names.extend(spelling.displayed_in(&registry));
            if names.is_empty() {
                continue;
            }
            if let Some(way) = self.gives_way(spelling, &names, raw) {
                return Ok(way);
            }
            match self.written(spelling, &names, &registry, state) {
                Ok(attributes) => return Ok(Meaning::Attributes(attributes)),
                Err(reason) => refused.push(reason),
            }
        }
        Ok(Meaning::None(if refused.is_empty() {
            let looked: Vec<String> = self.spellings.iter().map(Spelling::shown).collect();
            format!("looked for {}", looked.join(", "))
        } else {
            refused.join("; ")
        }))
    }

    fn gives_way(
        &self,
        spelling: &Spelling,
        names: &[String],
        raw: &BTreeMap<String, Value>,
    ) -> Option<Meaning> {
        let (attribute, value) = names.iter().find_map(|name| raw.get_key_value(name))?;
        if spelling.is_met(&self.value, value) {
            return Some(Meaning::Attributes(BTreeMap::new()));
        }
        Some(Meaning::GivesWay {
            attribute: attribute.clone(),
            value: spelt(value),
        })
    }

    /// The values as this BIOS spells them, or why it has none.
    fn written(
        &self,
        spelling: &Spelling,
        names: &[String],
        registry: &BiosRegistry,
        state: &BiosState,
    ) -> Result<BTreeMap<String, Value>, String> {
        let mut attributes = BTreeMap::new();
        for name in names {
            let attribute = registry.attributes.get(name);
            let current = state.current.get(name);
            if let Some(current) = current
                && spelling.is_met(&self.value, current)
            {
                attributes.insert(name.clone(), current.clone());
                continue;
            }
            // One that hangs on others is judged together with them.
            let hangs = registry
                .dependencies
                .iter()
                .any(|row| row.attribute == *name);
            if attribute.is_some_and(|attribute| attribute.read_only) && !hangs {
                return Err(format!("{name} is read-only"));
            }
            let Some(value) = spelling.value(&self.value, attribute, current) else {
                let allowed = attribute.map(|one| one.allowed.join(", "));
                return Err(format!("{name} takes only {}", allowed.unwrap_or_default()));
            };
            attributes.insert(name.clone(), value);
        }
        Ok(attributes)
    }
}
