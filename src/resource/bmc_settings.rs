//! The BMC's own name and clock.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bios::need_bmc;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{SettingsState, SettingsWish};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// What the BMC is called and where it gets the time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Time servers, in their order; an address or a name each.
    ntp: Option<Vec<String>>,
    /// The BMC's own host name.
    host_name: Option<String>,
    /// `+01:00`, or a name that the BMC knows.
    time_zone: Option<String>,
}

#[derive(Debug)]
pub struct BmcSettings {
    wish: SettingsWish,
}

impl Kind for BmcSettings {
    const NAME: &'static str = "bmc-settings";
    const SUMMARY: &'static str = "the BMC's own name and clock";
    const EXAMPLE: &'static str =
        "{ntp: [192.0.2.1, 192.0.2.2], host-name: \"{{ host.name }}-bmc\"}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        let wish = SettingsWish {
            host_name: parameters.host_name,
            ntp: parameters.ntp,
            time_zone: parameters.time_zone,
        };
        if wish == SettingsWish::default() {
            return Err(Fault::at("", "nothing is to be set")
                .hint("known: `ntp`, `host-name`, `time-zone`"));
        }
        if wish.ntp.as_ref().is_some_and(Vec::is_empty) {
            return Err(Fault::at("/ntp", "the list of time servers is empty")
                .hint("leave `ntp` out where the BMC's time servers do not matter"));
        }
        Ok(Self { wish })
    }
}

impl Probe for BmcSettings {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::Settings)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let found: SettingsState = answers.bmc_state(&BmcQuery::Settings)?;
        let mut wish = SettingsWish::default();
        let mut differences = Vec::new();
        if let Some(name) = &self.wish.host_name
            && found.host_name.as_ref() != Some(name)
        {
            wish.host_name = Some(name.clone());
            differences.push(Difference::value(
                "host name",
                found.host_name.clone(),
                name.clone(),
            ));
        }
        if let Some(servers) = &self.wish.ntp
            && (found.ntp_servers != *servers || found.ntp_enabled != Some(true))
        {
            wish.ntp = Some(servers.clone());
            let off = match found.ntp_enabled {
                Some(true) => "",
                _ => " (off)",
            };
            let from = format!("{}{off}", found.ntp_servers.join(", "));
            let from = Some(from.trim().to_owned()).filter(|from| !from.is_empty());
            differences.push(Difference::value("time servers", from, servers.join(", ")));
        }
        if let Some(zone) = &self.wish.time_zone
            && !found.is_in_zone(zone)
        {
            wish.time_zone = Some(zone.clone());
            let from = found.time_zone.clone().or(found.offset.clone());
            differences.push(Difference::value("time zone", from, zone.clone()));
        }
        Ok(match differences.is_empty() {
            true => Change::settled(),
            false => Change::from(differences, vec![Action::Bmc(BmcAct::SetSettings(wish))]),
        })
    }
}

impl Resource for BmcSettings {
    fn title(&self) -> String {
        "bmc-settings".to_owned()
    }
}
