//! Differences of texts, as a plan shows them.

use similar::{ChangeTag, TextDiff};

use crate::model::Difference;

/// Lines that differ, with two lines around each place. A text that is longer than this many
/// lines of difference is cut, and says so.
const SHOWN_LINES: usize = 60;

/// What stands for a line that may be secret.
const HIDDEN: &str = "-‹not shown: it was not for everybody to read›";

/// Whether the lines that go are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldLines {
    Shown,
    /// Others than those that stay, which the new text holds too.
    Hidden,
}

/// How `old` becomes `new`; `None` when they are equal.
pub fn lines(old: &str, new: &str, old_lines: OldLines) -> Option<Difference> {
    if old == new {
        return None;
    }
    let diff = TextDiff::from_lines(old, new);
    let count = |tag| {
        diff.iter_all_changes()
            .filter(|change| change.tag() == tag)
            .count()
    };
    let unified = diff.unified_diff().context_radius(2).to_string();
    let total = unified.lines().count();
    let mut shown: String = unified
        .lines()
        .take(SHOWN_LINES)
        .map(|line| match old_lines {
            OldLines::Hidden if line.starts_with('-') => HIDDEN,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    if total > SHOWN_LINES {
        shown.push_str(&format!("… {} more lines\n", total - SHOWN_LINES));
    }
    Some(Difference::Lines {
        added: count(ChangeTag::Insert),
        removed: count(ChangeTag::Delete),
        diff: shown,
    })
}
