//! What kind of machine it is, and what its first process may do.

use serde_json::{Map, Value, json};

use super::{Fact, contents, not_understood, survey, trimmed};
use crate::model::query::FileState;
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{container, virtualisation, vendor, product, capabilities}`. `virtualisation` is `none`,
/// a container's kind or a hypervisor's; `capabilities` are those of the first process, in the
/// kernel's names without `CAP_`, lower case.
pub(super) struct Machine;

const STATUS: &str = "/proc/1/status";
/// Written by systemd when it is a container's first process.
const CONTAINER: &str = "/run/systemd/container";
const VENDOR: &str = "/sys/class/dmi/id/sys_vendor";
const PRODUCT: &str = "/sys/class/dmi/id/product_name";
const XEN: &str = "/sys/hypervisor/type";
/// The PID name space of whoever asks: the initial one has a fixed number in every kernel
/// (`PROC_PID_INIT_INO`), and who has another one is in a container.
const NAMESPACE: &str = "/proc/self/ns/pid";
const INITIAL_NAMESPACE: &str = "pid:[4026531836]";
/// Traces of containers whose first process is no systemd.
const TRACES: &[(&str, &str)] = &[("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];

/// By number, as include/uapi/linux/capability.h has them.
const CAPABILITIES: &[&str] = &[
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

impl Probe for Machine {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        let mut queries = contents(&[STATUS, CONTAINER, VENDOR, PRODUCT, XEN]);
        queries.extend(
            TRACES
                .iter()
                .map(|(path, _)| Query::File((*path).to_owned())),
        );
        queries.push(Query::File(NAMESPACE.to_owned()));
        queries.push(survey::query());
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        answers.want(self.ask())?;
        let vendor = trimmed(answers, VENDOR)?;
        let product = trimmed(answers, PRODUCT)?;
        let container = container(answers)?;
        let virtualisation = match &container {
            Some(kind) => kind.clone(),
            None => hypervisor(vendor, product, answers)?.to_owned(),
        };
        Ok(json!({
            "container": container.is_some(),
            "virtualisation": virtualisation,
            "vendor": vendor,
            "product": product,
            "capabilities": capabilities(answers)?,
        }))
    }
}

/// The container's kind. Files alone prove nothing: a machine made from a container's image has
/// them too.
fn container(answers: &Answers) -> Result<Option<String>, Unread> {
    if let FileState::Present(metadata) = answers.file(NAMESPACE)?
        && metadata.link.as_deref() == Some(INITIAL_NAMESPACE)
    {
        return Ok(None);
    }
    if let Some(kind) = trimmed(answers, CONTAINER)?.filter(|kind| !kind.is_empty()) {
        return Ok(Some(kind.to_owned()));
    }
    for (path, kind) in TRACES {
        if matches!(answers.file(path)?, FileState::Present(_)) {
            return Ok(Some((*kind).to_owned()));
        }
    }
    Ok(Some("other".to_owned()))
}

fn hypervisor(
    vendor: Option<&str>,
    product: Option<&str>,
    answers: &Answers,
) -> Result<&'static str, Unread> {
    let known = [
        ("QEMU", "kvm"),
        ("KVM", "kvm"),
        ("OpenStack", "kvm"),
        ("VMware", "vmware"),
        ("innotek", "virtualbox"),
        ("VirtualBox", "virtualbox"),
        ("Amazon EC2", "amazon"),
        ("Google Compute Engine", "google"),
        ("Virtual Machine", "microsoft"),
        ("Xen", "xen"),
    ];
    let board = format!(
        "{} {}",
        vendor.unwrap_or_default(),
        product.unwrap_or_default()
    );
    // A bare-metal instance of a cloud has the cloud's board and no hypervisor.
    let guest = cpu_flags(answers)?.any(|flag| flag == "hypervisor");
    let found = known.iter().find(|(word, _)| board.contains(word));
    Ok(match (found, guest) {
        (Some((_, kind)), true) => kind,
        (Some((_, kind @ ("kvm" | "vmware" | "virtualbox"))), false) => kind,
        _ if trimmed(answers, XEN)? == Some("xen") => "xen",
        (None, true) => "other",
        _ => "none",
    })
}

/// Flags of the first processor.
pub(super) fn cpu_flags(answers: &Answers) -> Result<impl Iterator<Item = &str>, Unread> {
    let line = survey::lines(answers, "cpu")?
        .into_iter()
        .find_map(|line| {
            line.strip_prefix("flags:")
                .or_else(|| line.strip_prefix("Features:"))
        })
        .unwrap_or_default();
    Ok(line.split_whitespace())
}

/// Those that are both in effect and not bounded away.
fn capabilities(answers: &Answers) -> Result<Map<String, Value>, Unread> {
    let status = answers.content(STATUS)?.unwrap_or_default();
    let mask = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(value.trim(), 16).ok()
    };
    let (Some(effective), Some(bounding)) = (mask("CapEff:"), mask("CapBnd:")) else {
        return Err(not_understood(STATUS));
    };
    let held = effective & bounding;
    Ok(CAPABILITIES
        .iter()
        .enumerate()
        .map(|(number, name)| ((*name).to_owned(), (held >> number & 1 == 1).into()))
        .collect())
}

impl Fact for Machine {
    fn name(&self) -> &'static str {
        "machine"
    }

    fn fields(&self) -> &'static [&'static str] {
        &[
            "container",
            "virtualisation",
            "vendor",
            "product",
            "capabilities.*",
        ]
    }
}
