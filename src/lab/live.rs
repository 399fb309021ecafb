//! The whole life of a lab, for real: needs root and systemd-nspawn, so it is asked for by hand:
//! `cargo test --lib lab::live -- --ignored --test-threads=1`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::command::run;
use super::*;

fn spec(state_dir: &Path) -> LabSpec {
    LabSpec {
        name: "lablive".into(),
        state_dir: state_dir.to_path_buf(),
        subnet: "10.79.0.0/24".parse().unwrap(),
        machines: vec![
            MachineSpec {
                name: "one".into(),
                address: "10.79.0.11".parse().unwrap(),
            },
            MachineSpec {
                name: "two".into(),
                address: "10.79.0.12".parse().unwrap(),
            },
        ],
    }
}

/// Runs a command on a machine over SSH, with strict host key checking.
async fn ssh(lab: &Lab, host: &str, command: &str) -> Result<String, LabError> {
    let known_hosts = format!("UserKnownHostsFile={}", lab.known_hosts().display());
    let key = lab.key().display().to_string();
    let login = format!("{USER}@{host}");
    let words = [
        "ssh",
        "-i",
        &key,
        "-o",
        &known_hosts,
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "BatchMode=yes",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "ConnectTimeout=2",
        &login,
        command,
    ];
    run("ssh", &words).await
}

