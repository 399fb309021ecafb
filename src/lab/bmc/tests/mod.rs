//! Whole BMCs on loopback, spoken to over HTTPS.

mod bench;
mod captured;
mod changes;
mod faults;
mod generic;
mod hooks;
mod profiles;

use bench::Bench;
