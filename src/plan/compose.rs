//! The walk of each host: the tasks of the profile's roles that are meant for it, in order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Selector;
use crate::config::site::{Host, Role, Site, Task, Then};
use crate::config::source::Place;
use crate::event::TaskName;

/// How long one task of an operator's command may take: firmware is slow.
const ERRAND_TIME: Duration = Duration::from_secs(3600);

/// A narrower choice than the whole site.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Hosts of `--limit`.
    pub limit: Option<Selector>,
    /// Tasks that carry one of these tags, or whose role is named so; all when empty.
    pub tags: Vec<String>,
}

/// One host's tasks in order.
#[derive(Debug, Clone)]
pub struct Walk {
    pub host: Arc<Host>,
    pub steps: Vec<Step>,
}

/// One task on one host.
#[derive(Debug, Clone)]
pub struct Step {
    pub name: TaskName,
    pub role: Arc<Role>,
    pub task: Arc<Task>,
    /// Steps of this walk whose files this one watches: a service that has not seen them yet
    /// restarts, and a host boots.
    pub watches: Vec<usize>,
    /// Those of `watches` that only ask for a reload.
    pub reloads: Vec<usize>,
}

/// The walks of the chosen hosts, in inventory order.
pub fn compose(site: &Site, choice: &Choice) -> Vec<Walk> {
    chosen(site, choice)
        .map(|host| Walk {
            host: Arc::new(host.clone()),
            steps: steps(site, host, choice),
        })
        .collect()
}

/// The hosts of the choice, in inventory order.
fn chosen<'a>(site: &'a Site, choice: &'a Choice) -> impl Iterator<Item = &'a Host> {
    site.hosts.iter().filter(|host| {
        choice
            .limit
            .as_ref()
            .is_none_or(|limit| limit.picks(site, &host.name))
    })
}

