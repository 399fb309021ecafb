//! Whether the milestones that tasks wait for are ever reached, told from the files alone.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Fault;
use super::nearest::suggestion;
use super::site::{Site, Task};

/// A task that waits or is waited for.
#[derive(Clone, Copy)]
struct Step<'a> {
    role: &'a str,
    task: &'a Task,
}

/// The steps of hosts that do the same.
struct Walk<'a> {
    steps: Vec<Step<'a>>,
    /// One of the hosts.
    host: &'a str,
    at: usize,
}

pub(super) fn check(site: &Site, faults: &mut Vec<Fault>) {
    let reached: BTreeSet<&str> = site
        .roles
        .values()
        .flat_map(|role| &role.tasks)
        .filter_map(|task| task.reaches.as_deref())
        .collect();
    for task in site.roles.values().flat_map(|role| &role.tasks) {
        for milestone in &task.awaits {
            if !reached.contains(milestone.as_str()) {
                faults.push(
                    Fault::new(
                        task.spot.clone(),
                        format!(
                            "the task awaits the milestone `{milestone}`, which no task reaches"
                        ),
                    )
                    .help(suggestion(
                        milestone,
                        "milestones",
                        reached.iter().copied(),
                    )),
                );
            }
        }
    }
    let mut walks = walks(site);
    let done = run(&mut walks, &reached);
    for walk in &walks {
        let Some(step) = walk.steps.get(walk.at) else {
            continue;
        };
        let waited = step.task.awaits.iter().find(|milestone| {
            reached.contains(milestone.as_str()) && !done.contains(milestone.as_str())
        });
        let Some(milestone) = waited else { continue };
        let mut fault = Fault::new(
            step.task.spot.clone(),
            format!(
                "`{}` would wait for ever here: the milestone `{milestone}` is never reached",
                walk.host
            ),
        );
        // The first host that should reach it and does not get there.
        let blocker = walks.iter().find_map(|other| {
            let rest = other.steps.get(other.at..)?;
            let reaching = rest
                .iter()
                .find(|step| step.task.reaches.as_deref() == Some(milestone))?;
            Some((other, reaching))
        });
        if let Some((other, reaching)) = blocker {
            let stuck = other.steps[other.at];
            fault = fault
                .related(
                    reaching.task.spot.clone(),
                    format!("`{}` reaches it here (role {})", other.host, reaching.role),
                )
                .related(
                    stuck.task.spot.clone(),
                    format!("but waits here for {}", listed(&stuck.task.awaits)),
                );
        }
        faults.push(fault.help("change the order of the roles, or what the tasks await"));
    }
}

fn listed(milestones: &[String]) -> String {
    let quoted: Vec<String> = milestones.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" and ")
}

/// The distinct walks of all hosts, reduced to tasks that wait or are waited for.
fn walks(site: &Site) -> Vec<Walk<'_>> {
    let mut distinct: BTreeMap<Vec<(usize, usize)>, Walk<'_>> = BTreeMap::new();
    let Some(profile) = &site.profile else {
        return Vec::new();
    };
    for host in &site.hosts {
        let mut steps = Vec::new();
        let mut key = Vec::new();
        for (position, assignment) in profile.roles.iter().enumerate() {
            let Some(role) = site.roles.get(&assignment.role) else {
                continue;
            };
            let relevant = |task: &&Task| !task.awaits.is_empty() || task.reaches.is_some();
            if !role.tasks.iter().any(|task| relevant(&task))
                || !assignment.on.picks(site, &host.name)
            {
                continue;
            }
            for (index, task) in role.tasks.iter().enumerate() {
                let here = task.on.as_ref().is_none_or(|on| on.picks(site, &host.name));
                if relevant(&task) && here {
                    key.push((position, index));
                    steps.push(Step {
                        role: &role.name,
                        task,
                    });
                }
            }
        }
        distinct.entry(key).or_insert(Walk {
            steps,
            host: &host.name,
            at: 0,
        });
    }
    distinct.into_values().collect()
}

/// Lets all walks go on as far as they can; the milestones that are reached then.
fn run<'a>(walks: &mut [Walk<'a>], known: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    loop {
        let mut moved = false;
        for walk in walks.iter_mut() {
            while let Some(step) = walk.steps.get(walk.at) {
                let free = step.task.awaits.iter().all(|milestone| {
                    done.contains(milestone.as_str()) || !known.contains(milestone.as_str())
                });
                if !free {
                    break;
                }
                walk.at += 1;
                moved = true;
            }
        }
        for milestone in known {
            let open = walks.iter().any(|walk| {
                walk.steps[walk.at..]
                    .iter()
                    .any(|step| step.task.reaches.as_deref() == Some(milestone))
            });
            if !open && done.insert(milestone) {
                moved = true;
            }
        }
        if !moved {
            return done;
        }
    }
}
