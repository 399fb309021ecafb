//! What to emulate: read from a YAML or JSON file, or built by the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::error::BmcError;
use super::faults::Fault;
use super::hooks::Hook;
use super::profile::Profile;

/// One emulator process: any number of BMCs behind one certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EmulatorConfig {
    /// Address that a BMC without one of its own listens on.
    #[serde(default = "loopback")]
    pub listen: IpAddr,
    /// PEM certificate; default `certificate.pem` in the state folder, made when absent.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM key; default `key.pem` in the state folder, made when absent.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Folder for the certificate and one small state file a BMC; made when absent.
    pub state_dir: PathBuf,
    /// Seeds what faults do by chance; the same seed gives the same choices.
    #[serde(default)]
    pub seed: u64,
    pub bmcs: Vec<BmcConfig>,
}

/// One BMC.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BmcConfig {
    pub name: String,
    /// What hooks call the machine; default the BMC's name.
    #[serde(default)]
    pub machine: Option<String>,
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// Default 0: any free port, told by [`super::Running::addresses`].
    #[serde(default)]
    pub port: u16,
    /// Default: as guessed from the tree, or generic.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// A captured tree to serve instead of the profile's own model: a folder, `.tar` or `.tar.zst`.
    /// The profile then says only how the BMC behaves; without one it is guessed from the tree.
    #[serde(default)]
    pub tree: Option<PathBuf>,
    #[serde(default = "default_user")]
    pub user: String,
    #[serde(default = "default_password")]
    pub password: String,
    /// Added to every answer.
    #[serde(default)]
    pub latency_milliseconds: u64,
    /// How many sessions may be open; default as the profile has it.
    #[serde(default)]
    pub session_limit: Option<usize>,
    /// `name` or `name=NUMBER`; see [`super::faults::FaultKind`].
    #[serde(default)]
    pub faults: Vec<Fault>,
    #[serde(default)]
    pub hook: Hook,
    #[serde(default)]
    pub timing: Timing,
    #[serde(default)]
    pub media_access: MediaAccess,
    /// BIOS attributes that differ from the profile's at the very first start.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
}

/// Whether the BMC reads what it is told to insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaAccess {
    /// An image that cannot be read over HTTP is refused, as real BMCs do.
    #[default]
    Fetched,
    /// Every address is taken for good.
    Believed,
}

/// How long things take. Real servers are ten to fifty times slower than these defaults.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Timing {
    /// From the button to the first instruction.
    pub power_on: Seconds,
    /// From a graceful shutdown's request to power off, where no state hook tells.
    pub shutdown: Seconds,
    /// How long a graceful shutdown may take until the BMC stops waiting for it.
    pub shutdown_limit: Seconds,
    /// Power-on self-test, over all its stages.
    pub post: Seconds,
    /// From the boot loader to a running system.
    pub system_boot: Seconds,
    /// Between off and on of a power cycle.
    pub cycle_pause: Seconds,
    /// How long a restarting BMC is away.
    pub bmc_reset: Seconds,
    /// A firmware update, a volume's creation and other tasks.
    pub task: Seconds,
    /// Between the answer to an eject and its effect, on profiles that lag.
    pub media_lag: Seconds,
    /// How long an answer of the state hook is believed.
    pub state_poll: Seconds,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            power_on: Seconds(0.5),
            shutdown: Seconds(2.0),
            shutdown_limit: Seconds(60.0),
            post: Seconds(3.0),
            system_boot: Seconds(2.0),
            cycle_pause: Seconds(1.0),
            bmc_reset: Seconds(10.0),
            task: Seconds(3.0),
            media_lag: Seconds(2.0),
            state_poll: Seconds(1.0),
        }
    }
}

impl Timing {
    /// Everything in a few hundredths of a second.
    #[cfg(test)]
    pub fn brisk() -> Self {
        let short = Seconds(0.03);
        Self {
            power_on: short,
            shutdown: short,
            shutdown_limit: Seconds(1.0),
            post: Seconds(0.12),
            system_boot: short,
            cycle_pause: short,
            bmc_reset: Seconds(0.3),
            task: Seconds(0.1),
            media_lag: Seconds(0.1),
            state_poll: Seconds(0.01),
        }
    }
}

/// A span of time written as a number of seconds, such as `1.5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds(pub f64);