/// What an operator's command does on each chosen host: task kinds with their parameters, as a
/// role would write them.
pub struct Errand {
    /// The command's word, in the place of a role's name.
    pub name: &'static str,
    pub tasks: Vec<(&'static str, serde_json::Value)>,
}

/// Walks that hold an operator's errand instead of the profile's roles.
pub fn errand(site: &Site, choice: &Choice, errand: &Errand) -> Vec<Walk> {
    errands(site, choice, errand.name, &|_| errand.tasks.clone())
}

/// The same where each host, by its name, has tasks of its own.
pub fn errands(
    site: &Site,
    choice: &Choice,
    name: &'static str,
    tasks: &dyn Fn(&str) -> Vec<(&'static str, serde_json::Value)>,
) -> Vec<Walk> {
    let role = Arc::new(Role {
        name: name.to_owned(),
        summary: String::new(),
        parameters: Default::default(),
        late: Default::default(),
        tasks: Vec::new(),
        templates: Default::default(),
        place: Place::Embedded(format!("the command {name}")),
    });
    chosen(site, choice)
        .map(|host| {
            let mut steps = Vec::new();
            for (kind, parameters) in tasks(&host.name) {
                push(&mut steps, host, &role, bare(kind, parameters, host));
            }
            Walk {
                host: Arc::new(host.clone()),
                steps,
            }
        })
        .collect()
}

/// A task that says nothing but its kind and parameters; faults point to the host's line.
fn bare(kind: &str, parameters: serde_json::Value, host: &Host) -> Task {
    Task {
        name: None,
        kind: kind.to_owned(),
        parameters,
        when: None,
        unless: None,
        then: Vec::new(),
        tags: Vec::new(),
        on: None,
        awaits: Vec::new(),
        reaches: None,
        in_turn: None,
        timeout: ERRAND_TIME,
        spot: host.spot.clone(),
        spots: Default::default(),
    }
}

fn steps(site: &Site, host: &Host, choice: &Choice) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let Some(profile) = &site.profile else {
        return steps;
    };
    for assignment in &profile.roles {
        let Some(role) = site.roles.get(&assignment.role) else {
            continue;
        };
        if !assignment.on.picks(site, &host.name) {
            continue;
        }
        let role = Arc::new(role.clone());
        let start = steps.len();
        for task in &role.tasks {
            let meant = task
                .on
                .as_ref()
                .is_none_or(|selector| selector.picks(site, &host.name));
            if meant && tagged(task, &role, &choice.tags) {
                push(&mut steps, host, &role, task.clone());
            }
        }
        wire(&mut steps, start, host, &role);
    }
    wire_boots(&mut steps);
    steps
}

fn tagged(task: &Task, role: &Role, tags: &[String]) -> bool {
    tags.is_empty()
        || tags
            .iter()
            .any(|tag| task.tags.contains(tag) || *tag == role.name)
}

fn push(steps: &mut Vec<Step>, host: &Host, role: &Arc<Role>, task: Task) {
    let title = task.name.clone().unwrap_or_else(|| title(&task));
    steps.push(Step {
        name: TaskName {
            host: host.name.clone(),
            role: role.name.clone(),
            index: steps.len(),
            title,
        },
        role: role.clone(),
        task: Arc::new(task),
        watches: Vec::new(),
        reloads: Vec::new(),
    });
}

/// Kind and the parameter that names the thing, as written: the built resource tells it better,
/// but needs facts.
fn title(task: &Task) -> String {
    let named = [
        "path", "name", "names", "artifact", "phase", "to", "run", "state",
    ]
    .iter()
    .find_map(|key| task.parameters.get(*key))
    .or(Some(&task.parameters))
    .and_then(|value| value.as_str())
    // A template tells nothing before it is rendered.
    .filter(|text| !text.contains("{{"))
    .and_then(|text| text.lines().next());
    match named {
        Some(named) => format!("{} {named}", task.kind),
        None => task.kind.clone(),
    }
}

/// Joins `then: [restart NAME]` with the role's own service task of that name, which has to come
/// later in the role; without one, a service task is added at the role's end.
fn wire(steps: &mut Vec<Step>, start: usize, host: &Host, role: &Arc<Role>) {
    let mut wanted: Vec<(String, bool, usize)> = Vec::new();
    for (index, step) in steps.iter().enumerate().skip(start) {
        for then in &step.task.then {
            match then {
                Then::Restart(name) => wanted.push((name.clone(), false, index)),
                Then::Reload(name) => wanted.push((name.clone(), true, index)),
                Then::Reboot => {}
            }
        }
    }
    let names: BTreeSet<String> = wanted.iter().map(|(name, ..)| name.clone()).collect();
    for name in names {
        let at = steps
            .iter()
            .enumerate()
            .skip(start)
            .rev()
            .find_map(|(index, step)| {
                let serves = step.task.kind == "service"
                    && step
                        .task
                        .parameters
                        .get("name")
                        .and_then(|value| value.as_str())
                        == Some(&name);
                serves.then_some(index)
            });
        let last = wanted
            .iter()
            .filter(|(wish, ..)| *wish == name)
            .map(|(_, _, index)| *index)
            .max();
        let at = match at {
            Some(at) if Some(at) > last => at,
            _ => {
                let model = &steps[last.unwrap_or(start)].task;
                let task = Task {
                    name: None,
                    kind: "service".to_owned(),
                    parameters: serde_json::json!({ "name": name }),
                    then: Vec::new(),
                    reaches: None,
                    awaits: Vec::new(),
                    in_turn: None,
                    ..Task::clone(model)
                };
                push(steps, host, role, task);
                steps.len() - 1
            }
        };
        for (_, reload, index) in wanted.iter().filter(|(wish, ..)| *wish == name) {
            steps[at].watches.push(*index);
            if *reload {
                steps[at].reloads.push(*index);
            }
        }
    }
}

/// Joins `then: [reboot]` with the next reboot task of the walk, of whichever role.
fn wire_boots(steps: &mut [Step]) {
    let boots: Vec<usize> = (0..steps.len())
        .filter(|index| steps[*index].task.kind == "reboot")
        .collect();
    for index in 0..steps.len() {
        if steps[index].task.then.contains(&Then::Reboot)
            && let Some(boot) = boots.iter().find(|boot| **boot > index)
        {
            steps[*boot].watches.push(index);
        }
    }
}
