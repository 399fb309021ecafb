//! The will to stop: asked once, running steps finish and no new one begins; asked twice, now.

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Will {
    Go,
    /// No new steps.
    Finish,
    Now,
}

/// Shared by everything that runs.
#[derive(Debug, Clone)]
pub struct Stop {
    sender: watch::Sender<Will>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            sender: watch::channel(Will::Go).0,
        }
    }
}

impl Stop {
    /// One more wish to stop.
    pub fn ask(&self) -> Will {
        let next = match *self.sender.borrow() {
            Will::Go => Will::Finish,
            Will::Finish | Will::Now => Will::Now,
        };
        self.sender.send_replace(next);
        next
    }

    pub fn will(&self) -> Will {
        *self.sender.borrow()
    }

    /// Returns once the will is at least `will`.
    pub async fn reached(&self, will: Will) {
        let mut receiver = self.sender.subscribe();
        // The sender lives as long as self.
        let _ = receiver.wait_for(|now| *now >= will).await;
    }
}
