//! A file with given content, mode and owner; or no file at that path.

use schemars::JsonSchema;
use serde::Deserialize;

use super::diff::{self, OldLines};
use super::{Fault, Kind, Removal, Resource, Surroundings, is_ours};
use crate::model::query::{FileKind, FileState};
use crate::model::{Action, Answers, Change, Difference, Payload, Query, Text, Unread, shell};
use crate::probe::Probe;

/// A file on the host. Exactly one of `content`, `template` and `absent` says what it holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Absolute path on the host.
    path: String,
    /// The text itself.
    content: Option<String>,
    /// A file of the role's `templates/` folder.
    template: Option<String>,
    /// `true`: nothing may be there.
    #[serde(default)]
    absent: bool,
    /// Permission bits in octal, quoted.
    #[serde(default = "mode_default")]
    mode: String,
    #[serde(default = "root")]
    owner: String,
    #[serde(default = "root")]
    group: String,
    /// `true`: the content is not shown, neither what it becomes nor what it was. A content that
    /// holds one of the inventory's secrets is never shown anyway.
    #[serde(default)]
    secret: bool,
}

fn mode_default() -> String {
    "0644".to_owned()
}

fn root() -> String {
    "root".to_owned()
}

#[derive(Debug)]
pub struct File {
    path: String,
    wish: Wish,
}

#[derive(Debug)]
enum Wish {
    Absent,
    Present {
        content: Text,
        /// `None` while a late value of the content is still to be made.
        digest: Option<String>,
        mode: u32,
        owner: String,
        group: String,
        secret: bool,
    },
}

impl Kind for File {
    const NAME: &'static str = "file";
    const SUMMARY: &'static str = "a file with given content, mode and owner, or its absence";
    const EXAMPLE: &'static str =
        "{path: /etc/motd, content: \"welcome to {{ host.name }}\\n\", mode: \"0644\"}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        let path = absolute(parameters.path.clone(), "/path")?;
        let wish = match (&parameters.content, &parameters.template, parameters.absent) {
            (None, None, true) => Wish::Absent,
            (Some(content), None, false) => {
                let content = Text::new(content.clone());
                present(content, parameters, around)?
            }
            (None, Some(template), false) => {
                let content = around.render(template)?;
                present(content, parameters, around)?
            }
            _ => {
                return Err(Fault::at(
                    "",
                    "a file takes exactly one of `content`, `template` and `absent: true`",
                ));
            }
        };
        Ok(Self { path, wish })
    }
}

fn present(
    content: Text,
    parameters: Parameters,
    around: &dyn Surroundings,
) -> Result<Wish, Fault> {
    Ok(Wish::Present {
        digest: around.digest(&content),
        content,
        mode: permission_bits(&parameters.mode, "/mode")?,
        owner: parameters.owner,
        group: parameters.group,
        secret: parameters.secret,
    })
}

/// A path that does not depend on where anything runs.
pub(super) fn absolute(path: String, pointer: &str) -> Result<String, Fault> {
    if path.starts_with('/') && !path.split('/').any(|part| part == "..") {
        Ok(path)
    } else {
        Err(Fault::at(
            pointer,
            format!("`{path}` is not an absolute path without `..`"),
        ))
    }
}

/// Octal permission bits, three or four digits.
pub(super) fn permission_bits(mode: &str, pointer: &str) -> Result<u32, Fault> {
    let digits = (3..=4).contains(&mode.len());
    u32::from_str_radix(mode, 8)
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| {
            Fault::at(pointer, format!("`{mode}` are no permission bits"))
                .hint("write three or four octal digits in quotes, such as \"0644\"")
        })
}

