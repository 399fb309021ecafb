//! What was asked of a BMC, told from its own side: a client can't count wrongly here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::Method;
use serde::Serialize;

/// What a BMC saw since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Requests by method, but those that open or close a session.
    pub requests: BTreeMap<String, u64>,
    /// The most requests that were under way at the same moment.
    pub most_in_flight: u64,
    /// Sessions asked for.
    pub logins: u64,
    /// Sessions that nobody has closed yet, those of strangers left out.
    pub sessions_open: u64,
}

/// The counters of one BMC.
#[derive(Debug, Default)]
pub struct Counter {
    now: Mutex<(Counts, u64)>,
}

/// A request under way; over when dropped, also when its client has gone.
pub struct UnderWay<'a>(&'a Counter);

impl Counter {
    fn change<T>(&self, change: impl FnOnce(&mut Counts, &mut u64) -> T) -> T {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (counts, in_flight) = &mut *now;
        change(counts, in_flight)
    }

    pub fn begin(&self, method: &Method, on_sessions: bool) -> UnderWay<'_> {
        self.change(|counts, in_flight| {
            *in_flight += 1;
            counts.most_in_flight = counts.most_in_flight.max(*in_flight);
            if !on_sessions {
                *counts.requests.entry(method.to_string()).or_default() += 1;
            } else if method == Method::POST {
                counts.logins += 1;
            }
        });
        UnderWay(self)
    }

    pub fn read(&self, sessions_open: usize) -> Counts {
        let counts = self.change(|counts, _| counts.clone());
        Counts {
            sessions_open: sessions_open as u64,
            ..counts
        }
    }
}

impl std::ops::Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.change(|_, in_flight| *in_flight -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_under_way_at_once_and_keeps_sessions_apart() {
        let counter = Counter::default();
        let login = counter.begin(&Method::POST, true);
        drop(login);
        {
            let _one = counter.begin(&Method::GET, false);
            let _two = counter.begin(&Method::GET, false);
        }
        let _three = counter.begin(&Method::PATCH, false);
        let counts = counter.read(1);
        assert_eq!(counts.most_in_flight, 2);
        assert_eq!(
            counts.requests,
            BTreeMap::from([("GET".into(), 2), ("PATCH".into(), 1)])
        );
        assert_eq!((counts.logins, counts.sessions_open), (1, 1));
    }
}
