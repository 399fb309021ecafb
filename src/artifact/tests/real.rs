//! Against the real tools. Ignored by default; each says what it needs.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::*;
use crate::model::artifact::Artifacts;

/// Needs Go and a way to Go modules. About fifteen seconds with empty caches.
#[test]
#[ignore = "builds a Go module"]
fn a_go_module_builds_from_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().to_owned(), Sources::Go);
    let catalogue = Catalogue::embedded().expect("right");
    let stored = store
        .ensure(&catalogue, "cni-plugins", &|_| {})
        .expect("built");
    assert_eq!(stored.took, "Go module");
    unpack(&store, &stored, folder.path());
    let output = Command::new(folder.path().join("bridge"))
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("CNI bridge plugin v1.9.1"), "{said}");
}

/// Makes what the store lacks of everything: up to twenty minutes the first time.
#[test]
#[ignore = "makes every artifact"]
fn everything_once_made_is_found_without_making_anything() {
    let catalogue = Catalogue::embedded().expect("right");
    let store = Store::new(cache_folder(), Sources::Go);
    let first = store
        .ensure_all(&catalogue, &catalogue.names(), &|_, _| {})
        .expect("made");
    let start = Instant::now();
    let again = store
        .ensure_all(&catalogue, &catalogue.names(), &|progress, _| {
            panic!("{}: {}", progress.subject, progress.state)
        })
        .expect("found");
    // For whoever reads it with --nocapture; no test holds a time.
    println!("{} artifacts in {:?}", again.len(), start.elapsed());
    assert_eq!(again, first);
}

/// Needs root. Makes what the store lacks of the images.
#[test]
#[ignore = "starts containerd"]
fn containerd_imports_every_image_and_runs_one() {
    let catalogue = Catalogue::embedded().expect("right");
    let store = Store::new(cache_folder(), Sources::Go);
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["containerd", "runc"] {
        let stored = store.ensure(&catalogue, name, &|_| {}).expect("made");
        unpack(&store, &stored, &folder.path().join("usr"));
    }
    let daemon = Daemon::start(folder.path());
    for name in catalogue.names() {
        let Some(image) = catalogue.info(&name).and_then(|info| info.image) else {
            continue;
        };
        let stored = store.ensure(&catalogue, &name, &|_| {}).expect("made");
        let tar = store.path(&stored, None).expect("there");
        daemon.ctr(&["images", "import", &tar.display().to_string()]);
        assert!(
            daemon.ctr(&["images", "list", "-q"]).contains(&image),
            "{image}"
        );
    }
    let runc = folder.path().join("usr/runc").display().to_string();
    let said = daemon.ctr(&[
        "run",
        "--rm",
        "--runc-binary",
        &runc,
        "docker.io/library/busybox:1.35",
        "probe",
        "/bin/sh",
        "-c",
        "echo hello from $(busybox | head -1)",
    ]);
    assert!(said.starts_with("hello from BusyBox"), "{said}");
}

fn unpack(store: &Store, stored: &Stored, to: &Path) {
    let file = std::fs::File::open(store.path(stored, None).expect("there")).expect("opens");
    tar::Archive::new(flate2::read::GzDecoder::new(file))
        .unpack(to)
        .expect("unpacks");
}

/// A containerd with everything of its own in one folder.
struct Daemon {
    process: Child,
    folder: std::path::PathBuf,
}

impl Daemon {
    fn start(folder: &Path) -> Self {
        let under = |name: &str| folder.join(name).display().to_string();
        let process = Command::new(folder.join("usr/bin/containerd"))
            .args(["--root", &under("root"), "--state", &under("state")])
            .args(["--address", &under("containerd.sock")])
            .env(
                "PATH",
                format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", under("usr/bin")),
            )
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).expect("a log"))
            .spawn()
            .expect("starts");
        let daemon = Self {
            process,
            folder: folder.to_owned(),
        };
        let end = Instant::now() + Duration::from_secs(60);
        while !daemon
            .command(&["version"])
            .output()
            .expect("runs")
            .status
            .success()
        {
            assert!(Instant::now() < end, "containerd does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
        daemon
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.folder.join("usr/bin/ctr"));
        command
            .arg("--address")
            .arg(self.folder.join("containerd.sock"));
        command.args(words);
        command
    }

    fn ctr(&self, words: &[&str]) -> String {
        let output = self.command(words).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ctr {words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SAFETY: signals the process that was started here and has not been waited for.
        unsafe { libc::kill(self.process.id() as i32, libc::SIGTERM) };
        let _ = self.process.wait();
    }
}
