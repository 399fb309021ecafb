//! Accounts of a BMC.

use serde::{Deserialize, Serialize};

use crate::model::Text;

/// The accounts of a BMC and the roles that it knows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AccountState {
    pub accounts: Vec<Account>,
    /// Identifiers of the roles; empty where the BMC lists none.
    pub roles: Vec<String>,
    /// Accounts that could not be read, with the reason.
    pub unreadable: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub path: String,
    /// Empty for a slot that nobody uses (iDRAC has sixteen fixed ones).
    pub name: String,
    pub role: Option<String>,
    pub enabled: Option<bool>,
    pub locked: Option<bool>,
}

/// Whether a BMC takes a user with a password.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginState {
    Accepted,
    /// The password is right, but has to be changed before anything else.
    ChangeDemanded,
    Refused(String),
}

/// What an account should be. Nothing is said of what is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountWish {
    pub name: String,
    pub role: Option<String>,
    /// Sealed.
    pub password: Option<Text>,
    pub enabled: bool,
}
