//! Ctrl-C and SIGTERM.

use crate::engine::{Hub, Stop, Will};

/// The first Ctrl-C or SIGTERM lets running steps finish; the second stops now.
pub fn listen(stop: &Stop, hub: &Hub) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    let stop = stop.clone();
    let hub = hub.weak();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let will = stop.ask();
            if let Some(hub) = hub.upgrade() {
                hub.warn(
                    None,
                    match will {
                        Will::Now => "stopping now",
                        _ => "stopping: running steps finish, no new ones begin; again to stop now",
                    },
                );
            }
        }
    });
}
