//! What each profile has elsewhere, under another name, or not at all.

use super::{Builder, Layout, Slot};
use crate::lab::bmc::profile::Profile;

const RESETS: &[&str] = &[
    "On",
    "ForceOff",
    "GracefulShutdown",
    "GracefulRestart",
    "ForceRestart",
    "PushPowerButton",
    "PowerCycle",
    "Nmi",
    "ForceOn",
];
const TARGETS: &[&str] = &[
    "None",
    "Pxe",
    "Cd",
    "Usb",
    "Hdd",
    "BiosSetup",
    "Utilities",
    "Diags",
    "UefiShell",
    "UefiTarget",
    "UefiHttp",
];

fn generic() -> Layout {
    Layout {
        vendor: "Example",
        product: "Example Redfish Service",
        manufacturer: "Example",
        model: "Model 1",
        bmc_model: "Example BMC",
        firmware: "1.10.2",
        bios_version: "2.3.0",
        redfish: "1.18.0",
        system: "1",
        manager: "bmc",
        chassis: "1",
        settings: "Settings",
        registry_file: "/redfish/v1/Registries/BiosAttributeRegistryGeneric.v1_0_0.json",
        media_owners: &["Managers"],
        media: &[
            Slot {
                id: "CD1",
                media: &["CD", "DVD"],
            },
            Slot {
                id: "USB1",
                media: &["USBStick", "Floppy"],
            },
        ],
        reset_types: RESETS,
        boot_targets: TARGETS,
        attributes: include_str!("../data/bios-generic.yaml"),
    }
}

pub fn layout(_profile: Profile) -> Layout {
    generic()
}

pub fn adjust(_builder: &mut Builder, _layout: &Layout) {}
