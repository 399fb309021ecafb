//! `ra-deploy lab`

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::session::{self, Secrets};
use super::{Common, Format, exit};
use crate::config::Site;
use crate::lab::emulator::{self, BmcSpec};
use crate::lab::{
    self as room, Lab as Machines, LabError, LabSpec, MachineSpec, Power, PowerOff, Progress, bmc,
};

#[derive(Debug, Args)]
pub struct Lab {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes the machines, powered off, and their BMCs. A second time it finds what is there.
    Up { inventory: PathBuf },
    /// Takes machines, BMCs, bridge and files away again.
    Down { inventory: PathBuf },
    /// Which machines are on, and where they answer.
    Status { inventory: PathBuf },
    /// Presses a machine's power button: On, ForceOff, GracefulShutdown; `state` only looks. What
    /// an emulated BMC calls.
    Power {
        /// The lab's folder.
        folder: PathBuf,
        machine: String,
        action: String,
    },
    /// Emulates the BMCs of a configuration file until it is stopped.
    Bmc {
        configuration: PathBuf,
        /// Writes what each BMC was asked, and the sessions open on it, to a JSON file: at the
        /// end, and at each SIGUSR1.
        #[arg(long, value_name = "FILE")]
        counts: Option<PathBuf>,
    },
}

impl Lab {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        match self.command {
            Command::Up { inventory } => up(&inventory, common),
            Command::Down { inventory } => down(&inventory, common),
            Command::Status { inventory } => status(&inventory, common),
            Command::Power {
                folder,
                machine,
                action,
            } => power(&folder, &machine, &action),
            Command::Bmc {
                configuration,
                counts,
            } => emulate(&configuration, counts.as_deref()),
        }
    }
}

/// An error of the lab with its hint.
fn told<T>(result: Result<T, LabError>) -> anyhow::Result<T> {
    result.map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        anyhow::Error::new(error).context(super::Hint(hint))
    })
}

fn folder(inventory: &Path, common: &Common) -> anyhow::Result<PathBuf> {
    let folder = session::state_folder(inventory, common).join("lab");
    Ok(std::path::absolute(folder)?)
}

/// The lab that an inventory describes: its machines and their BMCs.
fn spec(site: &Site, folder: &Path) -> anyhow::Result<(LabSpec, Vec<BmcSpec>)> {
    let Some(lab) = &site.lab else {
        bail!(super::Hint(
            "the inventory describes no lab: add a `lab:` with a `subnet:`, as inventories/lab.yaml has".to_owned()
        ));
    };
    let text = |key: &str| lab.get(key).and_then(Value::as_str);
    let mut machines = Vec::new();
    let mut bmcs = Vec::new();
    for host in &site.hosts {
        let address: Ipv4Addr = host
            .address
            .parse()
            .with_context(|| format!("a lab machine needs an IPv4 address: {}", host.name))?;
        machines.push(MachineSpec {
            name: host.name.clone(),
            address,
        });
        if let Some(bmc) = &host.bmc {
            bmcs.push(BmcSpec {
                machine: host.name.clone(),
                url: bmc.url.clone(),
                profile: text("bmc-profile").unwrap_or("generic").to_owned(),
            });
        }
    }
    let subnet = text("subnet").unwrap_or_default().parse();
    let spec = LabSpec {
        name: text("name").unwrap_or(&site.name).to_owned(),
        state_dir: folder.to_owned(),
        subnet: told(subnet)?,
        machines,
    };
    Ok((spec, bmcs))
}

fn up(inventory: &Path, common: &Common) -> anyhow::Result<i32> {
    let site = match session::load(inventory, common, Secrets::Leave) {
        Ok(site) => site,
        Err(code) => return Ok(code),
    };
    let folder = folder(inventory, common)?;
    let (spec, bmcs) = spec(&site, &folder)?;
    session::block(async {
        let tell = |progress: Progress| match progress {
            Progress::MakingBase => {
                eprintln!("making the machines' base file system (about a minute, once) …");
            }
            Progress::MachineReady(name) => eprintln!("machine {name} is made"),
        };
        told(room::up(&spec, Path::new(room::CACHE), tell).await)?;
        told(emulator::ensure(&folder, &bmcs))?;
        eprintln!(
            "{} machines and {} BMCs are there; `ra-deploy apply {}` powers them on.",
            spec.machines.len(),
            bmcs.len(),
            inventory.display()
        );
        Ok(exit::DONE)
    })
}

