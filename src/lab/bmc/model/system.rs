//! The computer system: boot, processors, memory, network interfaces, secure boot, logs.

use serde_json::json;

use super::{Builder, Layout, healthy, reference};

pub fn build(builder: &mut Builder, layout: &Layout) {
    computer(builder, layout);
    boot_options(builder, layout);
    processors(builder, layout);
    memory(builder, layout);
    interfaces(builder, layout);
    secure_boot(builder, layout);
    log(builder, &layout.system_path(), "SEL", "System Event Log");
}

fn computer(builder: &mut Builder, layout: &Layout) {
    let path = layout.system_path();
    let below = |name: &str| reference(&format!("{path}/{name}"));
    builder.add(
        &path,
        "ComputerSystem.v1_22_0",
        json!({
            "Name": "System",
            "SystemType": "Physical",
            "AssetTag": "",
            "Manufacturer": layout.manufacturer,
            "Model": layout.model,
            "SKU": "EM1",
            "SerialNumber": "{{serial}}",
            "PartNumber": "EM-0001",
            "UUID": "{{uuid}}",
            "HostName": "",
            "Status": healthy(),
            "LocationIndicatorActive": false,
            "PowerState": "Off",
            "PowerRestorePolicy": "LastState",
            "BiosVersion": layout.bios_version,
            "BootProgress": {"LastState": "None"},
            "LastResetTime": "{{now}}",
            "Boot": {
                "BootSourceOverrideEnabled": "Disabled",
                "BootSourceOverrideEnabled@Redfish.AllowableValues": ["Disabled", "Once", "Continuous"],
                "BootSourceOverrideTarget": "None",
                "BootSourceOverrideTarget@Redfish.AllowableValues": layout.boot_targets,
                "BootSourceOverrideMode": "UEFI",
                "BootSourceOverrideMode@Redfish.AllowableValues": ["UEFI", "Legacy"],
                "UefiTargetBootSourceOverride": null,
                "HttpBootUri": null,
                "BootOptions": below("BootOptions"),
                "BootOrder": ["Boot0001", "Boot0002", "Boot0003", "Boot0004"],
            },
            "ProcessorSummary": {"Count": 2, "CoreCount": 64, "LogicalProcessorCount": 128, "Model": "Example Processor 9000", "Status": healthy()},
            "MemorySummary": {"TotalSystemMemoryGiB": 256, "Status": healthy()},
            "TrustedModules": [{"InterfaceType": "TPM2_0", "FirmwareVersion": "7.2.3.1", "Status": healthy()}],
            "Bios": reference(layout.bios),
            "SecureBoot": below("SecureBoot"),
            "Processors": below("Processors"),
            "Memory": below("Memory"),
            "EthernetInterfaces": below("EthernetInterfaces"),
            "Storage": below("Storage"),
            "LogServices": below("LogServices"),
            "Links": {
                "Chassis": [reference(&layout.chassis_path())],
                "ManagedBy": [reference(&layout.manager_path())],
            },
            "Actions": {"#ComputerSystem.Reset": {
                "target": format!("{path}/Actions/ComputerSystem.Reset"),
                "ResetType@Redfish.AllowableValues": layout.reset_types,
                "@Redfish.ActionInfo": format!("{path}/ResetActionInfo"),
            }},
        }),
    );
    builder.add(
        &format!("{path}/ResetActionInfo"),
        "ActionInfo.v1_4_0",
        json!({
            "Name": "Reset Action Info",
            "Parameters": [{"Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": layout.reset_types}],
        }),
    );
}

fn boot_options(builder: &mut Builder, layout: &Layout) {
    let path = format!("{}/BootOptions", layout.system_path());
    let rows = [
        (
            "Boot0001",
            "Boot Drive",
            "Hdd",
            "HD(1,GPT,6D1F2E30-0000-4000-8000-000000000001)/\\EFI\\BOOT\\BOOTX64.EFI",
        ),
        (
            "Boot0002",
            "PXE IPv4 NIC 1",
            "Pxe",
            "PciRoot(0x0)/Pci(0x1,0x0)/Pci(0x0,0x0)/MAC({{mac:1}},0x1)/IPv4(0.0.0.0)",
        ),
        (
            "Boot0003",
            "HTTP IPv4 NIC 1",
            "UefiHttp",
            "PciRoot(0x0)/Pci(0x1,0x0)/Pci(0x0,0x0)/MAC({{mac:1}},0x1)/IPv4(0.0.0.0)/Uri()",
        ),
        (
            "Boot0004",
            "Virtual CD",
            "Cd",
            "PciRoot(0x0)/Pci(0x14,0x0)/USB(0xD,0x0)/CDROM(0x1)",
        ),
    ];
    builder.collection(
        &path,
        "BootOptionCollection",
        "Boot Options",
        &rows.map(|row| row.0),
    );
    for (id, display, alias, uefi) in rows {
        builder.add(
            &format!("{path}/{id}"),
            "BootOption.v1_0_5",
            json!({
                "Name": display,
                "DisplayName": display,
                "BootOptionReference": id,
                "BootOptionEnabled": true,
                "Alias": alias,
                "UefiDevicePath": uefi,
            }),
        );
    }
}

