//! SSH against a real sshd.

use std::io::Write;

use super::sshd::{Sshd, direct};
use super::*;
use crate::model::target::HostKeyPolicy;

#[tokio::test]
async fn one_connection_carries_many_scripts() {
    let Some(sshd) = Sshd::start("") else { return };
    let link = open(&direct(sshd.hop())).await.expect("opens");
    for status in 0..3 {
        let done = run(&link, &format!("echo out; echo err >&2; exit {status}"))
            .await
            .expect("runs");
        assert_eq!(
            (done.status, text(&done.stdout), text(&done.stderr)),
            (status, "out\n".into(), "err\n".into())
        );
    }
    let traffic = link.traffic();
    assert_eq!((traffic.connections, traffic.execs), (1, 3));
    assert!(traffic.sent > 1000 && traffic.received > 1000);
    link.close().await;
}

#[tokio::test]
async fn scripts_run_side_by_side_on_one_connection() {
    let Some(sshd) = Sshd::start("") else { return };
    let link = open(&direct(sshd.hop())).await.expect("opens");
    let first = run(&link, "sleep 0.4; echo first");
    let second = run(&link, "head -c 3000000 /dev/zero | tr '\\0' x");
    let third = run(&link, "echo third");
    let (first, second, third) = tokio::join!(first, second, third);
    assert_eq!(text(&first.expect("runs").stdout), "first\n");
    assert_eq!(second.expect("runs").stdout.len(), 3_000_000);
    assert_eq!(text(&third.expect("runs").stdout), "third\n");
}

#[tokio::test]
async fn a_hundred_megabytes_in_and_fifty_out() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let block = vec![7u8; 1_000_000];
    for _ in 0..100 {
        file.write_all(&block).expect("written");
    }
    let link = open(&direct(sshd.hop())).await.expect("opens");
    let exec = Exec {
        timeout: Duration::from_secs(120),
        ..with_payloads(
            "head -c 50000000; head -c 50000000 | wc -c >&2",
            vec![Payload::File {
                path: file.path().to_owned(),
                size: 100_000_000,
            }],
        )
    };
    let done = link.exec(exec, |_| {}).await.expect("runs");
    assert_eq!(done.stdout.len(), 50_000_000);
    assert_eq!(text(&done.stderr).trim(), "50000000");
}

#[tokio::test]
async fn a_signal_is_named() {
    let Some(sshd) = Sshd::start("") else { return };
    let link = open(&direct(sshd.hop())).await.expect("opens");
    let done = run(&link, "kill -KILL $$").await.expect("ends");
    assert_eq!((done.status, done.signal.as_deref()), (-1, Some("KILL")));
}

#[tokio::test]
async fn a_new_host_is_recorded_and_a_changed_one_refused() {
    let Some(mut sshd) = Sshd::start("") else {
        return;
    };
    let strict = |sshd: &Sshd| {
        let mut hop = sshd.hop();
        hop.host_key = HostKeyPolicy::Strict;
        direct(hop)
    };
    let error = open(&strict(&sshd)).await.expect_err("unknown");
    assert!(matches!(error, Error::HostKeyUnknown { .. }), "{error}");
    assert!(error.to_string().contains(&sshd.fingerprint("ed25519")));
    open(&direct(sshd.hop())).await.expect("recorded");
    open(&strict(&sshd)).await.expect("known now");
    let (old, new) = (sshd.path("host_ed25519"), sshd.path("stranger"));
    std::fs::copy(new, old).expect("copied");
    sshd.restart();
    for target in [direct(sshd.hop()), strict(&sshd)] {
        let error = open(&target).await.expect_err("changed");
        let Error::HostKeyChanged { line, fix, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(*line, 1);
        let expected = format!(
            "ssh-keygen -R '[127.0.0.1]:{}' -f {}",
            sshd.port,
            sshd.path("known_hosts").display()
        );
        assert_eq!(*fix, expected);
        assert!(error.hint().contains(&expected), "{}", error.hint());
    }
    let fixed = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            "ssh-keygen -R '[127.0.0.1]:{}' -f {}",
            sshd.port,
            sshd.path("known_hosts").display()
        ))
        .output()
        .expect("runs");
    assert!(fixed.status.success());
    open(&direct(sshd.hop())).await.expect("the fix works");
}

