//! `ra-deploy power`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::order::order;
use super::session::{self, Session};
use super::told::{self, word};
use super::{Chosen, Common, Servers, exit};
use crate::model::bmc::{PowerGoal, SystemState};
use crate::model::{BmcAct, BmcQuery};
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
    let goal = match force {
        true => PowerGoal::ForceRestart,
        false => PowerGoal::Restart,
    };
    let ask = |hosts: &str| format!("Boot {hosts} anew?");
    let act = BmcAct::Power(goal);
    order("power", servers, common, "power cycle", act, ask).await
}

async fn status(chosen: &Chosen, common: &Common) -> anyhow::Result<i32> {
    let told = match told::ask::<SystemState>("power", BmcQuery::System, chosen, common).await? {
        Ok(told) => told,
        Err(code) => return Ok(code),
    };
    let heading = ["host", "power", "boot", "last reset", "server"];
    told.show(common, heading, |host, state, table| {
        let server = [&state.manufacturer, &state.model]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        table.row([
            host.to_owned(),
            word(state.power.as_ref()),
            word(state.boot_progress.as_ref()),
            word(state.last_reset.as_ref()),
            server,
        ]);
    })
    .await
}
