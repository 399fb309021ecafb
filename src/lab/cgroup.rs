//! The cgroups of a machine: where its processes are found, and the root of what it sees.
//!
//! A box has either one tree (cgroup v2) or a tree per controller (v1, also 'hybrid'). A machine
//! gets a group of its own in every one. Since a process cannot leave its machine's groups, they
//! tell which processes are the machine's without any process id being remembered.

use std::fs;
use std::path::{Path, PathBuf};

use super::LabError;

/// Where the box's cgroup trees are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hierarchy {
    /// v2: one tree.
    Unified(PathBuf),
    /// v1: a tree per controller, and the named one of systemd.
    Legacy(Vec<PathBuf>),
}

/// A process in a machine's cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub id: i32,
    /// Whether it is the machine's first process, the one whose death is the machine's.
    pub first: bool,
}

impl Hierarchy {
    pub fn of_this_box() -> Result<Self, LabError> {
        let path = "/proc/self/mounts";
        let mounts = fs::read_to_string(path).map_err(LabError::file("read", path))?;
        Ok(Self::from_mounts(&mounts))
    }

    /// Reads a mount table. A box with controllers in v1 trees is a v1 box, even if it has a v2
    /// tree beside them.
    fn from_mounts(mounts: &str) -> Self {
        let points = |wanted: &str| -> Vec<PathBuf> {
            let mut points: Vec<PathBuf> = mounts
                .lines()
                .filter_map(|line| {
                    let mut words = line.split(' ');
                    let point = words.nth(1)?;
                    (words.next()? == wanted && point.starts_with("/sys/fs/cgroup"))
                        .then(|| PathBuf::from(point))
                })
                .collect();
            points.sort();
            points.dedup();
            points
        };
        let mut legacy = points("cgroup");
        let unified = points("cgroup2");
        if legacy.is_empty() {
            let tree = unified.into_iter().next();
            return Self::Unified(tree.unwrap_or_else(|| "/sys/fs/cgroup".into()));
        }
        legacy.extend(unified);
        Self::Legacy(legacy)
    }

    fn trees(&self) -> &[PathBuf] {
        match self {
            Self::Unified(tree) => std::slice::from_ref(tree),
            Self::Legacy(trees) => trees,
        }
    }

    /// The group with this path in every tree.
    pub fn groups(&self, path: &str) -> Vec<PathBuf> {
        self.trees().iter().map(|tree| tree.join(path)).collect()
    }

    /// Makes the group in every tree, ready to take processes.
    pub fn create(&self, path: &str) -> Result<(), LabError> {
        for tree in self.trees() {
            let mut group = tree.clone();
            for step in path.split('/') {
                let parent = group.clone();
                group.push(step);
                match fs::create_dir(&group) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(LabError::file("made", &group)(error)),
                }
                // A new v1 cpuset has no processors and takes no process.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let (from, to) = (parent.join(file), group.join(file));
                    if matches!(self, Self::Legacy(_)) && from.exists() {
                        let value =
                            fs::read_to_string(&from).map_err(LabError::file("read", &from))?;
                        fs::write(&to, value.trim()).map_err(LabError::file("written", &to))?;
                    }
                }
            }
            self.delegate(tree, path)?;
        }
        Ok(())
    }

    /// v2 gives a group only the controllers that all groups above it hand down. The group itself
    /// hands nothing down: the machine does that once its processes have left for groups below.
    fn delegate(&self, tree: &Path, path: &str) -> Result<(), LabError> {
        let Self::Unified(_) = self else {
            return Ok(());
        };
        let controllers = tree.join("cgroup.controllers");
        let Ok(available) = fs::read_to_string(&controllers) else {
            return Ok(());
        };
        let mut group = tree.to_path_buf();
        for step in path.split('/') {
            let control = group.join("cgroup.subtree_control");
            for controller in available.split_whitespace() {
                // One that cannot be handed down, such as cpu beside real-time processes, is no
                // reason to go without the others.
                if let Err(error) = fs::write(&control, format!("+{controller}")) {
                    tracing::debug!(controller, %error, "not handed down");
                }
            }
            group.push(step);
        }
        Ok(())
    }

    /// The processes in the group and below it, each once.
    pub fn processes(&self, path: &str) -> Vec<Process> {
        let mut ids: Vec<i32> = Vec::new();
        for group in self.groups(path) {
            collect(&group, &mut ids);
        }
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter()
            .filter_map(|id| {
                let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
                Some(Process {
                    id,
                    first: is_first(&status),
                })
            })
            .collect()
    }

    /// Takes the group and those below it away from every tree. Fails while it has processes.
    pub fn remove(&self, path: &str) -> Result<(), LabError> {
        for group in self.groups(path) {
            remove_tree(&group)?;
        }
        Ok(())
    }

    /// Bytes of memory that the group's processes and their files in the page cache hold.
    pub fn memory(&self, path: &str) -> Option<u64> {
        self.groups(path).iter().find_map(|group| {
            ["memory.usage_in_bytes", "memory.current"]
                .iter()
                .find_map(|file| fs::read_to_string(group.join(file)).ok())
                .and_then(|text| text.trim().parse().ok())
        })
    }
}

fn collect(group: &Path, ids: &mut Vec<i32>) {
    if let Ok(text) = fs::read_to_string(group.join("cgroup.procs")) {
        ids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    }
    for below in folders(group) {
        collect(&below, ids);
    }
}

fn remove_tree(group: &Path) -> Result<(), LabError> {
    for below in folders(group) {
        remove_tree(&below)?;
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LabError::file("removed", group)(error))
        }
        _ => Ok(()),
    }
}

fn folders(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// The first process of a machine is number 1 in a PID namespace just below ours; the first
/// processes of containers inside the machine are one more level down.
fn is_first(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .is_some_and(|numbers| {
            let numbers: Vec<&str> = numbers.split_whitespace().collect();
            numbers.len() == 2 && numbers[1] == "1"
        })
}

/// When a process started, in clock ticks since the box's boot (proc_pid_stat(5), field 22):
/// together with its number it names one process for good.
pub(super) fn start_time(process: i32) -> Option<u64> {
    parse_start_time(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

fn parse_start_time(stat: &str) -> Option<u64> {
    // The program's name, the second field, may hold spaces and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_tables_of_both_kinds_are_told_apart() {
        let hybrid = include_str!("data/mounts-v1.txt");
        let Hierarchy::Legacy(trees) = Hierarchy::from_mounts(hybrid) else {
            panic!("controllers are in v1 trees");
        };
        assert_eq!(trees.len(), 10);
        assert!(trees.contains(&"/sys/fs/cgroup/pids".into()));
        assert_eq!(trees[9], Path::new("/sys/fs/cgroup/unified"));

        let unified = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
        assert_eq!(
            Hierarchy::from_mounts(unified),
            Hierarchy::Unified("/sys/fs/cgroup".into())
        );
    }

    #[test]
    fn only_a_machines_own_first_process_is_first() {
        assert!(is_first("Name:\tsystemd\nNSpid:\t31524\t1\n"));
        assert!(!is_first("NSpid:\t31524\t17\n"));
        assert!(!is_first("NSpid:\t31524\t402\t1\n"), "a pod's");
        assert!(!is_first("NSpid:\t31524\n"), "the box's");
        assert!(!is_first("Name:\tx\n"));
    }

    #[test]
    fn start_times_are_read_behind_odd_names() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1 2 3";
        assert_eq!(parse_start_time(stat), Some(123456));
        assert!(start_time(std::process::id() as i32).unwrap() > 0);
    }
}
