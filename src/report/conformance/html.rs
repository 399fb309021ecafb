//! One page that needs nothing else: no script, no other file. It can be filtered on a screen,
//! and printed with all its evidence.

use std::fmt::Write;

use super::junit::escaped;
use super::{Conclusion, Meta, VERDICTS, sentence, shared, sorted, tally, word};
use crate::event::{CheckResult, Verdict};
use crate::report::clean;
use crate::report::ranges::hosts_in_words;

const STYLE: &str = include_str!("style.css");

pub fn html(results: &[CheckResult], meta: &Meta) -> String {
    let tally = tally(results);
    let conclusion = Conclusion::of(&tally);
    let title = escaped(&clean::line(&meta.title()));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    let class = match conclusion {
        Conclusion::Conformant => "passed",
        Conclusion::NotConformant => "failed",
        Conclusion::NotShown | Conclusion::NothingChecked => "unknown",
    };
    let _ = writeln!(
        page,
        "<h1>{title}</h1>\n<p class=\"conclusion {class}\"><strong>{}</strong>: {}.</p>",
        conclusion.words(),
        sentence(&tally)
    );
    let _ = writeln!(
        page,
        "<p class=\"meta\">Checked {} by ra-deploy {}, run {}, on {}.</p>",
        escaped(&meta.at),
        escaped(&meta.version),
        escaped(&meta.run),
        escaped(&clean::line(&hosts_in_words(&meta.hosts)))
    );
    levels(&mut page, results);
    filters(&mut page, results);
    page.push_str("<main>\n");
    for result in sorted(results) {
        requirement(&mut page, result);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// How the verdicts fall for each level.
fn levels(page: &mut String, results: &[CheckResult]) {
    let levels = levels_of(results);
    page.push_str("<table>\n<thead><tr><th scope=\"col\">Level</th>");
    for (_, word) in VERDICTS {
        let _ = write!(page, "<th scope=\"col\">{word}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for level in &levels {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escaped(level));
        for (verdict, _) in VERDICTS {
            let those = results
                .iter()
                .filter(|result| result.level == **level && result.verdict == verdict);
            let _ = write!(page, "<td>{}</td>", those.count());
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
}

/// Levels that occur, the strictest first.
fn levels_of(results: &[CheckResult]) -> Vec<&String> {
    let mut levels: Vec<&String> = Vec::new();
    for result in results {
        if !levels.contains(&&result.level) {
            levels.push(&result.level);
        }
    }
    let rank = |level: &str| {
        ["must", "should", "may"]
            .iter()
            .position(|known| *known == level)
    };
    levels.sort_by_key(|level| rank(level).unwrap_or(usize::MAX));
    levels
}

/// Boxes before the requirements, which the style sheet reads: no script is needed.
fn filters(page: &mut String, results: &[CheckResult]) {
    for (verdict, word) in VERDICTS {
        if results.iter().any(|result| result.verdict == verdict) {
            let class = class(verdict);
            let _ = writeln!(
                page,
                "<input type=\"checkbox\" id=\"show-{class}\" checked><label for=\"show-{class}\">{word}</label>"
            );
        }
    }
    for level in levels_of(results) {
        // The style sheet knows these three.
        if ["must", "should", "may"].contains(&level.as_str()) {
            let _ = writeln!(
                page,
                "<input type=\"checkbox\" id=\"show-{level}\" checked><label for=\"show-{level}\">{level}</label>"
            );
        }
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotApplicable => "not-applicable",
        other => word(other),
    }
}

fn requirement(page: &mut String, result: &CheckResult) {
    let open = match result.verdict {
        Verdict::Failed | Verdict::Unknown => " open",
        _ => "",
    };
    let level = escaped(&clean::line(&result.level));
    let id = escaped(&clean::line(&result.id));
    let _ = writeln!(
        page,
        "<details class=\"requirement {} {level}\" id=\"{id}\"{open}>\n\
         <summary><span class=\"verdict\">{}</span> <span class=\"level\">{level}</span> \
         <code>{id}</code> {}</summary>",
        class(result.verdict),
        word(result.verdict),
        escaped(&clean::line(&result.title))
    );
    page.push_str("<dl>\n");
    for finding in shared(&result.findings) {
        let _ = writeln!(
            page,
            "<dt class=\"{}\">{} <span class=\"verdict\">{}</span></dt>\n<dd><pre>{}</pre>",
            class(finding.verdict),
            escaped(&clean::line(&finding.subjects)),
            word(finding.verdict),
            escaped(&clean::lines(finding.evidence).replace('\t', "    "))
        );
        for question in finding.asked {
            let _ = writeln!(
                page,
                "<p class=\"asked\">asked: <code>{}</code></p>",
                escaped(&clean::line(question))
            );
        }
        page.push_str("</dd>\n");
    }
    page.push_str("</dl>\n");
    if let Some(mend) = &result.mend {
        let mend = escaped(&clean::line(mend));
        let _ = writeln!(page, "<p class=\"mend\">Mended by: {mend}</p>");
    }
    page.push_str("</details>\n");
}
