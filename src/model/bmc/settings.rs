//! What a BMC is set to itself: its name, its clock, where it gets the time.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SettingsState {
    /// As its network interface, else its network protocols, name it.
    pub host_name: Option<String>,
    /// `None` where the BMC does not tell.
    pub ntp_enabled: Option<bool>,
    /// Without the empty places that some BMCs list.
    pub ntp_servers: Vec<String>,
    /// `+01:00`
    pub offset: Option<String>,
    /// As the BMC names it.
    pub time_zone: Option<String>,
    /// `DateTime` as given.
    pub time: Option<String>,
}

/// What is to be set; nothing is said of what is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SettingsWish {
    pub host_name: Option<String>,
    pub ntp: Option<Vec<String>>,
    pub time_zone: Option<String>,
}

impl SettingsState {
    /// Whether a time zone, as a name or as an offset, is the one in force.
    pub fn is_in_zone(&self, wish: &str) -> bool {
        [&self.time_zone, &self.offset]
            .into_iter()
            .flatten()
            .any(|found| found.eq_ignore_ascii_case(wish))
    }
}
