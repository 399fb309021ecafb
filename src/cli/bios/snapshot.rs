//! `ra-deploy bios snapshot`, and the file that it writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::session::{self, Session};
use super::super::{Chosen, Common, Format, Hint, exit, write_private};
use crate::model::bmc::{BiosRegistry, BiosState, SystemState};
use crate::model::{Answers, BmcQuery, Query};

/// What the file begins with; another number for another shape.
const FORM: &str = "ra-deploy-bios-snapshot/1";

#[derive(Debug, Args)]
pub struct Take {
    #[command(flatten)]
    chosen: Chosen,
    /// The file to write, as JSON if it ends with `.json`; standard output when not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// BIOS attributes of servers at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Snapshot {
    form: String,
    /// When, in UTC.
    pub taken: String,
    pub hosts: BTreeMap<String, Server>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Server {
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    pub bios_version: Option<String>,
    /// The attribute registry that the BIOS names.
    pub registry: Option<String>,
    /// In force. Passwords and what has no value are left out.
    pub attributes: BTreeMap<String, Value>,
    /// What waited for a boot.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pending: BTreeMap<String, Value>,
}

impl Take {
    pub async fn run(self, common: &Common) -> anyhow::Result<i32> {
        if let Some(path) = &self.out
            && path.is_dir()
        {
            return Err(anyhow::anyhow!("{} is a folder", path.display()))
                .context(Hint("name a file after --out".to_owned()));
        }
        let mut session = match Session::open("bios", &self.chosen, common)? {
            Ok(session) => session,
            Err(code) => return Ok(code),
        };
        let (snapshot, lost) = taken(&mut session).await;
        session.run.hub.settle();
        for (host, reason) in &lost {
            session.run.hub.warn(Some(host), reason.clone());
        }
        let asked = snapshot.hosts.len() + lost.len();
        let json = common.output != Format::Text
            || self
                .out
                .as_ref()
                .is_some_and(|path| path.extension().is_some_and(|ending| ending == "json"));
        let text = snapshot.text(json)?;
        match &self.out {
            None => say!("{}", text.trim_end()),
            // A file without a single server would only look like one.
            Some(_) if snapshot.hosts.is_empty() => {}
            Some(path) => {
                write_private(path, text.as_bytes())
                    .with_context(|| format!("{} cannot be written", path.display()))?;
                say!(
                    "{}: {}",
                    path.display(),
                    match snapshot.hosts.len() {
                        1 => "1 server".to_owned(),
                        more => format!("{more} servers"),
                    }
                );
            }
        }
        session
            .finish_quietly(exit::of_lost(lost.len(), asked))
            .await
    }
}

/// The chosen servers as they are, and those that could not be read with the reason.
pub async fn taken(session: &mut Session) -> (Snapshot, Vec<(String, String)>) {
    let mut hosts = BTreeMap::new();
    let mut lost = Vec::new();
    let queries = [BmcQuery::System, BmcQuery::Bios, BmcQuery::BiosRegistry].map(Query::Bmc);
    for (host, answers) in session.fleet.ask(&queries).await {
        match server(&answers) {
            Ok(server) => {
                hosts.insert(host, server);
            }
            Err(unread) => lost.push((host, session::reason(unread))),
        }
    }
    let snapshot = Snapshot {
        form: FORM.to_owned(),
        taken: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        hosts,
    };
    (snapshot, lost)
}

fn server(answers: &Answers) -> Result<Server, crate::model::Unread> {
    let system: SystemState = answers.bmc_state(&BmcQuery::System)?;
    let bios: BiosState = answers.bmc_state(&BmcQuery::Bios)?;
    let registry: BiosRegistry = answers
        .bmc_state(&BmcQuery::BiosRegistry)
        .unwrap_or_default();
    let is_secret = |name: &String| {
        let kind = registry.attributes.get(name);
        let kind = kind.and_then(|attribute| attribute.kind.as_deref());
        // Without a registry the name has to tell.
        kind == Some("Password") || (kind.is_none() && name.to_lowercase().contains("password"))
    };
    let open = |attributes: BTreeMap<String, Value>| {
        let mut attributes = attributes;
        attributes.retain(|name, value| !value.is_null() && !is_secret(name));
        attributes
    };
    Ok(Server {
        manufacturer: system.manufacturer,
        model: system.model,
        serial: system.serial,
        bios_version: system.bios_version,
        registry: bios.registry,
        attributes: open(bios.current),
        pending: open(bios.pending),
    })
}

impl Snapshot {
    fn text(&self, json: bool) -> anyhow::Result<String> {
        if json {
            return Ok(format!("{:#}\n", serde_json::to_value(self)?));
        }
        Ok(serde_saphyr::to_string(self)?)
    }

