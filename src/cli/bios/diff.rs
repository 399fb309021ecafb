//! `ra-deploy bios diff`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::super::session::Session;
use super::super::table::Table;
use super::super::{Chosen, Common, Format, exit};
use super::snapshot::{self, Server, Snapshot};
use crate::model::bmc::bios::alike;
use crate::model::bmc::intents::spelt;
use crate::report::words;

#[derive(Debug, Args)]
pub struct Diff {
    /// A snapshot, or an inventory for its servers as they are now.
    before: PathBuf,
    /// The same.
    after: PathBuf,
    /// Only these hosts: names, ranges, groups, `first GROUP`, joined by commas; `!` takes away.
    #[arg(long, value_name = "HOSTS")]
    limit: Option<String>,
    /// Exit code 2 when something differs.
    #[arg(long)]
    detailed_exitcode: bool,
}

/// One difference, and whose it is.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    attribute: String,
    before: Option<Value>,
    after: Option<Value>,
    hosts: Vec<String>,
}

impl Diff {
    pub async fn run(self, common: &Common) -> anyhow::Result<i32> {
        let mut unread = Vec::new();
        let before = match self.side(&self.before, common, &mut unread).await? {
            Ok(side) => side,
            Err(code) => return Ok(code),
        };
        let after = match self.side(&self.after, common, &mut unread).await? {
            Ok(side) => side,
            Err(code) => return Ok(code),
        };
        let rows = rows(&before, &after);
        let only = |one: &Snapshot, other: &Snapshot| -> Vec<String> {
            let names = one.hosts.keys();
            names
                .filter(|name| !other.hosts.contains_key(*name))
                .filter(|name| !unread.iter().any(|(host, _)| host == *name))
                .cloned()
                .collect()
        };
        let (gone, new) = (only(&before, &after), only(&after, &before));
        match common.output {
            Format::Text => {
                let mut table = Table::new(["attribute", "before", "after", "hosts"]);
                let shown = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), spelt);
                for row in &rows {
                    table.row([
                        row.attribute.clone(),
                        shown(&row.before),
                        shown(&row.after),
                        words::list(&row.hosts),
                    ]);
                }
                for (host, reason) in &unread {
                    table.failed(host.clone(), reason);
                }
                if rows.is_empty() && unread.is_empty() {
                    let count = before.hosts.len() - gone.len();
                    say!("nothing differs ({count} compared)");
                } else {
                    table.print();
                }
                for (names, file) in [(&gone, &self.before), (&new, &self.after)] {
                    if !names.is_empty() {
                        say!("only in {}: {}", file.display(), words::list(names));
                    }
                }
            }
            Format::Json | Format::Jsonl => {
                let unread: BTreeMap<_, _> = unread.iter().cloned().collect();
                let value = serde_json::json!({
                    "differences": rows, "only-before": gone, "only-after": new, "unread": unread,
                });
                match common.output {
                    Format::Json => say!("{value:#}"),
                    _ => say!("{value}"),
                }
            }
        }
        Ok(match (unread.len(), rows.is_empty()) {
            (0, false) if self.detailed_exitcode => exit::CHANGES_PENDING,
            (0, _) => exit::DONE,
            (lost, _) => exit::of_lost(lost, lost + after.hosts.len().min(before.hosts.len())),
        })
    }

    async fn side(
        &self,
        path: &Path,
        common: &Common,
        unread: &mut Vec<(String, String)>,
    ) -> anyhow::Result<Result<Snapshot, i32>> {
        if Snapshot::is_one(path)? {
            let mut snapshot = Snapshot::load(path)?;
            if let Some(limit) = &self.limit {
                let names: Vec<&str> = limit.split(',').map(str::trim).collect();
                let both = Snapshot::is_one(&self.before)? && Snapshot::is_one(&self.after)?;
                // With an inventory, its own selection decides which servers there are.
                if both {
                    snapshot
                        .hosts
                        .retain(|name, _| names.contains(&name.as_str()));
                }
            }
            return Ok(Ok(snapshot));
        }
        let chosen = Chosen {
            inventory: path.to_owned(),
            limit: self.limit.clone(),
            tags: Vec::new(),
        };
        let mut session = match Session::open("bios", &chosen, common)? {
            Ok(session) => session,
            Err(code) => return Ok(Err(code)),
        };
        let (snapshot, lost) = snapshot::taken(&mut session).await;
        unread.extend(lost);
        session.run.hub.settle();
        session.finish_quietly(exit::DONE).await?;
        Ok(Ok(snapshot))
    }
}

