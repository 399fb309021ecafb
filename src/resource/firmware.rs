//! Firmware at a version, through the BMC.

use std::cmp::Ordering;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bios::need_bmc;
use super::words::nearest;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{Component, FirmwareImage, FirmwareOrder, FirmwareState, Part, compare};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Text, Unread};
use crate::probe::Probe;

/// Components run the firmware that is named: one, or a list under `updates`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// As the BMC calls it: `BIOS`, `iLO 5`; `*` stands for any stretch: `*NIC*`.
    component: Option<String>,
    /// The version that has to run, as the BMC shows it.
    version: Option<String>,
    /// Where the image is: an address that the BMC fetches, or a file here that is sent to it.
    image: Option<String>,
    /// How the BMC fetches: `HTTP`, `HTTPS`, `NFS`; by the address when unset.
    protocol: Option<String>,
    /// Resources to update, by their paths; the BMC decides by the image when unset.
    #[serde(default)]
    targets: Vec<String>,
    /// Allows a version older than the one that runs.
    #[serde(default)]
    downgrade: bool,
    /// For a share that asks who comes.
    user: Option<String>,
    password: Option<String>,
    /// Several components, in this order.
    #[serde(default)]
    updates: Vec<Update>,
}

/// One component's firmware.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Update {
    component: String,
    version: String,
    image: String,
    protocol: Option<String>,
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    downgrade: bool,
    user: Option<String>,
    password: Option<String>,
}

#[derive(Debug)]
pub struct Firmware {
    wishes: Vec<Wish>,
}

#[derive(Debug)]
struct Wish {
    order: FirmwareOrder,
    age: Age,
}

/// Whether an older version may replace a newer one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Age {
    NewerOnly,
    Any,
}

impl Kind for Firmware {
    const NAME: &'static str = "firmware";
    const SUMMARY: &'static str = "firmware at a version, through the BMC";
    const EXAMPLE: &'static str =
        "{component: BIOS, version: \"2.4.0\", image: \"http://198.51.100.1/BIOS-2.4.0.bin\"}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        if !parameters.updates.is_empty() {
            if parameters.component.is_some() || parameters.version.is_some() {
                return Err(
                    Fault::at("/updates", "one component stands beside a list of them")
                        .hint("move it into `updates`"),
                );
            }
            let wishes = parameters.updates.into_iter().enumerate();
            return Ok(Self {
                wishes: wishes
                    .map(|(index, update)| wish(update, &format!("/updates/{index}")))
                    .collect::<Result<_, _>>()?,
            });
        }
        let missing = |key: &str| Fault::at("", format!("`{key}` is missing"));
        let update = Update {
            component: parameters.component.ok_or_else(|| missing("component"))?,
            version: parameters.version.ok_or_else(|| missing("version"))?,
            image: parameters.image.ok_or_else(|| missing("image"))?,
            protocol: parameters.protocol,
            targets: parameters.targets,
            downgrade: parameters.downgrade,
            user: parameters.user,
            password: parameters.password,
        };
        Ok(Self {
            wishes: vec![wish(update, "")?],
        })
    }
}

fn wish(update: Update, at: &str) -> Result<Wish, Fault> {
    let empty = |key: &str| Fault::at(&format!("{at}/{key}"), format!("`{key}` is empty"));
    for (key, value) in [
        ("component", &update.component),
        ("version", &update.version),
        ("image", &update.image),
    ] {
        if value.trim().is_empty() {
            return Err(empty(key));
        }
    }
    if Text::new(update.image.as_str()).is_sealed() {
        return Err(
            Fault::at(&format!("{at}/image"), "the address holds a secret")
                .hint("give the share's `user` and `password` under their own keys"),
        );
    }
    if let Some(wrong) = update.targets.iter().find(|path| !path.starts_with('/')) {
        return Err(Fault::at(
            &format!("{at}/targets"),
            format!("`{wrong}` is no path of a resource"),
        )
        .hint("write the path as the BMC gives it: /redfish/v1/…"));
    }
    let image = if update.image.contains("://") {
        FirmwareImage::Address(update.image)
    } else {
        if update.protocol.is_some() {
            return Err(Fault::at(
                &format!("{at}/protocol"),
                "a file is sent, so that the BMC fetches nothing",
            ));
        }
        FirmwareImage::File(PathBuf::from(update.image))
    };
    Ok(Wish {
        order: FirmwareOrder {
            component: update.component,
            version: update.version,
            image,
            protocol: update.protocol.map(|word| word.to_ascii_uppercase()),
            targets: update.targets,
            user: update.user.map(Text::new),
            password: update.password.map(Text::new),
        },
        age: match update.downgrade {
            true => Age::Any,
            false => Age::NewerOnly,
        },
    })
}

