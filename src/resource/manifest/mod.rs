//! Objects of the Kubernetes API, as a manifest states them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

mod compare;
mod objects;
mod paths;
mod quantity;
mod rollout;

use compare::{Digests, FIELD_MANAGER};
use objects::Object;

use super::{Fault, Kind, Resource, Surroundings};
use crate::model::{Action, Answers, Change, Difference, Payload, Query, Text, Unread, shell};
use crate::probe::Probe;

/// Objects applied to the cluster, on a host that holds the administrator's kubeconfig.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// A file of the role's `templates/` folder that renders to a manifest.
    template: Option<String>,
    /// The manifest itself.
    content: Option<String>,
    /// Namespace of the objects that name none.
    namespace: Option<String>,
    /// `true`: the objects are deleted.
    #[serde(default)]
    absent: bool,
    /// What is awaited after applying.
    wait: Option<Wait>,
}

/// What is awaited after applying.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wait {
    /// `true`: every Deployment, DaemonSet and StatefulSet of the manifest is rolled out, and
    /// every definition established.
    rollout: bool,
    /// Seconds at most.
    #[serde(default = "timeout_default")]
    timeout: u32,
}

fn timeout_default() -> u32 {
    300
}

#[derive(Debug)]
pub struct Manifest {
    name: String,
    objects: Vec<Object>,
    digests: Digests,
    absent: bool,
    /// Seconds that rollouts may take; `None`: they are not awaited.
    rollout: Option<u32>,
}

/// More differences than this are counted, not listed.
const SHOWN_DIFFERENCES: usize = 30;

/// The link's scripts define `again`: a call that did not get through is made again.
const KUBECTL: &str = "export KUBECONFIG=/etc/kubernetes/admin.conf\n";

impl Kind for Manifest {
    const NAME: &'static str = "manifest";
    const SUMMARY: &'static str = "objects of the Kubernetes API, applied or deleted";
    const EXAMPLE: &'static str = "{template: storage-class.yaml, wait: {rollout: true}}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        let (text, pointer, name) = match (parameters.template, parameters.content) {
            (Some(template), None) => {
                let name = template
                    .trim_end_matches(".j2")
                    .trim_end_matches(".yaml")
                    .trim_end_matches(".yml")
                    .to_owned();
                (around.render(&template)?, "/template", Some(name))
            }
            (None, Some(content)) => (Text::new(content), "/content", None),
            _ => {
                return Err(Fault::at(
                    "",
                    "a manifest takes exactly one of `template` and `content`",
                ));
            }
        };
        let objects = objects::parse(text.raw(), parameters.namespace.as_deref(), pointer)?;
        let mut digests = Digests::new();
        for object in &objects {
            seal(&object.value, around, &mut digests);
        }
        let wait = parameters.wait.filter(|wait| wait.rollout);
        Ok(Self {
            name: name.unwrap_or_else(|| objects[0].title()),
            objects,
            digests,
            absent: parameters.absent,
            rollout: wait.map(|wait| wait.timeout),
        })
    }
}

/// Notes the digest of every sealed text, so that it can be compared without being known.
fn seal(value: &Value, around: &dyn Surroundings, digests: &mut Digests) {
    match value {
        Value::String(text) => {
            let sealed = Text::new(text.as_str());
            if sealed.is_sealed() {
                digests.insert(text.clone(), around.digest(&sealed));
            }
        }
        Value::Array(list) => list.iter().for_each(|item| seal(item, around, digests)),
        Value::Object(map) => map.values().for_each(|item| seal(item, around, digests)),
        _ => {}
    }
}