#[tokio::test]
async fn only_the_known_kind_of_key_is_asked_for() {
    let Some(sshd) = Sshd::start("") else { return };
    let rsa = std::fs::read_to_string(sshd.path("host_rsa.pub")).expect("read");
    let line = format!("[127.0.0.1]:{} {rsa}", sshd.port);
    std::fs::write(sshd.path("known_hosts"), line).expect("written");
    let mut hop = sshd.hop();
    hop.host_key = HostKeyPolicy::Strict;
    open(&direct(hop)).await.expect("known by its RSA key");
}

#[tokio::test]
async fn a_pin_holds_for_any_of_the_hosts_keys_and_no_other() {
    let Some(sshd) = Sshd::start("") else { return };
    let pinned = |pin: String| {
        let mut hop = sshd.hop();
        hop.host_key = HostKeyPolicy::Pin(pin);
        direct(hop)
    };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let link = open(&pinned(sshd.fingerprint(kind))).await;
        link.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
    let error = open(&pinned("SHA256:AAAA".to_owned()))
        .await
        .expect_err("another key");
    let Error::HostKeyPin { found, .. } = &error else {
        panic!("{error}");
    };
    assert!(found.contains(&sshd.fingerprint("rsa")), "{found:?}");
    assert!(!sshd.path("known_hosts").exists());
}

#[tokio::test]
async fn refused_keys_are_all_named() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut hop = sshd.hop();
    hop.keys = vec![sshd.path("stranger"), sshd.path("nowhere")];
    hop.password = Some(Secret::new("canary-password"));
    let user = hop.user.clone();
    let error = open(&direct(hop)).await.expect_err("refused");
    let shown = error.to_string();
    assert_eq!(
        shown,
        format!(
            "{user}@127.0.0.1:{}: no authentication was accepted: key {} (refused), \
             key {} does not exist, the password, which the server does not take; \
             the server takes publickey",
            sshd.port,
            sshd.path("stranger").display(),
            sshd.path("nowhere").display()
        )
    );
    assert!(!format!("{error:?}").contains("canary"));
    assert!(error.is_unreachable());
}

#[tokio::test]
async fn an_encrypted_key_is_told_apart_and_the_next_one_used() {
    let Some(sshd) = Sshd::start("") else { return };
    let encrypted = sshd.path("encrypted");
    std::fs::copy(sshd.path("user"), &encrypted).expect("copied");
    let changed = std::process::Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "phrase", "-f"])
        .arg(&encrypted)
        .status();
    assert!(changed.is_ok_and(|status| status.success()));
    let mut hop = sshd.hop();
    hop.keys = vec![encrypted];
    let error = open(&direct(hop.clone())).await.expect_err("encrypted");
    assert!(error.to_string().contains("needs a passphrase"), "{error}");
    hop.keys.push(sshd.path("user"));
    open(&direct(hop)).await.expect("the next key");
}

