//! A systemd service: running or not, enabled or not, masked or not, and restarted when what it
//! reads is newer than itself.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Kind, Removal, Resource, Surroundings, is_ours};
use crate::model::query::{FileState, UnitState};
use crate::model::{Action, Answers, Change, Difference, Query, Unread, shell};
use crate::probe::Probe;

/// A systemd unit. What is not stated is left alone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// The unit's name; without an ending it is a `.service`.
    name: String,
    running: Option<bool>,
    /// Started at boot.
    enabled: Option<bool>,
    /// `true`: nothing can start it.
    masked: Option<bool>,
    /// Paths: one that is newer than the service's start means a restart.
    #[serde(default)]
    watch: Vec<String>,
    /// Paths: one that is newer than the service's start or last reload means a reload.
    #[serde(default)]
    watch_reload: Vec<String>,
    /// Folders that it fills by itself, whose content a reset takes away with it.
    #[serde(default)]
    leaves: Vec<String>,
}

#[derive(Debug)]
pub struct Service {
    name: String,
    unit: String,
    running: Option<bool>,
    enabled: Option<bool>,
    masked: Option<bool>,
    watch: Vec<String>,
    watch_reload: Vec<String>,
    leaves: Vec<String>,
}

const ENDINGS: &[&str] = &[
    ".service",
    ".socket",
    ".timer",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".slice",
    ".scope",
    ".device",
];

impl Kind for Service {
    const NAME: &'static str = "service";
    const SUMMARY: &'static str =
        "a systemd unit: running, enabled, masked, restarted when files change";
    const EXAMPLE: &'static str = "{name: containerd, running: true, enabled: true}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@:\\".contains(&byte);
        let name = parameters.name;
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
            return Err(Fault::at("/name", format!("`{name}` is no unit name")));
        }
        if parameters.masked == Some(true)
            && (parameters.running == Some(true) || parameters.enabled == Some(true))
        {
            return Err(Fault::at(
                "/masked",
                "a masked unit can be neither running nor enabled",
            ));
        }
        let ended = ENDINGS.iter().any(|ending| name.ends_with(ending));
        Ok(Self {
            unit: if ended {
                name.clone()
            } else {
                format!("{name}.service")
            },
            name,
            running: parameters.running,
            enabled: parameters.enabled,
            masked: parameters.masked,
            watch: parameters.watch,
            watch_reload: parameters.watch_reload,
            leaves: parameters
                .leaves
                .into_iter()
                .map(|path| super::file::absolute(path, "/leaves"))
                .collect::<Result<_, Fault>>()?,
        })
    }
}

impl Probe for Service {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        let mut queries = vec![Query::Unit(self.unit.clone())];
        let watched = self.watch.iter().chain(&self.watch_reload);
        queries.extend(watched.cloned().map(Query::File));
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let state = answers.unit(&self.unit)?;
        let mut reading = Reading::of(&self.unit);
        let masked = state.load == "masked";
        let missing = state.load == "not-found";
        if missing {
            self.require(&mut reading);
        }
        if !missing && !matches!(state.load.as_str(), "loaded" | "masked" | "") {
            // `bad-setting`, `error`: starting would say no more than this.
            reading.differ("unit file", &state.load, "loaded");
        }
        if let Some(wish) = self.masked.filter(|wish| *wish != masked) {
            let word = |masked| if masked { "masked" } else { "unmasked" };
            reading.differ("unit", word(masked), word(wish));
            if wish {
                reading.act("systemctl mask --now $unit");
            } else {
                reading.act("systemctl unmask $unit");
            }
        } else if masked && (self.running == Some(true) || self.enabled == Some(true)) {
            reading.differ("unit", "masked", "unmasked");
            reading.act("systemctl unmask $unit");
        }
        if state.needs_daemon_reload {
            reading.differ("unit file", "changed since it was read", "read again");
        }
        self.enable(state, missing, &mut reading);
        self.run(state, answers, missing, &mut reading)?;
        Ok(reading.into_change())
    }
}

impl Service {
    /// An absent unit is what a task wants that only asks for nothing to run.
    fn require(&self, reading: &mut Reading) {
        let wanted = [self.running, self.enabled].contains(&Some(true));
        if wanted {
            reading.differ("unit", "missing", "loaded");
            reading.act(
                "systemctl cat $unit >/dev/null 2>&1 || {\n\
                 echo \"there is no unit $unit on this host: install what brings it before this task\" >&2; exit 1; }",
            );
        }
    }

    fn enable(&self, state: &UnitState, missing: bool, reading: &mut Reading) {
        let enabled = matches!(
            state.enabled.as_str(),
            "enabled" | "enabled-runtime" | "alias" | "linked" | "linked-runtime"
        );
        // A static or generated unit has nothing to enable: what pulls it in does so already.
        let fixed = matches!(
            state.enabled.as_str(),
            "static" | "generated" | "indirect" | "transient"
        );
        match self.enabled {
            Some(true) if !enabled && !fixed => {
                reading.differ("enabled", "no", "yes");
                reading.act("systemctl enable -q $unit");
            }
            Some(false) if enabled && !missing => {
                reading.differ("enabled", "yes", "no");
                reading.act("systemctl disable -q $unit");
            }
            _ => {}
        }
    }

