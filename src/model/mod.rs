//! The words of the house: plain values without I/O that every other room speaks in.

pub mod bmc;
pub mod secret;
pub mod target;

pub use bmc::{BmcAct, BmcQuery, LinkPath};
pub use secret::Secret;
pub use target::Target;
