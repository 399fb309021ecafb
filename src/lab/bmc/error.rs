//! What can go wrong before a BMC answers: configuration, certificate, addresses, captured trees.

use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum BmcError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not an emulator configuration", path.display())]
    Configuration {
        path: PathBuf,
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    #[error("{} is not a saved state of a BMC", path.display())]
    State {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("no fault is called '{name}'")]
    UnknownFault {
        name: String,
        /// Every fault's name, the nearest first.
        known: Vec<&'static str>,
    },
    #[error("fault '{name}' does not take the value '{value}'")]
    FaultValue { name: &'static str, value: String },
    #[error("no profile is called '{name}'")]
    UnknownProfile {
        name: String,
        /// Every profile's name, the nearest first.
        known: Vec<&'static str>,
    },
    #[error("two BMCs are called '{0}'")]
    DuplicateName(String),
    #[error("'{0}' cannot be the name of a BMC")]
    Name(String),
    #[error("hook of BMC '{bmc}': {problem}")]
    Hook { bmc: String, problem: String },
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    #[error("cannot use the certificate in {}", path.display())]
    CertificateFile {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("TLS refuses the certificate and key")]
    Tls(#[source] rustls::Error),
    #[error("{} is not a captured tree: {problem}", path.display())]
    Tree { path: PathBuf, problem: String },
}

impl BmcError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { path, .. } => format!("see that {} exists and may be read", path.display()),
            Self::Write { path, .. } => {
                format!("see that {} may be written and its disk is not full", path.display())
            }
            Self::Configuration { .. } => {
                "keys: listen, certificate, key, state-dir, seed, bmcs; of a BMC: name, machine, address, port, profile, tree, user, password, latency-milliseconds, session-limit, faults, hook, timing, media-access, attributes".into()
            }
            Self::State { path, .. } => format!("remove {} to start that BMC afresh", path.display()),
            Self::UnknownFault { known, .. } => format!("faults: {}", known.join(", ")),
            Self::FaultValue { name, .. } => {
                format!("write '{name}' alone or '{name}=NUMBER' with a whole number")
            }
            Self::UnknownProfile { known, .. } => format!("profiles: {}", known.join(", ")),
            Self::DuplicateName(_) => "give every BMC a name of its own".into(),
            Self::Name(_) => "use letters, digits, '-', '_' and '.', beginning with a letter or digit".into(),
            Self::Hook { .. } => "placeholders: {machine}, {action}, {boot}, {image}, {state}; the first word is the program".into(),
            // The number of EMFILE on Linux.
            Self::Listen { source, .. } if source.raw_os_error() == Some(24) => {
                "raise the limit of open files (ulimit -n) to four for each BMC and its clients".into()
            }
            Self::Listen { address, .. } => format!(
                "is {} an address of this machine, and port {} free? port 0 takes any free one",
                address.ip(),
                address.port()
            ),
            Self::Certificate(_) => "give certificate and key files in the configuration".into(),
            Self::CertificateFile { .. } => {
                "both must be PEM; remove them to have new ones made (their fingerprint changes)".into()
            }
            Self::Tls(_) => "certificate and key must belong together".into(),
            Self::Tree { .. } => {
                "give a folder that holds redfish/v1/index.json, or a .tar or .tar.zst of one (zstd must be installed for the latter)".into()
            }
        }
    }
}
