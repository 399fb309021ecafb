//! The proof: every requirement with its verdict and its evidence, for people, for programs, for
//! continuous integration and for paper.

mod html;
mod json;
mod junit;
mod text;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::account::Run;
use super::ranges::hosts_in_words;
use super::words::count;
use crate::event::{CheckCount, CheckFinding, CheckResult, Verdict};

pub use html::html;
pub use json::json;
pub use junit::junit;
pub use text::text;

/// What was checked, when, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    pub site: String,
    pub profile: Option<String>,
    /// RFC 3339, UTC.
    pub at: String,
    /// Identifier of the run.
    pub run: String,
    pub hosts: Vec<String>,
    /// Version of ra-deploy.
    pub version: String,
}

impl Meta {
    pub fn of(run: &Run) -> Self {
        Self {
            site: run.site.clone(),
            profile: run.profile.clone(),
            at: run.at.clone(),
            run: run.run.clone(),
            hosts: run.hosts.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// `Conformance of east to anuket-ra2/basic`.
    fn title(&self) -> String {
        match &self.profile {
            Some(profile) => format!("Conformance of {} to {profile}", self.site),
            None => format!("Conformance of {}", self.site),
        }
    }
}

/// How the verdicts fall.
pub fn tally(results: &[CheckResult]) -> CheckCount {
    let mut tally = CheckCount::default();
    for result in results {
        *match result.verdict {
            Verdict::Passed => &mut tally.passed,
            Verdict::Failed => &mut tally.failed,
            Verdict::Unknown => &mut tally.unknown,
            Verdict::Waived => &mut tally.waived,
            Verdict::NotApplicable => &mut tally.not_applicable,
        } += 1;
    }
    tally
}

/// What the tally comes to. Unknown is never conformant, and neither is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    Conformant,
    NotConformant,
    /// Something could not be checked.
    NotShown,
    NothingChecked,
}

impl Conclusion {
    pub fn of(tally: &CheckCount) -> Self {
        if tally.failed > 0 {
            Self::NotConformant
        } else if tally.unknown > 0 {
            Self::NotShown
        } else if all(tally) == 0 {
            Self::NothingChecked
        } else {
            Self::Conformant
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Conformant => "Conformant",
            Self::NotConformant => "Not conformant",
            Self::NotShown => "Conformance is not shown",
            Self::NothingChecked => "Nothing was checked",
        }
    }
}

fn all(tally: &CheckCount) -> usize {
    tally.passed + tally.failed + tally.unknown + tally.waived + tally.not_applicable
}

/// `28 of 30 requirements passed, 1 failed, 1 waived`.
pub fn sentence(tally: &CheckCount) -> String {
    let all = count(all(tally), "requirement");
    let mut parts = vec![format!("{} of {all} passed", tally.passed)];
    for (number, word) in [
        (tally.failed, "failed"),
        (tally.unknown, "could not be checked"),
        (tally.waived, "waived"),
        (tally.not_applicable, "not applicable"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    parts.join(", ")
}

/// Verdicts in the order of interest, each with the word for it.
const VERDICTS: [(Verdict, &str); 5] = [
    (Verdict::Failed, "failed"),
    (Verdict::Unknown, "unknown"),
    (Verdict::Waived, "waived"),
    (Verdict::NotApplicable, "not applicable"),
    (Verdict::Passed, "passed"),
];

fn word(verdict: Verdict) -> &'static str {
    let known = VERDICTS.iter().find(|(known, _)| *known == verdict);
    known.map_or("", |(_, word)| word)
}

/// What needs a person first: by verdict, then by level, then by identifier.
fn sorted(results: &[CheckResult]) -> Vec<&CheckResult> {
    let rank = |verdict| VERDICTS.iter().position(|(known, _)| *known == verdict);
    let level = |level: &str| match level {
        "must" => 0,
        "should" => 1,
        _ => 2,
    };
    let mut sorted: Vec<&CheckResult> = results.iter().collect();
    sorted.sort_by_key(|result| (rank(result.verdict), level(&result.level), &result.id));
    sorted
}

/// Findings that say the same of several hosts, together.
struct Shared<'result> {
    subjects: String,
    verdict: Verdict,
    evidence: &'result str,
    asked: &'result [String],
}

fn shared(findings: &[CheckFinding]) -> Vec<Shared<'_>> {
    let mut groups: IndexMap<(Verdict, &str, Vec<String>), Vec<&CheckFinding>> = IndexMap::new();
    for finding in findings {
        // Questions that name the host are the same question.
        let asked = finding.asked.iter();
        let asked = asked.map(|question| question.replace(&finding.subject, "…"));
        let key = (finding.verdict, finding.evidence.as_str(), asked.collect());
        groups.entry(key).or_default().push(finding);
    }
    let mut shared: Vec<Shared<'_>> = groups
        .into_iter()
        .filter_map(|((verdict, evidence, _), members)| {
            let first = members.first()?;
            Some(Shared {
                subjects: hosts_in_words(members.iter().map(|finding| &finding.subject)),
                verdict,
                evidence,
                asked: &first.asked,
            })
        })
        .collect();
    shared.sort_by_key(|group| std::cmp::Reverse(group.verdict));
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::What;
    use crate::report::tests::stream;
    use crate::report::{Canvas, clean};

