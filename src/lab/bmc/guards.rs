//! What stands between a request and its answer: faults that strike any request, a BMC that is not
//! ready, callers without the right, ETags that do not match.

use std::time::{Duration, Instant};

use axum::http::{Method, header};

use super::answer::{Answer, Message, refuse};
use super::dispatch::{Request, text};
use super::faults::FaultKind;
use super::machine::Bmc;
use super::profile::Etag;
use super::session::Caller;

impl Bmc {
    pub fn meet_faults(&self) -> (Duration, Option<Drop>) {
        let mut inner = self.lock();
        if !inner.touched {
            inner.touched = true;
            if let Some(seconds) = inner.faults.value(FaultKind::EmptyMembers) {
                inner.empty_until = Some(Instant::now() + Duration::from_secs(seconds));
            }
        }
        let slow = inner.faults.value(FaultKind::Slow).unwrap_or(0);
        let delay = Duration::from_millis(self.config.latency_milliseconds + slow);
        let drop = inner.faults.happens(FaultKind::DropConnection).then(|| {
            if inner.faults.roll(2) == 0 {
                Drop::Before
            } else {
                Drop::After
            }
        });
        (delay, drop)
    }

    /// 503 while the machine boots, or after the BMC's own restart.
    pub fn not_ready(&self, path: &str) -> Option<Answer> {
        let mut inner = self.lock();
        if let Some(until) = inner.not_ready_until {
            if Instant::now() < until && path != "/redfish/v1" {
                let message = Message::vendor(
                    "IDRAC.2.8.SYS518",
                    "iDRAC is not ready. Retry the operation after a few minutes.",
                    "Critical",
                );
                return Some(refuse(503, message));
            }
            inner.not_ready_until = None;
        }
        let seconds = inner.faults.value(FaultKind::BusyWhileBooting)?;
        if !inner.state.in_self_test()
            || path == "/redfish/v1"
            || path.starts_with("/redfish/v1/SessionService")
        {
            return None;
        }
        let retry = if inner.faults.roll(2) == 0 {
            seconds.to_string()
        } else {
            httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(seconds))
        };
        let message =
            Message::new("ServiceTemporarilyUnavailable").arguments([&seconds.to_string()]);
        Some(refuse(503, message).with(header::RETRY_AFTER, retry))
    }

    pub fn refuse_caller(&self, caller: &Caller, request: &Request, path: &str) -> Option<Answer> {
        let inner = self.lock();
        let changes = !matches!(request.method, Method::GET | Method::HEAD);
        let own_session = caller
            .session
            .as_ref()
            .is_some_and(|session| path == format!("{}/{session}", self.tree.anatomy.sessions));
        let logs_in = request.method == Method::POST && path == self.tree.anatomy.sessions;
        let own = path == caller.account || own_session || logs_in;
        let change_required = inner
            .state
            .accounts
            .get(&caller.account)
            .is_some_and(|account| account.change_required);
        if change_required && !own && !is_open(&request.method, path, &self.tree.anatomy.sessions) {
            return Some(refuse(
                403,
                Message::new("PasswordChangeRequired").arguments([&caller.account]),
            ));
        }
        let allowed = match caller.role.as_str() {
            "Administrator" => true,
            "Operator" => own || !(path.contains("/AccountService") || path.contains("/Managers")),
            _ => own,
        };
        (changes && !allowed).then(|| refuse(403, Message::new("InsufficientPrivilege")))
    }

    pub fn check_precondition(&self, request: &Request, path: &str) -> Option<Answer> {
        let wanted = text(&request.headers, header::IF_MATCH);
        let failed = || Some(refuse(412, Message::new("PreconditionFailed")));
        if wanted.is_empty() {
            // What takes no PATCH at all is refused for that.
            let takes_patch = {
                let inner = self.lock();
                self.stored(&inner, path)
                    .is_some_and(|document| self.methods(path, &document).contains("PATCH"))
            };
            if !takes_patch {
                return None;
            }
            return match self.dialect.etag {
                Etag::DemandedForMedia
                    if !self.tree.anatomy.media.iter().any(|media| media == path) =>
                {
                    None
                }
                Etag::DemandedForMedia | Etag::StarOnly => {
                    Some(refuse(428, Message::new("PreconditionRequired")))
                }
                _ => None,
            };
        }
        if wanted == "*" {
            return if self.dialect.etag == Etag::StarRefused {
                failed()
            } else {
                None
            };
        }
        if self.dialect.etag == Etag::StarOnly {
            return failed();
        }
        let mut inner = self.lock();
        if inner.faults.strikes(FaultKind::StaleEtag, path) {
            return failed();
        }
        let document = self.view_json(&mut inner, path)?;
        let bare = |tag: &str| tag.trim_start_matches("W/").trim_matches('"').to_owned();
        let current = bare(&self.etag(&document));
        let matches = wanted.split(',').any(|tag| bare(tag.trim()) == current);
        if matches { None } else { failed() }
    }
}

/// When a connection is dropped without an answer: before or after the request took effect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    Before,
    After,
}

/// What anybody may ask for.
pub fn is_open(method: &Method, path: &str, sessions: &str) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let open = [
        "/redfish",
        "/redfish/v1",
        "/redfish/v1/$metadata",
        "/redfish/v1/odata",
    ];
    (reads && open.contains(&path))
        || (*method == Method::POST && path.strip_suffix("/Members").unwrap_or(path) == sessions)
}
