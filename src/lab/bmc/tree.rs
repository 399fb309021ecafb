//! The documents that a BMC begins with: shared by all BMCs alike and never changed. They are kept
//! as text, a fifth of the size of parsed values, and parsed when asked for.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::anatomy::Anatomy;
use super::registry::BiosTable;

/// One recorded or built answer.
#[derive(Debug, Clone)]
pub struct Document {
    pub status: u16,
    pub text: Box<str>,
    pub kind: TextKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    Json,
    Xml,
    Html,
}

/// Immutable documents by path. Paths have no trailing slash.
#[derive(Debug)]
pub struct Tree {
    documents: HashMap<Box<str>, Document>,
    /// Lower-case spelling to the spelling in `documents`, for BMCs that ignore case.
    folded: HashMap<Box<str>, Box<str>>,
    pub anatomy: Anatomy,
    bios_table: OnceLock<Arc<BiosTable>>,
}

impl Tree {
    pub fn new(documents: HashMap<Box<str>, Document>) -> Self {
        let mut folded: HashMap<Box<str>, Box<str>> = HashMap::new();
        for path in documents.keys() {
            let key = path.to_ascii_lowercase().into_boxed_str();
            // Two spellings of one resource: the one with capitals is the standard's.
            let kept = folded.entry(key).or_insert_with(|| path.clone());
            if **path < **kept {
                *kept = path.clone();
            }
        }
        let mut tree = Self {
            documents,
            folded,
            anatomy: Anatomy::default(),
            bios_table: OnceLock::new(),
        };
        tree.anatomy = Anatomy::discover(&tree);
        tree
    }

    pub fn document(&self, path: &str) -> Option<&Document> {
        self.documents.get(path)
    }

    /// The parsed document, where it is one and was no error when recorded.
    pub fn value(&self, path: &str) -> Option<Value> {
        let document = self.document(path)?;
        (document.status == 200 && document.kind == TextKind::Json)
            .then(|| serde_json::from_str(&document.text).ok())
            .flatten()
    }

    pub fn fold(&self, path: &str) -> Option<&str> {
        self.folded
            .get(path.to_ascii_lowercase().as_str())
            .map(|path| &**path)
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.documents.keys().map(|path| &**path)
    }

    pub fn documents(&self) -> impl Iterator<Item = (&str, &Document)> {
        self.documents
            .iter()
            .map(|(path, document)| (&**path, document))
    }

    /// The BIOS attribute registry, reduced to what a PATCH is checked against; read once.
    pub fn bios_table(&self) -> Arc<BiosTable> {
        Arc::clone(
            self.bios_table
                .get_or_init(|| Arc::new(BiosTable::read(self))),
        )
    }
}

/// A path as the tree spells it: no scheme, query, fragment or trailing slash.
pub fn normal(path: &str) -> &str {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    path.trim_end_matches('/')
}

/// The `@odata.id` that a property of a document holds.
pub fn link<'a>(document: &'a Value, property: &str) -> Option<&'a str> {
    document
        .get(property)?
        .get("@odata.id")?
        .as_str()
        .map(normal)
}

/// The links in `Members`.
pub fn members(document: &Value) -> Vec<String> {
    document
        .get("Members")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|member| member.get("@odata.id")?.as_str())
        .map(|path| normal(path).to_owned())
        .collect()
}