#[tokio::test]
async fn a_dropped_connection_says_where_and_that_running_again_is_safe() {
    let Some(sshd) = Sshd::start("") else { return };
    let link = open(&direct(sshd.hop())).await.expect("opens");
    let error = run(&link, "kill -KILL $PPID; sleep 30")
        .await
        .expect_err("dropped");
    let Error::Dropped { host, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(host, "w07");
    assert!(error.hint().contains("running again is safe"));
    let error = run(&link, "true").await.expect_err("closed");
    assert!(error.is_dropped(), "{error}");
    let link = open(&direct(sshd.hop())).await.expect("opens again");
    assert_eq!(run(&link, "true").await.expect("runs").status, 0);
}

#[tokio::test]
async fn out_of_time_is_stopped_and_the_connection_lives_on() {
    let Some(sshd) = Sshd::start("") else { return };
    let link = open(&direct(sshd.hop())).await.expect("opens");
    let seen = sshd.path("process");
    let script = format!("sleep 300 & echo $! >{}; wait", seen.display());
    let exec = Exec {
        timeout: Duration::from_secs(3),
        ..exec(&script)
    };
    let error = link.exec(exec, |_| {}).await.expect_err("no time");
    assert_eq!(
        error.to_string(),
        "w07: the script did not end within 3.0 s and was stopped"
    );
    let process = std::fs::read_to_string(seen).expect("started");
    let state = std::fs::read_to_string(format!("/proc/{}/stat", process.trim()));
    assert!(!state.is_ok_and(|state| !state.contains(") Z")));
    assert_eq!(run(&link, "exit 5").await.expect("runs").status, 5);
}

#[tokio::test]
async fn out_of_time_in_the_middle_of_a_payload() {
    let Some(sshd) = Sshd::start("") else { return };
    let link = open(&direct(sshd.hop())).await.expect("opens");
    let exec = Exec {
        timeout: Duration::from_secs(3),
        ..with_payloads("sleep 300", vec![Payload::Bytes(vec![0; 30_000_000])])
    };
    let error = link.exec(exec, |_| {}).await.expect_err("no time");
    assert!(error.to_string().ends_with("was stopped"), "{error}");
    assert_eq!(run(&link, "exit 5").await.expect("runs").status, 5);
}

#[tokio::test]
async fn nothing_listens_and_nothing_speaks() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let Some(sshd) = Sshd::start("") else { return };
    let mut hop = sshd.hop();
    hop.port = port;
    let error = open(&direct(hop.clone())).await.expect_err("refused");
    assert!(
        matches!(error, Error::Connect { attempts: 3, .. }),
        "{error}"
    );
    // A listener whose connections nobody takes: the kernel answers, no banner comes.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    hop.port = silent.local_addr().expect("bound").port();
    let mut target = direct(hop);
    if let Target::Ssh(ssh) = &mut target {
        ssh.connect_timeout = Duration::from_millis(300);
    }
    let error = open(&target).await.expect_err("silent");
    assert!(
        matches!(error, Error::Handshake { attempts: 3, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_booting_host_is_waited_for() {
    let Some(mut sshd) = Sshd::start("") else {
        return;
    };
    sshd.stop();
    let links = Links::new(Options::default());
    let target = direct(sshd.hop());
    let until = std::time::Instant::now() + Duration::from_secs(20);
    let opening = Link::open_until(&links, "w07", &target, until);
    let boot = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        sshd.restart();
    };
    let (link, ()) = tokio::join!(opening, boot);
    assert_eq!(
        run(&link.expect("opens"), "true")
            .await
            .expect("runs")
            .status,
        0
    );
}

#[tokio::test]
async fn an_idle_connection_is_kept_alive_and_a_dead_one_found() {
    let Some(sshd) = Sshd::start("ClientAliveInterval 1\nClientAliveCountMax 1") else {
        return;
    };
    let mut target = direct(sshd.hop());
    if let Target::Ssh(ssh) = &mut target {
        ssh.keep_alive = Duration::from_secs(1);
    }
    let link = open(&target).await.expect("opens");
    let process = text(&run(&link, "echo $PPID").await.expect("runs").stdout);
    tokio::time::sleep(Duration::from_millis(4500)).await;
    assert_eq!(run(&link, "exit 6").await.expect("lives").status, 6);
    let signal = |name: &str| {
        std::process::Command::new("kill")
            .args([name, process.trim()])
            .status()
            .expect("kill runs");
    };
    signal("-STOP");
    let error = run(&link, "true").await.expect_err("silent");
    signal("-KILL");
    assert!(error.to_string().contains("no sign of life"), "{error}");
}

#[tokio::test]
async fn the_systems_ssh_is_a_command_link_too() {
    let Some(sshd) = Sshd::start("") else { return };
    open(&direct(sshd.hop())).await.expect("records the key");
    let files = |name: &str| sshd.path(name).display().to_string();
    let known = format!("UserKnownHostsFile={}", files("known_hosts"));
    let port = sshd.port.to_string();
    let (key, user) = (files("user"), super::sshd::user());
    let words = [
        "ssh", "-F", "none", "-o", &known, "-i", &key, "-p", &port, "-l", &user,
    ];
    for shell in [&["127.0.0.1", "sh"][..], &["127.0.0.1"][..]] {
        let link = open(&command(&[&words, shell].concat()))
            .await
            .expect("opens");
        let exec = with_payloads(
            "head -c 70000 | wc -c; cat",
            vec![
                Payload::Bytes(vec![0; 70_000]),
                Payload::Bytes(b"'rest' $x\n".to_vec()),
            ],
        );
        let done = link.exec(exec, |_| {}).await.expect("runs");
        assert_eq!(text(&done.stdout), "70000\n'rest' $x\n");
    }
}

#[tokio::test]
async fn a_script_that_nobody_waits_for_leaves_the_connection_in_order() {
    let Some(sshd) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let link = open(&direct(sshd.hop())).await.expect("opens");
    // In the middle of sending, so that a packet may be half way out.
    let exec = with_payloads(
        "cat >/dev/null; sleep 1",
        vec![Payload::Bytes(vec![0; 50_000_000])],
    );
    let given_up = tokio::time::timeout(Duration::from_millis(300), link.exec(exec, |_| {})).await;
    assert!(given_up.is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(run(&link, "exit 3").await.expect("runs").status, 3);
}
