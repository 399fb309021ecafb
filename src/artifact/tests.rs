mod fetched;
mod kept;
mod real;
mod server;

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
    let cases = [
        ("files: {bin", "fils: {bin", "catalogue.yaml:5:", "fils"),
        (
            "bin/pause: pause/pause",
            "bin/pause: pause/paus",
            "catalogue.yaml:5:30: ",
            "pause takes `pause/paus`, which nothing makes",
        ),
        (
            "c: {pause: pause.c}",
            "c: {pause: paws.c}",
            "catalogue.yaml:3:3: ",
            "pause is made from paws.c, which is not beside the catalogue",
        ),
        (
            "c: {",
            "upstream: {url: https://a.example/x}, c: {",
            "catalogue.yaml:3:44: ",
            "pause takes an upstream release without `sha256` or `checksum`",
        ),
    ];
    for (from, to, place, said) in cases {
        assert!(SMALL.contains(from), "{from}");
        let wrong = SMALL.replacen(from, to, 1);
        let error = Catalogue::from_text(&wrong, &[("pause.c", C)])
            .expect_err("wrong")
            .to_string();
        assert!(
            error.contains(&format!("the catalogue is wrong: {place}")),
            "{error}"
        );
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_folder_can_replace_the_catalogue() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("catalogue.yaml"), SMALL).expect("written");
    let error = Catalogue::load(folder.path())
        .expect_err("no C file")
        .to_string();
    let place = format!("{}:3:3: ", folder.path().join("catalogue.yaml").display());
    assert!(error.contains(&place), "{error}");
    std::fs::write(folder.path().join("pause.c"), C).expect("written");
    let loaded = Catalogue::load(folder.path()).expect("right");
    assert_eq!(
        loaded.identity("pause").ok(),
        small(C).identity("pause").ok()
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
