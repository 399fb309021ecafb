//! Which resource of a tree is which, found by following links: the model's own trees and captured
//! ones are brought to life by the same code.

use std::collections::HashMap;

use serde_json::Value;

use super::tree::{Tree, link, members, normal};

/// What an action does, by the resource that offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// `ComputerSystem.Reset`, without `#` and OEM version prefix.
    pub name: String,
    /// The resource in whose `Actions` it stands.
    pub resource: String,
}

#[derive(Debug, Clone, Default)]
pub struct Anatomy {
    /// The first system with a reset action and a boot override.
    pub system: String,
    pub managers: Vec<String>,
    pub chassis: Vec<String>,
    /// Every spelling of the BIOS resource.
    pub bios: Vec<String>,
    /// Every spelling of the settings resource of the BIOS.
    pub settings: Vec<String>,
    /// The settings resource of the system, where boot overrides are PATCHed instead.
    pub system_settings: Option<String>,
    pub media: Vec<String>,
    pub sessions: String,
    pub tasks: Option<String>,
    /// Collections of vendor jobs, the standard one first.
    pub jobs: Vec<String>,
    pub accounts: Option<String>,
    pub registry: Option<String>,
    pub push: Vec<String>,
    /// Action targets in lower case.
    pub actions: HashMap<String, Action>,
}

impl Anatomy {
    pub fn discover(tree: &Tree) -> Self {
        let root = tree.value("/redfish/v1").unwrap_or_default();
        let collection = |property: &str| -> Vec<String> {
            link(&root, property)
                .and_then(|path| tree.value(path))
                .map(|document| members(&document))
                .unwrap_or_default()
        };
        let systems = collection("Systems");
        let system = systems
            .iter()
            .find(|path| {
                tree.value(path)
                    .is_some_and(|document| is_primary(&document))
            })
            .or(systems.first())
            .cloned()
            .unwrap_or_default();
        let managers = collection("Managers");
        let mut anatomy = Self {
            sessions: sessions(tree, &root),
            tasks: link(&root, "Tasks")
                .and_then(|path| tree.value(path))
                .and_then(|service| link(&service, "Tasks").map(str::to_owned)),
            accounts: link(&root, "AccountService")
                .and_then(|path| tree.value(path))
                .and_then(|service| link(&service, "Accounts").map(str::to_owned)),
            jobs: jobs(tree, &root, &managers),
            push: pushes(tree, &root),
            chassis: collection("Chassis"),
            actions: actions(tree),
            media: media(tree, managers.iter().chain([&system])),
            managers,
            system,
            ..Self::default()
        };
        anatomy.find_bios(tree);
        anatomy.registry = registry(tree, &root, &anatomy);
        anatomy
    }

    fn find_bios(&mut self, tree: &Tree) {
        let Some(system) = tree.value(&self.system) else {
            return;
        };
        self.system_settings = settings_of(&system);
        let Some(bios) = link(&system, "Bios") else {
            return;
        };
        let spellings = |wanted: &str| -> Vec<String> {
            let mut found: Vec<_> = tree
                .paths()
                .filter(|path| path.eq_ignore_ascii_case(wanted))
                .map(str::to_owned)
                .collect();
            found.sort_by_key(|path| path != wanted);
            found
        };
        self.bios = spellings(bios);
        if let Some(settings) = tree.value(bios).and_then(|bios| settings_of(&bios)) {
            self.settings = spellings(&settings);
        }
    }

    pub fn is_bios(&self, path: &str) -> bool {
        self.bios.iter().any(|bios| bios == path)
    }

    pub fn is_settings(&self, path: &str) -> bool {
        self.settings.iter().any(|settings| settings == path)
    }

    pub fn action(&self, target: &str) -> Option<&Action> {
        self.actions.get(&target.to_ascii_lowercase())
    }
}

fn is_primary(system: &Value) -> bool {
    system.pointer("/Actions/#ComputerSystem.Reset").is_some()
        && system.pointer("/Boot/BootSourceOverrideTarget").is_some()
}

fn settings_of(document: &Value) -> Option<String> {
    let settings = document.get("@Redfish.Settings")?;
    link(settings, "SettingsObject").map(str::to_owned)
}

