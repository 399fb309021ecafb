//! OCI images, put together without a container engine: a Debian layer where the catalogue asks
//! for one, a layer of programs, a configuration, a manifest and an index, in one tar that
//! containerd imports.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use oci_spec::image::{
    Arch, ConfigBuilder, DescriptorBuilder, ImageConfigurationBuilder, ImageIndexBuilder,
    ImageManifestBuilder, MediaType, Os, RootFsBuilder, Sha256Digest,
};
use sha2::{Digest, Sha256};
use std::str::FromStr;

use super::archive::{gzip, source};
use super::catalogue::Image;
use super::error::ArtifactError;
use super::layer::Tree;
use super::programs::run_told;
use super::store::{HashWriter, at, digest_of};

/// The release that Debian layers are made of.
const RELEASE: &str = "bookworm";

/// A compressed layer on disk.
struct Layer {
    path: PathBuf,
    /// Of the compressed bytes.
    digest: String,
    size: u64,
    /// Of the bytes before compression.
    diff: String,
}

pub(super) fn assemble(
    image: &Image,
    sources: &BTreeMap<String, PathBuf>,
    work: &Path,
) -> Result<PathBuf, ArtifactError> {
    let mut layers = Vec::new();
    let mut tree = Tree::default();
    if !image.debian.is_empty() {
        let tar = debian(&image.debian, work)?;
        if let Some(program) = &image.applets {
            for applet in applets(&tar, program, work)? {
                tree.link(
                    &format!("/bin/{applet}"),
                    program.rsplit('/').next().unwrap_or(program),
                );
            }
        }
        layers.push(compress_tar(&tar, work, "debian")?);
    }
    for (path, from) in &image.files {
        let mode = if path.ends_with(".yaml") {
            0o644
        } else {
            0o755
        };
        tree.file(path, source(sources, from)?, mode);
    }
    for (path, text) in &image.texts {
        let mode = if image.executable.contains(path) {
            0o755
        } else {
            0o644
        };
        tree.text(path, text, mode);
    }
    for (path, target) in image.links.iter().chain(&image.also) {
        tree.link(path, target);
    }
    for folder in &image.folders {
        tree.folder(folder);
    }
    if !tree.is_empty() {
        let tar = work.join("programs.tar");
        tree.write(at(&tar, File::create(&tar))?, &tar)?;
        layers.push(compress_tar(&tar, work, "programs")?);
    }
    layout(image, &layers, work)
}

/// A root file system of packages, as mmdebstrap extracts them.
fn debian(packages: &[String], work: &Path) -> Result<PathBuf, ArtifactError> {
    let tar = work.join("debian.tar");
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--quiet", "--variant=extract"])
        .arg(format!("--include={}", packages.join(",")))
        .args([
            "--aptopt=Acquire::Languages \"none\"",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            RELEASE,
        ])
        .arg(&tar)
        // The same times, so that the same packages give the same bytes.
        .env("SOURCE_DATE_EPOCH", "0");
    run_told(command, |_| {})?;
    Ok(tar)
}

/// Names of a busybox's applets, told by the program itself.
fn applets(tar: &Path, program: &str, work: &Path) -> Result<Vec<String>, ArtifactError> {
    let inside = program.trim_start_matches('/');
    let mut archive = tar::Archive::new(at(tar, File::open(tar))?);
    for entry in at(tar, archive.entries())? {
        let mut entry = at(tar, entry)?;
        let path = at(tar, entry.path())?.display().to_string();
        if path.trim_start_matches("./") != inside {
            continue;
        }
        let copy = work.join("busybox");
        at(&copy, entry.unpack(&copy))?;
        let output = Command::new(&copy)
            .arg("--list")
            .output()
            .map_err(|error| super::programs::no_program("busybox", &error))?;
        return Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|applet| *applet != "busybox")
            .map(str::to_owned)
            .collect());
    }
    Err(ArtifactError::Incomplete {
        what: "the Debian layer".to_owned(),
        missing: program.to_owned(),
    })
}

