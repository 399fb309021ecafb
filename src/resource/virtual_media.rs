//! An image in the server's virtual drive, through its BMC.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bios::need_bmc;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{Drive, MediaDevice, MediaState, Medium};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Text, Unread};
use crate::probe::Probe;

/// The BMC holds an image for the server, or none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Where the BMC fetches the image: `http://198.51.100.1/installer.iso`, also `https`, `nfs`
    /// or `cifs` where the BMC knows them; `none` takes images out.
    image: String,
    /// `cd` (the default for an image) or `usb`; with `image: none` only drives of that kind.
    device: Option<Kinds>,
    #[serde(default = "protected")]
    write_protected: bool,
    /// For a share that asks who comes.
    user: Option<String>,
    password: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kinds {
    Cd,
    Usb,
}

fn protected() -> bool {
    true
}

#[derive(Debug)]
pub enum VirtualMedia {
    Holds(Medium),
    Empty(Option<Drive>),
}

impl Kind for VirtualMedia {
    const NAME: &'static str = "virtual-media";
    const SUMMARY: &'static str = "an image in the server's virtual drive, through the BMC";
    const EXAMPLE: &'static str = "{image: \"http://198.51.100.1/installer.iso\", device: cd}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        let drive = parameters.device.map(|kind| match kind {
            Kinds::Cd => Drive::Cd,
            Kinds::Usb => Drive::Usb,
        });
        let image = parameters.image.trim().to_owned();
        if image == "none" {
            if parameters.user.is_some() || parameters.password.is_some() {
                return Err(Fault::at("/image", "taking an image out needs no password"));
            }
            return Ok(Self::Empty(drive));
        }
        check(&image)?;
        Ok(Self::Holds(Medium {
            image,
            drive: drive.unwrap_or(Drive::Cd),
            write_protected: parameters.write_protected,
            user: parameters.user.map(Text::new),
            password: parameters.password.map(Text::new),
        }))
    }
}

/// Whether a BMC can be told this address.
fn check(image: &str) -> Result<(), Fault> {
    if Text::new(image).is_sealed() {
        return Err(
            Fault::at("/image", "the address holds a secret, and BMCs show it")
                .hint("give the share's `user` and `password` under their own keys"),
        );
    }
    let Some((scheme, rest)) = image.split_once("://") else {
        return Err(Fault::at("/image", format!("`{image}` is no address"))
            .hint("write http://ADDRESS/PATH, or `none`; `ra-deploy media serve` serves a file"));
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if scheme.is_empty() || host.is_empty() || path.is_empty() {
        return Err(
            Fault::at("/image", format!("`{image}` names no file on a server"))
                .hint("write http://ADDRESS/PATH"),
        );
    }
    if host.contains('@') {
        return Err(Fault::at("/image", "the address holds a user")
            .hint("give the share's `user` and `password` under their own keys"));
    }
    Ok(())
}

impl Probe for VirtualMedia {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::Media)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: MediaState = answers.bmc_state(&BmcQuery::Media)?;
        match self {
            Self::Holds(medium) => {
                let candidates = state.candidates(medium.drive);
                if candidates.iter().any(|device| device.holds(&medium.image)) {
                    return Ok(Change::settled());
                }
                let Some(device) = candidates.first() else {
                    return Err(Unread::Unreadable(format!(
                        "this BMC has no such drive: {}",
                        state.lack(medium.drive)
                    )));
                };
                let mut differences = vec![Difference::value(
                    &titled(device),
                    shown(device),
                    medium.image.clone(),
                )];
                if !device.is_empty() {
                    differences.push(Difference::Note(
                        "the image that is in is taken out first".to_owned(),
                    ));
                }
                Ok(Change::from(
                    differences,
                    vec![Action::Bmc(BmcAct::InsertMedia(medium.clone()))],
                ))
            }
            Self::Empty(drive) => {
                let differences = state
                    .devices
                    .iter()
                    .filter(|device| {
                        drive.is_none_or(|drive| device.serves(drive) != Some(false))
                            && !device.is_empty()
                    })
                    .map(|device| Difference::value(&titled(device), shown(device), None))
                    .collect();
                Ok(Change::from(
                    differences,
                    vec![Action::Bmc(BmcAct::EjectMedia(*drive))],
                ))
            }
        }
    }
}

fn titled(device: &MediaDevice) -> String {
    format!("image of {}", device.name)
}

fn shown(device: &MediaDevice) -> Option<String> {
    if device.is_empty() {
        return None;
    }
    Some(device.image.clone().unwrap_or("unnamed".to_owned()))
}

impl Resource for VirtualMedia {
    fn title(&self) -> String {
        match self {
            Self::Holds(medium) => {
                format!("virtual-media {} {}", medium.drive.word(), medium.image)
            }
            Self::Empty(Some(drive)) => format!("virtual-media {} empty", drive.word()),
            Self::Empty(None) => "virtual-media empty".to_owned(),
        }
    }
}
