//! The link room.

pub mod script;

use std::path::PathBuf;

/// Bytes that follow a script on its standard input.
#[derive(Debug, Clone)]
pub enum Payload {
    Bytes(Vec<u8>),
    File { path: PathBuf, size: u64 },
}
