//! Compiles every template and expression of the site, and checks the names that they use
//! against what there is, before any host is asked anything.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::calls::{self, Used};
use super::fault::Fault;
use super::nearest::{nearest, suggestion};
use super::node::{Content, Document, Mark, Node};
use super::source::{Source, Spot};
use super::template::{TemplateError, Templates, bare};
use super::words::snake;

/// A text of a YAML file that is compiled and whose names are checked.
pub(super) struct Snippet<'a> {
    pub document: &'a Document,
    pub mark: Mark,
    pub text: &'a str,
    pub form: SnippetForm,
    pub surroundings: Surroundings,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SnippetForm {
    /// May hold templates.
    Text,
    /// A bare expression.
    Expression,
}

/// What a text sees.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Surroundings {
    /// A task of the role.
    Role(String),
    /// A requirement: whether there is a host, and names of its answers.
    Requirement { host: bool, answers: Vec<String> },
    /// A value of a parameter.
    Parameter,
}

/// Everything that names can mean.
#[derive(Default)]
pub(super) struct Known {
    /// Role name to its parameters, snake case.
    pub parameters: BTreeMap<String, BTreeSet<String>>,
    pub groups: BTreeSet<String>,
    pub hosts: BTreeSet<String>,
    pub secrets: BTreeSet<String>,
    pub late: BTreeSet<String>,
    /// Dotted paths: `cpu.flags`. Empty when the caller knows none: then none is checked.
    pub facts: BTreeSet<String>,
    /// Whether the inventory describes a cluster.
    pub cluster: bool,
    /// Programs of the catalogue, snake case. Empty when the caller knows none.
    pub versions: BTreeSet<String>,
}

/// Names that mean the same in every role.
pub(super) const COMMON: [&str; 8] = [
    "host", "cluster", "groups", "hosts", "facts", "secrets", "late", "versions",
];

const HOST: &[&str] = &["name", "number", "address", "addresses", "groups", "bmc"];
const CLUSTER: &[&str] = &["name", "kubernetes", "endpoint", "pods", "services"];

/// Collects every text below a node that holds a template, keys included.
pub(super) fn collect<'a>(
    document: &'a Document,
    node: &'a Node,
    surroundings: &Surroundings,
    snippets: &mut Vec<Snippet<'a>>,
) {
    let mut add = |mark, text: &'a str| {
        if text.contains("{{") || text.contains("{%") || text.contains("{#") {
            snippets.push(Snippet {
                document,
                mark,
                text,
                form: SnippetForm::Text,
                surroundings: surroundings.clone(),
            });
        }
    };
    match &node.content {
        Content::Scalar(scalar) => add(node.mark, &scalar.text),
        Content::List(items) => items
            .iter()
            .for_each(|item| collect(document, item, surroundings, snippets)),
        Content::Map(pairs) => {
            for (key, _) in pairs {
                add(key.mark, &key.name);
            }
            for (_, value) in pairs {
                collect(document, value, surroundings, snippets);
            }
        }
    }
}

/// Compiles a snippet and checks its names.
pub(super) fn check(
    snippet: &Snippet<'_>,
    known: &Known,
    templates: &mut Templates,
    faults: &mut Vec<Fault>,
) {
    let text = match snippet.form {
        SnippetForm::Text => snippet.text,
        SnippetForm::Expression => bare(snippet.text),
    };
    let compiled = match snippet.form {
        SnippetForm::Text => templates.add_text(text),
        SnippetForm::Expression => templates.add_expression(text),
    };
    if let Err(error) = compiled {
        let words = error.range.clone().and_then(|range| text.get(range));
        let spot = snippet
            .document
            .spot_within(snippet.mark, words.unwrap_or_default());
        faults.push(syntax(spot, &error));
        return;
    }
    let names = match snippet.form {
        SnippetForm::Text => templates.names_in_text(text),
        SnippetForm::Expression => templates.names_in_expression(text),
    };
    let mut used = Vec::new();
    match snippet.form {
        SnippetForm::Text => used = calls::in_text(text),
        SnippetForm::Expression => calls::in_expression(text, 0, &mut used),
    }
    let spot = |range: Range<usize>| {
        let words = text.get(range).unwrap_or_default();
        snippet.document.spot_within(snippet.mark, words)
    };
    for name in names {
        faults.extend(name_fault(text, &name, known, &snippet.surroundings, &spot));
    }
    faults.extend(call_faults(text, &used, templates, &spot));
}

