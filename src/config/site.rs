//! The inventory, the profile and the roles joined. Whoever holds a [`Site`] knows that the files
//! were right.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::fault::{Fault, Faults};
use super::load::name_in_site;
use super::scope::{Common, RenderFault};
use super::selector::Selector;
use super::source::{Place, Source, Spot};
use super::template::Templates;
use crate::model::bmc::Endpoint;
use crate::model::{Target, Text, Vault};

/// Everything that the files say.
#[derive(Debug, Default)]
pub struct Site {
    /// The cluster's name, or the inventory's file name without its ending.
    pub name: String,
    pub cluster: Option<Cluster>,
    /// In the order they were written, ranges expanded.
    pub hosts: Vec<Host>,
    /// Group name to host names in inventory order; `all` holds every host.
    pub groups: BTreeMap<String, Vec<String>>,
    pub profile: Option<Profile>,
    /// The roles that the profile assigns, by name.
    pub roles: BTreeMap<String, Role>,
    /// Secrets of the inventory, read when the site was loaded to act on machines.
    pub vault: Arc<Vault>,
    /// The lab that the inventory describes, when it describes one: raw, for the lab room.
    pub lab: Option<Value>,
    /// SHA-256 over every file's content: a saved plan is refused when it differs.
    pub digest: String,
    /// Values of role parameters that hold for every host: the profile's and the inventory's
    /// defaults.
    pub parameters: BTreeMap<String, Value>,
    /// Names of the inventory's secrets, snake case: keys of the vault, `secrets.NAME` in
    /// templates.
    pub secrets: Vec<String>,
    /// What somebody should know and that stops nobody, such as a waiver that ran out.
    pub warnings: Faults,
    /// Programs of the catalogue, snake case, with the version that it holds: `versions.NAME` in
    /// templates.
    pub versions: BTreeMap<String, String>,
    /// Everything that is a template or an expression, compiled.
    pub templates: Arc<Templates>,
    /// Every file that the site was made from.
    pub sources: Vec<Source>,
    pub(super) role_schema: Arc<Value>,
    pub(super) common: OnceLock<Arc<Common>>,
    pub(super) index: HashMap<String, usize>,
}

