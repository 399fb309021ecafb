//! Each fault of the emulator: survived, or told in words that say what to do.

use ra_deploy::lab::bmc::Profile;
use ra_deploy::model::bmc::{BiosRegistry, PowerGoal};
use ra_deploy::model::{BmcAct, BmcQuery};
use ra_deploy::redfish::{Error, Progress};
use serde_json::Value;

use super::emulator::{start, start_with};
use super::profiles::{act, ask, done, round, sessions_left};

/// Faults that a run must not notice.
const SURVIVED: &[(Profile, &[&str])] = &[
    (Profile::Generic, &["busy-while-booting=0"]),
    (Profile::Ilo, &["busy-while-booting=0"]),
    (Profile::Idrac, &["patch-200-without-location"]),
    (Profile::Generic, &["patch-200-without-location"]),
    (Profile::Generic, &["patch-202-without-location"]),
    (Profile::Xcc, &["patch-202-without-location"]),
    (Profile::Idrac, &["job-404-after-reset=1"]),
    (Profile::Generic, &["job-404-after-reset=1"]),
    (Profile::Generic, &["once-ignored"]),
    (Profile::Generic, &["empty-members=1"]),
    (Profile::Generic, &["malformed-member"]),
    (Profile::Generic, &["stale-etag"]),
    (Profile::Ilo, &["stale-etag"]),
    (Profile::Xcc, &["stale-etag"]),
    (Profile::Generic, &["close-after-answer"]),
    (Profile::Ilo, &["close-after-answer"]),
    (Profile::Generic, &["slow=20"]),
    (Profile::Generic, &["accepted-but-nothing-happened=1"]),
    (Profile::Idrac, &["accepted-but-nothing-happened=1"]),
    (Profile::Generic, &["registry-refused"]),
    (
        Profile::Generic,
        &[
            "close-after-answer",
            "slow=5",
            "stale-etag",
            "busy-while-booting=0",
        ],
    ),
];

/// Some side by side: a round mostly waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_that_a_run_must_not_notice() {
    let mut rounds = tokio::task::JoinSet::new();
    let lanes = std::sync::Arc::new(tokio::sync::Semaphore::new(5));
    for (profile, faults) in SURVIVED {
        let lane = std::sync::Arc::clone(&lanes);
        rounds.spawn(async move {
            let _lane = lane.acquire().await.expect("an open semaphore");
            println!("{} {faults:?}", profile.name());
            let emulated = start(*profile, faults).await;
            round(&emulated).await;
            assert_eq!(
                sessions_left(&emulated).await,
                0,
                "{} {faults:?}",
                profile.name()
            );
        });
    }
    while let Some(outcome) = rounds.join_next().await {
        outcome.expect("no panic");
    }
}

#[tokio::test]
async fn used_up_sessions_are_done_without() {
    let emulated = start(Profile::Generic, &["sessions-exhausted"]).await;
    let bmc = emulated.connect().await.unwrap();
    ask::<Value>(&bmc, BmcQuery::Hardware).await;
    done(&bmc, BmcAct::Power(PowerGoal::Off)).await;
    bmc.close().await;
}

#[tokio::test]
async fn an_expired_password_is_told() {
    let emulated = start(Profile::Generic, &["password-expired"]).await;
    let error = match emulated.connect().await {
        Err(error) => error,
        Ok(bmc) => bmc.answer(&BmcQuery::System).await.unwrap_err(),
    };
    assert!(matches!(error, Error::PasswordChange { .. }), "{error}");
}

#[tokio::test]
async fn a_button_that_never_does_anything_is_told() {
    let emulated = start(Profile::Generic, &["accepted-but-nothing-happened=0"]).await;
    let bmc = emulated.connect().await.unwrap();
    let error = act(&bmc, BmcAct::Power(PowerGoal::On)).await.unwrap_err();
    assert!(matches!(error, Error::NotProven { .. }), "{error}");
    assert!(error.hint().contains("console"), "{}", error.hint());
    bmc.close().await;
}

#[tokio::test]
async fn a_press_that_is_swallowed_is_repeated() {
    for goal in [PowerGoal::On, PowerGoal::Restart] {
        let emulated = start(Profile::Generic, &["accepted-but-nothing-happened=1"]).await;
        let bmc = emulated.connect().await.unwrap();
        let told = done(&bmc, BmcAct::Power(goal)).await;
        assert!(
            told.iter()
                .any(|progress| matches!(progress, Progress::Escalating { .. })),
            "{told:?}"
        );
        bmc.close().await;
    }
}

/// AMI, whose members are read one by one: expanded, the malformed one may come whole.
#[tokio::test]
async fn a_refused_registry_and_a_malformed_member_are_named() {
    let emulated = start(Profile::Ami, &["registry-refused", "malformed-member"]).await;
    let bmc = emulated.connect().await.unwrap();
    let registry: BiosRegistry = ask(&bmc, BmcQuery::BiosRegistry).await;
    assert!(
        registry
            .absent
            .is_some_and(|reason| reason.contains("forbids"))
    );
    let hardware: Value = ask(&bmc, BmcQuery::Hardware).await;
    let unreadable = hardware["unreadable"].as_array().unwrap();
    assert_eq!(unreadable.len(), 1, "{unreadable:?}");
    assert!(
        unreadable[0]["reason"].as_str().unwrap().contains("JSON"),
        "{unreadable:?}"
    );
    bmc.close().await;
}

#[tokio::test]
async fn dropped_connections_and_html_pages_now_and_then_do_not_end_a_run() {
    for fault in ["drop-connection=10", "html-error=10"] {
        for seed in 0..3 {
            let emulated = start_with(Profile::Generic, &[fault], |config| {
                config.name = format!("w01{}", "x".repeat(seed))
            })
            .await;
            round(&emulated).await;
        }
    }
}
