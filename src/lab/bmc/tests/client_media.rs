//! Virtual media in every profile, through our own client.

use super::client::{Told, fetches};
use crate::lab::bmc::Profile;
use crate::model::bmc::{BmcAct, BmcQuery, Drive, MediaState, Medium};
use crate::redfish::Error;

fn medium(image: &str) -> Medium {
    Medium {
        image: image.into(),
        drive: Drive::Cd,
        write_protected: true,
        user: None,
        password: None,
    }
}

fn held(state: &MediaState) -> Vec<String> {
    state
        .devices
        .iter()
        .filter(|device| !device.is_empty())
        .map(|device| {
            let image = device.image.clone().unwrap_or_default();
            format!("{} {image}", device.name)
        })
        .collect()
}

#[tokio::test]
async fn an_image_is_put_in_exchanged_and_taken_out_in_every_profile() {
    let (first, second) = ("http://192.0.2.1/a.iso", "http://192.0.2.1/b.iso");
    for profile in Profile::all() {
        let told = Told::start(profile, |_| {}).await;
        let name = profile.name();
        told.act(BmcAct::InsertMedia(medium(first)))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let state: MediaState = told.state(BmcQuery::Media).await;
        let device = match profile {
            Profile::Generic | Profile::Ami => "CD1",
            Profile::Idrac => "1",
            Profile::Ilo => "2",
            Profile::Xcc => "EXT1",
            Profile::Supermicro => "VirtualMedia1",
            Profile::Openbmc => "Slot_1",
        };
        assert_eq!(held(&state), [format!("{device} {first}")], "{name}");

        // The same again is success and sends nothing that changes.
        let writes = told.writes();
        told.act(BmcAct::InsertMedia(medium(first)))
            .await
            .expect(name);
        assert_eq!(told.writes(), writes, "{name}");

        told.act(BmcAct::InsertMedia(medium(second)))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let state: MediaState = told.state(BmcQuery::Media).await;
        assert_eq!(held(&state), [format!("{device} {second}")], "{name}");

        told.act(BmcAct::EjectMedia(Some(Drive::Cd)))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let state: MediaState = told.state(BmcQuery::Media).await;
        assert_eq!(held(&state), [""; 0], "{name}");
        let writes = told.writes();
        told.act(BmcAct::EjectMedia(None)).await.expect(name);
        assert_eq!(told.writes(), writes, "{name}");
        told.bmc.close().await;
    }
}

#[tokio::test]
async fn an_image_that_the_bmc_does_not_reach_is_told_with_what_may_be_why() {
    for profile in Profile::all() {
        let told = Told::start(profile, fetches).await;
        let error = told
            .act(BmcAct::InsertMedia(medium("http://127.0.0.1:9/a.iso")))
            .await
            .expect_err("nothing listens there");
        assert!(
            matches!(&error, Error::Image { image, .. } if image.ends_with("/a.iso")),
            "{}: {error}",
            profile.name()
        );
        assert!(error.to_string().contains("connection failed"), "{error}");
        assert!(error.hint().contains("DNS or route"), "{}", error.hint());
        told.bmc.close().await;
    }
}

#[tokio::test]
async fn a_kind_of_drive_that_is_not_there_is_refused_before_anything_is_sent() {
    let told = Told::start(Profile::Supermicro, |_| {}).await;
    let wanted = Medium {
        drive: Drive::Usb,
        ..medium("http://192.0.2.1/a.img")
    };
    let error = told
        .act(BmcAct::InsertMedia(wanted))
        .await
        .expect_err("there is only a CD");
    assert!(
        error
            .to_string()
            .contains("no usb among VirtualMedia1 (CD, DVD)"),
        "{error}"
    );
    assert_eq!(told.writes(), 0);
    told.bmc.close().await;
}
