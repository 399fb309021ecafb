//! The Redfish client against the emulator in each of its profiles and faults, and against
//! services that others wrote (those only when their address is given; see the scripts here).

mod emulator;
mod faults;
mod profiles;
mod service;
mod wishes;
