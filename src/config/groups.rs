//! The inventory's groups.

use super::desk::Desk;
use super::fault::Fault;
use super::file_inventory::InventoryFile;
use super::inventory::{Entry, Fleet};
use super::nearest::suggestion;
use super::node::{Document, Node};
use super::range;

/// Fills the groups and says for each host which ones hold it, in the file's order.
pub(super) fn groups<'a>(
    file: &'a InventoryFile,
    document: &'a Document,
    entries: &[Entry<'_>],
    fleet: &mut Fleet<'_>,
    desk: &mut Desk<'_>,
) -> Vec<Vec<&'a str>> {
    let mut members: Vec<Vec<&'a str>> = vec![Vec::new(); entries.len()];
    let nodes = document
        .root
        .get("groups")
        .map(Node::pairs)
        .unwrap_or_default();
    for (key, node) in nodes {
        let spot = document.spot(key.mark);
        if key.name == "all" {
            desk.fault(
                Fault::new(spot, "`all` is every host already")
                    .help("give the group another name, or put it into `defaults`"),
            );
            continue;
        }
        if let Some(other) = fleet.names.get(&key.name) {
            desk.fault(
                Fault::new(
                    spot,
                    format!("`{}` is the name of a host and of a group", key.name),
                )
                .related(entries[*other].spot.clone(), "the host")
                .help("give one of them another name"),
            );
            continue;
        }
        let mut chosen: Vec<usize> = Vec::new();
        let listed = node.get("hosts").filter(|hosts| !hosts.is_null());
        for item in listed.map(Node::one_or_many).unwrap_or_default() {
            let Some(text) = item.text() else { continue };
            for name in split(text) {
                chosen.extend(member(name, item, (file, document), &key.name, fleet, desk));
            }
        }
        chosen.sort_unstable();
        chosen.dedup();
        let Some((_, name, _)) = file.groups.get_full(&key.name) else {
            continue;
        };
        for index in &chosen {
            members[*index].push(name);
        }
        let names = chosen
            .iter()
            .map(|index| entries[*index].numbered.name.clone());
        fleet.groups.insert(key.name.clone(), names.collect());
    }
    let all = entries.iter().map(|entry| entry.numbered.name.clone());
    fleet.groups.insert("all".to_owned(), all.collect());
    members
}

/// Names and ranges of a text, separated by commas outside of brackets.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn member(
    name: &str,
    item: &Node,
    (file, document): (&InventoryFile, &Document),
    group: &str,
    fleet: &Fleet<'_>,
    desk: &mut Desk<'_>,
) -> Vec<usize> {
    let names = match range::expand(name) {
        Ok(names) => names,
        Err(fault) => {
            let spot = document.spot_within(item.mark, &name[fault.range.clone()]);
            desk.fault(Fault::new(spot, fault.message).help(fault.help));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for numbered in names {
        match fleet.names.get(&numbered.name) {
            Some(index) => found.push(*index),
            None if file.groups.contains_key(name) => {
                desk.fault(
                    Fault::new(
                        document.spot_within(item.mark, name),
                        format!("the group `{group}` names the group `{name}`"),
                    )
                    .help("a group holds hosts: name those of the other group too"),
                );
                break;
            }
            None => {
                let known = fleet.names.keys().map(String::as_str);
                let mut known: Vec<&str> = known.collect();
                known.sort_unstable();
                desk.fault(
                    Fault::new(
                        document.spot_within(item.mark, name),
                        format!(
                            "the group `{group}` names `{}`, which is no host",
                            numbered.name
                        ),
                    )
                    .help(suggestion(
                        &numbered.name,
                        "hosts",
                        known.iter().copied(),
                    )),
                );
                break;
            }
        }
    }
    found
}
