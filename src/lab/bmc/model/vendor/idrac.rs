//! iDRAC 9: jobs of its own, fixed account slots, media under the system and the manager, a
//! registry whose identifiers disagree.

use serde_json::json;

use super::{TARGETS, VENDOR_RESETS, forget, generic};
use crate::lab::bmc::model::{Builder, Layout, Owner, Slot, reference};

const SLOTS: usize = 16;

pub fn layout() -> Layout {
    Layout {
        vendor: "Dell",
        product: "Integrated Dell Remote Access Controller",
        manufacturer: "Dell Inc.",
        model: "PowerEdge R750",
        bmc_model: "15G Monolithic",
        firmware: "6.00.30.00",
        bios_version: "1.8.2",
        redfish: "1.13.1",
        system: "System.Embedded.1",
        manager: "iDRAC.Embedded.1",
        chassis: "System.Embedded.1",
        bios: "/redfish/v1/Systems/System.Embedded.1/Bios",
        registry_entry: "BiosAttributeRegistry.v1_0_0",
        registry_file: "/redfish/v1/Systems/System.Embedded.1/Bios/BiosRegistry",
        push: "/redfish/v1/UpdateService/FirmwareInventory",
        multipart: "/redfish/v1/UpdateService/MultipartUpload",
        media: &[
            (
                Owner::System,
                &[
                    Slot {
                        id: "1",
                        media: &["CD", "DVD", "USBStick"],
                    },
                    Slot {
                        id: "2",
                        media: &["CD", "DVD", "USBStick"],
                    },
                ],
            ),
            (
                Owner::Manager,
                &[
                    Slot {
                        id: "RemovableDisk",
                        media: &["USBStick"],
                    },
                    Slot {
                        id: "CD",
                        media: &["CD", "DVD"],
                    },
                ],
            ),
        ],
        reset_types: VENDOR_RESETS,
        boot_targets: TARGETS,
        attributes: include_str!("../../data/bios-idrac.yaml"),
        ..generic()
    }
}

pub fn adjust(builder: &mut Builder, layout: &Layout) {
    let volumes = format!("{}/Storage/RAID1/Volumes", layout.system_path());
    builder.document(&volumes)["@Redfish.OperationApplyTimeSupport"] = json!({
        "@odata.type": "#Settings.v1_3_5.OperationApplyTimeSupport",
        "SupportedValues": ["Immediate", "OnReset"],
    });
    let manager = layout.manager_path();
    let system = layout.system_path();
    let settings = format!("{}/Settings", layout.bios);
    builder.document(&settings)["Actions"] = json!({"Oem": {"DellManager.v1_0_0#DellManager.ClearPending": {
        "target": format!("{settings}/Actions/Oem/DellManager.ClearPending"),
    }}});
    builder.document(layout.bios)["@Redfish.Settings"]["SupportedApplyTimes"] = json!([
        "OnReset",
        "AtMaintenanceWindowStart",
        "InMaintenanceWindowOnReset"
    ]);
    // No boot progress in the captured tree of this generation.
    forget(builder, &system, &["BootProgress"]);
    builder.document(&system)["Oem"] = json!({"Dell": {
        "@odata.type": "#DellOem.v1_3_0.DellOemResources",
        "DellSystem": {"PlatformGUID": "{{uuid}}", "ChassisServiceTag": "{{serial}}"},
    }});
    builder.document(&system)["SKU"] = json!("{{serial}}");
    let jobs = format!("{manager}/Oem/Dell/Jobs");
    builder.collection(&jobs, "DellJobCollection", "JobQueue", &[]);
    let service = format!("{manager}/Oem/Dell/DellJobService");
    builder.add(
        &service,
        "DellJobService.v1_2_0",
        json!({
            "Name": "DellJobService",
            "Actions": {"#DellJobService.DeleteJobQueue": {
                "target": format!("{service}/Actions/DellJobService.DeleteJobQueue"),
            }},
        }),
    );
    builder.document(&manager)["Links"]["Oem"] = json!({"Dell": {
        "@odata.type": "#DellOem.v1_3_0.DellOemLinks",
        "DellJobService": reference(&service),
        "Jobs": reference(&jobs),
    }});
    builder.document(&manager)["Actions"]["#Manager.Reset"]["ResetType@Redfish.AllowableValues"] =
        json!(["GracefulRestart"]);
    slots(builder);
}

/// Sixteen accounts that exist; the first is reserved, the second is the administrator's.
fn slots(builder: &mut Builder) {
    let accounts = "/redfish/v1/AccountService/Accounts";
    let ids: Vec<String> = (1..=SLOTS).map(|slot| slot.to_string()).collect();
    builder.collection(
        accounts,
        "ManagerAccountCollection",
        "Accounts Collection",
        &ids.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    for slot in 1..=SLOTS {
        let role = if slot == 2 { "Administrator" } else { "None" };
        let mut account = json!({
            "Name": "User Account",
            "Enabled": slot == 2,
            "Locked": false,
            "Password": null,
            "UserName": if slot == 2 { "{{user}}" } else { "" },
            "RoleId": role,
            "AccountTypes": ["Redfish"],
        });
        if slot == 2 {
            account["Links"] =
                json!({"Role": reference("/redfish/v1/AccountService/Roles/Administrator")});
        }
        builder.add(
            &format!("{accounts}/{slot}"),
            "ManagerAccount.v1_12_0",
            account,
        );
    }
}
