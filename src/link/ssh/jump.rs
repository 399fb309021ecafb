//! Jump hosts, shared by all links of a run: one connection each, however many hosts are behind.

use std::collections::HashMap;
use std::fmt;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot};

use super::forward::ForwardWork;
use super::{Attempts, Handle, HopName, HopRole, Route, dial, name};
use crate::link::Error;
use crate::link::traffic::{Counters, Traffic};
use crate::model::target::{SshHop, SshTarget};

/// How long the failure of a jump host holds for those who ask next: the hosts behind it fail
/// together, not one time-out after the other.
const FAILURE_TIME: Duration = Duration::from_secs(10);

/// What the SSH links of a run share.
pub(in crate::link) struct Shared {
    turns: Arc<Semaphore>,
    /// By the hops from here to the jump host.
    jumps: Mutex<HashMap<Vec<SshHop>, Arc<Mutex<Slot>>>>,
    counters: Counters,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Open(Arc<Jump>),
    Failed {
        error: Arc<Error>,
        at: Instant,
    },
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A jump host in use.
#[derive(Debug)]
pub(super) struct Jump {
    pub name: Box<HopName>,
    hop: SshHop,
    timeout: Duration,
    keep_alive: Duration,
    turns: Arc<Semaphore>,
    counters: Counters,
    first: Arc<Lane>,
    spare: Mutex<Vec<Arc<Lane>>>,
    /// The jump host before this one, kept open as long as this one is.
    before: Option<Arc<Jump>>,
}

/// One connection to a jump host. libssh2 opens one channel at a time on it, so a host behind
/// that swallows packets would hold up all others until the jump host gives it up, which takes
/// minutes. Then, and only then, the others get through on a spare connection.
#[derive(Debug)]
struct Lane {
    handle: Handle,
    opening: Arc<Semaphore>,
    /// When the latest opening began.
    since: std::sync::Mutex<Instant>,
}

/// An opening that takes longer holds up the others.
const STUCK: Duration = Duration::from_secs(2);
const SPARES: usize = 4;

impl Lane {
    fn new(handle: Handle) -> Arc<Self> {
        Arc::new(Self {
            handle,
            opening: Arc::new(Semaphore::new(1)),
            since: std::sync::Mutex::new(Instant::now()),
        })
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.since
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The right to open a channel; `None` when the lane is stuck.
    async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if self.handle.failure.get().is_some() {
                return None;
            }
            let permit = Arc::clone(&self.opening).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(STUCK / 4, permit).await {
                *self.since() = Instant::now();
                return Some(permit);
            }
            if self.since().elapsed() >= STUCK {
                return None;
            }
        }
    }
}

impl Shared {
    pub fn new(handshakes: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(handshakes.max(1))),
            jumps: Mutex::default(),
            counters: Counters::default(),
        }
    }

    pub fn traffic(&self) -> Traffic {
        self.counters.total()
    }

    pub(super) fn turns(&self) -> &Semaphore {
        &self.turns
    }

    /// The connection to the last of the target's jump hosts, made when there is none; nothing
    /// when it has no jump hosts.
    pub(super) async fn jump(
        &self,
        host: &str,
        target: &SshTarget,
        attempts: Attempts,
    ) -> Result<Option<Arc<Jump>>, Error> {
        self.reach(&target.jumps, target, attempts)
            .await
            .map_err(|(jump, source)| Error::Jump {
                host: host.to_owned(),
                jump,
                source,
            })
    }

    /// Boxed, as a jump host may be behind another.
    fn reach<'run>(
        &'run self,
        hops: &'run [SshHop],
        target: &'run SshTarget,
        attempts: Attempts,
    ) -> Pin<Box<dyn Future<Output = Reached> + Send + 'run>> {
        Box::pin(async move {
            let Some((last, rest)) = hops.split_last() else {
                return Ok(None);
            };
            let slot = Arc::clone(self.jumps.lock().await.entry(hops.to_vec()).or_default());
            // Whoever comes while the connection is being made waits for it here.
            let mut slot = slot.lock().await;
            let name = name(last, HopRole::Jump);
            match &*slot {
                Slot::Open(jump) if jump.failure().is_none() => {
                    return Ok(Some(Arc::clone(jump)));
                }
                Slot::Failed { error, at }
                    if attempts.wait_until.is_none() && at.elapsed() < FAILURE_TIME =>
                {
                    return Err((name, Arc::clone(error)));
                }
                _ => {}
            }
            let before = self.reach(rest, target, attempts).await?;
            let route = Route {
                hop: last,
                name: name.clone(),
                timeout: target.connect_timeout,
                keep_alive: target.keep_alive,
                attempts,
                counters: self.counters.clone(),
            };
            match dial(&self.turns, route, before.as_ref()).await {
                Ok(handle) => {
                    let jump = Arc::new(Jump {
                        name,
                        hop: last.clone(),
                        timeout: target.connect_timeout,
                        keep_alive: target.keep_alive,
                        turns: Arc::clone(&self.turns),
                        counters: self.counters.clone(),
                        first: Lane::new(handle),
                        spare: Mutex::default(),
                        before,
                    });
                    *slot = Slot::Open(Arc::clone(&jump));
                    Ok(Some(jump))
                }
                Err(error) => {
                    let error = Arc::new(error);
                    *slot = Slot::Failed {
                        error: Arc::clone(&error),
                        at: Instant::now(),
                    };
                    Err((name, error))
                }
            }
        })
    }
}

