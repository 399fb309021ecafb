//! Upstream releases, from a server on loopback.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::fetch::listed;
use super::super::*;
use super::server::Server;

/// A release whose archive is `tool-1.tar.gz`, with the program `tool` in its folder `bin`.
fn release() -> Vec<u8> {
    let mut tar = tar::Builder::new(super::super::archive::gzip(Vec::new()));
    for (path, text) in [("./bin/tool", "the program"), ("./README", "not wanted")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, text.as_bytes())
            .expect("appends");
    }
    tar.into_inner().expect("a tar").finish().expect("a gzip")
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn catalogue(upstream: &str) -> Catalogue {
    let text = format!(
        "programs:\n  tool:\n    version: '1'\n    upstream: {upstream}\n    go: {{packages: {{tool: example.org/tool}}}}\narchives:\n  tool: {{files: {{tool: tool/tool}}}}\nimages: {{}}\n"
    );
    Catalogue::from_text(
        &text,
        &[("go/tool/go.mod", "module x\n"), ("go/tool/go.sum", "")],
    )
    .expect("right")
}

fn at_server(server: &Server) -> Catalogue {
    let url = format!("{}/tool-1.tar.gz", server.address);
    catalogue(&format!(
        "{{url: '{url}', checksum: '{url}.sha256', folder: bin}}"
    ))
}

fn serve(archive: &[u8], checksum: String) -> Server {
    Server::start(BTreeMap::from([
        ("/tool-1.tar.gz", archive.to_vec()),
        ("/tool-1.tar.gz.sha256", checksum.into_bytes()),
    ]))
}

/// Names in a folder of the store; empty where there is none.
fn names(store: &Path, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(store.join(folder)).into_iter().flatten();
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// What the archive that the store packed says.
fn unpacked(store: &Store, stored: &Stored) -> String {
    let file = std::fs::File::open(store.path(stored, None).expect("there")).expect("opens");
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut entry = tar
        .entries()
        .expect("a tar")
        .next()
        .expect("one")
        .expect("whole");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut entry, &mut text).expect("text");
    text
}

#[test]
fn a_release_is_fetched_where_it_can_be_reached() {
    let archive = release();
    let server = serve(&archive, format!("{}  tool-1.tar.gz\n", digest(&archive)));
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().to_owned(), Sources::Any);
    let stored = store
        .ensure(&at_server(&server), "tool", &|_| {})
        .expect("fetched");
    assert_eq!(stored.took, "upstream release");
    assert_eq!(unpacked(&store, &stored), "the program");
    assert_eq!(
        names(folder.path(), "downloads"),
        [""; 0],
        "the release is not kept"
    );
}

#[test]
fn a_wrong_digest_is_refused_and_named() {
    let archive = release();
    let expected = digest(b"another release");
    let server = serve(&archive, expected.clone());
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().to_owned(), Sources::Upstream);
    let error = store
        .ensure(&at_server(&server), "tool", &|_| {})
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        format!(
            "{}/tool-1.tar.gz has the digest {}, not {expected}",
            server.address,
            digest(&archive)
        )
    );
    for kept in ["blobs", "index", "downloads", "work"] {
        assert_eq!(names(folder.path(), kept), [""; 0], "{kept}");
    }
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let archive = release();
    for have in [40, archive.len()] {
        let server = serve(&archive, digest(&archive));
        let folder = tempfile::tempdir().expect("a folder");
        let downloads = folder.path().join("downloads");
        std::fs::create_dir_all(&downloads).expect("made");
        let part = downloads.join(format!("{}.part", digest(&archive)));
        std::fs::write(part, &archive[..have]).expect("written");
        let store = Store::new(folder.path().to_owned(), Sources::Upstream);
        let stored = store
            .ensure(&at_server(&server), "tool", &|_| {})
            .expect("fetched");
        assert_eq!(unpacked(&store, &stored), "the program");
        let asked = server.asked.lock().expect("unpoisoned").clone();
        assert_eq!(
            asked,
            [
                "GET /tool-1.tar.gz.sha256 -".to_owned(),
                format!("GET /tool-1.tar.gz bytes={have}-")
            ]
        );
    }
}

#[test]
fn a_release_may_be_the_program_itself() {
    let server = Server::start(BTreeMap::from([("/tool.amd64", b"the program".to_vec())]));
    let upstream = format!(
        "{{url: '{}/tool.amd64', sha256: {}, program: tool}}",
        server.address,
        digest(b"the program")
    );
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().to_owned(), Sources::Upstream);
    let stored = store
        .ensure(&catalogue(&upstream), "tool", &|_| {})
        .expect("fetched");
    assert_eq!(unpacked(&store, &stored), "the program");
}

#[test]
fn what_a_release_lacks_is_named() {
    let archive = release();
    let server = serve(&archive, digest(&archive));
    let url = format!("{}/tool-1.tar.gz", server.address);
    let elsewhere = catalogue(&format!(
        "{{url: '{url}', checksum: '{url}.sha256', folder: sbin}}"
    ));
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().to_owned(), Sources::Upstream);
    let error = store
        .ensure(&elsewhere, "tool", &|_| {})
        .expect_err("moved");
    assert_eq!(error.to_string(), format!("{url} holds no sbin/tool"));
}

#[test]
fn where_upstream_cannot_be_reached_it_is_made_here() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x", closed.local_addr().expect("bound"));
    drop(closed);
    let text = format!(
        "programs:\n  pause: {{version: '1', upstream: {{url: '{url}', sha256: '{}'}}, c: {{pause: pause.c}}}}\narchives:\n  pause: {{files: {{pause: pause/pause}}}}\nimages: {{}}\n",
        "0".repeat(64)
    );
    let catalogue = Catalogue::from_text(&text, &[("pause.c", super::C)]).expect("right");
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().to_owned(), Sources::Any);
    let stored = store.ensure(&catalogue, "pause", &|_| {}).expect("made");
    assert_eq!(stored.took, "C source");
    let strict = Store::new(folder.path().join("strict"), Sources::Upstream);
    let error = strict
        .ensure(&catalogue, "pause", &|_| {})
        .expect_err("unreachable");
    assert_eq!(error.to_string(), format!("{url} could not be fetched"));
}

#[test]
fn checksum_files_are_read_as_upstreams_write_them() {
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let cases = [
        (one.clone(), Some(&one)),
        (format!("{}\n", one.to_uppercase()), Some(&one)),
        (
            format!("{two}  other.tar.gz\n{one} *tool.tar.gz\n"),
            Some(&one),
        ),
        (format!("{one}  ./out/tool.tar.gz\n"), Some(&one)),
        (
            format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{one} tool.tar.gz\n-----BEGIN PGP SIGNATURE-----\n"
            ),
            Some(&one),
        ),
        (format!("{two}  other.tar.gz\n"), None),
        (format!("{one}\n{two}\n"), None),
        ("<html>sign in first</html>".to_owned(), None),
        (String::new(), None),
    ];
    for (text, expected) in cases {
        assert_eq!(listed(&text, "tool.tar.gz").as_ref(), expected, "{text}");
    }
}
