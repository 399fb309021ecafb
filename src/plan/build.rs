//! Tasks to resources: conditions weighed, templates rendered, parameters decoded.

use serde_json::{Value, json};

use super::surroundings::{Scene, Setting};
use super::{Step, Walk};
use crate::event::Failure;
use crate::resource::{self, Fault, Resource};

/// A step, as far as it can be built with what is known.
#[derive(Debug)]
pub enum Built {
    Ready(Box<dyn Resource>),
    /// Its condition leaves this host out.
    Skipped,
    /// Its condition or parameters need facts that are not known yet.
    NeedsFacts,
    /// The task is wrong for this host.
    Faulty(Failure),
}

/// Every step of a walk, in order. `facts` is `None` before the host was asked.
pub fn build(walk: &Walk, setting: Setting<'_>, facts: Option<&Value>) -> Vec<Built> {
    let mut built: Vec<Built> = Vec::with_capacity(walk.steps.len());
    for step in &walk.steps {
        let scene = Scene::of_role(setting, walk, &step.role, facts);
        let one = build_one(step, &scene, &built);
        built.push(one);
    }
    built
}

fn build_one(step: &Step, scene: &Scene<'_>, before: &[Built]) -> Built {
    let task = &step.task;
    for (condition, wanted) in [(&task.when, true), (&task.unless, false)] {
        let Some(expression) = condition else {
            continue;
        };
        match scene.holds(expression) {
            Ok(holds) if holds != wanted => return Built::Skipped,
            Ok(_) => {}
            Err(fault) if fault.needs_facts => return Built::NeedsFacts,
            Err(fault) => return faulty(step, fault),
        }
    }
    let mut parameters = match scene.task_parameters(&task.kind, &task.parameters) {
        Ok(parameters) => parameters,
        Err(fault) if fault.needs_facts => return Built::NeedsFacts,
        Err(fault) => return faulty(step, fault),
    };
    if !step.watches.is_empty() {
        match watched(step, before) {
            Some((restarts, reloads)) => inject(&mut parameters, restarts, reloads),
            None => return Built::NeedsFacts,
        }
    }
    let Some(kind) = resource::kind(&task.kind) else {
        return faulty(
            step,
            Fault::at("", format!("there is no task kind `{}`", task.kind)),
        );
    };
    match (kind.build)(parameters, scene) {
        Ok(resource) => Built::Ready(resource),
        Err(fault) if fault.needs_facts => Built::NeedsFacts,
        Err(fault) => faulty(step, fault),
    }
}

/// Paths of the watched steps: those that ask for a restart, and those that ask for a reload.
/// `None` while one of them cannot be built.
fn watched(step: &Step, before: &[Built]) -> Option<(Vec<String>, Vec<String>)> {
    let mut restarts = Vec::new();
    let mut reloads = Vec::new();
    for index in &step.watches {
        match before.get(*index) {
            Some(Built::Ready(resource)) if step.reloads.contains(index) => {
                reloads.extend(resource.writes());
            }
            Some(Built::Ready(resource)) => restarts.extend(resource.writes()),
            Some(Built::Skipped | Built::Faulty(_)) => {}
            Some(Built::NeedsFacts) | None => return None,
        }
    }
    Some((restarts, reloads))
}

/// Adds paths to the parameters `watch` and `watch-reload`.
fn inject(parameters: &mut Value, restarts: Vec<String>, reloads: Vec<String>) {
    if parameters.is_null() {
        *parameters = json!({});
    }
    for (key, paths) in [("watch", restarts), ("watch-reload", reloads)] {
        if paths.is_empty() {
            continue;
        }
        let list = &mut parameters[key];
        if !list.is_array() {
            *list = json!([]);
        }
        if let Some(list) = list.as_array_mut() {
            list.extend(paths.into_iter().map(Value::String));
        }
    }
}

fn faulty(step: &Step, fault: Fault) -> Built {
    let spot = &step.task.spot;
    Built::Faulty(Failure {
        message: fault.message,
        causes: vec![format!(
            "in the task of role {} at {}:{}{}",
            step.role.name,
            spot.place,
            spot.line,
            if fault.pointer.is_empty() {
                String::new()
            } else {
                format!(", parameter {}", fault.pointer.trim_start_matches('/'))
            }
        )],
        hints: fault.hint.into_iter().collect(),
        ..Failure::default()
    })
}
