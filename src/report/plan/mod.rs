//! A plan as sentences a person would say: one line for each change, hosts that get the same
//! change together.

mod boots;
mod sum;

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use indexmap::IndexMap;

use crate::event::Outcome;
use crate::model::Difference;
use crate::report::account::Planned;
use crate::report::canvas::{Canvas, Tone, pad, width, wrap};
use crate::report::ranges::hosts_in_words;
use crate::report::{clean, difference};
use crate::resource::KINDS;
use boots::Boots;
use sum::{sum, unknown};

/// Lines of a diff that are shown unless everything was asked for: a tired reader sees what
/// changes without losing sight of the plan.
const DIFF_LINES: usize = 12;
/// Columns of host names beyond which they get a line of their own.
const HOST_COLUMNS: usize = 22;
/// Columns of titles and of details up to which rows are aligned.
const HEAD_COLUMNS: usize = 52;
const DETAIL_COLUMNS: usize = 32;
/// Hosts that get the same change in different values, from which on only one is shown.
const ALIKE: usize = 3;

/// What a plan is told from.
pub struct Told<'plan> {
    pub tasks: Vec<&'plan Planned>,
    /// Every host of the run, in inventory order.
    pub hosts: &'plan [String],
    /// Hosts that could not be asked.
    pub failed: BTreeSet<&'plan str>,
}

/// The rows, then the sentence that sums them up.
pub fn text(told: &Told<'_>, canvas: &Canvas, verbosity: u8) -> String {
    let mut text = rows(told, canvas, verbosity);
    if !text.is_empty() {
        text.push('\n');
    }
    for sentence in unknown(told, canvas, verbosity) {
        text.push_str(&sentence);
        text.push('\n');
    }
    text.push_str(&sum(told));
    text.push('\n');
    text
}

/// One change of one or many hosts.
struct Row<'plan> {
    hosts: BTreeSet<usize>,
    index: usize,
    kind: String,
    name: String,
    details: Vec<String>,
    notes: Vec<String>,
    diffs: Vec<&'plan str>,
    tone: Tone,
}

fn rows(told: &Told<'_>, canvas: &Canvas, verbosity: u8) -> String {
    let rows = merged(told, verbosity);
    // Hosts that share a row, by inventory order; the larger set first.
    let mut blocks: BTreeMap<(usize, std::cmp::Reverse<usize>, BTreeSet<usize>), Vec<Row<'_>>> =
        BTreeMap::new();
    for row in rows {
        let first = row.hosts.first().copied().unwrap_or(usize::MAX);
        let key = (first, std::cmp::Reverse(row.hosts.len()), row.hosts.clone());
        blocks.entry(key).or_default().push(row);
    }
    let labels: Vec<String> = blocks
        .keys()
        .map(|(_, _, hosts)| {
            let names = hosts.iter().filter_map(|&host| told.hosts.get(host));
            clean::line(&hosts_in_words(names))
        })
        .collect();
    let widest = |texts: &mut dyn Iterator<Item = &String>, most| {
        let widths = texts.map(|text| width(text));
        widths.filter(|&width| width <= most).max().unwrap_or(0)
    };
    let all = || blocks.values().flatten();
    let mut columns = Columns {
        host: widest(&mut labels.iter(), HOST_COLUMNS),
        kind: widest(&mut all().map(|row| &row.kind), usize::MAX),
        head: 0,
        detail: all()
            .map(|row| width(&row.details.join(", ")))
            .filter(|&width| width <= DETAIL_COLUMNS)
            .max()
            .unwrap_or(0),
    };
    let heads = all().map(|row| match row.kind.as_str() {
        "" => width(&row.name),
        _ => columns.kind + 2 + width(&row.name),
    });
    columns.head = heads
        .filter(|&width| width <= HEAD_COLUMNS)
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (label, rows) in labels.iter().zip(blocks.values_mut()) {
        rows.sort_by_key(|row| row.index);
        let mut shown = label.as_str();
        if width(label) > columns.host {
            for line in wrap(label, canvas.left(0)) {
                text.push_str(&canvas.paint(Tone::Strong, &line));
                text.push('\n');
            }
            shown = "";
        }
        for row in rows {
            text.push_str(&row.text(shown, &columns, canvas, verbosity));
        }
    }
    text
}

struct Columns {
    host: usize,
    kind: usize,
    /// The kind and the name.
    head: usize,
    detail: usize,
}

impl Row<'_> {
    fn text(&self, host: &str, columns: &Columns, canvas: &Canvas, verbosity: u8) -> String {
        let indent = columns.host + 2;
        let mut label = canvas.paint(Tone::Strong, host);
        label.push_str(&" ".repeat(indent - width(host).min(indent)));
        let head = match self.kind.as_str() {
            "" => self.name.clone(),
            kind => format!("{}  {}", pad(kind, columns.kind), self.name),
        };
        let aligned = pad(&head, columns.head);
        let detail = self.details.join(", ");
        let notes = self.notes.join(", ");
        let gap = if notes.is_empty() { "" } else { "  " };
        let room = canvas.left(indent);
        // As aligned as it can be: notes first give up their column.
        let padding = [columns.detail, 0].into_iter().find_map(|column| {
            let padded = width(&detail).max(column);
            let line = width(&aligned) + 2 + padded + gap.len() + width(&notes);
            (line <= room).then_some(padded - width(&detail))
        });
        let mut text = label;
        if let Some(padding) = padding {
            let detail = canvas.paint(self.tone, &detail);
            let line = format!("{aligned}  {detail}{}{gap}{notes}", " ".repeat(padding));
            text.push_str(line.trim_end());
            text.push('\n');
        } else {
            let mut lines = wrap(&head, canvas.left(indent)).into_iter();
            text.push_str(lines.next().unwrap_or_default().trim_end());
            text.push('\n');
            let inner = indent + 4;
            let told = self.details.iter().map(|detail| (self.tone, detail));
            let told = told.chain(self.notes.iter().map(|note| (Tone::Plain, note)));
            let folded = told.flat_map(|(tone, text)| {
                wrap(text, canvas.left(inner))
                    .into_iter()
                    .map(move |line| (tone, line))
            });
            for (tone, line) in lines.map(|line| (Tone::Plain, line)).chain(folded) {
                text.push_str(&" ".repeat(inner));
                text.push_str(&canvas.paint(tone, &line));
                text.push('\n');
            }
        }
        let most = (verbosity == 0).then_some(DIFF_LINES);
        for diff in &self.diffs {
            text.push_str(&difference::diff(diff, canvas, indent + 4, most));
        }
        text
    }
}

