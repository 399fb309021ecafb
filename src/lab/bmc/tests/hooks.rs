//! A machine behind the BMC, played by a file: it holds `on` and a boot's number, or `off`.

use serde_json::json;

use super::Bench;
use crate::lab::bmc::Hook;

const SYSTEM: &str = "/redfish/v1/Systems/1";

/// A hook that writes each action to `log`, and keeps the machine's state in `lamp`.
fn hook(folder: &std::path::Path) -> Hook {
    let script = "echo \"$1 $2 $3\" >> \"$0/log\"; case $1 in On) echo on $(wc -l < \"$0/log\") > \"$0/lamp\";; ForceOff|GracefulShutdown) echo off > \"$0/lamp\";; esac";
    let folder = folder.display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    std::fs::write(format!("{folder}/lamp"), "off\n").expect("written");
    Hook {
        power: words(&[
            "/bin/sh", "-c", script, &folder, "{action}", "{boot}", "{image}",
        ]),
        state: words(&["/bin/cat", &format!("{folder}/lamp")]),
        timeout_seconds: 10,
    }
}

#[tokio::test]
async fn the_button_and_the_lamp_are_the_machines() {
    let folder = tempfile::tempdir().expect("a folder");
    let lamp = folder.path().join("lamp");
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let bench = Bench::start(|bmc| bmc.hook = hook(folder.path())).await;
    let image = "https://192.0.2.1/install.iso";
    bench
        .post(
            "/redfish/v1/Managers/bmc/VirtualMedia/CD1/Actions/VirtualMedia.InsertMedia",
            json!({"Image": image}),
        )
        .await;
    bench.patch(SYSTEM, json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd"}})).await;
    bench.boot(SYSTEM, "On").await;
    assert_eq!(log(), format!("On Cd {image}\n"));
    bench.boot(SYSTEM, "ForceRestart").await;
    assert_eq!(
        log().lines().skip(1).collect::<Vec<_>>(),
        ["ForceOff  ", "On Hdd https://192.0.2.1/install.iso"]
    );

    // The machine powers itself off, and somebody turns it on behind the BMC's back.
    std::fs::write(&lamp, "off\n").expect("written");
    bench.until(SYSTEM, "/PowerState", "Off").await;
    bench
        .patch(
            "/redfish/v1/Systems/1/Bios/Settings",
            json!({"Attributes": {"Sriov": "Enabled"}}),
        )
        .await;
    std::fs::write(&lamp, "on 77\n").expect("written");
    bench.until(SYSTEM, "/PowerState", "On").await;
    assert_eq!(
        bench.get("/redfish/v1/Systems/1/Bios").await["Attributes"]["Sriov"],
        "Enabled"
    );

    // It restarts by itself: another boot, so what waits is applied.
    bench
        .patch(
            "/redfish/v1/Systems/1/Bios/Settings",
            json!({"Attributes": {"Sriov": "Disabled"}}),
        )
        .await;
    std::fs::write(&lamp, "on 78\n").expect("written");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    bench.get(SYSTEM).await;
    assert_eq!(
        bench.get("/redfish/v1/Systems/1/Bios").await["Attributes"]["Sriov"],
        "Disabled"
    );
}

#[tokio::test]
async fn a_machine_that_will_not_shut_down_stays_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::start(|bmc| {
        bmc.hook = hook(folder.path());
        bmc.hook.power = vec!["/bin/true".into()];
        bmc.timing.shutdown_limit = crate::lab::bmc::Seconds(0.2);
    })
    .await;
    std::fs::write(folder.path().join("lamp"), "on\n").expect("written");
    bench.until(SYSTEM, "/PowerState", "On").await;
    bench
        .post(
            &format!("{SYSTEM}/Actions/ComputerSystem.Reset"),
            json!({"ResetType": "GracefulShutdown"}),
        )
        .await;
    bench.until(SYSTEM, "/PowerState", "PoweringOff").await;
    bench.until(SYSTEM, "/PowerState", "On").await;
}

#[tokio::test]
async fn a_button_that_fails_leaves_the_machine_off_and_says_so() {
    let bench = Bench::start(|bmc| bmc.hook.power = vec!["/bin/false".into()]).await;
    bench
        .post(
            &format!("{SYSTEM}/Actions/ComputerSystem.Reset"),
            json!({"ResetType": "On"}),
        )
        .await;
    bench.until(SYSTEM, "/PowerState", "On").await;
    bench.until(SYSTEM, "/PowerState", "Off").await;
    let log = bench
        .get("/redfish/v1/Systems/1/LogServices/SEL/Entries")
        .await;
    let last = log["Members"]
        .as_array()
        .and_then(|lines| lines.last())
        .cloned()
        .unwrap_or_default();
    assert!(
        last["Message"]
            .as_str()
            .is_some_and(|text| text.contains("/bin/false ended")),
        "{last}"
    );
}
