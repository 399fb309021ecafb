//! Captured trees with parts broken: no panic, no hang, and no host lost for a part.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::super::Bmc;
use super::super::testing::{Fake, swift};
use super::trees::{Documents, serve, tree};
use crate::model::LinkPath;
use crate::model::bmc::BmcQuery;

/// What is broken, and where: positions count modulo what there is.
#[derive(Debug, Clone)]
struct Break {
    document: usize,
    place: usize,
    how: How,
}

#[derive(Debug, Clone)]
enum How {
    Remove,
    Retype(Retyped),
    /// A link, or whatever stands there, leads nowhere.
    Cut,
    /// It leads to the document itself.
    Loop,
    /// The document is gone, or no object, or an error under status 200.
    Whole(Retyped),
}

#[derive(Debug, Clone, Copy)]
enum Retyped {
    Null,
    Number,
    Text,
    List,
    Object,
    Error,
}

fn value(kind: Retyped) -> Value {
    match kind {
        Retyped::Null => Value::Null,
        Retyped::Number => json!(-1.5e300),
        Retyped::Text => json!("\u{0}ß/%2e?#"),
        Retyped::List => json!([null, 1, "x", [], {}, {"@odata.id": 7}, {"@odata.id": ""}]),
        Retyped::Object => json!({"Members": {"x": 1}, "target": 3}),
        Retyped::Error => json!({"error": {"code": 1, "@Message.ExtendedInfo": {"MessageId": []}}}),
    }
}

fn breaks() -> impl Strategy<Value = Vec<Break>> {
    let kinds = prop_oneof![
        Just(Retyped::Null),
        Just(Retyped::Number),
        Just(Retyped::Text),
        Just(Retyped::List),
        Just(Retyped::Object),
        Just(Retyped::Error),
    ];
    let how = prop_oneof![
        4 => Just(How::Remove),
        4 => kinds.clone().prop_map(How::Retype),
        2 => Just(How::Cut),
        2 => Just(How::Loop),
        1 => kinds.prop_map(How::Whole),
    ];
    let one = (any::<usize>(), any::<usize>(), how).prop_map(|(document, place, how)| Break {
        document,
        place,
        how,
    });
    prop::collection::vec(one, 1..40)
}

/// Pointers to everything within a value, the value itself not counted.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    let mut go = |key: String, inner: &Value| {
        let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(pointer.clone());
        places(inner, pointer, found);
    };
    match value {
        Value::Object(object) => object
            .iter()
            .for_each(|(key, inner)| go(key.clone(), inner)),
        Value::Array(list) => list
            .iter()
            .take(5)
            .enumerate()
            .for_each(|(index, inner)| go(index.to_string(), inner)),
        _ => {}
    }
}

fn apply(documents: &mut Documents, asked: &[String], broken: &Break) -> String {
    let path = asked[broken.document % asked.len()].clone();
    let Some(document) = documents.get_mut(&path) else {
        return path;
    };
    if let How::Whole(kind) = broken.how {
        *document = value(kind);
        return path;
    }
    let mut pointers = Vec::new();
    places(document, String::new(), &mut pointers);
    if pointers.is_empty() {
        return path;
    }
    let pointer = &pointers[broken.place % pointers.len()];
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    let replacement = match broken.how {
        How::Remove => None,
        How::Retype(kind) => Some(value(kind)),
        How::Cut => Some(json!({"@odata.id": "/redfish/v1/Nowhere"})),
        How::Loop => Some(json!({"@odata.id": path})),
        How::Whole(_) => unreachable!("done above"),
    };
    match (document.pointer_mut(parent), replacement) {
        (Some(Value::Object(object)), None) => {
            object.remove(&key);
        }
        (Some(Value::Object(object)), Some(value)) => {
            object.insert(key, value);
        }
        (Some(Value::Array(list)), replacement) => {
            if let Ok(index) = key.parse::<usize>() {
                list[index] = replacement.unwrap_or(Value::Null);
            }
        }
        _ => {}
    }
    path
}

/// All questions, within a time that a hang would exceed.
async fn ask_all(documents: Documents) -> Vec<Result<Value, String>> {
    let documents = Arc::new(documents);
    let fake = Fake::start(move |seen| serve(&documents, seen)).await;
    let bmc = match Bmc::connect(fake.endpoint(), swift()).await {
        Ok(bmc) => bmc,
        Err(error) => return vec![Err(format!("{error}; {}", error.hint()))],
    };
    let queries = [
        BmcQuery::Hardware,
        BmcQuery::System,
        BmcQuery::Bios,
        BmcQuery::BiosRegistry,
        BmcQuery::Documents(LinkPath("manager/VirtualMedia/*".into())),
        BmcQuery::Documents(LinkPath("chassis/Links/*/*".into())),
    ];
    let mut answers = Vec::new();
    for query in &queries {
        let answer = tokio::time::timeout(Duration::from_secs(20), bmc.answer(query))
            .await
            .expect("an answer within the time");
        answers.push(answer.map_err(|error| format!("{error}; {}", error.hint())));
    }
    bmc.close().await;
    answers
}

fn survives(name: &str, system: &str, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let whole = tree(name);
    // Only what is asked for can matter.
    let asked: Vec<String> = whole
        .keys()
        .filter(|path| {
            !path.contains("JsonSchemas")
                && !path.contains("LogServices")
                && !path.contains("Schema")
        })
        .cloned()
        .collect();
    let serial = whole[system]["SerialNumber"]
        .as_str()
        .unwrap()
        .trim()
        .to_owned();
    let identity = ["/redfish/v1", "/redfish/v1/Systems", system];
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 30,
        ..Config::default()
    });
    runner
        .run(&breaks(), |breaks| {
            let mut documents = whole.clone();
            let touched: Vec<String> = breaks
                .iter()
                .map(|broken| apply(&mut documents, &asked, broken))
                .collect();
            let answers = runtime.block_on(ask_all(documents));
            let identified = !touched.iter().any(|path| identity.contains(&path.as_str()));
            if identified {
                let hardware = answers[0]
                    .as_ref()
                    .map_err(|error| TestCaseError::fail(error.clone()))?;
                prop_assert_eq!(
                    hardware["summary"]["serial"].as_str(),
                    Some(serial.as_str())
                );
                prop_assert!(answers[1].is_ok(), "{:?}", answers[1]);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_broken_rackmount_keeps_its_host() {
    survives(
        "dmtf-public-rackmount1",
        "/redfish/v1/Systems/437XR1138R2",
        60,
    );
}

#[test]
fn a_broken_tower_keeps_its_host() {
    survives("dmtf-public-tower", "/redfish/v1/Systems/437XR1238R2", 12);
}

/// The same with every break in what identifies the host: it may be lost, but with words.
#[test]
fn a_broken_identity_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let whole = tree("dmtf-public-rackmount1");
    let asked: Vec<String> = [
        "/redfish/v1",
        "/redfish/v1/Systems",
        "/redfish/v1/Systems/437XR1138R2",
    ]
    .map(String::from)
    .to_vec();
    let mut runner = TestRunner::new(Config {
        cases: 30,
        failure_persistence: None,
        max_shrink_iters: 30,
        ..Config::default()
    });
    runner
        .run(&breaks(), |breaks| {
            let mut documents = whole.clone();
            for broken in breaks.iter().take(6) {
                apply(&mut documents, &asked, broken);
            }
            for answer in runtime.block_on(ask_all(documents)) {
                if let Err(words) = answer {
                    prop_assert!(words.len() > 20, "{words}");
                }
            }
            Ok(())
        })
        .unwrap();
}
