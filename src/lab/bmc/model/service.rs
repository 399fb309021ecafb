//! Service root and the services below it.

use serde_json::{Value, json};

use super::{Builder, Layout, healthy, reference};

pub fn build(builder: &mut Builder, layout: &Layout) {
    root(builder, layout);
    sessions(builder);
    accounts(builder);
    tasks(builder);
    events(builder);
    updates(builder, layout);
    certificates(builder, layout);
}

fn root(builder: &mut Builder, layout: &Layout) {
    builder.insert("/redfish", json!({"v1": "/redfish/v1/"}));
    builder.add(
        "/redfish/v1",
        "ServiceRoot.v1_16_0",
        json!({
            "@odata.id": "/redfish/v1/",
            "Id": "RootService",
            "Name": "Root Service",
            "RedfishVersion": layout.redfish,
            "UUID": "{{uuid}}",
            "Vendor": layout.vendor,
            "Product": layout.product,
            "ProtocolFeaturesSupported": {
                "ExpandQuery": {"ExpandAll": true, "Levels": true, "Links": true, "NoLinks": true, "MaxLevels": 3},
                "SelectQuery": true,
                "FilterQuery": false,
                "OnlyMemberQuery": true,
                "ExcerptQuery": false,
                "DeepOperations": {"DeepPATCH": false, "DeepPOST": false},
            },
            "Systems": reference("/redfish/v1/Systems"),
            "Chassis": reference("/redfish/v1/Chassis"),
            "Managers": reference("/redfish/v1/Managers"),
            "Tasks": reference("/redfish/v1/TaskService"),
            "JobService": reference("/redfish/v1/JobService"),
            "SessionService": reference("/redfish/v1/SessionService"),
            "AccountService": reference("/redfish/v1/AccountService"),
            "EventService": reference("/redfish/v1/EventService"),
            "UpdateService": reference("/redfish/v1/UpdateService"),
            "CertificateService": reference("/redfish/v1/CertificateService"),
            "Registries": reference("/redfish/v1/Registries"),
            "Links": {"Sessions": reference("/redfish/v1/SessionService/Sessions")},
        }),
    );
    for (path, kind, name, id) in [
        (
            "Systems",
            "ComputerSystemCollection",
            "Computer Systems",
            layout.system,
        ),
        ("Managers", "ManagerCollection", "Managers", layout.manager),
        ("Chassis", "ChassisCollection", "Chassis", layout.chassis),
    ] {
        builder.collection(&format!("/redfish/v1/{path}"), kind, name, &[id]);
    }
    let services: Vec<Value> = [
        "Systems",
        "Managers",
        "Chassis",
        "TaskService",
        "SessionService",
        "AccountService",
        "EventService",
        "UpdateService",
        "Registries",
    ]
    .iter()
    .map(|name| json!({"name": name, "kind": "Singleton", "url": format!("/redfish/v1/{name}")}))
    .chain([json!({"name": "Service", "kind": "Singleton", "url": "/redfish/v1/"})])
    .collect();
    builder.insert(
        "/redfish/v1/odata",
        json!({"@odata.context": "/redfish/v1/$metadata", "value": services}),
    );
}

fn sessions(builder: &mut Builder) {
    builder.add(
        "/redfish/v1/SessionService",
        "SessionService.v1_1_9",
        json!({
            "Name": "Session Service",
            "Status": healthy(),
            "ServiceEnabled": true,
            "SessionTimeout": 1800,
            "Sessions": reference("/redfish/v1/SessionService/Sessions"),
        }),
    );
    builder.collection(
        "/redfish/v1/SessionService/Sessions",
        "SessionCollection",
        "Sessions",
        &[],
    );
}

fn accounts(builder: &mut Builder) {
    let service = "/redfish/v1/AccountService";
    builder.add(
        service,
        "AccountService.v1_15_0",
        json!({
            "Name": "Account Service",
            "Status": healthy(),
            "ServiceEnabled": true,
            "MinPasswordLength": 8,
            "MaxPasswordLength": 40,
            "AccountLockoutThreshold": 0,
            "Accounts": reference("/redfish/v1/AccountService/Accounts"),
            "Roles": reference("/redfish/v1/AccountService/Roles"),
        }),
    );
    builder.collection(
        &format!("{service}/Accounts"),
        "ManagerAccountCollection",
        "Accounts",
        &["1"],
    );
    builder.add(
        &format!("{service}/Accounts/1"),
        "ManagerAccount.v1_12_0",
        json!({
            "Name": "User Account",
            "Enabled": true,
            "Locked": false,
            "Password": null,
            "PasswordChangeRequired": false,
            "UserName": "{{user}}",
            "RoleId": "Administrator",
            "AccountTypes": ["Redfish"],
            "Links": {"Role": reference(&format!("{service}/Roles/Administrator"))},
        }),
    );
    builder.collection(
        &format!("{service}/Roles"),
        "RoleCollection",
        "Roles",
        &["Administrator", "Operator", "ReadOnly"],
    );
    for (role, privileges) in [
        (
            "Administrator",
            &[
                "Login",
                "ConfigureManager",
                "ConfigureUsers",
                "ConfigureSelf",
                "ConfigureComponents",
            ][..],
        ),
        (
            "Operator",
            &["Login", "ConfigureSelf", "ConfigureComponents"][..],
        ),
        ("ReadOnly", &["Login", "ConfigureSelf"][..]),
    ] {
        builder.add(
            &format!("{service}/Roles/{role}"),
            "Role.v1_3_1",
            json!({
                "Name": format!("{role} Role"),
                "RoleId": role,
                "IsPredefined": true,
                "AssignedPrivileges": privileges,
            }),
        );
    }
}

