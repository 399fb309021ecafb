//! The sentences below a plan's rows.

use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};

use super::boots::Boots;
use super::{Told, is_change};
use crate::event::Outcome;
use crate::report::canvas::{Canvas, wrap};
use crate::report::clean;
use crate::report::ranges::hosts_in_words;
use crate::report::words::count;

/// What cannot be known yet: `27 tasks cannot be known until w07 is up.`
pub(super) fn unknown(told: &Told<'_>, canvas: &Canvas, verbosity: u8) -> Vec<String> {
    // Hosts that wait for the same, each with its titles; the host's own name is left out of
    // the reason, so that forty hosts that are off make one sentence.
    let mut hosts: IndexMap<(&str, &str), Vec<&str>> = IndexMap::new();
    for planned in &told.tasks {
        if let Some(reason) = &planned.unknown {
            let key = (planned.task.host.as_str(), reason.as_str());
            hosts.entry(key).or_default().push(&planned.task.title);
        }
    }
    let mut sentences: IndexMap<(usize, String), Vec<(&str, &str)>> = IndexMap::new();
    for (&(host, reason), titles) in &hosts {
        let general = words_replaced(reason, host, "the host");
        let key = (titles.len(), general);
        sentences.entry(key).or_default().push((host, reason));
    }
    let mut told = Vec::new();
    for ((tasks, general), members) in sentences {
        let sentence = match members.as_slice() {
            [(host, reason)] if reason.contains(host) => {
                format!("{} cannot be known until {reason}.", count(tasks, "task"))
            }
            members => format!(
                "{}: {} cannot be known until {general}.",
                hosts_in_words(members.iter().map(|(host, _)| host)),
                match members.len() {
                    1 => count(tasks, "task"),
                    _ => format!("{} each", count(tasks, "task")),
                }
            ),
        };
        told.extend(wrap(&clean::line(&sentence), canvas.left(0)));
        if verbosity > 0 {
            let titles = members.iter().flat_map(|member| &hosts[member]);
            let titles: IndexSet<&&str> = titles.collect();
            told.extend(
                titles
                    .into_iter()
                    .map(|title| format!("    {}", clean::line(title))),
            );
        }
    }
    told
}

/// The reason with the host's name replaced where it stands as a word.
fn words_replaced(reason: &str, host: &str, by: &str) -> String {
    let words: Vec<&str> = reason
        .split(' ')
        .map(|word| if word == host { by } else { word })
        .collect();
    words.join(" ")
}

