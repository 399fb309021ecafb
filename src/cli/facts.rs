//! `ra-deploy facts`

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::session::{self, Session};
use super::{Chosen, Common, Format, exit};
use crate::model::{BmcQuery, Query};

#[derive(Debug, Args)]
pub struct Facts {
    #[command(flatten)]
    chosen: Chosen,
    /// Asks the BMCs for the hardware, and not the hosts' shells.
    #[arg(long)]
    hardware: bool,
}

impl Facts {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            let mut session = match Session::open("facts", &self.chosen, common)? {
                Ok(session) => session,
                Err(code) => return Ok(code),
            };
            let mut hosts: BTreeMap<String, Value> = BTreeMap::new();
            let mut lost = 0;
            if self.hardware {
                let query = Query::Bmc(BmcQuery::Hardware);
                for (host, answers) in session.fleet.ask(std::slice::from_ref(&query)).await {
                    let hardware = match answers.bmc(&BmcQuery::Hardware) {
                        Ok(hardware) => hardware.clone(),
                        Err(unread) => {
                            lost += 1;
                            json!({ "error": session::reason(unread) })
                        }
                    };
                    hosts.insert(host, json!({ "hardware": hardware }));
                }
            } else {
                session.fleet.greet().await;
                for (host, facts) in crate::engine::facts(&session.fleet) {
                    hosts.insert(host, facts);
                }
            }
            session.run.hub.settle();
            let document = json!({ "hosts": hosts });
            match common.output {
                Format::Jsonl => say!("{document}"),
                Format::Json => say!("{document:#}"),
                Format::Text => print_text(&hosts),
            }
            session
                .finish_quietly(exit::of_lost(lost, hosts.len()))
                .await
        })
    }
}

/// One line for each value, its path before it: what `grep` likes.
fn print_text(hosts: &BTreeMap<String, Value>) {
    for (host, value) in hosts {
        print_value(host, value);
    }
}

fn print_value(path: &str, value: &Value) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                print_value(&format!("{path}.{key}"), inner);
            }
        }
        Value::String(text) => say!("{path} = {}", crate::report::clean::line(text)),
        other => say!("{path} = {other}"),
    }
}
