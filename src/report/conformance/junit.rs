//! JUnit XML, which every continuous integration shows: one suite, a case for each requirement.
//! Failed is a failure, unknown an error, waived and not applicable are skipped.

use std::fmt::Write;

use super::{Meta, shared, tally, word};
use crate::event::{CheckResult, Verdict};
use crate::report::clean;

pub fn junit(results: &[CheckResult], meta: &Meta) -> String {
    let tally = tally(results);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let _ = writeln!(
        text,
        "  <testsuite name=\"{}\" timestamp=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" \
         skipped=\"{}\">",
        escaped(&meta.title()),
        escaped(meta.at.trim_end_matches('Z')),
        results.len(),
        tally.failed,
        tally.unknown,
        tally.waived + tally.not_applicable,
    );
    let suite = meta.profile.as_deref().unwrap_or(&meta.site);
    for result in results {
        let _ = write!(
            text,
            "    <testcase classname=\"{}.{}\" name=\"{}: {}\"",
            escaped(suite),
            escaped(&result.level),
            escaped(&result.id),
            escaped(&clean::line(&result.title)),
        );
        let element = match result.verdict {
            Verdict::Passed => None,
            Verdict::Failed => Some("failure"),
            Verdict::Unknown => Some("error"),
            Verdict::Waived | Verdict::NotApplicable => Some("skipped"),
        };
        match element {
            None => {
                let _ = writeln!(
                    text,
                    ">\n      <system-out>{}</system-out>\n    </testcase>",
                    escaped(&evidence(result))
                );
            }
            // Skipped cases have a message and no text.
            Some(name @ "skipped") => {
                let message = format!("{}: {}", word(result.verdict), evidence(result));
                let message = escaped(&clean::line(
                    &message.replace('\n', "; ").replace(";   ", "; "),
                ));
                let _ = writeln!(
                    text,
                    ">\n      <{name} message=\"{message}\"/>\n    </testcase>"
                );
            }
            Some(name) => {
                let _ = writeln!(
                    text,
                    ">\n      <{name} type=\"{}\" message=\"{}\">{}</{name}>\n    </testcase>",
                    escaped(&result.level),
                    escaped(&message(result)),
                    escaped(&evidence(result)),
                );
            }
        }
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// The first thing that speaks against it.
fn message(result: &CheckResult) -> String {
    let first = shared(&result.findings).into_iter().next();
    first.map_or_else(
        || word(result.verdict).to_owned(),
        |finding| {
            let line = finding.evidence.lines().next().unwrap_or_default();
            format!("{}: {}", clean::line(&finding.subjects), clean::line(line))
        },
    )
}

fn evidence(result: &CheckResult) -> String {
    let mut lines = Vec::new();
    for finding in shared(&result.findings) {
        let evidence = clean::lines(finding.evidence);
        let subjects = clean::line(&finding.subjects);
        let verdict = match finding.verdict {
            verdict if verdict == result.verdict => String::new(),
            verdict => format!("{}: ", word(verdict)),
        };
        lines.push(format!("{subjects}: {verdict}{evidence}"));
        for question in finding.asked {
            lines.push(format!("  asked: {}", clean::line(question)));
        }
    }
    if let Some(mend) = &result.mend {
        lines.push(format!("mended by: {}", clean::line(mend)));
    }
    lines.join("\n")
}

/// For XML and HTML alike, in texts and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // No XML document may hold them, not even escaped.
            '\u{FFFE}' | '\u{FFFF}' => safe.push('\u{FFFD}'),
            '\n' | '\t' => safe.push(character),
            _ if character.is_control() => safe.extend(character.escape_default()),
            _ => safe.push(character),
        }
    }
    safe
}
