use std::collections::BTreeMap;

use super::catalogue::Entry;
use super::*;
use crate::model::artifact::Artifacts;

const SMALL: &str = r#"
programs:
  pause: {version: "3.10", c: {pause: pause.c}}
archives:
  pause: {files: {bin/pause: pause/pause}}
images:
  image-pause: {reference: "example.org/pause:3.10", files: {/pause: pause/pause}, entrypoint: [/pause], texts: {/etc/motd: hello}}
"#;
const C: &str = "int main(void) { return 0; }\n";

fn small(c: &str) -> Catalogue {
    Catalogue::from_text(SMALL, &[("pause.c", c)]).expect("right")
}

#[test]
fn the_shipped_catalogue_is_whole() {
    let catalogue = Catalogue::embedded().expect("right");
    for name in catalogue.names() {
        let info = catalogue.info(&name).expect("known");
        assert!(!info.version.is_empty(), "{name}");
        for project in catalogue.projects(&name).expect("known") {
            catalogue
                .programs_identity(&project)
                .expect("its go.mod and go.sum are there");
        }
        if let Ok(Entry::Image(_)) = catalogue.entry(&name) {
            assert!(info.image.is_some());
        }
    }
}

#[test]
fn a_wrong_catalogue_says_where() {
    let wrong = SMALL.replace("files: {bin", "fils: {bin");
    let error = Catalogue::from_text(&wrong, &[])
        .expect_err("wrong")
        .to_string();
    assert!(error.contains("fils"), "{error}");
    let wrong = SMALL.replace("bin/pause: pause/pause", "bin/pause: pause/paus");
    let error = Catalogue::from_text(&wrong, &[])
        .expect_err("wrong")
        .to_string();
    assert!(
        error.contains("pause takes `pause/paus`, which nothing makes"),
        "{error}"
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let error = small(C).identity("image-paus").expect_err("unknown");
    assert_eq!(error.hint(), "did you mean image-pause?");
}

#[test]
fn equal_recipes_give_equal_bytes_and_changed_ones_are_made_anew() {
    let quiet = |_: Progress| {};
    let mut digests = Vec::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path().to_owned(), Sources::Go);
        let image = store
            .ensure(&small(C), "image-pause", &quiet)
            .expect("made");
        assert_eq!(
            store.find(&small(C), "image-pause").expect("known"),
            Some(image.clone())
        );
        let changed = small("int main(void) { return 1; }\n");
        assert_eq!(store.find(&changed, "image-pause").expect("known"), None);
        let archive = store.ensure(&small(C), "pause", &quiet).expect("made");
        digests.push((image.files.clone(), archive.files.clone()));
        let work = std::fs::read_dir(folder.path().join("work")).expect("there");
        assert_eq!(work.count(), 0, "nothing half-made is left");
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn an_image_is_an_oci_layout() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().to_owned(), Sources::Go);
    let image = store
        .ensure(&small(C), "image-pause", &|_| {})
        .expect("made");
    let path = store.path(&image, None).expect("there");
    let mut blobs = BTreeMap::new();
    let mut archive = tar::Archive::new(std::fs::File::open(path).expect("opens"));
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("read");
        blobs.insert(name, bytes);
    }
    let index: serde_json::Value = serde_json::from_slice(&blobs["index.json"]).expect("JSON");
    let manifest = &index["manifests"][0];
    assert_eq!(
        manifest["annotations"]["io.containerd.image.name"],
        "example.org/pause:3.10"
    );
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().expect("a digest");
        let bytes = &blobs[&format!("blobs/{}", digest.replace(':', "/"))];
        assert_eq!(descriptor["size"], bytes.len());
        bytes
    };
    let manifest: serde_json::Value = serde_json::from_slice(blob(manifest)).expect("JSON");
    let config: serde_json::Value =
        serde_json::from_slice(blob(&manifest["config"])).expect("JSON");
    assert_eq!(config["config"]["Entrypoint"][0], "/pause");
    let layer = blob(&manifest["layers"][0]);
    let mut layer = tar::Archive::new(flate2::read::GzDecoder::new(&layer[..]));
    let names: Vec<String> = layer
        .entries()
        .expect("a tar")
        .map(|entry| {
            entry
                .expect("an entry")
                .path()
                .expect("a path")
                .display()
                .to_string()
        })
        .collect();
    assert_eq!(names, ["etc", "etc/motd", "pause"]);
}
