//! The lab room.

pub mod bmc;