/// The same for a template file of a role.
pub(super) fn check_file(
    role: &str,
    file: &str,
    source: &Source,
    known: &Known,
    templates: &mut Templates,
    faults: &mut Vec<Fault>,
) {
    if let Err(error) = templates.add_file(role, file, &source.text) {
        let spot = match (&error.range, error.line) {
            (Some(range), _) => source.spot(range.clone()),
            (None, Some(line)) => source.line(line),
            (None, None) => source.whole(),
        };
        faults.push(syntax(spot, &error));
        return;
    }
    let surroundings = Surroundings::Role(role.to_owned());
    let spot = |range: Range<usize>| source.spot(range);
    let text = &source.text;
    for name in templates.names_in_file(role, file) {
        faults.extend(name_fault(text, &name, known, &surroundings, &spot));
    }
    faults.extend(call_faults(text, &calls::in_text(text), templates, &spot));
}

/// The fault of a name that means nothing.
fn name_fault(
    text: &str,
    name: &str,
    known: &Known,
    surroundings: &Surroundings,
    spot: &dyn Fn(Range<usize>) -> Spot,
) -> Option<Fault> {
    let (message, help) = unknown(name, known, surroundings)?;
    let Some(at) = find_name(text, name) else {
        return Some(Fault::new(spot(0..text.len()), message).help(help));
    };
    // `huge-pages` is `huge` minus `pages` to the language.
    let joined = joined(text, at);
    let written = &text[joined.clone()];
    if written.contains('-') && own_names(known, surroundings).contains(&snake(written)) {
        let message = format!("`{written}` is a subtraction in a template");
        return Some(Fault::new(spot(joined), message).help(format!("write `{}`", snake(written))));
    }
    let first = name.split('.').next().unwrap_or_default();
    let length = match message.starts_with("unknown name") {
        true => first.len(),
        false => name.len(),
    };
    Some(Fault::new(spot(at..at + length), message).help(help))
}

/// The word around a place with the dashes in it.
fn joined(text: &str, at: usize) -> Range<usize> {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    let before = &text[..at];
    let start = before.trim_end_matches(part).len();
    let end = at + (text[at..].len() - text[at..].trim_start_matches(part).len());
    let word = text[start..end].trim_matches('-');
    let start = start + text[start..end].find(word).unwrap_or(0);
    start..start + word.len()
}

/// Faults of filters and tests that do not exist.
fn call_faults(
    text: &str,
    used: &[Used],
    templates: &Templates,
    spot: &dyn Fn(Range<usize>) -> Spot,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for call in used {
        let (range, what, names) = match call {
            Used::Filter(range) if !templates.has_filter(&text[range.clone()]) => {
                (range, "filter", FILTERS)
            }
            Used::Test(range) if !templates.has_test(&text[range.clone()]) => {
                (range, "test", TESTS)
            }
            _ => continue,
        };
        let word = &text[range.clone()];
        let names = names.iter().copied();
        faults.push(
            Fault::new(spot(range.clone()), format!("there is no {what} `{word}`")).help(
                match nearest(word, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("a {what} of minijinja or of ra-deploy belongs here"),
                },
            ),
        );
    }
    faults
}

/// Names for suggestions; which exist is asked of the environment.
const FILTERS: &[&str] = &[
    "abs",
    "at_least",
    "attr",
    "b64decode",
    "b64encode",
    "batch",
    "bool",
    "bracketed",
    "default",
    "dictsort",
    "family",
    "first",
    "float",
    "format",
    "from_json",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "minor",
    "nth_address",
    "quantity",
    "quote",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "to_yaml",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];
const TESTS: &[&str] = &[
    "at_least",
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "within",
];

fn syntax(spot: Spot, error: &TemplateError) -> Fault {
    Fault::new(spot, format!("template: {}", error.message))
        .help("a value is written `{{ name }}`, a condition `{% if … %} … {% endif %}`")
}

