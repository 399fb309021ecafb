//! Sites in `tests/data/config`: right ones, and one for each fault with the whole text that it
//! yields in `expected.txt`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::site::{Pass, Scope as RequirementScope, Then};
use super::*;
use crate::model::Target;
use crate::model::bmc::Trust;
use crate::model::target::{HostKeyPolicy, Sudo};

/// Kinds of tasks as the resource room declares them.
macro_rules! kind {
    ($name:ident { $($field:ident : $type:ty),* }) => {
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        #[expect(dead_code, reason = "only their schemas are used")]
        struct $name { $($field: $type),* }
    };
}

kind!(File { path: String, content: Option<String>, template: Option<String>, mode: Option<String> });
kind!(Service { name: String, running: Option<bool>, enabled: Option<bool> });
kind!(Package { name: String, version: Option<String> });
kind!(Archive {
    artifact: String,
    to: String
});
kind!(Command { run: String, creates: Option<String> });
kind!(Wait { seconds: u16, state: Option<State> });

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum State {
    Up,
    Down,
}

const KINDS: &[KindShape] = &[
    KindShape {
        name: "file",
        summary: "a file",
        example: "{path: /etc/motd, content: hello}",
        schema: |generator| generator.subschema_for::<File>(),
    },
    KindShape {
        name: "service",
        summary: "a service",
        example: "{name: containerd, running: true}",
        schema: |generator| generator.subschema_for::<Service>(),
    },
    KindShape {
        name: "package",
        summary: "a package",
        example: "{name: chrony}",
        schema: |generator| generator.subschema_for::<Package>(),
    },
    KindShape {
        name: "archive",
        summary: "an unpacked archive",
        example: "{artifact: containerd, to: /usr/local}",
        schema: |generator| generator.subschema_for::<Archive>(),
    },
    KindShape {
        name: "command",
        summary: "a command",
        example: "{run: kubeadm init, creates: /etc/kubernetes/admin.conf}",
        schema: |generator| generator.subschema_for::<Command>(),
    },
    KindShape {
        name: "wait",
        summary: "a wait",
        example: "{seconds: 5}",
        schema: |generator| generator.subschema_for::<Wait>(),
    },
];

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn load_with(path: &Path, secrets: Secrets) -> Result<Site, Faults> {
    load(
        path,
        &Options {
            secrets,
            kinds: KINDS,
            artifacts: &strings(&["containerd", "runc", "kubernetes"]),
            versions: &[("kubernetes".to_owned(), "1.30.4".to_owned())],
            facts: &strings(&["container", "cpu.flags", "memory.total", "os.name"]),
            checks: &strings(&["something-old", "cgroup-driver"]),
            today: Some("2026-06-01"),
        },
    )
}

fn case(name: &str) -> PathBuf {
    Path::new("tests/data/config").join(name)
}

fn valid() -> Site {
    load_with(&case("valid/inventory.yaml"), Secrets::Leave)
        .unwrap_or_else(|faults| panic!("{}", faults.render(Style::Plain)))
}

#[test]
fn hosts_are_what_the_inventory_says() {
    let site = valid();
    assert_eq!(site.hosts.len(), 45);
    assert_eq!(site.name, "east");
    let cluster = site.cluster.as_ref().expect("a cluster");
    assert_eq!(cluster.kubernetes, "1.30");
    let worker = site.host("w07").expect("w07");
    assert_eq!(worker.number, Some(7));
    assert_eq!(worker.address, "192.0.2.107");
    assert_eq!(worker.addresses, ["2001:db8::7"]);
    assert_eq!(worker.groups, ["worker"]);
    let Some(Target::Ssh(ssh)) = &worker.target else {
        panic!("{:?}", worker.target)
    };
    assert_eq!(ssh.hop.user, "ops");
    assert_eq!(ssh.hop.keys[1], case("valid/keys/site"));
    assert_eq!(ssh.hop.known_hosts, case("valid/known_hosts"));
    assert_eq!(ssh.hop.host_key, HostKeyPolicy::AcceptNew);
    assert_eq!(ssh.sudo, Sudo::Free);
    let jump = &ssh.jumps[0];
    assert_eq!(
        (jump.address.as_str(), jump.port, jump.user.as_str()),
        ("bastion.example.net", 2222, "gate")
    );
    let bmc = worker.bmc.as_ref().expect("a BMC");
    assert_eq!(bmc.url, "https://198.51.100.107");
    assert_eq!(
        bmc.trust,
        Trust::Pin(format!("sha256:{0}{0}", "00112233445566778899aabbccddeeff"))
    );
    let plane = site.host("cp2").expect("cp2");
    assert_eq!(
        plane.bmc.as_ref().map(|bmc| &bmc.trust),
        Some(&Trust::Insecure)
    );
    let Some(Target::Ssh(ssh)) = &plane.target else {
        panic!("{:?}", plane.target)
    };
    assert!(matches!(ssh.sudo, Sudo::Password(_)));
    let edge = site.host("edge").expect("edge");
    let Some(Target::Command { argv, .. }) = &edge.target else {
        panic!("{:?}", edge.target)
    };
    assert_eq!(argv.join(" "), "docker exec -i edge sh");
    assert_eq!(edge.groups, ["worker", "edge-site"]);
    let spare = site.host("spare").expect("spare");
    assert!(spare.target.is_none() && spare.bmc.is_some());
    assert_eq!(site.groups["worker"].len(), 41);
    assert_eq!(site.groups["all"].len(), 45);
}

