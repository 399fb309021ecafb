//! Supermicro: a root without Vendor, the registry outside `/redfish`, drives without media type,
//! a virtual CD that boots as `UsbCd`.

use serde_json::json;

use super::{VENDOR_RESETS, forget, generic};
use crate::lab::bmc::model::{Builder, Layout, Owner, Slot};

pub fn layout() -> Layout {
    Layout {
        vendor: "Supermicro",
        product: "",
        manufacturer: "Supermicro",
        model: "SYS-220U-TNR",
        bmc_model: "ASPEED",
        firmware: "01.04.14",
        bios_version: "1.4b",
        redfish: "1.11.0",
        manager: "1",
        settings: "SD",
        registry_entry: "BiosAttributeRegistry.1.0.0",
        registry_file: "/registries/BiosAttributeRegistry.1.0.0.json",
        media: &[(
            Owner::Manager,
            &[Slot {
                id: "VirtualMedia1",
                media: &["CD", "DVD"],
            }],
        )],
        apply_times: &[],
        reset_types: VENDOR_RESETS,
        boot_targets: &[
            "None",
            "Pxe",
            "Floppy",
            "Cd",
            "Usb",
            "Hdd",
            "BiosSetup",
            "UsbCd",
            "UefiBootNext",
            "UefiHttp",
        ],
        attributes: include_str!("../../data/bios-supermicro.yaml"),
        ..generic()
    }
}

pub fn adjust(builder: &mut Builder, layout: &Layout) {
    forget(builder, "/redfish/v1", &["Vendor", "Product"]);
    builder.document("/redfish/v1")["Oem"] =
        json!({"Supermicro": {"@odata.type": "#SmcServiceRootExtensions.v1_0_0.ServiceRoot"}});
    for drive in ["Bay1", "Bay2", "Bay3", "Bay4"] {
        let path = format!("{}/Storage/RAID1/Drives/{drive}", layout.system_path());
        forget(builder, &path, &["MediaType"]);
    }
    // `Attributes` is absent while nothing is pending.
    forget(builder, &format!("{}/SD", layout.bios), &["Attributes"]);
}
