//! The store: blobs by their SHA-256, and an index from a recipe's identity to its blobs.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::catalogue::{Catalogue, Entry, Sources};
use super::error::ArtifactError;
use super::{archive, image, programs};

/// Files of an artifact that is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// File name to its blob; an archive and an image have one.
    pub files: BTreeMap<String, Blob>,
    /// Which way its programs came.
    pub took: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blob {
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// What making an artifact tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// `kubernetes 1.33.13`
    pub subject: String,
    /// `building from its Go module: 212 packages compiled`, `fetching`, `packing`
    pub state: String,
    pub done: Option<u64>,
    pub total: Option<u64>,
}

/// Who is told of progress.
pub(super) type Tell<'a> = &'a (dyn Fn(Progress) + Sync);

#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    sources: Sources,
    /// Laid out as a store is; looked into before anything is fetched or built.
    bundle: Option<Box<Store>>,
}

impl Store {
    pub fn new(folder: PathBuf, sources: Sources) -> Self {
        Self {
            folder,
            sources,
            bundle: None,
        }
    }

    /// Takes artifacts from a bundle that [`Store::pack_bundle`] made, where it has them.
    pub fn with_bundle(mut self, folder: Option<PathBuf>) -> Self {
        self.bundle = folder.map(|folder| Box::new(Self::new(folder, self.sources)));
        self
    }

    /// The artifact, when it is ready.
    pub fn find(&self, catalogue: &Catalogue, name: &str) -> Result<Option<Stored>, ArtifactError> {
        let stored = self.indexed(name, &catalogue.identity(name)?);
        Ok(stored.filter(|stored| self.whole(stored)))
    }

    /// Makes the artifact unless it is ready. Blocks: minutes for a large Go module.
    pub fn ensure(
        &self,
        catalogue: &Catalogue,
        name: &str,
        tell: Tell<'_>,
    ) -> Result<Stored, ArtifactError> {
        if let Some(stored) = self.find(catalogue, name)? {
            return Ok(stored);
        }
        let identity = catalogue.identity(name)?;
        let _lock = self.lock(name, tell)?;
        if let Some(stored) = self.find(catalogue, name)? {
            return Ok(stored);
        }
        if let Some(bundle) = &self.bundle
            && let Some(stored) = self.take(bundle, catalogue, name)?
        {
            return Ok(stored);
        }
        let mut sources = BTreeMap::new();
        let mut took = Vec::new();
        for project in catalogue.projects(name)? {
            let stored = self.ensure_programs(catalogue, &project, tell)?;
            took.push(stored.took.clone());
            for (program, blob) in &stored.files {
                sources.insert(format!("{project}/{program}"), self.blob(blob));
            }
        }
        took.sort();
        took.dedup();
        let work = self.work(name)?;
        tell(Progress {
            subject: name.to_owned(),
            state: "packing".to_owned(),
            done: None,
            total: None,
        });
        let (file, path) = match catalogue.entry(name)? {
            Entry::Archive(archive) => (
                format!("{name}.tar.gz"),
                archive::pack(archive, &sources, work.path())?,
            ),
            Entry::Image(image) => (
                format!("{name}.tar"),
                image::assemble(image, &sources, work.path())?,
            ),
        };
        let blob = self.keep(&path)?;
        let stored = Stored {
            files: BTreeMap::from([(file, blob)]),
            took: took.join(", "),
        };
        self.index(name, &identity, &stored)?;
        Ok(stored)
    }

    /// A project's programs, made unless they are ready.
    pub(super) fn ensure_programs(
        &self,
        catalogue: &Catalogue,
        project: &str,
        tell: Tell<'_>,
    ) -> Result<Stored, ArtifactError> {
        let identity = catalogue.programs_identity(project)?;
        let name = format!("programs-{project}");
        let ready = |stored: &Stored| self.whole(stored);
        if let Some(stored) = self.indexed(&name, &identity).filter(ready) {
            return Ok(stored);
        }
        let _lock = self.lock(&name, tell)?;
        if let Some(stored) = self.indexed(&name, &identity).filter(ready) {
            return Ok(stored);
        }
        let work = self.work(&name)?;
        let downloads = self.folder.join("downloads");
        let made = programs::make(
            catalogue,
            project,
            self.sources,
            &downloads,
            work.path(),
            tell,
        )?;
        let mut files = BTreeMap::new();
        for (program, path) in &made.files {
            files.insert(program.clone(), self.keep(path)?);
        }
        let stored = Stored {
            files,
            took: made.took,
        };
        self.index(&name, &identity, &stored)?;
        Ok(stored)
    }

