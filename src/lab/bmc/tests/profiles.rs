//! Each profile's oddities, as a client meets them.

use reqwest::Method;
use serde_json::{Value, json};

use super::Bench;
use crate::lab::bmc::{Profile, Seconds};

async fn bench(profile: Profile) -> Bench {
    Bench::start(|bmc| bmc.profile = Some(profile)).await
}

async fn body(response: reqwest::Response) -> Value {
    response.json().await.expect("JSON")
}

fn attributes(name: &str, value: &str) -> Value {
    json!({"Attributes": {name: value}})
}

#[tokio::test]
async fn idrac() {
    let bench = Bench::start(|bmc| {
        bmc.profile = Some(Profile::Idrac);
        bmc.timing.cycle_pause = Seconds(0.3);
    })
    .await;
    let system = "/redfish/v1/Systems/System.Embedded.1";
    let settings = format!("{system}/Bios/Settings");
    assert_eq!(
        bench.get(&settings).await["Attributes"],
        json!({}),
        "only what changes"
    );
    let mut change = attributes("SriovGlobalEnable", "Enabled");
    change["@Redfish.SettingsApplyTime"] = json!({"ApplyTime": "OnReset"});
    let staged = bench.patch(&settings, change).await;
    assert_eq!(staged.status(), 202);
    let task = staged.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(task.contains("/Tasks/JID_"), "{task}");
    assert_eq!(bench.get(&task).await["TaskState"], "Pending");
    let second = bench.patch(&settings, attributes("NumLock", "Off")).await;
    assert_eq!(second.status(), 400, "one batch at a time");
    let clear = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/DellJobService/Actions/DellJobService.DeleteJobQueue";
    assert_eq!(
        bench
            .post(clear, json!({"JobID": "JID_CLEARALL"}))
            .await
            .status(),
        200
    );
    assert_eq!(bench.get(&settings).await["Attributes"], json!({}));

    assert!(
        bench.get(system).await.get("@odata.etag").is_none(),
        "no tag in the body"
    );
    assert_eq!(
        bench
            .post("/redfish/v1/AccountService/Accounts", json!({}))
            .await
            .status(),
        405
    );
    let slot = "/redfish/v1/AccountService/Accounts/3";
    let made = json!({"UserName": "new", "Password": "new-password", "RoleId": "Operator", "Enabled": true});
    assert_eq!(bench.patch(slot, made).await.status(), 200);
    let mode = json!({"Boot": {"BootSourceOverrideMode": "Legacy"}});
    assert_eq!(bench.patch(system, mode).await.status(), 400);

    let reset = format!("{system}/Actions/ComputerSystem.Reset");
    assert_eq!(
        bench
            .post(&reset, json!({"ResetType": "ForceOff"}))
            .await
            .status(),
        409,
        "it is off"
    );
    assert_eq!(
        bench
            .post(&reset, json!({"ResetType": "On"}))
            .await
            .status(),
        204
    );
    bench.until(system, "/PowerState", "On").await;
    assert_eq!(
        bench
            .post(&reset, json!({"ResetType": "ForceOff"}))
            .await
            .status(),
        204
    );
    bench.until(system, "/PowerState", "Off").await;
    assert_eq!(
        bench
            .post(&reset, json!({"ResetType": "On"}))
            .await
            .status(),
        409,
        "too soon"
    );

    let device = format!("{system}/VirtualMedia/1");
    let insert = format!("{device}/Actions/VirtualMedia.InsertMedia");
    assert_eq!(
        bench
            .post(&insert, json!({"Image": "http://192.0.2.1/a.iso"}))
            .await
            .status(),
        204
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
    assert_eq!(bench.get(&device).await["Inserted"], true, "it lags");
    assert_eq!(
        bench
            .post(&insert, json!({"Image": "http://192.0.2.1/b.iso"}))
            .await
            .status(),
        500
    );
}

#[tokio::test]
async fn ilo() {
    let bench = Bench::start(|bmc| {
        bmc.profile = Some(Profile::Ilo);
        bmc.timing.post = Seconds(1.0);
    })
    .await;
    let system = "/redfish/v1/Systems/1";
    let settings = "/redfish/v1/systems/1/bios/settings/";
    assert_eq!(
        bench.get(system).await["Bios"]["@odata.id"],
        "/redfish/v1/systems/1/bios"
    );
    assert_eq!(
        bench.get("/redfish/v1/Systems/1/Bios/").await["@odata.id"],
        "/redfish/v1/systems/1/bios/"
    );
    let staged = bench
        .patch(settings, attributes("ProcSMT", "Disabled"))
        .await;
    assert_eq!(staged.status(), 200);
    let error = body(staged).await["error"].clone();
    assert_eq!(error["code"], "iLO.0.10.ExtendedInfo");
    let star = bench
        .request(Method::PATCH, system)
        .header("If-Match", "*")
        .json(&json!({"AssetTag": "x"}));
    assert_eq!(star.send().await.expect("an answer").status(), 412);
    let eject = "/redfish/v1/Managers/1/VirtualMedia/2/Actions/VirtualMedia.EjectMedia";
    let bare = bench
        .request(Method::POST, eject)
        .send()
        .await
        .expect("an answer");
    assert_eq!(bare.status(), 400);
    assert_eq!(bench.post(eject, json!({})).await.status(), 204);
    assert_eq!(
        bench.get("/redfish/v1/Managers/1/VirtualMedia/2").await["Image"],
        ""
    );

    let registry = "/redfish/v1/registrystore/registries/en/biosattributeregistrya42.v1_2_60";
    let asked = |encoding: &'static str| {
        bench
            .request(Method::GET, registry)
            .header("Accept-Encoding", encoding)
            .send()
    };
    assert_eq!(asked("identity").await.expect("an answer").status(), 406);
    let compressed = asked("gzip").await.expect("an answer");
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    let bytes = compressed.bytes().await.expect("a body");
    let read: Value =
        serde_json::from_reader(flate2::read::GzDecoder::new(&bytes[..])).expect("JSON in gzip");
    assert_eq!(read["OwningEntity"], "HPE");

    let post = "/Oem/Hpe/PostState";
    bench.until(system, post, "PowerOff").await;
    bench
        .post(
            &format!("{system}/Actions/ComputerSystem.Reset"),
            json!({"ResetType": "On"}),
        )
        .await;
    bench.until(system, post, "InPost").await;
    let refused = bench.patch(settings, attributes("Sriov", "Disabled")).await;
    assert_eq!(refused.status(), 400);
    let message = body(refused).await["error"]["@Message.ExtendedInfo"][0]["MessageId"].clone();
    assert_eq!(message, "iLO.2.15.UnableToModifyDuringSystemPOST");
    bench.until(system, post, "FinishedPost").await;
    assert_eq!(
        bench.get("/redfish/v1/systems/1/bios").await["Attributes"]["ProcSMT"],
        "Disabled"
    );
}

