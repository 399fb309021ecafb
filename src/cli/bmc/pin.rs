//! `ra-deploy bmc pin`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::session::{self, Secrets};
use super::super::table::Table;
use super::super::{Common, Format, Hint, exit, supply};
use crate::config::pinning::{Pinned, pinned};
use crate::config::{self, Faults, Host, Site, Style};
use crate::model::Trust;
use crate::redfish::{self, ShownCertificate};

#[derive(Debug, Args)]
pub struct Pin {
    /// The inventory file.
    inventory: PathBuf,
    /// Only these hosts: names, ranges, groups, joined by commas; `!` takes away.
    #[arg(long, value_name = "HOSTS")]
    limit: Option<String>,
    /// Writes the fingerprints to the inventory.
    #[arg(long)]
    write: bool,
    /// Also in place of pins that differ: only after comparing them with what the BMCs' own web
    /// pages or consoles show.
    #[arg(long, requires = "write")]
    replace: bool,
}

/// How a learnt certificate stands to what the inventory trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    New,
    Pinned,
    Differs,
    /// Believed by its authority.
    Authority,
}

impl Standing {
    fn of(trust: &Trust, found: &str) -> Self {
        match trust {
            Trust::Pin(pin) if pin == found => Self::Pinned,
            Trust::Pin(_) => Self::Differs,
            Trust::Authority(_) => Self::Authority,
            Trust::System | Trust::Insecure => Self::New,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pinned => "pinned",
            Self::Differs => "differs from its pin",
            Self::Authority => "by its authority",
        }
    }
}

impl Pin {
    pub async fn run(&self, common: &Common) -> anyhow::Result<i32> {
        let site = match session::load(&self.inventory, common, Secrets::Leave) {
            Ok(site) => site,
            Err(code) => return Ok(code),
        };
        let limit = match &self.limit {
            None => None,
            Some(limit) => match session::limited(limit, &site) {
                Ok(selector) => Some(selector),
                Err((message, help)) => {
                    eprintln!("error: --limit: {message}\nhelp: {help}");
                    return Ok(exit::USAGE);
                }
            },
        };
        let chosen = site.hosts.iter().filter(|host| {
            let picked = limit.as_ref();
            picked.is_none_or(|limit| limit.picks(&site, &host.name))
        });
        let learnt = learn(chosen, common.parallel).await;
        let mut table = Table::new(["host", "standing", "fingerprint", "subject", "valid"]);
        let mut hosts = serde_json::Map::new();
        let mut pins = BTreeMap::new();
        let (mut lost, mut differing) = (0, 0);
        for (host, outcome) in &learnt {
            let shown = match outcome {
                Ok(shown) => shown,
                Err(reason) => {
                    lost += 1;
                    table.failed(host.name.clone(), reason);
                    hosts.insert(host.name.clone(), json!({ "error": reason }));
                    continue;
                }
            };
            let trust = host.bmc.as_ref().map_or(&Trust::System, |bmc| &bmc.trust);
            let standing = Standing::of(trust, &shown.fingerprint);
            differing += usize::from(standing == Standing::Differs);
            if standing == Standing::New || (standing == Standing::Differs && self.replace) {
                pins.insert(host.name.clone(), shown.fingerprint.clone());
            }
            let day = |time: &Option<String>| match time {
                Some(time) => time.chars().take(10).collect(),
                None => "?".to_owned(),
            };
            table.row([
                host.name.clone(),
                standing.word().to_owned(),
                shown.fingerprint.clone(),
                match shown.subject.as_str() {
                    "" => "-".to_owned(),
                    subject => subject.to_owned(),
                },
                format!("{} to {}", day(&shown.valid_from), day(&shown.valid_until)),
            ]);
            let mut entry = json!({
                "fingerprint": shown.fingerprint,
                "subject": shown.subject,
                "valid-from": shown.valid_from,
                "valid-until": shown.valid_until,
                "standing": standing.word(),
            });
            if let Trust::Pin(pin) = trust {
                entry["pin"] = json!(pin);
            }
            hosts.insert(host.name.clone(), entry);
        }
        match common.output {
            Format::Text => table.print(),
            Format::Json => say!("{:#}", json!({ "hosts": hosts })),
            Format::Jsonl => say!("{}", json!({ "hosts": hosts })),
        }
        let notes = match self.write && !pins.is_empty() {
            true => write(&self.inventory, &site, &pins)?,
            false => Vec::new(),
        };
        for note in notes {
            eprintln!("note: {note}");
        }
        self.tell(pins.len(), differing);
        match exit::of_lost(lost, learnt.len()) {
            exit::DONE if differing > 0 && !self.replace => Ok(exit::NOT_CONFORMANT),
            code => Ok(code),
        }
    }