#[test]
fn the_nearest_value_of_a_parameter_wins_in_its_declared_type() {
    let site = valid();
    let value = |host: &str, name: &str| site.host(host).expect(host).parameters.get(name).cloned();
    assert_eq!(value("w07", "version"), Some(json!("2.2.1")));
    assert_eq!(value("edge", "version"), Some(json!("2.10")));
    assert_eq!(value("edge", "huge_pages"), Some(json!({"1Gi": 8})));
    assert_eq!(value("cp1", "huge_pages"), None);
    assert_eq!(value("cp1", "time_servers"), Some(json!(["192.0.2.1"])));
    let base = &site.roles["base"];
    assert_eq!(base.parameters["swap"].default, Some(json!(false)));
}

#[test]
fn roles_and_requirements_are_what_their_files_say() {
    let site = valid();
    let roles = |host: &str| -> Vec<&str> {
        let roles = site.roles_of(host);
        roles.iter().map(|role| role.name.as_str()).collect()
    };
    assert_eq!(roles("spare"), ["base"]);
    assert_eq!(roles("cp1"), ["base", "containerd", "kubeadm"]);
    let containerd = &site.roles["containerd"];
    let task = &containerd.tasks[0];
    assert_eq!(task.kind, "archive");
    assert_eq!(
        task.parameters,
        json!({"artifact": "containerd", "to": "/usr/local"})
    );
    assert_eq!(task.timeout, Duration::from_secs(300));
    assert_eq!(
        task.then,
        [Then::Restart("containerd".to_owned()), Then::Reboot]
    );
    assert_eq!(
        site.roles["base"].tasks[0].parameters["mode"],
        json!("0644")
    );
    let join = &site.roles["kubeadm"].tasks[1];
    let on = join.on.as_ref().expect("a choice");
    assert!(on.picks(&site, "cp2") && !on.picks(&site, "cp1"));
    let profile = site.profile.as_ref().expect("a profile");
    assert_eq!(profile.title, "Basic");
    let ids: Vec<&str> = profile
        .requirements
        .iter()
        .map(|row| row.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "site.ntp.001",
            "site.mesh.001",
            "site.old.001",
            "site.nodes.001"
        ]
    );
    let [ntp, mesh, old, nodes] = profile.requirements.as_slice() else {
        panic!("{ids:?}")
    };
    assert_eq!(ntp.asks["answer"], json!({"run": "chronyc -c sources"}));
    assert_eq!(ntp.scope, RequirementScope::Host);
    assert!(matches!(&ntp.pass, Pass::Expression(text) if text.starts_with("answer.lines")));
    assert_eq!(mesh.scope, RequirementScope::Cluster);
    assert_eq!(
        mesh.waiver
            .as_ref()
            .and_then(|waiver| waiver.owner.as_deref()),
        Some("platform team")
    );
    assert_eq!(old.waiver, None, "it ended");
    assert_eq!(site.warnings.faults.len(), 1);
    assert_eq!(nodes.asks["pages"]["pod"]["timeout"], json!("2m"));
}

