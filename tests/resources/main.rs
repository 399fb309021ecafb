//! Acts done for real: each kind is asked, applied, asked again, disturbed and mended, in a copy
//! of this machine's file system that forgets everything (an overlay in name spaces of its own).
//!
//! `RECORD_FACTS=FILE` writes this machine's answers to the questions of the facts.

mod elsewhere;
mod scratch;

use std::fs;
use std::path::Path;
use std::process::Command;

use ra_deploy::fact;
use ra_deploy::link::script::Batch;
use ra_deploy::model::{Action, Answers, Vault};
use scratch::{build, run, scratch};
use serde_json::{Value, json};

#[test]
fn every_kind_settles_and_mends_what_is_disturbed() {
    let Some(scratch) = scratch() else { return };
    scratch.sh("mkdir -p /srv/src/bin /srv/src/share; cp /bin/true /srv/src/bin/tool; echo text >'/srv/src/share/a b'; ln -s tool /srv/src/bin/alias; mkdir -m 0755 /opt/tools");
    let packed = scratch.folder.path().join("root/srv/src");
    let status = Command::new("tar")
        .arg("-czf")
        .arg(scratch.store().join("tools"))
        .arg("-C")
        .arg(scratch.folder.path().join("upper/srv/src"))
        .arg(".")
        .status()
        .expect("tar");
    assert!(status.success(), "{packed:?}");
    let rows: Vec<(&str, Value, &str)> = vec![
        (
            "file",
            json!({"path": "/etc/new folder/a", "content": "é\nb", "mode": "0640", "group": "adm"}),
            "echo more >>'/etc/new folder/a'",
        ),
        (
            "file",
            json!({"path": "/etc/secret", "template": "secret", "mode": "0600"}),
            "chmod 0644 /etc/secret",
        ),
        (
            "file",
            json!({"path": "/etc/hostname", "absent": true}),
            "touch /etc/hostname",
        ),
        (
            "directory",
            json!({"paths": ["/srv/a/b", "/srv/c"], "mode": "0750", "owner": "nobody"}),
            "rmdir /srv/a/b; chown root /srv/c; chmod 0700 /srv/c",
        ),
        (
            "directory",
            json!({"path": "/etc/apt", "absent": true}),
            "mkdir -p /etc/apt/x; touch /etc/apt/x/y",
        ),
        (
            "link",
            json!({"path": "/srv/l/link", "to": "/etc/passwd"}),
            "rm /srv/l/link; touch /srv/l/link",
        ),
        (
            "sysctl",
            json!({"name": "90-test", "values": {"net.ipv4.ip_forward": 1, "net.ipv4.conf.lo.forwarding": 0, "net.no.such": 1}, "optional": true}),
            "echo 0 >/proc/sys/net/ipv4/ip_forward",
        ),
        (
            "sysctl",
            json!({"name": "91-test", "values": {"net.ipv4.ip_local_port_range": "20000  60000"}}),
            "rm /etc/sysctl.d/91-test.conf",
        ),
        (
            "kernel-module",
            json!({"names": ["overlay", "no-such-module"], "optional": true}),
            "echo other >/etc/modules-load.d/overlay.conf",
        ),
        (
            "user",
            json!({"name": "tester", "groups": ["adm", "audio"], "shell": "/bin/sh", "authorized-keys": ["ssh-ed25519 AAAAC3one tester@a", "ssh-ed25519 AAAAC3two tester@b"]}),
            "usermod -s /bin/false tester; gpasswd -d tester adm >/dev/null; printf 'no-pty ssh-ed25519 AAAAC3one x' >/home/tester/.ssh/authorized_keys",
        ),
        (
            "user",
            json!({"name": "tester", "absent": true}),
            "useradd tester",
        ),
        (
            "user",
            json!({"name": "daemon-x", "system": true, "home": "/var/lib/x", "shell": "/usr/sbin/nologin"}),
            "usermod -d /var/lib/y daemon-x",
        ),
        (
            "mount",
            json!({"path": "/mnt/a b", "source": "tmpfs", "type": "tmpfs", "options": "size=1m,mode=0700"}),
            "umount '/mnt/a b'",
        ),
        (
            "mount",
            json!({"path": "/mnt/a b", "source": "tmpfs", "type": "tmpfs", "options": "size=2m"}),
            "sed -i '/tmpfs/d' /etc/fstab",
        ),
        (
            "mount",
            json!({"path": "/mnt/a b", "absent": true}),
            "printf '%s\\n' 'tmpfs /mnt/a\\040b tmpfs defaults 0 0' >>/etc/fstab; mount '/mnt/a b'",
        ),
        (
            "archive",
            json!({"artifact": "tools", "to": "/opt/tools"}),
            "echo x >>/opt/tools/bin/tool; rm '/opt/tools/share/a b'",
        ),
        (
            "archive",
            json!({"artifact": "tools", "to": "/opt/part", "only": ["./bin/*"], "strip": 2, "name": "part"}),
            "rm /opt/part/alias",
        ),
        (
            "command",
            json!({"run": "cat >/srv/made", "creates": "/srv/made", "stdin": "abc"}),
            "rm /srv/made",
        ),
        (
            "command",
            json!({"run": "touch /srv/done", "unless": "test -e /srv/done"}),
            "rm /srv/done",
        ),
        (
            "wait",
            json!({"file": "/srv/awaited", "timeout": 20}),
            "rm /srv/awaited; (sleep 1; touch /srv/awaited) >/dev/null 2>&1 &",
        ),
        (
            "package",
            json!({"names": ["bash", "tar"], "hold": true}),
            "apt-mark unhold tar >/dev/null",
        ),
    ];
    scratch.sh("(sleep 1; touch /srv/awaited) >/dev/null 2>&1 &");
    for (name, parameters, disturb) in rows {
        if name == "swap" {
            scratch.sh("echo '/swap none swap sw 0 0' >>/etc/fstab");
        }
        let resource = build(&scratch, name, parameters);
        let before = scratch.read(resource.as_ref());
        if before.is_settled() {
            scratch.sh(disturb);
        }
        scratch.settle(resource.as_ref());
        scratch.sh(disturb);
        scratch.settle(resource.as_ref());
    }
    for (name, parameters) in [
        (
            "archive",
            json!({"artifact": "tools", "to": "/opt/part", "only": ["./bin/*"], "strip": 2, "name": "part"}),
        ),
        (
            "sysctl",
            json!({"name": "91-test", "values": {"net.ipv4.ip_local_port_range": "20000  60000"}}),
        ),
        ("file", json!({"path": "/etc/kubernetes/a", "content": "a"})),
    ] {
        let resource = build(&scratch, name, parameters);
        if !scratch.read(resource.as_ref()).is_settled() {
            scratch.settle(resource.as_ref());
        }
        let removal = resource.undo().expect("it is taken back");
        scratch.sh(&format!("( {} )", removal.there));
        for _ in 0..2 {
            scratch.act(vec![Action::Run(removal.take.as_str().into())]);
        }
        scratch.sh(&format!("! ( {} )", removal.there));
        assert!(
            !scratch.read(resource.as_ref()).is_settled(),
            "{name} is still there"
        );
        scratch.settle(resource.as_ref());
    }
    let swap = build(&scratch, "swap", json!({"off": true}));
    scratch.sh("grep -q . /proc/swaps; echo '/swap none swap sw 0 0' >>/etc/fstab");
    if fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() < 2) {
        scratch.settle(swap.as_ref());
    }
    // What was unpacked over a folder leaves the folder as it was, and links as links.
    scratch.sh("[ \"$(stat -c %a /opt/tools)\" = 755 ]; [ -L /opt/tools/bin/alias ]; [ -e /opt/part/tool ]; [ ! -e /opt/part/share ]");
}