fn processors(builder: &mut Builder, layout: &Layout) {
    let path = format!("{}/Processors", layout.system_path());
    builder.collection(
        &path,
        "ProcessorCollection",
        "Processors",
        &["CPU1", "CPU2"],
    );
    for socket in 1..=2 {
        builder.add(
            &format!("{path}/CPU{socket}"),
            "Processor.v1_20_0",
            json!({
                "Name": format!("Processor {socket}"),
                "Socket": format!("CPU {socket}"),
                "ProcessorType": "CPU",
                "ProcessorArchitecture": "x86",
                "InstructionSet": "x86-64",
                "Manufacturer": "Example",
                "Model": "Example Processor 9000",
                "MaxSpeedMHz": 3500,
                "OperatingSpeedMHz": 2400,
                "TotalCores": 32,
                "TotalThreads": 64,
                "SerialNumber": format!("{{{{serial}}}}-C{socket}"),
                "Status": healthy(),
            }),
        );
    }
}

fn memory(builder: &mut Builder, layout: &Layout) {
    let path = format!("{}/Memory", layout.system_path());
    let ids = ["DIMM1", "DIMM2", "DIMM3", "DIMM4"];
    builder.collection(&path, "MemoryCollection", "Memory Modules", &ids);
    for (position, id) in ids.iter().enumerate() {
        builder.add(
            &format!("{path}/{id}"),
            "Memory.v1_19_0",
            json!({
                "Name": format!("Memory Module {}", position + 1),
                "MemoryType": "DRAM",
                "MemoryDeviceType": "DDR5",
                "BaseModuleType": "RDIMM",
                "CapacityMiB": 65_536,
                "DataWidthBits": 64,
                "BusWidthBits": 80,
                "ErrorCorrection": "MultiBitECC",
                "OperatingSpeedMhz": 4800,
                "RankCount": 2,
                "Manufacturer": "Example",
                "PartNumber": "EM64G-4800",
                "SerialNumber": format!("{{{{serial}}}}-M{}", position + 1),
                "MemoryLocation": {"Socket": position / 2 + 1, "Slot": position % 2 + 1},
                "Status": healthy(),
            }),
        );
    }
}

fn interfaces(builder: &mut Builder, layout: &Layout) {
    let path = format!("{}/EthernetInterfaces", layout.system_path());
    builder.collection(
        &path,
        "EthernetInterfaceCollection",
        "System Ethernet Interfaces",
        &["NIC1", "NIC2"],
    );
    for number in 1..=2 {
        builder.add(
            &format!("{path}/NIC{number}"),
            "EthernetInterface.v1_12_0",
            json!({
                "Name": format!("Ethernet Interface {number}"),
                "InterfaceEnabled": true,
                "LinkStatus": "LinkUp",
                "MACAddress": format!("{{{{mac:{number}}}}}"),
                "PermanentMACAddress": format!("{{{{mac:{number}}}}}"),
                "SpeedMbps": 25_000,
                "FullDuplex": true,
                "MTUSize": 1500,
                "UefiDevicePath": format!("PciRoot(0x0)/Pci(0x1,0x0)/Pci(0x0,0x{})", number - 1),
                "Status": healthy(),
            }),
        );
    }
}

fn secure_boot(builder: &mut Builder, layout: &Layout) {
    let path = format!("{}/SecureBoot", layout.system_path());
    builder.add(
        &path,
        "SecureBoot.v1_1_0",
        json!({
            "Name": "UEFI Secure Boot",
            "SecureBootEnable": false,
            "SecureBootCurrentBoot": "Disabled",
            "SecureBootMode": "UserMode",
            "Actions": {"#SecureBoot.ResetKeys": {
                "target": format!("{path}/Actions/SecureBoot.ResetKeys"),
                "ResetKeysType@Redfish.AllowableValues": ["ResetAllKeysToDefault", "DeleteAllKeys", "DeletePK"],
            }},
        }),
    );
}

/// A log service with an entry collection that is filled from the BMC's own log.
pub fn log(builder: &mut Builder, owner: &str, id: &str, name: &str) {
    let services = format!("{owner}/LogServices");
    let path = format!("{services}/{id}");
    builder.collection(&services, "LogServiceCollection", "Log Services", &[id]);
    builder.add(
        &path,
        "LogService.v1_5_0",
        json!({
            "Name": name,
            "ServiceEnabled": true,
            "LogEntryType": if id == "SEL" { "SEL" } else { "Event" },
            "MaxNumberOfRecords": 200,
            "OverWritePolicy": "WrapsWhenFull",
            "DateTime": "{{now}}",
            "DateTimeLocalOffset": "+00:00",
            "Status": healthy(),
            "Entries": reference(&format!("{path}/Entries")),
            "Actions": {"#LogService.ClearLog": {"target": format!("{path}/Actions/LogService.ClearLog")}},
        }),
    );
    let none: &[&str] = &[];
    builder.collection(
        &format!("{path}/Entries"),
        "LogEntryCollection",
        "Log Entries",
        none,
    );
}
