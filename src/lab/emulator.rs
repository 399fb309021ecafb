//! The lab's BMCs: one emulator process for all of them, which outlives whoever started it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::LabError;
use super::bmc::{BmcConfig, EmulatorConfig, Hook};

/// One machine's BMC.
#[derive(Debug, Clone)]
pub struct BmcSpec {
    pub machine: String,
    /// `https://127.0.0.1:PORT`
    pub url: String,
    /// Whose ways it has: `generic`, `idrac`, `ilo`, ….
    pub profile: String,
}

const PASSWORD: &str = "bmc-password";
const CONFIGURATION: &str = "bmc.json";
const PROCESS: &str = "bmc.pid";
const LOG: &str = "bmc.log";

/// How long the emulator may take to answer.
const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(10);

/// Starts the emulator for the lab in `folder`, unless it runs.
///
/// # Errors
/// An address that is not on this box, or what the emulator complained of.
pub fn ensure(folder: &Path, specs: &[BmcSpec]) -> Result<(), LabError> {
    if process(folder).is_some() {
        return Ok(());
    }
    let password = password(folder)?;
    let configuration = configuration(folder, specs, &password)?;
    let path = folder.join(CONFIGURATION);
    let text =
        serde_json::to_string_pretty(&configuration).map_err(|source| LabError::Description {
            path: path.clone(),
            source,
        })?;
    write_private(&path, &text)?;
    let log_path = folder.join(LOG);
    let log = fs::File::create(&log_path).map_err(LabError::file("made", &log_path))?;
    let errors = log.try_clone().map_err(LabError::file("used", &log_path))?;
    let mut command = Command::new(own_program()?);
    command
        .args(["lab", "bmc"])
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    // SAFETY: setsid only touches the new process and is safe between fork and exec. A session of
    // its own, so that no terminal's end reaches it.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        });
    }
    let mut child = command.spawn().map_err(|source| LabError::Start {
        program: "ra-deploy lab bmc".to_owned(),
        source,
    })?;
    let id = child.id();
    let noted = format!("{id} {}\n", started(id as i32).unwrap_or_default());
    write_private(&folder.join(PROCESS), &noted)?;
    let deadline = Instant::now() + START;
    loop {
        let said = fs::read_to_string(&log_path).unwrap_or_default();
        // It says so once every BMC answers.
        if said.contains("fingerprint") {
            return Ok(());
        }
        if !matches!(child.try_wait(), Ok(None)) || Instant::now() > deadline {
            return Err(LabError::Emulator {
                said: said.trim().to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn write_private(path: &Path, text: &str) -> Result<(), LabError> {
    fs::write(path, text).map_err(LabError::file("written", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(LabError::file("made private", path))
}

fn own_program() -> Result<PathBuf, LabError> {
    std::env::current_exe().map_err(|source| LabError::Start {
        program: "ra-deploy".to_owned(),
        source,
    })
}

/// A password of this lab alone, in a file for its owner only.
fn password(folder: &Path) -> Result<String, LabError> {
    const RANDOM: &str = "/proc/sys/kernel/random/uuid";
    let path = folder.join(PASSWORD);
    if !path.exists() {
        let random = fs::read_to_string(RANDOM).map_err(LabError::file("read", RANDOM))?;
        write_private(&path, random.trim())?;
    }
    let text = fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
    Ok(text.trim().to_owned())
}

fn configuration(
    folder: &Path,
    specs: &[BmcSpec],
    password: &str,
) -> Result<EmulatorConfig, LabError> {
    let program = own_program()?.display().to_string();
    let hook = |last: &str| -> Vec<String> {
        let folder = folder.display().to_string();
        [&program, "lab", "power", &folder, "{machine}", last]
            .iter()
            .map(|word| (*word).to_owned())
            .collect()
    };
    let mut bmcs = Vec::new();
    for spec in specs {
        let problem = |problem: String| LabError::Bmc {
            machine: spec.machine.clone(),
            url: spec.url.clone(),
            problem,
        };
        let socket: std::net::SocketAddr = spec
            .url
            .strip_prefix("https://")
            .and_then(|rest| rest.parse().ok())
            .ok_or_else(|| problem("is no https://ADDRESS:PORT".to_owned()))?;
        if !socket.ip().is_loopback() {
            return Err(problem("is not on this box".to_owned()));
        }
        let profile = serde_json::from_value(spec.profile.clone().into())
            .map_err(|error| problem(format!("has the profile `{}`: {error}", spec.profile)))?;
        bmcs.push(BmcConfig {
            address: Some(socket.ip()),
            port: socket.port(),
            profile,
            user: "admin".to_owned(),
            password: password.to_owned(),
            hook: Hook {
                power: hook("{action}"),
                state: hook("state"),
                timeout_seconds: 120,
            },
            ..BmcConfig::named(spec.machine.clone())
        });
    }
    Ok(EmulatorConfig {
        listen: std::net::Ipv4Addr::LOCALHOST.into(),
        certificate: None,
        key: None,
        state_dir: folder.join("bmc"),
        seed: 0,
        bmcs,
    })
}

/// The running emulator's process id. A number that another process has got meanwhile does not
/// count: it has started at another time.
pub fn process(folder: &Path) -> Option<i32> {
    let text = fs::read_to_string(folder.join(PROCESS)).ok()?;
    let (id, start) = text.trim().split_once(' ')?;
    let id = id.parse().ok()?;
    (started(id)? == start).then_some(id)
}

/// When a process started, in clock ticks since the boot; `None` for one that is gone or a zombie.
fn started(id: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

/// Stops the emulator of the lab in `folder`, if it runs.
///
/// # Errors
/// It does not end.
pub fn stop(folder: &Path) -> Result<(), LabError> {
    let Some(id) = process(folder) else {
        return Ok(());
    };
    signal(id, libc::SIGTERM);
    let deadline = Instant::now() + STOP;
    while process(folder) == Some(id) {
        if Instant::now() > deadline {
            signal(id, libc::SIGKILL);
        }
        if Instant::now() > deadline + STOP {
            return Err(LabError::Emulator {
                said: format!("its process {id} does not end"),
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Only ever for the process that this lab started, told apart by its start time.
fn signal(id: i32, signal: i32) {
    // SAFETY: kill has no memory effects.
    unsafe {
        libc::kill(id, signal);
    }
}