#[test]
fn a_refused_value_and_a_missed_condition_say_why() {
    let Some(scratch) = scratch() else { return };
    let refused = build(
        &scratch,
        "sysctl",
        json!({"name": "90-x", "values": {"net.ipv4.ip_local_port_range": "9 1"}}),
    );
    let said = scratch.fails(refused.as_ref());
    assert!(
        said.contains("the kernel does not take `9 1` for net.ipv4.ip_local_port_range"),
        "{said}"
    );
    scratch.sh("[ ! -e /etc/sysctl.d/90-x.conf ]");
    let absent = build(
        &scratch,
        "sysctl",
        json!({"name": "90-x", "values": {"net.bridge.no-such-key": "1"}}),
    );
    let said = scratch.fails(absent.as_ref());
    assert!(
        said.contains("it comes with the kernel module br_netfilter"),
        "{said}"
    );
    let closed = build(&scratch, "wait", json!({"port": 1, "timeout": 1}));
    let said = scratch.fails(closed.as_ref());
    assert!(
        said.contains("still not there after 1 s: port 127.0.0.1:1"),
        "{said}"
    );
    let command = build(
        &scratch,
        "wait",
        json!({"command": "echo not yet >&2; exit 3", "timeout": 1}),
    );
    let said = scratch.fails(command.as_ref());
    assert!(said.contains("not yet"), "{said}");
    let gone = build(
        &scratch,
        "archive",
        json!({"artifact": "tools", "to": "/opt/x"}),
    );
    fs::write(scratch.store().join("tools"), "no archive").expect("a file");
    let said = scratch.fails(gone.as_ref());
    assert!(said.contains("gzip"), "{said}");
    scratch.sh("[ -z \"$(ls /var/lib/ra-deploy/archives)\" ]");
}

