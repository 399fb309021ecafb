//! Paths as BMCs write them, and the walk along a [`LinkPath`].

use std::collections::HashSet;
use std::sync::Arc;

use reqwest::Url;
use serde_json::{Value, json};

use super::document::{Document, link};
use super::error::Error;
use super::survey::Survey;
use crate::model::LinkPath;

/// Path and query of an address.
pub(super) fn path_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// A path without trailing slash, fragment and origin: what a resource is called in answers.
pub(super) fn tidy(path: &str) -> String {
    let path = path.trim();
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |start| &rest[start..]),
        None => path,
    };
    let path = path.split('#').next().unwrap_or_default();
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        "/".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// Two links are the same where this is equal: BMCs differ in case and in trailing slashes
/// between links to one resource (seen in captured trees).
pub(super) fn identity(path: &str) -> String {
    tidy(path).to_ascii_lowercase()
}

/// The links, each once, in their order.
pub(super) fn distinct(links: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    links
        .into_iter()
        .filter(|path| seen.insert(identity(path)))
        .collect()
}

/// A place on the walk: a value, and whether it still is a link to follow.
enum Place {
    Value(Value),
    Unreadable { path: String, reason: String },
}

impl Survey<'_> {
    /// The documents at the end of a link path. A property that is not there ends its branch; a
    /// document that cannot be read stands as `{"@odata.id", "unreadable": reason}`.
    pub async fn walk(&self, path: &LinkPath) -> Result<Vec<Value>, Error> {
        let mut words = path.0.split('/').filter(|word| !word.is_empty());
        let start = match words.next() {
            Some("root") | None => self.root().await?,
            Some("system") => self.system().await?,
            Some("manager") => self.manager().await?,
            Some("chassis") => self.chassis().await?,
            Some(word) => {
                return Err(Error::Unsupported {
                    what: format!("follow {path}"),
                    reason: format!(
                        "a link path starts with root, system, manager or chassis, not {word}"
                    ),
                });
            }
        };
        let mut places = vec![Place::Value(start.body.clone())];
        for word in words {
            let mut next = Vec::new();
            for place in places {
                match place {
                    Place::Value(value) => self.step(&value, word, &mut next).await,
                    unreadable => next.push(unreadable),
                }
            }
            places = next;
        }
        Ok(places
            .into_iter()
            .map(|place| match place {
                Place::Value(value) => value,
                Place::Unreadable { path, reason } => {
                    json!({"@odata.id": path, "unreadable": reason})
                }
            })
            .collect())
    }

    async fn step(&self, value: &Value, word: &str, next: &mut Vec<Place>) {
        if word == "*" {
            match value {
                Value::Array(list) => {
                    for entry in list {
                        next.push(self.resolve(entry).await);
                    }
                }
                Value::Object(_) => {
                    for member in self.members_of(value).await {
                        next.push(match member {
                            Ok(document) => Place::Value(document.body.clone()),
                            Err((path, error)) => Place::Unreadable {
                                path,
                                reason: error.to_string(),
                            },
                        });
                    }
                }
                _ => {}
            }
        } else if let Some(property) = value.get(word).filter(|property| !property.is_null()) {
            next.push(self.resolve(property).await);
        }
    }

    /// The document behind a link; anything that is no bare link stands for itself.
    async fn resolve(&self, value: &Value) -> Place {
        let bare = value
            .as_object()
            .is_some_and(|object| object.keys().all(|key| key.starts_with("@odata.")));
        match link(value).filter(|_| bare) {
            None => Place::Value(value.clone()),
            Some(path) => match self.get(&path).await {
                Ok(document) => Place::Value(document.body.clone()),
                Err(error) => Place::Unreadable {
                    path: tidy(&path),
                    reason: error.to_string(),
                },
            },
        }
    }

    /// The manager of the primary system, else the first one of all.
    pub async fn manager(&self) -> Result<Arc<Document>, Error> {
        let system = self.system().await?;
        self.linked_or_first(system.links("ManagedBy"), "Managers")
            .await
    }

    /// The chassis of the primary system, else the first one of all.
    pub async fn chassis(&self) -> Result<Arc<Document>, Error> {
        let system = self.system().await?;
        self.linked_or_first(system.links("Chassis"), "Chassis")
            .await
    }

    async fn linked_or_first(
        &self,
        links: Vec<String>,
        collection: &str,
    ) -> Result<Arc<Document>, Error> {
        for path in links {
            if let Ok(document) = self.get(&path).await {
                return Ok(document);
            }
        }
        let root = self.root().await?;
        let path = root.link(collection).ok_or_else(|| Error::Missing {
            path: format!("{} of {}", collection, root.path),
        })?;
        let members = self.members(&path).await?;
        let mut last = None;
        for member in members {
            match member {
                Ok(document) => return Ok(document),
                Err((_, error)) => last = Some(error),
            }
        }
        Err(last.unwrap_or(Error::Missing {
            path: format!("member of {path}"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_one_resource_are_one() {
        assert_eq!(
            identity("/redfish/v1/systems/1/bios/"),
            identity("/redfish/v1/Systems/1/Bios")
        );
        assert_eq!(
            tidy("https://bmc/redfish/v1/Systems/1#/Fans/0"),
            "/redfish/v1/Systems/1"
        );
        assert_eq!(tidy("/"), "/");
        let links = ["/a", "/A/", "/b"].map(String::from);
        assert_eq!(distinct(links), ["/a", "/b"]);
    }
}