fn tasks(builder: &mut Builder) {
    builder.add(
        "/redfish/v1/TaskService",
        "TaskService.v1_2_0",
        json!({
            "Name": "Task Service",
            "Status": healthy(),
            "ServiceEnabled": true,
            "DateTime": "{{now}}",
            "CompletedTaskOverWritePolicy": "Oldest",
            "LifeCycleEventOnTaskStateChange": false,
            "Tasks": reference("/redfish/v1/TaskService/Tasks"),
        }),
    );
    builder.collection(
        "/redfish/v1/TaskService/Tasks",
        "TaskCollection",
        "Tasks",
        &[],
    );
    builder.add(
        "/redfish/v1/JobService",
        "JobService.v1_0_4",
        json!({
            "Name": "Job Service",
            "Status": healthy(),
            "ServiceEnabled": true,
            "DateTime": "{{now}}",
            "ServiceCapabilities": {"MaxJobs": 256, "MaxSteps": 1, "Scheduling": false},
            "Jobs": reference("/redfish/v1/JobService/Jobs"),
        }),
    );
    builder.collection("/redfish/v1/JobService/Jobs", "JobCollection", "Jobs", &[]);
}

fn events(builder: &mut Builder) {
    builder.add(
        "/redfish/v1/EventService",
        "EventService.v1_10_0",
        json!({
            "Name": "Event Service",
            "Status": healthy(),
            "ServiceEnabled": true,
            "DeliveryRetryAttempts": 3,
            "DeliveryRetryIntervalSeconds": 30,
            "EventFormatTypes": ["Event"],
            "RegistryPrefixes": ["Base"],
            "ResourceTypes": ["ComputerSystem", "Manager", "Task"],
            "Subscriptions": reference("/redfish/v1/EventService/Subscriptions"),
            "Actions": {"#EventService.SubmitTestEvent": {"target": "/redfish/v1/EventService/Actions/EventService.SubmitTestEvent"}},
        }),
    );
    builder.collection(
        "/redfish/v1/EventService/Subscriptions",
        "EventDestinationCollection",
        "Event Subscriptions",
        &[],
    );
}

fn updates(builder: &mut Builder, layout: &Layout) {
    let service = "/redfish/v1/UpdateService";
    builder.add(
        service,
        "UpdateService.v1_12_0",
        json!({
            "Name": "Update Service",
            "Status": healthy(),
            "ServiceEnabled": true,
            "HttpPushUri": layout.push,
            "MultipartHttpPushUri": layout.multipart,
            "MaxImageSizeBytes": 268_435_456,
            "FirmwareInventory": reference("/redfish/v1/UpdateService/FirmwareInventory"),
            "Actions": {"#UpdateService.SimpleUpdate": {
                "target": "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate",
                "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS"],
            }},
        }),
    );
    if !layout.apply_times.is_empty() {
        let support = apply_time_support(layout);
        let document = builder.document(service);
        document["MultipartHttpPushUri@Redfish.OperationApplyTimeSupport"] = support.clone();
        document["Actions"]["#UpdateService.SimpleUpdate"]["@Redfish.OperationApplyTimeSupport"] =
            support;
    }
    builder.collection(
        &format!("{service}/FirmwareInventory"),
        "SoftwareInventoryCollection",
        "Firmware Inventory",
        &["BMC", "BIOS", "NIC1"],
    );
    for (id, name, version, related) in [
        (
            "BMC",
            "BMC Firmware",
            layout.firmware,
            layout.manager_path(),
        ),
        (
            "BIOS",
            "System BIOS",
            layout.bios_version,
            layout.bios.to_owned(),
        ),
        (
            "NIC1",
            "Network Adapter Firmware",
            "22.41.1000",
            format!("{}/NetworkAdapters/NIC1", layout.chassis_path()),
        ),
    ] {
        builder.add(
            &format!("{service}/FirmwareInventory/{id}"),
            "SoftwareInventory.v1_10_0",
            json!({
                "Name": name,
                "Status": healthy(),
                "Updateable": true,
                "Version": version,
                "Manufacturer": layout.manufacturer,
                "RelatedItem": [reference(&related)],
                "RelatedItem@odata.count": 1,
            }),
        );
    }
}

pub fn apply_time_support(layout: &Layout) -> Value {
    json!({
        "@odata.type": "#Settings.v1_3_5.OperationApplyTimeSupport",
        "SupportedValues": layout.apply_times,
    })
}

fn certificates(builder: &mut Builder, layout: &Layout) {
    let service = "/redfish/v1/CertificateService";
    let https = format!(
        "{}/NetworkProtocol/HTTPS/Certificates",
        layout.manager_path()
    );
    builder.add(
        service,
        "CertificateService.v1_0_4",
        json!({
            "Name": "Certificate Service",
            "CertificateLocations": reference(&format!("{service}/CertificateLocations")),
            "Actions": {
                "#CertificateService.GenerateCSR": {"target": format!("{service}/Actions/CertificateService.GenerateCSR")},
                "#CertificateService.ReplaceCertificate": {"target": format!("{service}/Actions/CertificateService.ReplaceCertificate")},
            },
        }),
    );
    builder.add(
        &format!("{service}/CertificateLocations"),
        "CertificateLocations.v1_0_4",
        json!({
            "Name": "Certificate Locations",
            "Links": {"Certificates": [reference(&format!("{https}/1"))], "Certificates@odata.count": 1},
        }),
    );
    builder.collection(
        &https,
        "CertificateCollection",
        "HTTPS Certificates",
        &["1"],
    );
    builder.add(
        &format!("{https}/1"),
        "Certificate.v1_8_0",
        json!({
            "Name": "HTTPS Certificate",
            "CertificateType": "PEM",
            "CertificateString": "{{certificate}}",
            "CertificateUsageTypes": ["Web"],
        }),
    );
}
