//! A role, from what is written to what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use super::desk::{Desk, Opened, key_spot};
use super::fault::Fault;
use super::file_role::{RoleFile, TaskFile};
use super::library::RoleFiles;
use super::names::{Snippet, SnippetForm, Surroundings, collect};
use super::nearest::suggestion;
use super::node::{Document, Node};
use super::parameters::{converted, fits_kind};
use super::schema::FileKind;
use super::selector::Selector;
use super::site::{Late, Parameter, Role, Task, Then};
use super::source::{Source, Spot};
use super::union::OneOrMany;
use super::words::{duration, snake};

/// How long a task may take when it does not say so.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A role's files, read.
pub(super) struct OpenedRole {
    pub name: String,
    pub opened: Opened<RoleFile>,
    /// Kind and parameters of each task that is in the file's value.
    kinds: Vec<Option<(String, Value)>>,
    pub templates: BTreeMap<String, Source>,
}

pub(super) fn open(name: &str, files: RoleFiles, desk: &mut Desk<'_>) -> Option<OpenedRole> {
    let known: BTreeSet<&str> = desk.kinds.iter().map(|kind| kind.name).collect();
    let mut kinds = Vec::new();
    let opened = desk.open(files.role, FileKind::Role, |value| {
        let tasks = value.get_mut("tasks").and_then(Value::as_array_mut);
        for task in tasks.into_iter().flatten() {
            let Some(fields) = task.as_object_mut() else {
                kinds.push(None);
                continue;
            };
            let kind = fields
                .keys()
                .find(|key| known.contains(key.as_str()))
                .cloned();
            kinds.push(kind.and_then(|kind| {
                let parameters = fields.shift_remove(&kind)?;
                Some((kind, parameters))
            }));
        }
    });
    let mut templates = BTreeMap::new();
    for (file, found) in files.templates {
        if let Some(source) = desk.text(found) {
            templates.insert(file, source);
        }
    }
    let opened = opened?;
    Some(OpenedRole {
        name: name.to_owned(),
        opened,
        kinds,
        templates,
    })
}

impl OpenedRole {
    /// Names of its parameters in snake case, as the file has them.
    pub(super) fn parameter_names(&self) -> BTreeSet<String> {
        let node = self.opened.document.root.get("parameters");
        let pairs = node.map(Node::pairs).unwrap_or_default();
        pairs.iter().map(|(key, _)| snake(&key.name)).collect()
    }

    /// Where the parameter of a snake case name is declared.
    pub(super) fn parameter_spot(&self, name: &str) -> Spot {
        let document = &self.opened.document;
        let node = document.root.get("parameters");
        let mut pairs = node.map(Node::pairs).unwrap_or_default().iter();
        match pairs.find(|(key, _)| snake(&key.name) == name) {
            Some((key, _)) => document.spot(key.mark),
            None => document.source.whole(),
        }
    }

    pub(super) fn late_names(&self) -> BTreeSet<String> {
        let node = self.opened.document.root.get("late");
        let pairs = node.map(Node::pairs).unwrap_or_default();
        pairs.iter().map(|(key, _)| snake(&key.name)).collect()
    }

