//! Where acts get their artifacts from.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use crate::event::{Failure, Preparation};
use crate::model::artifact::Artifacts;

/// A future that a trait object can give.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The catalogue and the store, as the engine needs them.
pub trait Supply: Artifacts {
    /// Makes the artifacts ready to be sent; those that are ready already cost nothing.
    fn ensure<'a>(
        &'a self,
        names: &'a [String],
        tell: &'a (dyn Fn(Preparation) + Send + Sync),
    ) -> Pending<'a, Result<(), Failure>>;

    /// The file of an artifact that is ready: the one of that name, or the archive as a whole.
    fn find(&self, artifact: &str, file: Option<&str>) -> Result<PathBuf, String>;
}
