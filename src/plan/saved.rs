//! A plan as a value that can be kept and applied later, and that is refused when the world has
//! moved on.

use serde::{Deserialize, Serialize};

use crate::event::{Outcome, TaskName};
use crate::model::Difference;

/// What `plan --out` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// Version of this form.
    pub form: u32,
    pub site: String,
    /// SHA-256 over the site's files.
    pub digest: String,
    /// RFC 3339, UTC.
    pub made: String,
    /// What was to be done, by host and position; steps that were settled or skipped are left
    /// out.
    pub steps: Vec<SavedStep>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedStep {
    pub task: TaskName,
    pub outcome: Outcome,
    pub differences: Vec<Difference>,
    /// It could not be known when the plan was made, because the host was down or an earlier
    /// step had not been done.
    pub unknown: bool,
}

/// Why a saved plan is not applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StalePlan {
    #[error("the files of the site have changed since the plan was made")]
    Files,
    #[error("{host} needs a change that the plan does not hold: {title}")]
    More { host: String, title: String },
    #[error("{host} differs otherwise than when the plan was made: {title}")]
    Other { host: String, title: String },
    #[error("the plan is of form {0}, which this version does not read")]
    Form(u32),
}

impl SavedPlan {
    pub const FORM: u32 = 1;

    /// Whether today's findings are within the plan: nothing more, nothing else. Less is fine,
    /// for what somebody did in the meantime needs no doing.
    pub fn admits(&self, digest: &str, today: &[SavedStep]) -> Result<(), StalePlan> {
        if self.form != Self::FORM {
            return Err(StalePlan::Form(self.form));
        }
        if self.digest != digest {
            return Err(StalePlan::Files);
        }
        for step in today {
            let host = step.task.host.clone();
            let title = step.task.title.clone();
            match self.steps.iter().find(|saved| saved.task == step.task) {
                None => return Err(StalePlan::More { host, title }),
                Some(saved) if saved.unknown || step.unknown => {}
                Some(saved) if saved.differences == step.differences => {}
                Some(_) => return Err(StalePlan::Other { host, title }),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(title: &str, to: &str, unknown: bool) -> SavedStep {
        SavedStep {
            task: TaskName {
                host: "w1".to_owned(),
                role: "base".to_owned(),
                index: 0,
                title: title.to_owned(),
            },
            outcome: Outcome::WouldChange,
            differences: vec![Difference::value("mode", None, to.to_owned())],
            unknown,
        }
    }

    #[test]
    fn admits_what_it_holds_and_less() {
        let plan = SavedPlan {
            form: SavedPlan::FORM,
            site: "east".to_owned(),
            digest: "d".to_owned(),
            made: String::new(),
            steps: vec![step("a", "1", false), step("b", "", true)],
        };
        assert_eq!(plan.admits("d", &[]), Ok(()));
        assert_eq!(
            plan.admits("d", &[step("a", "1", false), step("b", "9", false)]),
            Ok(())
        );
        assert_eq!(plan.admits("e", &[]), Err(StalePlan::Files));
        assert!(matches!(
            plan.admits("d", &[step("a", "2", false)]),
            Err(StalePlan::Other { .. })
        ));
        assert!(matches!(
            plan.admits("d", &[step("c", "1", false)]),
            Err(StalePlan::More { .. })
        ));
    }
}
