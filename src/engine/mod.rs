//! The only room that puts plans into practice: it asks, lets pure readings decide, acts, and
//! asks again. It never prints; whoever wants to know listens to its events.

mod bmc;
mod boot;
mod contact;
mod errand;
mod failures;
mod fleet;
mod gates;
mod hub;
mod late;
mod member;
mod run;
mod stop;
mod supply;
mod verify;
mod walker;

pub use contact::Contact;
pub use fleet::{Fleet, HEARTBEAT, named_artifacts};
pub use hub::{Hearing, Hub, failure};
pub use member::{Member, Reach};
pub use run::{Options, Run};
pub use stop::{Stop, Will};
pub use supply::{Pending, Supply};
pub use verify::{conforms, count, facts};
