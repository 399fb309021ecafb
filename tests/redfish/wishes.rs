//! Hardware wishes (tasks of a role) against each profile and captured trees made alive: planned
//! from answers, acted, booted, and settled afterwards with nothing but reading.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ra_deploy::lab::bmc::{BmcConfig, Profile};
use ra_deploy::model::bmc::PowerGoal;
use ra_deploy::model::{
    Action, Answer, Answers, ArtifactInfo, BmcAct, BmcQuery, Change, Difference, Query, Standing,
    Text, Unread,
};
use ra_deploy::redfish::Bmc;
use ra_deploy::resource::{self, Fault, Resource, Surroundings};
use serde_json::{Value, json};

use super::emulator::{Emulated, start_with};
use super::profiles::{done, up};

struct Around;

impl Surroundings for Around {
    fn render(&self, _: &str) -> Result<Text, Fault> {
        unreachable!("hardware needs no templates")
    }
    fn digest(&self, _: &Text) -> Option<String> {
        None
    }
    fn artifact(&self, _: &str) -> Option<ArtifactInfo> {
        None
    }
    fn artifact_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn has_bmc(&self) -> bool {
        true
    }
}

fn wish(kind: &str, parameters: Value) -> Box<dyn Resource> {
    let entry = resource::kind(kind).expect(kind);
    (entry.build)(parameters, &Around).unwrap_or_else(|fault| panic!("{kind}: {fault}"))
}

/// Reads as the engine does: what is wanted beyond the first questions is asked too.
async fn read(bmc: &Bmc, wish: &dyn Resource) -> Result<Change, String> {
    bmc.forget().await;
    let mut answers = Answers::default();
    let mut wanted = wish.ask();
    loop {
        for query in wanted {
            let Query::Bmc(inner) = &query else {
                panic!("{query:?} is no question to a BMC")
            };
            let answer = match bmc.answer(inner).await {
                Ok(value) => Answer::Bmc(value),
                Err(error) => Answer::Failed(error.to_string()),
            };
            answers.insert(query, answer);
        }
        match wish.read(&answers) {
            Ok(change) => return Ok(change),
            Err(Unread::Wants(more)) => wanted = more,
            Err(Unread::Unreadable(reason)) => return Err(reason),
        }
    }
}

fn told(change: &Change) -> Vec<String> {
    let word = |value: &Option<String>| value.clone().unwrap_or_default();
    let rows = change.differences.iter().map(|row| match row {
        Difference::Value { what, from, to } => format!("{what}: {} → {}", word(from), word(to)),
        Difference::Note(note) => note.clone(),
        other => format!("{other:?}"),
    });
    rows.collect()
}

