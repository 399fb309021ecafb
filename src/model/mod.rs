//! The words of the house: plain values without I/O that every other room speaks in.

pub mod action;
pub mod answers;
pub mod artifact;
pub mod bmc;
pub mod change;
pub mod query;
pub mod secret;
pub mod shell;
pub mod target;
pub mod text;
pub mod vault;

pub use action::{Action, Payload};
pub use answers::{Answers, Unread};
pub use artifact::ArtifactInfo;
pub use bmc::{BmcAct, BmcQuery, Endpoint, LinkPath, Trust};
pub use change::{Change, Difference, Standing};
pub use query::{Answer, Place, Query};
pub use secret::Secret;
pub use target::Target;
pub use text::Text;
pub use vault::Vault;
