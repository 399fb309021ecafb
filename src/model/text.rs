//! Text in which secrets and late values are names, not values.

use std::fmt;

use serde::{Deserialize, Serialize};

const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';

/// A text that may name sealed values. A sealed value is written into it as a mark that carries
/// only its name, so the text can be planned, compared, shown and saved; `Display` prints
/// `‹name›`. Only the rooms that talk to a machine put the values in, with [`super::Vault::reveal`].
///
/// The marks are two characters of Unicode's private use area, which no configuration file of a
/// server has a use for; config refuses files that hold them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The mark that stands for a sealed value in a template's output.
    pub fn mark(name: &str) -> String {
        format!("{OPEN}{name}{CLOSE}")
    }

    /// The text with its marks, as a template or a saved plan holds it.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Names of the sealed values that it needs, in order of appearance.
    pub fn names(&self) -> Vec<&str> {
        self.parts()
            .filter_map(|part| match part {
                Part::Sealed(name) => Some(name),
                Part::Plain(_) => None,
            })
            .collect()
    }

    pub fn is_sealed(&self) -> bool {
        self.0.contains(OPEN)
    }

    /// The text as a sequence of plain stretches and names.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut rest = self.0.as_str();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let Some(start) = rest.find(OPEN) else {
                return Some(Part::Plain(std::mem::take(&mut rest)));
            };
            if start > 0 {
                let (plain, after) = rest.split_at(start);
                rest = after;
                return Some(Part::Plain(plain));
            }
            let inner = &rest[OPEN.len_utf8()..];
            match inner.find(CLOSE) {
                Some(end) => {
                    rest = &inner[end + CLOSE.len_utf8()..];
                    Some(Part::Sealed(&inner[..end]))
                }
                None => Some(Part::Plain(std::mem::take(&mut rest))),
            }
        })
    }
}

/// One stretch of a [`Text`].
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'text> {
    Plain(&'text str),
    Sealed(&'text str),
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.parts() {
            match part {
                Part::Plain(plain) => formatter.write_str(plain)?,
                Part::Sealed(name) => write!(formatter, "‹{name}›")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.to_string())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_names_only() {
        let text = Text::new(format!("join --token {} now", Text::mark("join-token")));
        assert_eq!(text.to_string(), "join --token ‹join-token› now");
        assert_eq!(text.names(), ["join-token"]);
        assert_eq!(text.parts().count(), 3);
    }
}
