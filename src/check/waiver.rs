//! Verdicts of a requirement as a whole, waivers applied.

use crate::config::site::{Requirement, Waiver};
use crate::event::{CheckFinding, Verdict};

/// The worst finding decides: failed, then unknown, then whatever is left.
pub fn overall(findings: &[CheckFinding]) -> Verdict {
    let has = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
    for verdict in [
        Verdict::Failed,
        Verdict::Unknown,
        Verdict::Waived,
        Verdict::Passed,
    ] {
        if has(verdict) {
            return verdict;
        }
    }
    // Nobody was asked: there is no host of that kind, or no host applies.
    Verdict::NotApplicable
}

/// The verdict of a requirement on a day (ISO date): what failed or is unknown counts as waived
/// while the profile waives it; what passes passes all the same.
pub fn judged(requirement: &Requirement, findings: &[CheckFinding], today: &str) -> Verdict {
    let verdict = overall(findings);
    match (&requirement.waiver, verdict) {
        (Some(waiver), Verdict::Failed | Verdict::Unknown) if in_force(waiver, today) => {
            Verdict::Waived
        }
        _ => verdict,
    }
}

/// ISO dates compare as text.
fn in_force(waiver: &Waiver, today: &str) -> bool {
    waiver.until.as_deref().is_none_or(|until| today <= until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(verdict: Verdict) -> CheckFinding {
        CheckFinding {
            subject: "w1".to_owned(),
            verdict,
            evidence: String::new(),
            asked: Vec::new(),
        }
    }

    #[test]
    fn unknown_is_never_passed() {
        let findings = [finding(Verdict::Passed), finding(Verdict::Unknown)];
        assert_eq!(overall(&findings), Verdict::Unknown);
        let findings = [finding(Verdict::Unknown), finding(Verdict::Failed)];
        assert_eq!(overall(&findings), Verdict::Failed);
        assert_eq!(overall(&[]), Verdict::NotApplicable);
    }

    #[test]
    fn a_waiver_ends_with_its_day() {
        let waiver = Waiver {
            reason: "later".to_owned(),
            owner: None,
            until: Some("2027-03-01".to_owned()),
        };
        assert!(in_force(&waiver, "2027-03-01"));
        assert!(!in_force(&waiver, "2027-03-02"));
    }
}