    fn tell(&self, pins: usize, differing: usize) {
        let hosts = crate::report::words::count(pins, "host");
        if self.write && pins > 0 {
            eprintln!("{}: pins of {hosts} written", self.inventory.display());
        } else if pins > 0 {
            eprintln!(
                "help: compare the fingerprints with what the BMCs' web pages show, then run again with --write"
            );
        }
        if differing > 0 && !self.replace {
            eprintln!(
                "help: a certificate that differs from its pin was replaced, or somebody listens: compare it at the BMC itself, then --write --replace"
            );
        }
    }
}

async fn learn<'a>(
    hosts: impl Iterator<Item = &'a Host>,
    parallel: usize,
) -> Vec<(&'a Host, Result<ShownCertificate, String>)> {
    let hosts: Vec<&Host> = hosts.filter(|host| host.bmc.is_some()).collect();
    let gate = Arc::new(Semaphore::new(parallel.max(1)));
    let mut running = JoinSet::new();
    for (index, host) in hosts.iter().enumerate() {
        let url = host.bmc.as_ref().map(|bmc| bmc.url.clone());
        let gate = gate.clone();
        running.spawn(async move {
            let _turn = gate.acquire().await;
            let shown = redfish::certificate(&url.unwrap_or_default()).await;
            let told = shown.map_err(|error| format!("{error}; {}", error.hint()));
            (index, told)
        });
    }
    let mut outcomes: BTreeMap<usize, Result<ShownCertificate, String>> = BTreeMap::new();
    while let Some(Ok((index, outcome))) = running.join_next().await {
        outcomes.insert(index, outcome);
    }
    outcomes
        .into_iter()
        .map(|(index, outcome)| (hosts[index], outcome))
        .collect()
}

