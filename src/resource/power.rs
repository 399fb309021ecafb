//! The server's power, through its BMC.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bios::need_bmc;
use super::words::Scalar;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{PowerGoal, SystemState};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// The server is on, or off.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// `on` or `off`.
    state: Scalar,
    /// With `off`: the system is not asked to shut down in order.
    #[serde(default)]
    force: bool,
}

#[derive(Debug)]
pub struct Power {
    goal: PowerGoal,
}

impl Kind for Power {
    const NAME: &'static str = "power";
    const SUMMARY: &'static str = "the server's power, through its BMC";
    const EXAMPLE: &'static str = "{state: on}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        // YAML reads a bare `on` as a boolean.
        let goal = match (parameters.state.0.as_str(), parameters.force) {
            ("on" | "true", false) => PowerGoal::On,
            ("off" | "false", false) => PowerGoal::Off,
            ("off" | "false", true) => PowerGoal::ForceOff,
            ("on" | "true", true) => {
                return Err(Fault::at("/force", "`force` belongs to `state: off`"));
            }
            (other, _) => {
                return Err(Fault::at(
                    "/state",
                    format!("`{other}` is neither `on` nor `off`"),
                ));
            }
        };
        Ok(Self { goal })
    }
}

impl Power {
    fn wish(&self) -> &'static str {
        match self.goal {
            PowerGoal::Off | PowerGoal::ForceOff => "Off",
            PowerGoal::On | PowerGoal::Restart | PowerGoal::ForceRestart => "On",
        }
    }
}

impl Probe for Power {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::System)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: SystemState = answers.bmc_state(&BmcQuery::System)?;
        let Some(power) = state.power else {
            return Err(Unread::Unreadable(
                "the BMC does not tell the power state".to_owned(),
            ));
        };
        if power.eq_ignore_ascii_case(self.wish()) {
            return Ok(Change::settled());
        }
        Ok(Change::from(
            vec![Difference::value("power", power, self.wish().to_owned())],
            vec![Action::Bmc(BmcAct::Power(self.goal))],
        ))
    }
}

impl Resource for Power {
    fn title(&self) -> String {
        format!("power {}", self.wish().to_lowercase())
    }
}
