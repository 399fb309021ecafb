//! What went over a link, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What went over a link so far. Bytes are those on the wire: for SSH with its packets and
/// encryption, for commands those on their standard streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    pub connections: u64,
    pub execs: u64,
    pub sent: u64,
    pub received: u64,
}

impl std::ops::Add for Traffic {
    type Output = Traffic;

    fn add(self, other: Traffic) -> Traffic {
        Traffic {
            connections: self.connections + other.connections,
            execs: self.execs + other.execs,
            sent: self.sent + other.sent,
            received: self.received + other.received,
        }
    }
}

/// The counters behind [`Traffic`], shared by a link and its thread.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    execs: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counters {
    pub fn connected(&self) {
        self.0.connections.fetch_add(1, Relaxed);
    }

    pub fn executed(&self) {
        self.0.execs.fetch_add(1, Relaxed);
    }

    pub fn sent(&self, bytes: u64) {
        self.0.sent.fetch_add(bytes, Relaxed);
    }

    pub fn received(&self, bytes: u64) {
        self.0.received.fetch_add(bytes, Relaxed);
    }

    pub fn total(&self) -> Traffic {
        Traffic {
            connections: self.0.connections.load(Relaxed),
            execs: self.0.execs.load(Relaxed),
            sent: self.0.sent.load(Relaxed),
            received: self.0.received.load(Relaxed),
        }
    }
}
