//! The link room against real shells, a real sshd and real sudo, all on this machine.

mod errors;
mod jump;
mod local;
mod login;
mod measure;
mod ssh;
mod sshd;
mod sudo;

use std::time::Duration;

use super::{Completed, Error, Exec, Link, Links, Options, Payload};
use crate::model::Secret;
use crate::model::target::{Sudo, Target};

fn exec(script: &str) -> Exec {
    Exec {
        script: Secret::new(script),
        payloads: Vec::new(),
        timeout: Duration::from_secs(30),
    }
}

fn with_payloads(script: &str, payloads: Vec<Payload>) -> Exec {
    Exec {
        payloads,
        ..exec(script)
    }
}

async fn run(link: &Link, script: &str) -> Result<Completed, Error> {
    link.exec(exec(script), |_| {}).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Says why a test is left out.
fn left_out(why: &str) {
    eprintln!("left out: {why}");
}

async fn open(target: &Target) -> Result<Link, Error> {
    Link::open(&Links::new(Options::default()), "w07", target).await
}

fn command(argv: &[&str]) -> Target {
    Target::Command {
        argv: argv.iter().map(|word| word.to_string()).collect(),
        sudo: Sudo::None,
    }
}

fn has(program: &str) -> bool {
    std::process::Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success())
}
