//! Files and places in them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that was read, or one that is embedded in the binary.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    File(PathBuf),
    /// Shipped in the binary, by its path in the project: `roles/containerd/role.yaml`.
    Embedded(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(formatter, "{}", path.display()),
            Place::Embedded(path) => write!(formatter, "built-in {path}"),
        }
    }
}

/// A place in a file, for diagnostics: line and column count from 1, columns in characters.
/// Line 0 means the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    pub place: Arc<Place>,
    pub line: usize,
    pub column: usize,
    /// How many characters the caret underlines; at least 1.
    pub length: usize,
}

/// The text of a file with its place. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    pub place: Arc<Place>,
    pub text: Arc<str>,
}

/// Files beyond this many bytes are refused before they are read: a thousand hosts take some
/// hundred kilobytes.
pub const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// Why a file's text could not be had.
#[derive(Debug)]
pub enum Unreadable {
    Missing,
    Directory,
    /// Its size in bytes.
    TooLarge(u64),
    /// The place of the first byte that is not UTF-8: offset from 0, and the bytes of its line.
    NotText {
        offset: usize,
        text: String,
    },
    Other(std::io::Error),
}

/// Reads a file's text.
pub fn read(path: &Path) -> Result<Source, Unreadable> {
    let place = Arc::new(Place::File(path.to_owned()));
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Unreadable::Missing,
        _ => Unreadable::Other(error),
    })?;
    if metadata.is_dir() {
        return Err(Unreadable::Directory);
    }
    if metadata.len() > LARGEST_FILE {
        return Err(Unreadable::TooLarge(metadata.len()));
    }
    let bytes = std::fs::read(path).map_err(Unreadable::Other)?;
    text_of(place, bytes)
}

/// The bytes as text.
pub fn text_of(place: Arc<Place>, bytes: Vec<u8>) -> Result<Source, Unreadable> {
    match String::from_utf8(bytes) {
        Ok(text) => {
            let text = match text.strip_prefix('\u{FEFF}') {
                Some(rest) => rest.into(),
                None => text.into(),
            };
            Ok(Source { place, text })
        }
        Err(error) => Err(Unreadable::NotText {
            offset: error.utf8_error().valid_up_to(),
            text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }),
    }
}

impl Source {
    /// The file as a whole.
    pub fn whole(&self) -> Spot {
        whole(&self.place)
    }

    /// The place of a byte range in the text. A range beyond the end is the end.
    pub fn spot(&self, range: std::ops::Range<usize>) -> Spot {
        let start = self.boundary(range.start);
        let end = self.boundary(range.end.max(range.start));
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let underlined = self.text[start..end].lines().next().unwrap_or_default();
        Spot {
            place: self.place.clone(),
            line: before.matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            length: underlined.trim_end().chars().count().max(1),
        }
    }

    /// A whole line, from 1; line 0 is the file.
    pub fn line(&self, number: usize) -> Spot {
        let before = number.checked_sub(1);
        let text = before.and_then(|before| self.text.lines().nth(before));
        let Some(text) = text else {
            return self.whole();
        };
        let start = text.as_ptr() as usize - self.text.as_ptr() as usize;
        let indent = text.len() - text.trim_start().len();
        self.spot(start + indent..start + text.len())
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// A file as a whole.
pub fn whole(place: &Arc<Place>) -> Spot {
    Spot {
        place: place.clone(),
        line: 0,
        column: 0,
        length: 1,
    }
}
