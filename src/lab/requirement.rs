//! What a box needs to run lab machines; everything that is missing is told at once.

use std::path::Path;

use super::LabError;

/// Programs, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 8] = [
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("mke2fs", "e2fsprogs"),
    ("ip", "iproute2"),
    ("ssh-keygen", "openssh-client"),
    ("mount", "mount"),
    ("unshare", "util-linux"),
    ("setsid", "util-linux"),
];

/// Looks for root's rights, Linux and the programs.
pub(super) fn check() -> Result<(), LabError> {
    let path = std::env::var("PATH").unwrap_or_default();
    // SAFETY: geteuid has no preconditions and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    judge(cfg!(target_os = "linux"), root, |program| {
        path.split(':')
            .any(|dir| Path::new(dir).join(program).is_file())
    })
}

fn judge(linux: bool, root: bool, has: impl Fn(&str) -> bool) -> Result<(), LabError> {
    let mut missing = Vec::new();
    let mut packages = Vec::new();
    if !linux {
        missing.push("the operating system is not Linux".to_owned());
    }
    if !root {
        missing.push("root's rights are missing".to_owned());
    }
    for (program, package) in PROGRAMS {
        if !has(program) {
            missing.push(format!("the program {program} is missing"));
            if !packages.contains(&package) {
                packages.push(package);
            }
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(LabError::Requirements { missing, packages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_missing_is_told_at_once() {
        judge(true, true, |_| true).unwrap();
        let error = judge(true, false, |program| {
            !["setsid", "unshare", "systemd-nspawn"].contains(&program)
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "this box cannot run lab machines: root's rights are missing, the program systemd-nspawn is missing, the program unshare is missing, the program setsid is missing"
        );
        assert_eq!(
            error.hint().unwrap(),
            "on Debian or Ubuntu: apt-get install systemd-container util-linux; everything else here needs Linux and root"
        );
        let error = judge(true, false, |_| true).unwrap_err();
        assert!(error.hint().unwrap().contains("try sudo"));
    }
}
