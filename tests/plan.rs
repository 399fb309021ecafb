//! What the shipped roles make of machines whose facts were recorded: every step of a host's
//! walk, and the files whose content hangs on the machine.

mod shipped;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ra_deploy::artifact::Catalogue;
use ra_deploy::config::Site;
use ra_deploy::fact;
use ra_deploy::model::{Answer, Answers, Query};
use ra_deploy::plan::{self, Built, Choice, Scene, Setting, Walk};
use serde::Deserialize;
use serde_json::Value;
use shipped::load;

#[derive(Deserialize)]
struct Machine {
    answers: Vec<(Query, Answer)>,
    #[expect(dead_code, reason = "the fact room's own tests look at it")]
    expect: Vec<(String, Value)>,
}

fn facts(machine: &str) -> Value {
    let path = format!("tests/data/fact/{machine}.yaml");
    let text = fs::read_to_string(&path).expect("a recorded machine");
    let machine: Machine =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let answers: Answers = machine.answers.into_iter().collect();
    fact::gather(&answers).unwrap_or_else(|unread| panic!("{path}: {unread:?}"))
}

fn walks(site: &Site) -> Vec<Walk> {
    plan::compose(site, &Choice::default())
}

/// One line a step, as the plan would name it.
fn steps(site: &Site, walk: &Walk, facts: &Value) -> String {
    let catalogue = Catalogue::embedded().expect("the catalogue");
    let setting = Setting {
        site,
        artifacts: &catalogue,
    };
    let mut text = String::new();
    let built = plan::build(walk, setting, Some(facts));
    for (step, built) in walk.steps.iter().zip(&built) {
        let told = match built {
            Built::Ready(resource) => resource.title(),
            Built::Skipped => format!("(left out) {}", step.name.title),
            Built::NeedsFacts => panic!("{} still needs facts", step.name.title),
            Built::Faulty(failure) => panic!("{}: {failure:?}", step.name.title),
        };
        let _ = write!(text, "{:<20}{told}", step.role.name);
        for milestone in &step.task.awaits {
            let _ = write!(text, "  awaits {milestone}");
        }
        if let Some(milestone) = &step.task.reaches {
            let _ = write!(text, "  reaches {milestone}");
        }
        if let Some(turn) = &step.task.in_turn {
            let _ = write!(text, "  in turn: {turn}");
        }
        text.push('\n');
    }
    text
}

/// The role's template as it reads on the walk's host.
fn rendered(site: &Site, walk: &Walk, facts: &Value, role: &str, template: &str) -> String {
    use ra_deploy::resource::Surroundings as _;
    let catalogue = Catalogue::embedded().expect("the catalogue");
    let setting = Setting {
        site,
        artifacts: &catalogue,
    };
    let role = &site.roles[role];
    let scene = Scene::of_role(setting, walk, role, Some(facts));
    let text = scene
        .render(template)
        .unwrap_or_else(|fault| panic!("{template}: {fault:?}"));
    text.to_string()
}

fn walk<'a>(walks: &'a [Walk], host: &str) -> &'a Walk {
    walks
        .iter()
        .find(|walk| walk.host.name == host)
        .expect("a host of the site")
}

#[test]
fn lab_machines_get_these_steps() {
    let site = load(Path::new("inventories/lab.yaml"));
    let walks = walks(&site);
    let facts = facts("debian-12-nspawn");
    for host in ["cp1", "cp2", "w1"] {
        insta::assert_snapshot!(
            format!("lab_{host}"),
            steps(&site, walk(&walks, host), &facts)
        );
    }
}

#[test]
fn metal_of_both_families_gets_these_steps_and_files() {
    let site = load(Path::new("tests/data/plan/rack.yaml"));
    let walks = walks(&site);
    let facts = facts("el-9-metal");
    for host in ["cp1", "w07"] {
        insta::assert_snapshot!(
            format!("rack_{host}"),
            steps(&site, walk(&walks, host), &facts)
        );
    }
    let first = walk(&walks, "cp1");
    for (name, host, role, template) in [
        ("init", "cp1", "control-plane", "init.yaml"),
        ("join_control_plane", "cp2", "control-plane", "join.yaml"),
        ("join_worker", "w07", "worker", "join.yaml"),
        ("containerd", "w07", "containerd", "config.toml"),
    ] {
        let text = rendered(&site, walk(&walks, host), &facts, role, template);
        insta::assert_snapshot!(format!("rack_{name}"), text);
    }
    let calico = rendered(&site, first, &facts, "network-calico", "calico.yaml");
    let about_families: Vec<&str> = calico
        .lines()
        .filter(|line| line.contains("IP") || line.contains("ipam\": {"))
        .map(str::trim)
        .collect();
    insta::assert_snapshot!("rack_calico_families", about_families.join("\n"));
}

#[test]
fn an_older_kubeadm_is_spoken_to_in_its_own_words() {
    let mut site = load(Path::new("inventories/lab.yaml"));
    site.versions
        .insert("kubernetes".to_owned(), "1.30.14".to_owned());
    let walks = walks(&site);
    let text = rendered(
        &site,
        walk(&walks, "w1"),
        &facts("debian-12-nspawn"),
        "worker",
        "join.yaml",
    );
    assert!(text.contains("kubeadm.k8s.io/v1beta3"), "{text}");
    assert!(text.contains("kubeletExtraArgs: {node-ip: \"10."), "{text}");
}
