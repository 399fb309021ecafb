//! Fingerprints of BMCs' certificates put into an inventory's text, everything else left as it
//! was written: comments, order, layout.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::fault::Fault;
use super::node::{Content, Document, Node};
use super::range;
use super::source::{Place, Source};

/// An inventory's text with pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    pub text: String,
    /// What was done otherwise than by a `pin:` at the host itself, for the operator to know.
    pub notes: Vec<String>,
}

/// Puts the pins, by host name, into the text of the inventory at `path`.
///
/// Where hosts share one entry (a range), the pin becomes a map from host name to fingerprint.
///
/// # Errors
/// The text is no YAML, or a host has no entry in it.
pub fn pinned(
    path: &Path,
    text: &str,
    pins: &BTreeMap<String, String>,
) -> Result<Pinned, Vec<Fault>> {
    let source = Source {
        place: Arc::new(Place::File(path.to_owned())),
        text: text.into(),
    };
    let (document, faults) = Document::parse(source)?;
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut editor = Editor {
        text,
        edits: Vec::new(),
        notes: Vec::new(),
    };
    let mut left = pins.clone();
    let hosts = document.root.get("hosts");
    for (key, entry) in hosts.map(Node::pairs).unwrap_or_default() {
        let Ok(names) = range::expand(&key.name) else {
            continue;
        };
        let own: BTreeMap<String, String> = names
            .iter()
            .filter_map(|numbered| left.remove_entry(&numbered.name))
            .collect();
        if own.is_empty() {
            continue;
        }
        let same = own.values().all(|pin| Some(pin) == own.values().next());
        let value = match (own.values().next(), names.len() == own.len() && same) {
            (Some(pin), true) => quoted(pin),
            _ => editor.map_of(&key.name, entry, own),
        };
        let after = key.mark.end as usize;
        editor.entry(&key.name, after, entry, &value);
    }
    if let Some(name) = left.keys().next() {
        let whole = document.spot(document.root.mark);
        return Err(vec![Fault::new(
            whole,
            format!("the host `{name}` has no entry in this file"),
        )]);
    }
    editor.edits.sort_by_key(|(range, _)| range.start);
    let mut edited = text.to_owned();
    for (range, replacement) in editor.edits.iter().rev() {
        edited.replace_range(range.clone(), replacement);
    }
    Ok(Pinned {
        text: edited,
        notes: editor.notes,
    })
}

struct Editor<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, String)>,
    notes: Vec<String>,
}

impl Editor<'_> {
    /// The pins of an entry's hosts as a map, with those that it has already.
    fn map_of(&mut self, name: &str, entry: &Node, own: BTreeMap<String, String>) -> String {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        let old = entry.get("bmc").and_then(|bmc| bmc.get("pin"));
        for (host, pin) in old.map(Node::pairs).unwrap_or_default() {
            if let Some(pin) = pin.text() {
                all.insert(host.name.clone(), pin.to_owned());
            }
        }
        all.extend(own);
        self.notes.push(format!(
            "`{name}` stands for several hosts with certificates of their own: its pin is a map from \
             host name to fingerprint"
        ));
        let pairs: Vec<String> = all
            .iter()
            .map(|(host, pin)| format!("{host}: {}", quoted(pin)))
            .collect();
        format!("{{{}}}", pairs.join(", "))
    }

    fn entry(&mut self, name: &str, after_key: usize, entry: &Node, value: &str) {
        let Some(bmc) = entry.get("bmc") else {
            // Its BMC's address comes from a group or the defaults.
            let pair = format!("bmc: {{pin: {value}}}");
            if entry.pairs().is_empty() {
                self.instead_of_nothing(after_key, entry, &pair);
            } else {
                self.before_first(entry, &pair);
            }
            return;
        };
        let pair = format!("pin: {value}");
        match &bmc.content {
            Content::Scalar(scalar) => {
                let address = quoted(&scalar.text);
                let range = span(bmc);
                self.edits
                    .push((range, format!("{{address: {address}, {pair}}}")));
                self.notes.push(format!(
                    "the BMC's address of `{name}` became a map, to hold the pin"
                ));
            }
            _ => {
                let old = ["pin", "insecure"].iter().find_map(|key| bmc.pair(key));
                if let Some((key, node)) = old {
                    if key.name == "insecure" {
                        self.notes.push(format!(
                            "`{name}` was trusted with `insecure`; the pin is in its place"
                        ));
                    }
                    let end = match &node.content {
                        Content::Scalar(_) => node.mark.end as usize,
                        _ => self.end_of_flow(node),
                    };
                    self.edits.push((key.mark.start as usize..end, pair));
                } else {
                    self.before_first(bmc, &pair);
                }
            }
        }
    }

    /// Before the first pair, on a line of its own where the map is written in lines.
    fn before_first(&mut self, map: &Node, pair: &str) {
        let Some((first, _)) = map.pairs().first() else {
            return;
        };
        let start = first.mark.start as usize;
        let between = match self.text[..start].trim_end().ends_with('{') {
            true => ", ".to_owned(),
            false => format!(
                "\n{}",
                " ".repeat((first.mark.column as usize).saturating_sub(1))
            ),
        };
        self.edits.push((start..start, format!("{pair}{between}")));
    }

    /// In the place of `{}`, `null` or nothing.
    fn instead_of_nothing(&mut self, after_key: usize, entry: &Node, pair: &str) {
        let mut written = span(entry);
        if matches!(entry.content, Content::Map(_)) {
            written.end = self.end_of_flow(entry);
        }
        if written.start > after_key && written.end > written.start {
            self.edits.push((written, format!("{{{pair}}}")));
            return;
        }
        let colon = self.text[after_key..]
            .find(':')
            .map_or(after_key, |offset| after_key + offset + 1);
        self.edits.push((colon..colon, format!(" {{{pair}}}")));
    }

    /// Where a map within braces ends; pins hold no brace of their own.
    fn end_of_flow(&self, node: &Node) -> usize {
        let start = node.mark.start as usize;
        match self.text[start..].find('}') {
            Some(offset) => start + offset + 1,
            None => node.mark.end as usize,
        }
    }
}

