//! What needs a machine or programs that somebody names: `ENTER='nsenter …'`, `API_BIN=FOLDER`.

use std::fs;

use ra_deploy::fact;
use serde_json::json;

use super::scratch::{Scratch, build, scratch};

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
