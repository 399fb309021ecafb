//! Logs, jobs, sessions and the BMC's restart, by this crate's own client, on every profile.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use super::Bench;
use super::bench::swift;
use crate::lab::bmc::{Fault, Profile};
use crate::model::BmcQuery;
use crate::model::bmc::{
    BiosState, BmcAct, JobState, LogState, PowerGoal, SessionState, SettingsState, SettingsWish,
};
use crate::redfish::{Bmc, Error, Options, Progress};

async fn ask<T: serde::de::DeserializeOwned>(bmc: &Bmc, query: BmcQuery) -> T {
    bmc.forget().await;
    let answer = bmc.answer(&query).await.expect("an answer");
    serde_json::from_value(answer).expect("its state")
}

fn ignore(_: Progress) {}

async fn each_profile() -> Vec<(Profile, Bench)> {
    let mut benches = Vec::new();
    for profile in Profile::all() {
        let bench = Bench::start(|bmc| bmc.profile = Some(profile)).await;
        benches.push((profile, bench));
    }
    benches
}

#[tokio::test]
async fn logs_tell_what_happened_and_are_cleared() {
    for (profile, bench) in each_profile().await {
        let bmc = bench.connect().await;
        bmc.act(&BmcAct::Power(PowerGoal::On), &ignore)
            .await
            .expect("on");
        bmc.act(&BmcAct::ResetBmc, &ignore)
            .await
            .expect("a restart");
        let logs: LogState = ask(&bmc, BmcQuery::Logs).await;
        let restarted = |logs: &LogState| {
            let mut entries = logs.entries.iter();
            entries.any(|entry| entry.message == "the BMC restarted" && entry.time.is_some())
        };
        assert!(restarted(&logs), "{profile:?}: {logs:?}");
        bmc.act(&BmcAct::ClearLogs, &ignore).await.expect("cleared");
        let logs: LogState = ask(&bmc, BmcQuery::Logs).await;
        assert!(!restarted(&logs), "{profile:?}: {logs:?}");
        bmc.close().await;
    }
}

#[tokio::test]
async fn jobs_are_listed_once_and_deleted_with_what_they_would_do() {
    for (profile, bench) in each_profile().await {
        let bmc = bench.connect().await;
        let bios: BiosState = ask(&bmc, BmcQuery::Bios).await;
        let wish = bios.current.iter().find_map(|(name, value)| {
            let word = value.as_str()?;
            let other = match word.strip_suffix("Enabled") {
                Some(start) => format!("{start}Disabled"),
                None => format!("{}Enabled", word.strip_suffix("Disabled")?),
            };
            Some((name.clone(), json!(other)))
        });
        let attributes = [wish.expect("a switch")].into();
        bmc.act(&BmcAct::StageBios { attributes }, &ignore)
            .await
            .expect("staged");
        let state: JobState = ask(&bmc, BmcQuery::Jobs).await;
        assert_eq!(state.unreadable, [] as [String; 0]);
        let mut ids: Vec<&str> = state.jobs.iter().map(|job| job.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), state.jobs.len(), "{profile:?}: {state:?}");
        let waits = state.jobs.iter().any(|job| job.stage.is_open());
        if matches!(profile, Profile::Idrac | Profile::Generic) {
            assert!(waits, "{profile:?}: {state:?}");
        }
        bmc.act(&BmcAct::ClearJobs { force: false }, &ignore)
            .await
            .expect("deleted");
        let state: JobState = ask(&bmc, BmcQuery::Jobs).await;
        assert!(
            state.jobs.iter().all(|job| !job.stage.is_open()),
            "{profile:?}: {state:?}"
        );
        if waits {
            let bios: BiosState = ask(&bmc, BmcQuery::Bios).await;
            assert!(bios.pending.is_empty(), "{profile:?}: {bios:?}");
        }
        bmc.close().await;
    }
}

#[tokio::test]
async fn a_cleared_queue_is_waited_out_until_the_system_is_listed_again() {
    let bench = Bench::start(|bmc| {
        bmc.profile = Some(Profile::Idrac);
        bmc.faults = vec!["empty-members=1".parse::<Fault>().expect("a fault")];
    })
    .await;
    let bmc = bench.connect().await;
    let attributes = [("SriovGlobalEnable".to_owned(), json!("Enabled"))].into();
    bmc.act(&BmcAct::StageBios { attributes }, &ignore)
        .await
        .expect("staged");
    bmc.act(&BmcAct::ClearJobs { force: false }, &ignore)
        .await
        .expect("deleted");
    let members = bench.get("/redfish/v1/Systems").await["Members"].clone();
    assert_eq!(members.as_array().map(Vec::len), Some(1));
    bmc.close().await;
}

#[tokio::test]
async fn a_restart_of_the_bmc_is_proven_and_the_session_is_renewed() {
    for (profile, bench) in each_profile().await {
        let bmc = bench.connect().await;
        bmc.act(&BmcAct::ResetBmc, &ignore)
            .await
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
        let state: SessionState = ask(&bmc, BmcQuery::Sessions).await;
        assert!(state.by_session, "{profile:?}");
        assert_eq!(state.sessions.len(), 1, "{profile:?}: {state:?}");
        bmc.close().await;
    }
}

#[tokio::test]
async fn a_restart_that_never_comes_is_not_believed() {
    let bench = Bench::with_faults(&["accepted-but-nothing-happened=0"]).await;
    let options = Options {
        boot_budget: Duration::from_millis(200),
        ..swift()
    };
    let bmc = Bmc::connect(bench.endpoint(), options)
        .await
        .expect("connected");
    let told = Mutex::new(Vec::new());
    let error = bmc
        .act(&BmcAct::ResetBmc, &|progress| {
            told.lock().expect("no panic").push(progress);
        })
        .await
        .expect_err("nothing happened");
    assert!(matches!(error, Error::NotProven { .. }), "{error}");
    let told = told.into_inner().expect("no panic");
    assert!(
        told.iter()
            .any(|one| matches!(one, Progress::Waiting { .. }))
    );
    bmc.close().await;
}

#[tokio::test]
async fn a_run_that_got_no_session_says_so() {
    let bench = Bench::with_faults(&["sessions-exhausted"]).await;
    let bmc = bench.connect().await;
    let state: SessionState = ask(&bmc, BmcQuery::Sessions).await;
    assert!(!state.by_session);
    assert!(state.sessions.len() > 1);
    bmc.close().await;
}

#[tokio::test]
async fn name_and_clock_are_set_and_read_back() {
    for (profile, bench) in each_profile().await {
        let bmc = bench.connect().await;
        let wish = SettingsWish {
            host_name: Some("w1-bmc".into()),
            ntp: Some(vec!["192.0.2.1".into(), "192.0.2.2".into()]),
            time_zone: Some("+01:00".into()),
        };
        bmc.act(&BmcAct::SetSettings(wish.clone()), &ignore)
            .await
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
        let state: SettingsState = ask(&bmc, BmcQuery::Settings).await;
        assert_eq!(state.host_name, wish.host_name, "{profile:?}");
        assert_eq!(Some(&state.ntp_servers), wish.ntp.as_ref(), "{profile:?}");
        assert_eq!(state.ntp_enabled, Some(true), "{profile:?}");
        assert!(state.is_in_zone("+01:00"), "{profile:?}: {state:?}");
        let writes = bmc.requests().writes;
        bmc.act(&BmcAct::SetSettings(wish), &ignore)
            .await
            .expect("as it is");
        assert_eq!(bmc.requests().writes, writes, "{profile:?}");
        bmc.close().await;
    }
}