impl Probe for Manifest {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        let paths = self.objects.iter().map(|object| object.path.clone());
        paths.map(Query::Kube).collect()
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let mut differences = Vec::new();
        let mut differing = Vec::new();
        let mut rolling = Vec::new();
        for object in &self.objects {
            let live = live(object, answers)?;
            let before = differences.len();
            match (live, self.absent) {
                (None, true) => {}
                (None, false) => {
                    differences.push(Difference::value(
                        &object.title(),
                        None,
                        "applied".to_owned(),
                    ));
                }
                (Some(_), true) => {
                    differences.push(Difference::value(
                        &object.title(),
                        "present".to_owned(),
                        None,
                    ));
                }
                (Some(live), false) => {
                    differences.extend(compare::differences(object, live, &self.digests));
                }
            }
            let differs = differences.len() > before;
            if differs {
                differing.push(object);
            }
            if self.rollout.is_some() && !self.absent {
                let state = match live.filter(|_| !differs) {
                    Some(live) => rollout::state(object, live),
                    None => rollout::expected(object),
                };
                if let Some(state) = state {
                    if !differs {
                        differences.push(Difference::value(
                            &object.title(),
                            state,
                            "ready".to_owned(),
                        ));
                    }
                    rolling.push(object);
                }
            }
        }
        let more = differences.len().saturating_sub(SHOWN_DIFFERENCES);
        if more > 0 {
            differences.truncate(SHOWN_DIFFERENCES);
            differences.push(Difference::Note(format!("and {more} more fields")));
        }
        let actions = if self.absent {
            vec![delete(&differing)]
        } else {
            self.apply(&differing, &rolling)
        };
        Ok(Change::from(differences, actions))
    }
}

/// The object as the API has it.
fn live<'answers>(
    object: &Object,
    answers: &'answers Answers,
) -> Result<Option<&'answers Value>, Unread> {
    let answer = answers.kube(&object.path)?;
    match answer.status {
        200 => Ok(Some(&answer.body)),
        404 => Ok(None),
        status => {
            let message = answer.body.get("message").and_then(Value::as_str);
            Err(Unread::Unreadable(format!(
                "the Kubernetes API answers {status} for {}: {}",
                object.title(),
                message.unwrap_or("without a message"),
            )))
        }
    }
}

impl Manifest {
    fn apply(&self, differing: &[&Object], rolling: &[&Object]) -> Vec<Action> {
        let (ground, rest): (Vec<&Object>, Vec<&Object>) = differing
            .iter()
            .copied()
            .partition(|object| object.is_ground());
        let mut actions = Vec::new();
        for wave in [ground, rest] {
            if wave.is_empty() {
                continue;
            }
            let defined: Vec<String> = wave
                .iter()
                .filter(|object| object.is_definition())
                .map(|object| shell::quote(&format!("crd/{}", object.name)))
                .collect();
            let mut script = format!(
                "{KUBECTL}again kubectl apply --server-side --force-conflicts --field-manager={FIELD_MANAGER} -f -\n"
            );
            if !defined.is_empty() {
                script.push_str(&format!(
                    "kubectl wait --for=condition=Established --timeout=60s {}\n",
                    defined.join(" ")
                ));
            }
            actions.push(Action::Feed {
                script: script.into(),
                payload: Payload::Text(payload(&wave)),
            });
        }
        if let Some(seconds) = self.rollout.filter(|_| !rolling.is_empty()) {
            actions.push(Action::Run(rollout::script(rolling, seconds).into()));
        }
        actions
    }
}

fn delete(objects: &[&Object]) -> Action {
    // What was made last goes first.
    let reversed: Vec<&Object> = objects.iter().rev().copied().collect();
    Action::Feed {
        script: format!("{KUBECTL}again kubectl delete --ignore-not-found --timeout=120s -f -")
            .into(),
        payload: Payload::Text(payload(&reversed)),
    }
}

/// The objects as JSON documents: what is sent is what was compared, whatever a YAML reader makes
/// of the text.
fn payload(objects: &[&Object]) -> Text {
    let documents: Vec<String> = objects
        .iter()
        .map(|object| object.value.to_string())
        .collect();
    Text::new(documents.join("\n---\n"))
}

impl Resource for Manifest {
    fn title(&self) -> String {
        format!("manifest {}", self.name)
    }
}
