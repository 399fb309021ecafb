//! `ra-deploy reset`

use clap::Args;

use super::session::{self, Session};
use super::{Chosen, Common, exit};
use crate::report::words;

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
            if session.fleet.survey_removals().await == 0 {
                return session.finish(exit::DONE, None).await;
            }
            let question = format!(
                "Take Kubernetes off {}, with everything that runs in it?",
                words::count(session.fleet.members().len(), "host")
            );
            if let Some(code) = session.confirm(self.yes.into(), &question)? {
                return session.finish(code, None).await;
            }
            session.fleet.undo().await;
            session.finish(exit::DONE, None).await
        })
    }
}
