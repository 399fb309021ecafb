//! Resources: what a task wants of a host. Each kind is one type in one file that reads as ask,
//! read, act: its questions, and a pure reading that yields the differences and the acts that
//! mend them. No I/O here.

use std::fmt::Debug;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::{ArtifactInfo, Change, Text, shell};
use crate::probe::Probe;

pub mod archive;
pub mod bios;
pub mod bmc_account;
pub mod bmc_settings;
pub mod boot;
pub mod boot_order;
pub mod command;
mod diff;
pub mod directory;
pub mod file;
pub mod firmware;
pub mod helm_release;
pub mod image;
pub mod kernel_module;
pub mod kubeadm;
pub mod link;
pub mod manifest;
pub mod mount;
pub mod package;
pub mod power;
pub mod reboot;
pub mod secure_boot;
pub mod service;
pub mod swap;
pub mod sysctl;
pub mod user;
pub mod virtual_media;
pub mod volume;
pub mod wait;
mod words;

/// One resource on one host, ready to be asked about.
pub trait Resource: Probe<Finding = Change> + Debug + Send + Sync {
    /// Kind and name as people say it: `file /etc/hosts`.
    fn title(&self) -> String;

    /// Paths whose content tells, by its time of change, that a service or the host has not seen
    /// it yet. What `then` watches.
    fn writes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it is the boot that earlier changes of the host wait for.
    fn boots(&self) -> bool {
        false
    }

    /// How what it made is taken back, for `reset`. `None` for what a host keeps.
    fn undo(&self) -> Option<Removal> {
        None
    }

    /// Names of the artifacts that its acts send.
    fn artifacts(&self) -> Vec<String> {
        Vec::new()
    }
}

/// How what a resource made is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Shell text that ends with status 0 while something of it is there. It changes nothing.
    pub there: String,
    /// Shell text that takes it away; harmless where only a part is left.
    pub take: String,
}

impl Removal {
    /// Files, links and what was made of them.
    fn of_files(paths: &[String]) -> Self {
        let paths: Vec<String> = paths.iter().map(|path| shell::quote(path)).collect();
        let paths = paths.join(" ");
        Self {
            there: format!(
                "for one in {paths}; do if [ -e \"$one\" ] || [ -L \"$one\" ]; then exit 0; fi; done; exit 1"
            ),
            take: format!("rm -f -- {paths}"),
        }
    }
}

/// Folders in which whatever apply wrote goes with a reset: nothing but a cluster's node needs
/// them. Other files, such as /etc/hosts, were there before and stay as they are.
const OURS: &[&str] = &[
    "/etc/systemd/system/",
    "/etc/containerd/",
    "/etc/kubernetes/",
    "/etc/cni/",
    "/etc/keepalived/",
];

fn is_ours(path: &str) -> bool {
    OURS.iter().any(|folder| path.starts_with(folder))
}

/// A kind of task: how its parameters are written, and how they become a resource.
pub trait Kind: Resource + Sized + 'static {
    /// The key in a role's task.
    const NAME: &'static str;
    /// One line for the schema and the documentation.
    const SUMMARY: &'static str;
    /// A worked example: the task's YAML below its key.
    const EXAMPLE: &'static str;

    /// The parameters as written, all templates rendered.
    type Parameters: DeserializeOwned + JsonSchema;

    fn build(parameters: Self::Parameters, around: &dyn Surroundings) -> Result<Self, Fault>;
}

/// What a resource may learn of the site while it is built. Pure.
pub trait Surroundings {
    /// A template of the task's role, rendered for this host.
    fn render(&self, template: &str) -> Result<Text, Fault>;

    /// SHA-256 of the text with its sealed values put in, lower-case hexadecimal; `None` while
    /// one of them is still to be made.
    fn digest(&self, text: &Text) -> Option<String>;

    fn artifact(&self, name: &str) -> Option<ArtifactInfo>;

    /// Names of all artifacts, for suggestions.
    fn artifact_names(&self) -> Vec<String>;

    /// Whether the host has a BMC that can be asked.
    fn has_bmc(&self) -> bool;
}

/// Why parameters do not make a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Lower-case.
    pub message: String,
    /// JSON pointer into the task's parameters: `/template`; empty for the task as a whole.
    pub pointer: String,
    pub hint: Option<String>,
    /// It could not be rendered only because facts are not known yet.
    pub needs_facts: bool,
}

impl Fault {
    pub fn at(pointer: &str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            pointer: pointer.to_owned(),
            hint: None,
            needs_facts: false,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Builds a resource of a kind that is only known by name.
pub type Build = fn(Value, &dyn Surroundings) -> Result<Box<dyn Resource>, Fault>;

/// A kind, for the schema and for building by name.
pub struct KindEntry {
    pub name: &'static str,
    pub summary: &'static str,
    pub example: &'static str,
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    pub build: Build,
}

impl KindEntry {
    const fn of<K: Kind>() -> Self {
        Self {
            name: K::NAME,
            summary: K::SUMMARY,
            example: K::EXAMPLE,
            schema: |generator| generator.subschema_for::<K::Parameters>(),
            build: |parameters, around| {
                let parameters = serde_json::from_value(parameters)
                    .map_err(|error| Fault::at("", error.to_string()))?;
                Ok(Box::new(K::build(parameters, around)?))
            },
        }
    }
}

/// Every kind, in the order the documentation shows them.
pub const KINDS: &[KindEntry] = &[
    KindEntry::of::<file::File>(),
    KindEntry::of::<directory::Directory>(),
    KindEntry::of::<link::Link>(),
    KindEntry::of::<package::Package>(),
    KindEntry::of::<service::Service>(),
    KindEntry::of::<sysctl::Sysctl>(),
    KindEntry::of::<kernel_module::KernelModule>(),
    KindEntry::of::<user::User>(),
    KindEntry::of::<mount::Mount>(),
    KindEntry::of::<swap::Swap>(),
    KindEntry::of::<archive::Archive>(),
    KindEntry::of::<image::Image>(),
    KindEntry::of::<kubeadm::Kubeadm>(),
    KindEntry::of::<manifest::Manifest>(),
    KindEntry::of::<helm_release::HelmRelease>(),
    KindEntry::of::<command::Command>(),
    KindEntry::of::<wait::Wait>(),
    KindEntry::of::<reboot::Reboot>(),
    KindEntry::of::<bios::Bios>(),
    KindEntry::of::<power::Power>(),
    KindEntry::of::<boot::Boot>(),
    KindEntry::of::<bmc_account::BmcAccount>(),
    KindEntry::of::<bmc_settings::BmcSettings>(),
    KindEntry::of::<virtual_media::VirtualMedia>(),
    KindEntry::of::<boot_order::BootOrder>(),
    KindEntry::of::<secure_boot::SecureBoot>(),
    KindEntry::of::<firmware::Firmware>(),
    KindEntry::of::<volume::Volume>(),
];

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static KindEntry> {
    KINDS.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests;
