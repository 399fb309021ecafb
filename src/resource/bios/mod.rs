//! BIOS attributes through the BMC: by intents that mean the same on every vendor's machine, or by
//! their own names. A value counts as applied when it is in force, not when it is accepted: until
//! the next boot the task awaits that boot.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use self::intent::{Meaning, Wish};
use super::words::Scalar;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::bios::alike as same;
use crate::model::bmc::intents::{Spelling, spelt as text};
use crate::model::bmc::{BiosRegistry, BiosState, SecureBootState, SecureBootWish};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Unread};
use crate::probe::Probe;

mod check;
mod dependency;
mod intent;

/// BIOS settings, by what they mean or by the names of the BMC's attribute registry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Intent to value: `sriov: on`. `smt`, `virtualisation`, `sriov`, `iommu`, `tpm`,
    /// `secure-boot`, `c-states`, `turbo` (`on`, `off`), `numa-per-socket` (1, 2, 4),
    /// `power-profile` (performance, balanced, efficiency, custom), `boot-mode` (uefi, legacy).
    #[serde(default)]
    intents: BTreeMap<String, Scalar>,
    /// Attribute to value: `SriovGlobalEnable: Enabled`. They win over intents.
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
    /// Further attributes that stand for an intent, tried before those that are known:
    /// `sriov: [{name: XyzSriov, means: {on: [Yes], off: [No]}}]`.
    #[serde(default)]
    spellings: BTreeMap<String, Vec<Spelling>>,
    /// What is done about an attribute that this BIOS lacks or does not let be written.
    #[serde(default)]
    unwritable: Unwritable,
}

/// What is done about an attribute that cannot be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Unwritable {
    /// The plan fails and names it.
    #[default]
    Refuse,
    /// It is left as it is.
    Leave,
}

#[derive(Debug)]
pub struct Bios {
    intents: Vec<Wish>,
    attributes: BTreeMap<String, Value>,
    unwritable: Unwritable,
}

