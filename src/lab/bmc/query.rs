//! Query parameters of the standard: `$expand`, `$select`, `$top`, `$skip`, `only`.

use serde_json::{Value, json};

use super::answer::{Answer, Message, refuse};
use super::machine::{Bmc, Inner};
use super::profile::{Etag, Expand};
use super::tree::{members, normal};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `*`, `.` or `~`, and how deep.
    pub expand: Option<(char, u8)>,
    pub select: Vec<String>,
    pub top: Option<usize>,
    pub skip: usize,
    pub only: bool,
}

const DEEPEST: u8 = 3;
/// Members a page, where a vendor pages by itself.
const PAGE: usize = 75;

impl Query {
    pub fn parse(text: &str) -> Result<Self, Answer> {
        let mut query = Self::default();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = decode(value);
            let number = || {
                value.parse().map_err(|_| {
                    refuse(
                        400,
                        Message::new("QueryParameterValueTypeError").arguments([&value, key]),
                    )
                })
            };
            match decode(key).as_str() {
                "$expand" => query.expand = Some(expand(&value)?),
                "$select" => {
                    query.select = value
                        .split(',')
                        .map(|name| name.trim().to_owned())
                        .collect()
                }
                "$top" => query.top = Some(number()?),
                "$skip" => query.skip = number()?,
                "only" if value.is_empty() => query.only = true,
                "only" => {
                    return Err(refuse(
                        400,
                        Message::new("QueryParameterValueTypeError").arguments([&value, "only"]),
                    ));
                }
                key if key.starts_with('$') => {
                    return Err(refuse(
                        501,
                        Message::new("QueryParameterUnsupported").arguments([key]),
                    ));
                }
                _ => {}
            }
        }
        Ok(query)
    }
}

fn expand(value: &str) -> Result<(char, u8), Answer> {
    let bad = || {
        refuse(
            400,
            Message::new("QueryParameterValueTypeError").arguments([value, "$expand"]),
        )
    };
    let kind = value
        .chars()
        .next()
        .filter(|kind| ['*', '.', '~'].contains(kind))
        .ok_or_else(bad)?;
    let rest = &value[1..];
    if rest.is_empty() {
        return Ok((kind, 1));
    }
    let levels: u8 = rest
        .strip_prefix("($levels=")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|levels| levels.parse().ok())
        .ok_or_else(bad)?;
    if levels == 0 || levels > DEEPEST {
        return Err(refuse(
            400,
            Message::new("QueryParameterOutOfRange").arguments([value, "$expand", "1-3"]),
        ));
    }
    Ok((kind, levels))
}

/// Percent and plus decoding.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let escaped = (bytes[position] == b'%')
            .then(|| text.get(position + 1..position + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                decoded.push(byte);
                position += 3;
            }
            None => {
                decoded.push(bytes[position]);
                position += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

impl Bmc {
    /// Applies the query to a document.
    pub fn shape(
        &self,
        inner: &mut Inner,
        path: &str,
        document: Value,
        query: &Query,
    ) -> Result<Value, Answer> {
        let mut document = document;
        let is_collection = document["Members"].is_array();
        if query.only {
            if !is_collection {
                return Err(refuse(400, Message::new("QueryNotSupportedOnResource")));
            }
            if let [member] = members(&document).as_slice()
                && let Some(only) = self.view_json(inner, member)
            {
                return Ok(only);
            }
        }
        let mut query = query.clone();
        let pages = self.dialect.expand == Expand::DropsFields && path.ends_with("/PCIeDevices");
        if pages && query.top.is_none() {
            query.top = Some(PAGE);
        }
        if (query.top.is_some() || query.skip > 0) && is_collection {
            page(&mut document, path, &query);
        }
        if let Some((kind, levels)) = query.expand {
            self.expand(inner, &mut document, kind, levels, Place::Body);
        }
        if !query.select.is_empty() {
            select(&mut document, &query.select);
        }
        Ok(document)
    }

    fn expand(&self, inner: &mut Inner, value: &mut Value, kind: char, levels: u8, place: Place) {
        match value {
            Value::Object(object) => {
                let reference = object.len() == 1 && !matches!(place, Place::Body);
                if let Some(path) = object
                    .get("@odata.id")
                    .and_then(Value::as_str)
                    .filter(|path| reference && !path.contains('#'))
                {
                    let path = normal(path).to_owned();
                    if let Some(mut document) = self.view_json(inner, &path) {
                        if self.dialect.etag != Etag::StarRefused {
                            self.tag(&mut document);
                        }
                        if levels > 1 {
                            self.expand(inner, &mut document, kind, levels - 1, Place::Body);
                        }
                        if self.dialect.expand == Expand::DropsFields {
                            drop_nested(&mut document);
                        }
                        *value = document;
                    }
                    return;
                }
                for (key, value) in object.iter_mut() {
                    let inside = if key == "Links" {
                        Place::Links
                    } else {
                        place.inside()
                    };
                    let wanted = match (kind, inside) {
                        ('.', Place::Links) => false,
                        ('~', Place::Links) => true,
                        ('~', _) => false,
                        _ => true,
                    };
                    if wanted && !key.starts_with('@') && key != "Actions" {
                        self.expand(inner, value, kind, levels, inside);
                    }
                }
            }
            Value::Array(array) => {
                for value in array {
                    self.expand(inner, value, kind, levels, place.inside());
                }
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    Body,
    Property,
    Links,
}

impl Place {
    fn inside(self) -> Self {
        match self {
            Self::Links => Self::Links,
            _ => Self::Property,
        }
    }
}

fn drop_nested(document: &mut Value) {
    if let Some(object) = document.as_object_mut() {
        object.retain(|_, value| !value.is_object() && !value.is_array());
    }
}

fn page(document: &mut Value, path: &str, query: &Query) {
    let Some(all) = document["Members"].as_array() else {
        return;
    };
    let end = query
        .top
        .map_or(all.len(), |top| (query.skip + top).min(all.len()));
    let shown: Vec<Value> = all.get(query.skip..end).unwrap_or_default().to_vec();
    let more = end < all.len();
    document["Members"] = Value::Array(shown);
    if more {
        document["Members@odata.nextLink"] = json!(format!(
            "{path}?$skip={end}&$top={}",
            query.top.unwrap_or_default()
        ));
    }
}

fn select(document: &mut Value, names: &[String]) {
    let Some(object) = document.as_object_mut() else {
        return;
    };
    object.retain(|key, _| {
        key.starts_with("@odata.")
            || key == "Members"
            || key == "Members@odata.count"
            || names.iter().any(|name| {
                key == name.split('/').next().unwrap_or(name) || key.split('@').next() == Some(name)
            })
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_knows_and_refuses_other_dollar_words() {
        let query =
            Query::parse("$expand=.($levels=2)&$select=Name,Id&$top=1&odd=1").expect("known");
        assert_eq!(query.expand, Some(('.', 2)));
        assert_eq!(query.select, ["Name", "Id"]);
        assert_eq!(query.top, Some(1));
        for (text, status) in [
            ("$filter=x", 501),
            ("$expand=?", 400),
            ("$expand=*($levels=9)", 400),
            ("$top=x", 400),
        ] {
            assert_eq!(Query::parse(text).expect_err(text).status, status);
        }
        assert_eq!(decode("%24expand%3D*"), "$expand=*");
    }
}