fn span(node: &Node) -> Range<usize> {
    node.mark.start as usize..node.mark.end as usize
}

/// A YAML text in double quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, pins: &[(&str, &str)]) -> (String, Vec<String>) {
        let pins = pins
            .iter()
            .map(|(host, pin)| ((*host).to_owned(), (*pin).to_owned()))
            .collect();
        let pinned = pinned(Path::new("east.yaml"), text, &pins).expect("editable");
        (pinned.text, pinned.notes)
    }

    #[test]
    fn each_way_to_write_a_bmc_takes_a_pin_and_the_rest_stays() {
        for (before, after) in [
            (
                "hosts:\n  a: {bmc: \"https://1.2.3.4\"} # first\n",
                "hosts:\n  a: {bmc: {address: \"https://1.2.3.4\", pin: \"P\"}} # first\n",
            ),
            (
                "hosts:\n  a:\n    bmc: https://1.2.3.4   # plain\n    address: 1.1.1.1\n",
                "hosts:\n  a:\n    bmc: {address: \"https://1.2.3.4\", pin: \"P\"}   # plain\n    address: 1.1.1.1\n",
            ),
            (
                "hosts:\n  a:\n    bmc:\n      # where\n      address: 1.2.3.4 # here\n\n  b: {}\n",
                "hosts:\n  a:\n    bmc:\n      # where\n      pin: \"P\"\n      address: 1.2.3.4 # here\n\n  b: {}\n",
            ),
            (
                "hosts: {a: {bmc: {address: 1.2.3.4, insecure: true}}}\n",
                "hosts: {a: {bmc: {address: 1.2.3.4, pin: \"P\"}}}\n",
            ),
            (
                "hosts:\n  a:\n    bmc:\n      pin: 'sha256:old' # old\n      address: 1.2.3.4\n",
                "hosts:\n  a:\n    bmc:\n      pin: \"P\" # old\n      address: 1.2.3.4\n",
            ),
            (
                "hosts:\n  a:\n  b:\n",
                "hosts:\n  a: {bmc: {pin: \"P\"}}\n  b:\n",
            ),
            (
                "hosts: {a: {}, b: {}}\n",
                "hosts: {a: {bmc: {pin: \"P\"}}, b: {}}\n",
            ),
            (
                "hosts:\n  a:\n    address: ä\n",
                "hosts:\n  a:\n    bmc: {pin: \"P\"}\n    address: ä\n",
            ),
        ] {
            assert_eq!(edited(before, &[("a", "P")]).0, after);
        }
    }

    #[test]
    fn a_range_takes_a_map_of_pins_and_keeps_those_it_has() {
        let before = "hosts:\n  w[1-3]: {bmc: \"https://1.2.3.{{ n }}\"} # all\n";
        let (once, notes) = edited(before, &[("w1", "P"), ("w2", "Q")]);
        assert_eq!(
            once,
            "hosts:\n  w[1-3]: {bmc: {address: \"https://1.2.3.{{ n }}\", pin: {w1: \"P\", w2: \"Q\"}}} # all\n"
        );
        assert_eq!(notes.len(), 2);
        let (twice, _) = edited(&once, &[("w3", "R"), ("w2", "S")]);
        assert!(
            twice.contains("pin: {w1: \"P\", w2: \"S\", w3: \"R\"}}} # all"),
            "{twice}"
        );
        let (same, _) = edited(before, &[("w1", "P"), ("w2", "P"), ("w3", "P")]);
        assert!(same.contains("pin: \"P\"}"), "{same}");
    }

    #[test]
    fn a_host_without_an_entry_is_a_fault() {
        let pins = BTreeMap::from([("b".to_owned(), "P".to_owned())]);
        let faults = pinned(Path::new("x.yaml"), "hosts: {a: {}}\n", &pins).unwrap_err();
        assert!(faults[0].message.contains("`b`"));
    }
}
