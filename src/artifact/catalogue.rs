//! The catalogue: what there is, in which version, and how it is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::ArtifactError;
use super::store::at;
use crate::model::ArtifactInfo;
use crate::model::artifact::Artifacts;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/artifacts");

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    programs: IndexMap<String, Programs>,
    archives: IndexMap<String, Archive>,
    images: IndexMap<String, Image>,
}

/// Programs of one project: fetched, or built.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Programs {
    pub version: String,
    pub upstream: Option<Upstream>,
    pub go: Option<Go>,
    /// Program name to a C file beside the catalogue.
    pub c: Option<BTreeMap<String, String>>,
}

/// A release: an archive, `.tar.gz`, or one program.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub url: String,
    /// Where upstream publishes its SHA-256.
    pub checksum: Option<String>,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: Option<String>,
    /// The folder in the archive that holds the programs.
    #[serde(default)]
    pub folder: String,
    /// Where the release is no archive: the name of the program that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// A Go module of `artifacts/go/<name>/`, which pins every version.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Go {
    /// Program name to package.
    pub packages: BTreeMap<String, String>,
    #[serde(default)]
    pub ldflags: String,
    #[serde(default)]
    pub tags: String,
    #[serde(default)]
    pub cgo: bool,
    /// File name to `MODULE:PATH`: files that a module brings along.
    #[serde(default)]
    pub module_files: BTreeMap<String, String>,
}

/// Programs packed as roles unpack them.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Archive {
    /// Path in the archive to `PROGRAMS/NAME`.
    pub files: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Image {
    pub reference: String,
    /// Debian packages that make the first layer.
    #[serde(default)]
    pub debian: Vec<String>,
    /// Path in the image to `PROGRAMS/NAME`.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Link to its target.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// More links, for paths that manifests call.
    #[serde(default)]
    pub also: BTreeMap<String, String>,
    #[serde(default)]
    pub texts: BTreeMap<String, String>,
    /// Those of `texts` that are programs.
    #[serde(default)]
    pub executable: Vec<String>,
    #[serde(default)]
    pub folders: Vec<String>,
    /// A busybox in the Debian layer whose applets become links.
    pub applets: Option<String>,
    #[serde(default)]
    pub entrypoint: Vec<String>,
    #[serde(default)]
    pub command: Vec<String>,
    pub user: Option<String>,
}

/// What there is to install.
#[derive(Debug, Clone)]
pub struct Catalogue {
    file: File,
    /// Text files beside the catalogue by their path: modules' go.mod and go.sum, C files.
    aside: BTreeMap<String, String>,
}

/// Which ways to programs are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// Upstream where it can be reached, else the Go module.
    Any,
    Upstream,
    Go,
}

impl Sources {
    /// From `RA_DEPLOY_SOURCES`: `any` (default), `upstream` or `go`.
    pub fn from_environment() -> Result<Self, ArtifactError> {
        match std::env::var("RA_DEPLOY_SOURCES").as_deref() {
            Err(_) | Ok("" | "any") => Ok(Self::Any),
            Ok("upstream") => Ok(Self::Upstream),
            Ok("go") => Ok(Self::Go),
            Ok(other) => Err(ArtifactError::Catalogue(format!(
                "RA_DEPLOY_SOURCES is `{other}`, and may be any, upstream or go"
            ))),
        }
    }
}

