//! UEFI secure boot, through the BMC's own resource for it. What was accepted counts once a boot
//! has it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bios::need_bmc;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{SecureBootKeys, SecureBootState, SecureBootWish};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// Whether only signed loaders are started, and which keys are trusted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// On or off after the next boot; absent: as it is.
    enabled: Option<bool>,
    /// What the keys should be; absent: as they are.
    keys: Option<Keys>,
}

/// The keys as a state: they are reset only where they are not so.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Keys {
    /// Where there are none, the vendor's are enrolled. Keys of one's own are left alone.
    ResetToDefault,
    /// Setup mode: all keys are deleted.
    DeleteAll,
    /// Setup mode: the platform key is deleted, the others stay.
    DeletePlatformKey,
}

#[derive(Debug)]
pub struct SecureBoot {
    wish: SecureBootWish,
}

impl Kind for SecureBoot {
    const NAME: &'static str = "secure-boot";
    const SUMMARY: &'static str = "UEFI secure boot and its keys, through the BMC";
    const EXAMPLE: &'static str = "{enabled: true, keys: reset-to-default}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        let keys = parameters.keys.map(|keys| match keys {
            Keys::ResetToDefault => SecureBootKeys::ResetToDefault,
            Keys::DeleteAll => SecureBootKeys::DeleteAll,
            Keys::DeletePlatformKey => SecureBootKeys::DeletePlatformKey,
        });
        match (parameters.enabled, keys) {
            (None, None) => {
                return Err(Fault::at("", "neither `enabled` nor `keys` is said"));
            }
            (Some(true), Some(keys)) if !keys.leaves_keys() => {
                return Err(Fault::at(
                    "/keys",
                    "secure boot cannot be enabled without keys",
                ));
            }
            _ => {}
        }
        Ok(Self {
            wish: SecureBootWish {
                enabled: parameters.enabled,
                keys,
            },
        })
    }
}

/// What is not as wished, of the switch alone.
pub(super) fn differences(wish: Option<bool>, state: &SecureBootState) -> Vec<Difference> {
    let word = |on: bool| if on { "Enabled" } else { "Disabled" }.to_owned();
    let Some(wish) = wish else {
        return Vec::new();
    };
    let runs = state.runs().or(state.enabled);
    if state.enabled == Some(wish) && runs == Some(wish) {
        return Vec::new();
    }
    let found = match (runs, state.enabled) {
        (Some(now), Some(next)) if now != next => {
            Some(format!("{} (pending {})", word(now), word(next)))
        }
        (Some(now), _) => Some(word(now)),
        (None, _) => None,
    };
    vec![Difference::value("secure boot", found, word(wish))]
}

impl Probe for SecureBoot {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::SecureBoot)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: SecureBootState = answers.bmc_state(&BmcQuery::SecureBoot)?;
        let mut rows = Vec::new();
        let mut wish = SecureBootWish::default();
        if let Some(keys) = self.wish.keys {
            let Some(found) = state.has_keys() else {
                return Err(Unread::Unreadable(
                    "the BMC does not tell whether secure boot has keys (no SecureBootMode); leave `keys` out".to_owned(),
                ));
            };
            if found != keys.leaves_keys() {
                resettable(keys, &state)?;
                let word = |keys: bool| if keys { "enrolled" } else { "none" }.to_owned();
                rows.push(Difference::value(
                    "secure boot keys",
                    word(found),
                    word(keys.leaves_keys()),
                ));
                wish.keys = Some(keys);
            }
        }
        let keyless = state.has_keys() == Some(false) && wish.keys.is_none();
        if self.wish.enabled == Some(true) && keyless {
            return Err(Unread::Unreadable(
                "secure boot is in setup mode: without keys it cannot be enabled; wish `keys: reset-to-default` as well, or enrol your own".to_owned(),
            ));
        }
        let mut switch = differences(self.wish.enabled, &state);
        if !switch.is_empty() && state.enabled != self.wish.enabled {
            wish.enabled = self.wish.enabled;
        }
        rows.append(&mut switch);
        if rows.is_empty() {
            return Ok(Change::settled());
        }
        if wish == SecureBootWish::default() {
            rows.push(Difference::Note(
                "accepted; takes effect at the next boot".to_owned(),
            ));
            return Ok(Change::awaits_boot(rows));
        }
        rows.push(Difference::Note("takes effect at the next boot".to_owned()));
        Ok(Change::at_boot(
            rows,
            vec![Action::Bmc(BmcAct::SetSecureBoot(wish))],
        ))
    }
}

fn resettable(keys: SecureBootKeys, state: &SecureBootState) -> Result<(), Unread> {
    let kind = keys.reset_type();
    match &state.resets {
        None => Err(Unread::Unreadable(
            "this BMC cannot reset the keys of secure boot; do it in the BIOS setup".to_owned(),
        )),
        Some(offered) if !offered.is_empty() && !offered.iter().any(|one| one == kind) => {
            Err(Unread::Unreadable(format!(
                "this BMC offers no {kind} for secure boot, only {}",
                offered.join(", ")
            )))
        }
        Some(_) => Ok(()),
    }
}

impl Resource for SecureBoot {
    fn title(&self) -> String {
        let enabled = self.wish.enabled.map(|on| match on {
            true => "on",
            false => "off",
        });
        let keys = self.wish.keys.map(|keys| match keys {
            SecureBootKeys::ResetToDefault => "with default keys",
            SecureBootKeys::DeleteAll => "without keys",
            SecureBootKeys::DeletePlatformKey => "without platform key",
        });
        let words: Vec<&str> = enabled.into_iter().chain(keys).collect();
        format!("secure-boot {}", words.join(" "))
    }
}
