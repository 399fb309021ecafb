//! The profile as it is written: what is required. No addresses, no host names.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::site::{Level, Scope};
use super::union::OneOrMany;

/// What is required: the roles that make a cluster, their parameters, and the requirements that
/// prove it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "profile")]
pub struct ProfileFile {
    /// One line for the head of a report.
    pub title: Option<String>,
    /// Profiles that this one adds to; what it says itself wins.
    pub extends: Option<OneOrMany<String>>,
    /// Values of role parameters.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Who gets which role, in the order they are carried out. Replaces the list of the profiles
    /// that this one extends.
    pub roles: Option<Vec<AssignmentFile>>,
    /// Requirement id to its row.
    #[serde(default)]
    pub requirements: IndexMap<String, RequirementFile>,
}

/// A role and the hosts that get it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{role: containerd, on: all}"]))]
pub struct AssignmentFile {
    pub role: String,
    /// Groups: `worker`, `first control-plane`, `all, !control-plane`. `all` when absent.
    pub on: Option<OneOrMany<String>>,
}

/// What has to hold, how it is asked, and what mends it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{title: Two time sources answer, level: must, ask: {run: chronyc -c sources}, pass: \"answer.lines | length >= 2\"}"]))]
pub struct RequirementFile {
    /// One line: what has to hold.
    pub title: Option<String>,
    pub level: Option<Level>,
    /// Which hosts it is asked of; `all` when absent.
    pub on: Option<OneOrMany<String>>,
    /// Whether each host gets a verdict or the cluster one. `cluster` when absent and every
    /// question is a `kube` or `pod` one.
    pub scope: Option<Scope>,
    /// An expression: where it is false, the requirement does not apply.
    pub when: Option<String>,
    /// The question; its answer is `answer` in the expressions.
    pub ask: Option<QuestionFile>,
    /// Several questions by the names that their answers have in the expressions.
    pub asks: Option<IndexMap<String, QuestionFile>>,
    /// An expression over the answers.
    pub pass: Option<String>,
    /// The name of a check that is written in Rust, instead of `pass`.
    pub check: Option<String>,
    /// A template over the answers that shows what was found.
    pub evidence: Option<String>,
    /// What mends a failure.
    pub mend: Option<String>,
    /// Why the requirement is not to be met here.
    pub waive: Option<String>,
    /// Who answers for the waiver.
    pub owner: Option<String>,
    /// The last day of the waiver: `2027-03-01`.
    pub until: Option<String>,
}

/// A read-only question: exactly one of these.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend(
    "oneOf" = [
        {"required": ["run"]}, {"required": ["file"]}, {"required": ["digest"]},
        {"required": ["content"]}, {"required": ["unit"]}, {"required": ["package"]},
        {"required": ["images"]}, {"required": ["kube"]}, {"required": ["pod"]},
        {"required": ["bmc"]}
    ],
    "x-one" = ["question", "kind"],
    "examples" = ["{run: uname -r}"]
))]
pub struct QuestionFile {
    /// A POSIX shell text that only reads.
    pub run: Option<String>,
    /// What is at a path, without its content.
    pub file: Option<String>,
    /// SHA-256 of a file.
    pub digest: Option<String>,
    /// The text of a small file.
    pub content: Option<String>,
    /// A systemd unit.
    pub unit: Option<String>,
    /// An installed package.
    pub package: Option<String>,
    /// `true`: the images of the container runtime.
    pub images: Option<bool>,
    /// A path of the Kubernetes API: `/api/v1/nodes`.
    pub kube: Option<String>,
    /// A script run in a short-lived pod.
    pub pod: Option<PodFile>,
    /// Links of the BMC, such as `system/Bios` or `manager/VirtualMedia/*`, or a composed state:
    /// `system-state`, `bios`, `bios-registry`, `secure-boot`, `boot-order`, `hardware`.
    pub bmc: Option<String>,
}

/// A pod that lives for one question.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{image: busybox, script: \"grep Huge /proc/meminfo\"}"]))]
pub struct PodFile {
    pub image: String,
    /// POSIX shell text that the pod's only container runs.
    pub script: String,
    /// The node to run on; any when absent.
    pub node: Option<String>,
    /// `60s` when absent.
    pub timeout: Option<String>,
    /// More fields of the pod: `{spec: {…}, container: {…}}`.
    pub overrides: Option<Map<String, Value>>,
}