/// Equal changes of several hosts as one row; changes that only differ in their values too, from
/// three such groups on and unless everything was asked for.
fn merged<'plan>(told: &Told<'plan>, verbosity: u8) -> Vec<Row<'plan>> {
    let positions: BTreeMap<&str, usize> = told
        .hosts
        .iter()
        .enumerate()
        .map(|(position, host)| (host.as_str(), position))
        .collect();
    let boots = Boots::count(told);
    let mut equal: IndexMap<String, Row<'plan>> = IndexMap::new();
    let mut alike: IndexMap<String, Vec<String>> = IndexMap::new();
    for planned in &told.tasks {
        let Some(row) = row(planned, &boots, verbosity) else {
            continue;
        };
        let task = &planned.task;
        let differences = planned.change.as_ref().map(|change| &change.differences);
        let shape: Vec<_> = differences
            .into_iter()
            .flatten()
            .map(|difference| match difference {
                Difference::Value { what, .. } => format!("value {what}"),
                other => format!("{:?}", discriminant(other)),
            })
            .collect();
        let shape = format!(
            "{:?}",
            (&task.role, &task.title, shape, &row.notes, planned.outcome)
        );
        let exact = format!("{:?}", (&shape, &row.details, &row.diffs));
        let position = positions.get(task.host.as_str()).copied();
        let entry = equal.entry(exact.clone()).or_insert_with(|| {
            alike.entry(shape).or_default().push(exact);
            row
        });
        entry.hosts.extend(position);
    }
    let mut rows = Vec::new();
    for group in alike.into_values() {
        let mut members = group.iter().filter_map(|exact| equal.swap_remove(exact));
        if verbosity == 0 && group.len() >= ALIKE {
            if let Some(mut row) = members.next() {
                let example = row.hosts.first().and_then(|&host| told.hosts.get(host));
                let example = example.map_or("", String::as_str);
                for other in members {
                    row.hosts.extend(other.hosts);
                }
                row.notes.push(format!(
                    "as on {}; differs from host to host",
                    clean::line(example)
                ));
                rows.push(row);
            }
        } else {
            rows.extend(members);
        }
    }
    rows
}

fn row<'plan>(planned: &'plan Planned, boots: &Boots<'_>, verbosity: u8) -> Option<Row<'plan>> {
    let title = clean::line(&planned.task.title);
    let (kind, name) = kind_and_name(&title);
    let mut row = Row {
        hosts: BTreeSet::new(),
        index: planned.task.index,
        kind,
        name,
        details: Vec::new(),
        notes: Vec::new(),
        diffs: Vec::new(),
        tone: Tone::Quiet,
    };
    if planned.unknown.is_some() {
        return None;
    }
    let word = match planned.outcome {
        Outcome::WouldChange | Outcome::Changed => None,
        Outcome::Failed => {
            row.tone = Tone::Bad;
            Some("cannot be planned")
        }
        Outcome::Unchanged if verbosity > 1 => Some("as it should be"),
        Outcome::Skipped if verbosity > 1 => Some("not needed here"),
        Outcome::Unchanged | Outcome::Skipped => return None,
    };
    if let Some(word) = word {
        row.details.push(word.to_owned());
        return Some(row);
    }
    row.tone = Tone::Change;
    if let Some(change) = &planned.change {
        let told = change.differences.iter();
        row.details = told
            .filter_map(|difference| difference::words(difference, &title, verbosity))
            .collect();
        row.notes = difference::notes(&change.differences);
        if change.boots && !row.notes.iter().any(|note| note.contains("reboot")) {
            row.notes.extend(boots.note(&planned.task.host));
        }
        row.diffs = change
            .differences
            .iter()
            .filter_map(|difference| match difference {
                Difference::Lines { diff, .. } => Some(diff.as_str()),
                _ => None,
            })
            .collect();
    }
    Some(row)
}

/// `file` and `/etc/hosts`; a title that does not begin with a kind is a name alone.
fn kind_and_name(title: &str) -> (String, String) {
    if let Some((first, rest)) = title.split_once(' ') {
        let word = first.to_lowercase();
        let is_kind = |name: &str| {
            let rest = name.strip_prefix(word.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        if KINDS.iter().any(|kind| is_kind(kind.name)) {
            let kind = match first {
                "bios" => "BIOS",
                first => first,
            };
            return (kind.to_owned(), rest.to_owned());
        }
    }
    (String::new(), title.to_owned())
}

fn is_change(planned: &Planned) -> bool {
    planned.unknown.is_none() && matches!(planned.outcome, Outcome::WouldChange | Outcome::Changed)
}
