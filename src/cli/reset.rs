//! `ra-deploy reset`

use std::io::IsTerminal;

use clap::Args;

use super::session::{self, Session};
use super::{Chosen, Common, exit};

#[derive(Debug, Args)]
pub struct Reset {
    #[command(flatten)]
    chosen: Chosen,
    /// Does not ask.
    #[arg(short, long)]
    yes: bool,
}

impl Reset {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            let mut session = match Session::open("reset", &self.chosen, common)? {
                Ok(session) => session,
                Err(code) => return Ok(code),
            };
            session.fleet.survey().await;
            if !self.yes {
                session.run.hub.settle();
                let hosts = session.fleet.members().len();
                if !std::io::stdin().is_terminal() {
                    session.run.hub.warn(
                        None,
                        "nothing was changed: without a terminal to ask on, say --yes",
                    );
                    return session.finish(exit::USAGE, None).await;
                }
                if !session::confirm(&format!(
                    "Take Kubernetes off {hosts} hosts, with everything that runs in it?"
                ))? {
                    session.run.hub.warn(None, "nothing was changed");
                    return session.finish(exit::DONE, None).await;
                }
            }
            session.fleet.undo().await;
            session.finish(exit::DONE, None).await
        })
    }
}
