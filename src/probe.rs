//! The one shape that facts, resources and checks share: questions, and a pure reading of the
//! answers. They differ in what the reading yields: a value, a change, a verdict.

use crate::model::{Answers, Query, Unread};

pub trait Probe {
    type Finding;

    /// Everything that is known to be needed beforehand, so that it costs one round trip with
    /// all other probes of the host. Read-only.
    fn ask(&self) -> Vec<Query>;

    /// The finding. Pure: the same answers give the same finding. A reading that needs more
    /// (a file's content, once its digest is seen to differ) says so with [`Unread::Wants`].
    fn read(&self, answers: &Answers) -> Result<Self::Finding, Unread>;
}
