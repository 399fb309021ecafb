//! What a BMC remembers: kept in one small JSON file, so that an emulator that was restarted goes
//! on where it stopped. Sessions are not kept, as real BMCs lose them too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::BmcError;

/// What the machine does, in Redfish's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Power {
    On,
    Off,
    PoweringOn,
    PoweringOff,
}

impl Power {
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "On",
            Self::Off => "Off",
            Self::PoweringOn => "PoweringOn",
            Self::PoweringOff => "PoweringOff",
        }
    }
}

/// `BootProgress.LastState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    None,
    PrimaryProcessorInitializationStarted,
    MemoryInitializationStarted,
    #[serde(rename = "PCIResourceConfigStarted")]
    PciResourceConfigStarted,
    SystemHardwareInitializationComplete,
    #[serde(rename = "OSBootStarted")]
    SystemBootStarted,
    #[serde(rename = "OSRunning")]
    SystemRunning,
}

impl Stage {
    /// The self-test's stages in their order.
    pub const SELF_TEST: [Stage; 4] = [
        Self::PrimaryProcessorInitializationStarted,
        Self::MemoryInitializationStarted,
        Self::PciResourceConfigStarted,
        Self::SystemHardwareInitializationComplete,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::PrimaryProcessorInitializationStarted => "PrimaryProcessorInitializationStarted",
            Self::MemoryInitializationStarted => "MemoryInitializationStarted",
            Self::PciResourceConfigStarted => "PCIResourceConfigStarted",
            Self::SystemHardwareInitializationComplete => "SystemHardwareInitializationComplete",
            Self::SystemBootStarted => "OSBootStarted",
            Self::SystemRunning => "OSRunning",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// Waits for a boot.
    Scheduled,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl TaskState {
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What a task does when it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TaskEffect {
    /// The pending BIOS settings; ends at a boot.
    Bios,
    /// Documents take these values; `None` removes one.
    Documents(BTreeMap<String, Option<Value>>),
    /// A component runs a version; ends at a boot.
    Firmware(String, String),
    Nothing,
}

/// A task, and the vendor's job that is the same thing under another name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub id: String,
    pub name: String,
    /// The vendor's word, such as `BIOSConfiguration`.
    pub kind: String,
    pub state: TaskState,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// Share of 100 while it runs.
    pub percent: u8,
    pub message: String,
    pub target: Option<String>,
    pub effect: TaskEffect,
    /// What the task's monitor answers at the end.
    pub outcome: Option<Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    pub user: String,
    pub password: String,
    pub role: String,
    pub enabled: bool,
    /// Nothing but a change of the password is allowed.
    #[serde(default)]
    pub change_required: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogLine {
    pub time: Timestamp,
    pub severity: String,
    pub text: String,
}

/// Everything that outlives the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Of this file's shape.
    pub version: u32,
    pub power: Power,
    pub stage: Stage,
    pub last_reset: Timestamp,
    pub last_bmc_reset: Timestamp,
    pub boots: u64,
    /// What the machine last booted from.
    pub booted_from: String,
    /// Documents that differ from the tree's; `None` for one that was removed.
    pub documents: BTreeMap<String, Option<Value>>,
    pub pending: BTreeMap<String, Value>,
    /// Whether the pending settings will be applied at the next boot.
    pub armed: bool,
    pub tasks: Vec<Task>,
    /// Counts tasks, volumes, subscriptions.
    pub serial: u64,
    /// By path of the account's resource.
    pub accounts: BTreeMap<String, Account>,
    pub log: Vec<LogLine>,
    /// Inventory path and version of a BIOS that the next boot runs.
    #[serde(default)]
    pub staged_bios: Option<(String, String)>,
    /// Certificate and key, in PEM, that took the place of the emulator's own.
    #[serde(default)]
    pub certificate: Option<(String, String)>,
    /// A boot order that the next boot takes.
    #[serde(default)]
    pub boot_order: Option<Value>,
    /// The boot that the state hook named last.
    pub seen_boot: Option<String>,
}

pub const VERSION: u32 = 1;
const LOG_LINES: usize = 200;

impl State {
    pub fn fresh(now: Timestamp) -> Self {
        Self {
            version: VERSION,
            power: Power::Off,
            stage: Stage::None,
            // Long ago: a reset in this very second would look like none.
            last_reset: now - jiff::SignedDuration::from_hours(1),
            last_bmc_reset: now,
            boots: 0,
            booted_from: "None".into(),
            documents: BTreeMap::new(),
            pending: BTreeMap::new(),
            armed: false,
            tasks: Vec::new(),
            serial: 0,
            accounts: BTreeMap::new(),
            log: Vec::new(),
            certificate: None,
            staged_bios: None,
            boot_order: None,
            seen_boot: None,
        }
    }

    pub fn path(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.json"))
    }

    /// The saved state, or none where there is no file.
    pub fn load(path: &Path) -> Result<Option<Self>, BmcError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(BmcError::Read {
                    path: path.into(),
                    source,
                });
            }
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| BmcError::State {
                path: path.into(),
                source,
            })
    }

    /// Writes beside the file and renames, so that a crash leaves the old or the new state. The
    /// file holds passwords and is readable by its owner only.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;

        let text = serde_json::to_vec(self)?;
        let beside = path.with_extension("json.new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&text)?;
        std::fs::rename(&beside, path)
    }

    pub fn note(&mut self, severity: &str, text: impl Into<String>) {
        self.log.push(LogLine {
            time: Timestamp::now(),
            severity: severity.to_owned(),
            text: text.into(),
        });
        if self.log.len() > LOG_LINES {
            self.log.drain(..LOG_LINES / 4);
        }
    }

    pub fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn in_self_test(&self) -> bool {
        self.power == Power::PoweringOn
            || (self.power == Power::On && self.stage < Stage::SystemBootStarted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_state_reads_back_and_is_private() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let path = State::path(folder.path(), "w01");
        assert!(State::load(&path).expect("no error").is_none());
        let mut state = State::fresh(Timestamp::now());
        state.stage = Stage::SystemRunning;
        state.documents.insert("/redfish/v1/Systems/1".into(), None);
        state.note("OK", "hello");
        state.save(&path).expect("saved");
        let read = State::load(&path).expect("no error").expect("a state");
        assert_eq!(
            serde_json::to_value(&read).ok(),
            serde_json::to_value(&state).ok()
        );
        let mode = std::fs::metadata(&path)
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
