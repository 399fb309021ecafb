//! Volumes of drives, through the BMC.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bios::need_bmc;
use super::words::Scalar;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{
    Controller, Disk, DriveWish, RAID, StorageState, Volume as Found, VolumeOrder, size,
};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// A volume is there, or is not: one, or a list under `volumes`. What erases data needs its own
/// word.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    name: Option<String>,
    /// `present` (the default) or `absent`.
    state: Option<Presence>,
    /// `RAID0`, `RAID1`, `RAID5`, `RAID6`, `RAID10`, `RAID50`.
    raid: Option<String>,
    drives: Option<Drives>,
    /// Allows the volume of that name to be replaced, with all that is on it, where its layout is
    /// another.
    wipe: Option<Scalar>,
    /// With `state: absent`: that all that is on the volume goes.
    erase: Option<Scalar>,
    /// Several volumes, in this order.
    #[serde(default)]
    volumes: Vec<One>,
}

/// One volume.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct One {
    name: String,
    state: Option<Presence>,
    raid: Option<String>,
    drives: Option<Drives>,
    wipe: Option<Scalar>,
    erase: Option<Scalar>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Presence {
    #[default]
    Present,
    Absent,
}

/// The drives of a volume: as many free ones of that kind, the smallest that are large enough.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Drives {
    count: usize,
    /// `SATA`, `SAS` or `NVMe`.
    protocol: Option<String>,
    /// `SSD` or `HDD`.
    media: Option<String>,
    /// `400GB`, `1.9TB`, `1TiB`.
    min_size: Option<String>,
}

#[derive(Debug)]
pub struct Volume {
    wishes: Vec<Wish>,
}

#[derive(Debug)]
enum Wish {
    Present {
        name: String,
        raid: String,
        drives: DriveWish,
        other: Other,
    },
    Absent {
        name: String,
    },
}

/// What becomes of a volume of that name with another layout.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Other {
    Stays,
    IsWiped,
}

