//! Files to a [`Site`]: every fault of every file at once, each with its place.

pub mod selector;
pub mod site;
pub mod source;

pub use selector::Selector;
pub use site::{Host, Site};