#[tokio::test]
async fn xcc() {
    let bench = bench(Profile::Xcc).await;
    let system = "/redfish/v1/Systems/1";
    let device = "/redfish/v1/Managers/1/VirtualMedia/EXT1";
    assert!(bench.get(device).await.get("Actions").is_none());
    let insert =
        json!({"Image": "http://192.0.2.1/a.iso", "Inserted": true, "WriteProtected": true});
    assert_eq!(bench.patch(device, insert.clone()).await.status(), 428);
    let shown = bench
        .request(Method::GET, device)
        .send()
        .await
        .expect("an answer");
    let tag = shown.headers()["etag"].clone();
    assert!(
        shown.headers()["allow"]
            .to_str()
            .expect("text")
            .contains("PATCH")
    );
    let sent = bench
        .request(Method::PATCH, device)
        .header("If-Match", tag)
        .json(&insert)
        .send()
        .await;
    assert_eq!(sent.expect("an answer").status(), 200);
    assert_eq!(bench.get(device).await["Image"], "http://192.0.2.1/a.iso");
    let order = json!({"Boot": {"BootOrder": ["Boot0002", "Boot0001"]}});
    assert_eq!(bench.patch(system, order.clone()).await.status(), 400);
    assert_eq!(
        bench
            .patch(&format!("{system}/Pending"), order.clone())
            .await
            .status(),
        200
    );
    assert_eq!(
        bench.get(&format!("{system}/Pending")).await["Boot"]["BootOrder"],
        order["Boot"]["BootOrder"]
    );
    assert_eq!(
        bench.get(system).await["Boot"]["BootOrder"][0],
        "Boot0001",
        "in force after a boot only"
    );
    let staged = bench
        .patch(
            &format!("{system}/Bios/Pending"),
            attributes("DevicesandIOPorts_SRIOV", "Enabled"),
        )
        .await;
    assert_eq!(staged.status(), 200);
    assert!(body(staged).await["DevicesandIOPorts_SRIOV@Message.ExtendedInfo"].is_array());
    bench.boot(system, "On").await;
    assert_eq!(
        bench.get(&format!("{system}/Bios")).await["Attributes"]["DevicesandIOPorts_SRIOV"],
        "Enabled"
    );
}

