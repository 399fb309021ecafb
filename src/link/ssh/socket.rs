//! The bytes below libssh2: its reads and writes pass through here, so that they can be counted
//! and so that a thread that drives several channels knows whether any of them took bytes off
//! the socket.

use std::cell::{Cell, RefCell};
use std::os::raw::{c_int, c_void};

use ssh2::Session;

use crate::link::traffic::Counters;

// A session is used by one thread only, the one that made it, so the thread finds its counters.
thread_local! {
    static COUNTERS: RefCell<Option<Counters>> = const { RefCell::new(None) };
    static RECEIVED: Cell<u64> = const { Cell::new(0) };
    static SENT: Cell<u64> = const { Cell::new(0) };
}

// Values and types from libssh2.h.
const CALLBACK_SEND: c_int = 5;
const CALLBACK_RECEIVE: c_int = 6;

unsafe extern "C" {
    fn libssh2_session_callback_set2(
        session: *mut c_void,
        kind: c_int,
        callback: *const c_void,
    ) -> *const c_void;
}

/// Counts what this thread's session sends and receives. To be called by the thread that drives
/// the session, before the handshake.
pub(super) fn count(session: &Session, counters: Counters) {
    COUNTERS.with_borrow_mut(|own| *own = Some(counters));
    let mut raw = session.raw();
    let pointer = (&raw mut *raw).cast::<c_void>();
    // SAFETY: the session is alive and locked through `raw`; both functions have the signatures
    // that libssh2.h gives for these callbacks (LIBSSH2_SEND_FUNC, LIBSSH2_RECV_FUNC) and are
    // statics, so they outlive the session.
    unsafe {
        libssh2_session_callback_set2(pointer, CALLBACK_SEND, send as *const c_void);
        libssh2_session_callback_set2(pointer, CALLBACK_RECEIVE, receive as *const c_void);
    }
}

/// Bytes that this thread's session took off its socket so far.
pub(super) fn received() -> u64 {
    RECEIVED.get()
}

/// Bytes that this thread's session put on its socket so far.
pub(super) fn sent() -> u64 {
    SENT.get()
}

/// libssh2 wants the negative error number, and EAGAIN for everything that is worth another try.
fn failure() -> isize {
    let number = std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO);
    let number = match number {
        libc::EINTR | libc::EWOULDBLOCK => libc::EAGAIN,
        other => other,
    };
    -(number as isize)
}

/// Bytes at the beginning of a connection that are acknowledged at once.
const PROMPT_BYTES: u64 = 32 * 1024;

/// Acknowledges what has come in without the usual delay. sshd leaves Nagle's algorithm on until
/// the first exec, so that its answer to the opening of a channel would wait for the delayed
/// acknowledgement of the message before: 40 ms in each connection. The kernel forgets the wish,
/// so it is repeated; on a socket that is not TCP it does nothing.
fn acknowledge(socket: c_int) {
    let on: c_int = 1;
    // SAFETY: the option's value is an int that lives through the call.
    unsafe {
        libc::setsockopt(
            socket,
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK,
            (&raw const on).cast(),
            size_of::<c_int>() as libc::socklen_t,
        );
    }
}

unsafe extern "C" fn send(
    socket: c_int,
    buffer: *const c_void,
    length: usize,
    flags: c_int,
    _session: *mut *mut c_void,
) -> isize {
    // SAFETY: libssh2 hands over a buffer of `length` bytes.
    let count = unsafe { libc::send(socket, buffer, length, flags | libc::MSG_NOSIGNAL) };
    if count < 0 {
        return failure();
    }
    SENT.set(SENT.get() + count as u64);
    COUNTERS.with_borrow(|own| {
        if let Some(counters) = own {
            counters.sent(count as u64);
        }
    });
    count
}

unsafe extern "C" fn receive(
    socket: c_int,
    buffer: *mut c_void,
    length: usize,
    flags: c_int,
    _session: *mut *mut c_void,
) -> isize {
    // SAFETY: libssh2 hands over room for `length` bytes.
    let count = unsafe { libc::recv(socket, buffer, length, flags) };
    if count < 0 {
        return failure();
    }
    if RECEIVED.get() < PROMPT_BYTES {
        acknowledge(socket);
    }
    RECEIVED.set(RECEIVED.get() + count as u64);
    COUNTERS.with_borrow(|own| {
        if let Some(counters) = own {
            counters.received(count as u64);
        }
    });
    count
}