    fn verified() -> (Vec<CheckResult>, Meta) {
        let events = stream("verify");
        let results = events.iter().filter_map(|event| match &event.what {
            What::Checked(result) => Some(result.clone()),
            _ => None,
        });
        let meta = Meta {
            site: "lab".to_owned(),
            profile: Some("anuket-ra2/high-performance".to_owned()),
            at: "2026-05-04T01:02:03Z".to_owned(),
            run: "2026-05-04T04-00-00-verify".to_owned(),
            hosts: ["cp1", "w1", "w2"].map(str::to_owned).to_vec(),
            version: "0.0.0".to_owned(),
        };
        (results.collect(), meta)
    }

    #[test]
    fn for_people() {
        let (results, meta) = verified();
        let canvas = Canvas::default();
        insta::assert_snapshot!("text", text(&results, &meta, &canvas, 0));
        insta::assert_snapshot!("text_in_full", text(&results, &meta, &canvas, 1));
    }

    #[test]
    fn for_programs() {
        let (results, meta) = verified();
        let document: serde_json::Value = serde_json::from_str(&json(&results, &meta)).unwrap();
        assert_eq!(document["conclusion"], "not-conformant");
        assert_eq!(document["tally"]["unknown"], 1);
        assert_eq!(document["meta"]["site"], "lab");
        let read: Vec<CheckResult> = serde_json::from_value(document["results"].clone()).unwrap();
        assert_eq!(read, results);
    }

    #[test]
    fn for_continuous_integration() {
        let (results, meta) = verified();
        insta::assert_snapshot!("junit", junit(&results, &meta));
    }

    #[test]
    fn for_paper() {
        let (results, meta) = verified();
        insta::assert_snapshot!("html", html(&results, &meta));
    }

    /// Whatever a machine said, the documents stay documents.
    #[test]
    fn evidence_never_becomes_markup() {
        let (mut results, meta) = verified();
        let evil = "</pre><script>alert(1)</script> ]]> & \" ' \u{1b}[2J \u{0} \u{fffe} é";
        for result in &mut results {
            result.title = evil.to_owned();
            for finding in &mut result.findings {
                finding.evidence = evil.to_owned();
                finding.subject = evil.to_owned();
                finding.asked = vec![evil.to_owned()];
            }
        }
        for document in [html(&results, &meta), junit(&results, &meta)] {
            assert!(!document.contains("<script"), "{document}");
            assert!(!document.contains("]]>"));
            let bad = |character: &char| {
                (character.is_control() && *character != '\n') || *character == '\u{fffe}'
            };
            assert_eq!(document.chars().find(bad), None);
        }
        let text = text(&results, &meta, &Canvas::default(), 1);
        assert_eq!(text, clean::lines(&text) + "\n");
    }

    #[test]
    fn unknown_is_never_conformant() {
        let tally = |passed, failed, unknown| CheckCount {
            passed,
            failed,
            unknown,
            ..CheckCount::default()
        };
        assert_eq!(Conclusion::of(&tally(3, 0, 0)), Conclusion::Conformant);
        assert_eq!(Conclusion::of(&tally(3, 0, 1)), Conclusion::NotShown);
        assert_eq!(Conclusion::of(&tally(3, 1, 1)), Conclusion::NotConformant);
        assert_eq!(Conclusion::of(&tally(0, 0, 0)), Conclusion::NothingChecked);
    }
}
