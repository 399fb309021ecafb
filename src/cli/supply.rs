//! The catalogue and the store as the engine wants them, and what the files may name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::Hint;
use crate::artifact::{
    ArtifactError, Catalogue, Progress, Sources, Store, bundle_folder, cache_folder,
};
use crate::check;
use crate::config::{KindShape, Options, Secrets};
use crate::engine::{Pending, Supply, failure};
use crate::event::{Failure, Preparation};
use crate::fact;
use crate::model::ArtifactInfo;
use crate::model::artifact::Artifacts;
use crate::resource;

/// What the files may name: kinds, artifacts, facts, checks.
pub struct Known {
    pub secrets: Secrets,
    pub kinds: Vec<KindShape>,
    pub artifacts: Vec<String>,
    pub versions: Vec<(String, String)>,
    pub facts: Vec<String>,
    pub checks: Vec<String>,
}

impl Known {
    pub fn options(&self) -> Options<'_> {
        Options {
            secrets: self.secrets,
            kinds: &self.kinds,
            artifacts: &self.artifacts,
            versions: &self.versions,
            facts: &self.facts,
            checks: &self.checks,
            today: None,
        }
    }
}

/// # Errors
/// The catalogue of artifacts is faulty.
pub fn known(secrets: Secrets) -> anyhow::Result<Known> {
    let catalogue = Catalogue::from_environment().map_err(in_catalogue)?;
    Ok(Known {
        secrets,
        kinds: resource::KINDS
            .iter()
            .map(|kind| KindShape {
                name: kind.name,
                summary: kind.summary,
                example: kind.example,
                schema: kind.schema,
            })
            .collect(),
        artifacts: catalogue.names(),
        versions: catalogue.versions(),
        facts: fact::names(),
        checks: check::NATIVE
            .iter()
            .map(|check| check.name.to_owned())
            .collect(),
    })
}

fn in_catalogue(error: ArtifactError) -> anyhow::Error {
    let hint = error.hint();
    anyhow::Error::new(error)
        .context("the catalogue of artifacts cannot be used")
        .context(Hint(hint))
}

/// The store that runs take artifacts from.
pub fn open() -> anyhow::Result<Arc<dyn Supply>> {
    let catalogue = Catalogue::from_environment().map_err(in_catalogue)?;
    let store = Store::new(cache_folder(), Sources::from_environment()?).with_bundle(bundle()?);
    Ok(Arc::new(Shelf {
        catalogue,
        store,
        identities: Mutex::default(),
    }))
}

/// The bundle that the environment names. One that is not there would be found out only by a
/// build that nobody wanted.
fn bundle() -> anyhow::Result<Option<PathBuf>> {
    match bundle_folder() {
        Some(folder) if !folder.join("index").is_dir() => Err(anyhow::anyhow!(
            "RA_DEPLOY_BUNDLE names {}, which is no bundle",
            folder.display()
        )
        .context(Hint(
            "`ra-deploy bundle INVENTORY --out FOLDER` packs one where there is a network"
                .to_owned(),
        ))),
        folder => Ok(folder),
    }
}

/// Copies artifacts to a bundle, made first where they are not ready; gives its bytes.
///
/// # Errors
/// One of them cannot be made, or the folder not be written.
pub fn pack(
    names: &[String],
    folder: PathBuf,
    tell: &(dyn Fn(Preparation) + Sync),
) -> Result<u64, Failure> {
    let in_words = |error: ArtifactError| {
        let hint = error.hint();
        failure(&error, Some(hint))
    };
    let catalogue = Catalogue::from_environment().map_err(in_words)?;
    let sources = Sources::from_environment().map_err(in_words)?;
    let store = Store::new(cache_folder(), sources).with_bundle(bundle_folder());
    store
        .pack_bundle(&catalogue, names, folder, &|progress, left| {
            tell(preparation(progress, left));
        })
        .map_err(in_words)
}

fn preparation(progress: Progress, left: usize) -> Preparation {
    Preparation {
        subject: progress.subject,
        state: progress.state,
        done: progress.done,
        total: progress.total,
        left,
    }
}

struct Shelf {
    catalogue: Catalogue,
    store: Store,
    /// Computing an identity reads a whole go.sum; a plan asks for the same ones for every host.
    identities: Mutex<BTreeMap<String, Option<ArtifactInfo>>>,
}

impl Artifacts for Shelf {
    fn info(&self, name: &str) -> Option<ArtifactInfo> {
        self.identities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.to_owned())
            .or_insert_with(|| self.catalogue.info(name))
            .clone()
    }

    fn names(&self) -> Vec<String> {
        self.catalogue.names()
    }
}

impl Supply for Shelf {
    fn ensure<'a>(
        &'a self,
        names: &'a [String],
        tell: &'a (dyn Fn(Preparation) + Send + Sync),
    ) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            // Building blocks for minutes; the runtime's other work goes on.
            let made = tokio::task::block_in_place(|| {
                self.store
                    .ensure_all(&self.catalogue, names, &|progress, left| {
                        tell(preparation(progress, left));
                    })
            });
            made.map(drop).map_err(|error| {
                let hint = error.hint();
                failure(&error, Some(hint))
            })
        })
    }

    fn find(&self, artifact: &str, file: Option<&str>) -> Result<PathBuf, String> {
        let stored = self
            .store
            .find(&self.catalogue, artifact)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("the artifact {artifact} is not ready"))?;
        self.store.path(&stored, file).ok_or_else(|| {
            format!(
                "the artifact {artifact} has no file {}",
                file.unwrap_or_default()
            )
        })
    }
}