    fn run(
        &self,
        state: &UnitState,
        answers: &Answers,
        missing: bool,
        reading: &mut Reading,
    ) -> Result<(), Unread> {
        let active = matches!(state.active.as_str(), "active" | "reloading" | "refreshing");
        let stopped = matches!(state.active.as_str(), "inactive" | "failed" | "");
        match self.running {
            Some(true) if !active => {
                let now = if missing {
                    "no".to_owned()
                } else {
                    words(state)
                };
                reading.differ("running", &now, "yes");
                reading.act("systemctl reset-failed $unit 2>/dev/null || :");
                reading.act_watched("start");
                return Ok(());
            }
            Some(false) if !stopped && !missing => {
                reading.differ("running", &words(state), "no");
                reading.act("systemctl stop $unit");
                return Ok(());
            }
            _ => {}
        }
        if !active {
            return Ok(());
        }
        let newer = |paths: &[String], since: Option<f64>| -> Result<Vec<String>, Unread> {
            let mut newer = Vec::new();
            for path in paths {
                if let FileState::Present(metadata) = answers.file(path)?
                    && since.is_some_and(|since| is_newer(metadata.modified, since))
                {
                    newer.push(path.clone());
                }
            }
            Ok(newer)
        };
        let started = state.started.or(state.changed);
        let restart = newer(&self.watch, started)?;
        if !restart.is_empty() {
            reading.note(format!(
                "restarts {}: {} is newer",
                self.name,
                restart.join(", ")
            ));
            reading.act_watched("restart");
            return Ok(());
        }
        let reload = newer(&self.watch_reload, state.changed.or(started))?;
        if !reload.is_empty() {
            reading.note(format!(
                "reloads {}: {} is newer",
                self.name,
                reload.join(", ")
            ));
            reading.act_watched("reload-or-restart");
        }
        Ok(())
    }
}

/// Whether a file that was written at `modified` can have been missed by what started at `since`.
/// A whole second means that no finer time is known: what was written within it was seen.
pub(super) fn is_newer(modified: f64, since: f64) -> bool {
    if since.fract() == 0.0 {
        modified >= since + 1.0
    } else {
        modified > since
    }
}

fn words(state: &UnitState) -> String {
    match (state.active.as_str(), state.sub.as_str()) {
        ("" | "inactive", _) => "no".to_owned(),
        (active, "") => active.to_owned(),
        (active, sub) if active == sub => active.to_owned(),
        (active, sub) => format!("{active} ({sub})"),
    }
}

/// Differences and script lines as they come together.
struct Reading {
    unit: String,
    differences: Vec<Difference>,
    lines: Vec<String>,
}

impl Reading {
    fn of(unit: &str) -> Self {
        Self {
            unit: unit.to_owned(),
            differences: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn differ(&mut self, what: &str, from: &str, to: &str) {
        let difference = Difference::value(what, from.to_owned(), to.to_owned());
        self.differences.push(difference);
    }

    fn note(&mut self, note: String) {
        self.differences.push(Difference::Note(note));
    }

    fn act(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }

    /// A job whose failure is told with what the unit itself said.
    fn act_watched(&mut self, verb: &str) {
        self.lines.push(format!(
            "systemctl {verb} $unit && systemctl is-active -q $unit || {{\n\
             systemctl status --no-pager --full --lines=0 $unit >&2 || :\n\
             journalctl --no-pager --quiet --output=cat --lines=40 --unit=$unit >&2 || :\n\
             exit 1; }}"
        ));
    }

    fn into_change(self) -> Change {
        // Reading unit files again is quick, and right after any file may have changed.
        let script = format!(
            "unit={}\nsystemctl daemon-reload\n{}",
            shell::quote(&self.unit),
            self.lines.join("\n")
        );
        Change::from(self.differences, vec![Action::Run(script.into())])
    }
}

impl Resource for Service {
    fn title(&self) -> String {
        format!("service {}", self.name)
    }

    /// A unit that was brought here goes, and one of the distribution that lives by files of
    /// ours; others may serve somebody else too.
    fn undo(&self) -> Option<Removal> {
        let unit = format!("unit={}", shell::quote(&self.unit));
        let serves_us = self.watch.iter().chain(&self.watch_reload).any(|path| {
            // What the role's own tasks write as a unit file says nothing of the unit's origin.
            is_ours(path) && !path.starts_with("/etc/systemd/system/")
        });
        let ours = match serves_us {
            true => ":".to_owned(),
            false => "case $(systemctl show --value -p FragmentPath $unit) in /etc/systemd/system/*) :;; *) exit 1;; esac"
                .to_owned(),
        };
        let leaves: Vec<String> = self.leaves.iter().map(|one| shell::quote(one)).collect();
        let leaves = leaves.join(" ");
        let left = match leaves.is_empty() {
            true => String::new(),
            false => {
                format!(" || [ -n \"$(find {leaves} -mindepth 1 -print -quit 2>/dev/null)\" ]")
            }
        };
        Some(Removal {
            there: format!(
                "{unit}\nrunning() {{ ( {ours} ) && {{ systemctl is-active -q $unit || systemctl is-enabled -q $unit; }}; }} 2>/dev/null\n\
                 running{left}"
            ),
            take: format!(
                "{unit}\n\
                 if ( {ours} ); then\n\
                 systemctl disable -q --now $unit\n\
                 systemctl reset-failed $unit 2>/dev/null || :\n\
                 fi\n\
                 for folder in {leaves}; do\n\
                 [ ! -d \"$folder\" ] || find \"$folder\" -xdev -mindepth 1 -delete\n\
                 rmdir -- \"$folder\" 2>/dev/null || :\n\
                 done"
            ),
        })
    }
}
