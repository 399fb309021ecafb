//! The emulator's own model of a server: documents built by functions, one file for each part of
//! the tree. Texts in double braces stand for what differs between BMCs (see [`Identity`]).

mod bios;
mod enclosure;
mod manager;
mod service;
mod storage;
mod system;
mod vendor;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::profile::Profile;
use super::tree::{Document, TextKind, Tree};

/// Where a profile keeps things, and what it calls itself.
pub struct Layout {
    pub vendor: &'static str,
    pub product: &'static str,
    pub manufacturer: &'static str,
    pub model: &'static str,
    pub bmc_model: &'static str,
    pub firmware: &'static str,
    pub bios_version: &'static str,
    pub redfish: &'static str,
    pub system: &'static str,
    pub manager: &'static str,
    pub chassis: &'static str,
    pub bios: &'static str,
    /// Name of the BIOS settings resource below the BIOS.
    pub settings: &'static str,
    /// Identifier of the registry's entry in Registries, which need not be what the BIOS names;
    /// empty where no registry is published.
    pub registry_entry: &'static str,
    pub registry_file: &'static str,
    /// Where images are pushed; empty where they cannot be.
    pub push: &'static str,
    pub multipart: &'static str,
    pub media: &'static [(Owner, &'static [Slot])],
    /// `@Redfish.OperationApplyTime` of updates and volumes; empty where it is not known.
    pub apply_times: &'static [&'static str],
    pub reset_types: &'static [&'static str],
    pub boot_targets: &'static [&'static str],
    pub attributes: &'static str,
}

/// Where virtual media hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    System,
    Manager,
}

/// A virtual media device.
pub struct Slot {
    pub id: &'static str,
    pub media: &'static [&'static str],
}

impl Layout {
    pub fn system_path(&self) -> String {
        format!("/redfish/v1/Systems/{}", self.system)
    }

    pub fn manager_path(&self) -> String {
        format!("/redfish/v1/Managers/{}", self.manager)
    }

    pub fn chassis_path(&self) -> String {
        format!("/redfish/v1/Chassis/{}", self.chassis)
    }
}

/// Builds the tree of a profile.
pub fn build(profile: Profile) -> Tree {
    let layout = vendor::layout(profile);
    let mut builder = Builder::default();
    service::build(&mut builder, &layout);
    system::build(&mut builder, &layout);
    bios::build(&mut builder, &layout);
    storage::build(&mut builder, &layout);
    enclosure::build(&mut builder, &layout);
    manager::build(&mut builder, &layout);
    vendor::adjust(&mut builder, &layout, profile);
    builder.finish()
}

/// Documents under construction.
#[derive(Default)]
pub struct Builder {
    documents: BTreeMap<String, Value>,
}

impl Builder {
    /// Adds a resource. `kind` is `Type.v1_0_0`; `Id` is the path's last segment unless given.
    pub fn add(&mut self, path: &str, kind: &str, body: Value) {
        let name = kind.split('.').next().unwrap_or(kind);
        let mut document = Map::new();
        document.insert("@odata.id".into(), json!(path));
        document.insert("@odata.type".into(), json!(format!("#{kind}.{name}")));
        document.insert(
            "Id".into(),
            json!(path.rsplit('/').next().unwrap_or_default()),
        );
        if let Value::Object(body) = body {
            document.extend(body);
        }
        self.documents
            .insert(path.to_owned(), Value::Object(document));
    }

    /// Adds a collection of the resources with these identifiers below it.
    pub fn collection(&mut self, path: &str, kind: &str, name: &str, ids: &[&str]) {
        let members: Vec<Value> = ids
            .iter()
            .map(|id| reference(&format!("{path}/{id}")))
            .collect();
        self.documents.insert(
            path.to_owned(),
            json!({
                "@odata.id": path,
                "@odata.type": format!("#{kind}.{kind}"),
                "Name": name,
                "Members@odata.count": members.len(),
                "Members": members,
            }),
        );
    }

    pub fn document(&mut self, path: &str) -> &mut Value {
        self.documents.entry(path.to_owned()).or_insert(Value::Null)
    }

    pub fn insert(&mut self, path: &str, document: Value) {
        self.documents.insert(path.to_owned(), document);
    }

    /// Removes a resource and everything below it.
    pub fn prune(&mut self, path: &str) {
        let below = format!("{path}/");
        self.documents
            .retain(|key, _| key != path && !key.starts_with(&below));
    }

    fn finish(self) -> Tree {
        let mut documents: HashMap<Box<str>, Document> = self
            .documents
            .iter()
            .map(|(path, value)| (path.clone().into_boxed_str(), json_document(value)))
            .collect();
        documents.insert(
            "/redfish/v1/$metadata".into(),
            Document {
                status: 200,
                text: metadata(self.documents.values()).into_boxed_str(),
                kind: TextKind::Xml,
            },
        );
        Tree::new(documents)
    }
}

fn json_document(value: &Value) -> Document {
    Document {
        status: 200,
        text: value.to_string().into_boxed_str(),
        kind: TextKind::Json,
    }
}

pub fn reference(path: &str) -> Value {
    json!({"@odata.id": path})
}

pub fn healthy() -> Value {
    json!({"State": "Enabled", "Health": "OK"})
}

