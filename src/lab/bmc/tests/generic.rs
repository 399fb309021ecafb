//! The generic profile: what the standard says.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::Bench;

const SYSTEM: &str = "/redfish/v1/Systems/1";
const SETTINGS: &str = "/redfish/v1/Systems/1/Bios/Settings";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

#[tokio::test]
async fn only_the_root_is_open() {
    let bench = Bench::start(|_| {}).await;
    for (path, status) in [
        ("/redfish", 200),
        ("/redfish/v1/", 200),
        ("/redfish/v1/$metadata", 200),
        ("/redfish/v1/odata", 200),
        (SYSTEM, 401),
        ("/redfish/v1/nothing", 401),
    ] {
        let answer = bench
            .client
            .get(format!("{}{path}", bench.base))
            .send()
            .await
            .expect(path);
        assert_eq!(answer.status(), status, "{path}");
    }
    let wrong = bench
        .client
        .get(format!("{}{SYSTEM}", bench.base))
        .basic_auth("admin", Some("wrong"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(wrong.status(), 401);
    assert_eq!(bench.status("/redfish/v1/nothing").await, 404);
}

#[tokio::test]
async fn sessions_open_serve_and_close() {
    let bench = Bench::start(|bmc| bmc.session_limit = Some(2)).await;
    let login = |password: &'static str| {
        bench
            .client
            .post(format!("{}{SESSIONS}", bench.base))
            .json(&json!({"UserName": "admin", "Password": password}))
            .send()
    };
    assert_eq!(login("wrong").await.expect("an answer").status(), 401);
    let opened = login("password").await.expect("an answer");
    assert_eq!(opened.status(), 201);
    let token = opened.headers()["x-auth-token"]
        .to_str()
        .expect("text")
        .to_owned();
    let location = opened.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    let with_token = |method: Method, path: &str| {
        bench
            .client
            .request(method, format!("{}{path}", bench.base))
            .header("X-Auth-Token", &token)
            .send()
    };
    assert_eq!(
        with_token(Method::GET, SYSTEM)
            .await
            .expect("an answer")
            .status(),
        200
    );
    assert_eq!(login("password").await.expect("an answer").status(), 201);
    assert_eq!(login("password").await.expect("an answer").status(), 503);
    assert_eq!(bench.get(SESSIONS).await["Members@odata.count"], 2);
    assert_eq!(
        with_token(Method::DELETE, &location)
            .await
            .expect("an answer")
            .status(),
        204
    );
    assert_eq!(
        with_token(Method::GET, SYSTEM)
            .await
            .expect("an answer")
            .status(),
        401
    );
    assert_eq!(bench.get(SESSIONS).await["Members@odata.count"], 1);
}

#[tokio::test]
async fn power_goes_through_its_stages() {
    let bench = Bench::start(|_| {}).await;
    assert_eq!(bench.get(SYSTEM).await["PowerState"], "Off");
    let before = bench.get(SYSTEM).await["LastResetTime"].clone();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let reset = format!("{SYSTEM}/Actions/ComputerSystem.Reset");
    assert_eq!(
        bench
            .post(&reset, json!({"ResetType": "Sideways"}))
            .await
            .status(),
        400
    );
    assert_eq!(bench.post(&reset, json!({})).await.status(), 400);
    assert_eq!(
        bench
            .post(&reset, json!({"ResetType": "On"}))
            .await
            .status(),
        204
    );
    assert_eq!(bench.get(SYSTEM).await["PowerState"], "PoweringOn");
    bench
        .until(
            SYSTEM,
            "/BootProgress/LastState",
            "MemoryInitializationStarted",
        )
        .await;
    bench
        .until(SYSTEM, "/BootProgress/LastState", "OSRunning")
        .await;
    let system = bench.get(SYSTEM).await;
    assert_eq!(system["PowerState"], "On");
    assert_ne!(system["LastResetTime"], before);
    assert_eq!(bench.get("/redfish/v1/Chassis/1").await["PowerState"], "On");
    assert_eq!(
        bench
            .post(&reset, json!({"ResetType": "GracefulShutdown"}))
            .await
            .status(),
        204
    );
    bench.until(SYSTEM, "/PowerState", "Off").await;
    assert_eq!(bench.get(SYSTEM).await["BootProgress"]["LastState"], "None");
    assert_eq!(
        bench
            .post(&reset, json!({"ResetType": "ForceRestart"}))
            .await
            .status(),
        409
    );
}

#[tokio::test]
async fn bios_changes_wait_for_a_boot() {
    let bench = Bench::start(|_| {}).await;
    let changed = bench
        .patch(
            SETTINGS,
            json!({"Attributes": {"Sriov": "Enabled", "ProcCoreDisable": 4}}),
        )
        .await;
    assert_eq!(changed.status(), 202);
    let monitor = changed.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    assert_eq!(bench.status(&monitor).await, 202);
    assert_eq!(
        bench.get("/redfish/v1/Systems/1/Bios").await["Attributes"]["Sriov"],
        "Disabled"
    );
    assert_eq!(bench.get(SETTINGS).await["Attributes"]["Sriov"], "Enabled");
    bench.boot(SYSTEM, "On").await;
    let bios = bench.get("/redfish/v1/Systems/1/Bios").await;
    assert_eq!(
        (
            &bios["Attributes"]["Sriov"],
            &bios["Attributes"]["ProcCoreDisable"]
        ),
        (&json!("Enabled"), &json!(4))
    );
    let tasks = bench.get("/redfish/v1/TaskService/Tasks").await;
    let task = bench
        .get(tasks["Members"][0]["@odata.id"].as_str().expect("a task"))
        .await;
    assert_eq!(
        (&task["TaskState"], &task["PercentComplete"]),
        (&json!("Completed"), &json!(100))
    );
    assert_eq!(bench.status(&monitor).await, 204, "the end is told once");
    assert_eq!(bench.status(&monitor).await, 404, "and then forgotten");
}

#[tokio::test]
async fn bios_changes_are_checked() {
    let bench = Bench::start(|bmc| {
        bmc.attributes
            .insert("BootMode".into(), json!("LegacyBios"));
    })
    .await;
    assert_eq!(
        bench.get("/redfish/v1/Systems/1/Bios").await["Attributes"]["BootMode"],
        "LegacyBios"
    );
    for (name, value, key) in [
        ("Sriow", json!("Enabled"), "PropertyUnknown"),
        ("Sriov", json!("Maybe"), "PropertyValueNotInList"),
        ("Sriov", json!(1), "PropertyValueTypeError"),
        ("ProcCoreDisable", json!(99), "PropertyValueOutOfRange"),
        ("SystemModelName", json!("x"), "PropertyNotWritable"),
    ] {
        let answer = bench
            .patch(SETTINGS, json!({"Attributes": {name: value}}))
            .await;
        assert_eq!(answer.status(), 400, "{name}");
        let body: Value = answer.json().await.expect("JSON");
        let info = &body["error"]["@Message.ExtendedInfo"][0];
        assert!(
            info["MessageId"]
                .as_str()
                .is_some_and(|id| id.ends_with(key)),
            "{info}"
        );
        assert_eq!(info["RelatedProperties"][0], format!("#/Attributes/{name}"));
    }
    assert_eq!(
        bench
            .patch(
                "/redfish/v1/Systems/1/Bios",
                json!({"Attributes": {"Sriov": "Enabled"}})
            )
            .await
            .status(),
        400
    );
}

#[tokio::test]
async fn an_override_for_one_boot_is_used_up() {
    let bench = Bench::start(|_| {}).await;
    let boot =
        json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}});
    assert_eq!(bench.patch(SYSTEM, boot).await.status(), 200);
    assert_eq!(
        bench.get(SYSTEM).await["Boot"]["BootSourceOverrideTarget"],
        "Pxe"
    );
    bench.boot(SYSTEM, "On").await;
    assert_eq!(
        bench.get(SYSTEM).await["Boot"]["BootSourceOverrideEnabled"],
        "Disabled"
    );
    let boot = json!({"Boot": {"BootSourceOverrideEnabled": "Continuous", "BootSourceOverrideTarget": "Cd"}});
    assert_eq!(bench.patch(SYSTEM, boot).await.status(), 200);
    bench.boot(SYSTEM, "ForceRestart").await;
    assert_eq!(
        bench.get(SYSTEM).await["Boot"]["BootSourceOverrideTarget"],
        "Cd"
    );
    let bad = json!({"Boot": {"BootSourceOverrideTarget": "Tape"}});
    assert_eq!(bench.patch(SYSTEM, bad).await.status(), 400);
    let order = json!({"Boot": {"BootOrder": ["Boot0002", "Boot0001"]}});
    assert_eq!(bench.patch(SYSTEM, order).await.status(), 200);
}

