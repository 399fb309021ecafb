//! What the store keeps, and what it does not.

use std::sync::Mutex;

use super::super::*;
use super::{C, small};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().join("store"), Sources::Go);
    (folder, store)
}

fn both() -> Vec<String> {
    vec!["pause".to_owned(), "image-pause".to_owned()]
}

/// The states that making the artifacts told.
fn told(store: &Store, catalogue: &Catalogue, names: &[String]) -> Vec<(String, usize)> {
    let states = Mutex::new(Vec::new());
    store
        .ensure_all(catalogue, names, &|progress, left| {
            states
                .lock()
                .expect("unpoisoned")
                .push((format!("{}: {}", progress.subject, progress.state), left));
        })
        .expect("made");
    states.into_inner().expect("unpoisoned")
}

#[test]
fn a_second_time_there_is_nothing_to_tell() {
    let (_folder, store) = store();
    let mut first = told(&store, &small(C), &both());
    first.sort();
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(first[0].0.starts_with("image-pause: packing"), "{first:?}");
    assert_eq!(told(&store, &small(C), &both()), []);
}

#[test]
fn what_fails_leaves_nothing() {
    let (folder, store) = store();
    let wrong = small("int main(void) { return }\n");
    let error = store
        .ensure_all(&wrong, &both(), &|_, _| {})
        .expect_err("does not compile");
    assert_eq!(error.to_string(), "gcc failed");
    assert!(
        error.hint().contains("expected expression"),
        "{}",
        error.hint()
    );
    for kept in ["blobs", "index", "work"] {
        let entries = std::fs::read_dir(folder.path().join("store").join(kept));
        assert_eq!(entries.into_iter().flatten().count(), 0, "{kept}");
    }
}

#[test]
fn what_a_killed_run_left_is_cleared_and_half_a_blob_is_made_anew() {
    let (folder, store) = store();
    let left = folder.path().join("store/work/pause/half");
    std::fs::create_dir_all(left.parent().expect("a parent")).expect("made");
    std::fs::write(&left, "half").expect("written");
    let stored = store.ensure(&small(C), "pause", &|_| {}).expect("made");
    assert!(!left.exists());
    let path = store.path(&stored, None).expect("there");
    let whole = std::fs::read(&path).expect("read");
    std::fs::write(&path, &whole[..10]).expect("written");
    assert_eq!(store.find(&small(C), "pause").expect("known"), None);
    store
        .ensure(&small(C), "pause", &|_| {})
        .expect("made anew");
    assert_eq!(std::fs::read(&path).expect("read"), whole);
}

#[test]
fn a_changed_module_is_another_recipe() {
    let text = "programs:\n  tool: {version: '1', go: {packages: {tool: example.org/tool}}}\narchives:\n  tool: {files: {tool: tool/tool}}\nimages: {}\n";
    let identity = |module: &str, sums: &str| {
        Catalogue::from_text(
            text,
            &[("go/tool/go.mod", module), ("go/tool/go.sum", sums)],
        )
        .expect("right")
        .identity("tool")
        .expect("known")
    };
    assert_eq!(identity("module a\n", ""), identity("module a\n", ""));
    assert_ne!(identity("module a\n", ""), identity("module b\n", ""));
    assert_ne!(
        identity("module a\n", ""),
        identity("module a\n", "x h1:y\n")
    );
}

#[test]
fn a_bundle_serves_where_nothing_can_be_made() {
    let (folder, origin) = store();
    let bundle = folder.path().join("bundle");
    let bytes = origin
        .pack_bundle(&small(C), &both(), bundle.clone(), &|_, _| {})
        .expect("packed");
    let there =
        Store::new(folder.path().join("there"), Sources::Go).with_bundle(Some(bundle.clone()));
    assert_eq!(told(&there, &small(C), &both()), [], "nothing was made");
    let mut size = 0;
    for name in both() {
        let (here, copy) = (origin.find(&small(C), &name), there.find(&small(C), &name));
        let (here, copy) = (here.expect("known"), copy.expect("known"));
        assert_eq!(here, copy);
        size += std::fs::metadata(there.path(&copy.expect("there"), None).expect("there"))
            .expect("there")
            .len();
    }
    assert_eq!(bytes, size);

    let blob = std::fs::read_dir(bundle.join("blobs"))
        .expect("there")
        .next()
        .expect("one")
        .expect("whole")
        .path();
    let mut damaged = std::fs::read(&blob).expect("read");
    damaged[20] ^= 1;
    std::fs::write(&blob, damaged).expect("written");
    let wary = Store::new(folder.path().join("wary"), Sources::Go).with_bundle(Some(bundle));
    let error = wary
        .ensure_all(&small(C), &both(), &|_, _| {})
        .expect_err("damaged");
    let said = format!("{} has the digest ", blob.display());
    assert!(error.to_string().starts_with(&said), "{error}");
}