    /// The path of an artifact's file that is ready.
    pub fn path(&self, stored: &Stored, file: Option<&str>) -> Option<PathBuf> {
        let blob = match file {
            Some(file) => stored.files.get(file)?,
            None => stored.files.values().next()?,
        };
        Some(self.blob(blob))
    }

    pub(super) fn bundle(&self) -> Option<&Store> {
        self.bundle.as_deref()
    }

    /// Whether all blobs are there, in their full size: a power cut may have left less.
    fn whole(&self, stored: &Stored) -> bool {
        stored.files.values().all(|blob| {
            std::fs::metadata(self.blob(blob)).is_ok_and(|metadata| metadata.len() == blob.size)
        })
    }

    pub(super) fn blob(&self, blob: &Blob) -> PathBuf {
        self.folder.join("blobs").join(&blob.sha256)
    }

    fn indexed(&self, name: &str, identity: &str) -> Option<Stored> {
        let text = std::fs::read_to_string(self.index_path(name, identity)).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn index_path(&self, name: &str, identity: &str) -> PathBuf {
        self.folder
            .join("index")
            .join(format!("{name}-{identity}.json"))
    }

    pub(super) fn index(
        &self,
        name: &str,
        identity: &str,
        stored: &Stored,
    ) -> Result<(), ArtifactError> {
        let path = self.index_path(name, identity);
        let text = serde_json::to_string_pretty(stored).unwrap_or_default();
        let beside = path.with_extension("new");
        make_folder(path.parent())?;
        at(&beside, std::fs::write(&beside, text))?;
        sync(&beside)?;
        at(&path, std::fs::rename(&beside, &path))
    }

    /// Moves a file among the blobs, named by its digest.
    pub(super) fn keep(&self, path: &Path) -> Result<Blob, ArtifactError> {
        let (sha256, size) = digest_of(path)?;
        let blob = Blob { sha256, size };
        let target = self.blob(&blob);
        make_folder(target.parent())?;
        sync(path)?;
        at(&target, std::fs::rename(path, &target))?;
        Ok(blob)
    }

    /// A folder to work in, on the store's own file system, without what a killed run has left.
    pub(super) fn work(&self, name: &str) -> Result<Work, ArtifactError> {
        let folder = self.folder.join("work").join(name);
        if folder.exists() {
            at(&folder, std::fs::remove_dir_all(&folder))?;
        }
        make_folder(Some(&folder))?;
        Ok(Work(folder))
    }

    /// Two processes do not make the same thing twice: the second waits and finds it ready.
    pub(super) fn lock(&self, name: &str, tell: Tell<'_>) -> Result<File, ArtifactError> {
        let path = self.folder.join("locks").join(name);
        make_folder(path.parent())?;
        let file = at(&path, File::create(&path))?;
        if file.try_lock().is_err() {
            tell(Progress {
                subject: name.to_owned(),
                state: "waiting for another run that makes it".to_owned(),
                done: None,
                total: None,
            });
            at(&path, file.lock())?;
        }
        Ok(file)
    }
}

/// A folder to work in. The holder of the name's lock is alone in it.
pub(super) struct Work(PathBuf);

impl Work {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is when the name is made again.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// On the disk before it gets its name, so that a power cut leaves no empty file under it.
fn sync(path: &Path) -> Result<(), ArtifactError> {
    at(path, File::open(path).and_then(|file| file.sync_all()))
}

/// SHA-256 in lower-case hexadecimal, and the size in bytes.
pub(super) fn digest_of(path: &Path) -> Result<(String, u64), ArtifactError> {
    let mut file = at(path, File::open(path))?;
    let mut hasher = Sha256::new();
    let size = at(path, std::io::copy(&mut file, &mut HashWriter(&mut hasher)))?;
    Ok((hex::encode(hasher.finalize()), size))
}

/// Feeds what is written to a hasher.
pub(super) struct HashWriter<'a>(pub &'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn make_folder(path: Option<&Path>) -> Result<(), ArtifactError> {
    match path {
        Some(path) => at(path, std::fs::create_dir_all(path)),
        None => Ok(()),
    }
}

/// Names the path in an error of the file system.
pub(super) fn at<T>(path: &Path, result: std::io::Result<T>) -> Result<T, ArtifactError> {
    result.map_err(|source| ArtifactError::File {
        path: path.to_owned(),
        source,
    })
}
