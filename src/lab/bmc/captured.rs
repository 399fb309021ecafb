//! Captured trees: what a real BMC answered to GET, recorded in folders. Read from a folder, a
//! `.tar`, or a `.tar.zst`.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::error::BmcError;
use super::profile::Profile;
use super::tree::{Document, TextKind, Tree, link, members};

type Documents = HashMap<Box<str>, Document>;

/// Reads a captured tree.
pub fn load(path: &Path) -> Result<Tree, BmcError> {
    let mut documents = Documents::new();
    if path.is_dir() {
        read_folder(path, path, &mut documents)?;
    } else {
        read_archive(path, &mut documents)?;
    }
    if !documents.contains_key("/redfish/v1") {
        let problem = "it holds no redfish/v1/index.json".into();
        return Err(BmcError::Tree {
            path: path.into(),
            problem,
        });
    }
    documents
        .entry("/redfish".into())
        .or_insert_with(|| Document {
            status: 200,
            text: "{\"v1\":\"/redfish/v1/\"}".into(),
            kind: TextKind::Json,
        });
    Ok(Tree::new(documents))
}

/// Whose BMC it was, by its root and its managers.
pub fn profile_of(tree: &Tree) -> Profile {
    let root = tree.value("/redfish/v1").unwrap_or_default();
    let mut words = String::new();
    let mut add = |document: &Value, property: &str| {
        words.push_str(document[property].as_str().unwrap_or_default());
        words.push(' ');
    };
    add(&root, "Vendor");
    add(&root, "Product");
    let managers = link(&root, "Managers")
        .and_then(|path| tree.value(path))
        .map(|list| members(&list));
    for manager in managers
        .into_iter()
        .flatten()
        .filter_map(|path| tree.value(&path))
    {
        add(&manager, "Manufacturer");
        add(&manager, "Model");
    }
    for vendor in root["Oem"].as_object().into_iter().flatten() {
        words.push_str(vendor.0);
        words.push(' ');
    }
    Profile::guess(&words)
}

fn read_folder(root: &Path, folder: &Path, documents: &mut Documents) -> Result<(), BmcError> {
    let fail = |source| BmcError::Read {
        path: folder.into(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            read_folder(root, &path, documents)?;
        } else {
            let text = std::fs::read(&path).map_err(|source| BmcError::Read {
                path: path.clone(),
                source,
            })?;
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            take(&name, &text, documents);
        }
    }
    Ok(())
}

fn read_archive(path: &Path, documents: &mut Documents) -> Result<(), BmcError> {
    let compressed = path.extension().is_some_and(|ending| ending == "zst");
    if !compressed {
        let file = std::fs::File::open(path).map_err(|source| BmcError::Read {
            path: path.into(),
            source,
        })?;
        return unpack(path, file, documents);
    }
    let mut child = Command::new("zstd")
        .args(["-dcq", "--"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| BmcError::Tree {
            path: path.into(),
            problem: format!("zstd could not be run: {error}"),
        })?;
    if let Some(output) = child.stdout.take() {
        unpack(path, output, documents)?;
    }
    let _ = child.wait();
    Ok(())
}

fn unpack(path: &Path, from: impl Read, documents: &mut Documents) -> Result<(), BmcError> {
    let fail = |source| BmcError::Read {
        path: path.into(),
        source,
    };
    let mut archive = tar::Archive::new(from);
    for entry in archive.entries().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).map_err(fail)?;
        take(&name, &text, documents);
    }
    Ok(())
}

/// Takes one file, by its name below the tree's own folder or the folder's folder.
fn take(name: &str, text: &[u8], documents: &mut Documents) {
    let name = name.trim_start_matches("./");
    // `DELL/redfish/v1/...` as well as `redfish/v1/...`, and what vendors keep outside `redfish`.
    let below = match name.split_once('/') {
        Some((_, rest)) if !name.starts_with("redfish/") && rest.contains('/') => rest,
        _ => name,
    };
    let Some((folder, file)) = below.rsplit_once('/') else {
        return;
    };
    let text = String::from_utf8_lossy(text).into_owned();
    let (path, document) = match file {
        "index.json" => (folder.to_owned(), json_document(text)),
        "custom.json" => match custom(&text) {
            Some(document) => (folder.to_owned(), document),
            None => return,
        },
        "index.xml" => (
            folder.to_owned(),
            Document {
                status: 200,
                text: text.into(),
                kind: TextKind::Xml,
            },
        ),
        other if other.ends_with(".json") => (below.to_owned(), json_document(text)),
        _ => return,
    };
    documents.insert(format!("/{path}").into_boxed_str(), document);
}

/// An answer recorded with its status: `{"status": 403, "body": "…"}`.
fn custom(text: &str) -> Option<Document> {
    let recorded: Value = serde_json::from_str(text).ok()?;
    let body = recorded["body"].as_str()?;
    let kind = if body.trim_start().starts_with('{') {
        TextKind::Json
    } else {
        TextKind::Html
    };
    let status = u16::try_from(recorded["status"].as_u64()?).ok()?;
    Some(Document {
        status,
        text: body.into(),
        kind,
    })
}

fn json_document(text: String) -> Document {
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let is_error = value.get("error").is_some() && value.get("@odata.id").is_none();
    let status = if is_error { status_of(&text) } else { 200 };
    // Recorded pretty-printed; kept as it will be sent.
    let text = if value.is_null() {
        text
    } else {
        value.to_string()
    };
    Document {
        status,
        text: text.into(),
        kind: TextKind::Json,
    }
}

/// The status of a recorded error, which was not kept, by what it says.
fn status_of(text: &str) -> u16 {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&[
        "LIC501",
        "License",
        "InsufficientPrivilege",
        "AccessDenied",
        "PasswordChangeRequired",
    ]) {
        403
    } else if says(&["SWC0242", "InternalError", "UnsupportedOperation"]) {
        500
    } else {
        404
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_get_a_status_by_what_they_say() {
        for (text, status) in [
            (
                "{\"error\": {\"code\": \"Base.1.4.ResourceMissingAtURI\"}}",
                404,
            ),
            ("{\"error\": {\"code\": \"IDRAC.2.7.LIC501\"}}", 403),
            ("{\"error\": {\"code\": \"IDRAC.2.2.SWC0242\"}}", 500),
            ("{\"@odata.id\": \"/a\", \"error\": {}}", 200),
        ] {
            assert_eq!(json_document(text.to_owned()).status, status, "{text}");
        }
    }

    #[test]
    fn names_of_files_become_paths() {
        let mut documents = Documents::new();
        for name in [
            "dell/redfish/v1/Systems/X?$skip=50/index.json",
            "./hpe/redfish/v1/systems/1/bios/index.json",
            "redfish/v1/index.json",
            "tower/redfish/v1/Registries/Base.1.5.0.json",
            "smc/registries/Bios.json",
            "dell/SOURCE.txt",
        ] {
            take(name, b"{}", &mut documents);
        }
        let mut paths: Vec<_> = documents.keys().map(|path| &**path).collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            [
                "/redfish/v1",
                "/redfish/v1/Registries/Base.1.5.0.json",
                "/redfish/v1/Systems/X?$skip=50",
                "/redfish/v1/systems/1/bios",
                "/registries/Bios.json",
            ]
        );
    }
}
