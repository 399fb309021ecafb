//! What each profile has elsewhere, under another name, or not at all.

mod ami;
mod idrac;
mod ilo;
mod openbmc;
mod supermicro;
mod xcc;

use super::{Builder, Layout, Owner, Slot};
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
/// Most vendors' list; those without `PowerCycle` leave out the last.
const VENDOR_RESETS: &[&str] = &[
    "On",
    "ForceOff",
    "GracefulShutdown",
    "ForceRestart",
    "Nmi",
    "PushPowerButton",
    "GracefulRestart",
    "PowerCycle",
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
        bios: "/redfish/v1/Systems/1/Bios",
        settings: "Settings",
        registry_entry: "BiosAttributeRegistryGeneric.v1_0_0",
        registry_file: "/redfish/v1/Registries/BiosAttributeRegistryGeneric.v1_0_0.json",
        push: "/redfish/v1/UpdateService/push",
        multipart: "/redfish/v1/UpdateService/upload",
        media: &[(
            Owner::Manager,
            &[
                Slot {
                    id: "CD1",
                    media: &["CD", "DVD"],
                },
                Slot {
                    id: "USB1",
                    media: &["USBStick", "Floppy"],
                },
            ],
        )],
        apply_times: &["Immediate", "OnReset"],
        reset_types: RESETS,
        boot_targets: TARGETS,
        attributes: include_str!("../../data/bios-generic.yaml"),
    }
}

pub fn layout(profile: Profile) -> Layout {
    match profile {
        Profile::Generic => generic(),
        Profile::Idrac => idrac::layout(),
        Profile::Ilo => ilo::layout(),
        Profile::Xcc => xcc::layout(),
        Profile::Supermicro => supermicro::layout(),
        Profile::Ami => ami::layout(),
        Profile::Openbmc => openbmc::layout(),
    }
}

pub fn adjust(builder: &mut Builder, layout: &Layout, profile: Profile) {
    match profile {
        Profile::Generic => {}
        Profile::Idrac => idrac::adjust(builder, layout),
        Profile::Ilo => ilo::adjust(builder, layout),
        Profile::Xcc => xcc::adjust(builder, layout),
        Profile::Supermicro => supermicro::adjust(builder, layout),
        Profile::Ami => ami::adjust(builder, layout),
        Profile::Openbmc => openbmc::adjust(builder, layout),
    }
}

/// Removes a property, where it is there.
fn forget(builder: &mut Builder, path: &str, properties: &[&str]) {
    if let Some(object) = builder.document(path).as_object_mut() {
        for property in properties {
            object.shift_remove(*property);
        }
    }
}