impl Seconds {
    pub fn duration(self) -> Duration {
        Duration::try_from_secs_f64(self.0).unwrap_or_default()
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if (0.0..=86_400.0).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(serde::de::Error::custom(
                "expected seconds between 0 and 86400",
            ))
        }
    }
}

fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn default_user() -> String {
    "admin".into()
}

fn default_password() -> String {
    "password".into()
}

impl BmcConfig {
    /// A BMC of the generic profile with every default.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            machine: None,
            address: None,
            port: 0,
            profile: None,
            tree: None,
            user: default_user(),
            password: default_password(),
            latency_milliseconds: 0,
            session_limit: None,
            faults: Vec::new(),
            hook: Hook::default(),
            timing: Timing::default(),
            media_access: MediaAccess::default(),
            attributes: BTreeMap::new(),
        }
    }

    pub fn machine(&self) -> &str {
        self.machine.as_deref().unwrap_or(&self.name)
    }
}

impl std::fmt::Debug for BmcConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BmcConfig")
            .field("name", &self.name)
            .field("profile", &self.profile)
            .field("tree", &self.tree)
            .field("user", &self.user)
            .field("password", &"‹sealed›")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl EmulatorConfig {
    /// Reads a YAML or JSON file; relative paths in it count from the file's folder.
    pub fn read(path: &Path) -> Result<Self, BmcError> {
        let text = std::fs::read_to_string(path).map_err(|source| BmcError::Read {
            path: path.into(),
            source,
        })?;
        let mut config: Self =
            serde_saphyr::from_str(&text).map_err(|source| BmcError::Configuration {
                path: path.into(),
                source: Box::new(source),
            })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.state_dir = folder.join(&config.state_dir);
        for file in [&mut config.certificate, &mut config.key]
            .into_iter()
            .flatten()
        {
            *file = folder.join(&file);
        }
        for tree in config.bmcs.iter_mut().filter_map(|bmc| bmc.tree.as_mut()) {
            *tree = folder.join(&tree);
        }
        Ok(config)
    }

    /// Names are unique and fit for a file name; hooks have only known placeholders.
    pub fn check(&self) -> Result<(), BmcError> {
        let mut names = BTreeSet::new();
        for bmc in &self.bmcs {
            let fit = bmc
                .name
                .starts_with(|first: char| first.is_ascii_alphanumeric())
                && bmc
                    .name
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
            if !fit {
                return Err(BmcError::Name(bmc.name.clone()));
            }
            if !names.insert(&bmc.name) {
                return Err(BmcError::DuplicateName(bmc.name.clone()));
            }
            bmc.hook.check().map_err(|problem| BmcError::Hook {
                bmc: bmc.name.clone(),
                problem,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EmulatorConfig, BmcError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lab.yaml");
        std::fs::write(&path, text).expect("written");
        EmulatorConfig::read(&path).and_then(|config| config.check().map(|()| config))
    }

    #[test]
    fn reads_the_short_form() {
        let config = read(
            "state-dir: state\nbmcs:\n- name: w01\n  profile: ilo\n  faults: [slow=20, once-ignored]\n  timing: {post: 0.5}\n  hook: {power: [lab, power, '{machine}', '{action}']}\n",
        )
        .expect("valid");
        assert_eq!(config.bmcs[0].profile, Some(Profile::Ilo));
        assert_eq!(config.bmcs[0].faults.len(), 2);
        assert_eq!(config.bmcs[0].timing.post, Seconds(0.5));
        assert_eq!(config.bmcs[0].timing.power_on, Timing::default().power_on);
    }

    #[test]
    fn refuses_unknown_keys_names_and_placeholders() {
        for (text, expected) in [
            (
                "state-dir: s\nbmcs: [{name: a, prot: 1}]",
                "is not an emulator configuration",
            ),
            (
                "state-dir: s\nbmcs: [{name: a}, {name: a}]",
                "two BMCs are called 'a'",
            ),
            (
                "state-dir: s\nbmcs: [{name: ../a}]",
                "'../a' cannot be the name",
            ),
            (
                "state-dir: s\nbmcs: [{name: a, hook: {power: [x, '{machin}']}}]",
                "{machin}",
            ),
            (
                "state-dir: s\nbmcs: [{name: a, timing: {post: -1}}]",
                "is not an emulator configuration",
            ),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert!(!error.hint().is_empty());
        }
    }
}
