//! Acts, and the proof that they happened.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::super::testing::{Answer, Fake, Seen, Tree, swift};
use super::super::{Bmc, Error, Progress};
use crate::model::BmcQuery;
use crate::model::bmc::{BmcAct, BootOverride, PowerGoal};

const SYSTEM: &str = "/redfish/v1/Systems/1";
const BIOS: &str = "/redfish/v1/Systems/1/Bios";
const PENDING: &str = "/redfish/v1/Systems/1/Bios/Pending";

async fn serve(
    tree: &Arc<Tree>,
    special: impl Fn(&Seen, &Tree) -> Option<Answer> + Send + Sync + 'static,
) -> Fake {
    let tree = Arc::clone(tree);
    Fake::start(move |seen| special(seen, &tree).unwrap_or_else(|| tree.serve(seen))).await
}

async fn act(fake: &Fake, act: BmcAct) -> (Result<(), Error>, Vec<Progress>) {
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let told = Mutex::new(Vec::new());
    let outcome = bmc
        .act(&act, &|progress| told.lock().unwrap().push(progress))
        .await;
    bmc.close().await;
    (outcome, told.into_inner().unwrap())
}

fn resets(fake: &Fake) -> Vec<String> {
    fake.writes()
        .iter()
        .filter(|seen| seen.path.ends_with("ComputerSystem.Reset"))
        .map(|seen| seen.body["ResetType"].as_str().unwrap().to_owned())
        .collect()
}

fn is_reset(seen: &Seen) -> Option<&str> {
    seen.path
        .ends_with("ComputerSystem.Reset")
        .then(|| seen.body["ResetType"].as_str().unwrap())
}

/// A power button that works.
fn obedient(seen: &Seen, tree: &Tree) -> Option<Answer> {
    match is_reset(seen)? {
        "On" => {
            tree.set(SYSTEM, "/PowerState", json!("On"));
            tree.set(
                SYSTEM,
                "/BootProgress/LastState",
                json!("MemoryInitializationStarted"),
            );
        }
        "ForceOff" | "GracefulShutdown" => {
            tree.set(SYSTEM, "/PowerState", json!("Off"));
            tree.set(SYSTEM, "/BootProgress/LastState", json!("None"));
        }
        _ => tree.set(SYSTEM, "/LastResetTime", json!("2026-02-02T00:00:00Z")),
    }
    Some(Answer::empty(204))
}

#[tokio::test]
async fn each_goal_is_reached_by_the_mildest_way() {
    let cases = [
        ("On", PowerGoal::On, vec![]),
        ("Off", PowerGoal::On, vec!["On"]),
        ("On", PowerGoal::Off, vec!["GracefulShutdown"]),
        ("Off", PowerGoal::Off, vec![]),
        ("On", PowerGoal::ForceOff, vec!["ForceOff"]),
        ("On", PowerGoal::Restart, vec!["GracefulRestart"]),
        ("Off", PowerGoal::Restart, vec!["On"]),
        ("On", PowerGoal::ForceRestart, vec!["ForceRestart"]),
    ];
    for (before, goal, expected) in cases {
        let tree = Tree::host();
        tree.set(SYSTEM, "/PowerState", json!(before));
        let fake = serve(&tree, obedient).await;
        let (outcome, _) = act(&fake, BmcAct::Power(goal)).await;
        outcome.unwrap();
        assert_eq!(resets(&fake), expected, "{before} {goal:?}");
    }
}

#[tokio::test]
async fn an_accepted_shutdown_that_does_nothing_is_forced() {
    let tree = Tree::host();
    let fake = serve(&tree, |seen, tree| match is_reset(seen)? {
        "GracefulShutdown" => Some(Answer::empty(204)),
        _ => obedient(seen, tree),
    })
    .await;
    let (outcome, told) = act(&fake, BmcAct::Power(PowerGoal::Off)).await;
    outcome.unwrap();
    assert_eq!(resets(&fake), ["GracefulShutdown", "ForceOff"]);
    assert!(
        told.iter()
            .any(|progress| matches!(progress, Progress::Escalating { .. }))
    );
}

#[tokio::test]
async fn an_accepted_restart_that_does_nothing_ends_with_off_and_on() {
    let tree = Tree::host();
    let fake = serve(&tree, |seen, tree| match is_reset(seen)? {
        "GracefulRestart" | "ForceRestart" => Some(Answer::empty(200)),
        _ => obedient(seen, tree),
    })
    .await;
    let (outcome, _) = act(&fake, BmcAct::Power(PowerGoal::Restart)).await;
    outcome.unwrap();
    assert_eq!(
        resets(&fake),
        ["GracefulRestart", "ForceRestart", "ForceOff", "On"]
    );
}

