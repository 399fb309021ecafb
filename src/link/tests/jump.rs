//! Jump hosts: sshd through sshd.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Instant;

use super::sshd::{Sshd, direct, target};
use super::*;
use crate::link::Traffic;

#[tokio::test]
async fn twenty_hosts_behind_one_jump_host_share_one_connection_to_it() {
    let (Some(jump), Some(inner)) = (Sshd::start(""), Sshd::start("")) else {
        return;
    };
    let links = std::sync::Arc::new(Links::new(Options::default()));
    let target = target(inner.hop(), vec![jump.hop()]);
    let mut hosts = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (links, target) = (links.clone(), target.clone());
        hosts.spawn(async move {
            let link = Link::open(&links, &format!("w{number:02}"), &target).await?;
            // Half of them move enough to fill windows in both directions.
            let size = if number % 2 == 0 { 3_000_000 } else { 10 };
            let exec = with_payloads("cat", vec![Payload::Bytes(vec![number; size])]);
            let done = link.exec(exec, |_| {}).await?;
            link.close().await;
            Ok::<_, Error>((number, size, done.stdout))
        });
    }
    let mut seen = 0;
    while let Some(host) = hosts.join_next().await {
        let (number, size, stdout) = host.expect("no panic").expect("runs");
        assert!(stdout.len() == size && stdout.iter().all(|byte| *byte == number));
        seen += 1;
    }
    assert_eq!(seen, 20);
    assert_eq!(links.traffic().connections, 1);
    let accepted = jump.log().matches("Accepted publickey").count();
    assert_eq!(accepted, 1, "{}", jump.log());
}

#[tokio::test]
async fn a_jump_host_may_be_behind_another() {
    let (Some(first), Some(second), Some(inner)) =
        (Sshd::start(""), Sshd::start(""), Sshd::start(""))
    else {
        return;
    };
    let links = Links::new(Options::default());
    let target = target(inner.hop(), vec![first.hop(), second.hop()]);
    for _ in 0..2 {
        let link = Link::open(&links, "w07", &target).await.expect("opens");
        let exec = with_payloads("wc -c", vec![Payload::Bytes(vec![0; 2_000_000])]);
        let done = link.exec(exec, |_| {}).await.expect("runs");
        assert_eq!(text(&done.stdout).trim(), "2000000");
    }
    let Traffic { connections, .. } = links.traffic();
    assert_eq!(connections, 2, "one to each jump host");
}

#[tokio::test]
async fn a_jump_hosts_failure_is_its_own_and_met_once() {
    let (Some(jump), Some(inner)) = (Sshd::start("LogLevel VERBOSE"), Sshd::start("")) else {
        return;
    };
    let mut hop = jump.hop();
    hop.keys = vec![jump.path("stranger")];
    let user = hop.user.clone();
    let links = Links::new(Options::default());
    let target = target(inner.hop(), vec![hop]);
    let (one, two) = tokio::join!(
        Link::open(&links, "w01", &target),
        Link::open(&links, "w02", &target)
    );
    for (host, outcome) in [("w01", one), ("w02", two)] {
        let error = outcome.expect_err("refused");
        assert_eq!(
            error.to_string(),
            format!(
                "{host}: its jump host {user}@127.0.0.1:{} failed",
                jump.port
            )
        );
        let source = std::error::Error::source(&error).expect("a source");
        assert!(
            source.to_string().contains("stranger (refused)"),
            "{source}"
        );
    }
    let refused = jump.log().matches("Failed publickey").count();
    assert_eq!(refused, 1, "{}", jump.log());
}