/// What differs on servers that both have, those with the same difference together.
fn rows(before: &Snapshot, after: &Snapshot) -> Vec<Row> {
    let mut found: BTreeMap<(String, String, String), Row> = BTreeMap::new();
    for (host, now) in &after.hosts {
        let Some(then) = before.hosts.get(host) else {
            continue;
        };
        for (attribute, before, after) in changes(then, now) {
            let key = (
                attribute.clone(),
                before.as_ref().map(Value::to_string).unwrap_or_default(),
                after.as_ref().map(Value::to_string).unwrap_or_default(),
            );
            let row = found.entry(key).or_insert_with(|| Row {
                attribute,
                before,
                after,
                hosts: Vec::new(),
            });
            row.hosts.push(host.clone());
        }
    }
    found.into_values().collect()
}

type Difference = (String, Option<Value>, Option<Value>);

fn changes(then: &Server, now: &Server) -> Vec<Difference> {
    let mut changes = Vec::new();
    let text = |value: &Option<String>| value.clone().map(Value::String);
    for (name, before, after) in [
        ("(model)", &then.model, &now.model),
        ("(BIOS version)", &then.bios_version, &now.bios_version),
    ] {
        if before != after {
            changes.push((name.to_owned(), text(before), text(after)));
        }
    }
    let names: std::collections::BTreeSet<&String> = then
        .attributes
        .keys()
        .chain(now.attributes.keys())
        .collect();
    for name in names {
        let (before, after) = (then.attributes.get(name), now.attributes.get(name));
        let same = match (before, after) {
            (Some(before), Some(after)) => alike(before, after),
            _ => false,
        };
        if !same {
            changes.push((name.clone(), before.cloned(), after.cloned()));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot(hosts: Value) -> Snapshot {
        let mut servers = serde_json::Map::new();
        for (name, attributes) in hosts.as_object().unwrap() {
            servers.insert(
                name.clone(),
                json!({"manufacturer": null, "model": "M", "serial": null, "bios-version": "1", "registry": null, "attributes": attributes}),
            );
        }
        serde_json::from_value(
            json!({"form": "ra-deploy-bios-snapshot/1", "taken": "", "hosts": servers}),
        )
        .unwrap()
    }

    #[test]
    fn servers_with_the_same_difference_stand_together() {
        let before = snapshot(json!({
            "w1": {"Smt": "On", "Cores": 8}, "w2": {"Smt": "On", "Cores": 8}, "w3": {"Smt": "Off"}, "old": {"Smt": "On"},
        }));
        let after = snapshot(json!({
            "w1": {"Smt": "Off", "Cores": 8.0}, "w2": {"Smt": "Off", "Cores": 4}, "w3": {"Smt": "Off", "New": true},
        }));
        let found: Vec<(String, String, Vec<String>)> = rows(&before, &after)
            .into_iter()
            .map(|row| {
                let word =
                    |value: Option<Value>| value.map_or("-".to_owned(), |value| spelt(&value));
                let change = format!("{} → {}", word(row.before), word(row.after));
                (row.attribute, change, row.hosts)
            })
            .collect();
        let expected = [
            ("Cores", "8 → 4", vec!["w2"]),
            ("New", "- → true", vec!["w3"]),
            ("Smt", "On → Off", vec!["w1", "w2"]),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, change, hosts)| {
                let hosts = hosts.into_iter().map(str::to_owned).collect();
                (name.to_owned(), change.to_owned(), hosts)
            })
            .collect();
        assert_eq!(found, expected);
    }
}
