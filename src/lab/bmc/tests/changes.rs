//! The generic profile: what is changed beyond power and BIOS.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::Bench;

const SYSTEM: &str = "/redfish/v1/Systems/1";

#[tokio::test]
async fn etags_guard_changes() {
    let bench = Bench::start(|_| {}).await;
    let shown = bench
        .request(Method::GET, SYSTEM)
        .send()
        .await
        .expect("an answer");
    let tag = shown.headers()["etag"].to_str().expect("text").to_owned();
    let patch = |tag: String| {
        bench
            .request(Method::PATCH, SYSTEM)
            .header("If-Match", tag)
            .json(&json!({"AssetTag": "x"}))
            .send()
    };
    assert_eq!(
        patch("\"other\"".into()).await.expect("an answer").status(),
        412
    );
    assert_eq!(patch(tag.clone()).await.expect("an answer").status(), 200);
    assert_eq!(
        patch(tag.clone()).await.expect("an answer").status(),
        412,
        "the document has changed"
    );
    let same = bench
        .request(Method::GET, SYSTEM)
        .header("If-None-Match", tag)
        .send()
        .await
        .expect("an answer");
    assert_eq!(same.status(), 200);
}

#[tokio::test]
async fn changes_that_cannot_be_are_refused() {
    let bench = Bench::start(|_| {}).await;
    assert_eq!(
        bench
            .patch(SYSTEM, json!({"SerialNumber": "x"}))
            .await
            .status(),
        400
    );
    assert_eq!(
        bench.patch(SYSTEM, json!({"Nonsense": "x"})).await.status(),
        400
    );
    assert_eq!(
        bench.patch(SYSTEM, json!({"AssetTag": 5})).await.status(),
        400
    );
    let mixed = bench
        .patch(SYSTEM, json!({"AssetTag": "y", "SerialNumber": "x"}))
        .await;
    assert_eq!(mixed.status(), 200);
    let body: Value = mixed.json().await.expect("JSON");
    assert!(
        body["SerialNumber@Message.ExtendedInfo"].is_array(),
        "{body}"
    );
    assert_eq!(bench.delete(SYSTEM).await.status(), 405);
    assert_eq!(bench.post(SYSTEM, json!({})).await.status(), 405);
    let broken = bench
        .request(Method::PATCH, SYSTEM)
        .header("Content-Type", "application/json")
        .body("{")
        .send()
        .await;
    assert_eq!(broken.expect("an answer").status(), 400);
}