#[tokio::test]
async fn a_power_button_that_does_nothing_at_all_is_not_believed() {
    let tree = Tree::host();
    let fake = serve(&tree, |seen, _| is_reset(seen).map(|_| Answer::empty(204))).await;
    for goal in [PowerGoal::Restart, PowerGoal::Off] {
        let (outcome, _) = act(&fake, BmcAct::Power(goal)).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::NotProven { .. }), "{error}");
        assert!(error.to_string().contains("the power is On"), "{error}");
    }
}

#[tokio::test]
async fn a_bmc_that_shows_no_restart_turns_off_and_on() {
    let tree = Tree::host();
    {
        let mut documents = tree.documents.lock().unwrap();
        let system = documents.get_mut(SYSTEM).unwrap().as_object_mut().unwrap();
        system.remove("BootProgress");
        system.remove("LastResetTime");
    }
    let fake = serve(&tree, |seen, tree| {
        let state = match is_reset(seen)? {
            "On" => "On",
            "GracefulShutdown" => "Off",
            _ => return Some(Answer::empty(500)),
        };
        tree.set(SYSTEM, "/PowerState", json!(state));
        Some(Answer::empty(204))
    })
    .await;
    let (outcome, _) = act(&fake, BmcAct::Power(PowerGoal::Restart)).await;
    outcome.unwrap();
    assert_eq!(resets(&fake), ["GracefulShutdown", "On"]);
}

#[tokio::test]
async fn a_reset_whose_answer_got_lost_is_looked_for_and_not_sent_again() {
    let tree = Tree::host();
    tree.set(SYSTEM, "/PowerState", json!("Off"));
    let fake = serve(&tree, |seen, tree| {
        obedient(seen, tree)?;
        Some(Answer::hang_up())
    })
    .await;
    let (outcome, _) = act(&fake, BmcAct::Power(PowerGoal::On)).await;
    outcome.unwrap();
    assert_eq!(resets(&fake), ["On"]);
}

