//! One step of kubeadm: the first control plane, another one, or a worker.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Kind, Removal, Resource, Surroundings};
use crate::model::query::FileState;
use crate::model::{Action, Answers, Change, Difference, Payload, Query, Text, Unread, shell};
use crate::probe::Probe;

/// Makes the host a member of the cluster, once. What kubeadm wrote tells that it is one; a step
/// that broke off is taken back before it is tried again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    phase: Phase,
    /// A file of the role's `templates/` folder that renders to kubeadm's configuration.
    config: String,
    /// Names of preflight checks whose failure is only a warning.
    #[serde(default)]
    ignore_preflight: Vec<String>,
    /// Phases of kubeadm that are left out, such as `addon/kube-proxy`.
    #[serde(default)]
    skip_phases: Vec<String>,
    /// `init` only: the control plane's certificates go into the cluster, sealed by the
    /// configuration's `certificateKey`, for the next control planes to fetch.
    #[serde(default)]
    upload_certs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    /// The first control plane.
    Init,
    JoinControlPlane,
    JoinWorker,
}

#[derive(Debug)]
pub struct Kubeadm {
    phase: Phase,
    config: Text,
    ignore_preflight: Vec<String>,
    skip_phases: Vec<String>,
    upload_certs: bool,
}

/// Stands while a step runs. One that is found later tells that the step broke off.
const BEGUN: &str = "/var/lib/ra-deploy/kubeadm-begun";
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
const BOOTSTRAP_CONF: &str = "/etc/kubernetes/bootstrap-kubelet.conf";
const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";
const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

impl Kind for Kubeadm {
    const NAME: &'static str = "kubeadm";
    const SUMMARY: &'static str = "a kubeadm step: init, join-control-plane or join-worker";
    const EXAMPLE: &'static str = "{phase: join-worker, config: join.yaml}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        let word = |one: &&String| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
            one.is_empty() || !one.bytes().all(plain)
        };
        if let Some(bad) = parameters.ignore_preflight.iter().find(word) {
            return Err(Fault::at(
                "/ignore-preflight",
                format!("`{bad}` is no preflight check"),
            ));
        }
        if let Some(bad) = parameters.skip_phases.iter().find(word) {
            return Err(Fault::at("/skip-phases", format!("`{bad}` is no phase")));
        }
        if parameters.upload_certs && parameters.phase != Phase::Init {
            return Err(Fault::at(
                "/upload-certs",
                "only `init` uploads certificates",
            ));
        }
        Ok(Self {
            phase: parameters.phase,
            config: around.render(&parameters.config)?,
            ignore_preflight: parameters.ignore_preflight,
            skip_phases: parameters.skip_phases,
            upload_certs: parameters.upload_certs,
        })
    }
}

impl Kubeadm {
    /// What is there once the step is through.
    fn proofs(&self) -> &'static [&'static str] {
        match self.phase {
            Phase::JoinWorker => &[KUBELET_CONF, KUBELET_CONFIG],
            Phase::Init | Phase::JoinControlPlane => {
                &[KUBELET_CONF, KUBELET_CONFIG, ADMIN_CONF, API_SERVER]
            }
        }
    }

    fn word(&self) -> &'static str {
        match self.phase {
            Phase::Init => "the first control plane",
            Phase::JoinControlPlane => "a control plane",
            Phase::JoinWorker => "a worker",
        }
    }

    fn script(&self, first: Start) -> String {
        let mut words = vec!["kubeadm"];
        words.push(match self.phase {
            Phase::Init => "init",
            Phase::JoinControlPlane | Phase::JoinWorker => "join",
        });
        words.push("--config \"$config\"");
        if self.phase == Phase::Init {
            // What it would print lets anybody join.
            words.push("--skip-token-print --skip-certificate-key-print");
        }
        if self.upload_certs {
            words.push("--upload-certs");
        }
        let mut command = words.join(" ");
        if !self.ignore_preflight.is_empty() {
            command.push_str(" --ignore-preflight-errors=");
            command.push_str(&shell::quote(&self.ignore_preflight.join(",")));
        }
        if !self.skip_phases.is_empty() {
            command.push_str(" --skip-phases=");
            command.push_str(&shell::quote(&self.skip_phases.join(",")));
        }
        let reset = match first {
            Start::Fresh => "",
            Start::Reset => "kubeadm reset -f\n",
        };
        // The configuration holds secrets: it is in memory only, for root only, and goes in any case.
        format!(
            "umask 077\n\
             config=$(mktemp /run/ra-deploy-kubeadm.XXXXXX)\n\
             trap 'rm -f -- \"$config\"' EXIT\n\
             cat >\"$config\"\n\
             {reset}\
             mkdir -p /var/lib/ra-deploy\n\
             : >{BEGUN}\n\
             {command}\n\
             rm -f {BEGUN}"
        )
    }
}

/// How the step begins.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    Fresh,
    Reset,
}

