//! UEFI secure boot: what is wished, what is in force, and the keys it trusts.

use serde::{Deserialize, Serialize};

/// The SecureBoot resource of the primary system.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SecureBootState {
    /// What the next boot will have: `SecureBootEnable`.
    pub enabled: Option<bool>,
    /// What the running boot has: `Enabled` or `Disabled`.
    pub in_force: Option<String>,
    /// `SetupMode` while there is no platform key; `UserMode`, `AuditMode`, `DeployedMode`.
    pub mode: Option<String>,
    /// What its ResetKeys action takes; empty where it does not tell, none where it has no such
    /// action.
    pub resets: Option<Vec<String>>,
}

impl SecureBootState {
    /// Whether keys are enrolled; none where the mode is not told.
    pub fn has_keys(&self) -> Option<bool> {
        let mode = self.mode.as_deref()?;
        Some(!mode.eq_ignore_ascii_case("SetupMode"))
    }

    /// Whether the running boot has it; none where that is not told.
    pub fn runs(&self) -> Option<bool> {
        let word = self.in_force.as_deref()?;
        Some(word.eq_ignore_ascii_case("Enabled"))
    }
}

/// What is to be done about it; none of a part leaves that part as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SecureBootWish {
    pub enabled: Option<bool>,
    pub keys: Option<SecureBootKeys>,
}

/// A reset of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecureBootKeys {
    /// The vendor's keys are enrolled.
    ResetToDefault,
    /// All are deleted: setup mode.
    DeleteAll,
    /// The platform key alone is deleted: setup mode.
    DeletePlatformKey,
}

impl SecureBootKeys {
    /// The standard's word for the action.
    pub fn reset_type(self) -> &'static str {
        match self {
            Self::ResetToDefault => "ResetAllKeysToDefault",
            Self::DeleteAll => "DeleteAllKeys",
            Self::DeletePlatformKey => "DeletePK",
        }
    }

    /// Whether keys are enrolled afterwards.
    pub fn leaves_keys(self) -> bool {
        self == Self::ResetToDefault
    }
}
