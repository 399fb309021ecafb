//! What an operator has BMCs do themselves: no wish of a site describes it.

use super::super::order::order;
use super::super::{Common, Servers};
use crate::model::BmcAct;

pub async fn clear_logs(servers: &Servers, common: &Common) -> anyhow::Result<i32> {
    let ask = |hosts: &str| format!("Empty the logs of {hosts}? What they say is lost.");
    order("bmc", servers, common, "clear logs", BmcAct::ClearLogs, ask).await
}

pub async fn clear_jobs(servers: &Servers, force: bool, common: &Common) -> anyhow::Result<i32> {
    let ask = |hosts: &str| {
        format!(
            "Delete the jobs of {hosts}? Settings and updates that wait for a boot go with them."
        )
    };
    order(
        "bmc",
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
    order(
        "bmc",
        servers,
        common,
        "restart the BMC",
        BmcAct::ResetBmc,
        ask,
    )
    .await
}
