//! What a resource found: nothing to do, or what differs and the acts that mend it.

use serde::{Deserialize, Serialize};

use super::Action;

/// A resource's finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub standing: Standing,
    /// What differs, in the order a person would tell it.
    pub differences: Vec<Difference>,
    /// The acts that mend it, in order.
    pub actions: Vec<Action>,
    /// Whether the acts only take effect at the next boot.
    #[serde(default)]
    pub boots: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// As it should be.
    Settled,
    /// The acts are needed.
    Differs,
    /// Done as far as it can be: it takes effect at the next boot.
    AwaitsBoot,
}

impl Change {
    pub fn settled() -> Self {
        Self {
            standing: Standing::Settled,
            differences: Vec::new(),
            actions: Vec::new(),
            boots: false,
        }
    }

    /// Settled when nothing differs, else the differences with their acts.
    pub fn from(differences: Vec<Difference>, actions: Vec<Action>) -> Self {
        if differences.is_empty() {
            Self::settled()
        } else {
            Self {
                standing: Standing::Differs,
                differences,
                actions,
                boots: false,
            }
        }
    }

    /// The same, with acts that take effect at the next boot.
    pub fn at_boot(differences: Vec<Difference>, actions: Vec<Action>) -> Self {
        Self {
            boots: true,
            ..Self::from(differences, actions)
        }
    }

    pub fn awaits_boot(differences: Vec<Difference>) -> Self {
        Self {
            standing: Standing::AwaitsBoot,
            differences,
            actions: Vec::new(),
            boots: true,
        }
    }

    pub fn is_settled(&self) -> bool {
        self.standing == Standing::Settled
    }
}

/// One thing that differs, as a plan shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// `mode 0600 → 0644`. An absent value is `None`.
    Value {
        what: String,
        from: Option<String>,
        to: Option<String>,
    },
    /// A text's lines, as a unified diff without its header.
    Lines {
        added: usize,
        removed: usize,
        diff: String,
    },
    /// Content that is not shown because it is secret.
    Sealed { what: String },
    /// A consequence: `restarts containerd`, `needs 1 reboot`.
    Note(String),
}

impl Difference {
    pub fn value(
        what: &str,
        from: impl Into<Option<String>>,
        to: impl Into<Option<String>>,
    ) -> Self {
        Self::Value {
            what: what.to_owned(),
            from: from.into(),
            to: to.into(),
        }
    }
}