impl Kind for Volume {
    const NAME: &'static str = "volume";
    const SUMMARY: &'static str = "a volume of drives, through the BMC";
    const EXAMPLE: &'static str =
        "{name: data, raid: RAID1, drives: {count: 2, protocol: NVMe, min-size: 400GB}}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        if parameters.volumes.is_empty() {
            let one = One {
                name: parameters
                    .name
                    .ok_or_else(|| Fault::at("", "`name` is missing"))?,
                state: parameters.state,
                raid: parameters.raid,
                drives: parameters.drives,
                wipe: parameters.wipe,
                erase: parameters.erase,
            };
            return Ok(Self {
                wishes: vec![wish(one, "")?],
            });
        }
        if parameters.name.is_some() {
            return Err(
                Fault::at("/volumes", "one volume stands beside a list of them")
                    .hint("move it into `volumes`"),
            );
        }
        let wishes = parameters.volumes.into_iter().enumerate();
        Ok(Self {
            wishes: wishes
                .map(|(index, one)| wish(one, &format!("/volumes/{index}")))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn is_said(word: &Option<Scalar>) -> bool {
    word.as_ref()
        .is_some_and(|word| matches!(word.0.as_str(), "true" | "yes"))
}

fn wish(one: One, at: &str) -> Result<Wish, Fault> {
    if one.state == Some(Presence::Absent) {
        if !is_said(&one.erase) {
            return Err(Fault::at(
                &format!("{at}/state"),
                format!("without volume {} all that is on it goes", one.name),
            )
            .hint("say `erase: yes` beside `state: absent` if that is meant"));
        }
        return Ok(Wish::Absent { name: one.name });
    }
    if one.erase.is_some() {
        return Err(Fault::at(
            &format!("{at}/erase"),
            "`erase` belongs to `state: absent`; to replace a volume say `wipe: true`",
        ));
    }
    let missing = |key: &str| Fault::at(at, format!("`{key}` is missing"));
    let raid = one
        .raid
        .ok_or_else(|| missing("raid"))?
        .to_ascii_uppercase();
    let drives = one.drives.ok_or_else(|| missing("drives"))?;
    let known = RAID.iter().find(|row| row.0 == raid);
    let Some((_, fewest, step)) = known else {
        let all: Vec<&str> = RAID.iter().map(|row| row.0).collect();
        return Err(Fault::at(
            &format!("{at}/raid"),
            format!("`{raid}` is none of {}", all.join(", ")),
        ));
    };
    if drives.count < *fewest || drives.count % step != 0 {
        let even = if *step == 2 { ", an even number" } else { "" };
        return Err(Fault::at(
            &format!("{at}/drives/count"),
            format!("{raid} takes at least {fewest} drives{even}"),
        ));
    }
    let min_bytes = match &drives.min_size {
        None => 0,
        Some(text) => bytes(text).ok_or_else(|| {
            Fault::at(
                &format!("{at}/drives/min-size"),
                format!("`{text}` is no size"),
            )
            .hint("write a number with GB, TB, GiB or TiB: 400GB")
        })?,
    };
    Ok(Wish::Present {
        name: one.name,
        raid,
        drives: DriveWish {
            count: drives.count,
            protocol: drives.protocol,
            media: drives.media,
            min_bytes,
        },
        other: match is_said(&one.wipe) {
            true => Other::IsWiped,
            false => Other::Stays,
        },
    })
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "gb" => 1e9,
        "tb" => 1e12,
        "gib" => f64::from(1u32 << 30),
        "tib" => f64::from(1u32 << 30) * 1024.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    (number > 0.0).then_some((number * factor) as u64)
}

/// What a wish finds.
#[derive(Default)]
struct Step {
    differences: Vec<Difference>,
    actions: Vec<Action>,
    waits: bool,
}

fn named<'a>(state: &'a StorageState, name: &str) -> Option<(&'a Controller, &'a Found)> {
    state.controllers.iter().find_map(|controller| {
        let found = controller.volumes.iter().find(|one| one.name == name)?;
        Some((controller, found))
    })
}

fn layout(raid: Option<&str>, drives: usize) -> String {
    format!("{} over {drives} drives", raid.unwrap_or("unknown RAID"))
}

impl Wish {
    fn name(&self) -> &str {
        match self {
            Self::Present { name, .. } | Self::Absent { name } => name,
        }
    }

    fn find(&self, state: &StorageState, used: &mut Vec<String>) -> Result<Step, String> {
        match self {
            Self::Absent { name } => Ok(absent(state, name)),
            Self::Present {
                name,
                raid,
                drives,
                other,
            } => present(state, name, raid, drives, *other, used),
        }
    }
}

fn absent(state: &StorageState, name: &str) -> Step {
    let Some((_, found)) = named(state, name) else {
        return Step::default();
    };
    let mut differences = vec![Difference::value(
        &format!("volume {name}"),
        layout(found.raid.as_deref(), found.drives.len()),
        None,
    )];
    if found.going {
        return Step {
            differences,
            waits: true,
            ..Step::default()
        };
    }
    differences.push(Difference::Note("erases all that is on it".to_owned()));
    Step {
        differences,
        actions: vec![Action::Bmc(BmcAct::DeleteVolume(found.path.clone()))],
        waits: false,
    }
}

fn present(
    state: &StorageState,
    name: &str,
    raid: &str,
    wish: &DriveWish,
    other: Other,
    used: &mut Vec<String>,
) -> Result<Step, String> {
    let what = format!("volume {name}");
    let wanted = layout(Some(raid), wish.count);
    let coming = |controller: &Controller| controller.coming.iter().any(|one| one == name);
    if state.controllers.iter().any(coming) {
        return Ok(Step {
            differences: vec![Difference::value(&what, None, wanted)],
            waits: true,
            ..Step::default()
        });
    }
    let mut step = Step::default();
    let mut freed: Option<(&Controller, &Found)> = None;
    let mut from = None;
    if let Some((controller, found)) = named(state, name) {
        let fits = found.raid.as_deref() == Some(raid)
            && found.drives.len() == wish.count
            && on(controller, found).iter().all(|disk| wish.suits(disk));
        if fits {
            return Ok(step);
        }
        let is = layout(found.raid.as_deref(), found.drives.len());
        if other == Other::Stays {
            return Err(format!(
                "volume {name} is {is}, not {raid} over {}: say `wipe: true` to replace it with all \
                 that is on it, or give the new volume another name",
                wish.words()
            ));
        }
        step.differences
            .push(Difference::Note(format!("erases volume {name}, {is}")));
        step.actions
            .push(Action::Bmc(BmcAct::DeleteVolume(found.path.clone())));
        from = Some(is);
        freed = Some((controller, found));
    }
    let (path, disks) = choose(state, raid, wish, freed, used)?;
    let shown: Vec<String> = disks
        .iter()
        .map(|disk| format!("{} ({})", disk.name, size(disk.bytes.unwrap_or(0))))
        .collect();
    step.differences
        .insert(0, Difference::value(&what, from, wanted));
    step.differences
        .push(Difference::value("drives", None, shown.join(", ")));
    used.extend(disks.iter().map(|disk| disk.path.clone()));
    step.actions
        .push(Action::Bmc(BmcAct::CreateVolume(VolumeOrder {
            name: name.to_owned(),
            raid: raid.to_owned(),
            drives: disks.iter().map(|disk| disk.path.clone()).collect(),
            volumes_path: path,
            bytes: None,
        })));
    Ok(step)
}

fn on<'a>(controller: &'a Controller, volume: &Found) -> Vec<&'a Disk> {
    controller
        .drives
        .iter()
        .filter(|disk| {
            volume
                .drives
                .iter()
                .any(|path| path.eq_ignore_ascii_case(&disk.path))
        })
        .collect()
}

