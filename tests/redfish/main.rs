//! The Redfish client against the emulator in each of its profiles and faults. Against services
//! that others wrote: `run` here.

mod bios_command;
mod emulator;
mod faults;
mod profiles;
mod wishes;
