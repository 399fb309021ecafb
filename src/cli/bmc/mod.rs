//! `ra-deploy bmc`

mod ask;
mod order;
mod pin;

use clap::{Args, Subcommand};

use super::session;
use super::{Chosen, Common, Servers};

#[derive(Debug, Args)]
pub struct Bmc {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Learns the certificates that BMCs show, and writes their fingerprints to the inventory.
    Pin(pin::Pin),
    /// Shows what the servers' logs say: those of the system, the BMC and the chassis.
    Logs(ask::Logs),
    /// Empties the servers' logs.
    ClearLogs(Servers),
    /// Shows the BMCs' tasks and jobs.
    Jobs(Chosen),
    /// Deletes the BMCs' tasks and jobs, also those that wait for a boot.
    ClearJobs {
        #[command(flatten)]
        servers: Servers,
        /// The vendor's harsher way too, where the mild one leaves something.
        #[arg(long)]
        force: bool,
    },
    /// Restarts BMCs, not their servers, and waits until they answer again.
    Reset(Servers),
    /// Shows who is logged in to the BMCs.
    Sessions(Chosen),
}

impl Bmc {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            match self.order {
                Order::Pin(pin) => pin.run(common).await,
                Order::Logs(logs) => logs.run(common).await,
                Order::Jobs(chosen) => ask::jobs(&chosen, common).await,
                Order::Sessions(chosen) => ask::sessions(&chosen, common).await,
                Order::ClearLogs(servers) => order::clear_logs(&servers, common).await,
                Order::ClearJobs { servers, force } => {
                    order::clear_jobs(&servers, force, common).await
                }
                Order::Reset(servers) => order::reset(&servers, common).await,
            }
        })
    }
}
