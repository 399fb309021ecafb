//! Exit codes, for scripts and CI. Documented in the README; never renumbered.

/// Everything that was asked for is done.
pub const DONE: i32 = 0;
/// The run failed on the way; what was done is done, running again goes on.
pub const RUN_FAILED: i32 = 1;
/// `plan --detailed-exitcode`: changes are pending.
pub const CHANGES_PENDING: i32 = 2;
/// The files are faulty; nothing was touched.
pub const FILES_FAULTY: i32 = 3;
/// A requirement of level must failed, or could not be checked.
pub const NOT_CONFORMANT: i32 = 4;
/// No host could be reached.
pub const UNREACHABLE: i32 = 5;
/// Some hosts were left behind; the others are done.
pub const QUARANTINED: i32 = 6;
/// The command line itself is wrong.
pub const USAGE: i32 = 64;
/// Stopped by Ctrl-C or SIGTERM.
pub const INTERRUPTED: i32 = 130;

/// What a command that only asks ends with: all of the hosts were lost, some, or none.
pub fn of_lost(lost: usize, asked: usize) -> i32 {
    match lost {
        0 => DONE,
        _ if lost == asked => UNREACHABLE,
        _ => QUARANTINED,
    }
}