#[tokio::test]
async fn what_is_behind_a_jump_host_fails_by_its_own_name() {
    let (Some(jump), Some(closed)) = (Sshd::start(""), Sshd::start("AllowTcpForwarding no")) else {
        return;
    };
    let Some(mut inner) = Sshd::start("") else {
        return;
    };
    inner.stop();
    let error = open(&target(inner.hop(), vec![jump.hop()]))
        .await
        .expect_err("nothing there");
    assert!(
        error.to_string().starts_with(&format!(
            "jump host {}@127.0.0.1:{} does not get through to 127.0.0.1:{}",
            super::sshd::user(),
            jump.port,
            inner.port
        )),
        "{error}"
    );
    inner.restart();
    let error = open(&target(inner.hop(), vec![closed.hop()]))
        .await
        .expect_err("not allowed");
    assert!(matches!(error, Error::Forward { .. }), "{error}");
    assert!(error.hint().contains("AllowTcpForwarding"));
    let mut stranger = inner.hop();
    stranger.keys = vec![inner.path("stranger")];
    let error = open(&target(stranger, vec![jump.hop()]))
        .await
        .expect_err("refused");
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
}

#[tokio::test]
async fn a_jump_host_that_goes_down_is_named_and_met_anew() {
    let (Some(jump), Some(inner)) = (Sshd::start(""), Sshd::start("")) else {
        return;
    };
    let links = Links::new(Options::default());
    let target = target(inner.hop(), vec![jump.hop()]);
    let link = Link::open(&links, "w07", &target).await.expect("opens");
    let cut = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        jump.cut_connections();
    };
    let (outcome, ()) = tokio::join!(run(&link, "sleep 30"), cut);
    let error = outcome.expect_err("dropped");
    assert!(
        error
            .to_string()
            .contains(&format!("its jump host {}@", super::sshd::user())),
        "{error}"
    );
    assert!(matches!(error, Error::Dropped { .. }));
    let link = Link::open(&links, "w07", &target).await.expect("anew");
    assert_eq!(run(&link, "true").await.expect("runs").status, 0);
    assert_eq!(links.traffic().connections, 2);
}

#[tokio::test]
async fn a_silent_host_does_not_hold_up_the_others_behind_the_jump_host() {
    let (Some(jump), Some(inner)) = (Sshd::start(""), Sshd::start("")) else {
        return;
    };
    // A full queue of connections swallows those that come after.
    let silent = TcpListener::bind("127.0.0.1:0").expect("listens");
    // SAFETY: the listener is open; a second call sets the length of its queue.
    assert_eq!(unsafe { libc::listen(silent.as_raw_fd(), 0) }, 0);
    let address = silent.local_addr().expect("bound");
    let _filling: Vec<_> = (0..3)
        .map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200)))
        .collect();
    let links = Links::new(Options::default());
    let mut hop = inner.hop();
    hop.port = address.port();
    let mut dead = target(hop, vec![jump.hop()]);
    if let Target::Ssh(ssh) = &mut dead {
        ssh.connect_timeout = Duration::from_secs(6);
    }
    let alive = target(inner.hop(), vec![jump.hop()]);
    let begun = Instant::now();
    let (dead, alive) = tokio::join!(Link::open(&links, "w01", &dead), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let link = Link::open(&links, "w02", &alive).await.expect("opens");
        (link, begun.elapsed())
    });
    let error = dead.expect_err("silent");
    assert!(error.to_string().contains("no answer for 6 s"), "{error}");
    assert!(alive.1 < Duration::from_secs(6), "held up: {:?}", alive.1);
    assert_eq!(links.traffic().connections, 2, "one spare");
}

#[tokio::test]
async fn a_refused_session_is_told() {
    let Some(sshd) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let link = open(&direct(sshd.hop())).await.expect("opens");
    let (first, second) = tokio::join!(run(&link, "sleep 1"), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        run(&link, "true").await
    });
    assert_eq!(first.expect("runs").status, 0);
    let error = second.expect_err("one too many");
    assert!(matches!(error, Error::Channel { .. }), "{error}");
    assert!(error.hint().contains("MaxSessions"));
    for _ in 0..5 {
        assert_eq!(run(&link, "true").await.expect("runs").status, 0);
    }
}
