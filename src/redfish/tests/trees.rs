//! The client against what real BMCs answered, and against the same with parts broken.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Bmc;
use super::super::testing::{Answer, Fake, Seen, swift};
use crate::model::bmc::{BiosRegistry, BmcQuery};

pub type Documents = BTreeMap<String, Value>;

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/bmc-trees")
}

/// A captured tree: documents by path and query, without trailing slash. Read without touching
/// the disk, which thousands of small files would keep busy.
pub fn tree(name: &str) -> Documents {
    let archive = data().join(format!("{name}.tar.zst"));
    let output = Command::new("zstd")
        .arg("-dc")
        .arg(&archive)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "zstd is needed to unpack {}",
        archive.display()
    );
    let mut documents = Documents::new();
    let mut archive = tar::Archive::new(output.stdout.as_slice());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        if path.file_name().is_none_or(|file| file != "index.json") {
            continue;
        }
        let key = path
            .parent()
            .unwrap()
            .strip_prefix(name)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        if let Ok(body) = serde_json::from_slice(&text) {
            documents.insert(format!("/{key}"), body);
        }
    }
    assert!(documents.len() > 100);
    documents
}

pub fn serve(documents: &Documents, seen: &Seen) -> Answer {
    if seen.path.ends_with("/Sessions") && seen.method == "POST" {
        return Answer::json(201, json!({}))
            .with("X-Auth-Token", "t")
            .with("Location", &format!("{}/1", seen.path));
    }
    if seen.method == "DELETE" {
        return Answer::empty(204);
    }
    let path = match seen.path.split_once('?') {
        Some((path, query)) => format!("{}?{query}", path.trim_end_matches('/')),
        None => seen.path.trim_end_matches('/').to_owned(),
    };
    match documents.get(&path) {
        Some(body) if body.get("error").is_some() && body.get("@odata.id").is_none() => {
            Answer::json(404, body.clone())
        }
        Some(body) => Answer::json(200, body.clone()),
        None => Answer::empty(404),
    }
}

async fn hardware(documents: Documents) -> (Value, Vec<String>) {
    let documents = Arc::new(documents);
    let fake = Fake::start(move |seen| serve(&documents, seen)).await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let answer = bmc.answer(&BmcQuery::Hardware).await.unwrap();
    bmc.close().await;
    // Two for reading, one for a write: more are never needed with two requests at once.
    assert!(fake.most_open() <= 3, "{}", fake.most_open());
    (answer, fake.lines())
}

fn key(name: &str) -> Value {
    let path = data().join(format!("key/{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn matches_its_key(name: &str) {
    let key = key(name);
    let (answer, lines) = hardware(tree(name)).await;
    let (expected, found) = (
        key["summary"].as_object().unwrap(),
        answer["summary"].as_object().unwrap(),
    );
    let fields: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differences: Vec<String> = fields
        .into_iter()
        .filter(|field| expected.get(*field) != found.get(*field))
        .map(|field| {
            format!(
                "{field}: expected {:?}, found {:?}",
                expected.get(field),
                found.get(field)
            )
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{name}:\n{}",
        differences.join("\n")
    );
    assert_eq!(answer["unreadable"], json!([]), "{name}");
    // One login, one logout, and each document once.
    let mut counted = BTreeMap::new();
    for line in &lines {
        *counted.entry(line).or_insert(0) += 1;
    }
    counted.retain(|_, count| *count > 1);
    assert!(counted.is_empty(), "asked more than once: {counted:?}");
    let mut sorted = lines;
    sorted.sort();
    insta::assert_snapshot!(format!("requests-{name}"), sorted.join("\n"));
}

#[tokio::test]
async fn dell_gives_its_key() {
    matches_its_key("dell").await;
}

#[tokio::test]
async fn hpe_gives_its_key() {
    matches_its_key("hpe").await;
}

#[tokio::test]
async fn dmtf_rackmount_gives_its_key() {
    matches_its_key("dmtf-public-rackmount1").await;
}

#[tokio::test]
async fn dmtf_tower_gives_its_key() {
    matches_its_key("dmtf-public-tower").await;
}

/// The registry of each tree, against what the key counted in it.
#[tokio::test]
async fn registries_are_found_and_read_whole() {
    for name in ["dell", "hpe", "dmtf-public-rackmount1"] {
        let documents = Arc::new(tree(name));
        let fake = Fake::start(move |seen| serve(&documents, seen)).await;
        let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
        let answer = bmc.answer(&BmcQuery::BiosRegistry).await.unwrap();
        bmc.close().await;
        let registry: BiosRegistry = serde_json::from_value(answer).unwrap();
        let key = key(name);
        let system = key["primary_system"].as_str().unwrap();
        let expected = &key["systems"][system]["bios"]["registry"];
        if expected["present"] == false {
            assert!(registry.absent.unwrap().contains("no registry"), "{name}");
            continue;
        }
        assert_eq!(
            json!(registry.attributes.len()),
            expected["attribute_count"],
            "{name}"
        );
        let read_only = registry
            .attributes
            .values()
            .filter(|attribute| attribute.read_only);
        assert_eq!(json!(read_only.count()), expected["read_only"], "{name}");
        let mut kinds = BTreeMap::new();
        for attribute in registry.attributes.values() {
            *kinds.entry(attribute.kind.clone().unwrap()).or_insert(0) += 1;
            if attribute.kind.as_deref() == Some("Enumeration") {
                assert!(!attribute.allowed.is_empty(), "{name}: {attribute:?}");
            }
        }
        assert_eq!(json!(kinds), expected["types"], "{name}");
    }
}

/// Serves `$expand` as the standard says, which the captured machines offer.
fn serve_expanded(documents: &Documents, seen: &Seen) -> Answer {
    let Some((path, "$expand=.($levels=1)")) = seen.path.split_once('?') else {
        return serve(documents, seen);
    };
    let Some(mut body) = documents.get(path).cloned() else {
        return Answer::empty(404);
    };
    for member in body["Members"].as_array_mut().into_iter().flatten() {
        let target = member["@odata.id"]
            .as_str()
            .map(|path| path.trim_end_matches('/'));
        if let Some(whole) = target.and_then(|path| documents.get(path)) {
            member.clone_from(whole);
        }
    }
    Answer::json(200, body)
}

#[tokio::test]
async fn expanded_members_give_the_same_in_fewer_requests() {
    for (name, at_most) in [("dell", 45), ("hpe", 55), ("dmtf-public-tower", 40)] {
        let documents = Arc::new(tree(name));
        let fake = Fake::start(move |seen| serve_expanded(&documents, seen)).await;
        let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
        let answer = bmc.answer(&BmcQuery::Hardware).await.unwrap();
        bmc.close().await;
        assert_eq!(answer["summary"], key(name)["summary"], "{name}");
        let asked = fake.lines().len();
        assert!(asked <= at_most, "{name}: {:#?}", fake.lines());
    }
}