#[tokio::test]
async fn a_reset_is_repeated_when_the_bmc_says_too_early() {
    for (answer, expected) in [
        (
            Answer::message(400, "iLO.2.14.UnableToModifyDuringSystemPOST", "POST"),
            3,
        ),
        (Answer::empty(503), 3),
        // A gateway's error says nothing: looked for, and pressed once more when it is not there.
        (Answer::empty(502), 2),
    ] {
        let tree = Tree::host();
        tree.set(SYSTEM, "/PowerState", json!("Off"));
        let left = AtomicUsize::new(2);
        let again = answer.clone();
        let fake = serve(&tree, move |seen, tree| {
            is_reset(seen)?;
            let early = left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok();
            if early {
                Some(again.clone())
            } else {
                obedient(seen, tree)
            }
        })
        .await;
        let _ = act(&fake, BmcAct::Power(PowerGoal::On)).await;
        let sent = resets(&fake).iter().filter(|kind| *kind == "On").count();
        assert_eq!(sent, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn reset_types_may_stand_in_an_action_info() {
    let tree = Tree::host();
    tree.set(SYSTEM, "/PowerState", json!("Off"));
    tree.set(
        SYSTEM,
        "/Actions/#ComputerSystem.Reset",
        json!({
        "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
        "@Redfish.ActionInfo": "/redfish/v1/Systems/1/ResetInfo"}),
    );
    tree.documents.lock().unwrap().insert(
        "/redfish/v1/Systems/1/ResetInfo".into(),
        json!({
        "Parameters": [{"Name": "ResetType", "AllowableValues": ["ForceOn", "ForceOff"]}]}),
    );
    let fake = serve(&tree, |seen, tree| {
        tree.set(SYSTEM, "/PowerState", json!("On"));
        is_reset(seen).map(|_| Answer::empty(204))
    })
    .await;
    // The handler turns the power on at any request, so ask for off: only ForceOff is offered.
    let (outcome, _) = act(&fake, BmcAct::Power(PowerGoal::Off)).await;
    outcome.unwrap_err();
    assert_eq!(resets(&fake), ["ForceOff", "ForceOff"]);
}

#[tokio::test]
async fn a_patch_is_not_repeated_after_a_gateways_error() {
    let tree = Tree::host();
    let fake = serve(&tree, |seen, _| {
        (seen.method == "PATCH").then(|| Answer::empty(502))
    })
    .await;
    let error = act(&fake, wish(&[("Smt", json!("On"))]))
        .await
        .0
        .unwrap_err();
    assert!(
        matches!(error, Error::Refused { status: 502, .. }),
        "{error}"
    );
    assert_eq!(fake.writes().len(), 1);
}

#[tokio::test]
async fn a_patch_whose_answer_got_lost_is_looked_for() {
    for took_effect in [true, false] {
        let tree = Tree::host();
        let left = AtomicUsize::new(1);
        let fake = serve(&tree, move |seen, tree| {
            let lost = seen.method == "PATCH"
                && left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok();
            if !lost {
                return None;
            }
            if took_effect {
                tree.serve(seen);
            }
            Some(Answer::hang_up())
        })
        .await;
        act(&fake, wish(&[("Smt", json!("On"))])).await.0.unwrap();
        assert_eq!(fake.writes().len(), if took_effect { 1 } else { 2 });
    }
}

fn wish(pairs: &[(&str, Value)]) -> BmcAct {
    let attributes: BTreeMap<String, Value> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    BmcAct::StageBios { attributes }
}

#[tokio::test]
async fn bios_attributes_are_staged_in_one_request_and_read_back() {
    let tree = Tree::host();
    let fake = serve(&tree, |_, _| None).await;
    let (outcome, _) = act(&fake, wish(&[("Smt", json!("On")), ("Boost", json!(1))])).await;
    outcome.unwrap();
    let writes = fake.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].path, PENDING);
    assert_eq!(writes[0].headers["if-match"], "\"1\"");
    assert_eq!(writes[0].body["Attributes"], json!({"Smt": "On"}));
    assert_eq!(
        writes[0].body["@Redfish.SettingsApplyTime"]["ApplyTime"],
        "OnReset"
    );
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let state = bmc.answer(&BmcQuery::Bios).await.unwrap();
    assert_eq!(state["current"]["Smt"], "Off");
    assert_eq!(state["pending"], json!({"Smt": "On"}));
    // Asked again, nothing is left to write.
    let (outcome, _) = act(&fake, wish(&[("Smt", json!("On"))])).await;
    outcome.unwrap();
    assert_eq!(fake.writes().len(), 1);
}

#[tokio::test]
async fn settings_that_were_accepted_and_dropped_are_not_believed() {
    let tree = Tree::host();
    let fake = serve(&tree, |seen, _| {
        (seen.method == "PATCH").then(|| Answer::empty(200))
    })
    .await;
    let (outcome, _) = act(&fake, wish(&[("Smt", json!("On"))])).await;
    let error = outcome.unwrap_err();
    assert!(
        error.to_string().contains("Smt is \"Off\", not \"On\""),
        "{error}"
    );
}

#[tokio::test]
async fn each_bmc_gets_the_etag_that_it_takes() {
    let refusals: [fn(Option<&str>) -> bool; 3] = [
        |etag| etag != Some("*"),
        |etag| etag.is_some(),
        |etag| etag != Some("\"1\""),
    ];
    for refused in refusals {
        let tree = Tree::host();
        let fake = serve(&tree, move |seen, _| {
            let etag = seen.headers.get("if-match").map(String::as_str);
            (seen.method == "PATCH" && refused(etag)).then(|| Answer::empty(412))
        })
        .await;
        let (outcome, _) = act(&fake, wish(&[("Smt", json!("On"))])).await;
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_stale_etag_is_read_anew() {
    let tree = Tree::host();
    let fake = serve(&tree, |seen, tree| {
        if seen.method != "PATCH" {
            return None;
        }
        let etag = seen.headers.get("if-match").cloned();
        if etag.as_deref() == Some("\"1\"") {
            tree.set(PENDING, "/@odata.etag", json!("\"2\""));
        }
        (etag.as_deref() != Some("\"2\"")).then(|| Answer::empty(412))
    })
    .await;
    let (outcome, _) = act(&fake, wish(&[("Smt", json!("On"))])).await;
    outcome.unwrap();
    assert_eq!(fake.writes().len(), 2);
}

#[tokio::test]
async fn without_apply_times_none_is_sent_and_unknown_names_are_refused_before() {
    let tree = Tree::host();
    tree.set(BIOS, "/@Redfish.Settings/SupportedApplyTimes", Value::Null);
    let fake = serve(&tree, |_, _| None).await;
    act(&fake, wish(&[("Smt", json!("On"))])).await.0.unwrap();
    assert!(
        fake.writes()[0]
            .body
            .get("@Redfish.SettingsApplyTime")
            .is_none()
    );
    let (outcome, _) = act(&fake, wish(&[("Smtt", json!("On"))])).await;
    assert!(outcome.unwrap_err().to_string().contains("Smtt"));
    assert_eq!(fake.writes().len(), 1);
}

#[tokio::test]
async fn a_failed_job_is_told_with_its_words() {
    let tree = Tree::host();
    let job = "/redfish/v1/JobService/Jobs/JID_1";
    tree.documents.lock().unwrap().insert(
        job.into(),
        json!({"Id": "JID_1", "JobState": "Failed", "Message": "Lifecycle Controller is in use."}),
    );
    let fake = serve(&tree, move |seen, tree| {
        (seen.method == "PATCH").then(|| tree.serve(seen).with("Location", job))
    })
    .await;
    let (outcome, _) = act(&fake, wish(&[("Smt", json!("On"))])).await;
    let error = outcome.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Lifecycle Controller is in use."),
        "{error}"
    );
}

fn pxe_once() -> BootOverride {
    BootOverride {
        enabled: Some("Once".into()),
        target: Some("Pxe".into()),
        ..BootOverride::default()
    }
}

#[tokio::test]
async fn a_boot_override_goes_whole_and_is_read_back() {
    let tree = Tree::host();
    let fake = serve(&tree, |_, _| None).await;
    act(&fake, BmcAct::SetBoot(pxe_once())).await.0.unwrap();
    assert_eq!(
        fake.writes()[0].body,
        json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe", "BootSourceOverrideMode": "UEFI"}})
    );
    act(&fake, BmcAct::SetBoot(pxe_once())).await.0.unwrap();
    assert_eq!(
        fake.writes().len(),
        1,
        "what is set already is not set again"
    );
}

#[tokio::test]
async fn a_refused_mode_is_left_out_unless_it_is_the_wish() {
    let tree = Tree::host();
    let fake = serve(&tree, |seen, _| {
        (seen.method == "PATCH" && seen.body["Boot"].get("BootSourceOverrideMode").is_some()).then(
            || {
                Answer::message(
                    400,
                    "Base.1.8.PropertyNotWritable",
                    "BootSourceOverrideMode is read-only",
                )
            },
        )
    })
    .await;
    act(&fake, BmcAct::SetBoot(pxe_once())).await.0.unwrap();
    assert_eq!(tree.get(SYSTEM)["Boot"]["BootSourceOverrideTarget"], "Pxe");
    let legacy = BootOverride {
        mode: Some("Legacy".into()),
        ..pxe_once()
    };
    let error = act(&fake, BmcAct::SetBoot(legacy)).await.0.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

#[tokio::test]
async fn an_ignored_boot_override_is_not_believed() {
    let tree = Tree::host();
    let fake = serve(&tree, |seen, _| {
        (seen.method == "PATCH").then(|| Answer::empty(200))
    })
    .await;
    let error = act(&fake, BmcAct::SetBoot(pxe_once())).await.0.unwrap_err();
    assert!(matches!(error, Error::NotProven { .. }), "{error}");
}

#[tokio::test]
async fn a_task_is_waited_for_and_its_disappearance_survived() {
    let tree = Tree::host();
    let looks = AtomicUsize::new(0);
    let fake = serve(&tree, move |seen, tree| {
        if seen.method == "PATCH" {
            return Some(Answer {
                status: 202,
                ..Answer::empty(202).with("Location", "/redfish/v1/TaskService/TaskMonitors/7")
            });
        }
        if !seen.path.ends_with("/TaskMonitors/7") {
            return None;
        }
        Some(match looks.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::json(202, json!({"TaskState": "Running", "PercentComplete": 40})),
            1 => Answer::hang_up(),
            2 => Answer::empty(503),
            _ => {
                tree.set(SYSTEM, "/Boot/BootSourceOverrideEnabled", json!("Once"));
                tree.set(SYSTEM, "/Boot/BootSourceOverrideTarget", json!("Pxe"));
                Answer::empty(404)
            }
        })
    })
    .await;
    let (outcome, told) = act(&fake, BmcAct::SetBoot(pxe_once())).await;
    outcome.unwrap();
    assert!(told.contains(&Progress::Task {
        state: "Running".into(),
        percent: Some(40)
    }));
}
