//! Figures beside OpenSSH's client, on this machine at this moment:
//! `cargo test --lib link::tests::measure -- --ignored --nocapture`.

use std::process::{Command, Stdio};
use std::time::Instant;

use super::sshd::{Sshd, direct, target, user};
use super::sudo::User;
use super::*;

fn ssh(sshd: &Sshd, user: &str) -> Command {
    let mut command = Command::new("ssh");
    command
        .args(["-F", "none", "-o", "StrictHostKeyChecking=accept-new"])
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile={}",
            sshd.path("known_hosts").display()
        ))
        .arg("-i")
        .arg(sshd.path("user"))
        .args(["-p", &sshd.port.to_string()])
        .arg(format!("{user}@127.0.0.1"));
    command
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures instead of judging them"]
async fn connection_and_exec() {
    // A new user, as the files that this one's shell reads would be measured too.
    let (Some(sshd), Some(user)) = (Sshd::start(""), User::create("none", None)) else {
        return;
    };
    let mut hop = sshd.hop();
    hop.user = user.name.clone();
    let (mut plain, mut own, mut opened, mut ran) = (vec![], vec![], vec![], vec![]);
    for _ in 0..15 {
        let begun = Instant::now();
        let status = ssh(&sshd, &user.name).arg("true").status();
        assert!(status.is_ok_and(|status| status.success()));
        plain.push(begun.elapsed());
        let begun = Instant::now();
        let link = open(&direct(hop.clone())).await.expect("opens");
        opened.push(begun.elapsed());
        run(&link, "true").await.expect("runs");
        ran.push(begun.elapsed());
        link.close().await;
        own.push(begun.elapsed());
    }
    let (plain, own) = (median(plain), median(own));
    eprintln!(
        "ssh HOST true {plain:?}; open, exec, close {own:?} (open {:?}, with exec {:?}); ratio {:.2}",
        median(opened),
        median(ran),
        own.as_secs_f64() / plain.as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures instead of judging them"]
async fn upload() {
    let Some(sshd) = Sshd::start("") else { return };
    let file = tempfile::NamedTempFile::new().expect("a file");
    let size = 300_000_000;
    file.as_file().set_len(size).expect("sized");
    let payload = || Exec {
        timeout: Duration::from_secs(300),
        ..with_payloads(
            "cat >/dev/null",
            vec![Payload::File {
                path: file.path().to_owned(),
                size,
            }],
        )
    };
    let links = Links::new(Options::default());
    let direct = Link::open(&links, "w07", &direct(sshd.hop())).await;
    let jumped = Link::open(&links, "w07", &target(sshd.hop(), vec![sshd.hop()])).await;
    let (direct, jumped) = (direct.expect("opens"), jumped.expect("opens"));
    let rate = |begun: Instant| size as f64 / 1e6 / begun.elapsed().as_secs_f64();
    for _ in 0..3 {
        let begun = Instant::now();
        let input = std::fs::File::open(file.path()).expect("opens");
        let status = ssh(&sshd, &user())
            .arg("cat >/dev/null")
            .stdin(Stdio::from(input))
            .status();
        assert!(status.is_ok_and(|status| status.success()));
        let plain = rate(begun);
        let begun = Instant::now();
        direct.exec(payload(), |_| {}).await.expect("runs");
        let own = rate(begun);
        let begun = Instant::now();
        jumped.exec(payload(), |_| {}).await.expect("runs");
        eprintln!(
            "ssh {plain:.0} MB/s; link {own:.0} MB/s; link through a jump host {:.0} MB/s",
            rate(begun)
        );
    }
}
