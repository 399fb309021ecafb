//! Whose BMC is imitated, and how it behaves where that matters to a client. Each oddity is a
//! field; the sources are captured trees and what maintainers of public clients wrote down.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::BmcError;
use super::faults::nearest_first;

/// Whose BMC is imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Profile {
    /// As the standard says, with every optional feature.
    #[default]
    Generic,
    /// Dell iDRAC 9.
    Idrac,
    /// HPE iLO 5.
    Ilo,
    /// Lenovo XCC.
    Xcc,
    Supermicro,
    /// AMI MegaRAC.
    Ami,
    /// OpenBMC as NVIDIA ships it.
    Openbmc,
}

const NAMES: [(Profile, &str); 7] = [
    (Profile::Generic, "generic"),
    (Profile::Idrac, "idrac"),
    (Profile::Ilo, "ilo"),
    (Profile::Xcc, "xcc"),
    (Profile::Supermicro, "supermicro"),
    (Profile::Ami, "ami"),
    (Profile::Openbmc, "openbmc"),
];

impl Profile {
    pub fn all() -> impl Iterator<Item = Profile> {
        NAMES.iter().map(|row| row.0)
    }

    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|row| row.0 == self)
            .map_or("", |row| row.1)
    }

    /// Guesses from a service root's and a manager's words, such as `Dell` or `ProLiant`.
    pub fn guess(words: &str) -> Self {
        let words = words.to_ascii_lowercase();
        [
            ("dell", Self::Idrac),
            ("hpe", Self::Ilo),
            ("lenovo", Self::Xcc),
            ("supermicro", Self::Supermicro),
            ("ami", Self::Ami),
            ("openbmc", Self::Openbmc),
            ("nvidia", Self::Openbmc),
        ]
        .into_iter()
        .find(|(word, _)| {
            words
                .split(|letter: char| !letter.is_alphanumeric())
                .any(|part| part == *word)
        })
        .map_or(Self::Generic, |row| row.1)
    }

    pub fn dialect(self) -> Dialect {
        let generic = Dialect::default();
        match self {
            Self::Generic => generic,
            Self::Idrac => Dialect {
                bios_answer: BiosAnswer::VendorJob,
                pending: PendingShape::ChangedOnly,
                apply_time: ApplyTime::Demanded,
                batches: Batches::OneAtATime,
                etag: Etag::HeaderOnly,
                media_lag: Lag::Lags,
                power_repeat: PowerRepeat::Conflict,
                after_reset: AfterReset::NotReady,
                accounts: Accounts::FixedSlots,
                boot_mode: BootMode::ByBiosOnly,
                power_settle: Lag::Lags,
                session_limit: 8,
                ..generic
            },
            Self::Ilo => Dialect {
                bios_answer: BiosAnswer::ErrorBodyUnder200,
                pending: PendingShape::All,
                etag: Etag::StarRefused,
                eject: Eject::BodyDemanded,
                after_reset: AfterReset::CutConnections,
                during_post: DuringPost::RefuseChanges,
                case: Case::Folded,
                patch_answer: PatchAnswer::Messages,
                registry: RegistryAccess::CompressedOnly,
                update_answer: UpdateAnswer::ErrorBodyUnder200,
                session_limit: 13,
                ..generic
            },
            Self::Xcc => Dialect {
                bios_answer: BiosAnswer::Annotations,
                pending: PendingShape::All,
                etag: Etag::DemandedForMedia,
                media: MediaDialect::Patch,
                boot_place: BootPlace::OrderInSettings,
                session_limit: 16,
                ..generic
            },
            Self::Supermicro => Dialect {
                bios_answer: BiosAnswer::AcceptedNoLocation,
                bios_place: BiosPlace::EitherResource,
                pending: PendingShape::AbsentWhenNone,
                media: MediaDialect::BareAction,
                eject: Eject::ActionOnlyWhileInserted,
                update_answer: UpdateAnswer::NothingToFollow,
                boot_mode: BootMode::ResetByTarget,
                session_limit: 16,
                ..generic
            },
            Self::Ami => Dialect {
                bios_answer: BiosAnswer::Settled,
                pending: PendingShape::ChangedOnly,
                etag: Etag::StarOnly,
                media: MediaDialect::CredentialsDemanded,
                boot_place: BootPlace::Settings,
                expand: Expand::DropsFields,
                session_limit: 16,
                ..generic
            },
            Self::Openbmc => Dialect {
                bios_answer: BiosAnswer::Settled,
                pending: PendingShape::ChangedOnly,
                media: MediaDialect::ActionWhereOffered,
                boot_place: BootPlace::Settings,
                session_limit: 64,
                ..generic
            },
        }
    }
}

impl FromStr for Profile {
    type Err = BmcError;

    fn from_str(name: &str) -> Result<Self, BmcError> {
        NAMES
            .iter()
            .find(|row| row.1 == name)
            .map(|row| row.0)
            .ok_or_else(|| BmcError::UnknownProfile {
                name: name.to_owned(),
                known: nearest_first(name, NAMES.iter().map(|row| row.1)),
            })
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(|error: BmcError| {
                serde::de::Error::custom(format!("{error}; {}", error.hint()))
            })
    }
}

