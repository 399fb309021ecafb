//! A row of the profile: what all layers say of a requirement, joined to one.

use indexmap::IndexMap;
use serde_json::Value;

use super::desk::Desk;
use super::fault::Fault;
use super::file_profile::{QuestionFile, RequirementFile};
use super::names::{Snippet, SnippetForm, Surroundings, collect};
use super::nearest::{list, suggestion};
use super::node::{Document, Node};
use super::profile::Layer;
use super::role::{no_duration, selector_at};
use super::selector::Selector;
use super::site::{Level, Pass, Requirement, Scope, Waiver};
use super::source::Spot;
use super::words::duration;

/// A requirement with all that the layers say of it.
pub(super) struct Row<'a> {
    pub id: String,
    file: RequirementFile,
    /// The layers that speak of it, the last one wins.
    said: Vec<(&'a Document, &'a Node, Spot)>,
}

/// The requirements in the order they first appear, later layers over earlier ones.
pub(super) fn rows(layers: &[Layer]) -> Vec<Row<'_>> {
    let mut rows: IndexMap<&str, Row<'_>> = IndexMap::new();
    for layer in layers {
        let document = &layer.opened.document;
        let Some(file) = &layer.opened.file else {
            continue;
        };
        for (key, node) in document
            .root
            .get("requirements")
            .map(Node::pairs)
            .unwrap_or_default()
        {
            let Some(more) = file.requirements.get(&key.name) else {
                continue;
            };
            let row = rows.entry(&key.name).or_insert_with(|| Row {
                id: key.name.clone(),
                file: RequirementFile::default(),
                said: Vec::new(),
            });
            row.file.take(more);
            row.said.push((document, node, document.spot(key.mark)));
        }
    }
    rows.into_values().collect()
}

impl RequirementFile {
    /// What `more` says replaces what was said before.
    fn take(&mut self, more: &RequirementFile) {
        fn over<T: Clone>(mine: &mut Option<T>, more: &Option<T>) {
            if more.is_some() {
                mine.clone_from(more);
            }
        }
        if more.ask.is_some() || more.asks.is_some() {
            self.ask = None;
            self.asks = None;
        }
        if more.pass.is_some() || more.check.is_some() {
            self.pass = None;
            self.check = None;
        }
        over(&mut self.title, &more.title);
        over(&mut self.level, &more.level);
        over(&mut self.on, &more.on);
        over(&mut self.scope, &more.scope);
        over(&mut self.when, &more.when);
        over(&mut self.ask, &more.ask);
        over(&mut self.asks, &more.asks);
        over(&mut self.pass, &more.pass);
        over(&mut self.check, &more.check);
        over(&mut self.evidence, &more.evidence);
        over(&mut self.mend, &more.mend);
        over(&mut self.waive, &more.waive);
        over(&mut self.owner, &more.owner);
        over(&mut self.until, &more.until);
    }
}

impl<'a> Row<'a> {
    /// The node of a key in the last layer that has it.
    fn node(&self, key: &str) -> Option<(&'a Document, &'a Node)> {
        self.said
            .iter()
            .rev()
            .find_map(|(document, node, _)| Some((*document, node.get(key)?)))
    }

    fn spot(&self) -> Spot {
        let last = self.said.last();
        last.map(|(_, _, spot)| spot.clone())
            .unwrap_or_else(unreachable_spot)
    }

