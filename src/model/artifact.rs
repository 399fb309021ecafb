//! What the plan knows of an artifact without having it: its name and identity.

use serde::{Deserialize, Serialize};

/// One entry of the catalogue, as far as a plan needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactInfo {
    pub name: String,
    pub version: String,
    /// Changes exactly when the content that would be installed changes; known before it is built.
    pub identity: String,
    /// The image reference, for an image: `registry.k8s.io/pause:3.10`.
    pub image: Option<String>,
}

/// The catalogue, as far as a plan needs it.
pub trait Artifacts: Send + Sync {
    fn info(&self, name: &str) -> Option<ArtifactInfo>;

    fn names(&self) -> Vec<String>;
}
