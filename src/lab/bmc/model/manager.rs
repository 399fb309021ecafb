//! The BMC itself: network, virtual media, logs.

use serde_json::{Value, json};

use super::{Builder, Layout, Owner, Slot, healthy, reference, system};

pub fn build(builder: &mut Builder, layout: &Layout) {
    let path = layout.manager_path();
    let below = |name: &str| reference(&format!("{path}/{name}"));
    builder.add(
        &path,
        "Manager.v1_19_0",
        json!({
            "Name": "Manager",
            "ManagerType": "BMC",
            "Manufacturer": layout.manufacturer,
            "Model": layout.bmc_model,
            "FirmwareVersion": layout.firmware,
            "UUID": "{{uuid}}",
            "ServiceEntryPointUUID": "{{uuid}}",
            "DateTime": "{{now}}",
            "DateTimeLocalOffset": "+00:00",
            "LastResetTime": "{{now}}",
            "PowerState": "On",
            "Status": healthy(),
            "GraphicalConsole": {"ServiceEnabled": true, "MaxConcurrentSessions": 2, "ConnectTypesSupported": ["KVMIP"]},
            "SerialConsole": {"ServiceEnabled": true, "MaxConcurrentSessions": 1, "ConnectTypesSupported": ["SSH"]},
            "CommandShell": {"ServiceEnabled": true, "MaxConcurrentSessions": 4, "ConnectTypesSupported": ["SSH"]},
            "EthernetInterfaces": below("EthernetInterfaces"),
            "NetworkProtocol": below("NetworkProtocol"),
            "LogServices": below("LogServices"),
            "Links": {
                "ManagerForServers": [reference(&layout.system_path())],
                "ManagerForChassis": [reference(&layout.chassis_path())],
                "ManagerInChassis": reference(&layout.chassis_path()),
            },
            "Actions": {
                "#Manager.Reset": {
                    "target": format!("{path}/Actions/Manager.Reset"),
                    "ResetType@Redfish.AllowableValues": ["ForceRestart", "GracefulRestart"],
                },
                "#Manager.ResetToDefaults": {
                    "target": format!("{path}/Actions/Manager.ResetToDefaults"),
                    "ResetType@Redfish.AllowableValues": ["ResetAll", "PreserveNetworkAndUsers"],
                },
            },
        }),
    );
    network(builder, &path);
    system::log(builder, &path, "Log1", "Manager Log");
    for (owner, slots) in layout.media {
        let owner = match owner {
            Owner::System => layout.system_path(),
            Owner::Manager => path.clone(),
        };
        media(builder, &owner, slots);
    }
}

fn network(builder: &mut Builder, manager: &str) {
    let interfaces = format!("{manager}/EthernetInterfaces");
    builder.collection(
        &interfaces,
        "EthernetInterfaceCollection",
        "Manager Ethernet Interfaces",
        &["eth0"],
    );
    builder.add(
        &format!("{interfaces}/eth0"),
        "EthernetInterface.v1_12_0",
        json!({
            "Name": "Manager Ethernet Interface",
            "InterfaceEnabled": true,
            "LinkStatus": "LinkUp",
            "MACAddress": "{{mac:0}}",
            "PermanentMACAddress": "{{mac:0}}",
            "SpeedMbps": 1000,
            "FullDuplex": true,
            "HostName": "bmc-{{name}}",
            "FQDN": "bmc-{{name}}",
            "DHCPv4": {"DHCPEnabled": false, "UseDNSServers": false, "UseNTPServers": false},
            "IPv4Addresses": [{"Address": "{{address}}", "SubnetMask": "255.255.255.0", "AddressOrigin": "Static", "Gateway": "0.0.0.0"}],
            "NameServers": [],
            "StaticNameServers": [],
            "Status": healthy(),
        }),
    );
    let protocol = format!("{manager}/NetworkProtocol");
    builder.add(
        &protocol,
        "ManagerNetworkProtocol.v1_10_0",
        json!({
            "Name": "Manager Network Protocol",
            "HostName": "bmc-{{name}}",
            "FQDN": "bmc-{{name}}",
            "Status": healthy(),
            "HTTP": {"ProtocolEnabled": false, "Port": 80},
            "HTTPS": {"ProtocolEnabled": true, "Port": 443, "Certificates": reference(&format!("{protocol}/HTTPS/Certificates"))},
            "SSH": {"ProtocolEnabled": true, "Port": 22},
            "IPMI": {"ProtocolEnabled": false, "Port": 623},
            "NTP": {"ProtocolEnabled": false, "Port": 123, "NTPServers": []},
            "VirtualMedia": {"ProtocolEnabled": true, "Port": 17_988},
        }),
    );
}

fn media(builder: &mut Builder, owner: &str, slots: &[Slot]) {
    let path = format!("{owner}/VirtualMedia");
    let ids: Vec<&str> = slots.iter().map(|slot| slot.id).collect();
    builder.collection(&path, "VirtualMediaCollection", "Virtual Media", &ids);
    for slot in slots {
        builder.add(
            &format!("{path}/{}", slot.id),
            "VirtualMedia.v1_6_3",
            device(&path, slot),
        );
    }
    builder.document(owner)["VirtualMedia"] = reference(&path);
}

fn device(collection: &str, slot: &Slot) -> Value {
    let path = format!("{collection}/{}", slot.id);
    json!({
        "Name": format!("Virtual {}", slot.media.first().unwrap_or(&"Medium")),
        "MediaTypes": slot.media,
        "Image": null,
        "ImageName": null,
        "Inserted": false,
        "WriteProtected": true,
        "ConnectedVia": "NotConnected",
        "TransferMethod": null,
        "TransferProtocolType": null,
        "UserName": null,
        "Password": null,
        "Actions": {
            "#VirtualMedia.InsertMedia": {"target": format!("{path}/Actions/VirtualMedia.InsertMedia")},
            "#VirtualMedia.EjectMedia": {"target": format!("{path}/Actions/VirtualMedia.EjectMedia")},
        },
    })
}
