//! Checks that a row's expression cannot say, by name.

use serde_json::Value;

use crate::event::Verdict;
use crate::model::{Answers, Query, Unread};

/// A check in Rust. A row names it with `check: NAME` in place of `pass`.
pub struct Native {
    pub name: &'static str,
    /// One line for the documentation.
    pub summary: &'static str,
    pub ask: fn() -> Vec<Query>,
    pub read: fn(&Answers) -> Result<(Verdict, String), Unread>,
}

/// Every check, by name.
pub const NATIVE: &[Native] = &[Native {
    name: "kubernetes-version-skew",
    summary: "no kubelet is newer than the API server, nor more than three minor versions older",
    ask: || {
        vec![
            Query::Kube(VERSION.to_owned()),
            Query::Kube(NODES.to_owned()),
        ]
    },
    read: version_skew,
}];

pub fn find(name: &str) -> Option<&'static Native> {
    NATIVE.iter().find(|native| native.name == name)
}

const VERSION: &str = "/version";
const NODES: &str = "/api/v1/nodes";

/// How many minor versions a kubelet may lag behind, by Kubernetes' version skew policy.
const OLDEST_KUBELET: u32 = 3;

fn version_skew(answers: &Answers) -> Result<(Verdict, String), Unread> {
    let server = &answers.kube(VERSION)?.body;
    let nodes = &answers.kube(NODES)?.body;
    let not_understood = |what: &str| Unread::Unreadable(format!("{what} is not understood"));
    let server = server
        .get("gitVersion")
        .and_then(Value::as_str)
        .ok_or_else(|| not_understood("the API server's version"))?;
    let (major, minor) = numbers(server).ok_or_else(|| not_understood(server))?;
    let items = nodes
        .get("items")
        .and_then(Value::as_array)
        .filter(|items| !items.is_empty())
        .ok_or_else(|| not_understood("the list of nodes"))?;
    let mut outside = Vec::new();
    for node in items {
        let name = node["metadata"]["name"].as_str().unwrap_or("?");
        let kubelet = node["status"]["nodeInfo"]["kubeletVersion"]
            .as_str()
            .unwrap_or_default();
        let within = numbers(kubelet).is_some_and(|(kubelet_major, kubelet_minor)| {
            kubelet_major == major
                && kubelet_minor <= minor
                && minor - kubelet_minor <= OLDEST_KUBELET
        });
        if !within {
            outside.push(format!("{name} {kubelet}"));
        }
    }
    Ok(if outside.is_empty() {
        (
            Verdict::Passed,
            format!(
                "API server {server}, {} kubelets within the window",
                items.len()
            ),
        )
    } else {
        (
            Verdict::Failed,
            format!(
                "API server {server}, outside the window: {}",
                outside.join(", ")
            ),
        )
    })
}

/// Major and minor number of `v1.33.13`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Answer;
    use crate::model::query::KubeAnswer;

    fn judge(kubelet: &str) -> Verdict {
        let kube = |body| Answer::Kube(KubeAnswer { status: 200, body });
        let answers: Answers = [
            (
                Query::Kube(VERSION.to_owned()),
                kube(json!({"gitVersion": "v1.33.13"})),
            ),
            (
                Query::Kube(NODES.to_owned()),
                kube(json!({"items": [{
                    "metadata": {"name": "w1"},
                    "status": {"nodeInfo": {"kubeletVersion": kubelet}},
                }]})),
            ),
        ]
        .into_iter()
        .collect();
        version_skew(&answers).expect("readable").0
    }

    #[test]
    fn holds_kubelets_to_the_window() {
        assert_eq!(judge("v1.33.1"), Verdict::Passed);
        assert_eq!(judge("v1.30.0"), Verdict::Passed);
        assert_eq!(judge("v1.29.9"), Verdict::Failed);
        assert_eq!(judge("v1.34.0"), Verdict::Failed);
        assert_eq!(judge("odd"), Verdict::Failed);
    }
}
