//! Every fault by name: what a client meets.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::Bench;

const SYSTEM: &str = "/redfish/v1/Systems/1";
const SETTINGS: &str = "/redfish/v1/Systems/1/Bios/Settings";

fn enable() -> Value {
    json!({"Attributes": {"Sriov": "Enabled"}})
}

fn reset(kind: &str) -> Value {
    json!({"ResetType": kind})
}

const RESET: &str = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";

#[tokio::test]
async fn busy_while_booting() {
    let bench = Bench::with_faults(&["busy-while-booting=7"]).await;
    bench.post(RESET, reset("On")).await;
    let answer = bench
        .request(Method::GET, SYSTEM)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 503);
    let retry = answer.headers()["retry-after"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(
        retry == "7" || httpdate::parse_http_date(&retry).is_ok(),
        "{retry}"
    );
    assert_eq!(bench.status("/redfish/v1").await, 200);
    bench.until(SYSTEM, "/PowerState", "On").await;
}

#[tokio::test]
async fn patches_that_name_no_job() {
    for (fault, status) in [
        ("patch-200-without-location", 200),
        ("patch-202-without-location", 202),
    ] {
        let bench = Bench::with_faults(&[fault]).await;
        let answer = bench.patch(SETTINGS, enable()).await;
        assert_eq!(answer.status(), status, "{fault}");
        assert!(!answer.headers().contains_key("location"));
        assert_eq!(
            bench.get("/redfish/v1/TaskService/Tasks").await["Members@odata.count"],
            1,
            "there is a task all the same"
        );
        bench.boot(SYSTEM, "On").await;
        assert_eq!(
            bench.get("/redfish/v1/Systems/1/Bios").await["Attributes"]["Sriov"],
            "Enabled"
        );
    }
}

#[tokio::test]
async fn jobs_gone_after_a_reset() {
    let bench = Bench::with_faults(&["job-404-after-reset=1"]).await;
    let answer = bench.patch(SETTINGS, enable()).await;
    let task: Value = answer.json().await.expect("JSON");
    let path = task["@odata.id"].as_str().expect("a path");
    assert_eq!(bench.status(path).await, 200);
    bench.post(RESET, reset("On")).await;
    assert_eq!(bench.status(path).await, 404);
    bench.until(path, "/TaskState", "Completed").await;
}

#[tokio::test]
async fn sessions_exhausted() {
    let bench = Bench::with_faults(&["sessions-exhausted"]).await;
    let sessions = "/redfish/v1/SessionService/Sessions";
    let login = || {
        bench.post(
            sessions,
            json!({"UserName": "admin", "Password": "password"}),
        )
    };
    assert_eq!(login().await.status(), 503);
    let strangers = bench.get(sessions).await;
    let first = strangers["Members"][0]["@odata.id"]
        .as_str()
        .expect("a session");
    assert_eq!(bench.get(first).await["UserName"], "other");
    assert_eq!(bench.delete(first).await.status(), 204);
    assert_eq!(login().await.status(), 201);
}

#[tokio::test]
async fn once_ignored() {
    let bench = Bench::with_faults(&["once-ignored"]).await;
    let boot =
        json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}});
    assert_eq!(bench.patch(SYSTEM, boot).await.status(), 200);
    bench.boot(SYSTEM, "On").await;
    assert_eq!(
        bench.get(SYSTEM).await["Boot"]["BootSourceOverrideTarget"],
        "Pxe"
    );
}

#[tokio::test]
async fn empty_members() {
    let bench = Bench::with_faults(&["empty-members=1"]).await;
    assert_eq!(
        bench.get("/redfish/v1/Systems").await["Members@odata.count"],
        0
    );
    bench
        .until("/redfish/v1/Systems", "/Members/0/@odata.id", SYSTEM)
        .await;
}

