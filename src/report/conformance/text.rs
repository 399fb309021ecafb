//! For people: what needs one first, with its evidence.

use super::{Conclusion, Meta, VERDICTS, sentence, shared, sorted, tally, word};
use crate::event::{CheckResult, Verdict};
use crate::report::canvas::{Canvas, Tone, pad, width, wrap};
use crate::report::clean;
use crate::report::words::count;

/// Widest column of host names.
const SUBJECT_COLUMNS: usize = 20;

/// Failed, unknown and waived requirements with their evidence; the others too when everything is
/// asked for.
pub fn text(results: &[CheckResult], meta: &Meta, canvas: &Canvas, verbosity: u8) -> String {
    let head = format!("{}, {}", meta.title(), meta.at);
    let mut text = format!("{}\n\n", canvas.paint(Tone::Strong, &clean::line(&head)));
    let shown = |result: &&CheckResult| {
        let quiet = matches!(result.verdict, Verdict::Passed | Verdict::NotApplicable);
        verbosity > 0 || !quiet
    };
    let rows: Vec<&CheckResult> = sorted(results).into_iter().filter(shown).collect();
    let widest = |cell: fn(&CheckResult) -> &str| {
        let widths = rows.iter().map(|result| width(cell(result)));
        widths.max().unwrap_or(0)
    };
    let columns = Columns {
        verdict: widest(|result| word(result.verdict)),
        level: widest(|result| &result.level),
        id: widest(|result| &result.id),
    };
    for result in &rows {
        row(&mut text, result, &columns, canvas, verbosity);
    }
    if !rows.is_empty() {
        text.push('\n');
    }
    let tally = tally(results);
    let tone = match Conclusion::of(&tally) {
        Conclusion::Conformant => Tone::Good,
        _ => Tone::Bad,
    };
    let conclusion = format!("{}: {}.", Conclusion::of(&tally).words(), sentence(&tally));
    for line in wrap(&conclusion, canvas.left(0)) {
        text.push_str(&canvas.paint(tone, &line));
        text.push('\n');
    }
    text
}

struct Columns {
    verdict: usize,
    level: usize,
    id: usize,
}

fn row(text: &mut String, result: &CheckResult, columns: &Columns, canvas: &Canvas, verbosity: u8) {
    let tone = match result.verdict {
        Verdict::Passed => Tone::Good,
        Verdict::Failed => Tone::Bad,
        Verdict::Unknown => Tone::Change,
        Verdict::Waived | Verdict::NotApplicable => Tone::Quiet,
    };
    let verdict = pad(word(result.verdict), columns.verdict);
    let begin = format!(
        "{}  {}  {}  ",
        canvas.paint(tone, &verdict),
        pad(&clean::line(&result.level), columns.level),
        pad(&clean::line(&result.id), columns.id)
    );
    let indent = columns.verdict + columns.level + columns.id + 6;
    folded(text, canvas, &begin, indent, &clean::line(&result.title));
    if result.verdict == Verdict::Passed && verbosity < 1 {
        return;
    }
    let findings = shared(&result.findings);
    // Hosts that are as they should be say little beside those that are not.
    let against = |verdict| matches!(verdict, Verdict::Failed | Verdict::Unknown);
    let told = findings
        .iter()
        .filter(|finding| verbosity > 0 || !against(result.verdict) || against(finding.verdict));
    let told: Vec<_> = told.collect();
    let subjects = told.iter().map(|finding| width(&finding.subjects));
    let subject = subjects
        .filter(|&width| width <= SUBJECT_COLUMNS)
        .max()
        .unwrap_or(0)
        .max(5);
    for finding in &told {
        let subjects = clean::line(&finding.subjects);
        let word = match finding.verdict {
            verdict if verdict == result.verdict => String::new(),
            verdict => format!("{}: ", word(verdict)),
        };
        let evidence = format!("{word}{}", clean::lines(finding.evidence));
        labelled(text, canvas, &subjects, subject, &evidence);
        if verbosity > 0 || against(finding.verdict) {
            for question in finding.asked {
                labelled(text, canvas, "asked", subject, &clean::line(question));
            }
        }
    }
    let rest: usize = VERDICTS
        .iter()
        .filter(|(verdict, _)| told.iter().all(|finding| finding.verdict != *verdict))
        .map(|(verdict, _)| {
            let others = result
                .findings
                .iter()
                .filter(|finding| finding.verdict == *verdict);
            others.count()
        })
        .sum();
    if rest > 0 {
        let words = format!("{}, shown with -v", count(rest, "other finding"));
        labelled(text, canvas, "", subject, &words);
    }
    if against(result.verdict)
        && let Some(mend) = &result.mend
    {
        labelled(text, canvas, "mend", subject, &clean::line(mend));
    }
}

fn labelled(text: &mut String, canvas: &Canvas, label: &str, columns: usize, what: &str) {
    let indent = columns + 6;
    let mut begin = format!("    {}  ", canvas.paint(Tone::Quiet, &pad(label, columns)));
    if width(label) > columns {
        folded(text, canvas, "    ", 4, label);
        begin = " ".repeat(indent);
    }
    folded(text, canvas, &begin, indent, what);
}

fn folded(text: &mut String, canvas: &Canvas, begin: &str, indent: usize, what: &str) {
    for (number, line) in wrap(what, canvas.left(indent)).iter().enumerate() {
        let begin = match number {
            0 => begin.to_owned(),
            _ => " ".repeat(indent),
        };
        text.push_str(format!("{begin}{line}").trim_end());
        text.push('\n');
    }
}
