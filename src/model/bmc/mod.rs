//! Questions to a BMC, their answers, and what can be done to one. Pure data: the redfish room
//! carries them out, resources and checks read the answers.

mod account;
mod service;
mod settings;

pub use account::{Account, AccountState, AccountWish, LoginState};
pub use service::{
    Job, JobStage, JobState, LogEntry, LogState, OpenSession, SessionState, Severity, instant,
};
pub use settings::{SettingsState, SettingsWish};

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod firmware;
mod media;
mod storage;

pub use firmware::{Component, FirmwareImage, FirmwareOrder, FirmwareState, Part, compare};
pub use media::{Drive, MediaDevice, MediaState, MediaWay, Medium, same_image, unescaped};
pub mod bios;
mod boot_order;
pub mod intents;
mod secure_boot;

pub use bios::{BiosDependency, BiosTerm, Condition, DependentProperty, Joined};
pub use boot_order::{BootClass, BootOption, BootOrderState};
pub use secure_boot::{SecureBootKeys, SecureBootState, SecureBootWish};
pub use storage::{Controller, Disk, DriveWish, RAID, StorageState, Volume, VolumeOrder, size};

/// A document found by following links, never by building an address from an identifier.
///
/// The first word is where to start: `root`, `system` (the primary system), `manager` (its BMC)
/// or `chassis` (its chassis); each further word is a property that holds a link, or `*` for
/// every member of a collection: `system/Bios`, `manager/VirtualMedia/*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkPath(pub String);

impl fmt::Display for LinkPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A read-only question to a BMC. Answers are JSON: for `Documents` an array of the raw
/// documents, otherwise the state type named beside the variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BmcQuery {
    Documents(LinkPath),
    /// [`SystemState`]
    System,
    /// [`BiosState`]
    Bios,
    /// [`BiosRegistry`]; asked only when an attribute has to change.
    BiosRegistry,
    /// [`MediaState`]
    Media,
    /// [`SecureBootState`]
    SecureBoot,
    /// [`BootOrderState`]
    BootOrder,
    /// [`FirmwareState`]
    Firmware,
    /// [`StorageState`]
    Storage,
    /// [`WaitingState`]; costs no request.
    Waiting,
    /// `{summary, unreadable}`: the hardware in one flat object, and a list of `{uri, reason}` of
    /// what could not be read.
    Hardware,
    /// [`LogState`]
    Logs,
    /// [`JobState`]
    Jobs,
    /// [`SessionState`]
    Sessions,
    /// [`SettingsState`]
    Settings,
    /// [`AccountState`]
    Accounts,
    /// [`LoginState`]; the password is sealed. A wrong one counts towards the BMC's lock-out.
    Login {
        user: String,
        password: super::Text,
    },
}

/// What the primary system says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemState {
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    pub bios_version: Option<String>,
    /// `On`, `Off`, `PoweringOn`, `PoweringOff`, or as the BMC spells it.
    pub power: Option<String>,
    /// `BootProgress.LastState`, where the BMC has it.
    pub boot_progress: Option<String>,
    /// `LastResetTime` as given.
    pub last_reset: Option<String>,
    pub reset_types: Vec<String>,
    pub boot_override: BootOverride,
    /// Targets that the BMC allows.
    pub boot_targets: Vec<String>,
    /// Properties of `Boot` that the BMC shows, also those without a value.
    #[serde(default)]
    pub boot_properties: Vec<String>,
}

/// The boot source override, in Redfish's own words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BootOverride {
    /// `Disabled`, `Once` or `Continuous`.
    pub enabled: Option<String>,
    /// `Pxe`, `Cd`, `Hdd`, `UefiHttp`, ….
    pub target: Option<String>,
    /// `UEFI` or `Legacy`.
    pub mode: Option<String>,
    pub uefi_target: Option<String>,
    pub http_boot_uri: Option<String>,
}

/// BIOS attributes: what is in force, and what waits for the next boot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BiosState {
    pub current: BTreeMap<String, Value>,
    /// Only attributes whose pending value differs from the current one.
    pub pending: BTreeMap<String, Value>,
    /// A configuration job that is queued, by its identifier.
    pub job: Option<String>,
    /// Identifier of the attribute registry that the BIOS names.
    pub registry: Option<String>,
}

/// The BIOS attribute registry, reduced to what checking a value needs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BiosRegistry {
    pub attributes: BTreeMap<String, BiosAttribute>,
    /// In the registry's order: where several hold, the last counts.
    #[serde(default)]
    pub dependencies: Vec<BiosDependency>,
    /// Why there is none, when the BMC publishes none that could be read.
    pub absent: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BiosAttribute {
    /// `Enumeration`, `String`, `Integer`, `Boolean` or `Password`.
    pub kind: Option<String>,
    pub display_name: Option<String>,
    pub read_only: bool,
    pub allowed: Vec<String>,
    pub lower_bound: Option<f64>,
    pub upper_bound: Option<f64>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
}

/// What this run has brought to the BMC and waits for the server's next boot, beside BIOS
/// attributes: firmware and volumes, in words.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WaitingState {
    pub what: Vec<String>,
}

/// Something done to a server through its BMC. Each act proves that it happened before it
/// counts as done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BmcAct {
    /// Stages BIOS attributes; they take effect at the next boot.
    StageBios {
        attributes: BTreeMap<String, Value>,
    },
    /// Boots the server where BIOS attributes, secure boot or a boot order wait for it, and waits
    /// until they are in force.
    BootForSettings,
    /// Brings the power to a state: proven by `PowerState`, and for `On` by the boot's progress
    /// where the BMC tells it.
    Power(PowerGoal),
    SetBoot(BootOverride),
    /// Brings components to a version; done when it runs, or when it waits for the next boot.
    UpdateFirmware(FirmwareOrder),
    CreateVolume(VolumeOrder),
    /// Deletes the volume at a path with all that is on it.
    DeleteVolume(String),
    /// A boot, where something that this run has written waits for one; done when it is in force.
    BootStaged,
    /// Puts an image into a virtual drive, after taking out another one.
    InsertMedia(Medium),
    /// Takes the images out of the drives of that kind, or of all.
    EjectMedia(Option<Drive>),
    /// Empties every log that can be emptied.
    ClearLogs,
    /// Deletes every task and job that can be deleted; what they would have changed is not changed.
    ClearJobs {
        /// The vendor's harsher way too, where the mild one leaves something.
        force: bool,
    },
    /// Restarts the BMC, not the server.
    ResetBmc,
    /// Switches secure boot for the next boot, and resets its keys.
    SetSecureBoot(SecureBootWish),
    /// References of boot options, the first first.
    SetBootOrder {
        order: Vec<String>,
    },
    /// Sets the BMC's own name and clock.
    SetSettings(SettingsWish),
    /// Makes an account, or changes it.
    SetAccount(AccountWish),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerGoal {
    On,
    /// Ordered shutdown first, forced off when the budget is spent.
    Off,
    ForceOff,
    /// A boot after the act, from whichever state: ordered restart, then forced, then off and on.
    Restart,
    ForceRestart,
}

/// Where a BMC answers and how it is trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// `https://198.51.100.11`, without a path.
    pub url: String,
    pub user: String,
    pub password: super::Secret,
    /// What the BMC was delivered with, where `password` is still to be set.
    pub first_password: Option<super::Secret>,
    pub trust: Trust,
}

/// Whom the BMC's certificate has to convince.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// `sha256:` and the hexadecimal digest of the leaf certificate.
    Pin(String),
    /// A PEM file with the authority's certificates.
    Authority(std::path::PathBuf),
    /// The system's authorities.
    System,
    Insecure,
}
