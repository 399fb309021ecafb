//! An artifact's archive, unpacked into a folder, with a stamp that tells which one and whether
//! its files are as they were.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::absolute;
use super::words::{file_name, nearest};
use super::{Fault, Kind, Removal, Resource, Surroundings};
use crate::model::{
    Action, Answers, ArtifactInfo, Change, Difference, Payload, Query, Unread, shell,
};
use crate::probe::Probe;

/// An artifact's archive, unpacked into a folder.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// The artifact's name in the catalogue.
    artifact: String,
    /// The file of the artifact, where it has several.
    file: Option<String>,
    /// Absolute path of the folder.
    to: String,
    /// Leading path components that are taken off each name.
    #[serde(default)]
    strip: u32,
    /// Only these members, as `tar` names them; wildcards are allowed.
    #[serde(default)]
    only: Vec<String>,
    /// Name of the stamp, for an artifact that one host unpacks twice.
    name: Option<String>,
    /// `true`: its files go, as the stamp lists them.
    #[serde(default)]
    absent: bool,
}

#[derive(Debug)]
pub struct Archive {
    artifact: ArtifactInfo,
    file: Option<String>,
    to: String,
    strip: u32,
    only: Vec<String>,
    name: String,
    absent: bool,
}

/// Where the stamps are.
pub(super) const STAMPS: &str = "/var/lib/ra-deploy/archives";

/// The artifact of that name, or a fault that names the one that was likely meant.
pub(super) fn artifact(
    name: &str,
    pointer: &str,
    around: &dyn Surroundings,
) -> Result<ArtifactInfo, Fault> {
    around.artifact(name).ok_or_else(|| {
        let names = around.artifact_names();
        let fault = Fault::at(
            pointer,
            format!("there is no artifact `{name}` in the catalogue"),
        );
        match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault
                .hint("add it to the catalogue, or see what that holds with `ra-deploy artifacts`"),
        }
    })
}

impl Kind for Archive {
    const NAME: &'static str = "archive";
    const SUMMARY: &'static str = "an artifact's archive, unpacked into a folder";
    const EXAMPLE: &'static str = "{artifact: containerd, to: /usr/local}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        let info = artifact(&parameters.artifact, "/artifact", around)?;
        let name = parameters.name.unwrap_or(parameters.artifact);
        file_name(&name, "/name")?;
        if let Some(index) = parameters.only.iter().position(|one| one.starts_with('-')) {
            return Err(Fault::at(
                &format!("/only/{index}"),
                "a member does not begin with `-`",
            ));
        }
        Ok(Self {
            artifact: info,
            file: parameters.file,
            to: absolute(parameters.to, "/to")?,
            strip: parameters.strip,
            only: parameters.only,
            name,
            absent: parameters.absent,
        })
    }
}

impl Archive {
    fn stamp(&self) -> String {
        format!("{STAMPS}/{}", self.name)
    }

    /// First line of the stamp: what was unpacked, and how.
    fn identity(&self) -> String {
        let mut identity = format!("{} to {}", self.artifact.identity, self.to);
        if let Some(file) = &self.file {
            identity.push_str(&format!(" file {file}"));
        }
        if self.strip > 0 {
            identity.push_str(&format!(" strip {}", self.strip));
        }
        if !self.only.is_empty() {
            identity.push_str(&format!(" only {}", self.only.join(" ")));
        }
        identity
    }

    /// Unpacks standard input. Folders that are there keep their mode, links to folders stay
    /// links, files get the time of now (so that services see them as new) and belong to root.
    fn unpack(&self) -> String {
        let strip = match self.strip {
            0 => String::new(),
            strip => format!(" --strip-components={strip}"),
        };
        let only = match self.only.as_slice() {
            [] => String::new(),
            members => {
                let members: Vec<String> = members.iter().map(|one| shell::quote(one)).collect();
                format!(" --wildcards -- {}", members.join(" "))
            }
        };
        format!(
            "to={to} stamp={stamp} identity={identity}\n\
             mkdir -p -- \"$to\" {STAMPS}\n\
             new=$stamp.new.$$\n\
             trap 'rm -f -- \"$new\" \"$new.list\"' EXIT\n\
             cd -- \"$to\"\n\
             # Some versions of tar leave the folder itself with the mode of an archive's `./`.\n\
             mode=$(stat -c %a .)\n\
             # Until the new stamp is there, nothing says that the old files are whole.\n\
             rm -f -- \"$stamp\"\n\
             tar -xzmf - -v --no-same-owner --no-overwrite-dir --keep-directory-symlink \
             --quoting-style=literal --show-transformed-names{strip}{only} >\"$new.list\"\n\
             chmod \"$mode\" .\n\
             printf '%s\\n' \"$identity\" >\"$new\"\n\
             sed -e '/\\/$/d' -e 's|^\\./||' -e \"s|^|${{to%/}}/|\" <\"$new.list\" |\n\
             xargs -r -d '\\n' sh -c 'find \"$@\" -maxdepth 0 ! -type d -printf \"%s %Ts %p\\n\"' sh >>\"$new\"\n\
             mv -f -- \"$new\" \"$stamp\"\n",
            to = shell::quote(&self.to),
            stamp = shell::quote(&self.stamp()),
            identity = shell::quote(&self.identity()),
        )
    }

    fn remove(&self) -> String {
        format!(
            "stamp={}\n\
             [ -e \"$stamp\" ] || exit 0\n\
             sed -n 's/^[0-9][0-9]* [0-9][0-9]* \\//\\//p' \"$stamp\" | xargs -r -d '\\n' rm -f --\n\
             rm -f -- \"$stamp\"\n",
            shell::quote(&self.stamp())
        )
    }
}

impl Probe for Archive {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Archive(self.name.clone())]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state = answers.archive(&self.name)?;
        let wanted = self.identity();
        if self.absent {
            return Ok(match &state.identity {
                None => Change::settled(),
                Some(_) => Change::from(
                    vec![Difference::value("archive", "unpacked".to_owned(), None)],
                    vec![Action::Run(self.remove().into())],
                ),
            });
        }
        let mut differences = Vec::new();
        match &state.identity {
            Some(found) if *found == wanted => {
                if let Some(first) = state.damaged.first() {
                    let more = match state.damaged.len() {
                        1 => String::new(),
                        many => format!(" and {} more files", many - 1),
                    };
                    differences.push(Difference::value(
                        "files",
                        format!("{first}{more} changed or missing"),
                        "as unpacked".to_owned(),
                    ));
                }
            }
            found => differences.push(Difference::value(
                "archive",
                found
                    .as_ref()
                    .map(|_| "another version or place".to_owned()),
                format!("{} in {}", self.artifact.version, self.to),
            )),
        }
        Ok(Change::from(
            differences,
            vec![Action::Feed {
                script: self.unpack().into(),
                payload: Payload::Artifact {
                    artifact: self.artifact.name.clone(),
                    file: self.file.clone(),
                },
            }],
        ))
    }
}

impl Resource for Archive {
    fn title(&self) -> String {
        format!("archive {}", self.name)
    }

    fn writes(&self) -> Vec<String> {
        vec![self.stamp()]
    }

    fn undo(&self) -> Option<Removal> {
        Some(Removal {
            take: self.remove(),
            ..Removal::of_files(&[self.stamp()])
        })
    }

    fn artifacts(&self) -> Vec<String> {
        match self.absent {
            true => Vec::new(),
            false => vec![self.artifact.name.clone()],
        }
    }
}
