//! Firmware: what runs, and what is to run.

use std::cmp::Ordering;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::Text;

/// The firmware that the BMC lists.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FirmwareState {
    pub components: Vec<Component>,
    /// Entries that could not be read, with the reason.
    pub unreadable: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    pub path: String,
    /// `BIOS`, `Installed-159-2.4.0`, `1`.
    pub id: String,
    /// `System BIOS`, `iLO 5`; the identifier where there is no name.
    pub name: String,
    pub version: Option<String>,
    /// As told; `None` where the BMC does not tell.
    pub updateable: Option<bool>,
    pub part: Part,
    /// A version that this run has written and that waits for the server's next boot.
    pub staged: Option<String>,
}

/// What firmware belongs to, as far as it decides when it takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Takes effect at the server's next boot.
    Bios,
    /// Takes effect by the BMC's own restart.
    Bmc,
    Other,
}

/// An update of the components that a pattern names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirmwareOrder {
    /// See [`FirmwareState::matching`].
    pub component: String,
    pub version: String,
    pub image: FirmwareImage,
    /// `HTTP`, `HTTPS`, `NFS`, …; by the image's address when none.
    pub protocol: Option<String>,
    /// Resources that the BMC is told to update; it decides by the image when empty.
    pub targets: Vec<String>,
    /// For a share that asks who comes.
    pub user: Option<Text>,
    pub password: Option<Text>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirmwareImage {
    /// The BMC fetches it.
    Address(String),
    /// It is sent to the BMC.
    File(PathBuf),
}

impl FirmwareState {
    /// Components whose identifier or name is the pattern, in any case; `*` stands for any
    /// stretch.
    pub fn matching(&self, pattern: &str) -> Vec<&Component> {
        self.components
            .iter()
            .filter(|one| fits(pattern, &one.id) || fits(pattern, &one.name))
            .collect()
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.trim().to_lowercase(), name.trim().to_lowercase());
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(start) => rest = &rest[start + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// How a version that is wished for stands to one that a BMC shows: `U46 v2.42 (01/23/2024)` is
/// 2.42, and 1.10.0 is 1.10. `None` where they cannot be told apart by order.
pub fn compare(wish: &str, shown: &str) -> Option<Ordering> {
    let (wish, shown) = (wish.trim(), shown.trim());
    let same = |word: &str| parts(word) == parts(wish);
    if same(shown) || shown.split_whitespace().any(same) {
        return Some(Ordering::Equal);
    }
    let word = |text: &str| -> Option<Vec<Piece>> {
        text.split_whitespace()
            .filter(|word| word.contains('.'))
            .map(parts)
            .find(|pieces| matches!(pieces[..], [Piece::Number(_), ..]))
    };
    let (wish, shown) = (word(wish)?, word(shown)?);
    for index in 0..wish.len().max(shown.len()) {
        let order = match (wish.get(index), shown.get(index)) {
            (Some(Piece::Number(left)), Some(Piece::Number(right))) => left.cmp(right),
            (Some(Piece::Word(left)), Some(Piece::Word(right))) if left == right => Ordering::Equal,
            (Some(Piece::Number(_)), None) => Ordering::Greater,
            (None, Some(Piece::Number(_))) => Ordering::Less,
            _ => return None,
        };
        if order != Ordering::Equal {
            return Some(order);
        }
    }
    Some(Ordering::Equal)
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Number(u64),
    Word(String),
}

/// A version's pieces: numbers as such, without a leading `v` and without zeros at the end.
fn parts(version: &str) -> Vec<Piece> {
    let version = version.trim_matches(|letter| "()[],;".contains(letter));
    let plain = version
        .strip_prefix(['v', 'V'])
        .filter(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
        .unwrap_or(version);
    let mut pieces: Vec<Piece> = plain
        .split(['.', '-', '_', '+'])
        .map(|piece| match piece.parse() {
            Ok(number) => Piece::Number(number),
            Err(_) => Piece::Word(piece.to_lowercase()),
        })
        .collect();
    while pieces.len() > 1 && pieces.last() == Some(&Piece::Number(0)) {
        pieces.pop();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_people_do() {
        for (wish, shown, expected) in [
            ("2.42", "U46 v2.42 (01/23/2024)", Some(Ordering::Equal)),
            (
                "U46 v2.42 (01/23/2024)",
                "U46 v2.42 (01/23/2024)",
                Some(Ordering::Equal),
            ),
            ("1.10", "1.10.0", Some(Ordering::Equal)),
            ("V1.2", "1.2", Some(Ordering::Equal)),
            ("1.10", "1.9", Some(Ordering::Greater)),
            ("1.9.9", "1.10", Some(Ordering::Less)),
            ("2.50", "U46 v2.42 (01/23/2024)", Some(Ordering::Greater)),
            ("22.41.1000", "22.41.1000", Some(Ordering::Equal)),
            ("CDI3A8R", "CDI3A8R", Some(Ordering::Equal)),
            ("CDI3A8S", "CDI3A8R", None),
            ("2.4.1", "2.4.1-rc1", None),
            ("2.4", "24", None),
            ("5.0", "5.1", Some(Ordering::Less)),
            ("5.1", "5.0", Some(Ordering::Greater)),
        ] {
            assert_eq!(compare(wish, shown), expected, "{wish} and {shown}");
        }
    }

    #[test]
    fn components_are_named_by_identifier_name_or_pattern() {
        for (pattern, name, expected) in [
            ("bios", "BIOS", true),
            ("bios", "System BIOS", false),
            ("*bios", "System BIOS", true),
            ("nic*", "NIC1", true),
            ("*nic*slot*", "Intel NIC in Slot 3", true),
            ("nic*", "Other NIC", false),
            ("*", "x", true),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} and {name}");
        }
    }
}
