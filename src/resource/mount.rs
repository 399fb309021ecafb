//! A file system that is mounted, now and at every boot.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::absolute;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::{Action, Answers, Change, Difference, Query, Unread, shell};
use crate::probe::Probe;

/// A file system at a folder, kept in /etc/fstab.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Absolute path of the folder.
    path: String,
    /// What is mounted, as fstab names it: `/dev/sdb1`, `UUID=…`, `tmpfs`, `server:/share`.
    source: Option<String>,
    /// Type of the file system: `ext4`, `xfs`, `tmpfs`, `hugetlbfs`, ….
    r#type: Option<String>,
    /// Options in fstab's form.
    #[serde(default = "options_default")]
    options: String,
    /// `true`: nothing is mounted there.
    #[serde(default)]
    absent: bool,
}

fn options_default() -> String {
    "defaults".to_owned()
}

#[derive(Debug)]
pub struct Mount {
    path: String,
    /// The line's fields but the path; `None`: nothing is mounted.
    wish: Option<Entry>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    source: String,
    kind: String,
    options: String,
}

pub(super) const FSTAB: &str = "/etc/fstab";
const MOUNTS: &str = "/proc/mounts";

impl Kind for Mount {
    const NAME: &'static str = "mount";
    const SUMMARY: &'static str = "a file system that is mounted, now and at every boot";
    const EXAMPLE: &'static str =
        "{path: /dev/hugepages1G, source: hugetlbfs, type: hugetlbfs, options: pagesize=1G}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        let path = absolute(parameters.path, "/path")?;
        let path = match path.trim_end_matches('/') {
            "" => return Err(Fault::at("/path", "the root is not for a task to mount")),
            trimmed => trimmed.to_owned(),
        };
        let wish = match (parameters.source, parameters.r#type, parameters.absent) {
            (None, None, true) => None,
            (Some(source), Some(kind), false) => Some(Entry {
                source,
                kind,
                options: parameters.options,
            }),
            _ => {
                return Err(Fault::at(
                    "",
                    "a mount takes `source` and `type`, or else `absent: true`",
                ));
            }
        };
        Ok(Self { path, wish })
    }
}

/// fstab and the kernel write blanks and backslashes of a field in octal.
fn escape(field: &str) -> String {
    field
        .replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011")
}

/// The last entry of a table for a path.
fn entry(table: &str, path: &str) -> Option<Entry> {
    let wanted = escape(path);
    table.lines().rev().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            [source, at, kind, options, ..] if *at == wanted && !source.starts_with('#') => {
                Some(Entry {
                    source: (*source).to_owned(),
                    kind: (*kind).to_owned(),
                    options: (*options).to_owned(),
                })
            }
            _ => None,
        }
    })
}

impl Mount {
    fn line(&self, entry: &Entry) -> String {
        format!(
            "{} {} {} {} 0 0",
            escape(&entry.source),
            escape(&self.path),
            entry.kind,
            entry.options
        )
    }

    /// Takes the path's lines out of fstab and puts `line` at its end.
    fn rewrite(&self, line: Option<&str>) -> String {
        let path = shell::quote(&escape(&self.path));
        let add = line
            .map(|line| format!("printf '%s\\n' {} >>\"$new\"\n", shell::quote(line)))
            .unwrap_or_default();
        // Given by the environment, since awk would read escapes in a variable.
        format!(
            "new={FSTAB}.ra-deploy\n\
             [ -e {FSTAB} ] || : >{FSTAB}\n\
             at={path} awk '$1 ~ /^#/ || $2 != ENVIRON[\"at\"]' {FSTAB} >\"$new\"\n\
             {add}chmod --reference={FSTAB} \"$new\"\n\
             mv -f \"$new\" {FSTAB}\n\
             systemctl daemon-reload 2>/dev/null || :\n"
        )
    }
}

impl Probe for Mount {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        [FSTAB, MOUNTS]
            .map(|path| Query::Content(path.to_owned()))
            .to_vec()
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let kept = entry(answers.content(FSTAB)?.unwrap_or_default(), &self.path);
        let live = entry(answers.content(MOUNTS)?.unwrap_or_default(), &self.path);
        let path = shell::quote(&self.path);
        let mut differences = Vec::new();
        let mut script = String::new();
        let shown = |entry: &Entry| format!("{} ({}, {})", entry.source, entry.kind, entry.options);
        let Some(wish) = &self.wish else {
            if kept.is_some() {
                differences.push(Difference::value("at boot", kept.as_ref().map(shown), None));
                script.push_str(&self.rewrite(None));
            }
            if live.is_some() {
                differences.push(Difference::value("mounted", live.as_ref().map(shown), None));
                script.push_str(&format!("umount -- {path}\n"));
            }
            return Ok(Change::from(differences, vec![Action::Run(script.into())]));
        };
        let stated = Entry {
            source: escape(&wish.source),
            ..wish.clone()
        };
        let changed = kept.as_ref() != Some(&stated);
        if changed {
            differences.push(Difference::value(
                "at boot",
                kept.as_ref().map(shown),
                shown(wish),
            ));
            script.push_str(&self.rewrite(Some(&self.line(wish))));
        }
        match live {
            None => {
                differences.push(Difference::value("mounted", None, shown(wish)));
                script.push_str(&format!("mkdir -p -- {path}\nmount -- {path}\n"));
            }
            Some(live) if live.kind != wish.kind => {
                return Err(Unread::Unreadable(format!(
                    "{} is mounted with {} already, not with {}; unmount it first",
                    self.path, live.kind, wish.kind
                )));
            }
            // The kernel words options its own way, so a live mount is only changed together
            // with its line.
            Some(_) if changed => script.push_str(&format!("mount -o remount -- {path}\n")),
            Some(_) => {}
        }
        Ok(Change::from(differences, vec![Action::Run(script.into())]))
    }
}

impl Resource for Mount {
    fn title(&self) -> String {
        format!("mount {}", self.path)
    }
}
