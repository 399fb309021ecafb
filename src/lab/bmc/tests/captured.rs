//! Captured trees made alive: what was recorded, and what an emulated machine does on top of it.

use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use super::Bench;
use crate::lab::bmc::captured;
use crate::lab::bmc::tree::{TextKind, Tree};

/// Trees with their primary system and a BIOS attribute, its value, and another one.
const TREES: [(&str, &str, &str, &str, &str); 4] = [
    (
        "dell",
        "/redfish/v1/Systems/System.Embedded.1",
        "SriovGlobalEnable",
        "Enabled",
        "Disabled",
    ),
    (
        "hpe",
        "/redfish/v1/Systems/1",
        "ProcSMT",
        "Enabled",
        "Disabled",
    ),
    (
        "dmtf-public-rackmount1",
        "/redfish/v1/Systems/437XR1138R2",
        "ProcTurboMode",
        "Enabled",
        "Disabled",
    ),
    (
        "dmtf-public-tower",
        "/redfish/v1/Systems/437XR1238R2",
        "ProcHyperthreading",
        "Enabled",
        "Disabled",
    ),
];

fn archive(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/bmc-trees/{name}.tar.zst"))
}

async fn bench(name: &str) -> (Bench, Tree) {
    let path = archive(name);
    let tree = captured::load(&path).expect(name);
    (Bench::start(|bmc| bmc.tree = Some(path)).await, tree)
}

#[tokio::test]
async fn recorded_answers_come_back() {
    for (name, ..) in TREES {
        let (bench, tree) = bench(name).await;
        let anatomy = &tree.anatomy;
        // What lives is not as it was recorded.
        let lives = |path: &str| {
            path == anatomy.system
                || anatomy
                    .managers
                    .iter()
                    .chain(&anatomy.chassis)
                    .any(|other| other == path)
                || anatomy.is_settings(path)
                || path.contains("/Sessions")
                || path.contains("/Accounts/")
                || path.contains("/LogServices/")
        };
        let mut compared = 0;
        for (path, document) in tree.documents() {
            if lives(path) || document.kind != TextKind::Json {
                continue;
            }
            let answer = bench.request(Method::GET, path).send().await.expect(path);
            assert_eq!(answer.status(), document.status, "{name}{path}");
            let mut seen: Value = answer.json().await.expect(path);
            let mut recorded: Value = serde_json::from_str(&document.text).expect(path);
            for body in [&mut seen, &mut recorded] {
                if let Some(object) = body.as_object_mut() {
                    object.shift_remove("@odata.etag");
                }
            }
            assert_eq!(seen, recorded, "{name}{path}");
            compared += 1;
        }
        assert!(compared > 150, "{name}: {compared}");
    }
}

#[tokio::test]
async fn a_captured_machine_boots_and_applies_its_settings() {
    for (name, system, attribute, before, after) in TREES {
        let (bench, tree) = bench(name).await;
        assert_eq!(tree.anatomy.system, system);
        let bios = bench.get(system).await["Bios"]["@odata.id"]
            .as_str()
            .expect(name)
            .to_owned();
        let settings = tree.anatomy.settings[0].clone();
        assert_eq!(
            bench.get(&bios).await["Attributes"][attribute],
            before,
            "{name}"
        );
        let change = json!({
            "Attributes": {attribute: after},
            "@Redfish.SettingsApplyTime": {"@odata.type": "#Settings.v1_3_0.PreferredApplyTime", "ApplyTime": "OnReset"},
        });
        let patched = bench.patch(&settings, change).await;
        assert!(
            patched.status().is_success(),
            "{name}: {}",
            patched.status()
        );
        assert_eq!(
            bench.get(&settings).await["Attributes"][attribute],
            after,
            "{name}"
        );
        assert_eq!(
            bench.get(&bios).await["Attributes"][attribute],
            before,
            "{name}"
        );
        let reset = bench
            .post(
                &format!("{system}/Actions/ComputerSystem.Reset"),
                json!({"ResetType": "ForceRestart"}),
            )
            .await;
        assert_eq!(reset.status(), 204, "{name}");
        let pointer = format!("/Attributes/{attribute}");
        bench.until(&bios, &pointer, after).await;
        bench.until(system, "/PowerState", "On").await;
    }
}

#[tokio::test]
async fn the_vendors_job_follows_the_settings() {
    let (bench, tree) = bench("dell").await;
    let settings = tree.anatomy.settings[0].clone();
    let jobs = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/Jobs";
    let change = json!({"Attributes": {"SriovGlobalEnable": "Disabled"}});
    let staged = bench.patch(&settings, change.clone()).await;
    assert_eq!(staged.status(), 200);
    assert!(!staged.headers().contains_key("location"), "no job yet");
    let made = bench
        .post(jobs, json!({"TargetSettingsURI": settings}))
        .await;
    assert_eq!(made.status(), 200);
    let job = made.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    assert_eq!(bench.get(&job).await["JobState"], "Scheduled");
    assert_eq!(
        bench.patch(&settings, change).await.status(),
        400,
        "one batch at a time"
    );
    let system = &tree.anatomy.system;
    bench
        .post(
            &format!("{system}/Actions/ComputerSystem.Reset"),
            json!({"ResetType": "ForceRestart"}),
        )
        .await;
    bench.until(&job, "/JobState", "Completed").await;
}

#[tokio::test]
async fn pages_cases_and_recorded_errors() {
    let (dell, _) = bench("dell").await;
    let page = "/redfish/v1/Systems/System.Embedded.1/Oem/Dell/DellSlots?$skip=50";
    assert!(
        dell.get(page).await["Members"]
            .as_array()
            .is_some_and(|members| !members.is_empty())
    );
    let (hpe, _) = bench("hpe").await;
    assert_eq!(hpe.get("/redfish/v1/systems/1/bios/").await["Id"], "bios");
    assert_eq!(hpe.status("/redfish/v1/SYSTEMS/1/").await, 200);
    assert_eq!(
        hpe.status("/redfish/v1/Registries/%23SmartStorageMessages.v2_0_1.SmartStorageMessages")
            .await,
        200
    );
}

#[tokio::test]
async fn a_folder_serves_as_well_and_keeps_statuses() {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let write = |path: &str, text: &str| {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(file, text).expect("written");
    };
    write(
        "redfish/v1/index.json",
        "{\"@odata.id\": \"/redfish/v1\", \"Systems\": {\"@odata.id\": \"/redfish/v1/Systems\"}}",
    );
    write(
        "redfish/v1/Systems/custom.json",
        "{\"status\": 403, \"body\": \"<html>no</html>\"}",
    );
    let bench = Bench::start(|bmc| bmc.tree = Some(folder.path().into())).await;
    let answer = bench
        .request(Method::GET, "/redfish/v1/Systems")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.headers()["content-type"], "text/html");
    assert!(
        captured::load(&folder.path().join("redfish")).is_err(),
        "not a tree"
    );
}
