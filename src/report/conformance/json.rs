//! For programs.

use serde::Serialize;

use super::{Conclusion, Meta, tally};
use crate::event::{CheckCount, CheckResult};

/// One document: `format`, `meta`, `conclusion`, `tally`, `results`.
pub fn json(results: &[CheckResult], meta: &Meta) -> String {
    let tally = tally(results);
    let document = Document {
        format: 1,
        meta,
        conclusion: Conclusion::of(&tally),
        tally,
        results,
    };
    // Strings, numbers and lists only: there is nothing in it that JSON cannot say.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Document<'report> {
    /// Grows when a field changes its meaning.
    format: u32,
    meta: &'report Meta,
    conclusion: Conclusion,
    tally: CheckCount,
    results: &'report [CheckResult],
}