    /// The role, with the texts that are to be compiled.
    pub(super) fn role<'a>(
        &'a self,
        artifacts: &'a [String],
        snippets: &mut Vec<Snippet<'a>>,
        desk: &mut Desk<'_>,
    ) -> Option<Role> {
        let document = &self.opened.document;
        let surroundings = Surroundings::Role(self.name.clone());
        let file = self.opened.file.as_ref()?;
        let parameters = self.parameters(file, snippets, desk);
        let mut late = IndexMap::new();
        for (name, value) in &file.late {
            let path = ["late", name.as_str()];
            let on = selector(&value.on, document, &["late", name, "on"], desk);
            if let Some(run) = document.root.at(&format!("/late/{name}/run")) {
                collect(document, run, &surroundings, snippets);
            }
            late.insert(
                snake(name),
                Late {
                    on,
                    run: value.run.clone().into(),
                    spot: key_spot(document, &path),
                },
            );
        }
        let nodes = self.opened.kept("tasks");
        let mut tasks = Vec::new();
        for ((task, kind), node) in file.tasks.iter().zip(&self.kinds).zip(nodes) {
            if let Some((kind, parameters)) = kind {
                let maker = TaskMaker {
                    role: self,
                    node,
                    kind,
                    artifacts,
                };
                tasks.push(maker.task(task, parameters, &surroundings, snippets, desk));
            }
        }
        Some(Role {
            name: self.name.clone(),
            summary: file.summary.clone(),
            parameters,
            late,
            tasks,
            templates: self
                .templates
                .iter()
                .map(|(name, source)| (name.clone(), source.text.to_string()))
                .collect(),
            place: document.source.place.as_ref().clone(),
        })
    }

    fn parameters<'a>(
        &'a self,
        file: &RoleFile,
        snippets: &mut Vec<Snippet<'a>>,
        desk: &mut Desk<'_>,
    ) -> IndexMap<String, Parameter> {
        let document = &self.opened.document;
        let mut parameters = IndexMap::new();
        for (name, declared) in &file.parameters {
            let key = key_spot(document, &["parameters", name]);
            if reserved(&snake(name)) {
                desk.fault(
                    Fault::new(key, format!("`{name}` means something else in templates"))
                        .help("give the parameter another name"),
                );
                continue;
            }
            let node = document
                .root
                .get("parameters")
                .and_then(|all| all.get(name));
            let mut parameter = Parameter {
                kind: declared.r#type,
                default: None,
                summary: declared.summary.clone(),
                choices: Vec::new(),
            };
            let choices = node.and_then(|node| node.get("choices")).map(Node::items);
            for choice in choices.unwrap_or_default() {
                parameter.choices.extend(converted(
                    choice,
                    &parameter,
                    name,
                    document,
                    &mut desk.faults,
                ));
            }
            if let Some(default) = node.and_then(|node| node.get("default")) {
                collect(
                    document,
                    default,
                    &Surroundings::Role(self.name.clone()),
                    snippets,
                );
                parameter.default =
                    fits_kind(default, &parameter, name, document, &mut desk.faults);
                // A wrong default is told already; the parameter is not one without.
                parameter.default.get_or_insert(Value::Null);
            }
            parameters.insert(snake(name), parameter);
        }
        parameters
    }
}

/// Names that templates use for other things.
fn reserved(name: &str) -> bool {
    super::names::COMMON.contains(&name)
}

struct TaskMaker<'a> {
    role: &'a OpenedRole,
    node: &'a Node,
    kind: &'a str,
    artifacts: &'a [String],
}

impl<'a> TaskMaker<'a> {
    fn task(
        &self,
        file: &TaskFile,
        parameters: &Value,
        surroundings: &Surroundings,
        snippets: &mut Vec<Snippet<'a>>,
        desk: &mut Desk<'_>,
    ) -> Task {
        let document = &self.role.opened.document;
        if let Some(node) = self.node.get(self.kind) {
            collect(document, node, surroundings, snippets);
            self.literals(node, desk);
        }
        for key in ["when", "unless"] {
            if let Some((mark, text)) = self
                .node
                .get(key)
                .and_then(|node| Some((node.mark, node.text()?)))
            {
                snippets.push(Snippet {
                    document,
                    mark,
                    text,
                    form: SnippetForm::Expression,
                    surroundings: surroundings.clone(),
                });
            }
        }
        let then = self.node.get("then").map(Node::one_or_many);
        let then = file
            .then
            .0
            .iter()
            .zip(then.unwrap_or_default())
            .filter_map(|(text, node)| {
                let then = then_of(text);
                if then.is_none() {
                    desk.fault(
                        Fault::new(
                            document.spot(node.mark),
                            format!("`{text}` is no consequence"),
                        )
                        .help("write `restart NAME`, `reload NAME` or `reboot`"),
                    );
                }
                then
            })
            .collect();
        let on = file.on.as_ref().map(|on| {
            let node = self.node.get("on").unwrap_or(self.node);
            selector_at(on, document, node, desk)
        });
        let timeout = match &file.timeout {
            None => TIMEOUT,
            Some(text) => duration(text).unwrap_or_else(|| {
                let node = self.node.get("timeout").unwrap_or(self.node);
                desk.fault(no_duration(text, document, node));
                TIMEOUT
            }),
        };
        let mut spots = BTreeMap::new();
        if let Some(node) = self.node.get(self.kind) {
            spots_below(document, node, String::new(), &mut spots);
        }
        let spot = match self.node.pair(self.kind) {
            Some((key, _)) => document.spot(key.mark),
            None => document.spot(self.node.mark),
        };
        Task {
            name: file.name.clone(),
            kind: self.kind.to_owned(),
            parameters: parameters.clone(),
            when: file.when.clone(),
            unless: file.unless.clone(),
            then,
            tags: file.tags.0.clone(),
            on,
            awaits: file.awaits.0.clone(),
            reaches: file.reaches.clone(),
            in_turn: file.in_turn.clone(),
            timeout,
            spot,
            spots: Arc::new(spots),
        }
    }

