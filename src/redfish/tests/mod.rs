//! The client against a BMC that misbehaves as real ones do.

mod acts;
mod media;
mod mutants;
mod sessions;
mod tls;
mod trees;
