//! The BMC itself: its restart, proven, and who is logged in.

use std::time::Instant;

use serde_json::{Value, json};

use super::document::text;
use super::error::{Arrival, Error};
use super::options::{Listener, Progress};
use super::quirks;
use super::session::Auth;
use super::survey::{Cache, Survey};
use super::system;
use super::transport::{Patience, Request};
use crate::model::bmc::{OpenSession, SessionState};

const RESET: &str = "Manager.Reset";

/// Restarts the BMC. Proven by its absence, by another time of its last reset, or by the loss of
/// this run's session; done when it answers again and lists its system.
pub(super) async fn reset(survey: &Survey<'_>, listener: Listener<'_>) -> Result<(), Error> {
    let manager = survey.manager().await?;
    let Some(action) = manager.action(RESET) else {
        return Err(Error::Unsupported {
            what: "restart itself".into(),
            reason: format!("{} has no reset action", manager.path),
        });
    };
    let target = text(action, "target").unwrap_or_default();
    let offered = system::allowable(survey, action, "ResetType").await;
    let mut bodies: Vec<Value> = ["GracefulRestart", "ForceRestart"]
        .iter()
        .filter(|kind| match &offered {
            Some(types) => types.iter().any(|offer| offer == *kind),
            None => true,
        })
        .map(|kind| json!({"ResetType": kind}))
        .collect();
    // The type is optional in the standard.
    bodies.push(json!({}));
    let before = last_reset(&manager.body);
    let generation = survey.client.login.ticket().generation;
    let mut refusal = None;
    for body in bodies {
        match survey.client.send(&Request::post(&target, body)).await {
            Ok(_)
            | Err(Error::Unreachable {
                arrival: Arrival::Possible,
                ..
            }) => {
                went(
                    survey,
                    &manager.path,
                    before.as_deref(),
                    generation,
                    listener,
                )
                .await?;
                return back(survey, &manager.path, listener).await;
            }
            Err(error @ Error::Refused { .. }) => {
                refusal.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refusal.unwrap_or(Error::Missing { path: target }))
}

fn last_reset(manager: &Value) -> Option<String> {
    text(manager, "LastResetTime").filter(|time| !quirks::is_no_time(time))
}

/// Waits for a sign of the restart.
async fn went(
    survey: &Survey<'_>,
    path: &str,
    before: Option<&str>,
    generation: u64,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let start = Instant::now();
    let client = survey.client;
    let once = Request {
        patience: Patience::Once,
        ..Request::get(path)
    };
    loop {
        match client.send(&once).await {
            Ok(reply) => {
                let now = last_reset(&reply.json());
                let renewed = client.login.ticket().generation != generation;
                if renewed || (now.is_some() && now.as_deref() != before) {
                    return Ok(());
                }
            }
            Err(error @ Error::Closed { .. }) => return Err(error),
            // Away, or not ready any more; a login that fails now fails because it starts.
            Err(_) => return Ok(()),
        }
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.boot_budget {
            return Err(Error::NotProven {
                what: "the restart of the BMC".into(),
                found: "it went on answering, and tells of no later reset".into(),
                waited,
            });
        }
        listener(Progress::Waiting {
            what: "the BMC to go down".into(),
            elapsed: waited,
        });
        tokio::time::sleep(client.options.poll).await;
    }
}

/// Waits until the BMC answers again and lists a system.
async fn back(survey: &Survey<'_>, path: &str, listener: Listener<'_>) -> Result<(), Error> {
    let start = Instant::now();
    let client = survey.client;
    let once = Request {
        patience: Patience::Once,
        ..Request::get(path)
    };
    loop {
        let error = match client.send(&once).await {
            Ok(_) => {
                let cache = Cache::default();
                let fresh = Survey {
                    client,
                    cache: &cache,
                };
                match fresh.system().await {
                    Ok(_) => return Ok(()),
                    Err(error) => error,
                }
            }
            Err(error @ Error::Closed { .. }) => return Err(error),
            Err(error) => error,
        };
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.restart_budget {
            return Err(Error::NotProven {
                what: "the return of the BMC".into(),
                found: error.to_string(),
                waited,
            });
        }
        listener(Progress::Waiting {
            what: format!("the BMC to answer again ({error})"),
            elapsed: waited,
        });
        tokio::time::sleep(client.options.poll).await;
    }
}

pub(super) async fn sessions(survey: &Survey<'_>) -> Result<SessionState, Error> {
    let mut state = SessionState {
        by_session: matches!(survey.client.login.ticket().auth, Auth::Session { .. }),
        ..SessionState::default()
    };
    let root = survey.root().await?;
    let mut path = root.at("/Links/Sessions").and_then(super::document::link);
    if path.is_none()
        && let Some(service) = root.link("SessionService")
        && let Ok(service) = survey.get(&service).await
    {
        path = service.link("Sessions");
    }
    let Some(path) = path else {
        state.unreadable = Some("the BMC has no SessionService".to_owned());
        return Ok(state);
    };
    match survey.expanded(&path).await {
        Ok(members) => {
            for session in members.into_iter().flatten() {
                let word = |key: &str| session.text(key);
                state.sessions.push(OpenSession {
                    id: word("Id").unwrap_or_else(|| super::task::name(&session.path)),
                    user: word("UserName"),
                    kind: word("SessionType"),
                    origin: word("ClientOriginIPAddress"),
                    created: word("CreatedTime"),
                });
            }
        }
        Err(error) => state.unreadable = Some(error.to_string()),
    }
    Ok(state)
}