/// How a BMC behaves. The default is what the standard says.
#[derive(Debug, Clone)]
pub struct Dialect {
    pub bios_answer: BiosAnswer,
    pub bios_place: BiosPlace,
    pub pending: PendingShape,
    pub apply_time: ApplyTime,
    pub batches: Batches,
    pub etag: Etag,
    pub media: MediaDialect,
    pub media_lag: Lag,
    pub eject: Eject,
    pub power_repeat: PowerRepeat,
    pub after_reset: AfterReset,
    pub during_post: DuringPost,
    pub accounts: Accounts,
    pub boot_mode: BootMode,
    pub boot_place: BootPlace,
    pub patch_answer: PatchAnswer,
    pub expand: Expand,
    pub power_settle: Lag,
    pub case: Case,
    pub registry: RegistryAccess,
    pub update_answer: UpdateAnswer,
    pub session_limit: usize,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            bios_answer: BiosAnswer::Task,
            bios_place: BiosPlace::SettingsOnly,
            pending: PendingShape::All,
            apply_time: ApplyTime::Optional,
            batches: Batches::Merged,
            etag: Etag::Optional,
            media: MediaDialect::Action,
            media_lag: Lag::AtOnce,
            eject: Eject::Lenient,
            power_repeat: PowerRepeat::Accepted,
            after_reset: AfterReset::Ready,
            during_post: DuringPost::Accepts,
            accounts: Accounts::Created,
            boot_mode: BootMode::Settable,
            boot_place: BootPlace::System,
            patch_answer: PatchAnswer::Resource,
            expand: Expand::Whole,
            power_settle: Lag::AtOnce,
            case: Case::Exact,
            registry: RegistryAccess::Open,
            update_answer: UpdateAnswer::Task,
            session_limit: 16,
        }
    }
}

/// What a change of BIOS settings is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BiosAnswer {
    /// 202 with a task monitor's Location and the task.
    Task,
    /// 200 or 202 with the Location of a job of the vendor's own.
    VendorJob,
    /// 200 with an `error` whose code means success, asking for a reset.
    ErrorBodyUnder200,
    /// 200 with message annotations only.
    Annotations,
    /// 202 and nothing to poll.
    AcceptedNoLocation,
    /// 204.
    Settled,
}

/// What a firmware update is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateAnswer {
    /// 202 with a task monitor's Location and the task.
    Task,
    /// 202 and nothing to poll.
    NothingToFollow,
    /// 200 with an `error` that says success.
    ErrorBodyUnder200,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BiosPlace {
    SettingsOnly,
    /// `Bios` itself takes the PATCH too, and keeps it pending.
    EitherResource,
}

/// What the settings resource shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingShape {
    All,
    ChangedOnly,
    /// No `Attributes` at all while nothing is pending.
    AbsentWhenNone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyTime {
    Optional,
    /// Without `@Redfish.SettingsApplyTime` or a job made for them, settings stay pending for ever.
    Demanded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batches {
    Merged,
    /// A second change is refused while a job for the first is queued.
    OneAtATime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Etag {
    /// In body and header; an `If-Match` is honoured where there is one.
    Optional,
    /// Only in the header.
    HeaderOnly,
    /// A PATCH of a virtual medium without `If-Match` is refused.
    DemandedForMedia,
    /// `If-Match: *` is refused, and expanded members have none.
    StarRefused,
    /// `If-Match` is wanted, and only `*` is taken.
    StarOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaDialect {
    Action,
    /// No actions: PATCH of `Image` and `Inserted`.
    Patch,
    /// As the standard says, but a device without the action takes no PATCH either.
    ActionWhereOffered,
    /// `Inserted` and `WriteProtected` are refused.
    BareAction,
    /// User name and password are wanted even where the image needs none.
    CredentialsDemanded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eject {
    Lenient,
    /// An empty body is refused; `{}` is taken.
    BodyDemanded,
    ActionOnlyWhileInserted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    AtOnce,
    Lags,
}

/// The answer to a reset that asks for the state the machine is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerRepeat {
    Accepted,
    Conflict,
}

/// What a BMC does when it is back from its own restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterReset {
    Ready,
    /// 503 with the vendor's 'not ready' for a while.
    NotReady,
    /// Open connections are reset also by a reset of the machine.
    CutConnections,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuringPost {
    Accepts,
    /// Changes to BIOS and boot are refused.
    RefuseChanges,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounts {
    Created,
    /// Slots that exist and are PATCHed.
    FixedSlots,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    Settable,
    /// `BootSourceOverrideMode` is refused where it differs from the mode in force.
    ByBiosOnly,
    /// A change of target without a mode falls back to Legacy.
    ResetByTarget,
}

/// Where the boot override and the boot order are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootPlace {
    System,
    /// The settings resource of the system, and only there.
    Settings,
    /// The order in the settings resource, the override in the system.
    OrderInSettings,
}

/// What a change of a plain resource is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchAnswer {
    Resource,
    /// 200 with an `error` that says success.
    Messages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expand {
    Whole,
    /// Expanded members lack what is nested, and long collections come in pages.
    DropsFields,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Exact,
    Folded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryAccess {
    Open,
    /// 406 to `Accept-Encoding: identity`.
    CompressedOnly,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_by_whole_words() {
        assert_eq!(
            Profile::guess("Dell Integrated Dell Remote Access Controller"),
            Profile::Idrac
        );
        assert_eq!(Profile::guess("HPE ProLiant"), Profile::Ilo);
        assert_eq!(Profile::guess("Contoso dynamic"), Profile::Generic);
        assert_eq!(Profile::guess("Oem.Ami"), Profile::Ami);
    }

    #[test]
    fn an_unknown_profile_lists_the_right_ones() {
        let error = "idrak".parse::<Profile>().expect_err("misspelt");
        assert!(
            error.hint().starts_with("profiles: idrac, "),
            "{}",
            error.hint()
        );
    }
}
