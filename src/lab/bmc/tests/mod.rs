//! Whole BMCs on loopback, spoken to over HTTPS.

mod accounts;
mod bench;
mod captured;
mod changes;
mod client;
mod client_firmware;
mod client_media;
mod client_volume;
mod faults;
mod generic;
mod hooks;
mod profiles;
mod service;

use bench::Bench;
