//! Files to a [`Site`]: every fault of every file at once, each with its place.

mod calls;
mod connection;
mod convert;
mod desk;
pub mod fault;
pub mod file_inventory;
pub mod file_profile;
pub mod file_role;
mod filters;
mod fit;
mod groups;
mod inventory;
mod library;
mod load;
mod names;
mod nearest;
pub mod node;
mod node_raw;
mod order;
mod parameters;
mod profile;
pub mod range;
mod requirement;
mod role;
mod scalar;
pub mod schema;
pub mod scope;
mod secrets;
pub mod selector;
mod shape;
mod shape_scalar;
mod shape_words;
pub mod site;
pub mod source;
pub mod template;
#[cfg(test)]
mod tests;
pub mod union;
pub mod words;

pub use fault::{Fault, Faults, Style};
pub use load::{Options, load};
pub use schema::{FileKind, KindShape, schema};
pub use scope::{RenderFault, Scope};
pub use secrets::Secrets;
pub use selector::Selector;
pub use site::{Host, Site};