#[tokio::test]
async fn media_are_inserted_and_ejected() {
    let bench = Bench::start(|_| {}).await;
    let device = "/redfish/v1/Managers/bmc/VirtualMedia/CD1";
    let insert = format!("{device}/Actions/VirtualMedia.InsertMedia");
    let image = "https://192.0.2.1/a.iso";
    assert_eq!(bench.post(&insert, json!({})).await.status(), 400);
    assert_eq!(
        bench.post(&insert, json!({"Image": image})).await.status(),
        204
    );
    let shown = bench.get(device).await;
    assert_eq!(
        (&shown["Image"], &shown["Inserted"], &shown["ConnectedVia"]),
        (&json!(image), &json!(true), &json!("URI"))
    );
    assert_eq!(
        bench.post(&insert, json!({"Image": image})).await.status(),
        409
    );
    assert_eq!(
        bench
            .post(
                &format!("{device}/Actions/VirtualMedia.EjectMedia"),
                json!({})
            )
            .await
            .status(),
        204
    );
    assert_eq!(bench.get(device).await["Inserted"], false);
    assert_eq!(
        bench.patch(device, json!({"Image": image})).await.status(),
        400
    );
}

#[tokio::test]
async fn a_bmc_reads_the_image_it_inserts() {
    let bench = Bench::start(|bmc| bmc.media_access = crate::lab::bmc::MediaAccess::Fetched).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let insert = "/redfish/v1/Managers/bmc/VirtualMedia/CD1/Actions/VirtualMedia.InsertMedia";
    assert_eq!(
        bench
            .post(insert, json!({"Image": format!("http://{closed}/a.iso")}))
            .await
            .status(),
        400
    );
    // The BMC's own root is as good an image as any.
    assert_eq!(
        bench
            .post(insert, json!({"Image": format!("{}/redfish", bench.base)}))
            .await
            .status(),
        204
    );
}

