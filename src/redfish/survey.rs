//! One look at a BMC: each document is fetched once, however many questions need it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::document::{Document, link, text};
use super::error::Error;
use super::links::{identity, tidy};
use super::message::{messages_of, sentence};
use super::transport::{Client, Patience, Request};
use super::{quirks, system};

pub(super) const ROOT: &str = "/redfish/v1/";

/// More pages than any collection has.
const PAGE_LIMIT: usize = 200;

type Cell = Arc<OnceCell<Result<Arc<Document>, Error>>>;

/// What was read since the last act.
#[derive(Default)]
pub(super) struct Cache {
    documents: Mutex<HashMap<String, Cell>>,
    primary: OnceCell<Arc<Document>>,
    /// Whether `$expand` works, once tried.
    expansion: OnceCell<bool>,
    /// Whether documents are only read here, so that none needs an ETag.
    reads_only: bool,
}

impl Cache {
    /// For questions alone.
    pub fn reading() -> Self {
        Self {
            reads_only: true,
            ..Self::default()
        }
    }

    /// The root needs no login, so it is read before; where it is whole it is not read again.
    pub fn with_root(root: Arc<Document>) -> Self {
        let cache = Self::reading();
        if root.link("Systems").is_some() {
            let cell = Arc::new(OnceCell::new_with(Some(Ok(root))));
            cache
                .documents
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .insert(tidy(ROOT), cell);
        }
        cache
    }
}

/// A member of a collection, or its path and why it cannot be read.
pub(super) type Member = Result<Arc<Document>, (String, Error)>;

/// The way to read: the client and what it has read already.
#[derive(Clone, Copy)]
pub(super) struct Survey<'a> {
    pub client: &'a Client,
    pub cache: &'a Cache,
}

impl Survey<'_> {
    pub async fn root(&self) -> Result<Arc<Document>, Error> {
        self.get(ROOT).await
    }

    /// The primary system: the first that has both a reset action and a boot override.
    pub async fn system(&self) -> Result<Arc<Document>, Error> {
        self.cache
            .primary
            .get_or_try_init(|| system::primary(self))
            .await
            .cloned()
    }

    /// The document behind a link; asked once, also where it cannot be read.
    pub async fn get(&self, path: &str) -> Result<Arc<Document>, Error> {
        self.cell(path)
            .get_or_init(|| fetch(self.client, path))
            .await
            .clone()
    }

    fn cell(&self, path: &str) -> Cell {
        let mut documents = self
            .cache
            .documents
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(documents.entry(tidy(path)).or_default())
    }

    /// The members of the collection at a path, over all its pages.
    ///
    /// # Errors
    /// Only where the collection's first page cannot be read: a malformed member fails alone.
    pub async fn members(&self, path: &str) -> Result<Vec<Member>, Error> {
        let collection = self.get(path).await?;
        Ok(self.members_of(&collection.body).await)
    }

    /// The members of the collection at a path, in one request where the BMC expands truly. For
    /// reading only: expanded members have no ETag on some.
    pub async fn expanded(&self, path: &str) -> Result<Vec<Member>, Error> {
        match self.expansion(path).await {
            Some(collection) => Ok(self.members_of(&collection.body).await),
            None => self.members(path).await,
        }
    }

    /// The collection at a path, its members fetched along with it; nothing where the BMC does
    /// not expand. The first is the trial for all: what is told to be offered may be refused.
    async fn expansion(&self, path: &str) -> Option<Arc<Document>> {
        let root = self.root().await.ok()?;
        let works = self.cache.expansion.get_or_init(|| async {
            quirks::expands_truly(&root) && self.expanded_once(path).await.is_ok()
        });
        match works.await {
            true => self.expanded_once(path).await.ok(),
            false => None,
        }
    }

    async fn expanded_once(&self, path: &str) -> Result<Arc<Document>, Error> {
        let request = Request {
            patience: Patience::Once,
            ..Request::get(&format!("{}?$expand=.($levels=1)", tidy(path)))
        };
        self.cell(&request.path)
            .get_or_init(|| async {
                let mut collection = read(self.client, &request).await?;
                self.take_members(&mut collection.body);
                Ok(Arc::new(collection))
            })
            .await
            .clone()
    }

    /// The same where nothing is written, and the collection has members.
    pub async fn expansion_for_reading(&self, path: &str) -> Option<Arc<Document>> {
        if !self.cache.reads_only {
            return None;
        }
        let collection = self.expansion(path).await?;
        let filled = collection.body.get("Members")?.as_array()?.first()?;
        filled.is_object().then_some(collection)
    }

    /// Keeps the whole members of an expanded collection as documents of their own, and their
    /// links in the collection.
    fn take_members(&self, collection: &mut Value) {
        let members = collection.get_mut("Members").and_then(Value::as_array_mut);
        for entry in members.into_iter().flatten() {
            let Some(path) = link(entry) else { continue };
            if !quirks::expanded_member_is_whole(entry) {
                continue;
            }
            let body = std::mem::replace(entry, json!({"@odata.id": path}));
            let document = Document {
                path: tidy(&path),
                etag: text(&body, "@odata.etag"),
                body,
            };
            // Read on its own before: as good.
            let _ = self.cell(&path).set(Ok(Arc::new(document)));
        }
    }

    /// The members of a collection that was read. They are fetched side by side; the gate keeps
    /// the BMC from being overrun.
    pub async fn members_of(&self, collection: &Value) -> Vec<Member> {
        let (entries, fault) = self.entries(collection).await;
        let mut members = self.documents(entries).await;
        members.extend(fault.map(Err));
        members
    }

    /// The links to the members, each once, over all pages, and what ended the pages early.
    pub async fn member_links(&self, collection: &Value) -> (Vec<String>, Option<(String, Error)>) {
        let (entries, fault) = self.entries(collection).await;
        (
            entries
                .into_iter()
                .filter_map(|entry| link(&entry))
                .collect(),
            fault,
        )
    }

    async fn entries(&self, collection: &Value) -> (Vec<Value>, Option<(String, Error)>) {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        let mut pages = HashSet::new();
        let mut page = collection.clone();
        loop {
            // `Members: null` was seen on BlueField; an object that stands where a list should
            // is read as its only member.
            let list = match page.get("Members") {
                Some(Value::Array(list)) => list.clone(),
                Some(single @ Value::Object(_)) => vec![single.clone()],
                _ => Vec::new(),
            };
            for entry in list {
                if let Some(path) = link(&entry)
                    && seen.insert(identity(&path))
                {
                    entries.push(entry);
                }
            }
            let next =
                text(&page, "Members@odata.nextLink").or_else(|| text(&page, "@odata.nextLink"));
            let Some(next) = next else {
                return (entries, None);
            };
            if !pages.insert(next.clone()) || pages.len() > PAGE_LIMIT {
                let fault = Error::Malformed {
                    path: next.clone(),
                    reason: "the pages of the collection go round in a circle".into(),
                };
                return (entries, Some((next, fault)));
            }
            match self.get(&next).await {
                Ok(document) => page = document.body.clone(),
                Err(error) => return (entries, Some((next, error))),
            }
        }
    }

    async fn documents(&self, entries: Vec<Value>) -> Vec<Member> {
        let fetches = entries.into_iter().map(|entry| async move {
            let path = link(&entry).unwrap_or_default();
            if quirks::expanded_member_is_whole(&entry) {
                let document = Arc::new(Document {
                    path: tidy(&path),
                    etag: text(&entry, "@odata.etag"),
                    body: entry,
                });
                let _ = self.cell(&path).set(Ok(Arc::clone(&document)));
                return Ok(document);
            }
            self.get(&path).await.map_err(|error| (tidy(&path), error))
        });
        side_by_side(fetches).await
    }

    /// Waits while the collection of systems is empty: after a reset of the BMC or a cleared job
    /// queue it can be so for two minutes (badfish).
    pub async fn settled_systems(&self, path: &str) -> Result<Arc<Document>, Error> {
        let start = Instant::now();
        let mut collection = self.get(path).await?;
        loop {
            let empty = !collection.body.get("Members").is_some_and(|members| {
                members.is_object() || members.as_array().is_some_and(|list| !list.is_empty())
            });
            if !empty {
                return Ok(collection);
            }
            let pause = self.client.options.poll.max(self.client.options.pause);
            if start.elapsed() + pause > self.client.options.ready_budget {
                return Err(Error::NoSystem {
                    reason: format!("{path} stayed empty for {} s", start.elapsed().as_secs()),
                });
            }
            tokio::time::sleep(pause).await;
            collection = fetch(self.client, path).await?;
        }
    }
}