/// A program in kubeadm's place that does what kubeadm does to the file system.
const KUBEADM: &str = r#"#!/bin/sh
echo "$@" >>/srv/calls
case $1 in
  reset) rm -rf /etc/kubernetes /var/lib/kubelet;;
  join)
    stat -c %a "$3" >/srv/mode; cat "$3" >/srv/config
    mkdir -p /etc/kubernetes /var/lib/kubelet
    touch /etc/kubernetes/bootstrap-kubelet.conf /var/lib/kubelet/config.yaml
    [ ! -e /srv/broken ] || { echo 'timed out waiting for the condition' >&2; exit 1; }
    rm /etc/kubernetes/bootstrap-kubelet.conf; touch /etc/kubernetes/kubelet.conf;;
esac
"#;

#[test]
fn a_broken_join_is_taken_back_and_tried_again() {
    let Some(scratch) = scratch() else { return };
    fs::write(scratch.store().join("kubeadm"), KUBEADM).expect("a file");
    let program = scratch
        .folder
        .path()
        .join("store/kubeadm")
        .display()
        .to_string();
    let copied = Command::new("nsenter")
        .arg(format!("--target={}", scratch.pid()))
        .args(["--mount", "install", "-m", "0755", &program])
        .arg(scratch.folder.path().join("root/usr/local/bin/kubeadm"))
        .status()
        .expect("install");
    assert!(copied.success());
    let join = build(
        &scratch,
        "kubeadm",
        json!({"phase": "join-worker", "config": "join.yaml", "ignore-preflight": ["Swap"]}),
    );
    scratch.sh("touch /srv/broken");
    let said = scratch.fails(join.as_ref());
    assert!(said.contains("timed out waiting"), "{said}");
    scratch.sh("rm /srv/broken");
    let change = scratch.settle(join.as_ref());
    assert_eq!(change.differences.len(), 2, "{change:?}");
    scratch.sh(
        "[ \"$(cut -d' ' -f1 /srv/calls | tr '\\n' ' ')\" = 'join reset join ' ]\n\
         grep -q -- '--ignore-preflight-errors=Swap' /srv/calls\n\
         [ \"$(cat /srv/mode)\" = 600 ]; grep -q 'token: sesame-1234' /srv/config\n\
         [ -z \"$(ls /run/ra-deploy-kubeadm.* 2>/dev/null)\" ]\n\
         ! grep -q sesame /srv/calls",
    );
}

#[test]
fn the_facts_of_this_machine_are_those_that_its_programs_tell() {
    let batch = Batch {
        acts: Vec::new(),
        queries: fact::questions(),
    };
    let reply = run(&[], &batch, &Vault::default(), Path::new("/"));
    assert_eq!(reply.stray, "");
    if let Ok(path) = std::env::var("RECORD_FACTS") {
        let text = serde_json::to_string_pretty(&reply.answers).expect("JSON");
        fs::write(path, text).expect("the record");
    }
    let answers: Answers = reply.answers.into_iter().collect();
    let facts = fact::gather(&answers).expect("facts");
    assert_eq!(facts["unreadable"], json!({}));
    let told = |words: &[&str]| {
        let output = Command::new(words[0])
            .args(&words[1..])
            .output()
            .expect("a program");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(facts["kernel"]["release"], told(&["uname", "-r"]));
    assert_eq!(facts["kernel"]["architecture"], told(&["uname", "-m"]));
    assert_eq!(
        facts["cpu"]["count"].to_string(),
        told(&["getconf", "_NPROCESSORS_ONLN"])
    );
    let unified = told(&["stat", "-fc", "%T", "/sys/fs/cgroup"]) == "cgroup2fs";
    assert_eq!(facts["cgroup"]["version"], if unified { 2 } else { 1 });
    let release = told(&["sh", "-c", ". /etc/os-release; echo $ID $VERSION_ID"]);
    let stated = format!(
        "{} {}",
        facts["os"]["id"].as_str().unwrap_or_default(),
        facts["os"]["version"].as_str().unwrap_or_default()
    );
    assert_eq!(stated, release);
}
