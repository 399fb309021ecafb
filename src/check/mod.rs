//! Checks: a profile's requirements as probes whose finding is a verdict with evidence. Pure.

mod native;
pub mod preflight;
mod question;
mod row;
mod waiver;

pub use native::{NATIVE, Native};
pub use question::{in_words, parse};
pub use row::Row;
pub use waiver::{judged, overall};