#[tokio::test]
async fn supermicro() {
    let bench = bench(Profile::Supermicro).await;
    let system = "/redfish/v1/Systems/1";
    assert!(bench.get("/redfish/v1").await.get("Vendor").is_none());
    let settings = format!("{system}/Bios/SD");
    assert!(bench.get(&settings).await.get("Attributes").is_none());
    let staged = bench
        .patch(
            &format!("{system}/Bios"),
            attributes("SR_IOVSupport_002B", "Enabled"),
        )
        .await;
    assert_eq!(staged.status(), 202);
    assert!(!staged.headers().contains_key("location"));
    assert_eq!(
        bench.get(&settings).await["Attributes"]["SR_IOVSupport_002B"],
        "Enabled"
    );
    let device = "/redfish/v1/Managers/1/VirtualMedia/VirtualMedia1";
    let eject = "#VirtualMedia.EjectMedia";
    assert!(bench.get(device).await["Actions"].get(eject).is_none());
    let insert = format!("{device}/Actions/VirtualMedia.InsertMedia");
    let image = "http://192.0.2.1/a.iso";
    assert_eq!(
        bench
            .post(&insert, json!({"Image": image, "Inserted": true}))
            .await
            .status(),
        400
    );
    assert_eq!(
        bench.post(&insert, json!({"Image": image})).await.status(),
        204
    );
    assert!(bench.get(device).await["Actions"].get(eject).is_some());
    let target =
        json!({"Boot": {"BootSourceOverrideTarget": "UsbCd", "BootSourceOverrideEnabled": "Once"}});
    assert_eq!(bench.patch(system, target).await.status(), 200);
    assert_eq!(
        bench.get(system).await["Boot"]["BootSourceOverrideMode"],
        "Legacy",
        "forgotten"
    );
    bench.boot(system, "On").await;
    assert!(last_boot(&bench, system).await.ends_with("boots from Cd"));
    assert_eq!(
        bench.get(&format!("{system}/Bios")).await["Attributes"]["SR_IOVSupport_002B"],
        "Enabled"
    );
    let target =
        json!({"Boot": {"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Once"}});
    assert_eq!(bench.patch(system, target).await.status(), 200);
    bench.boot(system, "ForceRestart").await;
    assert!(
        last_boot(&bench, system).await.ends_with("boots from Hdd"),
        "the virtual CD is no 'Cd'"
    );
}

