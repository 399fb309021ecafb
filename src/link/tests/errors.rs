//! What people read when a link fails.

use std::io;
use std::sync::Arc;

use super::*;
use crate::link::{HopName, HopRole, Refusal, Remains};

fn hop(address: &str, port: u16, role: HopRole) -> Box<HopName> {
    Box::new(HopName {
        user: "ops".to_owned(),
        address: address.to_owned(),
        port,
        role,
    })
}

fn connect(kind: io::ErrorKind) -> Error {
    Error::Connect {
        hop: hop("192.0.2.7", 22, HopRole::Host),
        attempts: 3,
        source: Arc::new(kind.into()),
    }
}

#[test]
fn hops_are_named_as_ssh_takes_them() {
    let shown = |address, port, role| hop(address, port, role).to_string();
    assert_eq!(shown("w07", 22, HopRole::Host), "ops@w07");
    assert_eq!(shown("w07", 2222, HopRole::Host), "ops@w07:2222");
    assert_eq!(
        shown("2001:db8::7", 22, HopRole::Host),
        "ops@[2001:db8::7]:22"
    );
    assert_eq!(shown("bastion", 22, HopRole::Jump), "jump host ops@bastion");
}

#[test]
fn errors_say_what_happened_and_what_to_do() {
    let jump = Error::Jump {
        host: "w07".to_owned(),
        jump: hop("bastion", 22, HopRole::Jump),
        source: Arc::new(connect(io::ErrorKind::ConnectionRefused)),
    };
    let unknown = Error::HostKeyUnknown {
        hop: hop("w07", 2222, HopRole::Host),
        kind: "ssh-ed25519".to_owned(),
        fingerprint: "SHA256:abc".to_owned(),
        known_hosts: "/home/ops/.ssh/known_hosts".into(),
    };
    let sudo = Error::Sudo {
        host: "w07".to_owned(),
        refusal: Refusal::PasswordRequired,
        said: "sudo: a password is required".to_owned(),
    };
    let late = Error::TimedOut {
        host: "w07".to_owned(),
        after: Duration::from_millis(1500),
        remains: Remains::Processes,
    };
    let cases = [
        (
            connect(io::ErrorKind::ConnectionRefused),
            "ops@192.0.2.7: no connection (tried 3 times)",
            "is sshd running",
        ),
        (
            connect(io::ErrorKind::TimedOut),
            "ops@192.0.2.7: no connection (tried 3 times)",
            "is the machine on",
        ),
        (
            jump,
            "w07: its jump host ops@bastion failed",
            "is sshd running",
        ),
        (
            unknown,
            "ops@w07:2222: its host key is not known (ssh-ed25519, SHA256:abc)",
            "`ssh-keyscan -p 2222 w07 >> /home/ops/.ssh/known_hosts`",
        ),
        (
            sudo,
            "w07: no root's rights through sudo: a password is required; \
             it said: sudo: a password is required",
            "NOPASSWD",
        ),
        (
            late,
            "w07: the script did not end within 1.5 s; some of its processes may still run there",
            "look on the host",
        ),
    ];
    for (error, shown, hint) in cases {
        assert_eq!(error.to_string(), shown);
        assert!(error.hint().contains(hint), "{}", error.hint());
    }
}
