//! Many artifacts at once, and bundles: folders laid out as a store is, for sites without a way
//! out. A bundle is packed where there is one, carried over, and looked into before anything is
//! fetched or built.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::catalogue::Catalogue;
use super::error::ArtifactError;
use super::store::{Progress, Store, Stored, at, digest_of};

/// More at once would only make each slower: a Go build uses every core by itself.
const AT_ONCE: usize = 4;

impl Store {
    /// Makes all that is not ready, some side by side. `tell` also gets how many things are left,
    /// counting each project of programs and each artifact once. Blocks.
    pub fn ensure_all(
        &self,
        catalogue: &Catalogue,
        names: &[String],
        tell: &(dyn Fn(Progress, usize) + Sync),
    ) -> Result<BTreeMap<String, Stored>, ArtifactError> {
        let mut ready = BTreeMap::new();
        let mut missing = BTreeSet::new();
        let mut projects = BTreeSet::new();
        for name in names {
            if let Some(stored) = self.find(catalogue, name)? {
                ready.insert(name.clone(), stored);
            } else if missing.insert(name.clone()) && !self.bundled(catalogue, name)? {
                projects.extend(catalogue.projects(name)?);
            }
        }
        let left = AtomicUsize::new(missing.len() + projects.len());
        let told = |progress: Progress| tell(progress, left.load(Ordering::Relaxed));
        // Programs first: two images of one project would else wait for each other's build.
        side_by_side(projects, |project| {
            self.ensure_programs(catalogue, &project, &told)?;
            left.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        })?;
        let made = Mutex::new(ready);
        side_by_side(missing, |name| {
            let stored = self.ensure(catalogue, &name, &told)?;
            left.fetch_sub(1, Ordering::Relaxed);
            made.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name, stored);
            Ok(())
        })?;
        Ok(made.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Copies artifacts, made first where they are not ready, to a bundle. What the bundle has
    /// already stays. Returns the bytes that the artifacts take.
    pub fn pack_bundle(
        &self,
        catalogue: &Catalogue,
        names: &[String],
        folder: PathBuf,
        tell: &(dyn Fn(Progress, usize) + Sync),
    ) -> Result<u64, ArtifactError> {
        let made = self.ensure_all(catalogue, names, tell)?;
        let bundle = Store::new(folder, super::Sources::Any);
        for name in made.keys() {
            let _lock = bundle.lock(name, &|progress| tell(progress, 0))?;
            if bundle.find(catalogue, name)?.is_none() {
                bundle.take(self, catalogue, name)?;
            }
        }
        Ok(made
            .values()
            .flat_map(|stored| stored.files.values())
            .map(|blob| blob.size)
            .sum())
    }

    fn bundled(&self, catalogue: &Catalogue, name: &str) -> Result<bool, ArtifactError> {
        match self.bundle() {
            Some(bundle) => Ok(bundle.find(catalogue, name)?.is_some()),
            None => Ok(false),
        }
    }

    /// Copies an artifact from another store, if it is there; a copy that came out wrong is
    /// refused. The caller holds the name's lock.
    pub(super) fn take(
        &self,
        other: &Store,
        catalogue: &Catalogue,
        name: &str,
    ) -> Result<Option<Stored>, ArtifactError> {
        let Some(stored) = other.find(catalogue, name)? else {
            return Ok(None);
        };
        let work = self.work(name)?;
        for blob in stored.files.values() {
            let source = other.blob(blob);
            let copy = work.path().join(&blob.sha256);
            at(&source, std::fs::copy(&source, &copy))?;
            let (got, _) = digest_of(&copy)?;
            if got != blob.sha256 {
                return Err(ArtifactError::Damaged {
                    path: source,
                    expected: blob.sha256.clone(),
                    got,
                });
            }
            self.keep(&copy)?;
        }
        self.index(name, &catalogue.identity(name)?, &stored)?;
        Ok(Some(stored))
    }
}

/// Does the work for all items, a few at once, until one fails.
fn side_by_side<T: Send>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> Result<(), ArtifactError> + Sync,
) -> Result<(), ArtifactError> {
    let queue = Mutex::new(items.into_iter().collect::<std::collections::VecDeque<T>>());
    let failure = Mutex::new(None);
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(AT_ONCE);
    let locked = |queue: &Mutex<std::collections::VecDeque<T>>| {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(item) = locked(&queue) {
                    if let Err(error) = work(item) {
                        queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                        failure
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .get_or_insert(error);
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
