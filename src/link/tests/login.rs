//! Passwords and agents against a real sshd.

use std::process::{Command, Stdio};

use super::sshd::{Sshd, direct};
use super::sudo::User;
use super::*;
use crate::model::target::Agent;

const PASSWORD: &str = "canary-Pa55 word";

#[tokio::test]
async fn a_password_logs_in_in_both_ways_and_a_wrong_one_is_not_shown() {
    for (options, wrong) in [
        ("PasswordAuthentication yes", "the password (refused)"),
        (
            "UsePAM yes\nKbdInteractiveAuthentication yes",
            "the password, asked for (refused)",
        ),
    ] {
        let (Some(sshd), Some(user)) = (Sshd::start(options), User::create(PASSWORD, None)) else {
            return;
        };
        let mut hop = sshd.hop();
        hop.user = user.name.clone();
        hop.keys.clear();
        hop.password = Some(Secret::new(PASSWORD));
        let link = open(&direct(hop.clone()))
            .await
            .unwrap_or_else(|error| panic!("{options}: {error}"));
        let done = run(&link, "id -un; cat /proc/[0-9]*/cmdline; :")
            .await
            .expect("runs");
        assert!(text(&done.stdout).starts_with(&format!("{}\n", user.name)));
        assert!(!text(&done.stdout).contains("canary"));
        hop.password = Some(Secret::new("canary-wrong"));
        let error = open(&direct(hop)).await.expect_err("wrong");
        assert!(error.to_string().contains(wrong), "{error}");
        assert!(!format!("{error:?} {error} {}", error.hint()).contains("canary"));
    }
}

#[tokio::test]
async fn a_key_and_a_password_may_both_be_needed() {
    let options = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    let (Some(sshd), Some(user)) = (Sshd::start(options), User::create(PASSWORD, None)) else {
        return;
    };
    let mut hop = sshd.hop();
    hop.user = user.name.clone();
    hop.password = Some(Secret::new(PASSWORD));
    open(&direct(hop)).await.expect("opens");
}

/// Runs in a process of its own, whose environment names the agent.
#[tokio::test]
async fn the_agent_holds_what_a_file_encrypts() {
    if std::env::var_os("RA_DEPLOY_TEST_AGENT").is_some() {
        return with_agent().await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("agent");
    let Ok(mut agent) = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
    else {
        return left_out("no ssh-agent on this machine");
    };
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let own = std::env::current_exe().expect("this program");
    let output = Command::new(own)
        .args([
            "--exact",
            "link::tests::login::the_agent_holds_what_a_file_encrypts",
        ])
        .env("RA_DEPLOY_TEST_AGENT", "1")
        .env("SSH_AUTH_SOCK", &socket)
        .output();
    let _ = agent.kill();
    let _ = agent.wait();
    let output = output.expect("runs");
    assert!(
        output.status.success() && text(&output.stdout).contains("1 passed"),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

async fn with_agent() {
    let Some(sshd) = Sshd::start("") else { return };
    let encrypted = sshd.path("encrypted");
    std::fs::copy(sshd.path("user"), &encrypted).expect("copied");
    let ssh = |program: &str, arguments: &[&str]| {
        let status = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "{program}");
    };
    let shown = encrypted.to_string_lossy().into_owned();
    ssh(
        "ssh-keygen",
        &["-q", "-p", "-P", "", "-N", "phrase", "-f", &shown],
    );
    let mut hop = sshd.hop();
    hop.keys = vec![encrypted];
    hop.agent = Agent::Offer;
    let error = open(&direct(hop.clone()))
        .await
        .expect_err("an empty agent");
    assert!(error.to_string().contains("no agent holds it"), "{error}");
    ssh("ssh-add", &["-q", &sshd.path("stranger").to_string_lossy()]);
    ssh("ssh-add", &["-q", &sshd.path("user").to_string_lossy()]);
    let link = open(&direct(hop)).await.expect("the agent's key");
    assert_eq!(run(&link, "true").await.expect("runs").status, 0);
    // Only the wanted key was offered.
    assert!(!sshd.log().contains("Failed publickey"), "{}", sshd.log());
}
