//! Kernel modules: loaded now, and at every boot.

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{listed, one_or_many};
use super::{Fault, Kind, Removal, Resource, Surroundings};
use crate::model::query::FileState;
use crate::model::{Action, Answers, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// Kernel modules. One that is built into the kernel counts as loaded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// One module.
    name: Option<String>,
    /// Several modules.
    #[serde(default)]
    names: Vec<String>,
    /// `true`: a module that this kernel does not have is passed over.
    #[serde(default)]
    optional: bool,
}

#[derive(Debug)]
pub struct KernelModule {
    /// With underscores, as the kernel spells them.
    names: Vec<String>,
    optional: bool,
}

impl Kind for KernelModule {
    const NAME: &'static str = "kernel-module";
    const SUMMARY: &'static str = "kernel modules, loaded now and at every boot";
    const EXAMPLE: &'static str = "{names: [overlay, br_netfilter]}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        let names: Vec<String> = one_or_many(parameters.name, parameters.names, "name")?
            .iter()
            .map(|name| name.replace('-', "_"))
            .collect();
        let plain = |name: &String| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if let Some(name) = names.iter().find(|name| !plain(name)) {
            return Err(Fault::at("/names", format!("`{name}` is no module name")));
        }
        Ok(Self {
            names,
            optional: parameters.optional,
        })
    }
}

/// What shows that a feature is built in where neither /sys/module nor a list of built-in modules
/// tells: a module without parameters has no folder there, and containers have no /lib/modules.
const TRACES: &[(&str, &str)] = &[
    ("br_netfilter", "/proc/sys/net/bridge"),
    ("ip_tables", "/proc/net/ip_tables_names"),
    ("ip6_tables", "/proc/net/ip6_tables_names"),
    ("ip_vs", "/proc/net/ip_vs"),
    ("sctp", "/proc/net/sctp"),
    ("tun", "/dev/net/tun"),
    ("dm_mod", "/dev/mapper/control"),
    ("vfio", "/dev/vfio/vfio"),
    ("configfs", "/sys/kernel/config"),
];

impl KernelModule {
    fn folder(name: &str) -> String {
        format!("/sys/module/{name}")
    }

    fn file(name: &str) -> String {
        format!("/etc/modules-load.d/{name}.conf")
    }

    fn trace(name: &str) -> Option<String> {
        TRACES
            .iter()
            .find(|(module, _)| *module == name)
            .map(|(_, path)| (*path).to_owned())
    }

    /// Prints `FILE:PATH.ko` for each module that is built in or can be loaded.
    fn available(&self) -> String {
        let names: Vec<String> = self
            .names
            .iter()
            .map(|name| name.replace('_', "[-_]"))
            .collect();
        format!(
            "read -r release </proc/sys/kernel/osrelease && cd \"/lib/modules/$release\" 2>/dev/null || exit 0\n\
             grep -sHoE '(^|/)({})[.]ko[a-z.]*(:|$)' modules.builtin modules.dep || :",
            names.join("|")
        )
    }
}

/// How the kernel has a module.
#[derive(Debug, PartialEq)]
enum Form {
    BuiltIn,
    Loaded,
    Loadable,
    Unknown,
}

impl KernelModule {
    fn form(&self, name: &str, answers: &Answers) -> Result<Form, Unread> {
        let there = |path: &str| -> Result<bool, Unread> {
            Ok(matches!(answers.file(path)?, FileState::Present(_)))
        };
        let available = &answers.output(&self.available())?.stdout;
        let listed = |file: &str| {
            available
                .lines()
                .filter_map(|line| line.strip_prefix(file)?.strip_prefix(':'))
                .filter_map(|path| {
                    path.rsplit('/')
                        .find(|part| !part.is_empty())?
                        .split_once(".ko")
                })
                .any(|(module, _)| module.replace('-', "_") == name)
        };
        Ok(if listed("modules.builtin") {
            Form::BuiltIn
        } else if there(&Self::folder(name))? {
            Form::Loaded
        } else if listed("modules.dep") {
            Form::Loadable
        } else if let Some(trace) = Self::trace(name)
            && there(&trace)?
        {
            Form::BuiltIn
        } else {
            Form::Unknown
        })
    }
}

impl Probe for KernelModule {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        let mut queries = vec![Query::Run(self.available())];
        for name in &self.names {
            queries.push(Query::File(Self::folder(name)));
            queries.push(Query::Content(Self::file(name)));
            queries.extend(Self::trace(name).map(Query::File));
        }
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let mut differences = Vec::new();
        let mut load = Vec::new();
        let mut script = String::new();
        for name in &self.names {
            let form = self.form(name, answers)?;
            if form == Form::BuiltIn || (form == Form::Unknown && self.optional) {
                continue;
            }
            if form != Form::Loaded {
                differences.push(Difference::value(name, None, "loaded".to_owned()));
                load.push(name.as_str());
            }
            let file = Self::file(name);
            if answers.content(&file)?.map(str::trim) != Some(name) {
                differences.push(Difference::value(
                    &format!("{name} at boot"),
                    None,
                    "loaded".to_owned(),
                ));
                script.push_str(&format!("echo {name} >{file}\n"));
            }
        }
        // What cannot be loaded now is not written down for the next boot either.
        if !load.is_empty() {
            script.insert_str(0, &format!("modprobe -a {}\n", load.join(" ")));
        }
        if !script.is_empty() {
            script.insert_str(0, "mkdir -p /etc/modules-load.d\n");
        }
        Ok(Change::from(differences, vec![Action::Run(script.into())]))
    }
}

impl Resource for KernelModule {
    fn title(&self) -> String {
        format!("kernel-module {}", listed(&self.names))
    }

    /// What is loaded stays until the next boot.
    fn undo(&self) -> Option<Removal> {
        let files: Vec<String> = self.names.iter().map(|name| Self::file(name)).collect();
        Some(Removal::of_files(&files))
    }
}
