//! Folders with their mode and owner; or nothing at those paths.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::{absolute, permission_bits};
use super::words::{listed, one_or_many};
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::query::{FileKind, FileState, Metadata};
use crate::model::{Action, Answers, Change, Difference, Query, Unread, shell};
use crate::probe::Probe;

/// Folders, with the missing ones above them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Absolute path of one folder.
    path: Option<String>,
    /// Absolute paths of several.
    #[serde(default)]
    paths: Vec<String>,
    /// Permission bits in octal, quoted. Unset: 0755 when the folder is made, else left alone.
    mode: Option<String>,
    /// Unset: left alone.
    owner: Option<String>,
    /// Unset: left alone.
    group: Option<String>,
    /// `true`: the folders go, with everything in them.
    #[serde(default)]
    absent: bool,
}

#[derive(Debug)]
pub struct Directory {
    paths: Vec<String>,
    wish: Wish,
}

#[derive(Debug)]
enum Wish {
    Absent,
    Present {
        mode: Option<u32>,
        owner: Option<String>,
        group: Option<String>,
    },
}

impl Kind for Directory {
    const NAME: &'static str = "directory";
    const SUMMARY: &'static str = "folders with their mode and owner, or their absence";
    const EXAMPLE: &'static str =
        "{paths: [/etc/kubernetes/patches, /opt/cni/bin], mode: \"0755\"}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        let paths = one_or_many(parameters.path, parameters.paths, "path")?
            .into_iter()
            .map(|path| absolute(path, "/path"))
            .collect::<Result<Vec<_>, _>>()?;
        let wish = if parameters.absent {
            if let Some(path) = paths.iter().find(|path| depth(path) < 2) {
                return Err(Fault::at(
                    "/absent",
                    format!("`{path}` is too near the root to be removed with everything in it"),
                ));
            }
            Wish::Absent
        } else {
            Wish::Present {
                mode: parameters
                    .mode
                    .map(|mode| permission_bits(&mode, "/mode"))
                    .transpose()?,
                owner: parameters.owner,
                group: parameters.group,
            }
        };
        Ok(Self { paths, wish })
    }
}

fn depth(path: &str) -> usize {
    path.split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .count()
}

impl Probe for Directory {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        self.paths.iter().cloned().map(Query::File).collect()
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let mut differences = Vec::new();
        let mut script = String::new();
        for path in &self.paths {
            let found = match answers.file(path)? {
                FileState::Absent => None,
                FileState::Present(metadata) => Some(metadata),
            };
            match &self.wish {
                Wish::Absent => {
                    if found.is_some() {
                        differences.push(Difference::value(path, "present".to_owned(), None));
                        script.push_str(&format!("rm -rf -- {}\n", shell::quote(path)));
                    }
                }
                Wish::Present { mode, owner, group } => {
                    let owner = (owner.as_deref(), group.as_deref());
                    present(path, *mode, owner, found, &mut differences, &mut script)?;
                }
            }
        }
        Ok(Change::from(differences, vec![Action::Run(script.into())]))
    }
}

fn present(
    path: &str,
    mode: Option<u32>,
    (owner, group): (Option<&str>, Option<&str>),
    found: Option<&Metadata>,
    differences: &mut Vec<Difference>,
    script: &mut String,
) -> Result<(), Unread> {
    let quoted = shell::quote(path);
    let ownership = match (owner, group) {
        (None, None) => None,
        (owner, group) => Some((
            owner.unwrap_or_default(),
            group.map(|group| format!(":{group}")).unwrap_or_default(),
        )),
    };
    let mut change_owner = || {
        if let Some((owner, group)) = &ownership {
            let whom = shell::quote(&format!("{owner}{group}"));
            script.push_str(&format!("chown {whom} -- {quoted}\n"));
        }
    };
    let Some(metadata) = found else {
        let bits = mode.unwrap_or(0o755);
        differences.push(Difference::value(
            path,
            None,
            format!("a folder, {bits:04o}"),
        ));
        // `install -d` gives the folders above it 0755, whatever the mode of the last one.
        script.push_str(&format!("install -d -m {bits:04o} -- {quoted}\n"));
        if let Some((owner, group)) = &ownership {
            let whom = shell::quote(&format!("{owner}{group}"));
            script.push_str(&format!("chown {whom} -- {quoted}\n"));
        }
        return Ok(());
    };
    match metadata.kind {
        FileKind::Directory => {}
        // A link to a folder serves as the folder; its mode is not its own.
        FileKind::Link => return Ok(()),
        FileKind::File | FileKind::Other => {
            return Err(Unread::Unreadable(format!(
                "{path} is there and is no folder"
            )));
        }
    }
    let differs = |wished: Option<&str>, is: &str| wished.is_some_and(|wished| wished != is);
    if differs(owner, &metadata.owner) || differs(group, &metadata.group) {
        differences.push(Difference::value(
            &format!("{path} owner"),
            format!("{}:{}", metadata.owner, metadata.group),
            format!(
                "{}:{}",
                owner.unwrap_or(&metadata.owner),
                group.unwrap_or(&metadata.group)
            ),
        ));
        change_owner();
    }
    if let Some(bits) = mode.filter(|bits| *bits != metadata.mode) {
        differences.push(Difference::value(
            &format!("{path} mode"),
            format!("{:04o}", metadata.mode),
            format!("{bits:04o}"),
        ));
        script.push_str(&format!("chmod {bits:04o} -- {quoted}\n"));
    }
    Ok(())
}

impl Resource for Directory {
    fn title(&self) -> String {
        format!("directory {}", listed(&self.paths))
    }
}
