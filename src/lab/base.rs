//! The root file system that all machines are copies of: made once, cached by what it is made from.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::command::run;
use super::{LabError, USER};

const SUITE: &str = "bookworm";
/// The size that a machine sees. The image is sparse: it takes what is written.
const SIZE: &str = "20G";
/// What a Debian server has, and what the shipped roles take from the distribution.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,udev,openssh-server,sudo,ca-certificates,curl,\
kmod,procps,iproute2,iputils-ping,iptables,nftables,ipset,ebtables,conntrack,ethtool,socat,chrony,\
keepalived,zstd,xz-utils,less";

const BUILD: &str = include_str!("data/build-base");
/// Files that the build reads beside itself.
const FILES: [(&str, &str); 3] = [
    ("customize", include_str!("data/customize")),
    ("writable-cgroups", include_str!("data/writable-cgroups")),
    (
        "lab-cgroups.service",
        include_str!("data/lab-cgroups.service"),
    ),
];

/// The image's place in the cache: its name changes with anything it is made from.
pub(super) fn path(cache: &Path) -> PathBuf {
    let mut digest = Sha256::new();
    for part in [SUITE, SIZE, PACKAGES, USER, BUILD] {
        digest.update(part);
        digest.update([0]);
    }
    for (name, text) in FILES {
        digest.update(name);
        digest.update([0]);
        digest.update(text);
    }
    cache.join(format!(
        "base-{}.img",
        &hex::encode(digest.finalize())[..12]
    ))
}

/// Makes the image unless it is there; two labs at once wait for one another.
pub(super) async fn make(cache: &Path) -> Result<PathBuf, LabError> {
    let image = path(cache);
    if image.exists() {
        return Ok(image);
    }
    fs::create_dir_all(cache).map_err(LabError::file("made", cache))?;
    let lock_path = cache.join("base.lock");
    let lock = File::create(&lock_path).map_err(LabError::file("made", &lock_path))?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
        .await
        .expect("waiting for a lock does not panic")
        .map_err(LabError::file("locked", &lock_path))?;
    if !image.exists() {
        build(cache, &image).await?;
    }
    drop(lock);
    Ok(image)
}

async fn build(cache: &Path, image: &Path) -> Result<(), LabError> {
    let work = tempfile::Builder::new()
        .prefix("building-")
        .tempdir_in(cache)
        .map_err(LabError::file("written to", cache))?;
    // mmdebstrap's sandbox wants to walk through it.
    set_mode(work.path(), 0o755)?;
    let script = work.path().join("build-base");
    fs::write(&script, BUILD).map_err(LabError::file("written", &script))?;
    for (name, text) in FILES {
        let path = work.path().join(name);
        fs::write(&path, text).map_err(LabError::file("written", &path))?;
    }
    let (script, image, work_path) = (text(&script), text(image), text(work.path()));
    run(
        "making the base root file system",
        &[
            "sh", &script, &work_path, &image, SIZE, SUITE, PACKAGES, USER,
        ],
    )
    .await?;
    Ok(())
}

pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), LabError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(LabError::file("given a mode", path))
}

pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_named_for_what_it_is_made_from() {
        let path = path(Path::new("/cache"));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("base-") && name.ends_with(".img"));
        assert_eq!(name.len(), "base-.img".len() + 12);
        assert!(!PACKAGES.contains(char::is_whitespace));
    }
}