fn down(inventory: &Path, common: &Common) -> anyhow::Result<i32> {
    let folder = folder(inventory, common)?;
    // What stands on disk counts, whatever the inventory says by now.
    let lab = match Machines::open(&folder) {
        Err(LabError::NoLab(_)) => {
            eprintln!("there is no lab in {}", folder.display());
            return Ok(exit::DONE);
        }
        lab => told(lab)?,
    };
    told(emulator::stop(&folder))?;
    session::block(async { told(lab.down().await) })?;
    eprintln!("the lab is gone");
    Ok(exit::DONE)
}

fn status(inventory: &Path, common: &Common) -> anyhow::Result<i32> {
    let site = match session::load(inventory, common, Secrets::Leave) {
        Ok(site) => site,
        Err(code) => return Ok(code),
    };
    let folder = folder(inventory, common)?;
    let lab = told(Machines::open(&folder))?;
    let mut rows = Vec::new();
    for machine in lab.machines() {
        let power = match told(machine.state())? {
            Power::On { .. } => "on",
            Power::Off => "off",
        };
        let bmc = site
            .host(machine.name())
            .and_then(|host| Some(host.bmc.as_ref()?.url.clone()));
        rows.push((machine, power, bmc));
    }
    let bmcs_run = emulator::process(&folder).is_some();
    if common.output == Format::Text {
        for (machine, power, bmc) in &rows {
            say!(
                "{:<10} {power:<3}  {:<15}  BMC {}",
                machine.name(),
                machine.address(),
                bmc.as_deref().unwrap_or("none")
            );
        }
        say!("BMCs {}", if bmcs_run { "run" } else { "do not run" });
    } else {
        let machines: Vec<Value> = rows
            .iter()
            .map(|(machine, power, bmc)| {
                json!({
                    "name": machine.name(), "power": power, "address": machine.address().to_string(),
                    "bmc": bmc, "console": machine.console(),
                })
            })
            .collect();
        say!("{}", json!({"machines": machines, "bmcs": bmcs_run}));
    }
    Ok(exit::DONE)
}

fn power(folder: &Path, machine: &str, action: &str) -> anyhow::Result<i32> {
    let lab = told(Machines::open(folder))?;
    let machine = told(lab.machine(machine))?;
    session::block(async {
        match action {
            "state" => match told(machine.state())? {
                Power::On { boot: Some(boot) } => say!("on {boot}"),
                Power::On { boot: None } => say!("on"),
                Power::Off => say!("off"),
            },
            "On" => told(machine.power_on().await)?,
            "ForceOff" => told(machine.power_off(PowerOff::Force).await)?,
            "GracefulShutdown" => told(machine.power_off(PowerOff::Graceful).await)?,
            // A lab machine has no handler for it.
            "Nmi" => {}
            other => bail!("there is no power action `{other}`"),
        }
        Ok(exit::DONE)
    })
}

fn emulate(configuration: &Path, counts: Option<&Path>) -> anyhow::Result<i32> {
    let configuration = bmc::EmulatorConfig::read(configuration)?;
    session::block(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("no signals here")?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let mut asked = signal(SignalKind::user_defined1()).context("no signals here")?;
        let mut running = bmc::serve(configuration, shutdown).await?;
        for (name, address) in &running.addresses {
            say!("{name} https://{address}");
        }
        say!("fingerprint {}", running.fingerprint);
        loop {
            let over = tokio::select! {
                () = running.stopped() => true,
                _ = asked.recv() => false,
            };
            if let Some(path) = counts {
                // Renamed into its place: who waits for the file never reads half of it.
                let beside = path.with_extension("new");
                std::fs::write(&beside, serde_json::to_vec_pretty(&running.counts())?)
                    .and_then(|()| std::fs::rename(&beside, path))
                    .with_context(|| format!("{} cannot be written", path.display()))?;
            }
            if over {
                return Ok(exit::DONE);
            }
        }
    })
}