/// Brings a wish about, with at most one boot; the differences that the plan showed.
async fn converge(bmc: &Bmc, wish: &dyn Resource) -> Vec<String> {
    let plan = read(bmc, wish)
        .await
        .unwrap_or_else(|reason| panic!("{}: {reason}", wish.title()));
    let shown = told(&plan);
    let acts: Vec<BmcAct> = plan
        .actions
        .iter()
        .map(|action| match action {
            Action::Bmc(act) => act.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    for act in acts {
        done(bmc, act).await;
    }
    let after = read(bmc, wish).await.expect("readable");
    if after.is_settled() {
        return shown;
    }
    assert_eq!(
        after.standing,
        Standing::AwaitsBoot,
        "{}: {:?} then {:?}",
        wish.title(),
        shown,
        told(&after)
    );
    done(bmc, BmcAct::Power(PowerGoal::Restart)).await;
    let start = Instant::now();
    loop {
        let after = read(bmc, wish).await.expect("readable");
        if after.is_settled() {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{}: {:?}",
            wish.title(),
            told(&after)
        );
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    up(bmc).await;
    let writes = bmc.requests().writes;
    assert!(read(bmc, wish).await.expect("readable").is_settled());
    assert_eq!(bmc.requests().writes, writes, "a settled wish only reads");
    shown
}

async fn started(profile: Profile) -> (Emulated, Bmc) {
    let emulated = start_with(profile, &[], |_| ()).await;
    let bmc = emulated.connect().await.expect("a connection");
    done(&bmc, BmcAct::Power(PowerGoal::On)).await;
    up(&bmc).await;
    (emulated, bmc)
}

async fn alive(tree: &str) -> (Emulated, Bmc) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/data/bmc-trees/{tree}.tar.zst"));
    let emulated = start_with(Profile::Generic, &[], |config: &mut BmcConfig| {
        config.profile = None;
        config.tree = Some(path);
    })
    .await;
    let bmc = emulated.connect().await.expect("a connection");
    (emulated, bmc)
}

#[tokio::test]
async fn sriov_means_the_same_on_every_profile() {
    for profile in Profile::all() {
        let (_emulated, bmc) = started(profile).await;
        for value in ["off", "on"] {
            converge(&bmc, &*wish("bios", json!({"intents": {"sriov": value}}))).await;
        }
        bmc.close().await;
    }
}

/// All intents that a profile's BIOS has, in one change and one boot.
#[tokio::test]
async fn each_profile_takes_the_intents_that_its_bios_has() {
    let cases: [(Profile, Value); 7] = [
        (
            Profile::Generic,
            json!({"smt": "off", "virtualisation": "on", "sriov": "on", "iommu": "on", "numa-per-socket": 4, "power-profile": "performance", "boot-mode": "uefi", "tpm": "off", "secure-boot": "on", "c-states": "off", "turbo": "off"}),
        ),
        (
            Profile::Idrac,
            json!({"smt": "off", "virtualisation": "on", "sriov": "on", "iommu": "on", "numa-per-socket": 2, "power-profile": "performance", "boot-mode": "uefi", "tpm": "off", "secure-boot": "on", "c-states": "off", "turbo": "on"}),
        ),
        (
            Profile::Ilo,
            json!({"smt": "off", "sriov": "on", "iommu": "on", "numa-per-socket": 2, "power-profile": "performance", "boot-mode": "uefi", "tpm": "off", "secure-boot": "on", "c-states": "off"}),
        ),
        (
            Profile::Xcc,
            json!({"smt": "off", "virtualisation": "off", "sriov": "on", "iommu": "off", "numa-per-socket": 2, "power-profile": "performance", "boot-mode": "uefi", "secure-boot": "on", "c-states": "off", "turbo": "off"}),
        ),
        (
            Profile::Supermicro,
            json!({"smt": "off", "virtualisation": "off", "sriov": "on", "iommu": "off", "boot-mode": "uefi", "tpm": "off", "secure-boot": "on", "turbo": "off"}),
        ),
        (
            Profile::Ami,
            json!({"smt": "off", "virtualisation": "off", "sriov": "on", "iommu": "on", "boot-mode": "uefi", "secure-boot": "on"}),
        ),
        (
            Profile::Openbmc,
            json!({"sriov": "on", "secure-boot": "on"}),
        ),
    ];
    for (profile, intents) in cases {
        let (_emulated, bmc) = started(profile).await;
        let shown = converge(&bmc, &*wish("bios", json!({"intents": intents}))).await;
        assert!(shown.len() > 2, "{profile:?}: {shown:?}");
        bmc.close().await;
    }
}

#[tokio::test]
async fn captured_trees_made_alive_take_intents() {
    for (tree, intents) in [
        (
            "dell",
            json!({"smt": "off", "sriov": "off", "numa-per-socket": 2, "power-profile": "custom", "c-states": "on", "turbo": "off", "tpm": "off", "secure-boot": "on"}),
        ),
        (
            "hpe",
            json!({"smt": "off", "iommu": "off", "numa-per-socket": 4, "tpm": "off", "turbo": "off", "power-profile": "custom", "c-states": "off"}),
        ),
        (
            "dmtf-public-tower",
            json!({"smt": "off", "power-profile": "performance"}),
        ),
        (
            "dmtf-public-rackmount1",
            json!({"smt": "off", "turbo": "off"}),
        ),
    ] {
        let (_emulated, bmc) = alive(tree).await;
        converge(&bmc, &*wish("bios", json!({"intents": intents}))).await;
        bmc.close().await;
    }
}

#[tokio::test]
async fn what_hangs_on_a_profile_follows_it_or_is_refused_while_planning() {
    let (_emulated, bmc) = alive("dell").await;
    // The captured server runs PerfOptimized, which holds the C states.
    let alone = wish("bios", json!({"intents": {"c-states": "on"}}));
    let reason = read(&bmc, &*alone).await.expect_err("read-only");
    assert!(
        reason.contains("ProcCStates is read-only while SysProfile is not Custom: wish SysProfile"),
        "{reason}"
    );
    let against = wish(
        "bios",
        json!({"attributes": {"SysProfile": "PerfPerWattOptimizedOs", "ProcCStates": "Disabled"}}),
    );
    let reason = read(&bmc, &*against).await.expect_err("a contradiction");
    assert!(
        reason.contains("ProcCStates cannot be Disabled: it becomes Enabled because SysProfile is"),
        "{reason}"
    );
    let with = wish(
        "bios",
        json!({"attributes": {"SysProfile": "PerfPerWattOptimizedOs", "ProcCStates": "Enabled"}}),
    );
    let shown = converge(&bmc, &*with).await;
    assert!(
        shown
            .iter()
            .any(|row| row.starts_with("ProcCStates follows")),
        "{shown:?}"
    );
    bmc.close().await;
}

#[tokio::test]
async fn faults_name_what_was_looked_for_and_raw_attributes_win() {
    let (_emulated, bmc) = started(Profile::Openbmc).await;
    let smt = wish("bios", json!({"intents": {"smt": "on"}}));
    let reason = read(&bmc, &*smt).await.expect_err("no such attribute");
    for part in [
        "nothing for smt on",
        "LogicalProc",
        "ProcSMT",
        "`attributes`",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    let own = wish(
        "bios",
        json!({
            "intents": {"smt": "off"},
            "spellings": {"smt": [{"name": "NWSK000", "means": {"on": ["NWSK000Enabled"], "off": ["NWSK000Disabled"]}}]},
        }),
    );
    let shown = told(&read(&bmc, &*own).await.expect("readable"));
    assert_eq!(shown[0], "NWSK000: NWSK000Enabled → NWSK000Disabled");
    let both = wish(
        "bios",
        json!({"intents": {"sriov": "on"}, "attributes": {"PCIS007": "PCIS007Disabled", "NWSK000": "NWSK000Disabled"}}),
    );
    let shown = told(&read(&bmc, &*both).await.expect("readable"));
    assert!(
        shown.contains(&"sriov on gives way to the attribute PCIS007: PCIS007Disabled".to_owned()),
        "{shown:?}"
    );
    bmc.close().await;
}

#[tokio::test]
async fn an_intent_finds_its_attribute_by_what_the_registry_displays() {
    // The table's own names are set aside: only what the registry displays is left.
    let emulated = start_with(Profile::Generic, &[], |_| ()).await;
    let bmc = emulated.connect().await.expect("a connection");
    let table = &ra_deploy::model::bmc::intents::intents().intents["iommu"];
    let displayed: Vec<_> = table
        .attributes
        .iter()
        .filter(|row| row.display.is_some())
        .collect();
    let registry = bmc.answer(&BmcQuery::BiosRegistry).await.expect("one");
    let registry = serde_json::from_value(registry).expect("a registry");
    let found: Vec<String> = displayed
        .iter()
        .flat_map(|row| row.displayed_in(&registry))
        .collect();
    assert_eq!(found, ["ProcVtd"]);
    bmc.close().await;
}

#[tokio::test]
async fn secure_boot_and_its_keys_are_brought_about_on_every_profile() {
    for profile in Profile::all() {
        let (_emulated, bmc) = started(profile).await;
        let bare = wish("secure-boot", json!({"keys": "delete-all"}));
        converge(&bmc, &*bare).await;
        let keyless = wish("secure-boot", json!({"enabled": true}));
        let reason = read(&bmc, &*keyless).await.expect_err("no keys");
        assert!(reason.contains("setup mode"), "{profile:?}: {reason}");
        let full = wish(
            "secure-boot",
            json!({"enabled": true, "keys": "reset-to-default"}),
        );
        let shown = converge(&bmc, &*full).await;
        assert!(
            shown.contains(&"secure boot keys: none → enrolled".to_owned()),
            "{shown:?}"
        );
        // Whatever the BIOS calls it, it is the same switch.
        if profile != Profile::Openbmc && profile != Profile::Ami {
            let same = wish("bios", json!({"intents": {"secure-boot": "on"}}));
            assert!(read(&bmc, &*same).await.expect("readable").is_settled());
        }
        bmc.close().await;
    }
}

#[tokio::test]
async fn the_boot_order_is_brought_about_on_every_profile() {
    for profile in Profile::all() {
        let (_emulated, bmc) = started(profile).await;
        let network = wish("boot-order", json!({"first": ["network", "disk"]}));
        let shown = converge(&bmc, &*network).await;
        assert_eq!(
            shown[0],
            "boot order: Boot0001 (Boot Drive), Boot0002 (PXE IPv4 NIC 1), Boot0003 (HTTP IPv4 NIC 1) and 1 more → Boot0002 (PXE IPv4 NIC 1), Boot0003 (HTTP IPv4 NIC 1), Boot0001 (Boot Drive) and 1 more",
            "{profile:?}"
        );
        let named = wish("boot-order", json!({"first": ["virtual CD", "Boot0003"]}));
        converge(&bmc, &*named).await;
        let wrong = wish("boot-order", json!({"first": ["Boot Drvie"]}));
        let reason = read(&bmc, &*wrong).await.expect_err("no such option");
        assert!(
            reason.contains("no boot option Boot Drvie (did you mean Boot Drive?)"),
            "{reason}"
        );
        bmc.close().await;
    }
}

#[tokio::test]
async fn boot_orders_of_captured_servers_are_understood() {
    for (tree, first) in [("dell", "disk"), ("hpe", "http")] {
        let (_emulated, bmc) = alive(tree).await;
        converge(&bmc, &*wish("boot-order", json!({"first": [first]}))).await;
        let other = wish("boot-order", json!({"first": ["pxe"]}));
        match tree {
            // It has HTTP, no PXE option.
            "dell" => assert!(
                read(&bmc, &*other)
                    .await
                    .expect_err("none")
                    .contains("no boot option pxe"),
            ),
            _ => {
                converge(&bmc, &*other).await;
            }
        }
        bmc.close().await;
    }
}

#[tokio::test]
async fn boot_overrides_last_as_wished_on_every_profile() {
    for profile in Profile::all() {
        let (_emulated, bmc) = started(profile).await;
        let path = "PciRoot(0x0)/Pci(0x14,0x0)/USB(0xD,0x0)/CDROM(0x1)";
        for lasting in [
            json!({"target": "hdd", "lasts": "continuous"}),
            json!({"target": "UefiTarget", "uefi-target": path, "lasts": "continuous"}),
            json!({"target": "UefiHttp", "http-boot-uri": "http://192.0.2.1/boot.efi"}),
            json!({"target": "none"}),
        ] {
            let wish = wish("boot", lasting.clone());
            if lasting.get("http-boot-uri").is_some() && profile == Profile::Ilo {
                let reason = read(&bmc, &*wish).await.expect_err("no place for it");
                assert!(reason.contains("no HttpBootUri"), "{reason}");
                continue;
            }
            if lasting["target"] == "UefiTarget" && profile == Profile::Supermicro {
                let reason = read(&bmc, &*wish).await.expect_err("no such target");
                assert!(reason.contains("cannot boot from UefiTarget"), "{reason}");
                continue;
            }
            converge(&bmc, &*wish).await;
            let again = read(&bmc, &*wish).await.expect("readable");
            assert!(
                again.is_settled(),
                "{profile:?} {lasting}: {:?}",
                told(&again)
            );
        }
        bmc.close().await;
    }
}

#[tokio::test]
async fn an_override_that_once_was_taken_for_good_is_taken_away_after_the_boot() {
    let emulated = start_with(Profile::Generic, &["once-ignored"], |_| ()).await;
    let bmc = emulated.connect().await.expect("a connection");
    done(&bmc, BmcAct::Power(PowerGoal::On)).await;
    up(&bmc).await;
    let once = wish("boot", json!({"target": "Pxe"}));
    converge(&bmc, &*once).await;
    let boot = |documents: Value| documents[0]["BootSourceOverrideEnabled"].clone();
    let path = BmcQuery::Documents(ra_deploy::model::LinkPath("system/Boot".into()));
    bmc.forget().await;
    assert_eq!(boot(bmc.answer(&path).await.unwrap()), "Continuous");
    done(&bmc, BmcAct::Power(PowerGoal::Restart)).await;
    bmc.forget().await;
    assert_eq!(boot(bmc.answer(&path).await.unwrap()), "Disabled");
    // Also where somebody else booted the server meanwhile.
    converge(&bmc, &*once).await;
    // The time of the last reset, which tells of a boot, has whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let other = emulated.connect().await.expect("a connection");
    done(&other, BmcAct::Power(PowerGoal::Restart)).await;
    up(&other).await;
    bmc.close().await;
    other.forget().await;
    assert_eq!(boot(other.answer(&path).await.unwrap()), "Disabled");
    // And not before any boot.
    let bmc = emulated.connect().await.expect("a connection");
    converge(&bmc, &*once).await;
    bmc.close().await;
    other.forget().await;
    assert_eq!(boot(other.answer(&path).await.unwrap()), "Continuous");
    other.close().await;
}

#[tokio::test]
async fn a_staged_value_that_is_shown_as_in_force_waits_for_the_boot_all_the_same() {
    for profile in [Profile::Generic, Profile::Supermicro, Profile::Xcc] {
        let emulated = start_with(profile, &["pending-shown-as-current"], |_| ()).await;
        let bmc = emulated.connect().await.expect("a connection");
        done(&bmc, BmcAct::Power(PowerGoal::On)).await;
        up(&bmc).await;
        let sriov = wish("bios", json!({"intents": {"sriov": "on"}}));
        let plan = read(&bmc, &*sriov).await.expect("readable");
        for action in &plan.actions {
            let Action::Bmc(act) = action else {
                panic!("{action:?}")
            };
            done(&bmc, act.clone()).await;
        }
        let after = read(&bmc, &*sriov).await.expect("readable");
        assert_eq!(after.standing, Standing::AwaitsBoot, "{profile:?}");
        // The time of the last reset has whole seconds.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        done(&bmc, BmcAct::BootForSettings).await;
        assert!(read(&bmc, &*sriov).await.expect("readable").is_settled());
        bmc.close().await;
    }
}
