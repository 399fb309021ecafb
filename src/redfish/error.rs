//! What can go wrong with a BMC, in words that say what to do next.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::message::{Message, sentence};

type Source = Arc<dyn StdError + Send + Sync>;

/// An error of the redfish room. It can be cloned because one failed document may answer several
/// questions.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("the BMC's address {url:?} cannot be used: {reason}")]
    Address { url: String, reason: String },
    #[error("the authority's certificates in {} cannot be read", path.display())]
    AuthorityFile {
        path: PathBuf,
        #[source]
        source: Option<Source>,
    },
    #[error("the BMC at {origin} does not answer: {reason}")]
    Unreachable {
        origin: String,
        /// The innermost cause, such as `connection refused`.
        reason: String,
        /// Whether the request may have arrived all the same.
        arrival: Arrival,
        #[source]
        source: Source,
    },
    #[error(
        "no TLS connection to {origin}: the BMC offers only protocols or ciphers too old ({reason})"
    )]
    TlsTooOld { origin: String, reason: String },
    #[error("the certificate of {origin} is not the pinned one: expected {expected}, got {got}")]
    PinDiffers {
        origin: String,
        expected: String,
        got: String,
    },
    #[error(
        "the certificate of {origin} is not trusted: {reason}{}",
        found(fingerprint)
    )]
    Certificate {
        origin: String,
        reason: String,
        /// Of the certificate that was shown, where it could be learnt.
        fingerprint: Option<String>,
    },
    #[error("{origin} redirects {path} to {to}, which is another origin")]
    Redirect {
        origin: String,
        path: String,
        to: String,
    },
    #[error("{origin} is no Redfish service: {reason}")]
    NotRedfish { origin: String, reason: String },
    #[error("the BMC refuses user {user:?}: {reason}")]
    Login { user: String, reason: String },
    #[error("the BMC demands a new password for user {user:?} before anything else")]
    PasswordChange {
        user: String,
        /// The account's path, where the BMC names it.
        account: Option<String>,
    },
    #[error("the BMC refuses user {user:?} with `password` and with `first-password`: {reason}")]
    FirstLogin { user: String, reason: String },
    #[error(
        "the BMC refuses user {user:?} with `password`, and `first-password` is not tried by a \
         command that changes nothing: {reason}"
    )]
    FirstPasswordLeft { user: String, reason: String },
    #[error("{user:?} is the account that this run is logged in with")]
    OwnAccount { user: String },
    #[error("the BMC forbids {method} {path}: {reason}")]
    Forbidden {
        method: String,
        path: String,
        reason: String,
    },
    #[error("there is no {path} on this BMC")]
    Missing { path: String },
    #[error("the BMC was still not ready for {method} {path} after {} s: {reason}", waited.as_secs())]
    NotReady {
        method: String,
        path: String,
        waited: Duration,
        reason: String,
    },
    #[error(
        "the BMC refuses {method} {path} with status {status}{}",
        said(messages)
    )]
    Refused {
        method: String,
        path: String,
        status: u16,
        messages: Vec<Message>,
    },
    #[error("the answer to {path} cannot be read: {reason}")]
    Malformed { path: String, reason: String },
    #[error("the BMC lists no system that can be controlled: {reason}")]
    NoSystem { reason: String },
    #[error("this BMC cannot {what}: {reason}")]
    Unsupported { what: String, reason: String },
    #[error("the BMC's task for {what} ended as {state}{}", said(messages))]
    Task {
        what: String,
        state: String,
        messages: Vec<Message>,
    },
    #[error("the BMC cannot use the image {image}: {reason}")]
    Image { image: String, reason: String },
    #[error("this machine cannot {what}")]
    Serve {
        what: String,
        #[source]
        source: Source,
    },
    #[error("the value ‹{name}› is not known")]
    Sealed { name: String },
    #[error("the connection to {origin} was closed")]
    Closed { origin: String },
    #[error("{what} was accepted but is not proven after {} s: {found}", waited.as_secs())]
    NotProven {
        what: String,
        found: String,
        waited: Duration,
    },
}

/// Whether a request without an answer may have had an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    Impossible,
    Possible,
}

fn found(fingerprint: &Option<String>) -> String {
    match fingerprint {
        Some(fingerprint) => format!("; its fingerprint is {fingerprint}"),
        None => String::new(),
    }
}

fn said(messages: &[Message]) -> String {
    if messages.is_empty() {
        String::new()
    } else {
        format!(": {}", sentence(messages))
    }
}

