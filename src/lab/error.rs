//! What can go wrong with a lab, in words that say what to do next.

use std::net::Ipv4Addr;
use std::path::PathBuf;

/// An error of the lab's machines. (Their BMCs have `bmc::BmcError`.)
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error("this box cannot run lab machines: {}", missing.join(", "))]
    Requirements {
        /// What is missing, such as `the program mmdebstrap`.
        missing: Vec<String>,
        /// Debian packages that bring the missing programs.
        packages: Vec<&'static str>,
    },
    #[error("'{name}' is no name for a {what}")]
    Name { what: &'static str, name: String },
    #[error("subnet '{0}' is not an IPv4 network of 4 to 65536 addresses")]
    Subnet(String),
    #[error("address {address} of machine '{machine}' {problem}")]
    Address {
        machine: String,
        address: Ipv4Addr,
        problem: &'static str,
    },
    #[error("two machines are called '{0}'")]
    Twice(String),
    #[error("there is no lab in {}", .0.display())]
    NoLab(PathBuf),
    #[error("the lab in {} is another one than the one asked for: {what} differs", state_dir.display())]
    Different {
        state_dir: PathBuf,
        what: &'static str,
    },
    #[error("no machine of this lab is called '{name}'")]
    NoMachine { name: String, known: Vec<String> },
    #[error("network interface {bridge} exists, and does not belong to the lab in {}", state_dir.display())]
    BridgeTaken { bridge: String, state_dir: PathBuf },
    #[error("{} cannot be {doing}", path.display())]
    File {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not a lab's description", path.display())]
    Description {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{program} could not be run")]
    Start {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{doing} failed: {program} ended with {status}: {complaint}")]
    Command {
        doing: String,
        program: String,
        status: String,
        /// Its whole standard error.
        complaint: String,
    },
    #[error("the BMC emulator did not start")]
    Emulator {
        /// What it printed.
        said: String,
    },
    #[error("the BMC '{url}' of {machine} {problem}")]
    Bmc {
        machine: String,
        url: String,
        problem: String,
    },
    #[error("machine '{machine}' did not come up: {complaint}")]
    Dead {
        machine: String,
        /// The end of its console.
        complaint: String,
        console: PathBuf,
    },
    #[error("machine '{machine}' is still {state} after {seconds} s")]
    Late {
        machine: String,
        state: &'static str,
        seconds: u64,
        console: PathBuf,
    },
}

impl LabError {
    pub(super) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            path,
            doing,
            source,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Requirements { packages, .. } if packages.is_empty() => {
                "lab machines are systemd-nspawn containers: they need Linux and root (try sudo)"
                    .into()
            }
            Self::Requirements { packages, .. } => format!(
                "on Debian or Ubuntu: apt-get install {}; everything else here needs Linux and root",
                packages.join(" ")
            ),
            Self::Name { what: "lab", .. } => {
                "a lab's name has 1 to 11 lower-case letters, digits or hyphens, as its bridge is called 'ra-' and the name".into()
            }
            Self::Name { .. } => {
                "a machine's name has 1 to 63 lower-case letters, digits or hyphens and starts with a letter".into()
            }
            Self::Subnet(_) => "such as 10.77.0.0/24".into(),
            Self::Address { .. } => {
                "choose another address of the lab's subnet; the first one is the box's own".into()
            }
            Self::Twice(_) => "give each machine a name of its own".into(),
            Self::NoLab(_) => "make it with 'ra-deploy lab up'".into(),
            Self::Different { .. } => {
                "take the old lab away with 'ra-deploy lab down' first".into()
            }
            Self::NoMachine { known, .. } => format!("the lab has {}", known.join(", ")),
            Self::BridgeTaken { bridge, .. } => format!(
                "give the lab another name, or remove the interface: ip link delete {bridge}"
            ),
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                "labs need root: try sudo".into()
            }
            Self::Description { .. } => {
                "the file was changed by hand or half written; remove the lab's folder and make it again".into()
            }
            Self::Dead { console, .. } | Self::Late { console, .. } => {
                format!("its console says more: {}", console.display())
            }
            Self::Emulator { said } => format!("it said: {said}"),
            Self::Bmc { .. } => {
                "a lab's BMCs listen on this box: https://127.0.0.1:PORT, a port each".into()
            }
            Self::Command { .. } | Self::Start { .. } | Self::File { .. } => return None,
        })
    }
}