#[tokio::test]
async fn malformed_member() {
    let bench = Bench::with_faults(&["malformed-member"]).await;
    let mut broken = 0;
    for number in 1..=4 {
        let answer = bench
            .request(Method::GET, &format!("{SYSTEM}/Memory/DIMM{number}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        broken += usize::from(answer.json::<Value>().await.is_err());
    }
    assert_eq!(broken, 1);
}

#[tokio::test]
async fn stale_etag() {
    let bench = Bench::with_faults(&["stale-etag"]).await;
    let mut seen = Vec::new();
    for tag in ["first", "second"] {
        let shown = bench
            .request(Method::GET, SYSTEM)
            .send()
            .await
            .expect("an answer");
        let current = shown.headers()["etag"].clone();
        let answer = bench
            .request(Method::PATCH, SYSTEM)
            .header("If-Match", current)
            .json(&json!({"AssetTag": tag}))
            .send()
            .await;
        seen.push(answer.expect("an answer").status().as_u16());
    }
    assert_eq!(seen, [412, 200]);
}

#[tokio::test]
async fn close_after_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let bench = Bench::with_faults(&["close-after-answer"]).await;
    let config = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(super::bench::any_certificate())
        .with_no_client_auth();
    let address = bench.base.trim_start_matches("https://").to_owned();
    let stream = tokio::net::TcpStream::connect(&address)
        .await
        .expect("a connection");
    let name = rustls_pki_types::ServerName::try_from("127.0.0.1").expect("a name");
    let mut stream = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config))
        .connect(name, stream)
        .await
        .expect("TLS");
    stream
        .write_all(b"GET /redfish HTTP/1.1\r\nHost: bmc\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    let ended =
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection stayed open");
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(
        text.starts_with("http/1.1 200") && text.contains("\"v1\""),
        "{text}"
    );
    assert!(!text.contains("connection: close"), "unannounced: {text}");
}

#[tokio::test]
async fn slow() {
    let bench = Bench::with_faults(&["slow=60000"]).await;
    let asked = bench
        .request(Method::GET, "/redfish")
        .timeout(Duration::from_millis(300))
        .send()
        .await;
    assert!(asked.expect_err("it takes a minute").is_timeout());
}

#[tokio::test]
async fn accepted_but_nothing_happened() {
    let bench = Bench::with_faults(&["accepted-but-nothing-happened"]).await;
    assert_eq!(bench.post(RESET, reset("On")).await.status(), 204);
    assert_eq!(bench.get(SYSTEM).await["PowerState"], "Off");
    bench.boot(SYSTEM, "On").await;
    assert_eq!(bench.get(SYSTEM).await["PowerState"], "On");
}

#[tokio::test]
async fn registry_refused() {
    let bench = Bench::with_faults(&["registry-refused=406"]).await;
    let registry = "/redfish/v1/Registries/BiosAttributeRegistryGeneric.v1_0_0";
    let file = bench.get(registry).await["Location"][0]["Uri"]
        .as_str()
        .expect("a path")
        .to_owned();
    assert_eq!(bench.status(&file).await, 406);
}

#[tokio::test]
async fn html_error() {
    let bench = Bench::with_faults(&["html-error=0"]).await;
    let answer = bench
        .request(Method::GET, "/redfish/v1/nothing")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.expect("text").starts_with("<html>"));
    let bench = Bench::with_faults(&["html-error=100"]).await;
    assert_eq!(bench.status(SYSTEM).await, 500);
}

#[tokio::test]
async fn password_expired() {
    let bench = Bench::with_faults(&["password-expired"]).await;
    let refused = bench
        .request(Method::GET, SYSTEM)
        .send()
        .await
        .expect("an answer");
    assert_eq!(refused.status(), 403);
    let body: Value = refused.json().await.expect("JSON");
    let account = body["error"]["@Message.ExtendedInfo"][0]["MessageArgs"][0]
        .as_str()
        .expect("an account")
        .to_owned();
    assert_eq!(
        bench
            .patch(&account, json!({"Password": "new-password"}))
            .await
            .status(),
        200
    );
    let again = bench
        .client
        .get(format!("{}{SYSTEM}", bench.base))
        .basic_auth("admin", Some("new-password"))
        .send()
        .await;
    assert_eq!(again.expect("an answer").status(), 200);
}

#[tokio::test]
async fn drop_connection() {
    let bench = Bench::with_faults(&["drop-connection=50"]).await;
    let mut answered = 0;
    for _ in 0..40 {
        answered += usize::from(bench.request(Method::GET, "/redfish").send().await.is_ok());
    }
    assert!((5..36).contains(&answered), "{answered} of 40");
}
