//! Findings of a whole walk, weighed against each other: a step that cannot be read yet is no
//! fault while an earlier step of the same host is still to be done.

use super::{Built, Finding};
use crate::event::Outcome;
use crate::model::{Answers, Change, Query, Standing, Unread};

/// What is known of a walk, and what is still to be asked.
#[derive(Debug, Default)]
pub struct Known {
    pub steps: Vec<Weighed>,
    /// Questions that readings want answered.
    pub wants: Vec<Query>,
}

/// One step's standing in the walk.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    pub outcome: Outcome,
    pub finding: Finding,
}

impl Weighed {
    /// The change, where the step has one to make.
    pub fn change(&self) -> Option<&Change> {
        match &self.finding {
            Finding::Known(change) if change.standing == Standing::Differs => Some(change),
            _ => None,
        }
    }
}

/// Reads every built step with the answers so far.
pub fn weigh(built: &[Built], answers: &Answers) -> Known {
    let mut known = Known::default();
    let mut pending = false;
    let mut boots = false;
    for step in built {
        let finding = match step {
            Built::Skipped => Finding::Skipped,
            Built::Faulty(failure) => Finding::Faulty(failure.clone()),
            Built::NeedsFacts => Finding::Unknown("the host was asked for its facts".to_owned()),
            Built::Ready(resource) => match resource.read(answers) {
                Ok(change) => Finding::Known(change),
                Err(Unread::Wants(queries)) => {
                    known.wants.extend(queries.iter().cloned());
                    Finding::Unread(Unread::Wants(queries))
                }
                Err(Unread::Unreadable(reason)) if pending => {
                    Finding::Unknown(format!("earlier steps are done ({reason})"))
                }
                Err(unread) => Finding::Unread(unread),
            },
        };
        let mut finding = finding;
        // A boot that earlier changes of this plan will ask for is not to be seen on the host
        // yet, but it belongs to the plan.
        if let (Built::Ready(resource), Finding::Known(change)) = (step, &mut finding)
            && resource.boots()
            && change.is_settled()
            && boots
        {
            *change = Change::from(
                vec![crate::model::Difference::Note(
                    "boots once, for the changes above that need it".to_owned(),
                )],
                vec![crate::model::Action::Reboot],
            );
        }
        let outcome = match &finding {
            Finding::Skipped => Outcome::Skipped,
            Finding::Known(change) if change.standing == Standing::Differs => Outcome::WouldChange,
            Finding::Known(_) => Outcome::Unchanged,
            Finding::Unknown(_) => Outcome::WouldChange,
            Finding::Unread(Unread::Wants(_)) => Outcome::WouldChange,
            Finding::Unread(Unread::Unreadable(_)) | Finding::Faulty(_) => Outcome::Failed,
        };
        if outcome == Outcome::WouldChange {
            pending = true;
        }
        if let Finding::Known(change) = &finding {
            boots |= change.boots;
        }
        known.steps.push(Weighed { outcome, finding });
    }
    known
}
