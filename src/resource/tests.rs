//! Every case of `tests/data/resource`: parameters and answers in, findings and acts out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Fault, Resource, Surroundings, kind};
use crate::model::change::Standing;
use crate::model::{
    Action, Answer, Answers, ArtifactInfo, Change, Difference, Query, Text, Unread,
};

/// One file: a resource, the answers that its cases share, and the cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the answers come from.
    #[allow(dead_code)]
    recorded: Option<String>,
    parameters: Value,
    #[serde(default)]
    around: Around,
    /// Why the parameters make no resource.
    fault: Option<String>,
    #[serde(default)]
    answers: Vec<Pair>,
    #[serde(default)]
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    ask: Query,
    answer: Answer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Answers that are another one than the file's.
    #[serde(default)]
    answers: Vec<Pair>,
    expect: Expect,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Expect {
    Settled,
    Differs(Found),
    AwaitsBoot(Vec<String>),
    /// Part of the reason.
    Unreadable(String),
    Wants(Vec<Query>),
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Found {
    differences: Vec<String>,
    /// For each act, stretches of its text in order.
    actions: Vec<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Around {
    templates: BTreeMap<String, String>,
    artifacts: Vec<ArtifactInfo>,
    bmc: bool,
    /// Sealed values by name; in templates `‹name›` stands for one.
    sealed: BTreeMap<String, String>,
}

impl Around {
    fn text(&self, text: &str) -> Text {
        Text::new(text.replace('‹', "\u{E000}").replace('›', "\u{E001}"))
    }
}

impl Surroundings for Around {
    fn render(&self, template: &str) -> Result<Text, Fault> {
        let found = self.templates.get(template);
        found
            .map(|text| self.text(text))
            .ok_or_else(|| Fault::at("/template", format!("there is no template `{template}`")))
    }

    fn digest(&self, text: &Text) -> Option<String> {
        let mut revealed = text.raw().to_owned();
        for name in text.names() {
            revealed = revealed.replace(&Text::mark(name), self.sealed.get(name)?);
        }
        Some(hex::encode(Sha256::digest(revealed)))
    }

    fn artifact(&self, name: &str) -> Option<ArtifactInfo> {
        self.artifacts.iter().find(|one| one.name == name).cloned()
    }

    fn artifact_names(&self) -> Vec<String> {
        self.artifacts.iter().map(|one| one.name.clone()).collect()
    }

    fn has_bmc(&self) -> bool {
        self.bmc
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn told(difference: &Difference) -> String {
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "∅".to_owned());
    match difference {
        Difference::Value { what, from, to } => format!("{what}: {} → {}", word(from), word(to)),
        Difference::Lines { added, removed, .. } => format!("+{added} −{removed}"),
        Difference::Sealed { what } => format!("{what}: sealed"),
        Difference::Note(note) => note.clone(),
    }
}

fn read(resource: &dyn Resource, answers: &Answers) -> Result<Change, Unread> {
    let finding = resource.read(answers);
    assert_eq!(
        finding,
        resource.read(answers),
        "the same answers, another finding"
    );
    finding
}

fn check(resource: &dyn Resource, shared: &[Pair], case: &Case) -> Result<(), String> {
    let answers: Answers = shared
        .iter()
        .chain(&case.answers)
        .map(|pair| (pair.ask.clone(), pair.answer.clone()))
        .collect();
    let unasked: Vec<&Query> = answers
        .iter()
        .map(|(query, _)| query)
        .filter(|query| !resource.ask().contains(query) && !is_asked_later(query))
        .collect();
    if !unasked.is_empty() {
        return Err(format!(
            "nobody asks {unasked:?}; asked are {:?}",
            resource.ask()
        ));
    }
    let finding = read(resource, &answers);
    match (&case.expect, finding) {
        (Expect::Settled, Ok(change)) if change.is_settled() && change.actions.is_empty() => Ok(()),
        (Expect::AwaitsBoot(expected), Ok(change)) if change.standing == Standing::AwaitsBoot => {
            equal(expected, &change.differences)
        }
        (Expect::Differs(expected), Ok(change)) if change.standing == Standing::Differs => {
            equal(&expected.differences, &change.differences)?;
            acts(&expected.actions, &change.actions)
        }
        (Expect::Unreadable(part), Err(Unread::Unreadable(reason)))
            if reason.contains(part.as_str()) =>
        {
            Ok(())
        }
        (Expect::Wants(expected), Err(Unread::Wants(found))) if *expected == found => Ok(()),
        (expected, found) => Err(format!("expected {expected:?}, found {found:#?}")),
    }
}

/// What a reading asks for only when it needs it.
fn is_asked_later(query: &Query) -> bool {
    matches!(
        query,
        Query::Content(_)
            | Query::Bmc(
                crate::model::BmcQuery::BiosRegistry | crate::model::BmcQuery::Login { .. }
            )
    )
}

fn equal(expected: &[String], found: &[Difference]) -> Result<(), String> {
    let found: Vec<String> = found.iter().map(told).collect();
    if expected == found {
        Ok(())
    } else {
        Err(format!(
            "expected the differences {expected:#?}, found {found:#?}"
        ))
    }
}

fn acts(expected: &[Vec<String>], found: &[Action]) -> Result<(), String> {
    if expected.len() != found.len() {
        return Err(format!(
            "expected {} acts, found {found:#?}",
            expected.len()
        ));
    }
    for (stretches, action) in expected.iter().zip(found) {
        let text = match action {
            Action::Run(script) => format!("run\n{script}"),
            Action::Feed { script, payload } => format!("feed\n{script}\n{payload:?}"),
            other => format!("{other:?}"),
        };
        assert_shell(action);
        let mut rest = text.as_str();
        for stretch in stretches {
            let Some(at) = rest.find(stretch.as_str()) else {
                return Err(format!(
                    "`{stretch}` is not (or not in this order) in:\n{text}"
                ));
            };
            rest = &rest[at + stretch.len()..];
        }
    }
    Ok(())
}

/// Every script that is ever sent is one that a shell can read.
fn assert_shell(action: &Action) {
    let (Action::Run(script) | Action::Feed { script, .. }) = action else {
        return;
    };
    let status = std::process::Command::new("sh")
        .args(["-n", "-c", &script.to_string()])
        .status()
        .expect("sh runs");
    assert!(status.success(), "no shell text:\n{script}");
}

#[test]
fn every_case_is_read_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/resource");
    let mut failures = Vec::new();
    let mut count = 0;
    for path in files(&root) {
        let shown = path
            .strip_prefix(&root)
            .expect("below")
            .display()
            .to_string();
        let name = shown.split('/').next().expect("a kind's folder");
        let text = fs::read_to_string(&path).expect("a readable file");
        let file: File =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let entry = kind(name).unwrap_or_else(|| panic!("{shown}: no such kind"));
        let built = (entry.build)(file.parameters, &file.around);
        let resource = match (built, &file.fault) {
            (Ok(resource), None) => resource,
            (Err(fault), Some(part)) if fault.message.contains(part.as_str()) => {
                count += 1;
                continue;
            }
            (built, _) => panic!("{shown}: {built:?}"),
        };
        for (name, case) in &file.cases {
            count += 1;
            if let Err(failure) = check(resource.as_ref(), &file.answers, case) {
                failures.push(format!("{shown}, {name}: {failure}"));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count}:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    assert!(count > 0, "no case at all");
}

#[test]
fn every_kind_has_a_case_and_a_true_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/resource");
    let template = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n".to_owned();
    let artifact = |name: &str, image: Option<&str>| ArtifactInfo {
        name: name.to_owned(),
        version: "1".to_owned(),
        identity: "sha256:1".to_owned(),
        image: image.map(str::to_owned),
    };
    let around = Around {
        templates: ["join.yaml", "storage-class.yaml", "values.yaml"]
            .map(|name| (name.to_owned(), template.clone()))
            .into(),
        artifacts: vec![
            artifact("containerd", None),
            artifact("image-pause", Some("registry.k8s.io/pause:3.10")),
            artifact(
                "image-kube-proxy",
                Some("registry.k8s.io/kube-proxy:v1.33.13"),
            ),
        ],
        bmc: true,
        ..Around::default()
    };
    for entry in super::KINDS {
        let example = entry.example.replace("{{ host.name }}", "cp1");
        let example = example.replace("{{ secrets.bmc_ops }}", &Text::mark("bmc_ops"));
        let parameters: Value = serde_saphyr::from_str(&example)
            .unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let built = (entry.build)(parameters, &around);
        let resource = built.unwrap_or_else(|fault| panic!("{}: {fault}", entry.name));
        assert!(
            resource.title().starts_with(entry.name),
            "{}",
            resource.title()
        );
        assert!(!resource.ask().is_empty() || entry.name == "reboot");
        assert!(root.join(entry.name).is_dir(), "{} has no case", entry.name);
    }
}
