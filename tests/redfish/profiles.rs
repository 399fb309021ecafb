//! The whole round with each profile: hardware, BIOS staged and applied, boot, power, and a
//! second round that writes nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ra_deploy::lab::bmc::Profile;
use ra_deploy::model::bmc::{BiosRegistry, BiosState, BootOverride, PowerGoal, SystemState};
use ra_deploy::model::{BmcAct, BmcQuery, LinkPath};
use ra_deploy::redfish::{Bmc, Error, Progress};
use serde_json::Value;

use super::emulator::{Emulated, start, start_with};

pub async fn ask<T: serde::de::DeserializeOwned>(bmc: &Bmc, query: BmcQuery) -> T {
    let answer = bmc
        .answer(&query)
        .await
        .unwrap_or_else(|error| panic!("{query:?}: {error}; {}", error.hint()));
    serde_json::from_value(answer).expect("the model's type")
}

pub async fn act(bmc: &Bmc, act: BmcAct) -> Result<Vec<Progress>, Error> {
    let told = Mutex::new(Vec::new());
    bmc.act(&act, &|progress| told.lock().unwrap().push(progress))
        .await?;
    Ok(told.into_inner().unwrap())
}

pub async fn done(bmc: &Bmc, what: BmcAct) -> Vec<Progress> {
    act(bmc, what.clone())
        .await
        .unwrap_or_else(|error| panic!("{what:?}: {error}; {}", error.hint()))
}

/// A value other than the current one for some attribute that may be changed.
pub async fn some_change(bmc: &Bmc) -> Option<(String, Value)> {
    let bios: BiosState = serde_json::from_value(bmc.answer(&BmcQuery::Bios).await.ok()?).unwrap();
    let registry: BiosRegistry = ask(bmc, BmcQuery::BiosRegistry).await;
    for (name, attribute) in registry.attributes {
        if let Some(now) = bios.current.get(&name)
            && !attribute.read_only
            && name.to_lowercase().contains("sriov")
            && let Some(other) = attribute.allowed.iter().find(|other| now != other.as_str())
        {
            return Some((name, other.as_str().into()));
        }
    }
    // Without a registry, an attribute that is a switch.
    bios.current.into_iter().find_map(|(name, now)| {
        let other = match now.as_str()? {
            "Enabled" => "Disabled",
            "Disabled" => "Enabled",
            _ => return None,
        };
        Some((name, other.into()))
    })
}

