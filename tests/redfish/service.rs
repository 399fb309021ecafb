//! A service that somebody else wrote, at the address in `REDFISH_URL`; the scripts beside this
//! file start such services. Not run without one.
//!
//! - `REDFISH_USER`, `REDFISH_PASSWORD`: none means no login.
//! - `REDFISH_KEY`: a file whose `summary` the hardware has to match.
//! - `REDFISH_ACTS`: `power` and `boot`, as a list with commas; which acts the service can do.

use std::collections::BTreeSet;
use std::env::var;
use std::time::Duration;

use ra_deploy::model::bmc::{BootOverride, PowerGoal, SystemState};
use ra_deploy::model::{BmcAct, BmcQuery, Endpoint, LinkPath, Secret, Trust};
use ra_deploy::redfish::{Bmc, Options};
use serde_json::Value;

use super::profiles::{ask, done};

async fn connect() -> Bmc {
    let endpoint = Endpoint {
        url: var("REDFISH_URL").expect("REDFISH_URL names the service"),
        user: var("REDFISH_USER").unwrap_or_default(),
        password: Secret::new(var("REDFISH_PASSWORD").unwrap_or_default()),
        first_password: None,
        trust: Trust::Insecure,
    };
    let options = Options {
        silence_budget: Duration::from_secs(20),
        graceful_budget: Duration::from_secs(20),
        power_budget: Duration::from_secs(20),
        boot_budget: Duration::from_secs(10),
        poll: Duration::from_millis(200),
        ..Options::default()
    };
    Bmc::connect(endpoint, options)
        .await
        .unwrap_or_else(|error| panic!("{error}; {}", error.hint()))
}

#[tokio::test]
#[ignore = "needs a service at REDFISH_URL"]
async fn hardware_is_read() {
    let bmc = connect().await;
    let hardware: Value = ask(&bmc, BmcQuery::Hardware).await;
    ask::<SystemState>(&bmc, BmcQuery::System).await;
    println!("{:#}\n{:?}", hardware, bmc.requests());
    if let Ok(path) = var("REDFISH_KEY") {
        let key: Value =
            serde_json::from_slice(&std::fs::read(path).expect("the key")).expect("JSON");
        let expected = key["summary"].as_object().expect("a summary");
        let found = hardware["summary"].as_object().expect("a summary");
        let fields: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
        let differences: Vec<String> = fields
            .into_iter()
            .filter(|field| expected.get(*field) != found.get(*field))
            .map(|field| {
                format!(
                    "{field}: expected {:?}, found {:?}",
                    expected.get(field),
                    found.get(field)
                )
            })
            .collect();
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        assert_eq!(hardware["unreadable"], serde_json::json!([]));
    }
    bmc.close().await;
}

#[tokio::test]
#[ignore = "needs a service at REDFISH_URL"]
async fn acts_are_proven() {
    let acts = var("REDFISH_ACTS").unwrap_or_default();
    let bmc = connect().await;
    if acts.contains("boot") {
        for (enabled, target) in [("Once", "Pxe"), ("Continuous", "Hdd")] {
            let wanted = BootOverride {
                enabled: Some(enabled.into()),
                target: Some(target.into()),
                ..BootOverride::default()
            };
            for progress in done(&bmc, BmcAct::SetBoot(wanted)).await {
                println!("{progress:?}");
            }
        }
    }
    if acts.contains("power") {
        for (goal, power) in [
            (PowerGoal::On, "On"),
            (PowerGoal::Restart, "On"),
            (PowerGoal::Off, "Off"),
            (PowerGoal::Restart, "On"),
            (PowerGoal::ForceOff, "Off"),
        ] {
            for progress in done(&bmc, BmcAct::Power(goal)).await {
                println!("{goal:?}: {progress:?}");
            }
            let system: SystemState = ask(&bmc, BmcQuery::System).await;
            assert_eq!(system.power.as_deref(), Some(power), "{goal:?}");
        }
    }
    let managers: Vec<Value> = ask(
        &bmc,
        BmcQuery::Documents(LinkPath("root/Managers/*".into())),
    )
    .await;
    assert!(!managers.is_empty());
    println!("{:?}", bmc.requests());
    bmc.close().await;
}
