//! Differences of texts, as a plan shows them.

use similar::{ChangeTag, TextDiff};

use crate::model::Difference;

/// Lines that differ, with two lines around each place. A text that is longer than this many
/// lines of difference is cut, and says so.
const SHOWN_LINES: usize = 60;

/// How `old` becomes `new`; `None` when they are equal.
pub fn lines(old: &str, new: &str) -> Option<Difference> {
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
