//! `ra-deploy bios`

mod diff;
mod restore;
mod snapshot;

use clap::{Args, Subcommand};

use super::{Common, exit, session};
use crate::model::bmc::intents;

#[derive(Debug, Args)]
pub struct Bios {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Prints the table of intents: which there are, and the attributes that each stands for.
    Intents,
    /// Writes down the BIOS attributes of servers, with model, BIOS version and registry.
    Snapshot(snapshot::Take),
    /// Shows what differs between two snapshots, or between a snapshot and the servers as they
    /// are: servers with the same difference together.
    Diff(diff::Diff),
    /// Sets servers' attributes back to a snapshot: those that can be written and differ, checked
    /// against the registry, in force after the next boot. Passwords are never touched.
    Restore(restore::Restore),
}

impl Bios {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            match self.order {
                Order::Intents => {
                    say!("{}", intents::TEXT.trim_end());
                    Ok(exit::DONE)
                }
                Order::Snapshot(take) => take.run(common).await,
                Order::Diff(diff) => diff.run(common).await,
                Order::Restore(restore) => restore.run(common).await,
            }
        })
    }
}
