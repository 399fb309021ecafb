//! `ra-deploy bundle`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::session::{self, Session};
use super::{Chosen, Common, Format, exit};
use crate::engine::named_artifacts;
use crate::event::{Preparation, What};
use crate::report::words;

/// Everything that the site's hosts get, in one folder to carry to where there is no network.
/// There, `RA_DEPLOY_BUNDLE=FOLDER` has it looked into before anything is fetched or built.
#[derive(Debug, Args)]
pub struct Bundle {
    #[command(flatten)]
    chosen: Chosen,
    /// Where to; what it holds already stays.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl Bundle {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            let mut session = match Session::open_at_home("bundle", &self.chosen, common)? {
                Ok(session) => session,
                Err(code) => return Ok(code),
            };
            let names = session.artifacts();
            let hub = &session.run.hub;
            let tell = |preparation: Preparation| hub.tell(What::Preparing(preparation));
            let packed = tokio::task::block_in_place(|| {
                super::supply::pack(&names, self.out.clone(), &tell)
            });
            session.run.hub.settle();
            let bytes = match packed {
                Ok(bytes) => bytes,
                Err(failure) => {
                    session.stopped_by(failure);
                    return session.finish(exit::RUN_FAILED, None).await;
                }
            };
            match common.output {
                Format::Text => say!(
                    "{} with {}, {}. Use it with RA_DEPLOY_BUNDLE={}.",
                    self.out.display(),
                    words::count(names.len(), "artifact"),
                    words::size(bytes),
                    self.out.display()
                ),
                _ => say!(
                    "{}",
                    json!({"folder": self.out, "artifacts": names, "bytes": bytes})
                ),
            }
            session.finish_quietly(exit::DONE).await
        })
    }
}

impl Session {
    /// Names of the artifacts that the chosen hosts' walks send, whatever is on the hosts.
    fn artifacts(&self) -> Vec<String> {
        let steps = self
            .fleet
            .members()
            .iter()
            .flat_map(|member| &member.walk().steps);
        let names: BTreeSet<String> = steps
            .flat_map(|step| named_artifacts(&step.task.parameters))
            .filter(|name| self.run.supply.info(name).is_some())
            .collect();
        names.into_iter().collect()
    }
}