/// Runs futures of one kind together and keeps their order.
pub(super) async fn side_by_side<T>(
    futures: impl IntoIterator<Item = impl Future<Output = T>>,
) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, slot) in running.iter_mut().zip(&mut done) {
            if slot.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *slot = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Reads a document past the cache.
pub(super) async fn fetch(client: &Client, path: &str) -> Result<Arc<Document>, Error> {
    let path = path.split('#').next().unwrap_or_default();
    read(client, &Request::get(path)).await.map(Arc::new)
}

async fn read(client: &Client, request: &Request) -> Result<Document, Error> {
    let path = &request.path;
    let reply = client.send(request).await?;
    let body: Value = serde_json::from_slice(&reply.body).map_err(|error| {
        let start = String::from_utf8_lossy(&reply.body[..reply.body.len().min(15)])
            .trim()
            .to_ascii_lowercase();
        Error::Malformed {
            path: tidy(path),
            reason: if reply.body.is_empty() {
                "it is empty".into()
            } else if start.starts_with('<') {
                "it is a web page instead of JSON".into()
            } else {
                format!("it is no JSON ({error})")
            },
        }
    })?;
    if !body.is_object() {
        return Err(Error::Malformed {
            path: tidy(path),
            reason: "it is no JSON object".into(),
        });
    }
    // Some BMCs answer an error with status 200; a resource may carry messages, but not `error`.
    if body.get("error").is_some() && body.get("@odata.id").is_none() {
        return Err(Error::Malformed {
            path: tidy(path),
            reason: format!("it is an error: {}", sentence(&messages_of(&body))),
        });
    }
    let etag = reply
        .header("etag")
        .map(str::to_owned)
        .or_else(|| text(&body, "@odata.etag"));
    Ok(Document {
        path: tidy(path),
        etag,
        body,
    })
}
