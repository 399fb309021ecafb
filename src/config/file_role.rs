//! The role as it is written: how to get there. Ordered tasks, no host names.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::site::ParameterKind;
use super::union::OneOrMany;

/// How to get there: ordered tasks with the templates of the folder `templates/`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "role")]
pub struct RoleFile {
    /// One line.
    #[schemars(extend("examples" = ["The container runtime"]))]
    pub summary: String,
    /// Parameter name to its declaration. Seen by templates in snake case.
    #[serde(default)]
    pub parameters: IndexMap<String, ParameterFile>,
    /// Values made when they are needed, such as a join token. Seen as `late.NAME`.
    #[serde(default)]
    pub late: IndexMap<String, LateFile>,
    /// In the order they are carried out on each host.
    #[schemars(extend("examples" = ["[{package: {name: chrony}}]"]))]
    pub tasks: Vec<TaskFile>,
}

/// A value that the profile or the inventory may set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{type: string, default: \"2.2.1\"}"]))]
pub struct ParameterFile {
    pub r#type: ParameterKind,
    /// Without a default the profile or the inventory has to set it.
    pub default: Option<Value>,
    pub summary: Option<String>,
    /// The only values it may take.
    #[serde(default)]
    pub choices: Vec<Value>,
}

/// A value made when it is needed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{on: first control-plane, run: kubeadm token create}"]))]
pub struct LateFile {
    /// The host that makes it: `first control-plane`.
    pub on: OneOrMany<String>,
    /// A shell text; its trimmed standard output is the value.
    pub run: String,
}

/// One task: exactly one kind, and how it stands among the others.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{package: {name: chrony}}"], "x-one" = ["task", "kind"]))]
pub struct TaskFile {
    /// What the plan calls it; its kind and its first parameter when absent.
    pub name: Option<String>,
    /// An expression: where it is false, the host does not need the task.
    pub when: Option<String>,
    /// An expression: where it is true, the host does not need the task.
    pub unless: Option<String>,
    /// What a change of its files leads to: `restart NAME`, `reload NAME`, `reboot`.
    #[serde(default)]
    pub then: OneOrMany<String>,
    #[serde(default)]
    pub tags: OneOrMany<String>,
    /// A narrower choice of hosts than the role's.
    pub on: Option<OneOrMany<String>>,
    /// Milestones that other hosts reach first.
    #[serde(default)]
    pub awaits: OneOrMany<String>,
    /// The milestone that is reached once every host that has the task is through with it.
    pub reaches: Option<String>,
    /// Hosts that carry this name take turns.
    pub in_turn: Option<String>,
    /// How long it may take: `5m`. 10 minutes when absent.
    pub timeout: Option<String>,
}
