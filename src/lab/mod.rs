//! A lab: machines and BMCs to try ra-deploy on without hardware.
//!
//! A machine is a Debian system in a systemd-nspawn container with a file system, an address and
//! SSH keys of its own. Everything about a lab is found again from its state folder and from the
//! kernel: which processes are a machine's is what its cgroups say, and its mount and loop device
//! live in a mount namespace that goes with its last process. So nothing has to be remembered, and
//! nothing can be left behind or hit by mistake.
//!
//! ```text
//! spec         what a lab is to be
//! base         the root file system that machines are copies of
//! network      the bridge
//! machine      files, power button, lamp
//! cgroup       a machine's processes
//! bmc          the Redfish services beside them
//! emulator     the process that they run in
//! ```
//!
//! What a container lacks and a server has: a kernel command line, modules and huge pages of its
//! own, and a firmware.

mod base;
pub mod bmc;
mod cgroup;
mod command;
pub mod emulator;
mod error;
mod machine;
mod network;
mod requirement;
mod spec;

#[cfg(test)]
mod live;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

pub use error::LabError;
pub use machine::{Machine, Power, PowerOff};
pub use spec::{LabSpec, MachineSpec, Subnet};

use cgroup::Hierarchy;

/// The account on every machine: sudo without a password, and the lab's key.
pub const USER: &str = "ops";
/// Where base root file systems are kept.
pub const CACHE: &str = "/var/cache/ra-deploy/lab";

/// What `up` is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The base root file system is being made: half a minute, once.
    MakingBase,
    /// A machine's file system is there.
    MachineReady(String),
}

/// A lab that has been made.
#[derive(Debug, Clone)]
pub struct Lab {
    spec: LabSpec,
}

/// What is written into the state folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Description {
    name: String,
    subnet: Subnet,
    machines: Vec<MachineSpec>,
}

/// Makes what is missing of a lab: base, keys, machines, network. No machine is switched on.
///
/// Errors: what the box lacks, faults of the description, and [`LabError::Different`] where the
/// folder holds a lab with other machines. Machines that are added to a lab are made.
pub async fn up(
    spec: &LabSpec,
    cache: &Path,
    progress: impl Fn(Progress),
) -> Result<Lab, LabError> {
    requirement::check()?;
    spec.check()?;
    let state_dir = &spec.state_dir;
    match Lab::open(state_dir) {
        Ok(found) => found.is_part_of(spec)?,
        Err(LabError::NoLab(_)) => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(state_dir).map_err(LabError::file("made", state_dir))?;
    // Keys inside: nobody else's business.
    base::set_mode(state_dir, 0o700)?;
    let lab = Lab { spec: spec.clone() };
    lab.write()?;
    network::make(spec).await?;
    if !base::path(cache).exists() {
        progress(Progress::MakingBase);
    }
    let image = base::make(cache).await?;
    if !lab.key().exists() {
        machine::make_key(&lab.key(), &format!("ra-deploy lab {}", spec.name)).await?;
    }
    let public = lab.key().with_extension("pub");
    let public_key = fs::read_to_string(&public).map_err(LabError::file("read", &public))?;

    let mut making = JoinSet::new();
    for machine in lab.machines() {
        let (image, public_key) = (image.clone(), public_key.trim().to_owned());
        making.spawn(async move {
            let made = machine.make(&image, &public_key).await;
            made.map(|()| machine.name().to_owned())
        });
    }
    while let Some(made) = making.join_next().await {
        progress(Progress::MachineReady(
            made.expect("making a machine does not panic")?,
        ));
    }
    lab.write_known_hosts()?;
    Ok(lab)
}

impl Lab {
    /// Finds the lab in a state folder.
    pub fn open(state_dir: &Path) -> Result<Self, LabError> {
        let path = LabSpec::file(state_dir);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(LabError::NoLab(state_dir.to_path_buf()));
            }
            text => text.map_err(LabError::file("read", &path))?,
        };
        let description: Description = serde_json::from_slice(&text)
            .map_err(|source| LabError::Description { path, source })?;
        Ok(Self {
            spec: LabSpec {
                name: description.name,
                state_dir: state_dir.to_path_buf(),
                subnet: description.subnet,
                machines: description.machines,
            },
        })
    }

    pub fn spec(&self) -> &LabSpec {
        &self.spec
    }

    /// The private key that opens every machine; its public half is beside it.
    pub fn key(&self) -> PathBuf {
        self.spec.state_dir.join("ssh_key")
    }

    /// The machines' host keys, as an OpenSSH known_hosts file.
    pub fn known_hosts(&self) -> PathBuf {
        self.spec.state_dir.join("known_hosts")
    }

    pub fn machines(&self) -> Vec<Machine> {
        let machines = self.spec.machines.iter();
        machines.map(|it| Machine::new(&self.spec, it)).collect()
    }

    pub fn machine(&self, name: &str) -> Result<Machine, LabError> {
        let mut machines = self.machines();
        match machines.iter().position(|it| it.name() == name) {
            Some(index) => Ok(machines.swap_remove(index)),
            None => Err(LabError::NoMachine {
                name: name.to_owned(),
                known: machines.iter().map(|it| it.name().to_owned()).collect(),
            }),
        }
    }

    /// Cuts the power of every machine and takes everything away but the cached base: processes,
    /// cgroups, bridge, files. What is gone already is no error.
    pub async fn down(self) -> Result<(), LabError> {
        let mut stopping = JoinSet::new();
        for machine in self.machines() {
            stopping.spawn(async move { machine.power_off(PowerOff::Force).await });
        }
        while let Some(stopped) = stopping.join_next().await {
            stopped.expect("stopping a machine does not panic")?;
        }
        Hierarchy::of_this_box()?.remove(&self.spec.group())?;
        network::remove(&self.spec).await?;
        let state_dir = &self.spec.state_dir;
        fs::remove_dir_all(state_dir).map_err(LabError::file("removed", state_dir))
    }

    /// Every machine that was made is still asked for, and means the same.
    fn is_part_of(&self, spec: &LabSpec) -> Result<(), LabError> {
        let old = &self.spec;
        let what = if old.name != spec.name {
            "its name"
        } else if old.subnet != spec.subnet {
            "its subnet"
        } else if !old.machines.iter().all(|it| spec.machines.contains(it)) {
            "a machine"
        } else {
            return Ok(());
        };
        Err(LabError::Different {
            state_dir: spec.state_dir.clone(),
            what,
        })
    }

    fn write(&self) -> Result<(), LabError> {
        let description = Description {
            name: self.spec.name.clone(),
            subnet: self.spec.subnet,
            machines: self.spec.machines.clone(),
        };
        let text = serde_json::to_vec_pretty(&description).expect("plain data has a JSON form");
        let path = LabSpec::file(&self.spec.state_dir);
        fs::write(&path, text).map_err(LabError::file("written", &path))
    }

    fn write_known_hosts(&self) -> Result<(), LabError> {
        let lines: Result<String, LabError> = self
            .machines()
            .iter()
            .map(Machine::known_hosts_lines)
            .collect();
        let path = self.known_hosts();
        fs::write(&path, lines?).map_err(LabError::file("written", &path))
    }
}