/// A jump host, or which one failed and why.
type Reached = Result<Option<Arc<Jump>>, (Box<HopName>, Arc<Error>)>;

impl Jump {
    /// Why the connection ended, if it has; a jump host before this one takes it along.
    pub fn failure(&self) -> Option<String> {
        let own = self.first.handle.failure.get().cloned();
        let before = self.before.as_ref().and_then(|before| {
            let reason = before.failure()?;
            Some(format!("{} before it failed: {reason}", before.name))
        });
        before.or(own)
    }

    /// A way through to a hop, as the near end of a channel.
    pub async fn forward(&self, hop: &SshHop, timeout: Duration) -> Result<UnixStream, Error> {
        let failed = |reason| Error::Forward {
            jump: self.name.clone(),
            address: hop.address.clone(),
            port: hop.port,
            reason,
        };
        let (lane, permit) = self.lane().await?;
        let (opened, outcome) = oneshot::channel();
        lane.handle.work(Box::new(ForwardWork::new(
            hop.address.clone(),
            hop.port,
            opened,
            permit,
        )));
        match tokio::time::timeout(timeout, outcome).await {
            Ok(Ok(outcome)) => outcome.map_err(failed),
            Ok(Err(_)) => Err(failed("its connection was closed".to_owned())),
            Err(_) => Err(failed(format!("no answer for {} s", timeout.as_secs()))),
        }
    }

    /// A connection that can open a channel now.
    async fn lane(&self) -> Result<(Arc<Lane>, OwnedSemaphorePermit), Error> {
        if let Some(permit) = self.first.acquire().await {
            return Ok((Arc::clone(&self.first), permit));
        }
        let mut spare = self.spare.lock().await;
        spare.retain(|lane| lane.handle.failure.get().is_none());
        for lane in spare.iter() {
            if let Some(permit) = lane.acquire().await {
                return Ok((Arc::clone(lane), permit));
            }
        }
        let full = || Error::Channel {
            hop: self.name.clone(),
            reason: "too many hosts behind it do not answer".to_owned(),
        };
        if spare.len() >= SPARES || self.failure().is_some() {
            return Err(full());
        }
        let route = Route {
            hop: &self.hop,
            name: self.name.clone(),
            timeout: self.timeout,
            keep_alive: self.keep_alive,
            attempts: Attempts {
                count: 1,
                wait_until: None,
            },
            counters: self.counters.clone(),
        };
        tracing::debug!(jump = %self.name, "a host behind it does not answer: one more connection");
        let lane = Lane::new(Box::pin(dial(&self.turns, route, self.before.as_ref())).await?);
        spare.push(Arc::clone(&lane));
        let permit = lane.acquire().await.ok_or_else(full)?;
        Ok((lane, permit))
    }
}
