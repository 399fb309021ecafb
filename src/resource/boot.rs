//! From what the server boots next, or from now on, through its BMC.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bios::need_bmc;
use super::words::nearest;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{BootOverride, SystemState};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// The boot source override. One that lasts once is used up by a boot, so its task needs a
/// `when` that tells whether that boot is still to come.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Redfish's word for the source: `Pxe`, `Cd`, `Hdd`, `UefiHttp`, …; `None` for no override.
    target: String,
    /// `UEFI` or `Legacy`; left alone when unset.
    mode: Option<String>,
    #[serde(default)]
    lasts: Lasts,
    /// For `target: UefiTarget`: the device path, as a boot option's `UefiDevicePath`.
    uefi_target: Option<String>,
    /// For `target: UefiHttp`: the loader's address; absent: the one that DHCP tells.
    http_boot_uri: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Lasts {
    #[default]
    Once,
    Continuous,
}

#[derive(Debug)]
pub struct Boot {
    wish: BootOverride,
}

impl Kind for Boot {
    const NAME: &'static str = "boot";
    const SUMMARY: &'static str = "the boot source override, through the BMC";
    const EXAMPLE: &'static str = "{target: Pxe, mode: UEFI, lasts: once}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        let mode = match parameters.mode.as_deref() {
            None => None,
            Some(mode) if mode.eq_ignore_ascii_case("uefi") => Some("UEFI".to_owned()),
            Some(mode) if mode.eq_ignore_ascii_case("legacy") => Some("Legacy".to_owned()),
            Some(other) => {
                return Err(Fault::at(
                    "/mode",
                    format!("`{other}` is neither `UEFI` nor `Legacy`"),
                ));
            }
        };
        fitting(&parameters)?;
        let none = parameters.target.eq_ignore_ascii_case("none");
        let enabled = match (none, parameters.lasts) {
            (true, _) => "Disabled",
            (false, Lasts::Once) => "Once",
            (false, Lasts::Continuous) => "Continuous",
        };
        Ok(Self {
            wish: BootOverride {
                enabled: Some(enabled.to_owned()),
                target: Some(if none {
                    "None".to_owned()
                } else {
                    parameters.target
                }),
                mode,
                uefi_target: parameters.uefi_target,
                http_boot_uri: parameters.http_boot_uri,
            },
        })
    }
}

/// Whether the addresses are those of the target.
fn fitting(parameters: &Parameters) -> Result<(), Fault> {
    let is = |target: &str| parameters.target.eq_ignore_ascii_case(target);
    match (&parameters.uefi_target, is("UefiTarget")) {
        (None, true) => {
            return Err(
                Fault::at("/uefi-target", "`UefiTarget` needs a `uefi-target`")
                    .hint("a boot option's UefiDevicePath; the task `boot-order` takes its name"),
            );
        }
        (Some(_), false) => {
            return Err(Fault::at(
                "/uefi-target",
                "`uefi-target` belongs to `target: UefiTarget`",
            ));
        }
        _ => {}
    }
    let Some(address) = &parameters.http_boot_uri else {
        return Ok(());
    };
    if !is("UefiHttp") {
        return Err(Fault::at(
            "/http-boot-uri",
            "`http-boot-uri` belongs to `target: UefiHttp`",
        ));
    }
    let bare = ["http://", "https://"]
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    match bare {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ => Err(Fault::at(
            "/http-boot-uri",
            format!("`{address}` is no address that firmware can boot from"),
        )
        .hint("`http://HOST/PATH` or `https://HOST/PATH`")),
    }
}

impl Boot {
    fn is_disabled(&self) -> bool {
        self.wish.enabled.as_deref() == Some("Disabled")
    }
}

/// Some BMCs answer in their own case, and with null for none.
fn same(wish: Option<&str>, found: Option<&str>) -> bool {
    wish.unwrap_or("None")
        .eq_ignore_ascii_case(found.unwrap_or("None"))
}

impl Probe for Boot {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::System)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: SystemState = answers.bmc_state(&BmcQuery::System)?;
        let found = state.boot_override;
        let mut wish = self.wish.clone();
        let mut differences = Vec::new();
        if self.is_disabled() {
            let off = |word: &Option<String>| {
                word.as_deref().is_none_or(|word| {
                    word.eq_ignore_ascii_case("disabled") || word.eq_ignore_ascii_case("none")
                })
            };
            // `Disabled` with a target, and `Once` from nothing, both mean no override.
            if off(&found.enabled) || off(&found.target) {
                return Ok(Change::settled());
            }
        } else if let Some(target) = &self.wish.target {
            wish.target = Some(spelt(target, &state.boot_targets)?);
        }
        for (wanted, property, instead) in [
            (
                &wish.uefi_target,
                "UefiTargetBootSourceOverride",
                "put the boot option first with the task `boot-order`",
            ),
            (
                &wish.http_boot_uri,
                "HttpBootUri",
                "set the address as a BIOS attribute, or have DHCP tell it, and leave `http-boot-uri` out",
            ),
        ] {
            let known = state.boot_properties.iter().any(|own| own == property);
            if wanted.is_some() && !known && !state.boot_properties.is_empty() {
                return Err(Unread::Unreadable(format!(
                    "this BMC has no {property}: {instead}"
                )));
            }
        }
        let rows = [
            ("override", &wish.enabled, &found.enabled),
            ("target", &wish.target, &found.target),
            ("mode", &wish.mode, &found.mode),
            ("UEFI target", &wish.uefi_target, &found.uefi_target),
            (
                "HTTP boot address",
                &wish.http_boot_uri,
                &found.http_boot_uri,
            ),
        ];
        for (what, wish, found) in rows {
            if wish.is_some() && !same(wish.as_deref(), found.as_deref()) {
                differences.push(Difference::value(what, found.clone(), wish.clone()));
            }
        }
        Ok(Change::from(
            differences,
            vec![Action::Bmc(BmcAct::SetBoot(wish))],
        ))
    }
}

/// The target in the BMC's own spelling, where it lists what it takes.
fn spelt(target: &str, allowed: &[String]) -> Result<String, Unread> {
    if allowed.is_empty() {
        return Ok(target.to_owned());
    }
    if let Some(own) = allowed.iter().find(|one| one.eq_ignore_ascii_case(target)) {
        return Ok(own.clone());
    }
    let near = nearest(target, allowed.iter().map(String::as_str))
        .map(|near| format!(" (did you mean {near}?)"))
        .unwrap_or_default();
    Err(Unread::Unreadable(format!(
        "this server cannot boot from {target}{near}: it takes {}",
        allowed.join(", ")
    )))
}

impl Resource for Boot {
    fn title(&self) -> String {
        format!(
            "boot from {}",
            self.wish.target.as_deref().unwrap_or("None")
        )
    }
}
