//! Upstream releases: fetched once, resumed where they broke off, their digests checked.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::catalogue::Upstream;
use super::error::ArtifactError;
use super::store::{Progress, Tell, at, digest_of, make_folder};

const CONNECT: Duration = Duration::from_secs(3);

/// Whether a release can be had from where it is published: whatever the host answers within
/// three seconds will do, also through a proxy that the environment names. Asked once a host and
/// run.
pub(super) fn reachable(url: &str) -> bool {
    static KNOWN: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    let Some(host) = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next())
    else {
        return false;
    };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(host.to_owned()).or_insert_with(|| {
        let asked = wait(url, async {
            let request = client(url)?.head(url).timeout(CONNECT);
            request.send().await.map_err(|error| failed(url, error))
        });
        asked.is_ok()
    })
}

/// Runs to its end on a thread of its own: the store blocks, and reqwest does not.
fn wait<T: Send>(
    url: &str,
    work: impl Future<Output = Result<T, ArtifactError>> + Send,
) -> Result<T, ArtifactError> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| failed(url, error))?
                .block_on(work)
        });
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn client(url: &str) -> Result<reqwest::Client, ArtifactError> {
    // Fails only when another part of the program has chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(Duration::from_secs(60))
        .build()
        .map_err(|error| failed(url, error))
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
    let archive = wait(&upstream.url, download(upstream, subject, downloads, tell))?;
    if let Some(program) = &upstream.program {
        let output = work.join(program);
        at(&output, std::fs::rename(&archive, &output))?;
        let executable = std::fs::Permissions::from_mode(0o755);
        at(&output, std::fs::set_permissions(&output, executable))?;
        return Ok(BTreeMap::from([(program.clone(), output)]));
    }
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
    if let Some(missing) = wanted.iter().find(|name| !files.contains_key(*name)) {
        return Err(ArtifactError::Incomplete {
            what: upstream.url.clone(),
            missing: format!("{}/{missing}", upstream.folder),
        });
    }
    // What was wanted of it is out, and a release may be hundreds of megabytes.
    at(&archive, std::fs::remove_file(&archive))?;
    Ok(files)
}

async fn download(
    upstream: &Upstream,
    subject: &str,
    downloads: &Path,
    tell: Tell<'_>,
) -> Result<PathBuf, ArtifactError> {
    let client = client(&upstream.url)?;
    let expected = expected(&client, upstream).await?;
    make_folder(Some(downloads))?;
    // Named for the digest: what is left of a release that has changed since is not gone on with.
    let path = downloads.join(&expected);
    if !path.exists() {
        let part = downloads.join(format!("{expected}.part"));
        fetch(&client, &upstream.url, &part, subject, tell).await?;
        let (got, _) = digest_of(&part)?;
        if got != expected {
            at(&part, std::fs::remove_file(&part))?;
            return Err(ArtifactError::Digest {
                url: upstream.url.clone(),
                expected,
                got,
            });
        }
        at(&path, std::fs::rename(&part, &path))?;
    }
    Ok(path)
}

/// The digest that the catalogue names, or else the file that upstream publishes beside it.
async fn expected(client: &reqwest::Client, upstream: &Upstream) -> Result<String, ArtifactError> {
    if let Some(sha256) = &upstream.sha256 {
        return Ok(sha256.to_lowercase());
    }
    let url = upstream
        .checksum
        .as_ref()
        .ok_or_else(|| ArtifactError::Incomplete {
            what: "the catalogue".to_owned(),
            missing: format!("digest of {}", upstream.url),
        })?;
    let text = client
        .get(url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| failed(url, error))?
        .text()
        .await
        .map_err(|error| failed(url, error))?;
    let file = upstream.url.rsplit('/').next().unwrap_or_default();
    listed(&text, file).ok_or_else(|| ArtifactError::Incomplete {
        what: url.clone(),
        missing: format!("SHA-256 digest of {file}"),
    })
}

/// A file's digest in a checksum file: `DIGEST` alone, or the line `DIGEST  FILE` among others,
/// perhaps inside a signed message.
pub(super) fn listed(text: &str, file: &str) -> Option<String> {
    let lines: Vec<(String, Option<&str>)> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let digest = words.next()?.to_lowercase();
            let right = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
            right.then(|| (digest, words.next()))
        })
        .collect();
    let name = |path: &str| path.trim_start_matches('*').rsplit('/').next() == Some(file);
    match lines.iter().find(|(_, path)| path.is_some_and(name)) {
        Some((digest, _)) => Some(digest.clone()),
        None => match &lines[..] {
            [(digest, None)] => Some(digest.clone()),
            _ => None,
        },
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
    let mut request = client.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.send().await.map_err(|error| failed(url, error))?;
    if have > 0 && response.status() == reqwest::StatusCode::RANGE_NOT_SATISFIABLE {
        // All of it had come; its digest is still to be looked at.
        return Ok(());
    }
    let mut response = response
        .error_for_status()
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
            .write(true)
            .append(resumed)
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
