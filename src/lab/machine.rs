//! One machine: its files, its power button and its lamp.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::base::{set_mode, text};
use super::cgroup::{Hierarchy, Process, start_time};
use super::command::run;
use super::{LabError, LabSpec, MachineSpec, USER, network};

const RUN: &str = include_str!("data/run-machine");
const SEED: &str = include_str!("data/seed-machine");

/// From the power button to the machine's first process.
const START_LIMIT: Duration = Duration::from_secs(30);
/// For an ordered shutdown; a kubelet alone may take half a minute for its pods.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(120);
/// For the kernel to take a killed machine's processes away.
const CUT_LIMIT: Duration = Duration::from_secs(30);
/// The first account that Debian makes.
const USER_ID: u32 = 1000;

/// What the lamp shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Power {
    Off,
    On {
        /// Names the boot: differs after every one. `None` for the moment in which the machine
        /// has been started and runs nothing yet.
        boot: Option<String>,
    },
}

/// How to switch a machine off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerOff {
    /// Like a short press of the button: the machine shuts down in order.
    Graceful,
    /// Like a pulled plug.
    Force,
}

/// A machine of a lab.
#[derive(Debug, Clone)]
pub struct Machine {
    spec: MachineSpec,
    lab: LabSpec,
}

impl Machine {
    pub(super) fn new(lab: &LabSpec, spec: &MachineSpec) -> Self {
        Self {
            spec: spec.clone(),
            lab: lab.clone(),
        }
    }

    pub fn name(&self) -> &str {
        &self.spec.name
    }

    pub fn address(&self) -> std::net::Ipv4Addr {
        self.spec.address
    }

    pub fn address_6(&self) -> std::net::Ipv6Addr {
        self.lab.subnet.beside(self.spec.address)
    }

    /// What the machine says while it boots.
    pub fn console(&self) -> PathBuf {
        self.home().join("console.log")
    }

    fn home(&self) -> PathBuf {
        self.lab.home(&self.spec.name)
    }

    fn group(&self) -> String {
        format!("{}/{}", self.lab.group(), self.spec.name)
    }

    fn processes(&self) -> Result<Vec<Process>, LabError> {
        Ok(Hierarchy::of_this_box()?.processes(&self.group()))
    }

    /// Looks at the lamp.
    pub fn state(&self) -> Result<Power, LabError> {
        let processes = self.processes()?;
        if processes.is_empty() {
            return Ok(Power::Off);
        }
        let boot = processes.iter().find(|process| process.first);
        Ok(Power::On {
            boot: boot.and_then(|process| {
                start_time(process.id).map(|time| format!("{}-{time}", process.id))
            }),
        })
    }

    /// Bytes of memory in use by a running machine, with its files in the page cache.
    pub fn memory(&self) -> Result<Option<u64>, LabError> {
        Ok(match self.state()? {
            Power::Off => None,
            Power::On { .. } => Hierarchy::of_this_box()?.memory(&self.group()),
        })
    }

