//! `ra-deploy bios restore`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::session::Session;
use super::super::{Common, Servers, exit};
use super::snapshot::Snapshot;
use crate::model::bmc::SystemState;
use crate::model::{BmcAct, BmcQuery, Query};
use crate::report::words;

#[derive(Debug, Args)]
pub struct Restore {
    /// The snapshot.
    file: PathBuf,
    #[command(flatten)]
    servers: Servers,
    /// Boots the servers whose settings wait for it, and waits until they are in force.
    #[arg(long)]
    reboot: bool,
}

impl Restore {
    pub async fn run(self, common: &Common) -> anyhow::Result<i32> {
        let snapshot = Snapshot::load(&self.file)?;
        let tasks = |host: &str| match snapshot.hosts.get(host) {
            Some(server) if !server.attributes.is_empty() => vec![(
                "bios",
                json!({"attributes": server.attributes, "unwritable": "leave"}),
            )],
            _ => Vec::new(),
        };
        let mut session =
            match Session::open_errand_for("bios", &self.servers.chosen(), common, &tasks)? {
                Ok(session) => session,
                Err(code) => return Ok(code),
            };
        let strangers: Vec<String> = session
            .fleet
            .members()
            .iter()
            .map(|member| member.host().to_owned())
            .filter(|host| !snapshot.hosts.contains_key(host))
            .collect();
        if !strangers.is_empty() {
            session.stop_for(
                &format!(
                    "{} holds nothing of {}",
                    self.file.display(),
                    words::list(&strangers)
                ),
                &["name only hosts that the snapshot has"],
            );
            return session.finish(exit::USAGE, None).await;
        }
        if let Some(others) = self.others(&mut session, &snapshot).await {
            session.stop_for(
                &others,
                &["a snapshot is for the servers it was taken of; wish single attributes in a profile instead"],
            );
            return session.finish(exit::RUN_FAILED, None).await;
        }
        let servers = &self.servers;
        let question = match self.reboot {
            false => "Stage the settings as shown?",
            true => "Stage the settings as shown, and boot the servers?",
        };
        let reboot = self.reboot;
        let mut staged = false;
        let ended = session
            .carry_out(|session, pending| {
                staged = !pending.is_empty();
                if pending.is_empty() && !reboot {
                    return Ok(None);
                }
                session.confirm(servers.consent(), question)
            })
            .await?;
        if let Some(code) = ended {
            return session.finish(code, None).await;
        }
        if self.reboot {
            session
                .fleet
                .order("bios", "boot for BIOS settings", &[BmcAct::BootForSettings])
                .await;
        } else if staged {
            session.run.hub.warn(
                None,
                "the settings take effect at the servers' next boot: run this again with --reboot, or `ra-deploy power cycle`",
            );
        }
        session.finish(exit::DONE, None).await
    }

    /// Servers that are of another model than in the snapshot, in words.
    async fn others(&self, session: &mut Session, snapshot: &Snapshot) -> Option<String> {
        let query = BmcQuery::System;
        let mut others = Vec::new();
        for (host, answers) in session.fleet.ask(&[Query::Bmc(query.clone())]).await {
            // What cannot be read is told by the plan.
            let Ok(system) = answers.bmc_state::<SystemState>(&query) else {
                continue;
            };
            let model = &snapshot.hosts.get(&host)?.model;
            if let (Some(then), Some(now)) = (model, &system.model)
                && then != now
            {
                others.push(format!("{host} is a {now}, and was a {then}"));
            }
        }
        (!others.is_empty()).then(|| others.join("; "))
    }
}