/// The OData metadata document: one reference for each schema in use.
pub fn metadata<'a>(documents: impl Iterator<Item = &'a Value>) -> String {
    let mut schemas: BTreeMap<String, Vec<String>> = BTreeMap::new();
    fn walk(value: &Value, schemas: &mut BTreeMap<String, Vec<String>>) {
        match value {
            Value::Object(object) => {
                if let Some(kind) = object.get("@odata.type").and_then(Value::as_str) {
                    let kind = kind.trim_start_matches('#');
                    let namespace = kind.rsplit_once('.').map_or(kind, |parts| parts.0);
                    let name = namespace.split('.').next().unwrap_or(namespace).to_owned();
                    let versions = schemas.entry(name).or_default();
                    if !versions.iter().any(|known| known == namespace) {
                        versions.push(namespace.to_owned());
                    }
                }
                object.values().for_each(|value| walk(value, schemas));
            }
            Value::Array(array) => array.iter().for_each(|value| walk(value, schemas)),
            _ => {}
        }
    }
    documents.for_each(|document| walk(document, &mut schemas));
    for (name, version) in [
        ("Session", "Session.v1_7_0"),
        ("Task", "Task.v1_7_3"),
        ("Message", "Message.v1_1_2"),
    ] {
        schemas.entry(name.into()).or_default().push(version.into());
    }
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">\n",
    );
    for (name, mut versions) in schemas {
        let file = if name.ends_with("Collection") || name == "RedfishExtensions" {
            format!("{name}_v1.xml")
        } else {
            versions.insert(0, name.clone());
            format!("{name}_v1.xml")
        };
        versions.dedup();
        text.push_str(&format!(
            "  <edmx:Reference Uri=\"http://redfish.dmtf.org/schemas/v1/{file}\">\n"
        ));
        for version in versions {
            text.push_str(&format!("    <edmx:Include Namespace=\"{version}\"/>\n"));
        }
        text.push_str("  </edmx:Reference>\n");
    }
    text.push_str(
        "  <edmx:Reference Uri=\"http://redfish.dmtf.org/schemas/v1/RedfishExtensions_v1.xml\">\n    <edmx:Include Namespace=\"RedfishExtensions.v1_0_0\" Alias=\"Redfish\"/>\n  </edmx:Reference>\n  <edmx:DataServices>\n    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">\n      <EntityContainer Name=\"Service\" Extends=\"ServiceRoot.v1_0_0.ServiceContainer\"/>\n    </Schema>\n  </edmx:DataServices>\n</edmx:Edmx>\n",
    );
    text
}

/// What differs between BMCs of one profile; stands for `{{serial}}`, `{{uuid}}`, `{{name}}` and
/// `{{mac:N}}`. It depends on the BMC's name alone.
#[derive(Debug, Clone)]
pub struct Identity {
    name: String,
    hash: u64,
}

impl Identity {
    pub fn new(name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self {
            name: name.to_owned(),
            hash,
        }
    }

    pub fn serial(&self) -> String {
        format!("EM{:08X}", self.hash >> 32)
    }

    pub fn uuid(&self) -> String {
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            self.hash >> 32,
            (self.hash >> 16) & 0xffff,
            self.hash & 0xfff,
            (self.hash >> 12) & 0xfff,
            self.hash & 0xffff_ffff_ffff
        )
    }

    /// A locally administered address.
    pub fn mac(&self, number: u8) -> String {
        let bytes = self.hash.to_be_bytes();
        format!(
            "02:{:02x}:{:02x}:{:02x}:{:02x}:{number:02x}",
            bytes[0], bytes[1], bytes[2], bytes[3]
        )
    }

    /// Puts values for the placeholders: the identity's own, and others from `lookup`, which
    /// gives text as it stands within a JSON string. Unknown ones stay.
    pub fn fill(&self, text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            let Some(length) = rest[start..].find("}}") else {
                break;
            };
            filled.push_str(&rest[..start]);
            let word = &rest[start + 2..start + length];
            match word.strip_prefix("mac:").map(str::parse) {
                Some(Ok(number)) => filled.push_str(&self.mac(number)),
                _ => match word {
                    "serial" => filled.push_str(&self.serial()),
                    "uuid" => filled.push_str(&self.uuid()),
                    "name" => filled.push_str(&self.name),
                    other => match lookup(other) {
                        Some(value) => filled.push_str(&value),
                        None => filled.push_str(&rest[start..start + length + 2]),
                    },
                },
            }
            rest = &rest[start + length + 2..];
        }
        filled.push_str(rest);
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_differ_and_stay() {
        let first = Identity::new("w01");
        let none = |_: &str| None;
        let text = "{{serial}}/{{mac:3}}";
        assert_eq!(
            first.fill(text, &none),
            Identity::new("w01").fill(text, &none)
        );
        assert_ne!(first.uuid(), Identity::new("w02").uuid());
        assert_eq!(
            first.fill("a {{name}} {{other}} b", &none),
            "a w01 {{other}} b"
        );
        assert_eq!(first.mac(10).len(), 17);
    }

    #[test]
    fn every_link_of_every_profile_leads_somewhere() {
        for profile in Profile::all() {
            let tree = build(profile);
            let mut dangling = Vec::new();
            for (path, document) in tree.documents().filter(|row| row.1.kind == TextKind::Json) {
                let value: Value = serde_json::from_str(&document.text).expect(path);
                links(&value, &mut |link| {
                    let link = crate::lab::bmc::tree::normal(link);
                    if tree.document(link).is_none() && tree.fold(link).is_none() {
                        dangling.push(format!("{path} -> {link}"));
                    }
                });
            }
            assert!(dangling.is_empty(), "{profile:?}: {dangling:#?}");
        }
    }

    fn links(value: &Value, visit: &mut impl FnMut(&str)) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match value.as_str() {
                        Some(link) if key == "@odata.id" => visit(link),
                        _ => links(value, visit),
                    }
                }
            }
            Value::Array(array) => array.iter().for_each(|value| links(value, visit)),
            _ => {}
        }
    }
}
