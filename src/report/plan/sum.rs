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
