//! What is done to a machine: plain data that a resource chose and a link carries out.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{BmcAct, Text};

/// One act. The acts of one change run in order, in one round trip, and stop at the first that
/// fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// POSIX shell text, run with `set -e`.
    Run(Text),
    /// POSIX shell text that reads a payload from its standard input.
    Feed {
        script: Text,
        payload: Payload,
    },
    /// Writes a file: beside its place first, then renamed over it, so nobody sees half of it.
    Write {
        path: String,
        content: Payload,
        /// Permission bits.
        mode: u32,
        owner: String,
        group: String,
    },
    Bmc(BmcAct),
    /// Boots the host anew and proves it by another boot id; the way is the BMC's where the
    /// reset has to be told there, else the system's own.
    Reboot,
}

/// Bytes that travel to a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    Text(Text),
    /// A file of an artifact, by the artifact's name and the file's name in it; the engine finds
    /// it in the store when the act is due.
    Artifact {
        artifact: String,
        file: Option<String>,
    },
    /// A file on the controller.
    Local(PathBuf),
}
