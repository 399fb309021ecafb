//! Volumes in every profile, through our own client.

use super::client::Told;
use crate::lab::bmc::Profile;
use crate::model::bmc::{
    BmcAct, BmcQuery, Controller, DriveWish, StorageState, Volume, VolumeOrder,
};

async fn controller(told: &Told) -> Controller {
    let mut state: StorageState = told.state(BmcQuery::Storage).await;
    assert!(state.unreadable.is_empty(), "{:?}", state.unreadable);
    state.controllers.remove(0)
}

fn order(controller: &Controller, raid: &str) -> VolumeOrder {
    let wish = DriveWish {
        count: 2,
        protocol: Some("NVMe".into()),
        media: Some("SSD".into()),
        min_bytes: 400_000_000_000,
    };
    let drives = wish.choose(controller).expect("two free drives");
    VolumeOrder {
        name: "data".into(),
        raid: raid.into(),
        drives: drives.iter().map(|disk| disk.path.clone()).collect(),
        volumes_path: controller.volumes_path.clone().expect("a collection"),
        bytes: None,
    }
}

fn named<'a>(controller: &'a Controller, name: &str) -> Option<&'a Volume> {
    controller.volumes.iter().find(|one| one.name == name)
}

#[tokio::test]
async fn a_volume_is_made_of_the_wished_drives_and_deleted_in_every_profile() {
    for profile in Profile::all() {
        let told = Told::start(profile, |_| {}).await;
        let name = profile.name();
        let before = controller(&told).await;
        assert!(named(&before, "System").is_some(), "{name}");
        assert_eq!(
            before
                .drives
                .iter()
                .filter(|disk| disk.taken.is_none())
                .count(),
            2,
            "{name}"
        );
        let order = order(&before, "RAID1");
        told.act(BmcAct::CreateVolume(order.clone()))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        if profile == Profile::Xcc {
            assert_eq!(told.waiting().await, ["volume data"]);
            assert_eq!(controller(&told).await.coming, ["data"]);
            told.act(BmcAct::BootStaged).await.expect(name);
        }
        assert!(told.waiting().await.is_empty(), "{name}");
        let now = controller(&told).await;
        let made = named(&now, "data").expect(name);
        assert_eq!(made.raid.as_deref(), Some("RAID1"), "{name}");
        assert_eq!(made.drives, order.drives, "{name}");
        assert!(now.drives.iter().all(|disk| disk.taken.is_some()), "{name}");

        let writes = told.writes();
        told.act(BmcAct::CreateVolume(order)).await.expect(name);
        assert_eq!(told.writes(), writes, "{name}: it is there");

        let path = made.path.clone();
        told.act(BmcAct::DeleteVolume(path.clone()))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(named(&controller(&told).await, "data").is_none(), "{name}");
        let writes = told.writes();
        told.act(BmcAct::DeleteVolume(path)).await.expect(name);
        assert_eq!(told.writes(), writes, "{name}: it is gone");
        told.bmc.close().await;
    }
}

#[tokio::test]
async fn drives_that_were_taken_meanwhile_are_not_overwritten() {
    let told = Told::start(Profile::Generic, |_| {}).await;
    let before = controller(&told).await;
    let mut order = order(&before, "RAID1");
    told.act(BmcAct::CreateVolume(order.clone()))
        .await
        .expect("made");
    let writes = told.writes();
    order.name = "other".into();
    order.drives.truncate(1);
    let error = told
        .act(BmcAct::CreateVolume(order))
        .await
        .expect_err("it is in use");
    assert!(
        error.to_string().contains("not free any more: volume data"),
        "{error}"
    );
    assert_eq!(told.writes(), writes);
    told.bmc.close().await;
}
