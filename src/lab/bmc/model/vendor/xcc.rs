//! XCC: no media actions but PATCH, ten media devices, settings at `Pending`, boot order in a
//! settings resource of the system.

use serde_json::{Value, json};

use super::{TARGETS, VENDOR_RESETS, forget, generic};
use crate::lab::bmc::model::{Builder, Layout, Owner, Slot, reference};

macro_rules! disc {
    ($($id:literal),*) => { &[$(Slot { id: $id, media: &["CD", "DVD"] }),*] };
}

const DEVICES: &[Slot] = disc!(
    "EXT1", "EXT2", "EXT3", "EXT4", "RDOC1", "RDOC2", "Remote1", "Remote2", "Remote3", "Remote4"
);

pub fn layout() -> Layout {
    Layout {
        vendor: "Lenovo",
        product: "ThinkSystem SR650 V2",
        manufacturer: "Lenovo",
        model: "ThinkSystem SR650 V2",
        bmc_model: "Lenovo XClarity Controller",
        firmware: "AFBT32F 4.00",
        bios_version: "AFE126C",
        redfish: "1.15.0",
        manager: "1",
        settings: "Pending",
        registry_entry: "BiosAttributeRegistry.1.0.0",
        registry_file: "/redfish/v1/schemas/registries/BiosAttributeRegistry.1.0.0.json",
        push: "",
        multipart: "/mfwupdate",
        media: &[(Owner::Manager, DEVICES)],
        apply_times: &[],
        reset_types: VENDOR_RESETS.split_at(VENDOR_RESETS.len() - 1).0,
        boot_targets: TARGETS,
        attributes: include_str!("../../data/bios-xcc.yaml"),
        ..generic()
    }
}

pub fn adjust(builder: &mut Builder, layout: &Layout) {
    let volumes = format!("{}/Storage/RAID1/Volumes", layout.system_path());
    builder.document(&volumes)["@Redfish.OperationApplyTimeSupport"] = json!({
        "@odata.type": "#Settings.v1_3_5.OperationApplyTimeSupport",
        "SupportedValues": ["OnReset"],
    });
    let system = layout.system_path();
    for slot in DEVICES {
        let path = format!("{}/VirtualMedia/{}", layout.manager_path(), slot.id);
        forget(builder, &path, &["Actions"]);
    }
    let pending = format!("{system}/Pending");
    let order: Value = builder.document(&system)["Boot"]["BootOrder"].clone();
    builder.add(
        &pending,
        "ComputerSystem.v1_22_0",
        json!({"Name": "Pending System Settings", "Boot": {"BootOrder": order}}),
    );
    builder.document(&system)["@Redfish.Settings"] = json!({
        "@odata.type": "#Settings.v1_3_5.Settings",
        "SettingsObject": reference(&pending),
    });
    forget(builder, "/redfish/v1/UpdateService", &["HttpPushUri"]);
}