/// Parameters and answers that a text sees.
fn own_names(known: &Known, surroundings: &Surroundings) -> Vec<String> {
    let all = || known.parameters.values().flatten().cloned();
    match surroundings {
        Surroundings::Role(role) => known
            .parameters
            .get(role)
            .map(|names| names.iter().cloned().collect())
            .unwrap_or_default(),
        Surroundings::Requirement { answers, .. } => answers.iter().cloned().chain(all()).collect(),
        Surroundings::Parameter => all().collect(),
    }
}

/// Why a dotted name means nothing here, and what to do; `None` when it means something.
fn unknown(name: &str, known: &Known, surroundings: &Surroundings) -> Option<(String, String)> {
    let mut steps = name.split('.');
    let first = steps.next().unwrap_or_default();
    let second = steps.next();
    let child = |names: Vec<&str>, what: &str| {
        let second = second?;
        if names.contains(&second) {
            return None;
        }
        Some((
            format!("`{first}` has no `{second}`"),
            suggestion(second, what, names.iter().copied()),
        ))
    };
    let own = own_names(known, surroundings);
    if own.iter().any(|parameter| parameter == first) {
        return None;
    }
    let hostless = matches!(surroundings, Surroundings::Requirement { host: false, .. });
    match first {
        "host" if hostless => Some((
            "a requirement of the cluster as a whole has no `host`".to_owned(),
            "write `scope: host` to ask each host".to_owned(),
        )),
        "facts" if hostless => Some((
            "a requirement of the cluster as a whole has no `facts`".to_owned(),
            "write `scope: host` to ask each host".to_owned(),
        )),
        "host" => child(HOST.to_vec(), "a host has"),
        "cluster" if !known.cluster => Some((
            "the inventory describes no `cluster`".to_owned(),
            "add `cluster: {name: …, kubernetes: …}` to the inventory".to_owned(),
        )),
        "cluster" => child(CLUSTER.to_vec(), "the cluster has"),
        "groups" => child(known.groups.iter().map(String::as_str).collect(), "groups"),
        "hosts" => child(known.hosts.iter().map(String::as_str).collect(), "hosts"),
        "secrets" => child(
            known.secrets.iter().map(String::as_str).collect(),
            "secrets",
        ),
        "late" => child(
            known.late.iter().map(String::as_str).collect(),
            "late values",
        ),
        "facts" => fact(name, known),
        "versions" if known.versions.is_empty() => None,
        "versions" => child(
            known.versions.iter().map(String::as_str).collect(),
            "the catalogue has",
        ),
        other => {
            let own = own.iter().map(String::as_str);
            let all: Vec<&str> = own.chain(COMMON).collect();
            let help = match all.iter().find(|known| **known == snake(other)) {
                Some(right) => format!("did you mean `{right}`?"),
                None => suggestion(other, "known here", all.iter().copied()),
            };
            Some((format!("unknown name `{other}`"), help))
        }
    }
}

/// A fact is known by its path; what a path continues with below a known one is the fact's own.
fn fact(name: &str, known: &Known) -> Option<(String, String)> {
    let path = name.strip_prefix("facts.")?;
    if known.facts.is_empty() {
        return None;
    }
    let right = known.facts.iter().any(|fact| {
        fact == path
            || path.starts_with(&format!("{fact}."))
            || fact.starts_with(&format!("{path}."))
    });
    if right {
        return None;
    }
    let facts = || known.facts.iter().map(String::as_str);
    let help = match nearest(path, facts()) {
        Some(near) => format!("did you mean `facts.{near}`?"),
        None => suggestion(path, "facts", facts().collect::<Vec<_>>().iter().copied()),
    };
    Some((format!("there is no fact `{path}`"), help))
}

/// Where a name stands in a template: the first place inside `{{ … }}` or `{% … %}` where it is
/// no part of a longer name; in an expression simply the first such place.
fn find_name(text: &str, name: &str) -> Option<usize> {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
    let has_blocks = text.contains("{{") || text.contains("{%");
    let mut from = 0;
    while let Some(at) = text[from..].find(name).map(|at| at + from) {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        let alone = !before.is_some_and(part)
            && !after.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        let opened = text[..at].rfind("{{").max(text[..at].rfind("{%"));
        let closed = text[..at].rfind("}}").max(text[..at].rfind("%}"));
        if alone && (!has_blocks || opened > closed) {
            return Some(at);
        }
        from = at + name.len().max(1);
    }
    None
}