    /// The requirement, with the texts that are to be compiled.
    pub(super) fn requirement(
        &self,
        checks: &[String],
        today: &str,
        snippets: &mut Vec<Snippet<'a>>,
        desk: &mut Desk<'_>,
    ) -> Option<Requirement> {
        let file = &self.file;
        let spot = self.spot();
        let asks = self.asks(desk);
        let scope = file.scope.unwrap_or_else(|| {
            let of_cluster =
                |question: &Value| question.get("kube").is_some() || question.get("pod").is_some();
            match !asks.is_empty() && asks.values().all(of_cluster) {
                true => Scope::Cluster,
                false => Scope::Host,
            }
        });
        let on = match (&file.on, self.node("on")) {
            (Some(on), Some((document, node))) => selector_at(on, document, node, desk),
            _ => Selector::all(),
        };
        self.texts(&asks, scope, snippets);
        let mut missing = |key: &str, example: &str| {
            desk.fault(
                Fault::new(
                    spot.clone(),
                    format!("the requirement `{}` has no `{key}`", self.id),
                )
                .help(format!("add `{key}: {example}`")),
            );
        };
        if self.node("title").is_none() {
            missing("title", "one line that says what has to hold");
        }
        if self.node("level").is_none() {
            missing("level", "must");
        }
        let pass = match (&file.pass, &file.check) {
            (Some(expression), None) => {
                if self.node("ask").is_none() && self.node("asks").is_none() {
                    missing("ask", "{run: uname -r}");
                }
                Some(Pass::Expression(
                    super::template::bare(expression).to_owned(),
                ))
            }
            (None, Some(name)) => {
                self.check(name, checks, desk);
                Some(Pass::Check(name.clone()))
            }
            (None, None) if self.node("pass").is_some() || self.node("check").is_some() => None,
            (None, None) => {
                missing("pass", "\"answer.status == 0\"");
                None
            }
            (Some(_), Some(_)) => {
                let place = self
                    .node("check")
                    .map(|(document, node)| document.spot(node.mark));
                desk.fault(
                    Fault::new(
                        place.unwrap_or(spot.clone()),
                        format!("the requirement `{}` has `pass` and `check`", self.id),
                    )
                    .help("keep the expression or the check"),
                );
                None
            }
        };
        let waiver = self.waiver(today, desk);
        Some(Requirement {
            id: self.id.clone(),
            title: file.title.clone()?,
            level: file.level.unwrap_or(Level::Must),
            on,
            scope,
            when: file
                .when
                .as_deref()
                .map(|text| super::template::bare(text).to_owned()),
            asks,
            pass: pass?,
            evidence: file.evidence.clone(),
            mend: file.mend.clone(),
            waiver,
            spot,
        })
    }

    /// The questions as they were written, by name.
    fn asks(&self, desk: &mut Desk<'_>) -> IndexMap<String, Value> {
        let mut asks = IndexMap::new();
        if let (Some(question), Some((document, node))) = (&self.file.ask, self.node("ask")) {
            self.question(question, document, node, desk);
            asks.insert("answer".to_owned(), question_value(question));
        }
        if let (Some(questions), Some((document, node))) = (&self.file.asks, self.node("asks")) {
            for (name, question) in questions {
                self.question(question, document, node.get(name).unwrap_or(node), desk);
                asks.insert(super::words::snake(name), question_value(question));
            }
        }
        if let (Some(_), Some((document, node))) = (
            self.file.ask.as_ref().and(self.file.asks.as_ref()),
            self.node("asks"),
        ) {
            desk.fault(
                Fault::new(
                    document.spot(node.mark),
                    "a requirement has `ask` or `asks`",
                )
                .help("give each question a name below `asks`"),
            );
        }
        asks
    }

    fn question(
        &self,
        question: &QuestionFile,
        document: &Document,
        node: &Node,
        desk: &mut Desk<'_>,
    ) {
        let at = |key: &str| node.get(key).unwrap_or(node);
        if let Some(path) = &question.kube
            && !path.starts_with('/')
            && !path.contains("{{")
        {
            desk.fault(
                Fault::new(
                    document.spot(at("kube").mark),
                    format!("`{path}` is no API path"),
                )
                .help("it begins with `/`: `/api/v1/nodes`, `/apis/apps/v1/deployments`"),
            );
        }
        if let Some(path) = &question.bmc {
            let starts = ["root", "system", "manager", "chassis"];
            let states = [
                "system-state",
                "bios",
                "bios-registry",
                "secure-boot",
                "boot-order",
                "hardware",
            ];
            let first = path.split('/').next().unwrap_or_default();
            let known = starts.contains(&first) || states.contains(&path.as_str());
            if !known && !first.contains("{{") {
                desk.fault(
                    Fault::new(
                        document.spot_within(at("bmc").mark, first),
                        format!("no link path begins with `{first}`"),
                    )
                    .help(suggestion(first, "it begins with", starts))
                    .help(list("composed states", states)),
                );
            }
        }
        if let Some(text) = question.pod.as_ref().and_then(|pod| pod.timeout.as_deref())
            && duration(text).is_none()
        {
            let node = at("pod").get("timeout").unwrap_or(node);
            desk.fault(no_duration(text, document, node));
        }
    }

