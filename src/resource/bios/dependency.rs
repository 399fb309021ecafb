//! Attributes that hang on others: what a change as a whole makes read-only, hidden or bounded,
//! and what follows from it by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Unwritable;
use super::check::{self, Bounds};
use crate::model::bmc::bios::alike;
use crate::model::bmc::intents::spelt;
use crate::model::bmc::{BiosDependency, BiosRegistry, BiosState, DependentProperty};

/// What a change comes to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What is sent, all in one request.
    pub send: BTreeMap<String, Value>,
    /// What the BIOS sets by itself, and why.
    pub follows: BTreeMap<String, String>,
    /// What cannot be written and was to be left then.
    pub left: Vec<String>,
}

/// The wishes that are to be staged, checked together with all the others that have to hold after
/// the same boot.
///
/// # Errors
/// All that is wrong with them.
pub(super) fn settle(
    stage: &BTreeMap<String, Value>,
    wishes: &BTreeMap<String, Value>,
    registry: &BiosRegistry,
    state: &BiosState,
    unwritable: Unwritable,
) -> Result<Outcome, Vec<String>> {
    let mut then = state.current.clone();
    then.extend(state.pending.clone());
    then.extend(stage.clone());
    let changing: BTreeSet<&String> = stage.keys().chain(state.pending.keys()).collect();
    let mut outcome = Outcome::default();
    let mut faults = Vec::new();
    for (name, wish) in wishes {
        let staged = stage.contains_key(name);
        let mut unwritten = |outcome: &mut Outcome, fault: String| match unwritable {
            Unwritable::Refuse => faults.push(fault),
            Unwritable::Leave if staged => outcome.left.push(name.clone()),
            Unwritable::Leave => {}
        };
        let known = registry.attributes.contains_key(name) || state.current.contains_key(name);
        if !known && unwritable == Unwritable::Leave {
            outcome.left.push(name.clone());
            continue;
        }
        let outlook = Outlook::of(name, registry, state, &then, &changing);
        let forced = outlook.forced.filter(|row| !row.terms_name(name));
        let as_wished = forced.is_some_and(|row| alike(&row.value, wish));
        match (forced, outlook.read_only) {
            // It comes by itself with what it hangs on.
            (Some(row), ReadOnly::Because(_)) if as_wished && outlook.moved => {
                if staged {
                    outcome.follows.insert(name.clone(), row.because());
                }
                continue;
            }
            (Some(row), ReadOnly::Because(_)) if !as_wished && outlook.moved => {
                let fault = format!(
                    "{name} cannot be {}: it becomes {} because {}",
                    spelt(wish),
                    spelt(&row.value),
                    row.because()
                );
                unwritten(&mut outcome, fault);
                continue;
            }
            _ if !staged => {
                // In force, and about to be changed by what it hangs on.
                if let Some(row) = forced
                    && outlook.moved
                    && !alike(&row.value, wish)
                {
                    outcome.send.insert(name.clone(), wish.clone());
                }
                continue;
            }
            (_, ReadOnly::Because(row)) => {
                let fault = format!(
                    "{name} is read-only while {}: wish {} as well",
                    row.because(),
                    listed(row)
                );
                unwritten(&mut outcome, fault);
                continue;
            }
            (_, ReadOnly::Always) => {
                unwritten(&mut outcome, format!("{name} is read-only on this BIOS"));
                continue;
            }
            (_, ReadOnly::No) => {}
        }
        if let Some(row) = outlook.hidden {
            unwritten(
                &mut outcome,
                format!("{name} disappears while {}", row.because()),
            );
            continue;
        }
        match check::value(name, wish, registry, state, &outlook.bounds) {
            Ok(value) => {
                outcome.send.insert(name.clone(), value);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Ok(outcome)
    } else {
        Err(faults)
    }
}

/// The attributes that a dependency hangs on, each once.
fn listed(row: &BiosDependency) -> String {
    let mut names: Vec<&str> = row.terms.iter().map(|term| &*term.attribute).collect();
    names.dedup();
    names.join(", ")
}

enum ReadOnly<'a> {
    No,
    Always,
    Because(&'a BiosDependency),
}

/// One attribute after the change.
struct Outlook<'a> {
    read_only: ReadOnly<'a>,
    /// What makes it disappear, if it does not hide it already.
    hidden: Option<&'a BiosDependency>,
    /// What sets its value.
    forced: Option<&'a BiosDependency>,
    /// Whether what sets its value is itself about to change.
    moved: bool,
    bounds: Bounds,
}

impl<'a> Outlook<'a> {
    fn of(
        name: &str,
        registry: &'a BiosRegistry,
        state: &BiosState,
        then: &BTreeMap<String, Value>,
        changing: &BTreeSet<&String>,
    ) -> Self {
        let rows = || {
            let rows = registry.dependencies.iter();
            rows.filter(|row| row.attribute == name)
        };
        let base = registry
            .attributes
            .get(name)
            .is_some_and(|attribute| attribute.read_only);
        let reads_only = |row: &&BiosDependency| row.property == DependentProperty::ReadOnly;
        // Registries of running machines show what is read-only now (Dell, captured tree): where a
        // dependency explains it, it is gone once the dependency no longer holds.
        let explained = rows()
            .filter(reads_only)
            .any(|row| truth(&row.value) && row.holds(&state.current) == Some(true));
        let mut outlook = Self {
            read_only: if base && !explained {
                ReadOnly::Always
            } else {
                ReadOnly::No
            },
            hidden: None,
            forced: None,
            moved: false,
            bounds: Bounds::default(),
        };
        for row in rows().filter(|row| row.holds(then) == Some(true)) {
            match row.property {
                DependentProperty::ReadOnly => {
                    outlook.read_only = match truth(&row.value) {
                        true => ReadOnly::Because(row),
                        false => ReadOnly::No,
                    }
                }
                DependentProperty::Hidden => {
                    // What the BMC shows all the same is not taken for hidden.
                    let already = row.holds(&state.current) == Some(true);
                    outlook.hidden = (truth(&row.value) && !already).then_some(row);
                }
                DependentProperty::CurrentValue => {
                    outlook.forced = Some(row);
                    outlook.moved = row
                        .terms
                        .iter()
                        .any(|term| changing.contains(&term.attribute));
                }
                DependentProperty::LowerBound => outlook.bounds.lower = row.value.as_f64(),
                DependentProperty::UpperBound => outlook.bounds.upper = row.value.as_f64(),
            }
        }
        outlook
    }
}

impl BiosDependency {
    fn terms_name(&self, name: &str) -> bool {
        self.terms.iter().any(|term| term.attribute == name)
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::String(word) => word.eq_ignore_ascii_case("true"),
        _ => false,
    }
}
