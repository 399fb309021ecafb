//! Packages of the system's own package manager: apt or dnf, whichever the host has.

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{listed, one_or_many};
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::{Action, Answers, Change, Difference, Query, Unread, shell};
use crate::probe::Probe;

/// Packages, installed or removed in one go. A name may pin its version: `name=1.2*`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// One package.
    name: Option<String>,
    /// Several packages.
    #[serde(default)]
    names: Vec<String>,
    /// The version of all of them, as the package manager spells it; `*` at its end takes any
    /// ending. Unset: whatever is installed, else what the package manager offers.
    version: Option<String>,
    /// `true`: they are removed.
    #[serde(default)]
    absent: bool,
    /// `true`: held back from upgrades; `false`: free again. Unset: left alone.
    hold: Option<bool>,
}

#[derive(Debug)]
pub struct Package {
    packages: Vec<Wanted>,
    wish: Wish,
    hold: Option<bool>,
}

#[derive(Debug)]
struct Wanted {
    name: String,
    version: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wish {
    Absent,
    Present,
}

impl Kind for Package {
    const NAME: &'static str = "package";
    const SUMMARY: &'static str = "packages of apt or dnf, or their absence";
    const EXAMPLE: &'static str = "{names: [socat, conntrack, ethtool]}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        let packages = one_or_many(parameters.name, parameters.names, "name")?
            .into_iter()
            .map(|name| wanted(&name, parameters.version.as_deref()))
            .collect::<Result<Vec<_>, _>>()?;
        let wish = match parameters.absent {
            true if parameters.hold.is_some()
                || packages.iter().any(|one| one.version.is_some()) =>
            {
                return Err(Fault::at(
                    "/absent",
                    "a package that has to go takes neither `version` nor `hold`",
                ));
            }
            true => Wish::Absent,
            false => Wish::Present,
        };
        Ok(Self {
            packages,
            wish,
            hold: parameters.hold,
        })
    }
}

fn wanted(name: &str, common: Option<&str>) -> Result<Wanted, Fault> {
    let (name, version) = match name.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (name, common),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._:~".contains(&byte);
    if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
        return Err(Fault::at("/names", format!("`{name}` is no package name")));
    }
    let inner = |version: &str| {
        let stem = version.strip_suffix('*').unwrap_or(version);
        !stem.is_empty() && stem.bytes().all(|byte| plain(byte) || byte == b'^')
    };
    if let Some(version) = version.filter(|version| !inner(version)) {
        return Err(Fault::at("/version", format!("`{version}` is no version"))
            .hint("write it as the package manager does, such as \"1.33.4-1.1\" or \"1.33.*\""));
    }
    Ok(Wanted {
        name: name.to_owned(),
        version: version.map(str::to_owned),
    })
}

impl Wanted {
    fn admits(&self, installed: &str) -> bool {
        match &self.version {
            None => true,
            Some(pin) => match pin.strip_suffix('*') {
                Some(stem) => installed.starts_with(stem),
                None => installed == pin,
            },
        }
    }

    /// As the package manager takes it, with `glue` between name and version.
    fn word(&self, glue: char) -> String {
        match &self.version {
            None => shell::quote(&self.name),
            Some(version) => shell::quote(&format!("{}{glue}{version}", self.name)),
        }
    }
}