/// What kind of artifact a name is.
pub(super) enum Entry<'a> {
    Archive(&'a Archive),
    Image(&'a Image),
}

impl Catalogue {
    /// The catalogue in the binary.
    pub fn embedded() -> Result<Self, ArtifactError> {
        let mut aside = BTreeMap::new();
        collect(&EMBEDDED, &mut aside);
        Self::of(aside, "artifacts/catalogue.yaml")
    }

    /// A catalogue of the user's own: a folder with a `catalogue.yaml`, and `go/<name>/go.mod` and
    /// `go.sum` of each Go module beside it.
    pub fn load(folder: &Path) -> Result<Self, ArtifactError> {
        let mut aside = BTreeMap::new();
        read_folder(folder, folder, &mut aside)?;
        Self::of(aside, &folder.join("catalogue.yaml").display().to_string())
    }

    /// The one that `RA_DEPLOY_ARTIFACTS` names, else the one in the binary.
    pub fn from_environment() -> Result<Self, ArtifactError> {
        match std::env::var_os("RA_DEPLOY_ARTIFACTS").filter(|folder| !folder.is_empty()) {
            Some(folder) => Self::load(Path::new(&folder)),
            None => Self::embedded(),
        }
    }

    fn of(mut aside: BTreeMap<String, String>, name: &str) -> Result<Self, ArtifactError> {
        let text = aside
            .remove("catalogue.yaml")
            .ok_or_else(|| ArtifactError::Catalogue(format!("there is no {name}")))?;
        let file: File = serde_saphyr::from_str(&text).map_err(|error| {
            let error = error.without_snippet();
            let place = match error.location() {
                Some(at) if at.line() > 0 => format!("{name}:{}:{}", at.line(), at.column()),
                _ => name.to_owned(),
            };
            ArtifactError::Catalogue(format!("{place}: {error}"))
        })?;
        let catalogue = Self { file, aside };
        catalogue.check().map_err(|(about, said)| {
            ArtifactError::Catalogue(format!("{}: {said}", place(name, &text, &about)))
        })?;
        Ok(catalogue)
    }

    /// Every program with its version.
    pub fn versions(&self) -> Vec<(String, String)> {
        let programs = self.file.programs.iter();
        programs
            .map(|(name, programs)| (name.clone(), programs.version.clone()))
            .collect()
    }

    #[cfg(test)]
    pub(super) fn from_text(text: &str, aside: &[(&str, &str)]) -> Result<Self, ArtifactError> {
        let mut files: BTreeMap<String, String> = aside
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        files.insert("catalogue.yaml".to_owned(), text.to_owned());
        Self::of(files, "catalogue.yaml")
    }

    /// Every file names programs that there are, every release has a digest, and what programs are
    /// made from is there. A fault comes with the words of the file that it is about.
    fn check(&self) -> Result<(), (String, String)> {
        for (name, programs) in &self.file.programs {
            if let Some(upstream) = &programs.upstream
                && upstream.sha256.is_none()
                && upstream.checksum.is_none()
            {
                let said =
                    format!("{name} takes an upstream release without `sha256` or `checksum`");
                return Err((upstream.url.clone(), said));
            }
            let modules = programs
                .go
                .iter()
                .flat_map(|_| ["go.mod", "go.sum"].map(|file| format!("go/{name}/{file}")));
            let sources = programs.c.iter().flat_map(BTreeMap::values).cloned();
            if let Some(missing) = modules
                .chain(sources)
                .find(|path| !self.aside.contains_key(path))
            {
                let said =
                    format!("{name} is made from {missing}, which is not beside the catalogue");
                return Err((format!("{name}:"), said));
            }
        }
        let archives = self
            .file
            .archives
            .iter()
            .map(|(name, it)| (name, &it.files));
        let images = self.file.images.iter().map(|(name, it)| (name, &it.files));
        for (name, files) in archives.chain(images) {
            if let Some(from) = files.values().find(|from| !self.makes(from)) {
                return Err((
                    from.clone(),
                    format!("{name} takes `{from}`, which nothing makes"),
                ));
            }
        }
        Ok(())
    }

    /// Whether there is a `PROGRAMS/NAME`.
    fn makes(&self, from: &str) -> bool {
        let Some((programs, program)) = from.split_once('/') else {
            return false;
        };
        self.file.programs.get(programs).is_some_and(|programs| {
            let go = programs.go.as_ref().is_some_and(|go| {
                go.packages.contains_key(program) || go.module_files.contains_key(program)
            });
            go || programs.c.as_ref().is_some_and(|c| c.contains_key(program))
        })
    }

    pub(super) fn entry(&self, name: &str) -> Result<Entry<'_>, ArtifactError> {
        if let Some(archive) = self.file.archives.get(name) {
            return Ok(Entry::Archive(archive));
        }
        if let Some(image) = self.file.images.get(name) {
            return Ok(Entry::Image(image));
        }
        let names = self.names();
        let nearest = names
            .iter()
            .map(|known| (strsim::jaro_winkler(known, name), known))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known.clone());
        Err(ArtifactError::Unknown {
            name: name.to_owned(),
            nearest,
        })
    }

    pub(super) fn programs(&self, name: &str) -> Result<&Programs, ArtifactError> {
        self.file
            .programs
            .get(name)
            .ok_or_else(|| ArtifactError::Unknown {
                name: name.to_owned(),
                nearest: None,
            })
    }

    /// A text file beside the catalogue.
    pub(super) fn aside(&self, path: &str) -> Result<&str, ArtifactError> {
        self.aside
            .get(path)
            .map(String::as_str)
            .ok_or_else(|| ArtifactError::Catalogue(format!("there is no artifacts/{path}")))
    }

    /// Names of the programs' projects that an artifact is made of.
    pub(super) fn projects(&self, name: &str) -> Result<Vec<String>, ArtifactError> {
        let files = match self.entry(name)? {
            Entry::Archive(archive) => &archive.files,
            Entry::Image(image) => &image.files,
        };
        let mut projects: Vec<String> = files
            .values()
            .filter_map(|from| from.split_once('/'))
            .map(|(project, _)| project.to_owned())
            .collect();
        projects.sort();
        projects.dedup();
        Ok(projects)
    }

    /// Changes when the recipe of a project's programs does.
    pub(super) fn programs_identity(&self, name: &str) -> Result<String, ArtifactError> {
        let programs = self.programs(name)?;
        let mut recipe = serde_json::to_string(programs).unwrap_or_default();
        if programs.go.is_some() {
            recipe.push_str(self.aside(&format!("go/{name}/go.mod"))?);
            recipe.push_str(self.aside(&format!("go/{name}/go.sum"))?);
        }
        for file in programs.c.iter().flat_map(BTreeMap::values) {
            recipe.push_str(self.aside(file)?);
        }
        Ok(digest(&recipe))
    }

    /// Changes when anything does that the artifact is made of.
    pub fn identity(&self, name: &str) -> Result<String, ArtifactError> {
        let mut recipe = match self.entry(name)? {
            Entry::Archive(archive) => serde_json::to_string(archive),
            Entry::Image(image) => serde_json::to_string(image),
        }
        .unwrap_or_default();
        for project in self.projects(name)? {
            recipe.push_str(&self.programs_identity(&project)?);
        }
        Ok(digest(&recipe))
    }

    fn version(&self, name: &str) -> Option<String> {
        let projects = self.projects(name).ok()?;
        match projects.first() {
            Some(project) => Some(self.programs(project).ok()?.version.clone()),
            None => match self.entry(name).ok()? {
                Entry::Image(image) => Some(image.reference.rsplit(':').next()?.to_owned()),
                Entry::Archive(_) => None,
            },
        }
    }
}