    /// Whether a file says of itself that it is a snapshot; another one may be an inventory.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_one(path: &Path) -> anyhow::Result<bool> {
        let text = read(path)?;
        Ok(text.contains("ra-deploy-bios-snapshot/"))
    }

    /// # Errors
    /// The file is no snapshot, or one of another form.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = read(path)?;
        let help = || {
            Hint(
                "a snapshot is a file that `ra-deploy bios snapshot INVENTORY --out FILE` wrote"
                    .to_owned(),
            )
        };
        // JSON is YAML too.
        let value: Value = serde_saphyr::from_str(&text)
            .with_context(|| format!("{} is neither YAML nor JSON", path.display()))
            .with_context(help)?;
        match value.get("form").and_then(Value::as_str) {
            Some(FORM) => {}
            Some(other) if other.starts_with("ra-deploy-bios-snapshot/") => {
                return Err(anyhow::anyhow!(
                    "{} is a snapshot of another form, {other}",
                    path.display()
                ))
                .context(Hint(format!(
                    "this program reads {FORM}; use the one that wrote it, or take the snapshot anew"
                )));
            }
            _ => {
                return Err(anyhow::anyhow!("{} is no BIOS snapshot", path.display()))
                    .with_context(help);
            }
        }
        serde_json::from_value(value)
            .with_context(|| format!("{} is damaged", path.display()))
            .with_context(help)
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))
        .with_context(|| Hint("is the file's name right?".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Snapshot {
        Snapshot {
            form: FORM.to_owned(),
            taken: "2026-05-04T01:02:03Z".to_owned(),
            hosts: BTreeMap::from([(
                "w01".to_owned(),
                Server {
                    manufacturer: Some("Dell Inc.".into()),
                    model: Some("PowerEdge R750".into()),
                    serial: None,
                    bios_version: Some("1.8.2".into()),
                    registry: None,
                    attributes: BTreeMap::from([
                        ("NumLock".to_owned(), json!("On")),
                        ("ProcCores".to_owned(), json!("16")),
                        ("Delay".to_owned(), json!(120)),
                        ("QuietBoot".to_owned(), json!(true)),
                        ("AssetTag".to_owned(), json!("")),
                    ]),
                    pending: BTreeMap::new(),
                },
            )]),
        }
    }

    #[test]
    fn both_forms_read_back_with_their_types() {
        let folder = tempfile::tempdir().unwrap();
        for (name, json) in [("a.yaml", false), ("a.json", true)] {
            let path = folder.path().join(name);
            std::fs::write(&path, sample().text(json).unwrap()).unwrap();
            assert_eq!(Snapshot::load(&path).unwrap(), sample(), "{name}");
            assert!(Snapshot::is_one(&path).unwrap());
        }
    }

    #[test]
    fn wrong_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let error = Snapshot::load(&path).unwrap_err();
            error
                .chain()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" | ")
        };
        assert!(told("hosts: {w1: {}}").contains("is no BIOS snapshot"));
        assert!(told("[").contains("neither YAML nor JSON"));
        assert!(told("form: ra-deploy-bios-snapshot/9").contains("of another form"));
        assert!(told("form: ra-deploy-bios-snapshot/1\nhosts: 3").contains("is damaged"));
        let missing = Snapshot::load(&folder.path().join("none")).unwrap_err();
        assert!(format!("{missing:#}").contains("cannot be read"));
    }
}