/// The drives, all of one controller. Those of a volume that is to be wiped count as free, those
/// that an earlier wish took do not.
fn choose(
    state: &StorageState,
    raid: &str,
    wish: &DriveWish,
    freed: Option<(&Controller, &Found)>,
    used: &[String],
) -> Result<(String, Vec<Disk>), String> {
    let mut reasons = Vec::new();
    for controller in &state.controllers {
        let Some(path) = &controller.volumes_path else {
            reasons.push(format!("{} makes no volumes", controller.name));
            continue;
        };
        if !controller.raid_types.is_empty() && !controller.raid_types.iter().any(|one| one == raid)
        {
            reasons.push(format!(
                "{} makes only {}",
                controller.name,
                controller.raid_types.join(", ")
            ));
            continue;
        }
        let mut seen = controller.clone();
        for disk in &mut seen.drives {
            let wiped = freed.is_some_and(|(_, volume)| {
                volume
                    .drives
                    .iter()
                    .any(|path| path.eq_ignore_ascii_case(&disk.path))
            });
            if wiped {
                disk.taken = None;
            }
            if used.contains(&disk.path) {
                disk.taken = Some("another volume of this task".to_owned());
            }
        }
        if let Some(disks) = wish.choose(&seen) {
            return Ok((path.clone(), disks.into_iter().cloned().collect()));
        }
        let suitable: Vec<String> = seen
            .drives
            .iter()
            .filter(|disk| wish.suits(disk))
            .map(|disk| match &disk.taken {
                Some(taken) => format!("{} is taken ({taken})", disk.name),
                None => format!("{} is free", disk.name),
            })
            .collect();
        reasons.push(match suitable.is_empty() {
            true => format!("{} has none such", controller.name),
            false => format!("{}: {}", controller.name, suitable.join(", ")),
        });
    }
    if reasons.is_empty() {
        reasons.push("this server lists no storage controller; it may have to be on".to_owned());
    }
    Err(format!(
        "there are not {} free: {}",
        wish.words(),
        reasons.join("; ")
    ))
}

impl Probe for Volume {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::Storage)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: StorageState = answers.bmc_state(&BmcQuery::Storage)?;
        let mut all = Step::default();
        let mut used = Vec::new();
        let mut faults = Vec::new();
        for wish in &self.wishes {
            match wish.find(&state, &mut used) {
                Ok(step) => {
                    all.differences.extend(step.differences);
                    all.actions.extend(step.actions);
                    all.waits |= step.waits;
                }
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(Unread::Unreadable(faults.join("; ")));
        }
        if all.actions.is_empty() && all.waits {
            let note = "ordered; takes effect at the next boot".to_owned();
            all.differences.push(Difference::Note(note));
            return Ok(Change::awaits_boot(all.differences));
        }
        Ok(Change::from(all.differences, all.actions))
    }
}

impl Resource for Volume {
    fn title(&self) -> String {
        let names: Vec<&str> = self.wishes.iter().map(Wish::name).collect();
        format!("volume {}", super::words::listed(&names))
    }
}
