//! Chassis: power supplies, fans, temperatures, network adapters.

use serde_json::{Value, json};

use super::{Builder, Layout, healthy, reference};

pub fn build(builder: &mut Builder, layout: &Layout) {
    let path = layout.chassis_path();
    let below = |name: &str| reference(&format!("{path}/{name}"));
    builder.add(
        &path,
        "Chassis.v1_25_0",
        json!({
            "Name": "Chassis",
            "ChassisType": "RackMount",
            "Manufacturer": layout.manufacturer,
            "Model": layout.model,
            "SKU": "EM1",
            "SerialNumber": "{{serial}}",
            "PartNumber": "EM-0001",
            "AssetTag": "",
            "PowerState": "Off",
            "LocationIndicatorActive": false,
            "Status": healthy(),
            "Power": below("Power"),
            "Thermal": below("Thermal"),
            "NetworkAdapters": below("NetworkAdapters"),
            "Links": {
                "ComputerSystems": [reference(&layout.system_path())],
                "ManagedBy": [reference(&layout.manager_path())],
                "ManagersInChassis": [reference(&layout.manager_path())],
            },
        }),
    );
    power(builder, &path);
    thermal(builder, &path);
    adapters(builder, &path);
}

fn power(builder: &mut Builder, chassis: &str) {
    let path = format!("{chassis}/Power");
    let supply = |number: usize| {
        json!({
            "@odata.id": format!("{path}#/PowerSupplies/{}", number - 1),
            "MemberId": (number - 1).to_string(),
            "Name": format!("Power Supply {number}"),
            "PowerSupplyType": "AC",
            "PowerCapacityWatts": 1400,
            "LineInputVoltage": 230,
            "LastPowerOutputWatts": 180,
            "Manufacturer": "Example",
            "Model": "EM-PSU",
            "SerialNumber": format!("{{{{serial}}}}-P{number}"),
            "FirmwareVersion": "1.0",
            "Status": healthy(),
        })
    };
    builder.add(
        &path,
        "Power.v1_7_1",
        json!({
            "Name": "Power",
            "PowerControl": [{
                "@odata.id": format!("{path}#/PowerControl/0"),
                "MemberId": "0",
                "Name": "System Power Control",
                "PowerConsumedWatts": 360,
                "PowerCapacityWatts": 2800,
                "Status": healthy(),
            }],
            "PowerControl@odata.count": 1,
            "PowerSupplies": [supply(1), supply(2)],
            "PowerSupplies@odata.count": 2,
        }),
    );
}

fn thermal(builder: &mut Builder, chassis: &str) {
    let path = format!("{chassis}/Thermal");
    let temperatures: Vec<Value> = [
        ("CPU1 Temp", 41, "CPU"),
        ("CPU2 Temp", 43, "CPU"),
        ("Inlet Temp", 22, "Intake"),
    ]
    .iter()
    .enumerate()
    .map(|(position, (name, reading, place))| {
        json!({
            "@odata.id": format!("{path}#/Temperatures/{position}"),
            "MemberId": position.to_string(),
            "Name": name,
            "ReadingCelsius": reading,
            "UpperThresholdCritical": 95,
            "PhysicalContext": place,
            "Status": healthy(),
        })
    })
    .collect();
    let fans: Vec<Value> = (0..4)
        .map(|position| {
            json!({
                "@odata.id": format!("{path}#/Fans/{position}"),
                "MemberId": position.to_string(),
                "Name": format!("Fan {}", position + 1),
                "Reading": 6200,
                "ReadingUnits": "RPM",
                "Status": healthy(),
            })
        })
        .collect();
    builder.add(
        &path,
        "Thermal.v1_7_1",
        json!({
            "Name": "Thermal",
            "Temperatures": temperatures,
            "Temperatures@odata.count": 3,
            "Fans": fans,
            "Fans@odata.count": 4,
        }),
    );
}

fn adapters(builder: &mut Builder, chassis: &str) {
    let collection = format!("{chassis}/NetworkAdapters");
    let path = format!("{collection}/NIC1");
    builder.collection(
        &collection,
        "NetworkAdapterCollection",
        "Network Adapters",
        &["NIC1"],
    );
    builder.add(
        &path,
        "NetworkAdapter.v1_10_0",
        json!({
            "Name": "Network Adapter",
            "Manufacturer": "Example",
            "Model": "EM-NIC 25G",
            "PartNumber": "EM-N25",
            "SerialNumber": "{{serial}}-N1",
            "Status": healthy(),
            "Controllers": [{
                "FirmwarePackageVersion": "22.41.1000",
                "ControllerCapabilities": {
                    "NetworkPortCount": 2,
                    "NetworkDeviceFunctionCount": 2,
                    "VirtualizationOffload": {"SRIOV": {"SRIOVVEPACapable": true}, "VirtualFunction": {"DeviceMaxCount": 64}},
                },
            }],
            "Ports": reference(&format!("{path}/Ports")),
            "NetworkDeviceFunctions": reference(&format!("{path}/NetworkDeviceFunctions")),
        }),
    );
    builder.collection(
        &format!("{path}/Ports"),
        "PortCollection",
        "Ports",
        &["1", "2"],
    );
    builder.collection(
        &format!("{path}/NetworkDeviceFunctions"),
        "NetworkDeviceFunctionCollection",
        "Network Device Functions",
        &["1", "2"],
    );
    for number in 1..=2 {
        let mac = format!("{{{{mac:{number}}}}}");
        builder.add(
            &format!("{path}/Ports/{number}"),
            "Port.v1_11_0",
            json!({
                "Name": format!("Port {number}"),
                "PortId": number.to_string(),
                "PortProtocol": "Ethernet",
                "LinkStatus": "LinkUp",
                "LinkState": "Enabled",
                "CurrentSpeedGbps": 25,
                "MaxSpeedGbps": 25,
                "Ethernet": {"AssociatedMACAddresses": [mac]},
                "Status": healthy(),
            }),
        );
        builder.add(
            &format!("{path}/NetworkDeviceFunctions/{number}"),
            "NetworkDeviceFunction.v1_9_0",
            json!({
                "Name": format!("Function {number}"),
                "NetDevFuncType": "Ethernet",
                "DeviceEnabled": true,
                "MaxVirtualFunctions": 64,
                "Ethernet": {"MACAddress": mac, "PermanentMACAddress": mac, "MTUSize": 1500},
                "Status": healthy(),
            }),
        );
    }
}
