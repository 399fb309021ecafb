//! What each host's way to the profile is, and what of it is still to do. Pure: a site and
//! answers go in, a plan comes out; equal input gives an equal plan.

mod build;
mod compose;
mod saved;
mod surroundings;
mod weigh;

pub use build::{Built, build};
pub use compose::{Choice, Errand, Step, Walk, compose, errand, errands};
pub use saved::{SavedPlan, SavedStep, StalePlan};
pub use surroundings::{Scene, Setting};
pub use weigh::{Known, Weighed, weigh};

use crate::event::Failure;
use crate::model::{Change, Unread};

/// What is known of one step on one host.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// Its condition leaves this host out.
    Skipped,
    Known(Change),
    /// It has to be read again with more answers.
    Unread(Unread),
    /// The host has to be up, or an earlier step done, before it can be known.
    Unknown(String),
    /// The task itself is wrong for this host.
    Faulty(Failure),
}
