//! Facts of machines whose answers were recorded.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{all, gather, names, questions};
use crate::model::{Answer, Answers, Query, Unread};

#[derive(Deserialize)]
struct Machine {
    answers: Vec<(Query, Answer)>,
    /// JSON pointer into the facts, and what is there.
    expect: Vec<(String, Value)>,
}

fn machines() -> Vec<(String, Machine)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fact");
    let mut found: Vec<(String, Machine)> = fs::read_dir(folder)
        .expect("recorded machines")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("a readable file");
            let shown = path.display().to_string();
            let machine =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
            (shown, machine)
        })
        .collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    assert!(!found.is_empty());
    found
}

/// Every path of a value that holds no further mapping.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, below) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                leaves(below, &path, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn recorded_machines_have_the_facts_that_a_person_sees_on_them() {
    for (shown, machine) in machines() {
        let answers: Answers = machine.answers.into_iter().collect();
        let facts = gather(&answers).unwrap_or_else(|unread| panic!("{shown}: {unread:?}"));
        for (pointer, expected) in machine.expect {
            assert_eq!(
                facts.pointer(&pointer),
                Some(&expected),
                "{shown} {pointer}"
            );
        }
    }
}

#[test]
fn names_are_exactly_what_is_gathered() {
    for (shown, machine) in machines() {
        let answers: Answers = machine.answers.into_iter().collect();
        let facts = gather(&answers).expect("facts");
        let mut found = Vec::new();
        leaves(&facts, "", &mut found);
        let known = names();
        for path in &found {
            let named = |name: &String| path == name || path.starts_with(&format!("{name}."));
            assert!(known.iter().any(named), "{shown}: {path} is not named");
        }
        for name in known.iter().filter(|name| {
            facts["unreadable"]
                .as_object()
                .is_none_or(|map| !map.contains_key(name.split('.').next().unwrap_or_default()))
        }) {
            let pointer = format!("/{}", name.replace('.', "/"));
            assert!(
                facts.pointer(&pointer).is_some(),
                "{shown}: {name} is not there"
            );
        }
    }
}

#[test]
fn what_is_not_answered_is_asked_at_once() {
    match gather(&Answers::default()) {
        Err(Unread::Wants(mut queries)) => {
            queries.sort();
            queries.dedup();
            assert_eq!(queries, questions());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fact_that_cannot_be_read_is_absent_with_its_reason() {
    let answers: Answers = questions()
        .into_iter()
        .map(|query| (query, Answer::Failed("no rights".to_owned())))
        .collect();
    let facts = gather(&answers).expect("facts");
    assert_eq!(facts["unreadable"]["os"], "no rights");
    assert!(facts.get("os").is_none());
    let few = facts.as_object().expect("a mapping").len();
    assert!(few < all().len(), "most facts cannot be read");
}