async fn wait_for_ssh(lab: &Lab, host: &str) {
    for _ in 0..100 {
        if ssh(lab, host, "true").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{host} does not answer over SSH");
}

/// Everything that a lab could leave behind.
async fn traces(state_dir: &Path) -> Vec<String> {
    let folder = state_dir.display().to_string();
    let mut traces = Vec::new();
    for (what, words) in [
        (
            "loop device",
            &["losetup", "--list", "--output", "BACK-FILE"][..],
        ),
        ("mount", &["cat", "/proc/self/mounts"]),
        ("process", &["ps", "-eo", "args"]),
    ] {
        let listing = run(what, words).await.unwrap();
        let hits = listing.lines().filter(|line| line.contains(&folder));
        traces.extend(hits.map(|line| format!("{what}: {line}")));
    }
    if Path::new("/sys/class/net/ra-lablive").exists() {
        traces.push("bridge".into());
    }
    let group = spec(state_dir).group();
    let groups = Hierarchy::of_this_box().unwrap().groups(&group);
    traces.extend(
        groups
            .iter()
            .filter(|it| it.exists())
            .map(|it| it.display().to_string()),
    );
    if state_dir.exists() {
        traces.push("files".into());
    }
    traces
}

#[tokio::test]
#[ignore = "needs root, systemd-nspawn, and a package mirror for the first base"]
async fn machines_live_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = folder.path().join("lab");
    let spec = spec(&state_dir);
    let lab = up(&spec, Path::new(CACHE), |_| {}).await.unwrap();
    let one = lab.machine("one").unwrap();
    let two = lab.machine("two").unwrap();
    assert_eq!(one.state().unwrap(), Power::Off);
    assert!(matches!(
        lab.machine("three"),
        Err(LabError::NoMachine { .. })
    ));

    // On, reachable by both addresses, with what a server has.
    one.power_on().await.unwrap();
    two.power_on().await.unwrap();
    let Power::On { boot: first_boot } = one.state().unwrap() else {
        panic!("it is on");
    };
    wait_for_ssh(&lab, "10.79.0.11").await;
    wait_for_ssh(&lab, "10.79.0.12").await;
    let facts = "hostname; sudo -n id -u; stat -c %a /; \
        ping -c1 -W2 10.79.0.12 >/dev/null && echo v4; \
        ping -c1 -W2 fd72:6100:a4f::c >/dev/null && echo v6; \
        for c in /sys/fs/cgroup/memory /sys/fs/cgroup; do \
          [ -e $c/cgroup.procs ] && sudo mkdir $c/try && sudo rmdir $c/try && echo cgroup && break; \
        done";
    let answer = ssh(&lab, "10.79.0.11", facts).await.unwrap();
    assert_eq!(answer, "one\n0\n755\nv4\nv6\ncgroup\n");
    let ids = ssh(&lab, "10.79.0.12", "cat /etc/machine-id")
        .await
        .unwrap();
    assert_ne!(
        ids,
        ssh(&lab, "10.79.0.11", "cat /etc/machine-id")
            .await
            .unwrap()
    );
    assert!(one.memory().unwrap().unwrap() > 1 << 20);

    // A second `up` and another process's view find what is there.
    let again = up(&spec, Path::new(CACHE), |_| {}).await.unwrap();
    assert_eq!(
        again.machine("one").unwrap().state().unwrap(),
        one.state().unwrap()
    );
    let opened = Lab::open(&state_dir).unwrap();
    assert_eq!(
        opened.machine("one").unwrap().state().unwrap(),
        one.state().unwrap()
    );

    // Files outlive a power cut; the other machine does not notice.
    ssh(&lab, "10.79.0.11", "echo kept | sudo tee /kept && sync")
        .await
        .unwrap();
    // A container's cgroup, in whichever tree of memory the machine has.
    let memory = "d=/sys/fs/cgroup/memory; [ -d $d ] || d=/sys/fs/cgroup; ";
    ssh(&lab, "10.79.0.11", &format!("{memory} sudo mkdir $d/stale"))
        .await
        .unwrap();
    let two_before = two.state().unwrap();
    one.power_off(PowerOff::Force).await.unwrap();
    assert_eq!(one.state().unwrap(), Power::Off);
    assert_eq!(one.memory().unwrap(), None);
    assert_eq!(two.state().unwrap(), two_before);
    one.power_on().await.unwrap();
    wait_for_ssh(&lab, "10.79.0.11").await;
    assert_eq!(
        ssh(&lab, "10.79.0.11", "cat /kept").await.unwrap(),
        "kept\n"
    );
    let second = one.state().unwrap();
    assert_ne!(second, Power::On { boot: first_boot });
    // … and cgroups do not: a boot begins without those of the last one.
    let stale = format!("{memory} ls -d $d/stale || echo none");
    assert_eq!(ssh(&lab, "10.79.0.11", &stale).await.unwrap(), "none\n");

    // A reboot from inside is another boot of a machine that stays on.
    let _ = ssh(&lab, "10.79.0.11", "sudo systemctl reboot").await;
    for _ in 0..200 {
        match one.state().unwrap() {
            Power::Off => panic!(
                "a reboot switched the machine off: {:?}",
                fs::read_to_string(one.console())
            ),
            on if on != second && on != (Power::On { boot: None }) => break,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    assert_ne!(one.state().unwrap(), second);
    wait_for_ssh(&lab, "10.79.0.11").await;

    // The short press, the power-off from inside, and the reset button.
    one.power_off(PowerOff::Graceful).await.unwrap();
    assert_eq!(one.state().unwrap(), Power::Off);
    let _ = ssh(&lab, "10.79.0.12", "sudo systemctl poweroff").await;
    for _ in 0..200 {
        if two.state().unwrap() == Power::Off {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(two.state().unwrap(), Power::Off);
    two.reset().await.unwrap();
    wait_for_ssh(&lab, "10.79.0.12").await;

    assert!(
        !traces(&state_dir).await.is_empty(),
        "the traces are looked for in the right places"
    );
    lab.down().await.unwrap();
    assert_eq!(traces(&state_dir).await, Vec::<String>::new());
    assert!(matches!(Lab::open(&state_dir), Err(LabError::NoLab(_))));
}

#[tokio::test]
#[ignore = "needs root, systemd-nspawn, and a package mirror for the first base"]
async fn a_lab_of_the_same_name_elsewhere_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let lab = up(&spec(&here), Path::new(CACHE), |_| {}).await.unwrap();
    let one = lab.machine("one").unwrap();
    one.power_on().await.unwrap();
    let error = up(&spec(&there), Path::new(CACHE), |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, LabError::BridgeTaken { .. }), "{error}");
    Lab::open(&there).unwrap().down().await.unwrap();
    assert!(matches!(one.state().unwrap(), Power::On { .. }));
    lab.down().await.unwrap();
    assert_eq!(traces(&here).await, Vec::<String>::new());
}
