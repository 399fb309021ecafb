//! The wire, through this machine's shells.

use std::io::Write;

use super::*;
use crate::link::Remains;

const SHELLS: &[&[&str]] = &[&["dash"], &["bash"], &["busybox", "sh"], &["sh"]];

/// Each shell that this machine has, as a command link, and the local link.
async fn links() -> Vec<(String, Link)> {
    let mut links = vec![(
        "local".to_owned(),
        open(&Target::Local { sudo: Sudo::None })
            .await
            .expect("opens"),
    )];
    for argv in SHELLS {
        if has(argv[0]) {
            links.push((argv.join(" "), open(&command(argv)).await.expect("opens")));
        } else {
            left_out(&format!("no {} on this machine", argv[0]));
        }
    }
    links
}

#[tokio::test]
async fn a_script_has_its_status_and_both_its_outputs() {
    for (name, link) in links().await {
        let done = run(&link, "echo out; echo err >&2; exit 3")
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (done.status, text(&done.stdout), text(&done.stderr)),
            (3, "out\n".into(), "err\n".into()),
            "{name}"
        );
        assert_eq!(link.traffic().execs, 1);
    }
}

#[tokio::test]
async fn payloads_are_taken_to_the_byte_and_the_rest_is_left() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let large: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    file.write_all(&large).expect("written");
    for (name, link) in links().await {
        let script = "head -c 5 | od -An -c; head -c 1200000 | sha256sum; read -r line; \
                      echo \"line $line\"; head -c 0; cat";
        let exec = with_payloads(
            script,
            vec![
                Payload::Bytes(b"\0\n\\x ".to_vec()),
                Payload::File {
                    path: file.path().to_owned(),
                    size: large.len() as u64,
                },
                Payload::Bytes(b"a line\nthe rest".to_vec()),
            ],
        );
        let seen = std::sync::Mutex::new(Default::default());
        let done = link
            .exec(exec, |now| *seen.lock().expect("unpoisoned") = now)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&large));
        assert_eq!(
            text(&done.stdout),
            format!("  \\0  \\n   \\   x    \n{digest}  -\nline a line\nthe rest"),
            "{name}: {}",
            text(&done.stderr)
        );
        let seen = *seen.lock().expect("unpoisoned");
        assert_eq!((seen.sent, seen.total), (1_200_020, 1_200_020), "{name}");
    }
}