impl Kind for Bios {
    const NAME: &'static str = "bios";
    const SUMMARY: &'static str = "BIOS settings, in force after the next boot";
    const EXAMPLE: &'static str =
        "{intents: {sriov: on, smt: on}, attributes: {ProcVirtualization: Enabled}}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        if parameters.attributes.is_empty() && parameters.intents.is_empty() {
            return Err(Fault::at("", "neither an intent nor an attribute is named")
                .hint("`intents: {sriov: on}`, or `attributes` as the vendor names them"));
        }
        for (name, value) in &parameters.attributes {
            if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                return Err(Fault::at(
                    &format!("/attributes/{name}"),
                    format!("`{name}` needs a string, a number or a boolean"),
                ));
            }
        }
        let intents = parameters
            .intents
            .iter()
            .map(|(name, value)| Wish::new(name, &value.0, parameters.spellings.get(name)))
            .collect::<Result<_, Fault>>()?;
        Ok(Self {
            intents,
            attributes: parameters.attributes,
            unwritable: parameters.unwritable,
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

/// The wishes as this machine's attributes.
#[derive(Debug, Default)]
struct Wishes {
    attributes: BTreeMap<String, Value>,
    /// What is told beside the differences.
    notes: Vec<String>,
    /// Secure boot, where no attribute switches it.
    secure_boot: Option<bool>,
}

impl Bios {
    fn wishes(&self, state: &BiosState, answers: &Answers) -> Result<Wishes, Unread> {
        let mut wishes = Wishes {
            attributes: self.attributes.clone(),
            ..Wishes::default()
        };
        let mut owners: BTreeMap<String, &Wish> = BTreeMap::new();
        let mut faults = Vec::new();
        for wish in &self.intents {
            match wish.meaning(&self.attributes, state, answers)? {
                Meaning::Attributes(attributes) => {
                    for (name, value) in attributes {
                        let other = owners.insert(name.clone(), wish);
                        match (other, wishes.attributes.insert(name.clone(), value.clone())) {
                            (Some(other), Some(before)) if !same(&before, &value) => {
                                faults.push(format!(
                                    "{} and {} both stand on {name}, as {} and as {}",
                                    other.shown(),
                                    wish.shown(),
                                    text(&before),
                                    text(&value)
                                ));
                            }
                            _ => {}
                        }
                    }
                }
                Meaning::GivesWay { attribute, value } => wishes.notes.push(format!(
                    "{} gives way to the attribute {attribute}: {value}",
                    wish.shown()
                )),
                Meaning::None(reason) if wish.intent == "secure-boot" => {
                    match answers.bmc_state::<SecureBootState>(&BmcQuery::SecureBoot) {
                        Ok(_) => wishes.secure_boot = Some(wish.value == "on"),
                        Err(Unread::Wants(queries)) => return Err(Unread::Wants(queries)),
                        Err(Unread::Unreadable(why)) => faults.push(format!(
                            "{} cannot be had here: {reason}; {why}",
                            wish.shown()
                        )),
                    }
                }
                Meaning::None(reason) => faults.push(format!(
                    "this BIOS offers nothing for {}: {reason}; wish the attribute itself under `attributes`, or leave the intent out for this machine",
                    wish.shown()
                )),
            }
        }
        if faults.is_empty() {
            Ok(wishes)
        } else {
            Err(Unread::Unreadable(faults.join("; ")))
        }
    }
}

impl Probe for Bios {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::Bios)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: BiosState = answers.bmc_state(&BmcQuery::Bios)?;
        let wishes = self.wishes(&state, answers)?;
        let mut stage = BTreeMap::new();
        let mut waits = Vec::new();
        for (name, wish) in &wishes.attributes {
            let current = state.current.get(name);
            match state.pending.get(name) {
                None if current.is_some_and(|value| same(value, wish)) => {}
                // A job may hold attributes that the pending area does not show.
                Some(value) if same(value, wish) => waits.push(name),
                _ => {
                    stage.insert(name.clone(), wish.clone());
                }
            }
        }
        let mut outcome = dependency::Outcome::default();
        if !stage.is_empty() {
            let registry: BiosRegistry = answers.bmc_state(&BmcQuery::BiosRegistry)?;
            let all = &wishes.attributes;
            outcome = dependency::settle(&stage, all, &registry, &state, self.unwritable)
                .map_err(|faults| Unread::Unreadable(faults.join("; ")))?;
        }
        let mut waiting = !waits.is_empty() || !outcome.follows.is_empty();
        let mut differences: Vec<Difference> = wishes
            .attributes
            .iter()
            .filter(|(name, _)| {
                waits.contains(name) || (stage.contains_key(*name) && !outcome.left.contains(*name))
            })
            .map(|(name, wish)| difference(name, wish, &state))
            .collect();
        for (name, why) in &outcome.follows {
            differences.push(Difference::Note(format!("{name} follows, as {why}")));
        }
        for (name, wish) in &outcome.send {
            if !stage.contains_key(name) {
                differences.push(Difference::Note(format!(
                    "{name} is kept at {}, which would change with the others",
                    text(wish)
                )));
            }
        }
        let mut actions = Vec::new();
        if !outcome.send.is_empty() {
            actions.push(Action::Bmc(BmcAct::StageBios {
                attributes: outcome.send,
            }));
        }
        if let Some(wish) = wishes.secure_boot {
            let state: SecureBootState = answers.bmc_state(&BmcQuery::SecureBoot)?;
            let mut rows = super::secure_boot::differences(Some(wish), &state);
            if state.enabled != Some(wish) {
                actions.push(Action::Bmc(BmcAct::SetSecureBoot(SecureBootWish {
                    enabled: Some(wish),
                    keys: None,
                })));
            } else if !rows.is_empty() {
                waiting = true;
            }
            differences.append(&mut rows);
        }
        if actions.is_empty() && !waiting {
            return Ok(Change::settled());
        }
        differences.extend(wishes.notes.into_iter().map(Difference::Note));
        if !outcome.left.is_empty() {
            differences.push(Difference::Note(format!(
                "cannot be written here, and left as they are: {}",
                outcome.left.join(", ")
            )));
        }
        if actions.is_empty() {
            differences.push(Difference::Note(
                "accepted; takes effect at the next boot".to_owned(),
            ));
            return Ok(Change::awaits_boot(differences));
        }
        differences.push(Difference::Note("takes effect at the next boot".to_owned()));
        Ok(Change::at_boot(differences, actions))
    }
}

fn difference(name: &str, wish: &Value, state: &BiosState) -> Difference {
    let current = state.current.get(name).map(text);
    let shown = match state.pending.get(name) {
        Some(value) if !same(value, wish) => Some(format!(
            "{} (pending {})",
            current.unwrap_or_default(),
            text(value)
        )),
        _ => current,
    };
    Difference::value(name, shown, text(wish))
}

impl Resource for Bios {
    fn title(&self) -> String {
        let mut names: Vec<String> = self.intents.iter().map(Wish::shown).collect();
        if self.unwritable == Unwritable::Leave {
            return format!("bios {} attributes", self.attributes.len());
        }
        names.extend(self.attributes.keys().cloned());
        format!("bios {}", super::words::listed(&names))
    }
}
