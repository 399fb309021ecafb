//! A service that somebody else wrote, at the address in `REDFISH_URL`.
