//! Firmware in every profile, through our own client.

use super::client::Told;
use crate::lab::bmc::{Fault, Profile, Seconds};
use crate::model::bmc::{
    BmcAct, BmcQuery, FirmwareImage, FirmwareOrder, FirmwareState, PowerGoal, WaitingState,
};
use crate::redfish::Error;

fn order(component: &str, version: &str, image: FirmwareImage) -> BmcAct {
    BmcAct::UpdateFirmware(FirmwareOrder {
        component: component.into(),
        version: version.into(),
        image,
        protocol: None,
        targets: Vec::new(),
        user: None,
        password: None,
    })
}

fn address(name: &str) -> FirmwareImage {
    FirmwareImage::Address(format!("http://192.0.2.1/{name}"))
}

async fn version(told: &Told, id: &str) -> String {
    let state: FirmwareState = told.state(BmcQuery::Firmware).await;
    let component = state.matching(id).first().copied().cloned();
    component
        .and_then(|component| component.version)
        .unwrap_or_default()
}

#[tokio::test]
async fn a_bmc_and_an_adapter_are_updated_and_read_back_in_every_profile() {
    for profile in Profile::all() {
        let told = Told::start(profile, |_| {}).await;
        let name = profile.name();
        // The BMC restarts by itself, and its sessions and tasks with it.
        told.act(order("BMC", "9.9.1", address("BMC-9.9.1.bin")))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(version(&told, "BMC").await, "9.9.1", "{name}");
        let writes = told.writes();
        told.act(order("BMC", "9.9.1", address("BMC-9.9.1.bin")))
            .await
            .expect(name);
        assert_eq!(told.writes(), writes, "{name}: it runs already");

        told.act(order("NIC1", "23.1", address("NIC1-23.1.bin")))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        if !told.waiting().await.is_empty() {
            told.act(BmcAct::BootStaged).await.expect(name);
        }
        assert_eq!(version(&told, "nic*").await, "23.1", "{name}");
        told.bmc.close().await;
    }
}

#[tokio::test]
async fn a_bios_is_written_waits_for_the_boot_and_runs_after_it_in_every_profile() {
    for profile in Profile::all() {
        let told = Told::start(profile, |_| {}).await;
        let name = profile.name();
        let before = version(&told, "BIOS").await;
        told.act(order("BIOS", "99.1", address("BIOS-99.1.bin")))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(version(&told, "BIOS").await, before, "{name}");
        assert_eq!(told.waiting().await, ["firmware BIOS 99.1"], "{name}");
        let writes = told.writes();
        told.act(order("BIOS", "99.1", address("BIOS-99.1.bin")))
            .await
            .expect(name);
        assert_eq!(told.writes(), writes, "{name}: it is written already");
        told.act(BmcAct::BootStaged)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(version(&told, "BIOS").await, "99.1", "{name}");
        assert!(told.waiting().await.is_empty(), "{name}");
        told.bmc.close().await;
    }
}

#[tokio::test]
async fn a_file_is_sent_to_the_place_that_the_bmc_has_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("NIC1-24.5.bin");
    std::fs::write(&file, vec![7u8; 3 << 20]).expect("an image");
    for profile in Profile::all() {
        let told = Told::start(profile, |_| {}).await;
        let name = profile.name();
        told.act(order("NIC1", "24.5", FirmwareImage::File(file.clone())))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        told.act(BmcAct::BootStaged).await.expect(name);
        assert_eq!(version(&told, "NIC1").await, "24.5", "{name}");
        told.bmc.close().await;
    }
}

#[tokio::test]
async fn what_the_bmc_says_of_a_wrong_image_is_told() {
    let told = Told::start(Profile::Generic, |_| {}).await;
    let error = told
        .act(order("BMC", "2.0", address("TOASTER-2.0.bin")))
        .await
        .expect_err("it is for something else");
    assert!(
        error.to_string().contains("for none of the components"),
        "{error}"
    );
    told.bmc.close().await;

    // Nothing to follow and nothing happens: not believed.
    let told = Told::start(Profile::Supermicro, |_| {}).await;
    let error = told
        .act(order("NIC1", "2.0", address("TOASTER-2.0.bin")))
        .await
        .expect_err("nothing happens");
    assert!(matches!(error, Error::NotProven { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("Network Adapter Firmware is 22.41.1000"),
        "{error}"
    );
    told.bmc.close().await;

    let error = Told::start(Profile::Ami, |_| {})
        .await
        .act(order(
            "NIC1",
            "2.0",
            FirmwareImage::Address("ftp://192.0.2.1/NIC1-2.0.bin".into()),
        ))
        .await
        .expect_err("no such protocol");
    assert!(
        error.to_string().contains("by FTP: it takes HTTP, HTTPS"),
        "{error}"
    );
}

#[tokio::test]
async fn a_lost_task_and_dropped_connections_do_not_lose_the_update() {
    for faults in [
        vec!["job-404-after-reset=1"],
        vec!["drop-connection=10"],
        vec!["close-after-answer"],
    ] {
        let told = Told::start(Profile::Idrac, |bmc| {
            bmc.faults = faults
                .iter()
                .map(|fault| fault.parse::<Fault>().expect("a fault"))
                .collect();
            bmc.timing.task = Seconds(0.2);
        })
        .await;
        told.act(order("BMC", "9.9.1", address("BMC-9.9.1.bin")))
            .await
            .unwrap_or_else(|error| panic!("{faults:?}: {error}"));
        assert_eq!(version(&told, "BMC").await, "9.9.1", "{faults:?}");
        told.bmc.close().await;
    }
}

#[tokio::test]
async fn power_on_is_the_boot_too() {
    let told = Told::start(Profile::Idrac, |_| {}).await;
    told.act(order("BIOS", "99.1", address("BIOS-99.1.bin")))
        .await
        .expect("staged");
    told.act(BmcAct::Power(PowerGoal::On)).await.expect("on");
    assert!(told.waiting().await.is_empty());
    told.bmc.close().await;
}

impl Told {
    pub async fn waiting(&self) -> Vec<String> {
        self.state::<WaitingState>(BmcQuery::Waiting).await.what
    }
}
