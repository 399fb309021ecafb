//! Waiting for file descriptors, and waking a thread that waits.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a descriptor is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interest {
    pub descriptor: RawFd,
    pub read: bool,
    pub write: bool,
}

/// Waits until one of the descriptors is ready or `until` has come; gives the ready ones.
pub(super) fn wait(interests: &[Interest], until: Instant) -> io::Result<Vec<RawFd>> {
    let mut polled: Vec<libc::pollfd> = interests
        .iter()
        .map(|interest| {
            let mut events = 0;
            if interest.read {
                events |= libc::POLLIN;
            }
            if interest.write {
                events |= libc::POLLOUT;
            }
            libc::pollfd {
                fd: interest.descriptor,
                events,
                revents: 0,
            }
        })
        .collect();
    let left = until.saturating_duration_since(Instant::now());
    // Rounded up: rounding down would spin through the last millisecond.
    let rounded = left + Duration::from_micros(999);
    let milliseconds = i32::try_from(rounded.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer and the length describe `polled`, which lives through the call.
    let ready = unsafe {
        libc::poll(
            polled.as_mut_ptr(),
            polled.len() as libc::nfds_t,
            milliseconds,
        )
    };
    if ready < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok(Vec::new());
    }
    Ok(polled
        .iter()
        .filter(|polled| polled.revents != 0)
        .map(|polled| polled.fd)
        .collect())
}

/// Wakes a thread that waits in [`wait`].
#[derive(Debug, Clone)]
pub(super) struct Waker(Arc<UnixStream>);

/// The waiting side of a [`Waker`].
#[derive(Debug)]
pub(super) struct Wakened(UnixStream);

pub(super) fn waker() -> io::Result<(Waker, Wakened)> {
    let (sender, receiver) = UnixStream::pair()?;
    sender.set_nonblocking(true)?;
    receiver.set_nonblocking(true)?;
    Ok((Waker(Arc::new(sender)), Wakened(receiver)))
}

impl Waker {
    pub fn wake(&self) {
        // A full pipe means that the thread has been told already; a closed one that it is gone.
        let _ = (&*self.0).write(&[1]);
    }
}

impl Wakened {
    pub fn interest(&self) -> Interest {
        Interest {
            descriptor: self.0.as_raw_fd(),
            read: true,
            write: false,
        }
    }

    pub fn clear(&mut self) {
        let mut scratch = [0; 256];
        while matches!(self.0.read(&mut scratch), Ok(count) if count == scratch.len()) {}
    }
}
