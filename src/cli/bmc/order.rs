//! What an operator has BMCs do themselves: no wish of a site describes it.

use super::super::session::Session;
use super::super::{Common, Servers, exit};
use crate::model::BmcAct;
use crate::plan::Errand;

pub async fn clear_logs(servers: &Servers, common: &Common) -> anyhow::Result<i32> {
    let ask = |hosts: &str| format!("Empty the logs of {hosts}? What they say is lost.");
    order(servers, common, "clear logs", BmcAct::ClearLogs, ask).await
}

pub async fn clear_jobs(servers: &Servers, force: bool, common: &Common) -> anyhow::Result<i32> {
    let ask = |hosts: &str| {
        format!(
            "Delete the jobs of {hosts}? Settings and updates that wait for a boot go with them."
        )
    };
    order(
        servers,
        common,
        "clear jobs",
        BmcAct::ClearJobs { force },
        ask,
    )
    .await
}

pub async fn reset(servers: &Servers, common: &Common) -> anyhow::Result<i32> {
    let ask = |hosts: &str| format!("Restart the BMC of {hosts}? The servers go on running.");
    order(servers, common, "restart the BMC", BmcAct::ResetBmc, ask).await
}

async fn order(
    servers: &Servers,
    common: &Common,
    title: &str,
    act: BmcAct,
    question: impl FnOnce(&str) -> String,
) -> anyhow::Result<i32> {
    let errand = Errand {
        name: "bmc",
        tasks: Vec::new(),
    };
    let mut session = match Session::open_errand(&errand, &servers.chosen(), common)? {
        Ok(session) => session,
        Err(code) => return Ok(code),
    };
    let members = session.fleet.members().iter();
    let names: Vec<String> = members.map(|one| one.host().to_owned()).collect();
    let question = question(&crate::report::words::list(&names));
    if let Some(code) = session.confirm(servers.consent(), &question)? {
        return session.finish(code, None).await;
    }
    session.fleet.order("bmc", title, &[act]).await;
    session.finish(exit::DONE, None).await
}
