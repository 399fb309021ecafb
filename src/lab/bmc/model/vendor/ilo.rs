//! iLO 5: lower-case links with trailing slashes for the BIOS, a post state of its own, empty texts
//! where others have null.

use serde_json::json;

use super::{TARGETS, VENDOR_RESETS, forget, generic};
use crate::lab::bmc::model::{Builder, Layout, Owner, Slot};

pub fn layout() -> Layout {
    Layout {
        vendor: "HPE",
        product: "ProLiant DL385 Gen10 Plus v2",
        manufacturer: "HPE",
        model: "ProLiant DL385 Gen10 Plus v2",
        bmc_model: "iLO 5",
        firmware: "iLO 5 v2.72",
        bios_version: "A42 v2.60 (08/11/2022)",
        redfish: "1.6.0",
        manager: "1",
        bios: "/redfish/v1/systems/1/bios",
        settings: "settings",
        registry_entry: "BiosAttributeRegistryA42.v1_2_60",
        registry_file: "/redfish/v1/registrystore/registries/en/biosattributeregistrya42.v1_2_60",
        push: "/cgi-bin/uploadFile",
        multipart: "",
        media: &[(
            Owner::Manager,
            &[
                Slot {
                    id: "1",
                    media: &["Floppy", "USBStick"],
                },
                Slot {
                    id: "2",
                    media: &["CD", "DVD"],
                },
            ],
        )],
        apply_times: &[],
        reset_types: VENDOR_RESETS.split_at(VENDOR_RESETS.len() - 1).0,
        boot_targets: TARGETS,
        attributes: include_str!("../../data/bios-ilo.yaml"),
        ..generic()
    }
}

pub fn adjust(builder: &mut Builder, layout: &Layout) {
    let system = layout.system_path();
    let bios = layout.bios;
    builder.document(bios)["@odata.id"] = json!(format!("{bios}/"));
    let settings = format!("{bios}/{}", layout.settings);
    builder.document(&settings)["@odata.id"] = json!(format!("{settings}/"));
    builder.document(bios)["@Redfish.Settings"] = json!({
        "@odata.type": "#Settings.v1_0_0.Settings",
        "ETag": "1103906B",
        "Messages": [{"MessageId": "Base.1.0.Success"}],
        "SettingsObject": {"@odata.id": format!("{settings}/")},
        "Time": "{{now}}",
    });
    forget(
        builder,
        &system,
        &["BootProgress", "LastResetTime", "PowerRestorePolicy"],
    );
    builder.document(&system)["Oem"] = json!({"Hpe": {
        "@odata.type": "#HpeComputerSystemExt.v2_12_0.HpeComputerSystemExt",
        "PostState": "PowerOff",
        "PostDiscoveryMode": null,
    }});
    builder.document(&system)["Boot"]["UefiTargetBootSourceOverride"] = json!("None");
    if let Some(boot) = builder.document(&system)["Boot"].as_object_mut() {
        boot.shift_remove("HttpBootUri");
    }
    for slot in ["1", "2"] {
        let path = format!("{}/VirtualMedia/{slot}", layout.manager_path());
        builder.document(&path)["Image"] = json!("");
        forget(
            builder,
            &path,
            &[
                "TransferMethod",
                "TransferProtocolType",
                "UserName",
                "Password",
            ],
        );
        builder.document(&path)["Oem"] = json!({"Hpe": {
            "@odata.type": "#HpeiLOVirtualMedia.v2_2_0.HpeiLOVirtualMedia",
            "Actions": {
                "#HpeiLOVirtualMedia.EjectVirtualMedia": {"target": format!("{path}/Actions/Oem/Hpe/HpeiLOVirtualMedia.EjectVirtualMedia")},
                "#HpeiLOVirtualMedia.InsertVirtualMedia": {"target": format!("{path}/Actions/Oem/Hpe/HpeiLOVirtualMedia.InsertVirtualMedia")},
            },
            "BootOnNextServerReset": false,
        }});
    }
    // Time servers stand in a resource of their own.
    let manager = layout.manager_path();
    let clock = format!("{manager}/DateTime");
    builder.add(
        &clock,
        "HpeiLODateTime.v2_0_0",
        json!({
            "Name": "iLO Date and Time Settings",
            "NTPServers": ["", ""],
            "StaticNTPServers": ["0.0.0.0", "0.0.0.0"],
        }),
    );
    builder.document(&manager)["Oem"] = json!({"Hpe": {
        "@odata.type": "#HpeiLO.v2_8_1.HpeiLO",
        "Links": {"DateTimeService": {"@odata.id": clock}},
    }});
    forget(builder, &format!("{manager}/NetworkProtocol"), &["NTP"]);
    forget(
        builder,
        "/redfish/v1/AccountService/Accounts/1",
        &["AccountTypes"],
    );
    forget(
        builder,
        "/redfish/v1/UpdateService",
        &["MultipartHttpPushUri"],
    );
    builder.document("/redfish/v1")["ProtocolFeaturesSupported"]["ExpandQuery"] = json!({"ExpandAll": false, "Levels": true, "Links": false, "NoLinks": true, "MaxLevels": 1});
}
