//! Virtual media: what a BMC holds in place of a disc, and what it is told to hold.

use serde::{Deserialize, Serialize};

use crate::model::Text;

/// The virtual media devices of a server, in the order in which they are preferred: those of the
/// system before those of its manager.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MediaState {
    pub devices: Vec<MediaDevice>,
    /// Devices that could not be read, with the reason.
    pub unreadable: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaDevice {
    pub path: String,
    /// `CD`, `Slot_1`, `EXT1`: how the BMC calls it.
    pub name: String,
    /// `CD`, `DVD`, `USBStick`, `Floppy`; empty where the BMC does not say.
    pub kinds: Vec<String>,
    /// The image's address as the BMC shows it, which may be a file name only.
    pub image: Option<String>,
    pub inserted: bool,
    /// `URI`, `Applet`, `NotConnected`, …
    pub connected: Option<String>,
    pub write_protected: Option<bool>,
    pub way: MediaWay,
}

/// How images get in and out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaWay {
    /// `VirtualMedia.InsertMedia`.
    Action,
    /// PATCH of the device.
    Patch,
    /// Supermicro's `IsoConfig`.
    IsoConfig,
}

/// What the server sees the image as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drive {
    Cd,
    Usb,
}

impl Drive {
    pub fn word(self) -> &'static str {
        match self {
            Self::Cd => "cd",
            Self::Usb => "usb",
        }
    }
}

/// An image to be put in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Medium {
    /// `http://198.51.100.1/installer.iso`; also `https`, `nfs`, `cifs` where the BMC knows them.
    pub image: String,
    pub drive: Drive,
    pub write_protected: bool,
    /// For a share that asks who comes.
    pub user: Option<Text>,
    pub password: Option<Text>,
}

impl MediaState {
    /// Devices that serve as the drive, best first: those that say so before those that say
    /// nothing, those with an action before those without (OpenBMC lists slots that take
    /// nothing; ironic).
    pub fn candidates(&self, drive: Drive) -> Vec<&MediaDevice> {
        let mut found: Vec<&MediaDevice> = self
            .devices
            .iter()
            .filter(|device| device.serves(drive) != Some(false))
            .collect();
        found.sort_by_key(|device| {
            (
                device.serves(drive).is_none(),
                device.way == MediaWay::Patch,
            )
        });
        found
    }

    /// Why there is no candidate.
    pub fn lack(&self, drive: Drive) -> String {
        let known: Vec<String> = self
            .devices
            .iter()
            .map(|device| format!("{} ({})", device.name, device.kinds.join(", ")))
            .chain(self.unreadable.iter().cloned())
            .collect();
        if known.is_empty() {
            "it lists no virtual media device".to_owned()
        } else {
            format!("no {} among {}", drive.word(), known.join(", "))
        }
    }
}

impl MediaDevice {
    /// Whether it serves as this kind of drive; a DVD drive is one for CDs (ironic). `None` where
    /// the BMC does not say.
    pub fn serves(&self, drive: Drive) -> Option<bool> {
        if self.kinds.is_empty() {
            return None;
        }
        let has = |words: &[&str]| {
            self.kinds
                .iter()
                .any(|kind| words.iter().any(|word| kind.eq_ignore_ascii_case(word)))
        };
        Some(match drive {
            Drive::Cd => has(&["CD", "DVD"]),
            Drive::Usb => has(&["USBStick"]),
        })
    }

    /// Whether it holds this image. Some BMCs show only the file's name.
    pub fn holds(&self, image: &str) -> bool {
        self.inserted
            && self
                .image
                .as_deref()
                .is_some_and(|shown| same_image(image, shown))
    }

    pub fn is_empty(&self) -> bool {
        !self.inserted && self.image.is_none()
    }
}

/// Whether an address and what a BMC shows of it mean the same image: scheme and host in any
/// case, escaped or not, or the last part of the path alone.
pub fn same_image(wanted: &str, shown: &str) -> bool {
    let plain = |address: &str| -> String {
        let address = unescaped(address.trim());
        match address.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                format!(
                    "{}://{}/{path}",
                    scheme.to_ascii_lowercase(),
                    host.to_ascii_lowercase()
                )
            }
            None => address,
        }
    };
    let (wanted, shown) = (plain(wanted), plain(shown));
    wanted == shown
        || (!shown.contains('/') && wanted.rsplit('/').next() == Some(shown.as_str()))
        || (shown.starts_with('/')
            && wanted.split_once("://").is_some_and(|(_, rest)| {
                rest.find('/').is_some_and(|start| rest[start..] == shown)
            }))
}

/// A part of an address with its `%20` and the like put back.
pub fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_what_the_bmc_shows_of_it() {
        let image = "http://198.51.100.1:8080/a/install%20me.iso";
        for shown in [
            "http://198.51.100.1:8080/a/install%20me.iso",
            "HTTP://198.51.100.1:8080/a/install me.iso",
            "install me.iso",
            "/a/install me.iso",
        ] {
            assert!(same_image(image, shown), "{shown}");
        }
        for shown in [
            "http://198.51.100.1:8080/b/install%20me.iso",
            "https://198.51.100.1:8080/a/install%20me.iso",
            "me.iso",
            "/install me.iso",
            "",
        ] {
            assert!(!same_image(image, shown), "{shown}");
        }
    }
}
