//! `ra-deploy apply`

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::session::{self, Session};
use super::{Chosen, Common, exit};
use crate::engine;
use crate::event::Failure;
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
            session.fleet.survey().await;
            if session.run.stop.will() > engine::Will::Go {
                return session.finish(exit::INTERRUPTED, None).await;
            }
            session.fleet.tell_plan();
            let pending = session.fleet.pending_steps();
            if session.fleet.has_faults() {
                return session.finish(exit::RUN_FAILED, None).await;
            }
            if let Some(saved) = &saved
                && let Err(stale) = saved.admits(&session.site.digest, &pending)
            {
                session.run.hub.warn(
                    None,
                    format!("nothing was changed: {stale}; make a new plan"),
                );
                return session.finish(exit::RUN_FAILED, None).await;
            }
            if !pending.is_empty() && saved.is_none() && !self.yes {
                session.run.hub.settle();
                if !std::io::stdin().is_terminal() {
                    session.run.hub.warn(
                        None,
                        "nothing was changed: without a terminal to ask on, say --yes",
                    );
                    return session.finish(exit::USAGE, None).await;
                }
                if !session::confirm("Change the hosts as shown?")? {
                    session.run.hub.warn(None, "nothing was changed");
                    return session.finish(exit::DONE, None).await;
                }
            }
            if let Err(failure) = session.fleet.prepare().await {
                session.run.hub.warn(None, in_words(&failure));
                return session.finish(exit::RUN_FAILED, None).await;
            }
            session.fleet.apply().await;
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

/// A failure that is no host's, in one text.
fn in_words(failure: &Failure) -> String {
    let mut parts = vec![format!("nothing was changed: {}", failure.message)];
    parts.extend(failure.causes.iter().cloned());
    parts.extend(failure.hints.iter().cloned());
    parts.join("; ")
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