/// Puts the pins into the inventory: the new text is read as a site first, and takes the file's
/// place only when it says the same as before, and the pins.
fn write(
    inventory: &Path,
    site: &Site,
    pins: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<String>> {
    let told = |faults: Faults| anyhow::anyhow!("{}", faults.render(Style::Plain));
    let text = std::fs::read_to_string(inventory)
        .with_context(|| format!("{} cannot be read", inventory.display()))?;
    let Pinned { text, notes } =
        pinned(inventory, &text, pins).map_err(|faults| told(site.faults(faults)))?;
    let folder = match inventory.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Beside the inventory, so that the paths in it mean the same.
    let mut beside = tempfile::Builder::new()
        .prefix(".pin-")
        .suffix(".yaml")
        .tempfile_in(folder)
        .with_context(|| format!("{} cannot be written to", folder.display()))?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().sync_all()?;
    let by_hand = || {
        let lines = pins
            .iter()
            .map(|(host, pin)| format!("{host}: pin: \"{pin}\""));
        Hint(format!(
            "the inventory is as it was; write the pins by hand: {}",
            lines.collect::<Vec<_>>().join(", ")
        ))
    };
    let known = supply::known(Secrets::Leave)?;
    let again = config::load(beside.path(), &known.options())
        .map_err(told)
        .context("the inventory with the pins is not understood")
        .with_context(by_hand)?;
    if let Some(host) = misunderstood(site, &again, pins) {
        return Err(anyhow::anyhow!(
            "with its pin, {host} would not be what it was before"
        ))
        .with_context(by_hand);
    }
    if let Ok(metadata) = std::fs::metadata(inventory) {
        std::fs::set_permissions(beside.path(), metadata.permissions())?;
    }
    // Through a symbolic link, the file that it leads to.
    let place = std::fs::canonicalize(inventory)?;
    beside
        .persist(&place)
        .map_err(|error| error.error)
        .with_context(|| format!("{} cannot be replaced", place.display()))?;
    Ok(notes)
}

/// A host that the edit made anything else of than it was, with its pin.
fn misunderstood(before: &Site, after: &Site, pins: &BTreeMap<String, String>) -> Option<String> {
    let shown = |host: &Host, trust: Option<&Trust>| {
        let bmc = host.bmc.as_ref();
        format!(
            "{:?}",
            (
                (&host.name, host.number, &host.address, &host.addresses),
                (&host.groups, &host.target, &host.parameters),
                bmc.map(|bmc| (&bmc.url, &bmc.user)),
                trust.or(bmc.map(|bmc| &bmc.trust)),
            )
        )
    };
    if before.hosts.len() != after.hosts.len() || before.groups != after.groups {
        return Some("a host".to_owned());
    }
    let pairs = before.hosts.iter().zip(&after.hosts);
    pairs
        .filter(|(old, new)| {
            let pin = pins.get(&old.name).map(|pin| Trust::Pin(pin.clone()));
            shown(old, pin.as_ref()) != shown(new, None)
        })
        .map(|(old, _)| old.name.clone())
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bmc::{BmcConfig, EmulatorConfig, serve};

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

    fn common() -> Common {
        Common {
            output: Format::Json,
            verbose: 0,
            parallel: 8,
            state: None,
        }
    }

    fn pin(inventory: &Path, replace: bool) -> Pin {
        Pin {
            inventory: inventory.to_owned(),
            limit: None,
            write: true,
            replace,
        }
    }

    #[tokio::test]
    async fn what_bmcs_show_is_written_once_and_a_change_only_when_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = EmulatorConfig {
            listen: "127.0.0.1".parse().expect("an address"),
            certificate: None,
            key: None,
            state_dir: folder.path().join("state"),
            seed: 1,
            bmcs: vec![BmcConfig::named("r1")],
        };
        let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = serve(config, async { drop(stopped.await) })
            .await
            .expect("it starts");
        let inventory = folder.path().join("east.yaml");
        let text = format!(
            "# the east\ndefaults: {{bmc: {{user: a, password: {{env: NONE}}}}}}\nhosts:\n  r1: {{bmc: \"https://{}\"}} # first\n",
            running.addresses["r1"]
        );
        std::fs::write(&inventory, &text).expect("written");
        let read = || std::fs::read_to_string(&inventory).expect("read");

        assert_eq!(pin(&inventory, false).run(&common()).await.unwrap(), 0);
        let written = read();
        let line = format!("pin: \"{}\"}}}} # first", running.fingerprint);
        assert!(written.contains(&line), "{written}");
        assert!(written.starts_with("# the east\n"));
        assert_eq!(pin(&inventory, false).run(&common()).await.unwrap(), 0);
        assert_eq!(read(), written);

        // Another certificate than the pinned one stays out unless it is told to come in.
        let other = written.replace(&running.fingerprint, &format!("sha256:{}", "0".repeat(64)));
        std::fs::write(&inventory, &other).expect("written");
        let code = pin(&inventory, false).run(&common()).await.unwrap();
        assert_eq!((code, read()), (exit::NOT_CONFORMANT, other));
        assert_eq!(pin(&inventory, true).run(&common()).await.unwrap(), 0);
        assert_eq!(read(), written);
    }

    #[test]
    fn an_authority_without_a_certificate_is_a_fault_of_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let inventory = folder.path().join("east.yaml");
        let text = "defaults: {bmc: {user: a, password: {env: NONE}, ca: ca.pem}}\nhosts: {a: {bmc: 1.2.3.4}, b: {bmc: 1.2.3.5}}\n";
        std::fs::write(&inventory, text).expect("written");
        let known = supply::known(Secrets::Leave).expect("the catalogue");
        for (content, expected) in [
            (None, "it cannot be read"),
            (Some(String::new()), "it holds no certificate"),
            (
                Some(format!("{CERTIFICATE}\nAAAA\n-----END CERTIFICATE-----\n")),
                "one of its certificates cannot be read",
            ),
        ] {
            if let Some(content) = &content {
                std::fs::write(folder.path().join("ca.pem"), content).expect("written");
            }
            let faults = config::load(&inventory, &known.options()).unwrap_err();
            assert_eq!(faults.faults.len(), 1);
            assert!(faults.faults[0].message.contains(expected), "{faults:?}");
        }
    }
}