impl Artifacts for Catalogue {
    fn info(&self, name: &str) -> Option<ArtifactInfo> {
        let image = match self.entry(name).ok()? {
            Entry::Image(image) => Some(image.reference.clone()),
            Entry::Archive(_) => None,
        };
        let version = self.version(name)?;
        Some(ArtifactInfo {
            name: name.to_owned(),
            identity: format!("{version}-{}", self.identity(name).ok()?),
            version,
            image,
        })
    }

    fn names(&self) -> Vec<String> {
        let archives = self.file.archives.keys();
        archives.chain(self.file.images.keys()).cloned().collect()
    }
}

/// Where some words first stand in a text as whole words, as `FILE:LINE:COLUMN`.
fn place(name: &str, text: &str, about: &str) -> String {
    let inside = |letter: char| letter.is_alphanumeric() || "-_/.".contains(letter);
    for (row, line) in text.lines().enumerate() {
        for (start, _) in line.match_indices(about) {
            let before = line[..start].chars().next_back();
            let after = line[start + about.len()..].chars().next();
            if !before.is_some_and(inside) && !after.is_some_and(inside) {
                let column = line[..start].chars().count() + 1;
                return format!("{name}:{}:{column}", row + 1);
            }
        }
    }
    name.to_owned()
}

/// The text files under a folder, by their path from its root.
fn read_folder(
    root: &Path,
    folder: &Path,
    files: &mut BTreeMap<String, String>,
) -> Result<(), ArtifactError> {
    for entry in at(folder, std::fs::read_dir(folder))? {
        let path = at(folder, entry)?.path();
        if path.is_dir() {
            read_folder(root, &path, files)?;
        } else if let Ok(text) = String::from_utf8(at(&path, std::fs::read(&path))?)
            && let Ok(inside) = path.strip_prefix(root)
        {
            files.insert(inside.display().to_string(), text);
        }
    }
    Ok(())
}

fn collect(folder: &Dir<'_>, files: &mut BTreeMap<String, String>) {
    for file in folder.files() {
        if let Some(text) = file.contents_utf8() {
            let path: PathBuf = file.path().to_owned();
            files.insert(path.display().to_string(), text.to_owned());
        }
    }
    for inner in folder.dirs() {
        collect(inner, files);
    }
}

/// Half a SHA-256 is plenty to tell recipes apart, and short enough to read.
fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}