    /// Names in the parameters that can be checked without a host: template files and artifacts.
    fn literals(&self, node: &Node, desk: &mut Desk<'_>) {
        let document = &self.role.opened.document;
        let literal = |key: &str| {
            let nodes = node.get(key).map(Node::one_or_many).unwrap_or_default();
            nodes.iter().filter_map(|node| {
                let text = node.text()?;
                (!text.contains("{{") && !node.is_null()).then_some((node, text))
            })
        };
        for (node, text) in literal("template") {
            if !self.role.templates.contains_key(text) {
                let names: Vec<&str> = self.role.templates.keys().map(String::as_str).collect();
                desk.fault(
                    Fault::new(
                        document.spot(node.mark),
                        format!("the role `{}` has no template `{text}`", self.role.name),
                    )
                    .help(suggestion(
                        text,
                        "in templates/",
                        names.iter().copied(),
                    )),
                );
            }
        }
        if self.artifacts.is_empty() {
            return;
        }
        for (node, text) in literal("artifact").chain(literal("artifacts")) {
            if !self.artifacts.iter().any(|name| name == text) {
                let names: Vec<&str> = self.artifacts.iter().map(String::as_str).collect();
                desk.fault(
                    Fault::new(
                        document.spot(node.mark),
                        format!("the catalogue has no artifact `{text}`"),
                    )
                    .help(suggestion(text, "artifacts", names.iter().copied())),
                );
            }
        }
    }
}

/// Where every part of a task's parameters stands, by its pointer.
fn spots_below(
    document: &Document,
    node: &Node,
    pointer: String,
    spots: &mut BTreeMap<String, Spot>,
) {
    for (index, item) in node.items().iter().enumerate() {
        spots_below(document, item, format!("{pointer}/{index}"), spots);
    }
    for (key, value) in node.pairs() {
        let step = key.name.replace('~', "~0").replace('/', "~1");
        spots_below(document, value, format!("{pointer}/{step}"), spots);
    }
    if !pointer.is_empty() {
        spots.insert(pointer, document.spot(node.mark));
    }
}

fn then_of(text: &str) -> Option<Then> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["restart", name] => Some(Then::Restart((*name).to_owned())),
        ["reload", name] => Some(Then::Reload((*name).to_owned())),
        ["reboot"] => Some(Then::Reboot),
        _ => None,
    }
}

pub(super) fn no_duration(text: &str, document: &Document, node: &Node) -> Fault {
    Fault::new(document.spot(node.mark), format!("`{text}` is no duration"))
        .help("write a number and its unit: `90s`, `5m`, `1h30m`")
}

/// The hosts that words choose; all of them after a fault.
pub(super) fn selector(
    words: &OneOrMany<String>,
    document: &Document,
    path: &[&str],
    desk: &mut Desk<'_>,
) -> Selector {
    match super::desk::find(document, path) {
        Some(node) => selector_at(words, document, node, desk),
        None => Selector::all(),
    }
}

pub(super) fn selector_at(
    words: &OneOrMany<String>,
    document: &Document,
    node: &Node,
    desk: &mut Desk<'_>,
) -> Selector {
    let mut selector = Selector { terms: Vec::new() };
    for (text, node) in words.0.iter().zip(node.one_or_many()) {
        match Selector::parse(text) {
            Ok(part) => {
                selector.terms.extend(part.terms.iter().cloned());
                let spot = document.spot(node.mark);
                desk.selectors.push((part, spot, text.clone()));
            }
            Err(fault) => {
                let spot = document.spot_within(node.mark, &text[fault.range.clone()]);
                desk.fault(Fault::new(spot, fault.message).help(fault.help));
                return Selector::all();
            }
        }
    }
    selector
}
