//! What templates and expressions see of a site, for one host or for the cluster.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use minijinja::value::{Enumerator, Object};
use minijinja::{Error, ErrorKind, Value};
use serde_json::{Map, Value as Json};

use super::convert::{Sealed, from_template, to_template};
use super::fit::fit;
use super::site::{Host, Site};
use super::template::{Form, TemplateError, Templates, bare};
use super::words::snake;
use crate::model::Text;

/// Names for templates and expressions: the role's parameters, `host`, `cluster`, `groups`,
/// `hosts`, `facts`, `secrets`, `late` and `versions`, and whatever the caller adds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scope {
    names: Arc<Names>,
}

#[derive(Debug, Clone)]
struct Names {
    templates: Arc<Templates>,
    role_schema: Arc<Json>,
    common: Arc<Common>,
    role: Option<String>,
    host: Option<Value>,
    /// Snake case; may hold templates themselves.
    parameters: BTreeMap<String, Json>,
    facts: Option<Value>,
    extra: BTreeMap<String, Value>,
}

/// What is the same for all hosts of a site.
#[derive(Debug)]
pub struct Common {
    cluster: Value,
    groups: Value,
    hosts: Value,
    by_name: BTreeMap<String, Value>,
    secrets: Value,
    late: Value,
    versions: Value,
}

/// Why a value could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderFault {
    /// Lower-case, one line.
    pub message: String,
    /// JSON pointer to the text in the value that was rendered; empty for the whole.
    pub pointer: String,
    /// The template file that it is in, for a template file.
    pub file: Option<String>,
    /// In the template, from 1.
    pub line: Option<usize>,
    /// What to do, where something better can be said than what [`RenderFault::hint`] says of all.
    pub help: Option<String>,
    /// It asks for facts, which are not known yet: not a fault, only too early.
    pub needs_facts: bool,
}

impl RenderFault {
    pub fn hint(&self) -> &str {
        match (&self.help, self.needs_facts) {
            (_, true) => "the host has to be asked for its facts first",
            (Some(help), false) => help,
            (None, false) => {
                "correct the expression, or give the value it misses in the profile or the inventory"
            }
        }
    }
}

impl Common {
    pub(super) fn of(site: &Site) -> Self {
        let by_name: BTreeMap<String, Value> = site
            .hosts
            .iter()
            .map(|host| (host.name.clone(), host_value(host)))
            .collect();
        let strings =
            |texts: &[String]| Value::from(texts.iter().map(Value::from).collect::<Vec<_>>());
        let cluster = match &site.cluster {
            Some(cluster) => Value::from_pairs([
                ("name", Value::from(&cluster.name)),
                ("kubernetes", Value::from(&cluster.kubernetes)),
                ("endpoint", Value::from(cluster.endpoint.as_deref())),
                ("pods", strings(&cluster.pods)),
                ("services", strings(&cluster.services)),
            ]),
            None => Value::UNDEFINED,
        };
        let sealed = |names: Vec<String>| {
            Value::from_pairs(names.into_iter().map(|name| {
                let value = Value::from_object(Sealed(name.clone()));
                (name, value)
            }))
        };
        let late = site.roles.values().flat_map(|role| role.late.keys());
        Self {
            cluster,
            groups: Value::from_pairs(
                site.groups
                    .iter()
                    .map(|(name, hosts)| (snake(name), strings(hosts))),
            ),
            hosts: Value::from_pairs(
                site.hosts
                    .iter()
                    .map(|host| (host.name.clone(), by_name[&host.name].clone())),
            ),
            by_name,
            secrets: sealed(site.secrets.clone()),
            late: sealed(late.cloned().collect()),
            versions: Value::from_pairs(
                site.versions
                    .iter()
                    .map(|(name, version)| (name.clone(), Value::from(version))),
            ),
        }
    }
}

fn host_value(host: &Host) -> Value {
    let strings = |texts: &[String]| Value::from(texts.iter().map(Value::from).collect::<Vec<_>>());
    Value::from_pairs([
        ("name", Value::from(&host.name)),
        ("number", Value::from(host.number)),
        ("address", Value::from(&host.address)),
        ("addresses", strings(&host.addresses)),
        ("groups", strings(&host.groups)),
        ("bmc", Value::from(host.bmc.is_some())),
    ])
}

impl Scope {
    /// What a task of `role` sees on `host`.
    pub fn for_role(site: &Site, role: &str, host: &Host) -> Self {
        let mut parameters = BTreeMap::new();
        if let Some(role) = site.roles.get(role) {
            for (name, parameter) in &role.parameters {
                let value = host.parameters.get(name).or(parameter.default.as_ref());
                if let Some(value) = value {
                    parameters.insert(name.clone(), value.clone());
                }
            }
        }
        Self::new(site, Some(role), Some(host), parameters)
    }

