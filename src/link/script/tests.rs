use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::link::Payload as Bytes;
use crate::model::query::{FileState, Output};
use crate::model::{Action, Answers, Payload, Secret, Text};

/// Runs a batch with a real shell on this machine: the text by `-c`, payloads on its input.
fn run(batch: &Batch, vault: &Vault) -> Reply {
    let around = Around {
        vault,
        find: &|artifact, _| Err(format!("no artifact {artifact}")),
        lease: None,
    };
    let script = compile(batch, &around).expect("compiles");
    let mut child = Command::new("sh")
        .args(["-c", &script.text])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh starts");
    let mut input = child.stdin.take().expect("piped");
    for payload in &script.payloads {
        let Bytes::Bytes(bytes) = payload else {
            panic!("only bytes here")
        };
        input.write_all(bytes).expect("the script reads");
    }
    drop(input);
    let output = child.wait_with_output().expect("ends");
    script.read(&output.stdout, &output.stderr)
}

fn ask(queries: Vec<Query>) -> Answers {
    let batch = Batch {
        acts: Vec::new(),
        queries,
    };
    run(&batch, &Vault::default()).answers.into_iter().collect()
}

#[test]
fn reads_files_of_every_sort() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("plain"), "one\ntwo").expect("written");
    std::fs::write(path("ended"), "one\n\n").expect("written");
    std::fs::write(path("empty"), "").expect("written");
    std::fs::write(path("odd name\n' x"), "odd").expect("written");
    std::os::unix::fs::symlink("plain", path("link")).expect("linked");
    let names = [
        "plain",
        "ended",
        "empty",
        "odd name\n' x",
        "link",
        "none",
        ".",
    ];
    let mut queries = Vec::new();
    for name in names {
        queries.push(Query::File(path(name)));
        queries.push(Query::Digest(path(name)));
        if !name.contains('\n') {
            queries.push(Query::Content(path(name)));
        }
    }
    // Several steps may want to know the same.
    queries.extend(queries.clone());
    let answers = ask(queries);
    assert_eq!(answers.content(&path("plain")), Ok(Some("one\ntwo")));
    assert_eq!(
        answers.digest(&path("ended")),
        Ok(Some(
            "e1fab8e3a85da76b442cce547fcdbc42f8f05f876486db2a0c48a3b2f20bf62d"
        ))
    );
    assert_eq!(answers.content(&path("ended")), Ok(Some("one\n\n")));
    assert_eq!(answers.content(&path("empty")), Ok(Some("")));
    assert_eq!(answers.content(&path("none")), Ok(None));
    assert_eq!(answers.digest(&path("none")), Ok(None));
    assert_eq!(
        answers.digest(&path("empty")),
        Ok(Some(
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        ))
    );
    assert_eq!(answers.file(&path("none")), Ok(&FileState::Absent));
    let FileState::Present(link) = answers.file(&path("link")).expect("known") else {
        panic!("the link is there")
    };
    assert_eq!(link.link.as_deref(), Some("plain"));
    let FileState::Present(odd) = answers.file(&path("odd name\n' x")).expect("known") else {
        panic!("the odd name is there")
    };
    assert_eq!(odd.size, 3);
}

#[test]
fn keeps_a_broken_question_from_the_others() {
    let answers = ask(vec![
        Query::Run("if then".to_owned()),
        Query::Run("exit 7".to_owned()),
        Query::Run("printf 'a b\\nc'; echo oops >&2".to_owned()),
        Query::Content("/proc/sys/kernel/ostype".to_owned()),
    ]);
    assert_ne!(answers.output("if then").expect("answered").status, 0);
    assert_eq!(answers.output("exit 7").expect("answered").status, 7);
    assert_eq!(
        answers.output("printf 'a b\\nc'; echo oops >&2"),
        Ok(&Output {
            status: 0,
            stdout: "a b\nc".to_owned(),
            stderr: "oops\n".to_owned(),
        })
    );
    assert_eq!(
        answers.content("/proc/sys/kernel/ostype"),
        Ok(Some("Linux\n"))
    );
}

#[test]
fn acts_then_asks_and_reveals_only_on_the_wire() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/er/file").display().to_string();
    let vault = Vault::default();
    vault.put("word", Secret::new("canary-7131"));
    let long = "0123456789\n".repeat(2000);
    let owner = Command::new("id").arg("-un").output().expect("id runs");
    let owner = String::from_utf8_lossy(&owner.stdout).trim().to_owned();
    let group = Command::new("id").arg("-gn").output().expect("id runs");
    let group = String::from_utf8_lossy(&group.stdout).trim().to_owned();
    let write = |content: Text| Action::Write {
        path: path.clone(),
        content: Payload::Text(content),
        mode: 0o640,
        owner: owner.clone(),
        group: group.clone(),
    };
    let batch = Batch {
        acts: vec![
            write(Text::new(long)),
            Action::Feed {
                script: format!("[ -s {path} ]").as_str().into(),
                payload: Payload::Text("left unread".into()),
            },
            write(Text::new(format!("pass={}", Text::mark("word")))),
        ],
        queries: vec![Query::Content(path.clone())],
    };
    let reply = run(&batch, &vault);
    assert_eq!(reply.failure, None);
    assert_eq!(reply.acted, 3);
    let answers: Answers = reply.answers.into_iter().collect();
    assert_eq!(answers.content(&path), Ok(Some("pass=canary-7131")));

    let failing = Batch {
        acts: vec![
            Action::Run(format!("echo {} >&2; exit 4", Text::mark("word")).into()),
            Action::Run("touch /never".into()),
        ],
        queries: vec![Query::Run("true".to_owned())],
    };
    let reply = run(&failing, &vault);
    let failure = reply.failure.expect("the first act fails");
    assert_eq!(failure.status, 4);
    assert_eq!(failure.index, 0);
    assert_eq!(failure.shown, "echo ‹word› >&2; exit 4");
    assert_eq!(vault.redact(&failure.output), "‹word›");
}

#[test]
fn refuses_half_a_payload() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file").display().to_string();
    let around = Around {
        vault: &Vault::default(),
        find: &|_, _| Err(String::new()),
        lease: None,
    };
    let batch = Batch {
        acts: vec![Action::Write {
            path: path.clone(),
            content: Payload::Text("whole".into()),
            mode: 0o644,
            owner: "root".to_owned(),
            group: "root".to_owned(),
        }],
        queries: Vec::new(),
    };
    let script = compile(&batch, &around).expect("compiles");
    let mut child = Command::new("sh")
        .args(["-c", &script.text])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh starts");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(b"who")
        .expect("written");
    let output = child.wait_with_output().expect("ends");
    let reply = script.read(&output.stdout, &output.stderr);
    assert!(reply.failure.is_some());
    assert!(!folder.path().join("file").exists());
    assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 0);
}