fn sessions(tree: &Tree, root: &Value) -> String {
    link(root, "SessionService")
        .and_then(|path| tree.value(path))
        .and_then(|service| link(&service, "Sessions").map(str::to_owned))
        .or_else(|| {
            root.get("Links")
                .and_then(|links| link(links, "Sessions"))
                .map(str::to_owned)
        })
        .unwrap_or_else(|| "/redfish/v1/SessionService/Sessions".into())
}

fn jobs(tree: &Tree, root: &Value, managers: &[String]) -> Vec<String> {
    let standard = link(root, "JobService")
        .and_then(|path| tree.value(path))
        .and_then(|service| link(&service, "Jobs").map(str::to_owned));
    let vendor = managers.iter().flat_map(|manager| {
        [
            format!("{manager}/Oem/Dell/Jobs"),
            format!("{manager}/Jobs"),
        ]
    });
    standard
        .into_iter()
        .chain(vendor.filter(|path| tree.document(path).is_some()))
        .collect()
}

fn pushes(tree: &Tree, root: &Value) -> Vec<String> {
    let Some(path) = link(root, "UpdateService") else {
        return Vec::new();
    };
    let service = tree.value(path).unwrap_or_default();
    let told: Vec<String> = ["HttpPushUri", "MultipartHttpPushUri"]
        .iter()
        .filter_map(|property| service.get(*property)?.as_str().map(str::to_owned))
        .collect();
    // AMI serves a place without telling it.
    if told.is_empty() && link(&service, "FirmwareInventory").is_some() {
        return vec![format!("{path}/upload")];
    }
    told
}

fn media<'a>(tree: &Tree, owners: impl Iterator<Item = &'a String>) -> Vec<String> {
    owners
        .filter_map(|owner| tree.value(owner))
        .filter_map(|owner| tree.value(link(&owner, "VirtualMedia")?))
        .flat_map(|collection| members(&collection))
        .collect()
}

/// The path of the BIOS attribute registry's file: the registry that the BIOS names, or the one
/// whose name is nearest to a BIOS registry's.
fn registry(tree: &Tree, root: &Value, anatomy: &Anatomy) -> Option<String> {
    let bios = tree.value(anatomy.bios.first()?)?;
    let wanted = bios.get("AttributeRegistry").and_then(Value::as_str)?;
    let stem = wanted.split('.').next().unwrap_or(wanted);
    let files = members(&tree.value(link(root, "Registries")?)?);
    let named = |exact: bool| {
        files.iter().find_map(|path| {
            let file = tree.value(path)?;
            let id = file.get("Id").and_then(Value::as_str).unwrap_or_default();
            let fits = if exact {
                id == wanted
            } else {
                id.starts_with(stem)
            };
            let location = file.pointer("/Location/0/Uri").and_then(Value::as_str)?;
            fits.then(|| normal(location).to_owned())
        })
    };
    let found = named(true).or_else(|| named(false))?;
    if tree.document(&found).is_some() {
        Some(found)
    } else {
        tree.fold(&found).map(str::to_owned)
    }
}

fn actions(tree: &Tree) -> HashMap<String, Action> {
    let mut found = HashMap::new();
    for (path, document) in tree.documents() {
        if document.status != 200 || !document.text.contains("\"target\"") {
            continue;
        }
        let Ok(value) = serde_json::from_str::<Value>(&document.text) else {
            continue;
        };
        if let Some(actions) = value.get("Actions") {
            collect_actions(actions, path, &mut found);
        }
        // iLO hides OEM actions below Oem.Hpe.Actions.
        for vendor in value
            .get("Oem")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if let Some(actions) = vendor.1.get("Actions") {
                collect_actions(actions, path, &mut found);
            }
        }
    }
    found
}

fn collect_actions(actions: &Value, resource: &str, found: &mut HashMap<String, Action>) {
    for (name, action) in actions.as_object().into_iter().flatten() {
        if let Some(target) = action.get("target").and_then(Value::as_str) {
            let name = name.rsplit('#').next().unwrap_or(name).to_owned();
            let action = Action {
                name,
                resource: resource.to_owned(),
            };
            found.insert(normal(target).to_ascii_lowercase(), action);
        } else if name == "Oem" {
            collect_actions(action, resource, found);
        }
    }
}
