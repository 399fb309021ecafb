//! Files and places in them.

use std::path::PathBuf;
use std::sync::Arc;

/// A file that was read, or one that is embedded in the binary.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    File(PathBuf),
    /// Shipped in the binary, by its path in the project: `roles/containerd/role.yaml`.
    Embedded(String),
}

/// A place in a file, for diagnostics: line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    pub place: Arc<Place>,
    pub line: usize,
    pub column: usize,
    /// How many characters the caret underlines; at least 1.
    pub length: usize,
}