#[tokio::test]
async fn a_head_that_reads_ahead_is_found_out_and_replaced() {
    if !has("busybox") {
        return left_out("no busybox on this machine");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let head = folder.path().join("head");
    std::fs::write(&head, "#!/bin/sh\nexec busybox head \"$@\"\n").expect("written");
    std::fs::set_permissions(&head, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("set");
    let path = format!("PATH={}:/usr/bin:/bin", folder.path().display());
    let link = open(&command(&["env", &path, "sh"])).await.expect("opens");
    let exec = with_payloads(
        "head -c 70000 | wc -c; cat; printf 'a\\nb\\n' | head -n 1",
        vec![
            Payload::Bytes(vec![b'x'; 70_000]),
            Payload::Bytes(b"rest\n".to_vec()),
        ],
    );
    let done = link.exec(exec, |_| {}).await.expect("runs");
    assert_eq!(
        text(&done.stdout),
        "70000\nrest\na\n",
        "{}",
        text(&done.stderr)
    );
}

#[tokio::test]
async fn big_input_and_big_output_pass_each_other() {
    for (name, link) in links().await {
        let exec = with_payloads("cat", vec![Payload::Bytes(vec![b'x'; 20_000_000])]);
        let done = link
            .exec(exec, |_| {})
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(done.stdout.len(), 20_000_000, "{name}");
    }
}

#[tokio::test]
async fn a_script_may_leave_its_payload_unread() {
    for (name, link) in links().await {
        let exec = with_payloads("exit 4", vec![Payload::Bytes(vec![b'x'; 5_000_000])]);
        let done = link
            .exec(exec, |_| {})
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(done.status, 4, "{name}");
    }
}

#[tokio::test]
async fn out_of_time_is_stopped_with_all_it_started() {
    for (name, link) in links().await {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!(
            "cd {}; (echo $$ >outer; sh -c 'echo $$ >inner; exec sleep 300') & wait",
            folder.path().display()
        );
        let exec = Exec {
            timeout: Duration::from_secs(3),
            ..exec(&script)
        };
        let error = link.exec(exec, |_| {}).await.expect_err("no time");
        assert!(
            matches!(
                &error,
                Error::TimedOut { host, remains: Remains::Nothing, .. } if host == "w07"
            ),
            "{name}: {error}"
        );
        for file in ["outer", "inner"] {
            let process = std::fs::read_to_string(folder.path().join(file)).expect("started");
            let state = std::fs::read_to_string(format!("/proc/{}/stat", process.trim()));
            assert!(
                state.as_ref().is_err() || state.as_ref().is_ok_and(|state| state.contains(") Z")),
                "{name}: {file} still runs: {state:?}"
            );
        }
    }
}

#[tokio::test]
async fn too_much_output_and_a_short_payload_are_errors() {
    let links = Links::new(Options {
        output_limit: 1024 * 1024,
        ..Options::default()
    });
    let link = Link::open(&links, "w07", &Target::Local { sudo: Sudo::None })
        .await
        .expect("opens");
    let error = run(&link, "yes").await.expect_err("too much");
    assert_eq!(error.to_string(), "w07: the script printed more than 1 MiB");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let exec = with_payloads(
        "cat",
        vec![Payload::File {
            path: file.path().to_owned(),
            size: 5,
        }],
    );
    let error = link.exec(exec, |_| {}).await.expect_err("short");
    assert!(
        error.to_string().ends_with("ended after 0 of 5 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_that_gives_no_shell_says_why() {
    let link = open(&command(&[
        "sh",
        "-c",
        "echo no such container: w07 >&2; exit 1",
    ]))
    .await
    .expect("opens");
    let error = run(&link, "true").await.expect_err("no shell");
    assert_eq!(
        error.to_string(),
        "w07: no shell started (status 1); it said: no such container: w07"
    );
    let link = open(&command(&["/nowhere/docker", "exec"]))
        .await
        .expect("opens");
    let error = run(&link, "true").await.expect_err("no program");
    assert_eq!(error.to_string(), "w07: `/nowhere/docker` does not run");
    assert!(error.is_unreachable());
}

#[tokio::test]
async fn what_login_files_print_is_not_the_scripts() {
    let link = open(&command(&[
        "sh",
        "-c",
        "echo Welcome; echo mind the gap >&2; exec sh",
    ]))
    .await
    .expect("opens");
    let done = run(&link, "echo out; echo err >&2").await.expect("runs");
    assert_eq!(
        (text(&done.stdout), text(&done.stderr)),
        ("out\n".into(), "err\n".into())
    );
}

#[tokio::test]
async fn a_script_stands_in_no_argument_vector() {
    for (name, link) in links().await {
        let done = run(&link, "canary=sesame-4711; cat /proc/[0-9]*/cmdline; :")
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(done.stdout.len() > 100, "{name}");
        assert!(!text(&done.stdout).contains("sesame-4711"), "{name}");
    }
    assert!(!format!("{:?}", exec("sesame-4711")).contains("sesame"));
    let payload = Payload::Bytes(b"sesame".to_vec());
    assert_eq!(format!("{payload:?}"), "Bytes(6)");
}

#[tokio::test]
async fn a_busybox_machine_takes_payloads_with_dd() {
    let bind = "mount --bind $(command -v busybox) /usr/bin/head && \
                mount --bind $(command -v busybox) /usr/bin/dd";
    let tried = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", bind])
        .output();
    if !has("busybox") || !tried.is_ok_and(|output| output.status.success()) {
        return left_out("no busybox, or no right to mount it over head and dd");
    }
    let link = open(&command(&[
        "unshare",
        "-m",
        "sh",
        "-c",
        &format!("{bind}; exec busybox sh"),
    ]))
    .await
    .expect("opens");
    // Twice the block that dd takes, and more; what comes in pieces is waited for.
    let exec = with_payloads(
        "head -c 200000 | sha256sum; head -c 3; echo; cat; printf 'a\\nb\\n' | head -n 1",
        vec![
            Payload::Bytes(vec![b'x'; 200_000]),
            Payload::Bytes(b"abc".to_vec()),
            Payload::Bytes(b"rest\n".to_vec()),
        ],
    );
    let done = link.exec(exec, |_| {}).await.expect("runs");
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(vec![b'x'; 200_000]));
    assert_eq!(
        text(&done.stdout),
        format!("{digest}  -\nabc\nrest\na\n"),
        "{}",
        text(&done.stderr)
    );
    assert_eq!(link.traffic().execs, 1);
}

#[test]
fn every_login_shell_passes_the_bootstrap_on() {
    use crate::link::wire::{Entry, Take, bootstrap};
    for shell in ["sh", "dash", "bash", "zsh", "tcsh", "fish", "ksh"] {
        if !has(shell) {
            left_out(&format!("no {shell} on this machine"));
            continue;
        }
        for take in [Take::Head, Take::Dd] {
            let mut child = std::process::Command::new(shell)
                .args(["-c", &bootstrap(Entry::Command, take, &Sudo::None)])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("runs");
            let mut stdin = child.stdin.take().expect("piped");
            stdin.write_all(b"9\nhead -c 4#\nabcdefg").expect("written");
            drop(stdin);
            let output = child.wait_with_output().expect("ends");
            let stdout = text(&output.stdout);
            assert!(stdout.ends_with("::\nabcd"), "{shell}: {stdout}");
        }
    }
}