impl Probe for Kubeadm {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        let mut paths = vec![BEGUN, KUBELET_CONF, BOOTSTRAP_CONF];
        paths.extend(self.proofs());
        paths.dedup();
        paths
            .into_iter()
            .map(|path| Query::File(path.to_owned()))
            .collect()
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let there = |path: &str| -> Result<bool, Unread> {
            Ok(matches!(answers.file(path)?, FileState::Present(_)))
        };
        let mut missing = Vec::new();
        for proof in self.proofs() {
            if !there(proof)? {
                missing.push(*proof);
            }
        }
        let begun = there(BEGUN)?;
        if missing.is_empty() && !begun {
            return Ok(Change::settled());
        }
        let member = there(KUBELET_CONF)?;
        let start = if begun || (there(BOOTSTRAP_CONF)? && !member) {
            Start::Reset
        } else if member {
            // Somebody else made it a member, of whatever: nothing is taken from it unasked.
            return Err(Unread::Unreadable(format!(
                "{KUBELET_CONF} is there, so the host is a member of a cluster already, but it lacks {} and is not {}; \
                 run `kubeadm reset` on it if it is to become one",
                missing.join(", "),
                self.word(),
            )));
        } else {
            Start::Fresh
        };
        let before = match start {
            Start::Fresh => None,
            Start::Reset => Some("broke off half-way".to_owned()),
        };
        let mut differences = vec![Difference::value(
            "member of the cluster",
            before,
            self.word().to_owned(),
        )];
        if start == Start::Reset {
            differences.push(Difference::Note(
                "what the broken step left is taken back first".to_owned(),
            ));
        }
        Ok(Change::from(
            differences,
            vec![Action::Feed {
                script: self.script(start).into(),
                payload: Payload::Text(self.config.clone()),
            }],
        ))
    }
}

impl Resource for Kubeadm {
    fn title(&self) -> String {
        let phase = match self.phase {
            Phase::Init => "init",
            Phase::JoinControlPlane => "join-control-plane",
            Phase::JoinWorker => "join-worker",
        };
        format!("kubeadm {phase}")
    }

    /// Takes the node apart: what kubeadm made, and what its network left behind. A member of
    /// etcd that finds no other one to tell does not wait for them for ever.
    fn undo(&self) -> Option<Removal> {
        Some(Removal {
            there: LEFT.to_owned(),
            take: TAKE_APART.to_owned(),
        })
    }
}

/// Something of a node is there: its files, its pods' network.
const LEFT: &str = r#"for one in /var/lib/ra-deploy/kubeadm-begun /etc/kubernetes /etc/cni/net.d /var/lib/etcd /var/lib/cni /var/lib/calico /var/log/pods; do
[ ! -e "$one" ] || exit 0
done
[ -z "$(find /var/lib/kubelet -mindepth 1 -print -quit 2>/dev/null)" ] || exit 0
for one in /run/netns/cni-*; do
[ ! -e "$one" ] || exit 0
done
for one in /sys/class/net/*; do
case ${one##*/} in cali*|cni0|flannel.1|vxlan.calico|kube-ipvs0) exit 0;; esac
done
exit 1"#;

const TAKE_APART: &str = r#"if command -v kubeadm >/dev/null; then
timeout 90 kubeadm reset -f >/dev/null 2>&1 || kubeadm reset -f --skip-phases=remove-etcd-member
fi
systemctl stop kubelet 2>/dev/null || :
# Volumes of pods that are still mounted are left alone, and told of by what is asked afterwards.
for folder in /etc/kubernetes /etc/cni/net.d /var/lib/cni /var/lib/etcd /var/lib/kubelet /var/lib/calico /var/run/calico /var/log/calico /var/log/pods /var/log/containers; do
[ ! -d "$folder" ] || find "$folder" -xdev -mindepth 1 -delete
[ ! -d "$folder" ] || mountpoint -q "$folder" || rmdir -- "$folder"
done
rm -f -- /var/lib/ra-deploy/kubeadm-begun
for one in /sys/class/net/*; do
case ${one##*/} in cali*|cni0|flannel.1|vxlan.calico|kube-ipvs0) ip link delete "${one##*/}" 2>/dev/null || :;; esac
done
for one in /run/netns/cni-*; do
[ ! -e "$one" ] || ip netns delete "${one##*/}"
done
# The routes that Calico gave its number of origin.
ip route flush proto 80 2>/dev/null || :
ip -6 route flush proto 80 2>/dev/null || :
for family in iptables ip6tables; do
command -v $family-save >/dev/null || continue
$family-save 2>/dev/null | grep -v -e KUBE- -e cali -e CNI- -e FLANNEL | $family-restore || :
done
if command -v ipset >/dev/null; then
ipset list -n 2>/dev/null | grep -e ^cali -e ^KUBE- | while read -r set; do ipset destroy "$set" || :; done
fi"#;