/// What one wish finds.
enum Found {
    Settled,
    Open(Vec<Difference>, Part),
    AwaitsBoot(Vec<Difference>),
}

impl Wish {
    fn find(&self, state: &FirmwareState) -> Result<Found, String> {
        let order = &self.order;
        let matching = state.matching(&order.component);
        if matching.is_empty() {
            let known = state
                .components
                .iter()
                .flat_map(|one| [one.id.as_str(), one.name.as_str()]);
            let near = nearest(&order.component, known)
                .map(|near| format!(" (did you mean {near}?)"))
                .unwrap_or_default();
            let names: Vec<&String> = state.components.iter().map(|one| &one.name).collect();
            return Err(format!(
                "this server has no component {}{near}: it lists {}",
                order.component,
                super::words::listed(&names)
            ));
        }
        let mut open = Vec::new();
        let mut waiting = Vec::new();
        let mut part = None;
        for component in matching {
            let order_of = |version: &Option<String>| {
                version
                    .as_deref()
                    .map(|version| compare(&order.version, version))
            };
            let runs = order_of(&component.version);
            if runs == Some(Some(Ordering::Equal)) {
                continue;
            }
            let shown = component.version.clone();
            let difference = Difference::value(&component.name, shown, order.version.clone());
            if order_of(&component.staged) == Some(Some(Ordering::Equal)) {
                waiting.push(difference);
                continue;
            }
            self.allowed(component, runs.flatten())?;
            part = Some(match part {
                None => component.part,
                Some(all) if all == component.part => all,
                Some(_) => Part::Other,
            });
            open.push(difference);
        }
        Ok(match (part, waiting.is_empty()) {
            (Some(part), _) => Found::Open(open, part),
            (None, false) => Found::AwaitsBoot(waiting),
            (None, true) => Found::Settled,
        })
    }

    fn allowed(&self, component: &Component, order: Option<Ordering>) -> Result<(), String> {
        if component.updateable == Some(false) {
            return Err(format!(
                "{} cannot be updated through this BMC",
                component.name
            ));
        }
        if self.age == Age::NewerOnly && order == Some(Ordering::Less) {
            return Err(format!(
                "{} runs {}, which is newer than {}: say `downgrade: true` if the older one is wanted",
                component.name,
                component.version.as_deref().unwrap_or_default(),
                self.order.version
            ));
        }
        Ok(())
    }
}

impl Probe for Firmware {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::Firmware)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: FirmwareState = answers.bmc_state(&BmcQuery::Firmware)?;
        let mut differences = Vec::new();
        let mut actions = Vec::new();
        let mut faults = Vec::new();
        let mut boots = false;
        let mut waits = false;
        for wish in &self.wishes {
            match wish.find(&state) {
                Ok(Found::Settled) => {}
                Ok(Found::AwaitsBoot(more)) => {
                    differences.extend(more);
                    waits = true;
                }
                Ok(Found::Open(more, part)) => {
                    differences.extend(more);
                    actions.push(Action::Bmc(BmcAct::UpdateFirmware(wish.order.clone())));
                    boots |= part == Part::Bios;
                    if part == Part::Bmc {
                        differences.push(Difference::Note("restarts the BMC".to_owned()));
                    }
                }
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(Unread::Unreadable(faults.join("; ")));
        }
        if actions.is_empty() {
            if !waits {
                return Ok(Change::settled());
            }
            differences.push(Difference::Note(
                "written; takes effect at the next boot".to_owned(),
            ));
            return Ok(Change::awaits_boot(differences));
        }
        if boots {
            differences.push(Difference::Note("takes effect at the next boot".to_owned()));
            return Ok(Change::at_boot(differences, actions));
        }
        Ok(Change::from(differences, actions))
    }
}

impl Resource for Firmware {
    fn title(&self) -> String {
        let names: Vec<String> = self
            .wishes
            .iter()
            .map(|wish| format!("{} {}", wish.order.component, wish.order.version))
            .collect();
        format!("firmware {}", super::words::listed(&names))
    }
}
