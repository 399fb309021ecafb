//! Differences as words.

use super::canvas::{Canvas, Tone, cut};
use super::clean;
use crate::model::Difference;

/// Columns of a value beyond which it is cut, unless everything was asked for.
const VALUE_COLUMNS: usize = 60;

/// `mode 0600 → 0644`, `+3 −1`; `None` for a consequence, which is told elsewhere.
/// A value whose name stands in the task's title is not named again.
pub fn words(difference: &Difference, title: &str, verbosity: u8) -> Option<String> {
    match difference {
        Difference::Value { what, from, to } => {
            let change = format!(
                "{} → {}",
                value(from.as_deref(), verbosity),
                value(to.as_deref(), verbosity)
            );
            let named = what.is_empty() || format!(" {title} ").contains(&format!(" {what} "));
            Some(if named {
                change
            } else {
                format!("{} {change}", clean::line(what))
            })
        }
        Difference::Lines { added, removed, .. } => Some(match (added, removed) {
            (0, 0) => "line ends or order".to_owned(),
            (added, 0) => format!("+{added}"),
            (0, removed) => format!("−{removed}"),
            (added, removed) => format!("+{added} −{removed}"),
        }),
        Difference::Sealed { what } => Some(format!("{} (secret, not shown)", clean::line(what))),
        Difference::Note(_) => None,
    }
}

fn value(value: Option<&str>, verbosity: u8) -> String {
    match value {
        None => "absent".to_owned(),
        Some("") => "\"\"".to_owned(),
        Some(value) if verbosity > 0 => clean::line(value),
        Some(value) => cut(&clean::line(value), VALUE_COLUMNS),
    }
}

/// `restarts containerd`.
pub fn notes(differences: &[Difference]) -> Vec<String> {
    differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Note(note) => Some(clean::line(note)),
            _ => None,
        })
        .collect()
}

/// All of them in one line, for a log.
pub fn sentence(differences: &[Difference], title: &str, verbosity: u8) -> String {
    let told: Vec<String> = differences
        .iter()
        .filter_map(|difference| words(difference, title, verbosity))
        .chain(notes(differences))
        .collect();
    told.join(", ")
}

/// A diff's lines with their colours, each indented; beyond `most` lines it is cut and says so.
pub fn diff(diff: &str, canvas: &Canvas, indent: usize, most: Option<usize>) -> String {
    let clean = clean::lines(diff);
    let lines: Vec<&str> = clean.lines().collect();
    // One more line than allowed costs no more than saying that it is left out.
    let shown = match most {
        Some(most) if lines.len() > most + 1 => most,
        _ => lines.len(),
    };
    let margin = " ".repeat(indent);
    let mut text = String::new();
    for line in &lines[..shown] {
        let tone = match line.as_bytes().first() {
            Some(b'+') => Tone::Good,
            Some(b'-') => Tone::Bad,
            Some(b'@') => Tone::Quiet,
            _ => Tone::Plain,
        };
        let line = match most {
            Some(_) => cut(line, canvas.left(indent)),
            None => (*line).to_owned(),
        };
        text.push_str(&format!("{margin}{}\n", canvas.paint(tone, &line)));
    }
    if shown < lines.len() {
        let rest = format!("… {} more lines, shown with -v", lines.len() - shown);
        text.push_str(&format!("{margin}{}\n", canvas.paint(Tone::Quiet, &rest)));
    }
    text
}