    fn texts(&self, asks: &IndexMap<String, Value>, scope: Scope, snippets: &mut Vec<Snippet<'a>>) {
        let surroundings = |answers: Vec<String>| Surroundings::Requirement {
            host: scope == Scope::Host,
            answers,
        };
        let answers: Vec<String> = asks.keys().cloned().collect();
        for key in ["ask", "asks"] {
            if let Some((document, node)) = self.node(key) {
                collect(document, node, &surroundings(Vec::new()), snippets);
            }
        }
        for (key, answers) in [("when", Vec::new()), ("pass", answers.clone())] {
            if let Some((document, node)) = self.node(key)
                && let Some(text) = node.text()
            {
                snippets.push(Snippet {
                    document,
                    mark: node.mark,
                    text,
                    form: SnippetForm::Expression,
                    surroundings: surroundings(answers),
                });
            }
        }
        if let Some((document, node)) = self.node("evidence") {
            collect(document, node, &surroundings(answers), snippets);
        }
    }

    fn check(&self, name: &str, checks: &[String], desk: &mut Desk<'_>) {
        if checks.is_empty() || checks.iter().any(|check| check == name) {
            return;
        }
        let place = self
            .node("check")
            .map(|(document, node)| document.spot(node.mark));
        let names: Vec<&str> = checks.iter().map(String::as_str).collect();
        desk.fault(
            Fault::new(
                place.unwrap_or_else(|| self.spot()),
                format!("there is no check `{name}`"),
            )
            .help(suggestion(name, "checks", names.iter().copied())),
        );
    }

    fn waiver(&self, today: &str, desk: &mut Desk<'_>) -> Option<Waiver> {
        let file = &self.file;
        let place = |key: &str| {
            let node = self
                .node(key)
                .map(|(document, node)| document.spot(node.mark));
            node.unwrap_or_else(|| self.spot())
        };
        let mut ended = false;
        if let Some(until) = &file.until {
            if until.parse::<jiff::civil::Date>().is_err() {
                desk.fault(
                    Fault::new(place("until"), format!("`{until}` is no date"))
                        .help("write year, month and day: `2027-03-01`"),
                );
            } else if file.waive.is_some() && until.as_str() < today {
                ended = true;
                desk.warnings.push(
                    Fault::new(
                        place("until"),
                        format!("the waiver of `{}` ended on {until}", self.id),
                    )
                    .help("the requirement counts again: mend it, or extend the waiver"),
                );
            }
        }
        let Some(reason) = &file.waive else {
            for key in ["owner", "until"] {
                if self.node(key).is_some() {
                    desk.fault(
                        Fault::new(place(key), format!("`{key}` belongs to a waiver"))
                            .help("add `waive: the reason`"),
                    );
                }
            }
            return None;
        };
        (!ended).then(|| Waiver {
            reason: reason.clone(),
            owner: file.owner.clone(),
            until: file.until.clone(),
        })
    }
}

/// A row exists because a layer spoke of it.
fn unreachable_spot() -> Spot {
    super::source::whole(&std::sync::Arc::new(super::source::Place::Embedded(
        "profile".to_owned(),
    )))
}

/// A question with the one key that it has.
fn question_value(question: &QuestionFile) -> Value {
    let text = |text: &Option<String>| text.as_ref().map(|text| Value::from(text.as_str()));
    let pod = question.pod.as_ref().map(|pod| {
        let mut value = serde_json::Map::new();
        value.insert("image".to_owned(), Value::from(pod.image.as_str()));
        value.insert("script".to_owned(), Value::from(pod.script.as_str()));
        if let Some(node) = &pod.node {
            value.insert("node".to_owned(), Value::from(node.as_str()));
        }
        if let Some(timeout) = &pod.timeout {
            value.insert("timeout".to_owned(), Value::from(timeout.as_str()));
        }
        if let Some(overrides) = &pod.overrides {
            value.insert("overrides".to_owned(), Value::Object(overrides.clone()));
        }
        Value::Object(value)
    });
    [
        ("run", text(&question.run)),
        ("file", text(&question.file)),
        ("digest", text(&question.digest)),
        ("content", text(&question.content)),
        ("unit", text(&question.unit)),
        ("package", text(&question.package)),
        ("images", question.images.map(Value::from)),
        ("kube", text(&question.kube)),
        ("pod", pod),
        ("bmc", text(&question.bmc)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect()
}