impl Probe for File {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        let mut queries = vec![Query::File(self.path.clone())];
        if matches!(self.wish, Wish::Present { .. }) {
            queries.push(Query::Digest(self.path.clone()));
        }
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let found = match answers.file(&self.path)? {
            FileState::Absent => None,
            FileState::Present(metadata) => Some(metadata),
        };
        if let Some(metadata) = found
            && metadata.kind == FileKind::Directory
        {
            return Err(Unread::Unreadable(format!("{} is a directory", self.path)));
        }
        match &self.wish {
            Wish::Absent => Ok(match found {
                None => Change::settled(),
                Some(_) => Change::from(
                    vec![Difference::value("file", "present".to_owned(), None)],
                    vec![Action::Run(
                        format!("rm -f -- {}", shell::quote(&self.path)).into(),
                    )],
                ),
            }),
            Wish::Present {
                content,
                digest,
                mode,
                owner,
                group,
                secret,
            } => {
                let mut differences = Vec::new();
                let regular = found.is_some_and(|metadata| metadata.kind == FileKind::File);
                let same =
                    regular && digest.is_some() && answers.digest(&self.path)? == digest.as_deref();
                if !same {
                    let old_lines = match found {
                        Some(metadata) if metadata.mode & 0o004 == 0 => OldLines::Hidden,
                        _ => OldLines::Shown,
                    };
                    let difference =
                        self.content_difference(content, *secret, regular, old_lines, answers)?;
                    differences.extend(difference);
                }
                if let Some(metadata) = found.filter(|_| regular) {
                    if metadata.mode != *mode {
                        differences.push(Difference::value(
                            "mode",
                            format!("{:04o}", metadata.mode),
                            format!("{mode:04o}"),
                        ));
                    }
                    if metadata.owner != *owner || metadata.group != *group {
                        differences.push(Difference::value(
                            "owner",
                            format!("{}:{}", metadata.owner, metadata.group),
                            format!("{owner}:{group}"),
                        ));
                    }
                }
                let quoted = shell::quote(&self.path);
                let action = if same {
                    // Content is right: changing it again would restart what watches it.
                    Action::Run(
                        format!("chown {owner}:{group} {quoted}\nchmod {mode:04o} {quoted}").into(),
                    )
                } else {
                    Action::Write {
                        path: self.path.clone(),
                        content: Payload::Text(content.clone()),
                        mode: *mode,
                        owner: owner.clone(),
                        group: group.clone(),
                    }
                };
                Ok(Change::from(differences, vec![action]))
            }
        }
    }
}

impl File {
    /// A text that holds sealed values, or that its author calls secret, is not shown and what is
    /// there now is not even fetched. Of another one every new line is shown, whatever its mode:
    /// it stands in the role. The lines that go are shown when everybody on the host could read
    /// them.
    fn content_difference(
        &self,
        content: &Text,
        secret: bool,
        regular: bool,
        old_lines: OldLines,
        answers: &Answers,
    ) -> Result<Option<Difference>, Unread> {
        if content.is_sealed() || secret {
            return Ok(Some(Difference::Sealed {
                what: "content".to_owned(),
            }));
        }
        let old = if regular {
            answers.content(&self.path)?.unwrap_or_default()
        } else {
            ""
        };
        Ok(Some(diff::lines(old, content.raw(), old_lines).unwrap_or(
            Difference::value("file", None, "an empty file".to_owned()),
        )))
    }
}

impl Resource for File {
    fn title(&self) -> String {
        format!("file {}", self.path)
    }

    fn undo(&self) -> Option<Removal> {
        let ours = is_ours(&self.path) && !matches!(self.wish, Wish::Absent);
        ours.then(|| Removal::of_files(std::slice::from_ref(&self.path)))
    }

    fn writes(&self) -> Vec<String> {
        vec![self.path.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Answer;
    use crate::model::query::Metadata;
    use crate::resource::{kind, tests::Around};

    #[test]
    fn what_only_root_could_read_is_not_shown_when_it_goes() {
        for (mode, shown) in [(0o600, false), (0o644, true)] {
            let file = (kind("file").expect("is there").build)(
                serde_json::json!({"path": "/etc/a", "content": "keep\nnew\n", "mode": "0600"}),
                &Around::default(),
            )
            .expect("builds");
            let metadata = Metadata {
                kind: FileKind::File,
                mode,
                owner: "root".to_owned(),
                group: "root".to_owned(),
                size: 10,
                modified: 1.0,
                link: None,
            };
            let path = "/etc/a".to_owned();
            let answers: Answers = [
                (
                    Query::File(path.clone()),
                    Answer::File(FileState::Present(metadata)),
                ),
                (
                    Query::Digest(path.clone()),
                    Answer::Digest(Some("00".to_owned())),
                ),
                (
                    Query::Content(path),
                    Answer::Content(Some("keep\npassword=canary\n".to_owned())),
                ),
            ]
            .into_iter()
            .collect();
            let told = format!("{:?}", file.read(&answers).expect("is read").differences);
            assert!(told.contains("+new"), "{told}");
            assert_eq!(told.contains("canary"), shown, "{told}");
        }
    }
}
