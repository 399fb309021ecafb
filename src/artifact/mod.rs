//! The artifact room.