#[tokio::test]
async fn what_was_said_outlives_the_emulator() {
    let bench = Bench::start(|_| {}).await;
    bench
        .patch(SETTINGS, json!({"Attributes": {"Sriov": "Enabled"}}))
        .await;
    bench.patch(SYSTEM, json!({"AssetTag": "rack 7"})).await;
    bench
        .post(
            &format!("{SYSTEM}/Actions/ComputerSystem.Reset"),
            json!({"ResetType": "On"}),
        )
        .await;
    let bench = bench.restart().await;
    assert_eq!(bench.get(SYSTEM).await["AssetTag"], "rack 7");
    bench
        .until(SYSTEM, "/BootProgress/LastState", "OSRunning")
        .await;
    assert_eq!(
        bench.get("/redfish/v1/Systems/1/Bios").await["Attributes"]["Sriov"],
        "Enabled"
    );
}

#[tokio::test]
async fn a_bmc_that_restarts_is_away() {
    let bench = Bench::start(|_| {}).await;
    let opened = bench
        .post(
            SESSIONS,
            json!({"UserName": "admin", "Password": "password"}),
        )
        .await;
    assert_eq!(opened.status(), 201);
    assert_eq!(
        bench
            .post(
                "/redfish/v1/Managers/bmc/Actions/Manager.Reset",
                json!({"ResetType": "GracefulRestart"})
            )
            .await
            .status(),
        204
    );
    let limit = Instant::now() + Duration::from_secs(5);
    while bench
        .request(Method::GET, "/redfish/v1")
        .send()
        .await
        .is_ok()
    {
        assert!(Instant::now() < limit, "it never went away");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.until(SESSIONS, "/Name", "Sessions").await;
    assert_eq!(bench.get(SESSIONS).await["Members@odata.count"], 0);
}
