//! No swap, now and at every boot: what the kubelet asks of a node.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mount::FSTAB;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::{Action, Answers, Change, Difference, Query, Unread};
use crate::probe::Probe;

/// Swap is off, in the kernel and in /etc/fstab.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// Only `true`: what is swapped on is a `mount`'s or a unit's business.
    off: bool,
}

#[derive(Debug)]
pub struct Swap;

const SWAPS: &str = "/proc/swaps";

impl Kind for Swap {
    const NAME: &'static str = "swap";
    const SUMMARY: &'static str = "swap is off, now and at every boot";
    const EXAMPLE: &'static str = "{off: true}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        if parameters.off {
            Ok(Self)
        } else {
            Err(Fault::at("/off", "the only wish is `off: true`"))
        }
    }
}

impl Probe for Swap {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        [SWAPS, FSTAB]
            .map(|path| Query::Content(path.to_owned()))
            .to_vec()
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let mut differences = Vec::new();
        let mut script = String::new();
        let on = answers.content(SWAPS)?.unwrap_or_default();
        for line in on.lines().skip(1) {
            let device = line.split_whitespace().next().unwrap_or_default();
            differences.push(Difference::value(device, "on".to_owned(), "off".to_owned()));
        }
        if !differences.is_empty() {
            // A unit would swap it on again: zram's, or one that systemd found on a partition.
            script.push_str(
                "systemctl list-units --plain --no-legend --type=swap 2>/dev/null |\n\
                 while read -r unit rest; do systemctl mask -q --now \"$unit\"; done\n\
                 swapoff -a\n\
                 [ \"$(wc -l </proc/swaps)\" -le 1 ] || { cat /proc/swaps >&2; exit 1; }\n",
            );
        }
        let is_swap = |line: &&str| {
            let mut fields = line.split_whitespace();
            !line.trim_start().starts_with('#') && fields.nth(2) == Some("swap")
        };
        let table = answers.content(FSTAB)?.unwrap_or_default();
        let kept: Vec<&str> = table.lines().filter(is_swap).collect();
        for line in &kept {
            let device = line.split_whitespace().next().unwrap_or_default();
            differences.push(Difference::value(
                &format!("{device} at boot"),
                "on".to_owned(),
                "off".to_owned(),
            ));
        }
        if !kept.is_empty() {
            script.push_str(&format!(
                "awk '$1 !~ /^#/ && $3 == \"swap\" {{ print \"# off for the kubelet: \" $0; next }} {{ print }}' {FSTAB} >{FSTAB}.ra-deploy\n\
                 chmod --reference={FSTAB} {FSTAB}.ra-deploy\n\
                 mv -f {FSTAB}.ra-deploy {FSTAB}\n\
                 systemctl daemon-reload 2>/dev/null || :\n"
            ));
        }
        Ok(Change::from(differences, vec![Action::Run(script.into())]))
    }
}

impl Resource for Swap {
    fn title(&self) -> String {
        "swap off".to_owned()
    }
}
