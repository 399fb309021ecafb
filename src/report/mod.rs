//! The one consumer of events: plan text, lines or bars, the summary, conformance reports and the
//! run record. Only here and in cli is anything printed.
//!
//! Whatever a machine said goes through [`clean`] before it is shown.

pub mod account;
pub mod bars;
pub mod canvas;
pub mod clean;
pub mod conformance;
mod difference;
pub mod failure;
mod lines;
mod options;
pub mod plan;
pub mod ranges;
pub mod record;
mod reporter;
pub mod summary;
mod tee;
#[cfg(test)]
mod tests;
pub mod words;

pub use canvas::{Canvas, Colour};
pub use options::{Format, Options, Stream, Terminal};
pub use ranges::hosts_in_words;
pub use record::{RecordError, Recorder};
pub use reporter::Reporter;
pub use tee::{Shared, Tee};
