//! Where roles and profiles are found: in the folders beside the inventory, then in the binary.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use super::source::{Place, Source, Unreadable, read, text_of};

static ROLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/roles");
static PROFILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/profiles");
// File by file: a lab's disks stand in a folder beside them.
static INVENTORIES: [(&str, &str); 2] = [
    ("lab.yaml", include_str!("../../inventories/lab.yaml")),
    (
        "lab-small.yaml",
        include_str!("../../inventories/lab-small.yaml"),
    ),
];

/// The folders in which `roles/` and `profiles/` are looked for, nearest first.
#[derive(Debug)]
pub(super) struct Library {
    folders: Vec<PathBuf>,
}

/// A file that was found, or why it could not be read.
pub(super) type Found = Result<Source, (Arc<Place>, Unreadable)>;

/// A role's files.
pub(super) struct RoleFiles {
    pub role: Found,
    /// By the name below `templates/`.
    pub templates: Vec<(String, Found)>,
}

impl Library {
    pub(super) fn beside(inventory: &Path) -> Self {
        let folder = folder_of(inventory);
        let parent = match folder.components().next_back() {
            Some(Component::Normal(_)) => folder.parent().map(Path::to_owned),
            _ => Some(folder.join("..")),
        };
        Self {
            folders: [Some(folder), parent].into_iter().flatten().collect(),
        }
    }

    pub(super) fn profile(&self, name: &str) -> Option<Found> {
        if !is_plain(name) {
            return None;
        }
        let file = format!("{name}.yaml");
        for folder in &self.folders {
            let path = folder.join("profiles").join(&file);
            if path.exists() {
                return Some(read_at(path));
            }
        }
        embedded(&PROFILES, "profiles", &file)
    }

    pub(super) fn role(&self, name: &str) -> Option<RoleFiles> {
        if !is_plain(name) {
            return None;
        }
        for folder in &self.folders {
            let home = folder.join("roles").join(name);
            if home.is_dir() {
                let mut templates = Vec::new();
                walk(&home.join("templates"), "", &mut templates);
                templates.sort();
                return Some(RoleFiles {
                    role: read_at(home.join("role.yaml")),
                    templates: templates
                        .into_iter()
                        .map(|(name, path)| (name, read_at(path)))
                        .collect(),
                });
            }
        }
        let role = embedded(&ROLES, "roles", &format!("{name}/role.yaml"))?;
        let prefix = format!("{name}/templates/");
        let mut templates = Vec::new();
        files(&ROLES, &mut |path| {
            if let Some(below) = path.strip_prefix(&prefix) {
                templates.push(below.to_owned());
            }
        });
        templates.sort();
        let templates = templates
            .into_iter()
            .filter_map(|below| {
                let found = embedded(&ROLES, "roles", &format!("{prefix}{below}"))?;
                Some((below, found))
            })
            .collect();
        Some(RoleFiles { role, templates })
    }

    pub(super) fn role_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for folder in &self.folders {
            let entries = std::fs::read_dir(folder.join("roles"));
            for entry in entries.into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
        }
        names.extend(
            ROLES
                .dirs()
                .map(|role| role.path().to_string_lossy().into_owned()),
        );
        sorted(names)
    }

    pub(super) fn profile_names(&self) -> Vec<String> {
        let mut found = Vec::new();
        for folder in &self.folders {
            walk(&folder.join("profiles"), "", &mut found);
        }
        let mut names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
        files(&PROFILES, &mut |path| names.push(path.to_owned()));
        sorted(
            names
                .into_iter()
                .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
                .collect(),
        )
    }
}

/// An inventory that is shipped in the binary, by its path in the project.
pub(super) fn embedded_inventory(path: &Path) -> Option<Found> {
    let file = path.strip_prefix("inventories").ok()?.to_str()?;
    let (name, text) = INVENTORIES.iter().find(|(name, _)| *name == file)?;
    let place = Arc::new(Place::Embedded(format!("inventories/{name}")));
    Some(text_of(place.clone(), text.as_bytes().to_vec()).map_err(|error| (place, error)))
}

/// The folder that a file lies in.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether a name stays below the folder it is looked for in.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

pub(super) fn read_at(path: PathBuf) -> Found {
    // `./roles/x` is shown as `roles/x`.
    let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
    read(&path).map_err(|error| (Arc::new(Place::File(path)), error))
}

fn embedded(folder: &'static Dir<'_>, prefix: &str, path: &str) -> Option<Found> {
    let file = folder.get_file(path)?;
    let place = Arc::new(Place::Embedded(format!("{prefix}/{path}")));
    Some(text_of(place.clone(), file.contents().to_vec()).map_err(|error| (place, error)))
}

fn files(folder: &Dir<'_>, each: &mut dyn FnMut(&str)) {
    for file in folder.files() {
        if let Some(path) = file.path().to_str() {
            each(path);
        }
    }
    folder.dirs().for_each(|inner| files(inner, each));
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            walk(&path, &format!("{prefix}{name}/"), found);
        } else {
            found.push((format!("{prefix}{name}"), path));
        }
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}