impl Probe for Package {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        self.packages
            .iter()
            .map(|package| Query::Package(package.name.clone()))
            .collect()
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let mut differences = Vec::new();
        let mut move_these = Vec::new();
        let mut hold_these = Vec::new();
        for package in &self.packages {
            let state = answers.package(&package.name)?;
            let right = match (&state.version, self.wish) {
                (None, Wish::Absent) => true,
                (Some(installed), Wish::Present) => package.admits(installed),
                _ => false,
            };
            if !right {
                let to = (self.wish == Wish::Present).then(|| {
                    package
                        .version
                        .clone()
                        .unwrap_or_else(|| "installed".to_owned())
                });
                differences.push(Difference::value(&package.name, state.version.clone(), to));
                move_these.push(package);
            }
            if let Some(hold) = self.hold.filter(|hold| *hold != state.held) {
                let word = |held| if held { "held" } else { "free" };
                differences.push(Difference::value(
                    &format!("{} upgrades", package.name),
                    word(state.held).to_owned(),
                    word(hold).to_owned(),
                ));
                hold_these.push(package);
            }
        }
        let mut script = String::new();
        if !move_these.is_empty() {
            script.push_str(&match self.wish {
                Wish::Present => install(&move_these),
                Wish::Absent => remove(&move_these),
            });
        }
        if let Some(hold) = self.hold.filter(|_| !hold_these.is_empty()) {
            script.push_str(&mark(&hold_these, hold));
        }
        Ok(Change::from(differences, vec![Action::Run(script.into())]))
    }
}

/// What every call of a package manager needs: no questions, nobody restarts services behind our
/// back, and a lock that somebody else holds is waited for.
const PRELUDE: &str = "\
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1
apt() {
  apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o APT::Install-Recommends=false \"$@\" </dev/null
}
";

/// The lists' lock has no timeout of its own in apt.
const REFRESH: &str = "\
refresh() {
  tries=60
  until said=$(apt update 2>&1); do
    case $said in *'Could not get lock'*) ;; *) tries=0;; esac
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { printf '%s\\n' \"$said\" >&2; return 1; }
    sleep 5
  done
}
";

fn words(packages: &[&Wanted], glue: char) -> String {
    let words: Vec<String> = packages.iter().map(|package| package.word(glue)).collect();
    words.join(" ")
}

fn names(packages: &[&Wanted]) -> String {
    let words: Vec<String> = packages
        .iter()
        .map(|package| shell::quote(&package.name))
        .collect();
    words.join(" ")
}

fn install(packages: &[&Wanted]) -> String {
    let pinned = packages.iter().any(|package| package.version.is_some());
    let (apt_pin, dnf) = if pinned {
        // A pin is an explicit wish, so it also overrides a hold and may go back.
        (
            " --allow-downgrades --allow-change-held-packages",
            "--allowerasing install",
        )
    } else {
        ("", "install")
    };
    format!(
        "if command -v apt-get >/dev/null; then\n\
         {PRELUDE}{REFRESH}\
         # The lists may be missing or old: they are fetched only when that shows.\n\
         if ! first=$(apt install{apt_pin} {apt} 2>&1); then\n\
         refresh && apt install{apt_pin} {apt} || {{ printf '%s\\n' \"before its lists were refreshed, apt said:\" \"$first\" >&2; exit 1; }}\n\
         fi\n\
         elif command -v dnf >/dev/null; then\n\
         dnf -q -y --setopt=install_weak_deps=False {dnf} {rpm} </dev/null\n\
         else echo 'neither apt-get nor dnf is on this host' >&2; exit 1; fi\n",
        apt = words(packages, '='),
        rpm = words(packages, '-'),
    )
}

fn remove(packages: &[&Wanted]) -> String {
    format!(
        "if command -v apt-get >/dev/null; then\n\
         {PRELUDE}\
         apt remove {names}\n\
         elif command -v dnf >/dev/null; then\n\
         dnf -q -y --setopt=clean_requirements_on_remove=False remove {names} </dev/null\n\
         else echo 'neither apt-get nor dnf is on this host' >&2; exit 1; fi\n",
        names = names(packages),
    )
}

fn mark(packages: &[&Wanted], hold: bool) -> String {
    let (apt, dnf) = if hold {
        ("hold", "add")
    } else {
        ("unhold", "delete")
    };
    format!(
        "if command -v apt-mark >/dev/null; then apt-mark {apt} {names} >/dev/null\n\
         else dnf -q -y versionlock {dnf} {names} </dev/null\n\
         fi\n",
        names = names(packages),
    )
}

impl Resource for Package {
    fn title(&self) -> String {
        let names: Vec<&str> = self.packages.iter().map(|one| one.name.as_str()).collect();
        format!("package {}", listed(&names))
    }
}
