//! Upstream releases: fetched once, resumed where they broke off, their digests checked.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::catalogue::Upstream;
use super::error::ArtifactError;
use super::store::{Progress, Tell, at, digest_of, make_folder};

const CONNECT: Duration = Duration::from_secs(3);

/// Whether a release can be had from where it is published. Asked once a host and run.
pub(super) fn reachable(url: &str) -> bool {
    static KNOWN: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    let Some(host) = url
        .strip_prefix("https://")
        .and_then(|rest| rest.split('/').next())
    else {
        return false;
    };
    let mut known = KNOWN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    *known.entry(host.to_owned()).or_insert_with(|| {
        (host, 443).to_socket_addrs().is_ok_and(|mut addresses| {
            addresses.any(|address| TcpStream::connect_timeout(&address, CONNECT).is_ok())
        })
    })
}

/// The wanted programs out of a release's archive.
pub(super) fn programs(
    upstream: &Upstream,
    wanted: &[String],
    subject: &str,
    downloads: &Path,
    work: &Path,
    tell: Tell<'_>,
) -> Result<BTreeMap<String, PathBuf>, ArtifactError> {
    // Its own thread: the store is blocking, and reqwest is not.
    let archive = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|error| failed(&upstream.url, error))?;
                runtime.block_on(download(upstream, subject, downloads, tell))
            })
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let mut files = BTreeMap::new();
    let file = at(&archive, File::open(&archive))?;
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in at(&archive, tar.entries())? {
        let mut entry = at(&archive, entry)?;
        let path = at(&archive, entry.path())?.display().to_string();
        let path = path.trim_start_matches("./");
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if folder == upstream.folder && wanted.iter().any(|program| program == name) {
            let output = work.join(name);
            at(&output, entry.unpack(&output))?;
            files.insert(name.to_owned(), output);
        }
    }
    match wanted.iter().find(|name| !files.contains_key(*name)) {
        Some(missing) => Err(ArtifactError::Incomplete {
            what: upstream.url.clone(),
            missing: format!("{}/{missing}", upstream.folder),
        }),
        None => Ok(files),
    }
}

async fn download(
    upstream: &Upstream,
    subject: &str,
    downloads: &Path,
    tell: Tell<'_>,
) -> Result<PathBuf, ArtifactError> {
    // Fails only when another part of the program has chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(Duration::from_secs(60))
        .build()
        .map_err(|error| failed(&upstream.url, error))?;
    let expected = expected(&client, upstream).await?;
    make_folder(Some(downloads))?;
    let name = hex::encode(&Sha256::digest(upstream.url.as_bytes())[..16]);
    let path = downloads.join(&name);
    let part = downloads.join(format!("{name}.part"));
    if !path.exists() {
        fetch(&client, &upstream.url, &part, subject, tell).await?;
        at(&path, std::fs::rename(&part, &path))?;
    }
    if let Some(expected) = expected {
        let (got, _) = digest_of(&path)?;
        if got != expected {
            at(&path, std::fs::remove_file(&path))?;
            return Err(ArtifactError::Digest {
                url: upstream.url.clone(),
                expected,
                got,
            });
        }
    }
    Ok(path)
}

/// The digest that the catalogue or upstream names.
async fn expected(
    client: &reqwest::Client,
    upstream: &Upstream,
) -> Result<Option<String>, ArtifactError> {
    if let Some(sha256) = &upstream.sha256 {
        return Ok(Some(sha256.clone()));
    }
    let Some(url) = &upstream.checksum else {
        return Ok(None);
    };
    let text = client
        .get(url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| failed(url, error))?
        .text()
        .await
        .map_err(|error| failed(url, error))?;
    // `DIGEST` or `DIGEST  FILE`.
    let digest = text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_lowercase();
    if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(Some(digest))
    } else {
        Err(ArtifactError::Incomplete {
            what: url.clone(),
            missing: "SHA-256 digest".to_owned(),
        })
    }
}

/// Goes on behind what an earlier try has left.
async fn fetch(
    client: &reqwest::Client,
    url: &str,
    part: &Path,
    subject: &str,
    tell: Tell<'_>,
) -> Result<(), ArtifactError> {
    let mut have = std::fs::metadata(part).map_or(0, |metadata| metadata.len());
    let mut response = client
        .get(url)
        .header("Range", format!("bytes={have}-"))
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| failed(url, error))?;
    // A server that does not resume begins anew.
    let resumed = response.status() == reqwest::StatusCode::PARTIAL_CONTENT;
    if !resumed {
        have = 0;
    }
    let total = response.content_length().map(|rest| rest + have);
    let mut file = at(
        part,
        OpenOptions::new()
            .create(true)
            .append(resumed)
            .write(true)
            .truncate(!resumed)
            .open(part),
    )?;
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, error))? {
        at(part, file.write_all(&chunk))?;
        have += chunk.len() as u64;
        tell(Progress {
            subject: subject.to_owned(),
            state: "fetching its release".to_owned(),
            done: Some(have),
            total,
        });
    }
    Ok(())
}

fn failed(url: &str, error: impl std::error::Error + Send + Sync + 'static) -> ArtifactError {
    ArtifactError::Fetch {
        url: url.to_owned(),
        source: Box::new(error),
    }
}