fn compress_tar(tar: &Path, work: &Path, name: &str) -> Result<Layer, ArtifactError> {
    let path = work.join(format!("{name}.layer"));
    let mut hasher = Sha256::new();
    let mut gzip = gzip(at(&path, File::create(&path))?);
    {
        let mut file = at(tar, File::open(tar))?;
        let mut both = Both(&mut gzip, HashWriter(&mut hasher));
        at(tar, std::io::copy(&mut file, &mut both))?;
    }
    at(&path, gzip.finish())?;
    at(tar, std::fs::remove_file(tar))?;
    let (digest, size) = digest_of(&path)?;
    Ok(Layer {
        path,
        digest,
        size,
        diff: hex::encode(hasher.finalize()),
    })
}

/// Writes the same to two writers.
struct Both<A, B>(A, B);

impl<A: std::io::Write, B: std::io::Write> std::io::Write for Both<A, B> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(bytes)?;
        self.1.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// The OCI image layout as one tar.
fn layout(image: &Image, layers: &[Layer], work: &Path) -> Result<PathBuf, ArtifactError> {
    let spec = |error: oci_spec::OciSpecError| {
        ArtifactError::Catalogue(format!("{}: {error}", image.reference))
    };
    let mut config = ConfigBuilder::default().env(vec![
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
    ]);
    if !image.entrypoint.is_empty() {
        config = config.entrypoint(image.entrypoint.clone());
    }
    if !image.command.is_empty() {
        config = config.cmd(image.command.clone());
    }
    if let Some(user) = &image.user {
        config = config.user(user.clone());
    }
    let diffs: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", layer.diff))
        .collect();
    let configuration = ImageConfigurationBuilder::default()
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(config.build().map_err(spec)?)
        .rootfs(
            RootFsBuilder::default()
                .typ("layers")
                .diff_ids(diffs)
                .build()
                .map_err(spec)?,
        )
        .build()
        .map_err(spec)?
        .to_string()
        .map_err(spec)?;
    let mut tree = Tree::default();
    let mut descriptors = Vec::new();
    for layer in layers {
        tree.file(
            &format!("blobs/sha256/{}", layer.digest),
            &layer.path,
            0o644,
        );
        descriptors.push(descriptor(
            MediaType::ImageLayerGzip,
            &layer.digest,
            layer.size,
            &image.reference,
        )?);
    }
    let mut blob = |text: &str, kind: MediaType| {
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        tree.text(&format!("blobs/sha256/{digest}"), text, 0o644);
        descriptor(kind, &digest, text.len() as u64, &image.reference)
    };
    let configuration = blob(&configuration, MediaType::ImageConfig)?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(configuration)
        .layers(descriptors)
        .build()
        .and_then(|manifest| manifest.to_string())
        .map_err(spec)?;
    let mut manifest = blob(&manifest, MediaType::ImageManifest)?;
    manifest.set_annotations(Some(std::collections::HashMap::from([
        (
            "io.containerd.image.name".to_owned(),
            image.reference.clone(),
        ),
        (
            "org.opencontainers.image.ref.name".to_owned(),
            image.reference.clone(),
        ),
    ])));
    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests(vec![manifest])
        .build()
        .map_err(spec)?;
    // The annotations' order is that of a hash map: by way of a sorted value it is always one.
    let index = serde_json::to_value(&index)
        .map(|value| sorted(&value).to_string())
        .map_err(|error| ArtifactError::Catalogue(error.to_string()))?;
    tree.text("index.json", &index, 0o644);
    tree.text("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#, 0o644);
    let path = work.join("image.tar");
    tree.write(at(&path, File::create(&path))?, &path)?;
    Ok(path)
}

fn sorted(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<&String, Value> = map
                .iter()
                .map(|(key, inner)| (key, sorted(inner)))
                .collect();
            Value::Object(
                ordered
                    .into_iter()
                    .map(|(key, inner)| (key.clone(), inner))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn descriptor(
    kind: MediaType,
    digest: &str,
    size: u64,
    of: &str,
) -> Result<oci_spec::image::Descriptor, ArtifactError> {
    let spec = |error: oci_spec::OciSpecError| ArtifactError::Catalogue(format!("{of}: {error}"));
    DescriptorBuilder::default()
        .media_type(kind)
        .digest(Sha256Digest::from_str(digest).map_err(spec)?)
        .size(size)
        .build()
        .map_err(spec)
}
