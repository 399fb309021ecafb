//! Sealed text: a value that may travel through plans and events because it never shows itself.

use std::fmt;

/// A secret value. `Debug` and `Display` print `‹sealed›`; only [`Secret::reveal`] gives the
/// text, and only the rooms that talk to a machine (link, redfish, kube) call it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The text itself. Never pass the result to an event, a log, an error or an argument vector.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("‹sealed›")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("‹sealed›")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing_of_itself() {
        let secret = Secret::new("canary");
        assert_eq!(format!("{secret} {secret:?}"), "‹sealed› ‹sealed›");
        assert_eq!(secret.reveal(), "canary");
    }
}
