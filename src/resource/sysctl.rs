//! Kernel parameters below /proc/sys: their value now, and after the next boot.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::words::{file_name, listed};
use super::{Fault, Kind, Removal, Resource, Surroundings, diff};
use crate::model::{Action, Answers, Change, Difference, Payload, Query, Unread, shell};
use crate::probe::Probe;

/// Kernel parameters, kept in /etc/sysctl.d/NAME.conf and set at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Name of the file in /etc/sysctl.d, without `.conf`. Files later in the alphabet win.
    name: String,
    /// Parameter to value, as sysctl writes them: `net.ipv4.ip_forward: 1`.
    values: Map<String, Value>,
    /// `true`: a parameter that this kernel does not have is passed over.
    #[serde(default)]
    optional: bool,
}

#[derive(Debug)]
pub struct Sysctl {
    name: String,
    file: String,
    values: Vec<Setting>,
    absence: Absence,
}

#[derive(Debug)]
struct Setting {
    key: String,
    /// Below /proc/sys.
    path: String,
    value: String,
}

/// What a parameter means that the kernel does not have.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Absence {
    Fault,
    PassedOver,
}

impl Kind for Sysctl {
    const NAME: &'static str = "sysctl";
    const SUMMARY: &'static str = "kernel parameters, now and after the next boot";
    const EXAMPLE: &'static str = "{name: 90-kubernetes, values: {net.ipv4.ip_forward: 1}}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        file_name(&parameters.name, "/name")?;
        if parameters.values.is_empty() {
            return Err(Fault::at("/values", "no parameter is named"));
        }
        let mut values = parameters
            .values
            .into_iter()
            .map(|(key, value)| {
                let path = path_of(&key)?;
                let value = match value {
                    Value::String(text) => plain(&text),
                    Value::Number(number) => number.to_string(),
                    _ => {
                        return Err(Fault::at(
                            &format!("/values/{key}"),
                            format!("`{key}` needs a string or a number"),
                        ));
                    }
                };
                Ok(Setting { key, path, value })
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        // Setting one of these sets those of every interface, so they come first.
        let of_one = |key: &str| key != "net.ipv4.ip_forward" && !key.contains("conf.all.");
        values.sort_by_key(|setting| of_one(&setting.key));
        Ok(Self {
            file: format!("/etc/sysctl.d/{}.conf", parameters.name),
            name: parameters.name,
            values,
            absence: if parameters.optional {
                Absence::PassedOver
            } else {
                Absence::Fault
            },
        })
    }
}

/// `net.ipv4.conf.eth0/1.forwarding` is `net/ipv4/conf/eth0.1/forwarding`, as sysctl has it: the
/// first of the two separators that occurs is the separator, the other one means the character.
fn path_of(key: &str) -> Result<String, Fault> {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte);
    let climbs = key.contains("..") || key.starts_with(['/', '.']);
    if key.is_empty() || climbs || !key.bytes().all(sane) {
        return Err(Fault::at(
            "/values",
            format!("`{key}` is no kernel parameter"),
        ));
    }
    let slashes = key.find('/').unwrap_or(usize::MAX) < key.find('.').unwrap_or(usize::MAX);
    let below = if slashes {
        key.to_owned()
    } else {
        key.chars()
            .map(|character| match character {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect()
    };
    Ok(format!("/proc/sys/{below}"))
}

/// Numbers of one parameter are separated by tabs or blanks, as the kernel likes.
fn plain(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Probe for Sysctl {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        let live = self.values.iter().map(|one| one.path.clone());
        let mut queries = vec![Query::Content(self.file.clone())];
        queries.extend(live.map(Query::Content));
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let mut differences = Vec::new();
        let mut script = String::new();
        let mut kept = String::from("# Written by ra-deploy; changes here are undone.\n");
        for setting in &self.values {
            let live = answers.content(&setting.path)?.map(plain);
            if live.is_none() && self.absence == Absence::PassedOver {
                continue;
            }
            if live.as_deref() != Some(setting.value.as_str()) {
                differences.push(Difference::value(&setting.key, live, setting.value.clone()));
            }
            script.push_str(&put(setting));
            kept.push_str(&format!("{} = {}\n", setting.key, setting.value));
        }
        // All are set when one differs: setting one may have changed another.
        if differences.is_empty() {
            script.clear();
        }
        let mut actions = Vec::new();
        let found = answers.content(&self.file)?;
        if found != Some(kept.as_str()) {
            // When live values differ too, they tell the whole story.
            if differences.is_empty() {
                differences.extend(diff::lines(
                    found.unwrap_or_default(),
                    &kept,
                    diff::OldLines::Shown,
                ));
            } else {
                differences.push(Difference::Note(format!("kept in {}", self.file)));
            }
            actions.push(Action::Write {
                path: self.file.clone(),
                content: Payload::Text(kept.into()),
                mode: 0o644,
                owner: "root".to_owned(),
                group: "root".to_owned(),
            });
        }
        // Live first: what the kernel refuses is not kept for the next boot either.
        if !script.is_empty() {
            actions.insert(0, Action::Run(script.into()));
        }
        Ok(Change::from(differences, actions))
    }
}

/// Sets one value, or says why it cannot be set.
fn put(setting: &Setting) -> String {
    let module = module_of(&setting.key)
        .map(|module| format!("; it comes with the kernel module {module}"))
        .unwrap_or_default();
    format!(
        "[ -e {path} ] || {{ echo {absent} >&2; exit 1; }}\n\
         printf '%s\\n' {value} >{path} || {{ echo {refused} >&2; exit 1; }}\n",
        path = shell::quote(&setting.path),
        value = shell::quote(&setting.value),
        absent = shell::quote(&format!(
            "this kernel has no {}{module}; mark the task `optional` where it may be missing",
            setting.key
        )),
        refused = shell::quote(&format!(
            "the kernel does not take `{}` for {}: the value is not allowed, or /proc/sys is read-only here (in a container)",
            setting.value, setting.key
        )),
    )
}

/// The module that makes a parameter appear, for those that people meet.
fn module_of(key: &str) -> Option<&'static str> {
    let modules = [
        ("net.bridge.", "br_netfilter"),
        ("net.netfilter.nf_conntrack", "nf_conntrack"),
        ("net.ipv4.vs.", "ip_vs"),
        ("net.sctp.", "sctp"),
    ];
    modules
        .iter()
        .find(|(prefix, _)| key.starts_with(prefix))
        .map(|(_, module)| *module)
}

impl Resource for Sysctl {
    fn title(&self) -> String {
        let keys: Vec<&str> = self.values.iter().map(|one| one.key.as_str()).collect();
        format!("sysctl {} ({})", self.name, listed(&keys))
    }

    /// The values stay until the next boot.
    fn undo(&self) -> Option<Removal> {
        Some(Removal::of_files(std::slice::from_ref(&self.file)))
    }

    fn writes(&self) -> Vec<String> {
        vec![self.file.clone()]
    }
}