/// `Plan: 3 hosts change (11 changes, 1 reboot), 40 hosts as they should be.`
pub(super) fn sum(told: &Told<'_>) -> String {
    let mut changing = BTreeSet::new();
    let mut asked = BTreeSet::new();
    let mut waiting = BTreeSet::new();
    let mut failed = told.failed.clone();
    let mut changes = 0;
    for planned in &told.tasks {
        let host = planned.task.host.as_str();
        asked.insert(host);
        if planned.unknown.is_some() {
            waiting.insert(host);
        } else if is_change(planned) {
            changing.insert(host);
            changes += 1;
        } else if planned.outcome == Outcome::Failed {
            failed.insert(host);
        }
    }
    let only = |hosts: &BTreeSet<&str>| {
        let others = hosts.iter().filter(|host| !changing.contains(*host));
        others.count()
    };
    let settled = asked.iter().filter(|host| {
        !changing.contains(*host) && !waiting.contains(*host) && !failed.contains(*host)
    });
    let settled = settled.count();
    let mut parts = Vec::new();
    if changing.is_empty() {
        let whole = waiting.is_empty() && failed.is_empty();
        let words = if whole {
            "nothing to do"
        } else {
            "no change is known"
        };
        parts.push(words.to_owned());
    } else {
        let reboots = match Boots::count(told).reboots() {
            0 => String::new(),
            reboots => format!(", {}", count(reboots, "reboot")),
        };
        let verb = if changing.len() == 1 {
            "changes"
        } else {
            "change"
        };
        parts.push(format!(
            "{} {verb} ({}{reboots})",
            count(changing.len(), "host"),
            count(changes, "change")
        ));
    }
    match settled {
        0 => {}
        1 => parts.push("1 host as it should be".to_owned()),
        settled => parts.push(format!("{settled} hosts as they should be")),
    }
    waiting.retain(|host| !failed.contains(host));
    match only(&waiting) {
        0 => {}
        hosts => parts.push(format!("{} cannot be known yet", count(hosts, "host"))),
    }
    match failed.len() {
        0 => {}
        hosts => parts.push(format!("{} could not be planned", count(hosts, "host"))),
    }
    let known = |host: &&String| asked.contains(host.as_str()) || failed.contains(host.as_str());
    match told.hosts.len() - told.hosts.iter().filter(known).count() {
        0 => {}
        hosts => parts.push(format!("{} not asked", count(hosts, "host"))),
    }
    format!("Plan: {}.", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TaskName;
    use crate::model::bmc::{BmcAct, PowerGoal};
    use crate::model::{Action, Change, Difference};
    use crate::report::account::Planned;
    use crate::report::plan::text;

    fn planned(host: &str, index: usize, outcome: Outcome, change: Option<Change>) -> Planned {
        Planned {
            task: TaskName {
                host: host.to_owned(),
                role: "node".to_owned(),
                index,
                title: format!("task {index}"),
            },
            outcome,
            change,
            unknown: None,
        }
    }

    fn bios() -> Change {
        let difference = Difference::value("SriovGlobalEnable", None, "Enabled".to_owned());
        Change::at_boot(vec![difference], vec![Action::Run("true".into())])
    }

    fn act(action: Action) -> Change {
        let difference = Difference::value("boot", None, "new".to_owned());
        Change::from(vec![difference], vec![action])
    }

    fn told(tasks: &[Planned], hosts: &[&str]) -> String {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let told = Told {
            tasks: tasks.iter().collect(),
            hosts: &hosts,
            failed: BTreeSet::new(),
        };
        text(&told, &Canvas::default(), 0)
    }

    #[test]
    fn nothing_to_do() {
        let tasks = [
            planned("w1", 0, Outcome::Unchanged, None),
            planned("w2", 0, Outcome::Skipped, None),
        ];
        let text = told(&tasks, &["w1", "w2"]);
        assert_eq!(text, "Plan: nothing to do, 2 hosts as they should be.\n");
        let text = told(&tasks, &["w1", "w2", "w3"]);
        assert_eq!(
            text,
            "Plan: nothing to do, 2 hosts as they should be, 1 host not asked.\n"
        );
    }

    #[test]
    fn hosts_that_are_off_make_one_sentence() {
        let mut tasks = Vec::new();
        for host in ["w1", "w2", "w3"] {
            for index in 0..27 {
                let unknown = Some(format!("{host} is up"));
                let planned = planned(host, index, Outcome::WouldChange, None);
                tasks.push(Planned { unknown, ..planned });
            }
        }
        assert_eq!(
            told(&tasks, &["w1", "w2", "w3"]),
            "w[1-3]: 27 tasks each cannot be known until the host is up.\n\
             Plan: no change is known, 3 hosts cannot be known yet.\n"
        );
    }

    #[test]
    fn boots_are_counted_once() {
        let change = Outcome::WouldChange;
        let start = Action::Bmc(BmcAct::Power(PowerGoal::On));
        let tasks = [
            // Two changes and the reboot that serves both.
            planned("w1", 0, change, Some(bios())),
            planned("w1", 1, change, Some(bios())),
            planned("w1", 2, change, Some(act(Action::Reboot))),
            // A change that nothing in the walk boots for.
            planned("w2", 0, change, Some(bios())),
            // A host that is off: it starts, and that is no reboot.
            planned("w3", 0, change, Some(bios())),
            planned("w3", 1, change, Some(act(start))),
        ];
        let text = told(&tasks, &["w1", "w2", "w3"]);
        let notes: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once("Enabled"))
            .map(|(_, note)| note.trim())
            .collect();
        assert_eq!(
            notes,
            [
                "needs 1 reboot (shared with 1 other change)",
                "needs 1 reboot (shared with 1 other change)",
                "needs 1 reboot",
                "takes effect when the host starts",
            ]
        );
        let last = text.lines().last().unwrap();
        assert_eq!(last, "Plan: 3 hosts change (6 changes, 2 reboots).");
    }
}
