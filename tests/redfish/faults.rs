//! Each fault of the emulator: survived, or told in words that say what to do.
