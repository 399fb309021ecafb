//! BIOS, its settings resource and its attribute registry, from a data file per profile.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Builder, Layout, reference};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeFile {
    /// What the BIOS names; absent where no registry is published.
    #[serde(default)]
    registry: Option<String>,
    attributes: Vec<Row>,
    /// Attributes that hang on others.
    #[serde(default)]
    dependencies: Vec<Hanging>,
}

/// While `when` is one of `is` (or is not `is-not`), `property` of `to` is `value`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Hanging {
    to: String,
    property: String,
    value: Value,
    when: String,
    #[serde(default)]
    is: Vec<String>,
    #[serde(default)]
    is_not: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Row {
    name: String,
    display: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    integer: Option<[i64; 2]>,
    #[serde(default)]
    string: Option<u64>,
    #[serde(default)]
    boolean: bool,
    default: Value,
    #[serde(default)]
    read_only: bool,
}

pub fn build(builder: &mut Builder, layout: &Layout) {
    let file: AttributeFile = serde_saphyr::from_str(layout.attributes)
        .expect("the crate's own attribute files are valid, which a test holds");
    let attributes: Map<String, Value> = file
        .attributes
        .iter()
        .map(|row| (row.name.clone(), row.default.clone()))
        .collect();
    let bios = layout.bios.to_owned();
    let settings = format!("{bios}/{}", layout.settings);
    builder.add(
        &bios,
        "Bios.v1_2_1",
        json!({
            "Name": "BIOS Configuration Current Settings",
            "AttributeRegistry": file.registry,
            "Attributes": attributes,
            "ResetBiosToDefaultsPending": false,
            "@Redfish.Settings": {
                "@odata.type": "#Settings.v1_3_5.Settings",
                "SettingsObject": reference(&settings),
                "SupportedApplyTimes": ["OnReset"],
            },
            "Actions": {
                "#Bios.ResetBios": {"target": format!("{bios}/Actions/Bios.ResetBios")},
                "#Bios.ChangePassword": {"target": format!("{bios}/Actions/Bios.ChangePassword")},
            },
        }),
    );
    builder.add(
        &settings,
        "Bios.v1_2_1",
        json!({
            "Name": "BIOS Configuration Pending Settings",
            "AttributeRegistry": file.registry,
            "Attributes": attributes,
        }),
    );
    if let Some(name) = &file.registry {
        publish(builder, layout, &file, name);
    } else {
        registries(builder, &[]);
        for path in [&bios, &settings] {
            if let Some(object) = builder.document(path).as_object_mut() {
                object.shift_remove("AttributeRegistry");
            }
        }
    }
}

fn publish(builder: &mut Builder, layout: &Layout, file: &AttributeFile, name: &str) {
    registries(builder, &[layout.registry_entry]);
    builder.add(
        &format!("/redfish/v1/Registries/{}", layout.registry_entry),
        "MessageRegistryFile.v1_1_3",
        json!({
            "Name": "BIOS Attribute Registry File",
            "Languages": ["en"],
            "Registry": name,
            "Location": [{"Language": "en", "Uri": layout.registry_file}],
        }),
    );
    builder.insert(layout.registry_file, registry(file, layout, name));
}

fn registries(builder: &mut Builder, ids: &[&str]) {
    builder.collection(
        "/redfish/v1/Registries",
        "MessageRegistryFileCollection",
        "Registries",
        ids,
    );
}

fn registry(file: &AttributeFile, layout: &Layout, name: &str) -> Value {
    let (_, version) = name.rsplit_once(".v").unwrap_or(("", "1_0_0"));
    json!({
        "@odata.type": "#AttributeRegistry.v1_3_8.AttributeRegistry",
        "Id": name,
        "Name": "BIOS Attribute Registry",
        "Language": "en",
        "OwningEntity": layout.manufacturer,
        "RegistryVersion": version.replace('_', "."),
        "SupportedSystems": [{"ProductName": layout.model, "SystemId": "EM1", "FirmwareVersion": layout.bios_version}],
        "RegistryEntries": {
            "Attributes": file.attributes.iter().map(entry).collect::<Vec<_>>(),
            "Menus": [{"MenuName": "Setup", "DisplayName": "Setup", "DisplayOrder": 1, "MenuPath": "./", "ReadOnly": false, "GrayOut": false}],
            "Dependencies": file.dependencies.iter().map(dependency).collect::<Vec<_>>(),
        },
    })
}

fn dependency(row: &Hanging) -> Value {
    let term = |condition: &str, value: &str| {
        json!({
            "MapFromAttribute": row.when,
            "MapFromProperty": "CurrentValue",
            "MapFromCondition": condition,
            "MapFromValue": value,
        })
    };
    let mut terms: Vec<Value> = row.is.iter().map(|value| term("EQU", value)).collect();
    terms.extend(row.is_not.iter().map(|value| term("NEQ", value)));
    for joined in terms.iter_mut().skip(1) {
        joined["MapTerms"] = json!("OR");
    }
    json!({
        "DependencyFor": row.to,
        "Type": "Map",
        "Dependency": {
            "MapFrom": terms,
            "MapToAttribute": row.to,
            "MapToProperty": row.property,
            "MapToValue": row.value,
        },
    })
}

fn entry(row: &Row) -> Value {
    let mut entry = json!({
        "AttributeName": row.name,
        "DisplayName": row.display,
        "DefaultValue": row.default,
        "MenuPath": "./",
        "ReadOnly": row.read_only,
        "ResetRequired": true,
    });
    if let Some([lower, upper]) = row.integer {
        entry["Type"] = json!("Integer");
        entry["LowerBound"] = json!(lower);
        entry["UpperBound"] = json!(upper);
        entry["ScalarIncrement"] = json!(1);
    } else if let Some(longest) = row.string {
        entry["Type"] = json!("String");
        entry["MinLength"] = json!(0);
        entry["MaxLength"] = json!(longest);
    } else if row.boolean {
        entry["Type"] = json!("Boolean");
    } else {
        entry["Type"] = json!("Enumeration");
        entry["Value"] = row
            .values
            .iter()
            .map(|value| json!({"ValueName": value, "ValueDisplayName": value}))
            .collect();
    }
    entry
}
