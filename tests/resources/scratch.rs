//! A copy of this machine that forgets, and how resources are tried in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ra_deploy::link::Payload as Bytes;
use ra_deploy::link::script::{Around, Batch, Reply, compile};
use ra_deploy::model::{Action, Answer, Answers, ArtifactInfo, Change, Query, Secret, Text, Vault};
use ra_deploy::resource::{Fault, Resource, Surroundings, kind};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Runs a batch with the given program before `sh`.
pub fn run(prefix: &[String], batch: &Batch, vault: &Vault, store: &Path) -> Reply {
    let find = |artifact: &str, _: Option<&str>| Ok(store.join(artifact));
    let around = Around {
        vault,
        find: &find,
        lease: None,
    };
    let script = compile(batch, &around).expect("a script");
    let mut words = prefix.to_vec();
    words.extend(["sh".to_owned(), "-c".to_owned(), script.text.clone()]);
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("standard input");
    for payload in &script.payloads {
        let bytes = match payload {
            Bytes::Bytes(bytes) => bytes.clone(),
            Bytes::File { path, .. } => fs::read(path).expect("the payload"),
        };
        stdin.write_all(&bytes).expect("the payload is taken");
    }
    drop(stdin);
    let output = child.wait_with_output().expect("the shell ends");
    script.read(&output.stdout, &output.stderr)
}

/// A copy of this machine that forgets.
pub struct Scratch {
    pub folder: tempfile::TempDir,
    /// Keeps the name spaces alive.
    anchor: Option<Child>,
    /// The words before a command that runs in it.
    prefix: Vec<String>,
    vault: Vault,
}

impl Scratch {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = r#"set -e
            cd "$1"; mkdir upper work root store
            mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
            mount -t proc proc root/proc; mount --rbind /dev root/dev; mount --rbind /sys root/sys
            mount -t tmpfs tmpfs root/run; mount -t tmpfs tmpfs root/tmp
            ip link set lo up
            echo ready; exec sleep infinity"#;
        let mut anchor = Command::new("unshare")
            .args([
                "--mount",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
                "--propagation",
                "private",
                "sh",
                "-c",
                script,
                "sh",
            ])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut line = String::new();
        let stdout = anchor.stdout.take().expect("standard output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "ready", "no scratch machine");
        let target = format!("--target={}", anchor.id());
        let processes = format!("--pid=/proc/{}/ns/pid_for_children", anchor.id());
        let root = folder.path().join("root").display().to_string();
        let prefix = [
            "nsenter", &target, &processes, "--mount", "--net", "chroot", &root,
        ]
        .map(str::to_owned);
        Self::with(folder, Some(anchor), prefix.to_vec())
    }

    /// A machine that somebody made for the test: `ENTER='nsenter --target=PID --all'`.
    pub fn entered() -> Self {
        let enter = std::env::var("ENTER").expect("ENTER");
        let prefix = enter.split_whitespace().map(str::to_owned).collect();
        Self::with(tempfile::tempdir().expect("a folder"), None, prefix)
    }

    fn with(folder: tempfile::TempDir, anchor: Option<Child>, prefix: Vec<String>) -> Self {
        let vault = Vault::default();
        vault.put("secrets.word", Secret::new("sesame-1234"));
        Self {
            folder,
            anchor,
            prefix,
            vault,
        }
    }

    /// The process whose name spaces it has.
    pub fn pid(&self) -> u32 {
        self.anchor.as_ref().map_or(1, Child::id)
    }

    pub fn sh(&self, text: &str) {
        let prefix = &self.prefix;
        let output = Command::new(&prefix[0])
            .args(&prefix[1..])
            .args(["sh", "-ec", text])
            .output()
            .expect("a shell");
        assert!(
            output.status.success(),
            "{text}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn batch(&self, batch: &Batch) -> Reply {
        run(&self.prefix, batch, &self.vault, &self.store())
    }

    pub fn ask(&self, queries: Vec<Query>) -> Vec<(Query, Answer)> {
        let reply = self.batch(&Batch {
            acts: Vec::new(),
            queries,
        });
        assert_eq!(reply.stray, "", "the shell complains");
        reply.answers
    }

    pub fn read(&self, resource: &dyn Resource) -> Change {
        let mut answers: Answers = self.ask(resource.ask()).into_iter().collect();
        for _ in 0..3 {
            match resource.read(&answers) {
                Ok(change) => return change,
                Err(ra_deploy::model::Unread::Wants(queries)) => answers.extend(self.ask(queries)),
                Err(unread) => panic!("{}: {unread:?}", resource.title()),
            }
        }
        panic!("{} never has enough", resource.title());
    }

    pub fn act(&self, acts: Vec<Action>) {
        let count = acts.len();
        let reply = self.batch(&Batch {
            acts,
            queries: Vec::new(),
        });
        assert_eq!(reply.failure, None, "{}", reply.stray);
        assert_eq!(reply.acted, count);
    }

    /// Asks, acts, and asks again: what is left after the acts.
    pub fn settle(&self, resource: &dyn Resource) -> Change {
        let change = self.read(resource);
        assert!(
            !change.is_settled(),
            "{} has nothing to do",
            resource.title()
        );
        self.act(change.actions.clone());
        let left = self.read(resource);
        assert!(left.is_settled(), "{}: left is {left:#?}", resource.title());
        change
    }

    pub fn fails(&self, resource: &dyn Resource) -> String {
        let change = self.read(resource);
        let reply = self.batch(&Batch {
            acts: change.actions,
            queries: Vec::new(),
        });
        reply.failure.expect("the act fails").output
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(anchor) = &mut self.anchor {
            let _ = anchor.kill();
            let _ = anchor.wait();
        }
    }
}

struct Site<'a> {
    templates: BTreeMap<&'a str, &'a str>,
    artifacts: Vec<ArtifactInfo>,
    vault: &'a Vault,
}

impl Surroundings for Site<'_> {
    fn render(&self, template: &str) -> Result<Text, Fault> {
        Ok(Text::new(
            self.templates[template].replace("WORD", &Text::mark("secrets.word")),
        ))
    }

    fn digest(&self, text: &Text) -> Option<String> {
        Some(hex::encode(Sha256::digest(self.vault.reveal(text).ok()?)))
    }

    fn artifact(&self, name: &str) -> Option<ArtifactInfo> {
        self.artifacts.iter().find(|one| one.name == name).cloned()
    }

    fn artifact_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn has_bmc(&self) -> bool {
        false
    }
}

pub fn build(scratch: &Scratch, name: &str, parameters: Value) -> Box<dyn Resource> {
    let tools = ArtifactInfo {
        name: "tools".to_owned(),
        version: "1.0".to_owned(),
        identity: "sha256:1".to_owned(),
        image: None,
    };
    let site = Site {
        templates: BTreeMap::from([
            ("secret", "the word is WORD\n"),
            ("join.yaml", "kind: JoinConfiguration\ntoken: WORD\n"),
        ]),
        artifacts: vec![tools],
        vault: &scratch.vault,
    };
    (kind(name).expect("a kind").build)(parameters, &site)
        .unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

/// Root and overlays are needed; where they are not to be had, the tests say so and pass over.
pub fn scratch() -> Option<Scratch> {
    let probe = Command::new("unshare")
        .args(["--mount", "--net", "true"])
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        println!("left out: no rights to make name spaces");
        return None;
    }
    Some(Scratch::new())
}
