//! AMI MegaRAC: reset types only by ActionInfo, a second 'system' without a power button, a long
//! collection in pages, a multipart address that is served but not told.

use serde_json::json;

use super::{TARGETS, VENDOR_RESETS, forget, generic};
use crate::lab::bmc::model::{Builder, Layout, Owner, Slot, reference};

const DEVICES: usize = 90;

pub fn layout() -> Layout {
    Layout {
        vendor: "AMI",
        product: "AMI Redfish Server",
        manufacturer: "NVIDIA",
        model: "DGXH100",
        bmc_model: "MegaRAC SP-X",
        firmware: "24.09.17",
        bios_version: "1.05.03",
        redfish: "1.11.0",
        system: "Self",
        manager: "Self",
        chassis: "Self",
        bios: "/redfish/v1/Systems/Self/Bios",
        settings: "SD",
        registry_entry: "BiosAttributeRegistry0ABCD.en-US.5.22.0",
        registry_file: "/redfish/v1/Registries/BiosAttributeRegistry0ABCD.en-US.5.22.0.json",
        media: &[(
            Owner::Manager,
            &[
                Slot {
                    id: "CD1",
                    media: &["CD", "DVD"],
                },
                Slot {
                    id: "HD1",
                    media: &["USBStick"],
                },
            ],
        )],
        apply_times: &[],
        reset_types: VENDOR_RESETS,
        boot_targets: TARGETS,
        attributes: include_str!("../../data/bios-ami.yaml"),
        ..generic()
    }
}

pub fn adjust(builder: &mut Builder, layout: &Layout) {
    let system = layout.system_path();
    if let Some(reset) =
        builder.document(&system)["Actions"]["#ComputerSystem.Reset"].as_object_mut()
    {
        reset.shift_remove("ResetType@Redfish.AllowableValues");
    }
    baseboard(builder, &["Self", "HGX_Baseboard_0"]);
    let pending = format!("{system}/SD");
    builder.add(
        &pending,
        "ComputerSystem.v1_22_0",
        json!({"Name": "Computer System Settings", "Boot": {
            "BootSourceOverrideEnabled": "Disabled",
            "BootSourceOverrideTarget": "None",
            "BootSourceOverrideMode": "UEFI",
            "BootOrder": ["Boot0001", "Boot0002", "Boot0003", "Boot0004"],
        }}),
    );
    builder.document(&system)["@Redfish.Settings"] = json!({
        "@odata.type": "#Settings.v1_3_5.Settings",
        "SettingsObject": reference(&pending),
    });
    forget(
        builder,
        "/redfish/v1/UpdateService",
        &["MultipartHttpPushUri", "HttpPushUri"],
    );
    let info = "/redfish/v1/UpdateService/SimpleUpdateActionInfo";
    builder.add(
        info,
        "ActionInfo.v1_4_2",
        json!({"Name": "SimpleUpdate Action Info", "Parameters": [
            {"Name": "ImageURI", "Required": true, "DataType": "String"},
            {"Name": "TransferProtocol", "Required": true, "DataType": "String", "AllowableValues": ["HTTP", "HTTPS"]},
            {"Name": "Username", "Required": false, "DataType": "String"},
            {"Name": "Password", "Required": false, "DataType": "String"},
        ]}),
    );
    builder.document("/redfish/v1/UpdateService")["Actions"] = json!({"#UpdateService.SimpleUpdate": {
        "target": "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate",
        "@Redfish.ActionInfo": info,
    }});
    devices(builder, &system);
}

/// A second member of Systems: a board of accelerators.
pub fn baseboard(builder: &mut Builder, systems: &[&str]) {
    builder.collection(
        "/redfish/v1/Systems",
        "ComputerSystemCollection",
        "Systems",
        systems,
    );
    builder.add(
        "/redfish/v1/Systems/HGX_Baseboard_0",
        "ComputerSystem.v1_22_0",
        json!({
            "Name": "HGX Baseboard",
            "SystemType": "Physical",
            "Manufacturer": "NVIDIA",
            "Model": "HGX Baseboard",
            "SerialNumber": "{{serial}}-H",
            "Status": {"State": "Enabled", "Health": "OK"},
        }),
    );
}

fn devices(builder: &mut Builder, system: &str) {
    let collection = format!("{system}/PCIeDevices");
    let ids: Vec<String> = (1..=DEVICES)
        .map(|number| format!("PCIe{number}"))
        .collect();
    builder.collection(
        &collection,
        "PCIeDeviceCollection",
        "PCIe Devices",
        &ids.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    for id in &ids {
        builder.add(
            &format!("{collection}/{id}"),
            "PCIeDevice.v1_13_0",
            json!({"Name": id, "DeviceType": "SingleFunction", "Manufacturer": "NVIDIA", "Model": "Bridge"}),
        );
    }
    let links: Vec<_> = ids
        .iter()
        .take(2)
        .map(|id| reference(&format!("{collection}/{id}")))
        .collect();
    builder.document(system)["PCIeDevices"] = json!(links);
}
