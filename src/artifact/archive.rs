//! Archives as roles unpack them: `.tar.gz`, compressed once here.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::catalogue::Archive;
use super::error::ArtifactError;
use super::layer::Tree;
use super::store::at;

pub(super) fn pack(
    archive: &Archive,
    sources: &BTreeMap<String, PathBuf>,
    work: &Path,
) -> Result<PathBuf, ArtifactError> {
    let mut tree = Tree::default();
    for (path, from) in &archive.files {
        // Texts are no programs.
        let mode = if path.ends_with(".yaml") {
            0o644
        } else {
            0o755
        };
        tree.file(path, source(sources, from)?, mode);
    }
    let path = work.join("archive.tar.gz");
    let mut gzip = gzip(at(&path, File::create(&path))?);
    tree.write(&mut gzip, &path)?;
    at(&path, gzip.finish())?;
    Ok(path)
}

/// Without a time or a name in its header, so that equal content gives equal bytes.
pub(super) fn gzip<W: std::io::Write>(out: W) -> GzEncoder<W> {
    GzBuilder::new().write(out, Compression::new(5))
}

pub(super) fn source<'a>(
    sources: &'a BTreeMap<String, PathBuf>,
    from: &str,
) -> Result<&'a Path, ArtifactError> {
    sources
        .get(from)
        .map(PathBuf::as_path)
        .ok_or_else(|| ArtifactError::Incomplete {
            what: "what was made".to_owned(),
            missing: from.to_owned(),
        })
}
