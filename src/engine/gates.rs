//! Where hosts wait for each other: milestones, and turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, watch};

use super::stop::{Stop, Will};
use crate::plan::Walk;

/// Milestones of one run.
#[derive(Debug)]
pub struct Gates {
    milestones: BTreeMap<String, watch::Sender<Milestone>>,
    turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Milestone {
    /// Hosts that have still to reach it.
    ahead: BTreeSet<String>,
    /// How many have reached it.
    reached: usize,
    /// The host without which nobody goes on, once it failed.
    lost: Option<String>,
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Passage {
    Open,
    /// This host failed before it reached the milestone.
    Lost(String),
    Stopped,
}

impl Gates {
    /// Every milestone of the walks, ahead for every host whose walk reaches it. A milestone that
    /// no chosen host reaches (its hosts are outside `--limit`) is open.
    pub fn of(walks: &[Walk]) -> Self {
        let mut ahead: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for walk in walks {
            for step in &walk.steps {
                if let Some(milestone) = &step.task.reaches {
                    ahead
                        .entry(milestone.clone())
                        .or_default()
                        .insert(walk.host.name.clone());
                }
            }
        }
        let milestones = ahead
            .into_iter()
            .map(|(name, ahead)| {
                (
                    name,
                    watch::channel(Milestone {
                        ahead,
                        reached: 0,
                        lost: None,
                    })
                    .0,
                )
            })
            .collect();
        Self {
            milestones,
            turns: Mutex::default(),
        }
    }

    pub fn is_open(&self, milestone: &str) -> bool {
        self.milestones
            .get(milestone)
            .is_none_or(|sender| sender.borrow().ahead.is_empty())
    }

    /// Hosts that a milestone still waits for.
    pub fn ahead(&self, milestone: &str) -> Vec<String> {
        self.milestones
            .get(milestone)
            .map(|sender| sender.borrow().ahead.iter().cloned().collect())
            .unwrap_or_default()
    }

    pub fn reach(&self, milestone: &str, host: &str) {
        if let Some(sender) = self.milestones.get(milestone) {
            sender.send_modify(|state| {
                if state.ahead.remove(host) {
                    state.reached += 1;
                }
            });
        }
    }

    /// The host will reach nothing more. A host that others cannot do without takes its
    /// milestones with it; another one is no longer waited for.
    pub fn leave(&self, host: &str, vital: bool) {
        for sender in self.milestones.values() {
            sender.send_if_modified(|state| {
                if !state.ahead.contains(host) {
                    return false;
                }
                // The only host that could reach it is always vital: nobody did.
                if vital || (state.ahead.len() == 1 && state.reached == 0) {
                    state.lost = Some(host.to_owned());
                } else {
                    state.ahead.remove(host);
                }
                true
            });
        }
    }

    pub async fn pass(&self, milestone: &str, stop: &Stop) -> Passage {
        let Some(sender) = self.milestones.get(milestone) else {
            return Passage::Open;
        };
        let mut receiver = sender.subscribe();
        let settled = receiver.wait_for(|state| state.ahead.is_empty() || state.lost.is_some());
        tokio::select! {
            state = settled => match state {
                Ok(state) => match &state.lost {
                    Some(host) => Passage::Lost(host.clone()),
                    None => Passage::Open,
                },
                Err(_) => Passage::Stopped,
            },
            () = stop.reached(Will::Finish) => Passage::Stopped,
        }
    }

    /// This host's turn; it ends when the guard is dropped.
    pub async fn turn(&self, name: &str) -> OwnedMutexGuard<()> {
        let turn = self
            .turns
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.to_owned())
            .or_default()
            .clone();
        turn.lock_owned().await
    }
}
