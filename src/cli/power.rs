//! `ra-deploy power`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::session::{self, Session};
use super::table::Table;
use super::{Chosen, Common, Format, Servers, exit};
use crate::model::bmc::{PowerGoal, SystemState};
use crate::model::{BmcAct, BmcQuery, Query};
use crate::plan::Errand;

#[derive(Debug, Args)]
pub struct Power {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Tells which servers are on, and how far those that start have come.
    Status(Chosen),
    /// Switches servers on, and waits until their BMCs prove it.
    On(Servers),
    /// Shuts servers down in order, and switches off those that do not follow.
    Off {
        #[command(flatten)]
        servers: Servers,
        /// Cuts the power without asking the system to shut down.
        #[arg(long)]
        force: bool,
    },
    /// Boots servers anew, from whichever state; proven by a boot, not by an accepted request.
    Cycle {
        #[command(flatten)]
        servers: Servers,
        /// Does not wait for the system to shut down.
        #[arg(long)]
        force: bool,
    },
}

impl Power {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            match self.order {
                Order::Status(chosen) => status(&chosen, common).await,
                Order::On(servers) => wish(&servers, common, json!({"state": "on"})).await,
                Order::Off { servers, force } => {
                    wish(&servers, common, json!({"state": "off", "force": force})).await
                }
                Order::Cycle { servers, force } => cycle(&servers, common, force).await,
            }
        })
    }
}

/// What a role's task `power` does, for the chosen servers.
async fn wish(servers: &Servers, common: &Common, parameters: Value) -> anyhow::Result<i32> {
    let errand = Errand {
        name: "power",
        tasks: vec![("power", parameters)],
    };
    let mut session = match Session::open_errand(&errand, &servers.chosen(), common)? {
        Ok(session) => session,
        Err(code) => return Ok(code),
    };
    let ended = session
        .carry_out(|session, pending| {
            if pending.is_empty() {
                return Ok(None);
            }
            session.confirm(servers.consent(), "Switch the servers as shown?")
        })
        .await?;
    session.finish(ended.unwrap_or(exit::DONE), None).await
}

async fn cycle(servers: &Servers, common: &Common, force: bool) -> anyhow::Result<i32> {
    let errand = Errand {
        name: "power",
        tasks: Vec::new(),
    };
    let mut session = match Session::open_errand(&errand, &servers.chosen(), common)? {
        Ok(session) => session,
        Err(code) => return Ok(code),
    };
    let members = session.fleet.members().iter();
    let names: Vec<String> = members.map(|one| one.host().to_owned()).collect();
    let question = format!("Boot {} anew?", crate::report::words::list(&names));
    if let Some(code) = session.confirm(servers.consent(), &question)? {
        return session.finish(code, None).await;
    }
    let goal = match force {
        true => PowerGoal::ForceRestart,
        false => PowerGoal::Restart,
    };
    session
        .fleet
        .order("power", "power cycle", &[BmcAct::Power(goal)])
        .await;
    session.finish(exit::DONE, None).await
}

async fn status(chosen: &Chosen, common: &Common) -> anyhow::Result<i32> {
    let mut session = match Session::open("power", chosen, common)? {
        Ok(session) => session,
        Err(code) => return Ok(code),
    };
    let mut table = Table::new(["host", "power", "boot", "last reset", "server"]);
    let mut hosts = serde_json::Map::new();
    let mut lost = 0;
    let answers = session.fleet.ask(&[Query::Bmc(BmcQuery::System)]).await;
    let asked = answers.len();
    for (host, answers) in answers {
        match answers.bmc_state::<SystemState>(&BmcQuery::System) {
            Ok(state) => {
                let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                let server = [&state.manufacturer, &state.model]
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(" ");
                table.row([
                    host.clone(),
                    word(&state.power),
                    word(&state.boot_progress),
                    word(&state.last_reset),
                    server,
                ]);
                hosts.insert(host, serde_json::to_value(state)?);
            }
            Err(unread) => {
                lost += 1;
                let reason = session::reason(unread);
                table.failed(host.clone(), &reason);
                hosts.insert(host, json!({ "error": reason }));
            }
        }
    }
    session.run.hub.settle();
    match common.output {
        Format::Text => table.print(),
        Format::Json => say!("{:#}", json!({ "hosts": hosts })),
        Format::Jsonl => say!("{}", json!({ "hosts": hosts })),
    }
    session.finish_quietly(exit::of_lost(lost, asked)).await
}
