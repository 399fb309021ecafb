//! Acts done for real: each kind is asked, applied, asked again, disturbed and mended, in a copy
//! of this machine's file system that forgets everything (an overlay in name spaces of its own).
//!
//! `RECORD_FACTS=FILE` writes this machine's answers to the questions of the facts.

mod scratch;

use std::fs;
use std::path::Path;
use std::process::Command;

use ra_deploy::fact;
use ra_deploy::link::script::Batch;
use ra_deploy::model::{Answers, Vault};
use scratch::{Scratch, build, run, scratch};
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

#[test]
#[ignore = "records another machine's facts: ENTER='nsenter …' RECORD_FACTS=FILE"]
fn record_the_facts_of_another_machine() {
    let machine = Scratch::entered();
    let text = serde_json::to_string_pretty(&machine.ask(fact::questions())).expect("JSON");
    fs::write(std::env::var("RECORD_FACTS").expect("RECORD_FACTS"), text).expect("the record");
}

const UNIT: &str = "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'systemd-notify --ready; while :; do sleep 60 & wait; done'\nExecReload=/bin/kill -USR1 $MAINPID\n[Install]\nWantedBy=multi-user.target\n";

#[test]
#[ignore = "needs a machine with systemd that may be disturbed: ENTER='nsenter …'"]
fn a_service_settles_and_sees_what_is_newer() {
    let machine = Scratch::entered();
    machine.sh("systemctl disable -q --now test-a 2>/dev/null || :; rm -f /etc/systemd/system/test-a.service; systemctl daemon-reload; touch /etc/test-a.conf /etc/test-a.list");
    let wished = json!({"name": "test-a", "running": true, "enabled": true, "watch": ["/etc/test-a.conf", "/etc/systemd/system/test-a.service"], "watch-reload": ["/etc/test-a.list"]});
    let service = build(&machine, "service", wished);
    let said = machine.fails(service.as_ref());
    assert!(
        said.contains("there is no unit test-a.service on this host"),
        "{said}"
    );
    let unit = build(
        &machine,
        "file",
        json!({"path": "/etc/systemd/system/test-a.service", "content": UNIT.replace("USR1", "CONT")}),
    );
    machine.settle(unit.as_ref());
    machine.settle(service.as_ref());
    let pid = "systemctl show -p MainPID --value test-a";
    machine.sh(&format!("{pid} >/tmp/test-a.pid; touch /etc/test-a.conf"));
    machine.settle(service.as_ref());
    machine.sh(&format!("[ \"$({pid})\" != \"$(cat /tmp/test-a.pid)\" ]; {pid} >/tmp/test-a.pid; touch /etc/test-a.list"));
    let change = machine.settle(service.as_ref());
    assert_eq!(change.differences.len(), 1, "{change:?}");
    machine.sh(&format!("[ \"$({pid})\" = \"$(cat /tmp/test-a.pid)\" ]"));
    for disturb in [
        "systemctl stop test-a",
        "systemctl disable -q test-a",
        "systemctl stop test-a; systemctl mask -q --runtime test-a",
        "systemctl kill -s KILL test-a; sleep 1",
        "sleep 0.01; echo '# more' >>/etc/systemd/system/test-a.service",
    ] {
        machine.sh(disturb);
        let before = machine.read(service.as_ref());
        machine.settle(service.as_ref());
        assert!(!before.differences.is_empty(), "{disturb}");
    }
    // One that cannot start tells what it said itself.
    machine.sh("printf '[Service]\nExecStart=/bin/sh -c \"echo no such thing >&2; exit 7\"\nType=oneshot\n' >/etc/systemd/system/test-b.service");
    let broken = build(
        &machine,
        "service",
        json!({"name": "test-b", "running": true}),
    );
    let said = machine.fails(broken.as_ref());
    assert!(said.contains("no such thing"), "{said}");
    let off = build(
        &machine,
        "service",
        json!({"name": "test-a", "running": false, "enabled": false, "masked": true}),
    );
    // A unit file of the administrator's own cannot be masked: systemd refuses and says so.
    let said = machine.fails(off.as_ref());
    assert!(said.contains("already exists"), "{said}");
    let off = build(
        &machine,
        "service",
        json!({"name": "test-a", "running": false, "enabled": false}),
    );
    machine.settle(off.as_ref());
    machine.sh("rm -f /etc/systemd/system/test-[ab].service; systemctl daemon-reload");
}

/// An API server and its store, without anything behind them.
const API: &str = r#"
mkdir -p /etc/kubernetes/pki /run/api; cd /run/api
openssl genrsa -out sa.key 2048 2>/dev/null
echo 'token-for-tests,admin,1,"system:masters"' >tokens
ip address add 10.0.0.1/32 dev lo
"$1/etcd/etcd" --data-dir /run/api/etcd --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 >etcd.log 2>&1 &
"$1/kubernetes/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --cert-dir=/run/api/certs --secure-port=6443 --bind-address=127.0.0.1 --advertise-address=10.0.0.1 \
  --service-account-key-file=sa.key --service-account-signing-key-file=sa.key --service-account-issuer=https://a --token-auth-file=tokens \
  --allow-privileged=true --authorization-mode=RBAC --service-cluster-ip-range=10.96.0.0/16 --disable-admission-plugins=ServiceAccount >api.log 2>&1 &
