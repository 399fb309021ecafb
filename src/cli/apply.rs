//! `ra-deploy apply`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::session::{self, Session};
use super::{Chosen, Common, exit};
use crate::engine;
use crate::plan::SavedPlan;

#[derive(Debug, Args)]
pub struct Apply {
    #[command(flatten)]
    chosen: Chosen,
    /// Applies a plan that `plan --out` wrote; refused when the site or the hosts have changed
    /// since.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Does not ask before changing anything.
    #[arg(short, long)]
    yes: bool,
    /// Verifies the cluster against the profile afterwards.
    #[arg(long)]
    verify: bool,
}

impl Apply {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        let saved = self.plan.as_ref().map(read_plan).transpose()?;
        session::block(async {
            let mut session = match Session::open("apply", &self.chosen, common)? {
                Ok(session) => session,
                Err(code) => return Ok(code),
            };
            let ended = session
                .carry_out(|session, pending| {
                    let Some(saved) = &saved else {
                        return if pending.is_empty() {
                            Ok(None)
                        } else {
                            session.confirm(self.yes.into(), "Change the hosts as shown?")
                        };
                    };
                    if let Err(stale) = saved.admits(&session.site.digest, pending) {
                        session.stop_for(&stale.to_string(), &["make a new plan, and look at it"]);
                        return Ok(Some(exit::RUN_FAILED));
                    }
                    Ok(None)
                })
                .await?;
            if let Some(code) = ended {
                return session.finish(code, None).await;
            }
            if !self.verify {
                return session.finish(exit::DONE, None).await;
            }
            let results = session.fleet.verify().await;
            let code = if engine::conforms(&results) {
                exit::DONE
            } else {
                exit::NOT_CONFORMANT
            };
            super::verify::write_reports(&session, &results, None, None)?;
            session.finish(code, Some(engine::count(&results))).await
        })
    }
}

fn read_plan(path: &PathBuf) -> anyhow::Result<SavedPlan> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the plan {} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is no plan; `ra-deploy plan --out FILE` writes one",
            path.display()
        )
    })
}
