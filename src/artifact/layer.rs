//! Tar streams that come out the same whenever they are made of the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::ArtifactError;
use super::store::at;

/// What a tar stream holds, by path without a leading slash.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug)]
enum Node {
    Folder,
    File { source: PathBuf, mode: u32 },
    Text { text: String, mode: u32 },
    Link(String),
}

impl Tree {
    pub fn file(&mut self, path: &str, source: &Path, mode: u32) {
        let source = source.to_owned();
        self.put(path, Node::File { source, mode });
    }

    pub fn text(&mut self, path: &str, text: &str, mode: u32) {
        let text = text.to_owned();
        self.put(path, Node::Text { text, mode });
    }

    pub fn link(&mut self, path: &str, target: &str) {
        self.put(path, Node::Link(target.to_owned()));
    }

    pub fn folder(&mut self, path: &str) {
        self.put(path, Node::Folder);
    }

    fn put(&mut self, path: &str, node: Node) {
        self.nodes
            .insert(path.trim_start_matches('/').to_owned(), node);
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Writes the stream: sorted, owned by root, of the epoch's first second.
    pub fn write(&self, out: impl Write, at_path: &Path) -> Result<(), ArtifactError> {
        let mut builder = tar::Builder::new(out);
        let mut made = BTreeSet::new();
        for (path, node) in &self.nodes {
            let mut parent = Path::new(path).parent();
            let mut missing = Vec::new();
            while let Some(folder) = parent.filter(|folder| !folder.as_os_str().is_empty()) {
                if !made.contains(folder) {
                    missing.push(folder.to_owned());
                }
                parent = folder.parent();
            }
            for folder in missing.into_iter().rev() {
                let mut header = header(tar::EntryType::Directory, 0o755, 0);
                at(
                    at_path,
                    builder.append_data(&mut header, &folder, std::io::empty()),
                )?;
                made.insert(folder);
            }
            let appended = match node {
                Node::Folder => {
                    made.insert(PathBuf::from(path));
                    let mode = if path == "tmp" { 0o1777 } else { 0o755 };
                    let mut header = header(tar::EntryType::Directory, mode, 0);
                    builder.append_data(&mut header, path, std::io::empty())
                }
                Node::File { source, mode } => {
                    let file = at(source, File::open(source))?;
                    let size = at(source, file.metadata())?.len();
                    let mut header = header(tar::EntryType::Regular, *mode, size);
                    builder.append_data(&mut header, path, file)
                }
                Node::Text { text, mode } => {
                    let mut header = header(tar::EntryType::Regular, *mode, text.len() as u64);
                    builder.append_data(&mut header, path, text.as_bytes())
                }
                Node::Link(target) => {
                    let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                    builder.append_link(&mut header, path, target)
                }
            };
            at(at_path, appended)?;
        }
        at(at_path, builder.finish())
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}
