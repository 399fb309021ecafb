//! OpenBMC as NVIDIA ships it: no attribute registry, the override in a settings resource, a media
//! slot without InsertMedia, no network interfaces below the system, null where a list should be.

use serde_json::{Value, json};

use super::{TARGETS, VENDOR_RESETS, ami, forget, generic};
use crate::lab::bmc::model::{Builder, Layout, Owner, Slot, reference};

pub fn layout() -> Layout {
    Layout {
        vendor: "NVIDIA",
        product: "GB200 NVL",
        manufacturer: "NVIDIA",
        model: "GB200 NVL",
        bmc_model: "OpenBmc",
        firmware: "GB200Nvl-25.01-A",
        bios_version: "02.03.10",
        redfish: "1.17.0",
        system: "System_0",
        manager: "BMC_0",
        chassis: "Chassis_0",
        bios: "/redfish/v1/Systems/System_0/Bios",
        registry_entry: "",
        registry_file: "",
        media: &[(
            Owner::Manager,
            &[
                Slot {
                    id: "Slot_0",
                    media: &["CD", "USBStick"],
                },
                Slot {
                    id: "Slot_1",
                    media: &["CD", "DVD", "USBStick"],
                },
            ],
        )],
        apply_times: &[],
        reset_types: VENDOR_RESETS,
        boot_targets: TARGETS,
        attributes: include_str!("../../data/bios-openbmc.yaml"),
        ..generic()
    }
}

pub fn adjust(builder: &mut Builder, layout: &Layout) {
    let system = layout.system_path();
    ami::baseboard(builder, &["System_0", "HGX_Baseboard_0"]);
    builder.prune(&format!("{system}/EthernetInterfaces"));
    forget(builder, &system, &["EthernetInterfaces"]);
    let settings = format!("{system}/Settings");
    let boot: Value = builder.document(&system)["Boot"].clone();
    builder.add(
        &settings,
        "ComputerSystem.v1_22_0",
        json!({"Name": "System Settings", "Boot": boot}),
    );
    builder.document(&system)["@Redfish.Settings"] = json!({
        "@odata.type": "#Settings.v1_3_5.Settings",
        "SettingsObject": reference(&settings),
    });
    // Something else holds the first slot: no media can be put into it.
    forget(
        builder,
        &format!("{}/VirtualMedia/Slot_0", layout.manager_path()),
        &["Actions"],
    );
    let adapters = format!("{system}/FabricAdapters");
    builder.insert(
        &adapters,
        json!({
            "@odata.id": adapters,
            "@odata.type": "#FabricAdapterCollection.FabricAdapterCollection",
            "Name": "Fabric Adapters",
            "Members": null,
            "Members@odata.count": 0,
        }),
    );
    builder.document(&system)["FabricAdapters"] = reference(&adapters);
}