    /// Starts the machine unless it runs, and returns once its first process is there. It outlives
    /// this process.
    pub async fn power_on(&self) -> Result<(), LabError> {
        if self.state()? != Power::Off {
            return Ok(());
        }
        // After a restart of the box there is no bridge.
        network::make(&self.lab).await?;
        let hierarchy = Hierarchy::of_this_box()?;
        for part in ["keeper", "machine"] {
            hierarchy.create(&format!("{}/{part}", self.group()))?;
        }
        let home = self.home();
        let script = home.join("run-machine");
        fs::write(&script, RUN).map_err(LabError::file("written", &script))?;
        let console =
            File::create(self.console()).map_err(LabError::file("made", self.console()))?;
        let errors = console
            .try_clone()
            .map_err(LabError::file("opened", self.console()))?;
        // In a session of its own, with nothing of ours open: neither a terminal that closes nor
        // a pipe that somebody waits on ties the machine to whoever started it.
        let mut keeper = Command::new("setsid")
            .args(["unshare", "--mount", "--propagation", "private", "sh"])
            .arg(&script)
            .arg(&home)
            .arg(format!("{}-{}", self.lab.name, self.spec.name))
            .arg(&self.spec.name)
            .arg(self.lab.bridge())
            .args(hierarchy.groups(&self.group()))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(console)
            .stderr(errors)
            .spawn()
            .map_err(|source| LabError::Start {
                program: "setsid".into(),
                source,
            })?;
        let begun = Instant::now();
        loop {
            if matches!(self.state()?, Power::On { boot: Some(_) }) {
                return Ok(());
            }
            let ended = keeper.try_wait().ok().flatten().is_some();
            if ended && self.state()? == Power::Off {
                return Err(LabError::Dead {
                    machine: self.spec.name.clone(),
                    complaint: last_lines(&self.console()),
                    console: self.console(),
                });
            }
            if begun.elapsed() > START_LIMIT {
                return Err(self.late("off", START_LIMIT));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Switches the machine off and returns once nothing of it runs any more.
    pub async fn power_off(&self, way: PowerOff) -> Result<(), LabError> {
        let limit = match way {
            PowerOff::Graceful => SHUTDOWN_LIMIT,
            PowerOff::Force => CUT_LIMIT,
        };
        let begun = Instant::now();
        let mut asked = None;
        loop {
            let processes = self.processes()?;
            if processes.is_empty() {
                return Ok(());
            }
            match way {
                // systemd powers off at SIGRTMIN+4 (systemd(1), SIGNALS). Once per boot: it may
                // have been booting and deaf, or rebooting.
                PowerOff::Graceful => {
                    let first = processes.iter().find(|process| process.first);
                    if let Some(first) = first
                        && asked != Some(first.id)
                    {
                        signal(*first, libc::SIGRTMIN() + 4);
                        asked = Some(first.id);
                    }
                }
                // With the first process its whole PID namespace dies at once. Killing
                // systemd-nspawn would leave the machine running; its keeper goes too, so that
                // nothing starts the machine again.
                PowerOff::Force => processes
                    .iter()
                    .for_each(|process| signal(*process, libc::SIGKILL)),
            }
            if begun.elapsed() > limit {
                return Err(self.late("on", limit));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Like the reset button: a power cut, and on again.
    pub async fn reset(&self) -> Result<(), LabError> {
        self.power_off(PowerOff::Force).await?;
        self.power_on().await
    }

    fn late(&self, state: &'static str, limit: Duration) -> LabError {
        LabError::Late {
            machine: self.spec.name.clone(),
            state,
            seconds: limit.as_secs(),
            console: self.console(),
        }
    }

    /// Makes the machine's root file system from the base, unless it has one.
    pub(super) async fn make(&self, base: &Path, public_key: &str) -> Result<(), LabError> {
        let home = self.home();
        if home.join("root.img").exists() {
            return Ok(());
        }
        fs::create_dir_all(&home).map_err(LabError::file("made", &home))?;
        let host_key = home.join("ssh_host_ed25519_key");
        if !host_key.exists() {
            make_key(&host_key, &self.spec.name).await?;
        }
        let seed = home.join("seed");
        self.write_seed(&seed, &host_key, public_key)?;
        let script = home.join("seed-machine");
        fs::write(&script, SEED).map_err(LabError::file("written", &script))?;
        run(
            &format!("making the root file system of {}", self.spec.name),
            &[
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                &text(&script),
                &text(&home),
                &text(base),
            ],
        )
        .await?;
        fs::remove_dir_all(&seed).map_err(LabError::file("removed", &seed))
    }

    /// The files that make it this machine, laid out like its root.
    fn write_seed(&self, seed: &Path, host_key: &Path, public_key: &str) -> Result<(), LabError> {
        let host_key_text =
            fs::read_to_string(host_key).map_err(LabError::file("read", host_key))?;
        let ssh = format!("home/{USER}/.ssh");
        let name = &self.spec.name;
        let lab = &self.lab;
        let machine_id = hex::encode(random_bytes()?);
        let network = format!(
            "[Match]\nName=host0\n\n[Network]\nAddress={}/{}\nAddress={}/64\nGateway={}\nIPv6AcceptRA=no\n",
            self.address(),
            lab.subnet.prefix(),
            self.address_6(),
            lab.subnet.router(),
        );
        let files = [
            ("etc/hostname", 0o644, format!("{name}\n")),
            ("etc/machine-id", 0o444, format!("{machine_id}\n")),
            (
                "etc/hosts",
                0o644,
                format!(
                    "127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\n"
                ),
            ),
            // Nobody answers there; without a line CoreDNS does not start.
            (
                "etc/resolv.conf",
                0o644,
                format!("nameserver {}\n", lab.subnet.router()),
            ),
            ("etc/systemd/network/10-host0.network", 0o644, network),
            ("etc/ssh/ssh_host_ed25519_key", 0o600, host_key_text),
            (
                &format!("{ssh}/authorized_keys"),
                0o600,
                format!("{public_key}\n"),
            ),
        ];
        for (path, mode, text) in &files {
            let path = seed.join(path);
            make_folders(seed, path.parent().expect("it is below the seed"))?;
            fs::write(&path, text).map_err(LabError::file("written", &path))?;
            set_mode(&path, *mode)?;
        }
        set_mode(&seed.join(&ssh), 0o700)?;
        for owned in [
            format!("home/{USER}"),
            ssh.clone(),
            format!("{ssh}/authorized_keys"),
        ] {
            let path = seed.join(owned);
            chown(&path, Some(USER_ID), Some(USER_ID))
                .map_err(LabError::file("given an owner", &path))?;
        }
        Ok(())
    }

    /// The line by which a client knows the machine's host key.
    pub(super) fn known_hosts_lines(&self) -> Result<String, LabError> {
        let path = self.home().join("ssh_host_ed25519_key.pub");
        let key = fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
        let key: Vec<&str> = key.split_whitespace().take(2).collect();
        let hosts = [
            self.spec.name.clone(),
            self.address().to_string(),
            self.address_6().to_string(),
        ];
        Ok(format!("{} {}\n", hosts.join(","), key.join(" ")))
    }
}

/// Folders whose modes do not depend on this process's umask: they are laid over the machine's own.
fn make_folders(seed: &Path, folder: &Path) -> Result<(), LabError> {
    fs::create_dir_all(folder).map_err(LabError::file("made", folder))?;
    for step in folder.ancestors().take_while(|step| step.starts_with(seed)) {
        set_mode(step, 0o755)?;
    }
    Ok(())
}

pub(super) async fn make_key(path: &Path, comment: &str) -> Result<(), LabError> {
    let path = text(path);
    let words = [
        "ssh-keygen",
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-C",
        comment,
        "-f",
        &path,
    ];
    run("making an SSH key", &words).await.map(drop)
}

fn random_bytes() -> Result<[u8; 16], LabError> {
    use std::io::Read;
    let path = "/dev/urandom";
    let mut bytes = [0; 16];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(LabError::file("read", path))?;
    Ok(bytes)
}

/// Sends a signal to a process that was just seen in the machine's group.
fn signal(process: Process, number: i32) {
    // SAFETY: kill has no memory effects; that the process may be gone meanwhile is what we want.
    unsafe { libc::kill(process.id, number) };
}

fn last_lines(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
