//! Questions to a host and their answers. A question is data and read-only; equal questions are
//! asked once, whoever asks them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BmcQuery;

/// A read-only question.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// What is at a path, without its content: [`Answer::File`].
    File(String),
    /// SHA-256 of a regular file: [`Answer::Digest`].
    Digest(String),
    /// The bytes of a small file (at most 1 MiB): [`Answer::Content`].
    Content(String),
    /// A systemd unit: [`Answer::Unit`].
    Unit(String),
    /// An installed package: [`Answer::Package`].
    Package(String),
    /// The stamp that an unpacked archive left, and whether its files are as they were:
    /// [`Answer::Archive`].
    Archive(String),
    /// The images of the container runtime: [`Answer::Images`].
    Images,
    /// A POSIX shell text that only reads: [`Answer::Output`].
    Run(String),
    /// GET of a path of the Kubernetes API, asked through a control plane host: [`Answer::Kube`].
    Kube(String),
    /// A script run in a short-lived pod: [`Answer::Output`].
    Pod(PodQuery),
    /// A question to the host's BMC: [`Answer::Bmc`].
    Bmc(BmcQuery),
}

/// Whom a question is put to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A shell on the host.
    Host,
    /// The host's BMC.
    Bmc,
}

impl Query {
    pub fn place(&self) -> Place {
        match self {
            Query::Bmc(_) => Place::Bmc,
            _ => Place::Host,
        }
    }
}

/// A pod that lives for one question.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodQuery {
    pub image: String,
    /// POSIX shell text that the pod's only container runs.
    pub script: String,
    /// The node to run on; any when absent.
    pub node: Option<String>,
    /// Fields of the pod's `spec` and of its container beyond image and command, as JSON text so
    /// that equal questions compare equal: `{"spec": {…}, "container": {…}}`.
    pub overrides: Option<String>,
    pub timeout_seconds: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    File(FileState),
    /// Lower-case hexadecimal; `None` when there is no regular file.
    Digest(Option<String>),
    /// `None` when there is no regular file. Bytes that are not UTF-8 are replaced.
    Content(Option<String>),
    Unit(UnitState),
    Package(PackageState),
    Archive(ArchiveState),
    Images(Vec<ImageState>),
    Output(Output),
    Kube(KubeAnswer),
    Bmc(Value),
    /// The question could not be put, or not answered; never read as absence.
    Failed(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    Absent,
    Present(Metadata),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    pub kind: FileKind,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    pub owner: String,
    pub group: String,
    /// Bytes.
    pub size: u64,
    /// Last change of the content, seconds since the epoch.
    pub modified: f64,
    /// Where a symbolic link points.
    pub link: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    File,
    Directory,
    Link,
    Other,
}

/// Properties of a unit as `systemctl show` gives them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked`.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`.
    pub active: String,
    pub sub: String,
    /// `enabled`, `disabled`, `static`, or empty.
    pub enabled: String,
    pub needs_daemon_reload: bool,
    /// When its main process started, seconds since the epoch.
    pub started: Option<f64>,
    /// When its active state last changed, seconds since the epoch; a reload counts
    /// (`StateChangeTimestampMonotonic`).
    #[serde(default)]
    pub changed: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PackageState {
    /// `None` when it is not installed.
    pub version: Option<String>,
    pub held: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ArchiveState {
    /// The identity that the stamp names; `None` without a stamp.
    pub identity: Option<String>,
    /// Files of the stamp that are missing or changed since.
    pub damaged: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageState {
    pub name: String,
    pub digest: String,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KubeAnswer {
    /// HTTP status; 404 is an answer like any other.
    pub status: u16,
    pub body: Value,
}
