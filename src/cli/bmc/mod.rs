//! `ra-deploy bmc`

mod pin;

use clap::{Args, Subcommand};

use super::Common;
use super::session;

#[derive(Debug, Args)]
pub struct Bmc {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Learns the certificates that BMCs show, and writes their fingerprints to the inventory.
    Pin(pin::Pin),
}

impl Bmc {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            match self.order {
                Order::Pin(pin) => pin.run(common).await,
            }
        })
    }
}
