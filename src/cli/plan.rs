//! `ra-deploy plan`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::session::{self, Session};
use super::{Chosen, Common, exit};

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    chosen: Chosen,
    /// Writes the plan to a file, for `apply --plan`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit code 2 when changes are pending, 0 when there are none.
    #[arg(long)]
    detailed_exitcode: bool,
}

impl Plan {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            let mut session = match Session::open("plan", &self.chosen, common)? {
                Ok(session) => session,
                Err(code) => return Ok(code),
            };
            session.fleet.survey().await;
            session.fleet.tell_plan();
            session.fleet.quarantine();
            let plan = session.fleet.saved_plan();
            if let Some(path) = &self.out {
                let text = serde_json::to_string_pretty(&plan)?;
                super::write_private(path, text.as_bytes())
                    .with_context(|| format!("{} cannot be written", path.display()))?;
            }
            let code = if session.fleet.has_faults() {
                exit::RUN_FAILED
            } else if self.detailed_exitcode && !plan.steps.is_empty() {
                exit::CHANGES_PENDING
            } else {
                exit::DONE
            };
            session.finish(code, None).await
        })
    }
}
