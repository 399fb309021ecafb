//! Root's rights through a real sudo, as users made for the test.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::sshd::{Sshd, direct, is_root};
use super::*;
use crate::link::Refusal;

/// A user of this machine, removed with the value.
pub(super) struct User {
    pub name: String,
    rule: Option<PathBuf>,
}

impl User {
    /// Makes one, with the rule in sudoers (`ALL` and so on, without the name), or says why not.
    pub fn create(password: &str, rule: Option<&str>) -> Option<Self> {
        if !is_root() {
            left_out("only root can make a user for this test");
            return None;
        }
        if rule.is_some() && !has("visudo") {
            left_out("no sudo on this machine");
            return None;
        }
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        let name = format!("ra{:010x}", random & 0xff_ffff_ffff);
        let made = Command::new("useradd")
            .args(["-m", "-s", "/bin/bash", &name])
            .status();
        assert!(made.is_ok_and(|status| status.success()), "useradd");
        let mut user = Self { name, rule: None };
        user.feed("chpasswd", &[], &format!("{}:{password}\n", user.name));
        if let Some(rule) = rule {
            let path = PathBuf::from(format!("/etc/sudoers.d/{}", user.name));
            std::fs::write(&path, format!("{} {rule}\n", user.name)).expect("written");
            user.rule = Some(path);
        }
        Some(user)
    }

