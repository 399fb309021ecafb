//! Whether what a manifest runs is up.

use serde_json::Value;

use super::KUBECTL;
use super::objects::Object;
use crate::model::shell;

/// Why a live object is not ready yet; `None` when it is, or when there is nothing to wait for.
pub(super) fn state(object: &Object, live: &Value) -> Option<String> {
    if object.is_definition() {
        let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
        let established = conditions.into_iter().flatten().any(|condition| {
            condition.get("type").and_then(Value::as_str) == Some("Established")
                && condition.get("status").and_then(Value::as_str) == Some("True")
        });
        return (!established).then(|| "not established".to_owned());
    }
    if !object.is_rolled_out() {
        return None;
    }
    let number = |pointer: &str| live.pointer(pointer).and_then(Value::as_i64);
    let count = |field: &str| number(&format!("/status/{field}")).unwrap_or(0);
    if count("observedGeneration") < number("/metadata/generation").unwrap_or(0) {
        return Some("not seen by its controller yet".to_owned());
    }
    let (wanted, updated, ready) = match object.kind.as_str() {
        "DaemonSet" => (
            count("desiredNumberScheduled"),
            count("updatedNumberScheduled"),
            count("numberAvailable"),
        ),
        "StatefulSet" => {
            let wanted = number("/spec/replicas").unwrap_or(1);
            // A partition keeps some pods at the older revision on purpose.
            let partition = number("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
            let updated = match live.pointer("/status/updateRevision")
                == live.pointer("/status/currentRevision")
            {
                true => wanted,
                false => count("updatedReplicas") + partition,
            };
            (wanted, updated, count("readyReplicas"))
        }
        _ => (
            number("/spec/replicas").unwrap_or(1),
            count("updatedReplicas"),
            count("availableReplicas"),
        ),
    };
    // By hand only: nothing rolls out by itself, so old pods are no sign of waiting.
    let by_hand = live
        .pointer("/spec/updateStrategy/type")
        .and_then(Value::as_str)
        == Some("OnDelete");
    if (updated < wanted && !by_hand) || ready < wanted {
        return Some(format!("{ready} of {wanted} ready"));
    }
    None
}

/// What to say of an object that is about to be applied.
pub(super) fn expected(object: &Object) -> Option<String> {
    object
        .is_rolled_out()
        .then(|| "about to be applied".to_owned())
}

/// Waits for each, within `seconds` in all; a failure shows the pods and the last events.
pub(super) fn script(objects: &[&Object], seconds: u32) -> String {
    let mut script = format!(
        "{KUBECTL}end=$(($(date +%s) + {seconds}))\n\
         left() {{ left=$((end - $(date +%s))); [ $left -gt 0 ] || left=1; echo \"${{left}}s\"; }}\n\
         late() {{ kubectl -n \"$1\" get pods -o wide >&2 || :; kubectl -n \"$1\" get events --sort-by=.lastTimestamp 2>/dev/null | tail -n 15 >&2 || :; exit 1; }}\n"
    );
    for object in objects {
        // kubectl refuses to watch what only rolls out by hand.
        if object
            .value
            .pointer("/spec/updateStrategy/type")
            .and_then(Value::as_str)
            == Some("OnDelete")
        {
            continue;
        }
        if object.is_definition() {
            script.push_str(&format!(
                "kubectl wait --for=condition=Established --timeout=\"$(left)\" {}\n",
                shell::quote(&format!("crd/{}", object.name))
            ));
            continue;
        }
        let namespace = shell::quote(object.namespace.as_deref().unwrap_or("default"));
        script.push_str(&format!(
            "kubectl -n {namespace} rollout status --timeout=\"$(left)\" {} || late {namespace}\n",
            shell::quote(&format!("{}/{}", object.kind.to_lowercase(), object.name)),
        ));
    }
    script
}