cat >/etc/kubernetes/admin.conf <<END
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}}]
users: [{name: a, user: {token: token-for-tests}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
END
for try in $(seq 120); do kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz >/dev/null 2>&1 && exit 0; sleep 1; done
tail -n 20 api.log >&2; exit 1
"#;

const MANIFEST: &str = include_str!("manifest.yaml");

#[test]
#[ignore = "needs etcd and kube-apiserver: API_BIN=FOLDER, more manifests: MANIFESTS='FILE …'"]
fn manifests_settle_against_a_real_api() {
    let Some(machine) = scratch() else { return };
    let programs = std::env::var("API_BIN").expect("API_BIN");
    machine.sh(&format!("set -- {programs}\n{API}"));
    let mut texts = vec![("manifest.yaml".to_owned(), MANIFEST.to_owned())];
    for path in std::env::var("MANIFESTS")
        .unwrap_or_default()
        .split_whitespace()
    {
        texts.push((
            path.to_owned(),
            fs::read_to_string(path).expect("a manifest"),
        ));
    }
    for (name, text) in texts {
        let text = text.replace("WORD", &ra_deploy::model::Text::mark("secrets.word"));
        let manifest = build(
            &machine,
            "manifest",
            json!({"content": text, "namespace": "apps"}),
        );
        let change = machine.settle(manifest.as_ref());
        println!(
            "{name}: {} differences, {} acts",
            change.differences.len(),
            change.actions.len()
        );
    }
    let wished = MANIFEST.replace("WORD", &ra_deploy::model::Text::mark("secrets.word"));
    let manifest = build(
        &machine,
        "manifest",
        json!({"content": wished, "namespace": "apps"}),
    );
    let kubectl = "kubectl --kubeconfig /etc/kubernetes/admin.conf -n apps";
    for (disturb, what) in [
        ("scale deployment web --replicas=5", "spec.replicas"),
        ("set image deployment/web web=web:1", "[name=web].image"),
        (
            "patch secret key -p '{\"stringData\":{\"key\":\"other\"}}'",
            "Secret apps/key",
        ),
        ("delete fox red", "Fox apps/red"),
        ("label node w1 tier-", "Node w1: metadata.labels"),
        (
            "patch clusterrole reader --type=json -p '[{\"op\":\"add\",\"path\":\"/rules/0/verbs/-\",\"value\":\"delete\"}]'",
            "rules[0].verbs",
        ),
    ] {
        machine.sh(&format!("{kubectl} {disturb} >/dev/null"));
        let change = machine.settle(manifest.as_ref());
        let told = format!("{:?}", change.differences);
        assert!(told.contains(what), "{disturb}: {told}");
        assert_eq!(change.differences.len(), 1, "{disturb}: {told}");
    }
    // What is no longer stated goes, though nobody else owns it.
    let less = wished
        .replace("  color: blue\n", "")
        .replace("        - {name: MODE, value: fast}\n", "");
    let manifest = build(
        &machine,
        "manifest",
        json!({"content": less, "namespace": "apps"}),
    );
    let change = machine.settle(manifest.as_ref());
    assert_eq!(change.differences.len(), 2, "{change:?}");
    machine.sh(&format!("{kubectl} get configmap plain -o json | grep -qv blue; ! {kubectl} get configmap plain -o yaml | grep -q 'color: blue'"));
    let gone = build(
        &machine,
        "manifest",
        json!({"content": less, "namespace": "apps", "absent": true}),
    );
    let change = machine.read(gone.as_ref());
    assert_eq!(change.differences.len(), 12, "{change:?}");
}

#[test]
#[ignore = "needs a machine that reaches its package archive and may be disturbed: ENTER='nsenter …'"]
fn packages_come_and_go() {
    let machine = Scratch::entered();
    // As on a fresh machine: no lists yet.
    machine.sh("rm -rf /var/lib/apt/lists/*; ! dpkg -s hello sl >/dev/null 2>&1");
    let wished = build(
        &machine,
        "package",
        json!({"names": ["hello=2.*", "sl"], "hold": true}),
    );
    let change = machine.settle(wished.as_ref());
    assert_eq!(change.differences.len(), 4, "{change:?}");
    machine
        .sh("hello >/dev/null; apt-mark showhold | grep -qx hello; apt-mark unhold sl >/dev/null");
    machine.settle(wished.as_ref());
    let none = build(
        &machine,
        "package",
        json!({"name": "no-such-package-at-all"}),
    );
    let said = machine.fails(none.as_ref());
    assert!(said.contains("Unable to locate package"), "{said}");
    machine.sh("apt-mark unhold hello sl >/dev/null");
    let gone = build(
        &machine,
        "package",
        json!({"names": ["hello", "sl"], "absent": true}),
    );
    machine.settle(gone.as_ref());
}