async fn last_boot(bench: &Bench, system: &str) -> String {
    let entries = bench
        .get(&format!("{system}/LogServices/SEL/Entries"))
        .await;
    let lines = entries["Members"].as_array().cloned().unwrap_or_default();
    let mut texts = lines.iter().filter_map(|line| line["Message"].as_str());
    texts
        .rfind(|text| text.contains("boots from"))
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn ami() {
    let bench = bench(Profile::Ami).await;
    let system = "/redfish/v1/Systems/Self";
    let shown = bench
        .request(Method::GET, system)
        .send()
        .await
        .expect("an answer");
    let own = shown.headers()["etag"].to_str().expect("text").to_owned();
    let patch = |tag: &str| {
        let request = bench
            .request(Method::PATCH, system)
            .json(&json!({"AssetTag": "x"}));
        if tag.is_empty() {
            request
        } else {
            request.header("If-Match", tag)
        }
        .send()
    };
    for (tag, status) in [("", 428), (own.as_str(), 412), ("*", 200)] {
        assert_eq!(
            patch(tag).await.expect("an answer").status(),
            status,
            "{tag}"
        );
    }
    let reset = bench.get(system).await["Actions"]["#ComputerSystem.Reset"].clone();
    assert!(reset.get("ResetType@Redfish.AllowableValues").is_none());
    let info = bench
        .get(reset["@Redfish.ActionInfo"].as_str().expect("a link"))
        .await;
    assert_eq!(info["Parameters"][0]["AllowableValues"][0], "On");
    let wrong = bench
        .post(
            &format!("{system}/Actions/ComputerSystem.Reset"),
            json!({"ResetType": "Sideways"}),
        )
        .await;
    assert_eq!(wrong.status(), 400, "checked against the ActionInfo");
    let insert = "/redfish/v1/Managers/Self/VirtualMedia/CD1/Actions/VirtualMedia.InsertMedia";
    let image = "http://192.0.2.1/a.iso";
    assert_eq!(
        bench.post(insert, json!({"Image": image})).await.status(),
        400
    );
    let all = json!({"Image": image, "UserName": "none", "Password": "none"});
    assert_eq!(bench.post(insert, all).await.status(), 204);
    let page = bench.get(&format!("{system}/PCIeDevices")).await;
    assert_eq!(page["Members"].as_array().map(Vec::len), Some(75));
    let rest = bench
        .get(page["Members@odata.nextLink"].as_str().expect("a link"))
        .await;
    assert_eq!(rest["Members"].as_array().map(Vec::len), Some(15));
    let memory = bench
        .get(&format!("{system}/Memory?$expand=.($levels=1)"))
        .await;
    assert!(memory["Members"][0]["CapacityMiB"].is_number());
    assert!(memory["Members"][0].get("Status").is_none(), "dropped");
    assert!(
        bench
            .get("/redfish/v1/Systems/HGX_Baseboard_0")
            .await
            .get("Actions")
            .is_none()
    );
}

#[tokio::test]
async fn openbmc() {
    let bench = bench(Profile::Openbmc).await;
    let system = "/redfish/v1/Systems/System_0";
    let once =
        json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}});
    assert_eq!(bench.patch(system, once.clone()).await.status(), 400);
    assert_eq!(
        bench
            .patch(&format!("{system}/Settings"), once)
            .await
            .status(),
        200
    );
    assert_eq!(
        bench.get(system).await["Boot"]["BootSourceOverrideTarget"],
        "Pxe"
    );
    bench.boot(system, "On").await;
    assert_eq!(
        bench.get(&format!("{system}/Settings")).await["Boot"]["BootSourceOverrideEnabled"],
        "Disabled"
    );
    let slot = "/redfish/v1/Managers/BMC_0/VirtualMedia/Slot_0";
    assert_eq!(
        bench
            .patch(slot, json!({"Image": "http://192.0.2.1/a.iso"}))
            .await
            .status(),
        405
    );
    let document = bench.get(system).await;
    assert!(document.get("EthernetInterfaces").is_none());
    assert!(bench.get(&format!("{system}/FabricAdapters")).await["Members"].is_null());
    assert_eq!(
        bench.get("/redfish/v1/Registries").await["Members@odata.count"],
        0
    );
    assert!(
        bench
            .get(&format!("{system}/Bios"))
            .await
            .get("AttributeRegistry")
            .is_none()
    );
    let unknown = bench
        .patch(
            &format!("{system}/Bios/Settings"),
            attributes("Nothing", "x"),
        )
        .await;
    assert_eq!(unknown.status(), 400, "also without a registry");
}