impl Error {
    /// What to do next, for the person in front of it.
    pub fn hint(&self) -> String {
        match self {
            Self::Address { .. } => {
                "write the BMC's address as https://ADDRESS or https://ADDRESS:PORT".into()
            }
            Self::AuthorityFile { .. } => {
                "name a PEM file with at least one certificate that can be read by this user".into()
            }
            Self::Unreachable { origin, .. } => format!(
                "try `curl -k {origin}/redfish/v1/` from this machine; check the address, the cable \
                 and VLAN of the management port, firewalls, and that Redfish is switched on in the BMC"
            ),
            Self::TlsTooOld { .. } => {
                "this BMC's TLS is too old to be safe: update its firmware, or switch on TLS 1.2 with \
                 ECDHE and AES-GCM in its security settings"
                    .into()
            }
            Self::PinDiffers { got, .. } => format!(
                "if the BMC or its certificate was replaced on purpose, compare the fingerprint with \
                 the one in its web page and write `pin: \"{got}\"` to the inventory, or let \
                 `ra-deploy bmc pin INVENTORY --limit HOST --write --replace` do so; if not, somebody \
                 may be listening: do not go on"
            ),
            Self::Certificate { .. } => {
                "BMC certificates are mostly self-signed: compare the fingerprint with the one in the \
                 BMC's web page, and let `ra-deploy bmc pin INVENTORY --write` write it to the \
                 inventory; or name the authority that signed it for this very address as `ca`; \
                 `insecure` believes anybody"
                    .into()
            }
            Self::Redirect { to, .. } => format!("if {to} is the BMC, write that address to the inventory"),
            Self::NotRedfish { .. } => {
                "check the address and port: something else answers there, or Redfish is switched off".into()
            }
            Self::Login { .. } => {
                "check the user and password in the inventory; too many failures may have locked the \
                 account for some minutes"
                    .into()
            }
            Self::PasswordChange { .. } => {
                "in the inventory's `bmc`, name the password that it has now as `first-password` and \
                 the new one as `password`: ra-deploy then changes it at the next login; or change it \
                 in the BMC's web page and write the new one where the inventory looks for it"
                    .into()
            }
            Self::FirstPasswordLeft { .. } => {
                "`ra-deploy apply` and the commands that act on BMCs log in with `first-password` \
                 and put `password` in its place"
                    .into()
            }
            Self::FirstLogin { .. } => {
                "name the password that is printed on the server's tag as `first-password`; if somebody \
                 changed it already, name that one as `password`. Do not try too often: BMCs lock \
                 accounts"
                    .into()
            }
            Self::OwnAccount { .. } => {
                "change its password by `first-password` (the old one) and `password` (the new one) in \
                 the inventory's `bmc`, or run this with another administrator's account"
                    .into()
            }
            Self::Forbidden { .. } => {
                "give this user the administrator's role on the BMC; some functions need a licence".into()
            }
            Self::Missing { .. } => {
                "the BMC's firmware may be too old for this; update it, or leave this wish out".into()
            }
            Self::NotReady { .. } => {
                "wait until the server has left its power-on self-test and its job queue is empty, then \
                 run again; if it stays so, reset the BMC"
                    .into()
            }
            Self::Refused { messages, .. } | Self::Task { messages, .. } => messages
                .iter()
                .find_map(|message| message.resolution.clone())
                .unwrap_or_else(|| "see the BMC's own log for the reason".into()),
            Self::Malformed { .. } => {
                "the BMC's firmware answers wrongly here: update it, or reset the BMC if it just booted".into()
            }
            Self::NoSystem { .. } => {
                "a BMC lists no system for some minutes after a reset or a cleared job queue: run again \
                 later; else point the inventory to the server's own BMC"
                    .into()
            }
            Self::Unsupported { .. } => "leave this wish out for this host, or update the BMC's firmware".into(),
            Self::Image { .. } => {
                "the BMC fetches the image itself, over its own network port: its own DNS or route may \
                 be why it cannot, so name the server by its IP address, in a network that the BMC \
                 reaches; check that the address answers, and that its certificate is one that the BMC \
                 takes if it is https; or let ra-deploy hand it over: \
                 `media insert --file`, `firmware update --file`"
                    .into()
            }
            Self::Serve { .. } => {
                "name a file that this user can read, and an address of this machine with a port that \
                 is free"
                    .into()
            }
            Self::Sealed { name } => format!("give ‹{name}› a value under `secrets` in the inventory"),
            Self::Closed { .. } => "the run was stopped; run again to go on".into(),
            Self::NotProven { .. } => {
                "look at the server's console; run again to retry from the state it is in, reset the BMC \
                 if it keeps ignoring requests"
                    .into()
            }
        }
    }

    /// Whether asking again later may help without a person's doing.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::NotReady { .. } | Self::NoSystem { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_the_words_and_the_resolution_of_the_bmc() {
        let error = Error::Refused {
            method: "PATCH".into(),
            path: "/redfish/v1/Systems/1".into(),
            status: 400,
            messages: vec![Message {
                id: "Base.1.8.PropertyValueNotInList".into(),
                text: "The value Foo is not in the list.".into(),
                resolution: Some("Choose a value from the list.".into()),
                arguments: Vec::new(),
                related: vec![],
            }],
        };
        assert_eq!(
            error.to_string(),
            "the BMC refuses PATCH /redfish/v1/Systems/1 with status 400: The value Foo is not in the list."
        );
        assert_eq!(error.hint(), "Choose a value from the list.");
    }
}
