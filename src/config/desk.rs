//! What is at hand while files become a site: faults so far, files read, schemas.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::Fault;
use super::library::Found;
use super::node::{Document, Node};
use super::schema::{FileKind, KindShape, exact};
use super::selector::Selector;
use super::shape;
use super::source::{LARGEST_FILE, Place, Source, Spot, Unreadable, whole};

pub(super) struct Desk<'a> {
    pub kinds: &'a [KindShape],
    pub faults: Vec<Fault>,
    pub warnings: Vec<Fault>,
    /// Every file that was read, in that order.
    pub sources: Vec<Source>,
    /// Selectors in force with their place and text: their names are looked up once the hosts
    /// are known.
    pub selectors: Vec<(Selector, Spot, String)>,
    schemas: BTreeMap<&'static str, Arc<Value>>,
}

/// A file whose text is YAML, and its value as far as its shape is right.
pub(super) struct Opened<T> {
    pub document: Document,
    pub file: Option<T>,
    dropped: Vec<u32>,
}

impl<T> Opened<T> {
    /// The list items at a key that are in the value too, in the same order.
    pub(super) fn kept(&self, key: &str) -> Vec<&Node> {
        let items = self.document.root.get(key).map(Node::items);
        items
            .unwrap_or_default()
            .iter()
            .filter(|item| !self.dropped.contains(&item.mark.start))
            .collect()
    }
}

impl<'a> Desk<'a> {
    pub(super) fn new(kinds: &'a [KindShape]) -> Self {
        Self {
            kinds,
            faults: Vec::new(),
            warnings: Vec::new(),
            sources: Vec::new(),
            selectors: Vec::new(),
            schemas: BTreeMap::new(),
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// The schema of a kind of file, made once.
    pub(super) fn schema(&mut self, kind: FileKind) -> Arc<Value> {
        let kinds = self.kinds;
        self.schemas
            .entry(kind.name())
            .or_insert_with(|| Arc::new(exact(kind, kinds)))
            .clone()
    }

    /// The text of a file that was found, or a fault.
    pub(super) fn text(&mut self, found: Found) -> Option<Source> {
        match found {
            Ok(source) => {
                self.sources.push(source.clone());
                Some(source)
            }
            Err((place, error)) => {
                let fault = self.unreadable(&place, error);
                self.fault(fault);
                None
            }
        }
    }

    /// A YAML file: read, its shape checked. `adjust` may take apart what serde should not see.
    pub(super) fn open<T: DeserializeOwned>(
        &mut self,
        found: Found,
        kind: FileKind,
        adjust: impl FnOnce(&mut Value),
    ) -> Option<Opened<T>> {
        let source = self.text(found)?;
        let document = match Document::parse(source) {
            Ok((document, faults)) => {
                self.faults.extend(faults);
                document
            }
            Err(faults) => {
                self.faults.extend(faults);
                return None;
            }
        };
        if document.root.is_null() {
            let (needs, example) = match kind {
                FileKind::Inventory => ("hosts", "hosts: {cp1: {address: 192.0.2.11}}"),
                FileKind::Profile => ("roles", "roles: [{role: containerd, on: all}]"),
                FileKind::Role => ("tasks", "tasks: [{package: {name: chrony}}]"),
            };
            self.fault(
                Fault::new(
                    document.source.whole(),
                    format!("the file is empty: this {} says nothing", kind.name()),
                )
                .help(format!("it needs at least `{needs}`, such as `{example}`")),
            );
            return None;
        }
        let schema = self.schema(kind);
        let read = shape::read(&document, &schema, &mut self.faults);
        let file = read.value.and_then(|mut value| {
            adjust(&mut value);
            match serde_json::from_value(value) {
                Ok(file) => Some(file),
                Err(error) => {
                    // The schema is made of the very types, so this is a fault of ours.
                    self.fault(Fault::new(document.source.whole(), error.to_string()));
                    None
                }
            }
        });
        Some(Opened {
            document,
            file,
            dropped: read.dropped,
        })
    }

    fn unreadable(&mut self, place: &Arc<Place>, error: Unreadable) -> Fault {
        let at = |message: String| Fault::new(whole(place), message);
        match error {
            Unreadable::Missing => at("there is no such file".to_owned())
                .help("check the path; `ra-deploy check FILE` reads one inventory"),
            Unreadable::Directory => {
                at("this is a folder, not a file".to_owned()).help("name the file in it")
            }
            Unreadable::TooLarge(size) => at(format!(
                "the file is too large: {:.1} MB",
                size as f64 / 1e6
            ))
            .help(format!(
                "at most {} MiB are read; is this the right file?",
                LARGEST_FILE >> 20
            )),
            Unreadable::NotText { offset, text } => {
                let source = Source {
                    place: place.clone(),
                    text: text.into(),
                };
                // The replacement character stands where the wrong byte was.
                let spot = source.spot(offset..offset + 3);
                self.sources.push(source);
                Fault::new(
                    spot,
                    format!("byte {offset} of the file is not valid UTF-8"),
                )
                .help("save the file as UTF-8")
            }
            Unreadable::Other(error) => {
                at(format!("the file cannot be read: {error}")).help("check its permissions")
            }
        }
    }
}

/// A place in the document: the key at a pointer, where it is one, else the value.
pub(super) fn key_spot(document: &Document, path: &[&str]) -> Spot {
    let Some((last, parents)) = path.split_last() else {
        return document.source.whole();
    };
    let parent = find(document, parents);
    match parent.and_then(|parent| parent.pair(last)) {
        Some((key, _)) => document.spot(key.mark),
        None => value_spot(document, path),
    }
}

/// The value at a path, or the nearest thing around it.
pub(super) fn value_spot(document: &Document, path: &[&str]) -> Spot {
    for length in (0..=path.len()).rev() {
        if let Some(node) = find(document, &path[..length]) {
            return document.spot(node.mark);
        }
    }
    document.source.whole()
}

pub(super) fn find<'node>(document: &'node Document, path: &[&str]) -> Option<&'node Node> {
    path.iter()
        .try_fold(&document.root, |node, step| match node.items() {
            [] => node.get(step),
            items => items.get(step.parse::<usize>().ok()?),
        })
}
