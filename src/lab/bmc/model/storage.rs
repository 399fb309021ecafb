//! A RAID controller with four drives and one volume.

use serde_json::json;

use super::{Builder, Layout, healthy, reference};

const DRIVES: [(&str, &str, &str, u64); 4] = [
    ("Bay1", "SSD", "SATA", 480_103_981_056),
    ("Bay2", "SSD", "SATA", 480_103_981_056),
    ("Bay3", "SSD", "NVMe", 3_840_755_982_336),
    ("Bay4", "SSD", "NVMe", 3_840_755_982_336),
];

pub fn build(builder: &mut Builder, layout: &Layout) {
    let collection = format!("{}/Storage", layout.system_path());
    let path = format!("{collection}/RAID1");
    builder.collection(&collection, "StorageCollection", "Storage", &["RAID1"]);
    let drive_paths: Vec<String> = DRIVES
        .iter()
        .map(|drive| format!("{path}/Drives/{}", drive.0))
        .collect();
    builder.add(
        &path,
        "Storage.v1_15_0",
        json!({
            "Name": "RAID Controller",
            "Status": healthy(),
            "Controllers": reference(&format!("{path}/Controllers")),
            "Drives": drive_paths.iter().map(|path| reference(path)).collect::<Vec<_>>(),
            "Drives@odata.count": drive_paths.len(),
            "Volumes": reference(&format!("{path}/Volumes")),
        }),
    );
    builder.collection(
        &format!("{path}/Controllers"),
        "StorageControllerCollection",
        "Storage Controllers",
        &["1"],
    );
    builder.add(
        &format!("{path}/Controllers/1"),
        "StorageController.v1_7_0",
        json!({
            "Name": "RAID Controller",
            "Status": healthy(),
            "Manufacturer": "Example",
            "Model": "EM-RAID 9",
            "SerialNumber": "{{serial}}-R1",
            "FirmwareVersion": "52.16.3",
            "SupportedControllerProtocols": ["PCIe"],
            "SupportedDeviceProtocols": ["SATA", "NVMe"],
            "SupportedRAIDTypes": ["RAID0", "RAID1", "RAID5", "RAID10"],
        }),
    );
    for ((id, media, protocol, capacity), drive) in DRIVES.iter().zip(&drive_paths) {
        let volumes = if *id == "Bay1" || *id == "Bay2" {
            json!([reference(&format!("{path}/Volumes/1"))])
        } else {
            json!([])
        };
        builder.add(
            drive,
            "Drive.v1_18_0",
            json!({
                "Name": format!("Drive {id}"),
                "Status": healthy(),
                "MediaType": media,
                "Protocol": protocol,
                "CapacityBytes": capacity,
                "BlockSizeBytes": 512,
                "Manufacturer": "Example",
                "Model": "EM-SSD",
                "SerialNumber": format!("{{{{serial}}}}-D{id}"),
                "Revision": "1.2",
                "EncryptionAbility": "None",
                "FailurePredicted": false,
                "PredictedMediaLifeLeftPercent": 100,
                "Links": {"Volumes@odata.count": volumes.as_array().map_or(0, Vec::len), "Volumes": volumes},
                "Actions": {"#Drive.SecureErase": {"target": format!("{drive}/Actions/Drive.SecureErase")}},
            }),
        );
    }
    builder.collection(
        &format!("{path}/Volumes"),
        "VolumeCollection",
        "Volumes",
        &["1"],
    );
    // Volumes are made and deleted at once here; Ironic's profile wants that said.
    builder.document(&format!("{path}/Volumes"))["@Redfish.OperationApplyTimeSupport"] = json!({
        "@odata.type": "#Settings.v1_3_3.OperationApplyTimeSupport",
        "SupportedValues": ["Immediate"],
    });
    builder.add(
        &format!("{path}/Volumes/1"),
        "Volume.v1_10_0",
        json!({
            "Name": "System",
            "Status": healthy(),
            "RAIDType": "RAID1",
            "CapacityBytes": 480_103_981_056_u64,
            "BlockSizeBytes": 512,
            "Identifiers": [{"DurableName": "{{uuid}}", "DurableNameFormat": "UUID"}],
            "Links": {
                "Drives": [reference(&drive_paths[0]), reference(&drive_paths[1])],
                "Drives@odata.count": 2,
            },
            "Actions": {"#Volume.Initialize": {
                "target": format!("{path}/Volumes/1/Actions/Volume.Initialize"),
                "InitializeType@Redfish.AllowableValues": ["Fast", "Slow"],
            }},
        }),
    );
}