    /// What a requirement sees on `host`: the parameters of all roles. `None` is the cluster as
    /// a whole: no `host`, and the parameters of the inventory's defaults and the profile.
    pub fn for_requirement(site: &Site, host: Option<&Host>) -> Self {
        let mut parameters: BTreeMap<String, Json> = BTreeMap::new();
        for role in site.roles.values() {
            for (name, parameter) in &role.parameters {
                if let Some(value) = &parameter.default {
                    parameters
                        .entry(name.clone())
                        .or_insert_with(|| value.clone());
                }
            }
        }
        let own = host.map_or(&site.parameters, |host| &host.parameters);
        parameters.extend(
            own.iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Self::new(site, None, host, parameters)
    }

    fn new(
        site: &Site,
        role: Option<&str>,
        host: Option<&Host>,
        parameters: BTreeMap<String, Json>,
    ) -> Self {
        let common = site.common().clone();
        Self {
            names: Arc::new(Names {
                templates: site.templates.clone(),
                role_schema: site.role_schema.clone(),
                role: role.map(str::to_owned),
                host: host.and_then(|host| common.by_name.get(&host.name).cloned()),
                common,
                parameters,
                facts: None,
                extra: BTreeMap::new(),
            }),
        }
    }

    /// The same with the host's facts.
    pub fn with_facts(self, facts: &Json) -> Self {
        let mut names = Arc::unwrap_or_clone(self.names);
        names.facts = Some(to_template(facts));
        Self {
            names: Arc::new(names),
        }
    }

    /// The same with one more name, which goes before all others.
    pub fn with(self, name: &str, value: &Json) -> Self {
        let mut names = Arc::unwrap_or_clone(self.names);
        names.extra.insert(name.to_owned(), to_template(value));
        Self {
            names: Arc::new(names),
        }
    }

    /// The value with all its texts rendered. A text that is exactly one `{{ expression }}`
    /// yields the expression's own type.
    pub fn render_value(&self, value: &Json) -> Result<Json, RenderFault> {
        let call = self.call();
        let rendered = render(value, &self.names.templates, &call, &mut String::new());
        finish(&call, rendered)
    }

    /// A task's parameters rendered, each part in the type that the kind of task wants: the
    /// number that `{{ version }}` yields becomes a text where a text belongs.
    pub fn render_parameters(&self, kind: &str, parameters: &Json) -> Result<Json, RenderFault> {
        let rendered = self.render_value(parameters)?;
        let root = self.names.role_schema.as_ref();
        match root.pointer(&format!("/$defs/TaskFile/properties/{kind}")) {
            Some(schema) => fit(&rendered, root, schema),
            None => Ok(rendered),
        }
    }

    /// A template file of the scope's role.
    pub fn render_template(&self, file: &str) -> Result<Text, RenderFault> {
        let call = self.call();
        let role = self.names.role.as_deref().unwrap_or_default();
        let rendered =
            self.names
                .templates
                .render_file(role, file, Value::from_dyn_object(call.clone()));
        finish(&call, rendered.map_err(|error| fault(error, ""))).map(Text::new)
    }

    /// A text with its expressions rendered: late values, questions, evidence.
    pub fn render_text(&self, text: &str) -> Result<Text, RenderFault> {
        let call = self.call();
        let rendered = match self.names.templates.form(text) {
            Form::Plain => Ok(text.to_owned()),
            _ => self
                .names
                .templates
                .render_text(text, Value::from_dyn_object(call.clone()))
                .map_err(|error| fault(error, "")),
        };
        finish(&call, rendered).map(Text::new)
    }

    /// What a bare expression yields; `{{ … }}` around the whole is accepted.
    pub fn evaluate(&self, expression: &str) -> Result<Json, RenderFault> {
        self.value_of(expression)
            .and_then(|value| from_template(&value).map_err(|error| plain(&error)))
    }

    /// Whether a bare expression is true.
    pub fn holds(&self, expression: &str) -> Result<bool, RenderFault> {
        self.value_of(expression).map(|value| value.is_true())
    }

    fn value_of(&self, expression: &str) -> Result<Value, RenderFault> {
        let call = self.call();
        let value = self
            .names
            .templates
            .evaluate(bare(expression), Value::from_dyn_object(call.clone()));
        finish(&call, value.map_err(|error| fault(error, "")))
    }

    fn call(&self) -> Arc<Call> {
        Arc::new(Call {
            names: self.names.clone(),
            wanted_facts: AtomicBool::new(false),
            resolving: Mutex::new(Vec::new()),
        })
    }
}

fn fault(error: TemplateError, pointer: &str) -> RenderFault {
    RenderFault {
        message: error.message,
        pointer: pointer.to_owned(),
        file: error.file,
        line: error.line,
        help: None,
        needs_facts: false,
    }
}

fn plain(error: &Error) -> RenderFault {
    RenderFault {
        message: error.detail().unwrap_or("undefined value").to_owned(),
        pointer: String::new(),
        file: None,
        line: None,
        help: None,
        needs_facts: false,
    }
}

/// Whatever came out is worth nothing when facts were looked for and are not known.
fn finish<T>(call: &Arc<Call>, result: Result<T, RenderFault>) -> Result<T, RenderFault> {
    if !call.wanted_facts.load(Ordering::Relaxed) {
        return result;
    }
    Err(RenderFault {
        message: "it depends on facts of the host, which are not known yet".to_owned(),
        pointer: match result {
            Err(fault) => fault.pointer,
            Ok(_) => String::new(),
        },
        file: None,
        line: None,
        help: None,
        needs_facts: true,
    })
}

fn render(
    value: &Json,
    templates: &Templates,
    call: &Arc<Call>,
    pointer: &mut String,
) -> Result<Json, RenderFault> {
    let context = || Value::from_dyn_object(call.clone());
    let length = pointer.len();
    match value {
        Json::String(text) => match templates.form(text) {
            Form::Plain => Ok(value.clone()),
            Form::Expression(expression) => templates
                .evaluate(expression, context())
                .map_err(|error| fault(error, pointer))
                .and_then(|value| {
                    from_template(&value).map_err(|error| RenderFault {
                        pointer: pointer.clone(),
                        ..plain(&error)
                    })
                }),
            Form::Template => templates
                .render_text(text, context())
                .map(Json::String)
                .map_err(|error| fault(error, pointer)),
        },
        Json::Array(items) => {
            let mut rendered = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                rendered.push(render(item, templates, call, pointer)?);
                pointer.truncate(length);
            }
            Ok(Json::Array(rendered))
        }
        Json::Object(fields) => {
            let mut rendered = Map::new();
            for (name, inner) in fields {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                let inner = render(inner, templates, call, pointer)?;
                // A key may be a template too: a sysctl for an interface's name.
                let name = match templates.form(name) {
                    Form::Plain => name.clone(),
                    _ => templates
                        .render_text(name, context())
                        .map_err(|error| fault(error, pointer))?,
                };
                pointer.truncate(length);
                rendered.insert(name, inner);
            }
            Ok(Json::Object(rendered))
        }
        other => Ok(other.clone()),
    }
}