#[test]
fn templates_see_the_host_and_say_when_they_need_facts() {
    let site = valid();
    let host = site.host("w07").expect("w07");
    let scope = Scope::for_role(&site, "containerd", host);
    let parameters = &site.roles["containerd"].tasks[1].parameters;
    let rendered = scope.render_value(parameters).expect("it renders");
    let content = rendered["content"].as_str().expect("a text");
    let text = crate::model::Text::new(content);
    assert_eq!(
        text.to_string(),
        "version = \"2.2.1\"\nthreads = 4\npassword = \"‹registry_password›\"\n"
    );
    assert_eq!(text.names(), ["registry_password"]);
    let base = Scope::for_role(&site, "base", host);
    assert_eq!(
        base.render_template("chrony.conf")
            .expect("it renders")
            .to_string(),
        "server 192.0.2.1 iburst\n# w07 of 45, 192.0.2.11\n"
    );
    let early = base.holds("not facts.container").expect_err("no facts yet");
    assert!(early.needs_facts, "{early:?}");
    let asked = base.clone().with_facts(&json!({"container": true}));
    assert_eq!(asked.holds("not facts.container"), Ok(false));
    let wrong = asked.holds("facts.nothing.at_all").expect_err("undefined");
    assert!(!wrong.needs_facts, "{wrong:?}");
    let native = scope.render_value(
        &json!({"a": "{{ workers }}", "b": "{{ workers }}x", "c": ["{{ host.groups }}"]}),
    );
    assert_eq!(native, Ok(json!({"a": 4, "b": "4x", "c": [["worker"]]})));
    let fault = scope
        .render_value(&json!({"a": [1, "{{ workers.more.most }}"]}))
        .expect_err("undefined");
    assert_eq!(fault.pointer, "/a/1");
    // A parameter's default may be made of other names.
    let unset = site.host("spare").expect("spare");
    let mut unset = unset.clone();
    unset.parameters.remove("version");
    let scope = Scope::for_role(&site, "containerd", &unset);
    assert_eq!(scope.evaluate("version"), Ok(json!("1.30")));
    let checks =
        Scope::for_requirement(&site, Some(host)).with("answer", &json!({"lines": [["^"], ["^"]]}));
    let profile = site.profile.as_ref().expect("a profile");
    let Pass::Expression(pass) = &profile.requirements[0].pass else {
        panic!("an expression")
    };
    assert_eq!(checks.holds(pass), Ok(true));
}

#[test]
fn secrets_are_read_only_to_act_and_never_shown() {
    let faults = load_with(&case("valid/inventory.yaml"), Secrets::Read).expect_err("unset");
    let text = faults.render(Style::Plain);
    assert!(text.contains("`RA_DEPLOY_TEST_BMC` is not set"), "{text}");
    assert!(
        text.contains("`RA_DEPLOY_TEST_REGISTRY` is not set"),
        "{text}"
    );
    assert_eq!(faults.faults.len(), 2, "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn the_same_files_give_the_same_digest() {
    let (one, other) = (valid(), valid());
    assert_eq!(one.digest.len(), 64);
    assert_eq!(one.digest, other.digest);
}

/// Each folder with an `expected.txt` is a faulty site; the file is the whole text that loading
/// it yields. `RA_DEPLOY_BLESS=1 cargo test` writes them anew.
#[test]
fn faulty_sites_are_told_in_these_words() {
    let bless = std::env::var_os("RA_DEPLOY_BLESS").is_some();
    let mut cases = 0;
    let mut wrong = Vec::new();
    let folders = std::fs::read_dir("tests/data/config").expect("the cases are there");
    for folder in folders {
        let folder = folder.expect("a folder").path();
        if folder.ends_with("valid") {
            continue;
        }
        cases += 1;
        let faults = load_with(&folder.join("inventory.yaml"), Secrets::Leave)
            .expect_err(&folder.display().to_string());
        let text = faults.render(Style::Plain);
        let expected = folder.join("expected.txt");
        if bless {
            std::fs::write(&expected, &text).expect("it is written");
        }
        let right = std::fs::read_to_string(&expected).unwrap_or_default();
        if right != text {
            let diff = similar::TextDiff::from_lines(&right, &text);
            wrong.push(format!("{}\n{}", folder.display(), diff.unified_diff()));
        }
    }
    assert!(cases > 25, "{cases} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rendered_parameters_have_the_types_of_their_kind() {
    let site = valid();
    let host = site.host("w07").expect("w07");
    let scope = Scope::for_role(&site, "containerd", host);
    let written = json!({"name": "{{ workers }}", "version": "{{ 1.5 }}"});
    assert_eq!(
        scope.render_parameters("package", &written),
        Ok(json!({"name": "4", "version": "1.5"}))
    );
    let written = json!({"seconds": "{{ host.name }}", "state": "up"});
    let fault = scope
        .render_parameters("wait", &written)
        .expect_err("no number");
    assert_eq!(fault.pointer, "/seconds");
    assert_eq!(
        fault.message,
        "the text `w07` stands where a whole number belongs"
    );
    let written = json!({"path": "/etc/x", "content": "{{ '{{ kept }}' }}"});
    let rendered = scope
        .render_parameters("file", &written)
        .expect("it renders");
    assert_eq!(rendered["content"], json!("{{ kept }}"));
}

#[test]
fn later_faults_are_shown_like_those_of_the_files() {
    let site = valid();
    let task = &site.roles["containerd"].tasks[1];
    assert_eq!(task.spot_at("/content/deeper").line, 13);
    let host = site.host("w07").expect("w07");
    let scope = Scope::for_role(&site, "base", host).with("time_servers", &json!([{}]));
    let scope = scope.with("host", &json!({}));
    let fault = scope.render_template("chrony.conf").expect_err("no name");
    let spot = site.spot_of("base", &site.roles["base"].tasks[0], &fault);
    let shown = site.faults(vec![Fault::new(spot, fault.message.clone())]);
    let text = shown.render(Style::Plain);
    assert!(
        text.contains("roles/base/templates/chrony.conf:4:1"),
        "{text}"
    );
    assert!(text.contains("4 | # {{ host.name }} of"), "{text}");
}

#[test]
fn faults_are_a_list_for_programs_and_coloured_on_request() {
    let faults =
        load_with(&case("duplicate-key/inventory.yaml"), Secrets::Leave).expect_err("twice");
    let rows = faults.to_json();
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
    let row = &rows[0];
    assert_eq!(
        row["file"],
        "tests/data/config/duplicate-key/inventory.yaml"
    );
    assert_eq!(
        (&row["line"], &row["column"], &row["length"]),
        (&json!(3), &json!(30), &json!(7))
    );
    assert_eq!(row["related"][0]["message"], "first here");
    let colour = faults.render(Style::Colour);
    assert!(colour.contains("\u{1b}[1;31merror\u{1b}[0m"), "{colour}");
    assert!(!faults.render(Style::Plain).contains('\u{1b}'));
}

#[test]
fn files_that_cannot_be_read_are_faults_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = |path: &Path| {
        let faults = load_with(path, Secrets::Leave).expect_err("not readable");
        faults.faults[0].message.clone()
    };
    assert_eq!(
        message(&folder.path().join("none.yaml")),
        "there is no such file"
    );
    assert_eq!(message(folder.path()), "this is a folder, not a file");
    let large = folder.path().join("large.yaml");
    std::fs::write(&large, "x: y\n".repeat(2_000_000)).expect("written");
    assert_eq!(message(&large), "the file is too large: 10.0 MB");
    // Just below the bound: read, and told apart from an inventory.
    let many = "- v\n".repeat(210_000);
    std::fs::write(&large, many).expect("written");
    assert!(
        message(&large).contains("too many values"),
        "{}",
        message(&large)
    );
}

#[test]
fn roles_and_profiles_lie_beside_the_inventory_or_one_folder_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write(
        "inventories/a.yaml",
        "profile: p/q\nhosts: {h: {address: 192.0.2.1}}\n",
    );
    write("profiles/p/q.yaml", "roles: [{role: far}, {role: near}]\n");
    write("roles/far/role.yaml", "summary: far\ntasks: []\n");
    write("roles/near/role.yaml", "summary: far\ntasks: []\n");
    write(
        "inventories/roles/near/role.yaml",
        "summary: near\ntasks: []\n",
    );
    let site = load_with(&folder.path().join("inventories/a.yaml"), Secrets::Leave)
        .unwrap_or_else(|faults| panic!("{}", faults.render(Style::Plain)));
    assert_eq!(site.name, "a");
    assert_eq!(site.roles["far"].summary, "far");
    assert_eq!(site.roles["near"].summary, "near");
}