impl Site {
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(*self.index.get(name)?)
    }

    /// The roles that a host gets, in the order of its walk.
    pub fn roles_of(&self, host: &str) -> Vec<&Role> {
        let profile = self.profile.iter();
        profile
            .flat_map(|profile| &profile.roles)
            .filter(|assignment| assignment.on.picks(self, host))
            .filter_map(|assignment| self.roles.get(&assignment.role))
            .collect()
    }

    /// Faults that were found after the files were read, such as a task whose parameters make no
    /// resource, shown like all others.
    pub fn faults(&self, faults: Vec<Fault>) -> Faults {
        Faults::new(faults, &self.sources)
    }

    /// The place of a rendering's fault: in the template file where it is in one, else in the
    /// task's parameters.
    pub fn spot_of(&self, role: &str, task: &Task, fault: &RenderFault) -> Spot {
        let Some(file) = &fault.file else {
            return task.spot_at(&fault.pointer).clone();
        };
        let name = format!("roles/{role}/templates/{file}");
        let mut sources = self.sources.iter();
        match sources.find(|source| name_in_site(&source.place) == name) {
            Some(source) => source.line(fault.line.unwrap_or(0)),
            None => task.spot.clone(),
        }
    }

    /// What templates see that is the same for every host.
    pub(super) fn common(&self) -> &Arc<Common> {
        self.common.get_or_init(|| Arc::new(Common::of(self)))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub name: String,
    /// `1.33` or `1.33.13`.
    pub kubernetes: String,
    /// Name or address of the API that outlives any one control plane.
    pub endpoint: Option<String>,
    /// Pod networks in CIDR notation, one a family.
    pub pods: Vec<String>,
    pub services: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Host {
    pub name: String,
    /// The running number of a range such as `w[01-40]`.
    pub number: Option<u64>,
    pub address: String,
    /// More addresses, such as one of the other family.
    pub addresses: Vec<String>,
    pub groups: Vec<String>,
    /// `None` for a host of which only the BMC is known.
    pub target: Option<Target>,
    pub bmc: Option<Endpoint>,
    /// Values of role parameters set for this host, snake case, defaults of the roles not
    /// included; the profile's are (the nearest wins: host, group, inventory, profile).
    pub parameters: BTreeMap<String, Value>,
    /// Where the inventory names it.
    pub spot: Spot,
}

#[derive(Debug, Clone)]
pub struct Profile {
    pub name: String,
    pub title: String,
    /// In the order they are carried out.
    pub roles: Vec<Assignment>,
    pub requirements: Vec<Requirement>,
}

/// A role and the hosts that get it.
#[derive(Debug, Clone)]
pub struct Assignment {
    pub role: String,
    pub on: Selector,
    pub spot: Spot,
}

#[derive(Debug, Clone)]
pub struct Role {
    pub name: String,
    pub summary: String,
    /// Snake case name to declaration.
    pub parameters: IndexMap<String, Parameter>,
    /// Values made during the run, by snake case name.
    pub late: IndexMap<String, Late>,
    pub tasks: Vec<Task>,
    /// File name below `templates/` to its text.
    pub templates: BTreeMap<String, String>,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub struct Parameter {
    pub kind: ParameterKind,
    pub default: Option<Value>,
    pub summary: Option<String>,
    /// The only values it may take.
    pub choices: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ParameterKind {
    String,
    Integer,
    Number,
    Boolean,
    List,
    Map,
    Any,
}

/// A value made when it is needed, such as a join token.
#[derive(Debug, Clone)]
pub struct Late {
    pub on: Selector,
    /// A shell text; its trimmed standard output is the value.
    pub run: Text,
    pub spot: Spot,
}

/// One task of a role: exactly one kind, and how it stands among the others.
#[derive(Debug, Clone)]
pub struct Task {
    pub name: Option<String>,
    /// Key of the kind: `file`, `service`, ….
    pub kind: String,
    /// The kind's parameters as written; strings may hold templates.
    pub parameters: Value,
    /// Bare expressions.
    pub when: Option<String>,
    pub unless: Option<String>,
    pub then: Vec<Then>,
    pub tags: Vec<String>,
    /// A narrower choice of hosts than the role's.
    pub on: Option<Selector>,
    /// Milestones that other hosts reach first.
    pub awaits: Vec<String>,
    /// The milestone that this task reaches; it counts once every host that has the task is
    /// through with it.
    pub reaches: Option<String>,
    /// Hosts that carry this name take turns.
    pub in_turn: Option<String>,
    pub timeout: Duration,
    pub spot: Spot,
    /// JSON pointer into the parameters to where that part stands.
    pub spots: Arc<BTreeMap<String, Spot>>,
}

impl Task {
    /// Where a part of the parameters stands, or the nearest thing around it.
    pub fn spot_at(&self, pointer: &str) -> &Spot {
        let mut pointer = pointer;
        loop {
            if let Some(spot) = self.spots.get(pointer) {
                return spot;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return &self.spot,
            }
        }
    }
}

/// What a change of a task's files leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    Restart(String),
    Reload(String),
    Reboot,
}

/// A row of the profile: what has to hold, how it is asked, and what mends it.
#[derive(Debug, Clone)]
pub struct Requirement {
    pub id: String,
    pub title: String,
    pub level: Level,
    /// Which hosts it is asked of.
    pub on: Selector,
    /// One verdict for the cluster instead of one for each host.
    pub scope: Scope,
    pub when: Option<String>,
    /// Name of the answer in the expressions to the question, as written.
    pub asks: IndexMap<String, Value>,
    /// A bare expression over the answers, or the name of a check in Rust.
    pub pass: Pass,
    /// A template over the answers.
    pub evidence: Option<String>,
    pub mend: Option<String>,
    pub waiver: Option<Waiver>,
    pub spot: Spot,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    Expression(String),
    Check(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Scope {
    Host,
    Cluster,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Level {
    Must,
    Should,
    May,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    pub reason: String,
    pub owner: Option<String>,
    /// ISO date; the waiver ends with this day.
    pub until: Option<String>,
}
