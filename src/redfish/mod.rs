//! The redfish room.
