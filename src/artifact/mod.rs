//! What gets installed: one catalogue, and a store that makes each artifact once.
//!
//! Programs come from upstream releases, or are built from their Go modules where upstream cannot
//! be reached; archives and images are put together from programs, so they are the same either
//! way. No container engine is needed. The store is addressed by content, its index by the
//! identity of the recipe: an unchanged recipe is found in a moment, a changed one made anew.

mod archive;
mod bundle;
mod catalogue;
mod error;
mod fetch;
mod image;
mod layer;
mod programs;
mod store;

use std::path::{Path, PathBuf};

pub use catalogue::{Catalogue, Sources};
pub use error::ArtifactError;
pub use store::{Progress, Store, Stored};

/// The bundle that `RA_DEPLOY_BUNDLE` names, if any.
pub fn bundle_folder() -> Option<PathBuf> {
    std::env::var_os("RA_DEPLOY_BUNDLE")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
}

/// Where artifacts are kept between runs: `RA_DEPLOY_CACHE`, else a folder of the system for
/// root, else one of the user.
pub fn cache_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("RA_DEPLOY_CACHE").filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    // SAFETY: geteuid cannot fail and touches nothing.
    if unsafe { libc::geteuid() } == 0 {
        return PathBuf::from("/var/cache/ra-deploy");
    }
    let home = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    home.unwrap_or_else(std::env::temp_dir).join("ra-deploy")
}

#[cfg(test)]
mod tests;
