//! The lasting boot order, through the BMC.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bios::need_bmc;
use super::words::{listed, nearest};
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{BootClass, BootOption, BootOrderState};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// What is tried first. All other options follow in the order that they have.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// `network`, `pxe`, `http`, `disk`, `cd`, `usb` (all options of that kind), a boot option's
    /// reference (`Boot0003`), or its name as the BMC shows it.
    first: Vec<String>,
}

#[derive(Debug)]
pub struct BootOrder {
    first: Vec<String>,
}

impl Kind for BootOrder {
    const NAME: &'static str = "boot-order";
    const SUMMARY: &'static str = "the lasting boot order, through the BMC";
    const EXAMPLE: &'static str = "{first: [disk, network]}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        if parameters.first.is_empty() {
            return Err(Fault::at("/first", "nothing is named")
                .hint("`first: [network, disk]`, or a boot option's reference"));
        }
        for (index, word) in parameters.first.iter().enumerate() {
            if parameters.first[..index].contains(word) {
                return Err(Fault::at(
                    &format!("/first/{index}"),
                    format!("`{word}` is named twice"),
                ));
            }
        }
        Ok(Self {
            first: parameters.first,
        })
    }
}

impl BootOrder {
    /// The whole order that the wish comes to.
    fn wished(&self, state: &BootOrderState) -> Result<Vec<String>, Unread> {
        let mut order: Vec<String> = Vec::new();
        // The options in their present order; one that the order does not name comes last.
        let mut present: Vec<&BootOption> = state.options.iter().collect();
        let place = |option: &BootOption| {
            let mut references = state.order.iter();
            references
                .position(|one| *one == option.reference)
                .unwrap_or(usize::MAX)
        };
        present.sort_by_key(|option| place(option));
        for word in &self.first {
            let chosen: Vec<&String> = match BootClass::named(word) {
                Some(class) => {
                    let all = present.iter().filter(|option| option.is_of(class));
                    all.map(|option| &option.reference).collect()
                }
                None => {
                    let is_named = |option: &&&BootOption| {
                        option.reference.eq_ignore_ascii_case(word)
                            || option
                                .name
                                .as_ref()
                                .is_some_and(|name| name.eq_ignore_ascii_case(word))
                    };
                    let all = present.iter().filter(is_named);
                    let named: Vec<&String> = all.map(|option| &option.reference).collect();
                    let bare = state.order.iter().filter(|one| *one == word);
                    if named.is_empty() {
                        bare.collect()
                    } else {
                        named
                    }
                }
            };
            if chosen.is_empty() {
                return Err(Unread::Unreadable(self.unknown(word, state)));
            }
            for reference in chosen {
                if !order.contains(reference) {
                    order.push(reference.clone());
                }
            }
        }
        for reference in &state.order {
            if !order.contains(reference) {
                order.push(reference.clone());
            }
        }
        Ok(order)
    }

    fn unknown(&self, word: &str, state: &BootOrderState) -> String {
        let names = state.options.iter().flat_map(|option| {
            let name = option.name.as_deref().into_iter();
            name.chain([option.reference.as_str()])
        });
        let near = nearest(word, names)
            .map(|near| format!(" (did you mean {near}?)"))
            .unwrap_or_default();
        let shown: Vec<String> = state.options.iter().map(shown).collect();
        format!(
            "this server has no boot option {word}{near}: it has {}",
            if shown.is_empty() {
                listed(&state.order)
            } else {
                shown.join(", ")
            }
        )
    }
}

fn shown(option: &BootOption) -> String {
    match &option.name {
        Some(name) => format!("{} ({name})", option.reference),
        None => option.reference.clone(),
    }
}

impl Probe for BootOrder {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::BootOrder)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: BootOrderState = answers.bmc_state(&BmcQuery::BootOrder)?;
        if state.order.is_empty() && state.options.is_empty() {
            return Err(Unread::Unreadable(
                "this BMC shows no boot order; use the task `boot` for an override, or set the order in the BIOS setup".to_owned(),
            ));
        }
        let wish = self.wished(&state)?;
        let named = |references: &[String]| {
            let names = references.iter().map(|reference| {
                let mut options = state.options.iter();
                options
                    .find(|option| option.reference == *reference)
                    .map_or_else(|| reference.clone(), shown)
            });
            listed(&names.collect::<Vec<_>>())
        };
        // A BMC may leave options out of the order that are disabled.
        let as_wished = |order: &[String]| {
            let common: Vec<&String> = wish.iter().filter(|one| order.contains(one)).collect();
            order.iter().collect::<Vec<_>>() == common
        };
        let row = Difference::value("boot order", named(&state.order), named(&wish));
        match &state.pending {
            None if as_wished(&state.order) => Ok(Change::settled()),
            Some(pending) if as_wished(pending) => Ok(Change::awaits_boot(vec![
                row,
                Difference::Note("accepted; takes effect at the next boot".to_owned()),
            ])),
            None if state.job.is_some() => Ok(Change::awaits_boot(vec![
                row,
                Difference::Note(format!(
                    "the BMC's job {} waits for the next boot",
                    state.job.as_deref().unwrap_or_default()
                )),
            ])),
            _ => Ok(Change::at_boot(
                vec![row],
                vec![Action::Bmc(BmcAct::SetBootOrder { order: wish })],
            )),
        }
    }
}

impl Resource for BootOrder {
    fn title(&self) -> String {
        format!("boot-order {}", listed(&self.first))
    }
}