/// Applied means: the value in force, nothing pending, no job, after a boot.
pub async fn applied(bmc: &Bmc, name: &str, value: &Value) {
    let start = Instant::now();
    loop {
        bmc.forget().await;
        let bios: BiosState = ask(bmc, BmcQuery::Bios).await;
        if bios.current.get(name) == Some(value) && bios.pending.is_empty() && bios.job.is_none() {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{name} is {:?}, pending {:?}, job {:?}",
            bios.current.get(name),
            bios.pending,
            bios.job
        );
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// The boot under way has ended: what is staged earlier may be applied by it.
pub async fn up(bmc: &Bmc) {
    for _ in 0..100 {
        bmc.forget().await;
        let system: SystemState = ask(bmc, BmcQuery::System).await;
        let post = bmc
            .answer(&BmcQuery::Documents(LinkPath(
                "system/Oem/Hpe/PostState".into(),
            )))
            .await
            .unwrap();
        match (system.boot_progress.as_deref(), post[0].as_str()) {
            (Some("OSRunning"), _) | (None, Some("FinishedPost")) => return,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

pub async fn sessions_left(emulated: &Emulated) -> usize {
    let bmc = emulated.connect().await.expect("a connection");
    let path = LinkPath("root/Links/Sessions/*".into());
    let sessions: Vec<Value> = ask(&bmc, BmcQuery::Documents(path)).await;
    bmc.close().await;
    sessions.len() - 1
}

/// What a host with wishes goes through; then the same again.
pub async fn round(emulated: &Emulated) -> u64 {
    let bmc = emulated
        .connect()
        .await
        .unwrap_or_else(|error| panic!("{error}; {}", error.hint()));
    let hardware: Value = ask(&bmc, BmcQuery::Hardware).await;
    assert!(hardware["summary"]["serial"].is_string(), "{hardware}");
    done(&bmc, BmcAct::Power(PowerGoal::On)).await;
    up(&bmc).await;
    let change = some_change(&bmc).await;
    if let Some((name, value)) = &change {
        let attributes = BTreeMap::from([(name.clone(), value.clone())]);
        done(
            &bmc,
            BmcAct::StageBios {
                attributes: attributes.clone(),
            },
        )
        .await;
        let bios: BiosState = ask(&bmc, BmcQuery::Bios).await;
        assert_ne!(
            bios.current.get(name),
            Some(value),
            "nothing is applied before a boot"
        );
        assert!(
            bios.pending.get(name) == Some(value) || bios.job.is_some(),
            "{:?}",
            bios.pending
        );
        done(&bmc, BmcAct::Power(PowerGoal::Restart)).await;
        applied(&bmc, name, value).await;
    }
    let once = BootOverride {
        enabled: Some("Once".into()),
        target: Some("Pxe".into()),
        ..BootOverride::default()
    };
    done(&bmc, BmcAct::SetBoot(once.clone())).await;
    let system: SystemState = ask(&bmc, BmcQuery::System).await;
    assert_eq!(system.boot_override.target.as_deref(), Some("Pxe"));
    for (goal, power) in [
        (PowerGoal::Off, "Off"),
        (PowerGoal::On, "On"),
        (PowerGoal::ForceRestart, "On"),
        (PowerGoal::ForceOff, "Off"),
        (PowerGoal::Restart, "On"),
    ] {
        done(&bmc, BmcAct::Power(goal)).await;
        let system: SystemState = ask(&bmc, BmcQuery::System).await;
        assert_eq!(system.power.as_deref(), Some(power), "{goal:?}");
    }
    let before = bmc.requests();
    assert_eq!(before.sessions, 1, "one session a BMC and run");
    if let Some((name, value)) = change {
        done(
            &bmc,
            BmcAct::StageBios {
                attributes: BTreeMap::from([(name, value)]),
            },
        )
        .await;
    }
    done(&bmc, BmcAct::Power(PowerGoal::On)).await;
    let again = bmc.requests().writes - before.writes;
    bmc.close().await;
    again
}

#[tokio::test]
async fn every_profile_goes_the_whole_round_and_the_second_writes_nothing() {
    for profile in Profile::all() {
        let emulated = start(profile, &[]).await;
        println!("{}", profile.name());
        let again = round(&emulated).await;
        assert_eq!(again, 0, "{}", profile.name());
        assert_eq!(sessions_left(&emulated).await, 0, "{}", profile.name());
    }
}

#[tokio::test]
async fn every_profile_has_an_attribute_to_change_or_says_that_it_has_none() {
    for profile in Profile::all() {
        let emulated = start(profile, &[]).await;
        let bmc = emulated.connect().await.unwrap();
        let changes = some_change(&bmc).await;
        let registry = bmc.answer(&BmcQuery::BiosRegistry).await;
        match registry {
            Ok(registry) => assert!(
                changes.is_some() || registry["absent"].is_string(),
                "{}",
                profile.name()
            ),
            Err(error) => assert!(
                matches!(error, Error::Unsupported { .. } | Error::Missing { .. }),
                "{error}"
            ),
        }
        bmc.close().await;
    }
}

/// What real BMCs answered, made alive by the emulator: the hardware is the key's, and the acts
/// go through.
#[tokio::test]
async fn captured_machines_made_alive_go_the_whole_round() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bmc-trees");
    for (name, profile) in [
        ("dell", Profile::Idrac),
        ("hpe", Profile::Ilo),
        ("dmtf-public-rackmount1", Profile::Generic),
        ("dmtf-public-tower", Profile::Generic),
    ] {
        println!("{name}");
        let tree = data.join(format!("{name}.tar.zst"));
        let emulated = start_with(profile, &[], |config| config.tree = Some(tree)).await;
        let bmc = emulated.connect().await.unwrap();
        let hardware: Value = ask(&bmc, BmcQuery::Hardware).await;
        bmc.close().await;
        let key = std::fs::read(data.join(format!("key/{name}.json"))).expect("the key");
        let key: Value = serde_json::from_slice(&key).expect("JSON");
        assert_eq!(hardware["summary"], key["summary"], "{name}");
        round(&emulated).await;
        assert_eq!(sessions_left(&emulated).await, 0, "{name}");
    }
}
