//! What several kinds' parameters have in common.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::Fault;

/// A value that YAML may hold as text, number or boolean, and the system only knows as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scalar(pub String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Scalar;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, a number or a boolean")
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(value.to_owned()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// The names of a kind that takes `name` for one and `names` for several.
pub(super) fn one_or_many(
    one: Option<String>,
    many: Vec<String>,
    singular: &str,
) -> Result<Vec<String>, Fault> {
    let names: Vec<String> = match (one, many.is_empty()) {
        (Some(one), true) => vec![one],
        (None, false) => many,
        (None, true) => {
            return Err(
                Fault::at("", format!("`{singular}` or `{singular}s` is missing"))
                    .hint(format!("`{singular}` names one, `{singular}s` is a list")),
            );
        }
        (Some(_), false) => {
            return Err(Fault::at(
                &format!("/{singular}"),
                format!("`{singular}` and `{singular}s` exclude each other"),
            ));
        }
    };
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(Fault::at(
                &format!("/{singular}s/{index}"),
                format!("`{name}` is named twice"),
            ));
        }
    }
    Ok(names)
}

/// A few names as a person would list them: `a, b and 3 more`.
pub(super) fn listed(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 3;
    let head: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len() {
        0..=SHOWN => head.join(", "),
        more => format!("{} and {} more", head.join(", "), more - SHOWN),
    }
}

/// A name that becomes a file name: one path component of plain characters.
pub(super) fn file_name(name: &str, pointer: &str) -> Result<(), Fault> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-@:+".contains(&byte));
    if name.is_empty() || name.starts_with('.') || !plain {
        return Err(Fault::at(
            pointer,
            format!("`{name}` cannot be used as a file name"),
        ));
    }
    Ok(())
}

/// The candidate most like `word`, where one is like enough to be meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let likeness = strsim::jaro_winkler(&folded, &candidate.to_lowercase());
            (likeness, candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_names_shortly() {
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn suggests_only_what_is_like() {
        assert_eq!(
            nearest("SriovGlobalEnabel", ["SriovGlobalEnable", "ProcTurbo"]),
            Some("SriovGlobalEnable")
        );
        assert_eq!(nearest("Quux", ["SriovGlobalEnable"]), None);
    }

    #[test]
    fn wants_one_or_many() {
        assert_eq!(
            one_or_many(Some("a".into()), vec![], "name"),
            Ok(vec!["a".into()])
        );
        assert!(one_or_many(None, vec![], "name").is_err());
        assert!(one_or_many(Some("a".into()), vec!["b".into()], "name").is_err());
        assert!(one_or_many(None, vec!["b".into(), "b".into()], "name").is_err());
    }
}