#[tokio::test]
async fn collections_expand() {
    let bench = Bench::start(|_| {}).await;
    let memory = bench
        .get("/redfish/v1/Systems/1/Memory?$expand=.($levels=1)")
        .await;
    assert_eq!(memory["Members"][3]["CapacityMiB"], 65_536);
    let page = bench.get("/redfish/v1/Systems/1/Memory?$top=3").await;
    assert_eq!(page["Members"].as_array().map(Vec::len), Some(3));
    assert_eq!(page["Members@odata.count"], 4);
    let rest = bench
        .get(page["Members@odata.nextLink"].as_str().expect("a link"))
        .await;
    assert_eq!(rest["Members"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        bench.get("/redfish/v1/Systems?only").await["@odata.id"],
        SYSTEM
    );
}

#[tokio::test]
async fn volumes_are_made_and_removed_by_tasks() {
    let bench = Bench::start(|_| {}).await;
    let volumes = "/redfish/v1/Systems/1/Storage/RAID1/Volumes";
    let drive = |id: u8| json!({"@odata.id": format!("/redfish/v1/Systems/1/Storage/RAID1/Drives/Bay{id}")});
    let taken = bench
        .post(
            volumes,
            json!({"RAIDType": "RAID1", "Links": {"Drives": [drive(1), drive(3)]}}),
        )
        .await;
    assert_eq!(taken.status(), 409);
    let made = bench
        .post(
            volumes,
            json!({"RAIDType": "RAID1", "Name": "data", "Links": {"Drives": [drive(3), drive(4)]}}),
        )
        .await;
    assert_eq!(made.status(), 202);
    let monitor = made.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    bench.until(&monitor, "/Name", "data").await;
    let listed = bench.get(volumes).await;
    assert_eq!(listed["Members@odata.count"], 2);
    let path = listed["Members"][1]["@odata.id"]
        .as_str()
        .expect("a link")
        .to_owned();
    assert_eq!(
        bench.get(&path).await["CapacityBytes"],
        3_840_755_982_336_u64
    );
    assert_eq!(bench.delete(&path).await.status(), 202);
    let limit = Instant::now() + Duration::from_secs(5);
    while bench.status(&path).await != 404 {
        assert!(Instant::now() < limit, "it was never removed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn firmware_is_written_and_takes_effect() {
    let bench = Bench::start(|bmc| bmc.timing.bmc_reset = crate::lab::bmc::Seconds(0.1)).await;
    let update = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";
    assert_eq!(
        bench
            .post(
                update,
                json!({"ImageURI": "https://192.0.2.1/BIOS-2.4.0.bin"})
            )
            .await
            .status(),
        202
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        bench.get(SYSTEM).await["BiosVersion"],
        "2.3.0",
        "not before a boot"
    );
    bench.boot(SYSTEM, "On").await;
    assert_eq!(bench.get(SYSTEM).await["BiosVersion"], "2.4.0");
    let form = reqwest::multipart::Form::new()
        .text("UpdateParameters", "{\"Targets\": []}")
        .part(
            "UpdateFile",
            reqwest::multipart::Part::bytes(vec![0_u8; 1024]).file_name("BMC-1.11.0.bin"),
        );
    let pushed = bench
        .request(Method::POST, "/redfish/v1/UpdateService/upload")
        .multipart(form)
        .send()
        .await;
    assert_eq!(pushed.expect("an answer").status(), 202);
    bench
        .until("/redfish/v1/Managers/bmc", "/FirmwareVersion", "1.11.0")
        .await;
}

#[tokio::test]
async fn accounts_have_roles() {
    let bench = Bench::start(|_| {}).await;
    let accounts = "/redfish/v1/AccountService/Accounts";
    let made = bench
        .post(
            accounts,
            json!({"UserName": "eye", "Password": "look-only", "RoleId": "ReadOnly"}),
        )
        .await;
    assert_eq!(made.status(), 201);
    let path = made.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    let eye = |method: Method| {
        bench
            .client
            .request(method, format!("{}{SYSTEM}", bench.base))
            .basic_auth("eye", Some("look-only"))
    };
    assert_eq!(
        eye(Method::GET).send().await.expect("an answer").status(),
        200
    );
    assert_eq!(
        eye(Method::PATCH)
            .json(&json!({"AssetTag": "x"}))
            .send()
            .await
            .expect("an answer")
            .status(),
        403
    );
    assert_eq!(bench.delete(&path).await.status(), 204);
    assert_eq!(
        eye(Method::GET).send().await.expect("an answer").status(),
        401
    );
    assert_eq!(
        bench.delete(&format!("{accounts}/1")).await.status(),
        400,
        "the last administrator stays"
    );
}

#[tokio::test]
async fn the_certificate_can_be_replaced() {
    let bench = Bench::start(|_| {}).await;
    let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).expect("a certificate");
    let text = format!("{}{}", pair.cert.pem(), pair.signing_key.serialize_pem());
    let body = json!({
        "CertificateType": "PEM",
        "CertificateString": text,
        "CertificateUri": {"@odata.id": "/redfish/v1/Managers/bmc/NetworkProtocol/HTTPS/Certificates/1"},
    });
    let replaced = bench
        .post(
            "/redfish/v1/CertificateService/Actions/CertificateService.ReplaceCertificate",
            body,
        )
        .await;
    assert_eq!(replaced.status(), 204);
    let own = super::bench::client("sha256:00");
    assert!(
        own.get(format!("{}/redfish", bench.base))
            .send()
            .await
            .is_err()
    );
    let fingerprint = format!(
        "sha256:{}",
        hex::encode(<sha2::Sha256 as sha2::Digest>::digest(pair.cert.der()))
    );
    let pinned = super::bench::client(&fingerprint);
    assert!(
        pinned
            .get(format!("{}/redfish", bench.base))
            .send()
            .await
            .is_ok()
    );
}