/// One rendering: the names, and whether it looked for facts that are not known.
#[derive(Debug)]
struct Call {
    names: Arc<Names>,
    wanted_facts: AtomicBool,
    /// Parameters whose own templates are being rendered.
    resolving: Mutex<Vec<String>>,
}

impl Object for Call {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let names = &self.names;
        if let Some(value) = names.extra.get(key) {
            return Some(value.clone());
        }
        match key {
            "host" => names.host.clone(),
            "cluster" => Some(names.common.cluster.clone()),
            "groups" => Some(names.common.groups.clone()),
            "hosts" => Some(names.common.hosts.clone()),
            "secrets" => Some(names.common.secrets.clone()),
            "late" => Some(names.common.late.clone()),
            "versions" => Some(names.common.versions.clone()),
            "facts" => {
                if names.facts.is_none() {
                    self.wanted_facts.store(true, Ordering::Relaxed);
                }
                names.facts.clone()
            }
            parameter => {
                let value = names.parameters.get(parameter)?;
                Some(self.parameter(parameter, value).unwrap_or_else(Value::from))
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

impl Call {
    /// A parameter's value, which may be made of other names.
    fn parameter(self: &Arc<Self>, name: &str, value: &Json) -> Result<Value, Error> {
        let error = |message: String| Error::new(ErrorKind::InvalidOperation, message);
        {
            let mut resolving = self
                .resolving
                .lock()
                .unwrap_or_else(|lock| lock.into_inner());
            if resolving.iter().any(|other| other == name) {
                let way = resolving.join("`, which needs `");
                return Err(error(format!(
                    "the parameter `{way}`, which needs `{name}` again"
                )));
            }
            resolving.push(name.to_owned());
        }
        let rendered = render(value, &self.names.templates, self, &mut String::new());
        self.resolving
            .lock()
            .unwrap_or_else(|lock| lock.into_inner())
            .pop();
        match rendered {
            Ok(value) => Ok(to_template(&value)),
            Err(fault) => Err(error(format!("the parameter `{name}`: {}", fault.message))),
        }
    }
}