    fn feed(&self, program: &str, arguments: &[&str], input: &str) {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("written");
        drop(stdin);
        assert!(child.wait().is_ok_and(|status| status.success()));
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(rule) = &self.rule {
            let _ = std::fs::remove_file(rule);
        }
        // Processes of the user that are just ending make userdel refuse.
        for _ in 0..50 {
            let removed = Command::new("userdel")
                .args(["-r", &self.name])
                .stderr(Stdio::null())
                .status();
            if removed.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

const PASSWORD: &str = "canary-5udo ' \"$x";

/// A link as the user, over SSH and as a command.
async fn links(sshd: &Sshd, user: &User, sudo: Sudo) -> Vec<(&'static str, Link)> {
    let mut hop = sshd.hop();
    hop.user = user.name.clone();
    let mut ssh = direct(hop);
    if let Target::Ssh(target) = &mut ssh {
        target.sudo = sudo.clone();
    }
    let mut command = command(&["setpriv", "--reuid", &user.name, "--clear-groups", "sh"]);
    if let Target::Command { sudo: own, .. } = &mut command {
        *own = sudo;
    }
    vec![
        ("ssh", open(&ssh).await.expect("opens")),
        ("command", open(&command).await.expect("opens")),
    ]
}

async fn refusals(sshd: &Sshd, user: &User, sudo: Sudo) -> Vec<(Refusal, String)> {
    let mut refusals = Vec::new();
    for (name, link) in links(sshd, user, sudo).await {
        let error = run(&link, "echo canary-script").await.expect_err("refused");
        let Error::Sudo { refusal, said, .. } = &error else {
            panic!("{name}: {error}");
        };
        refusals.push((*refusal, said.clone()));
        let shown = format!("{error:?} {error} {}", error.hint());
        assert!(!shown.contains("canary"), "{shown}");
    }
    refusals
}

#[tokio::test]
async fn a_password_is_given_whether_it_is_asked_for_or_not() {
    // The last two do not ask: no password needed, or asked for a moment ago.
    for rule in [
        "ALL=(ALL) ALL",
        "ALL=(ALL) NOPASSWD: ALL",
        "ALL=(ALL) ALL\nDefaults !tty_tickets, timestamp_type=global",
        "ALL=(ALL) ALL\nDefaults use_pty",
    ] {
        let (Some(sshd), Some(user)) = (Sshd::start(""), User::create(PASSWORD, Some(rule))) else {
            return;
        };
        for (name, link) in links(&sshd, &user, Sudo::Password(Secret::new(PASSWORD))).await {
            for round in 0..2 {
                let exec = with_payloads(
                    "id -u; head -c 6; echo; head -c 100000 | wc -c; cat; \
                     cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | \
                     grep -ac 'canary[-]' ; exit 7",
                    vec![
                        Payload::Bytes(b"first\n".to_vec()),
                        Payload::Bytes(vec![b'x'; 100_000]),
                        Payload::Bytes(b"last\n".to_vec()),
                    ],
                );
                let done = link
                    .exec(exec, |_| {})
                    .await
                    .unwrap_or_else(|error| panic!("{rule}, {name}, {round}: {error}"));
                assert_eq!(
                    (done.status, text(&done.stdout), text(&done.stderr)),
                    (7, "0\nfirst\n\n100000\nlast\n0\n".into(), String::new()),
                    "{rule}, {name}, {round}"
                );
            }
        }
    }
}

#[tokio::test]
async fn rights_without_a_password() {
    let (Some(sshd), Some(user)) = (
        Sshd::start(""),
        User::create(PASSWORD, Some("ALL=(ALL) NOPASSWD: ALL")),
    ) else {
        return;
    };
    for (name, link) in links(&sshd, &user, Sudo::Free).await {
        let done = run(&link, "id -u").await.expect("runs");
        assert_eq!(text(&done.stdout), "0\n", "{name}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_found_at_the_first_try_in_whatever_words() {
    for rule in [
        "ALL=(ALL) ALL",
        "ALL=(ALL) ALL\nDefaults insults",
        "ALL=(ALL) ALL\nDefaults badpass_message=Nope",
    ] {
        let (Some(sshd), Some(user)) = (Sshd::start(""), User::create(PASSWORD, Some(rule))) else {
            return;
        };
        let wrong = Sudo::Password(Secret::new("canary-wrong"));
        for (refusal, said) in refusals(&sshd, &user, wrong).await {
            assert_eq!(refusal, Refusal::WrongPassword, "{said}");
            // More would bring the user nearer to being locked out.
            assert!(said.contains("1 incorrect password attempt"), "{said}");
        }
        for (refusal, said) in refusals(&sshd, &user, Sudo::Free).await {
            assert_eq!(refusal, Refusal::PasswordRequired, "{said}");
        }
    }
}

#[tokio::test]
async fn a_user_without_a_rule_is_told_so() {
    let (Some(sshd), Some(user)) = (Sshd::start(""), User::create(PASSWORD, None)) else {
        return;
    };
    if !has("sudo") {
        return left_out("no sudo on this machine");
    }
    let right = Sudo::Password(Secret::new(PASSWORD));
    for (refusal, said) in refusals(&sshd, &user, right).await {
        assert_eq!(refusal, Refusal::NotAllowed, "{said}");
    }
}

#[tokio::test]
async fn out_of_time_under_sudo_is_stopped_too() {
    for rule in ["ALL=(ALL) ALL", "ALL=(ALL) ALL\nDefaults use_pty"] {
        let (Some(sshd), Some(user)) = (Sshd::start(""), User::create(PASSWORD, Some(rule))) else {
            return;
        };
        for (name, link) in links(&sshd, &user, Sudo::Password(Secret::new(PASSWORD))).await {
            let seen = sshd.path("process");
            let exec = Exec {
                timeout: Duration::from_secs(3),
                ..exec(&format!("sleep 300 & echo $! >{}; wait", seen.display()))
            };
            let error = link.exec(exec, |_| {}).await.expect_err("no time");
            assert!(
                error.to_string().ends_with("was stopped"),
                "{name}: {error}"
            );
            let process = std::fs::read_to_string(&seen).expect("started");
            let state = std::fs::read_to_string(format!("/proc/{}/stat", process.trim()));
            assert!(
                !state.is_ok_and(|state| !state.contains(") Z")),
                "{rule}, {name}: it still runs"
            );
        }
    }
}

#[tokio::test]
async fn a_missing_sudo_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    for program in ["sh", "env"] {
        let path = folder.path().join(program);
        std::os::unix::fs::symlink(format!("/bin/{program}"), path).expect("linked");
    }
    let path = format!("PATH={}", folder.path().display());
    let mut target = command(&["env", &path, "sh"]);
    if let Target::Command { sudo, .. } = &mut target {
        *sudo = Sudo::Free;
    }
    let link = open(&target).await.expect("opens");
    let error = run(&link, "true").await.expect_err("no sudo");
    assert!(
        matches!(
            error,
            Error::Sudo {
                refusal: Refusal::Missing,
                ..
            }
        ),
        "{error}"
    );
}