#[test]
fn hosts_with_nothing_but_bmcs_are_a_site() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bmcs.yaml");
    let text = "defaults: {bmc: {user: admin, password: {command: [echo, canary]}}}\nhosts:\n  r1: {bmc: {address: 198.51.100.1, insecure: true}}\n  r2: {bmc: \"http://[2001:db8::1]:8000/\"}\n";
    std::fs::write(&path, text).expect("written");
    let site = load_with(&path, Secrets::Read)
        .unwrap_or_else(|faults| panic!("{}", faults.render(Style::Plain)));
    assert!(site.profile.is_none() && site.cluster.is_none());
    let bmc = site.hosts[1].bmc.as_ref().expect("a BMC");
    assert_eq!(bmc.url, "http://[2001:db8::1]:8000");
    assert_eq!(bmc.password.reveal(), "canary");
    assert_eq!(site.vault.redact("it said canary"), "it said ‹echo canary›");
    assert!(!format!("{site:?}").contains("\"canary\""));
}

#[test]
fn schemas_describe_every_key_and_let_editors_accept_templates() {
    let role = schema(FileKind::Role, KINDS);
    let seconds = role
        .pointer("/$defs/Wait/properties/seconds/anyOf")
        .expect("two ways");
    assert_eq!(seconds[1]["pattern"], r"\{[{%]");
    assert_eq!(
        role["$defs"]["TaskFile"]["oneOf"].as_array().map(Vec::len),
        Some(KINDS.len())
    );
    for kind in [FileKind::Inventory, FileKind::Profile, FileKind::Role] {
        let schema = schema(kind, &[]);
        for (name, definition) in schema["$defs"].as_object().expect("definitions") {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                let closed = definition["additionalProperties"] == json!(false);
                assert!(closed, "{name} takes any key");
                assert!(!property.is_null(), "{name}.{key}");
            }
        }
    }
}
