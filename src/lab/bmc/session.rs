//! Who asks: sessions and basic authentication.

use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use base64::Engine;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::{Answer, Message, refusal_body, refuse};
use super::machine::{Bmc, Inner};

#[derive(Debug, Clone)]
pub struct Session {
    pub id: String,
    pub token: String,
    pub user: String,
    pub account: String,
    pub created: Timestamp,
    pub used: Instant,
}

impl Session {
    /// Held by somebody of whom the emulator only pretends that there is one.
    pub fn is_strange(&self) -> bool {
        self.account.is_empty()
    }
}

/// Who a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user: String,
    /// Path of the account's resource.
    pub account: String,
    pub role: String,
    pub session: Option<String>,
}

/// Sessions that somebody else holds.
pub fn strangers(count: usize) -> Vec<Session> {
    (1..=count)
        .map(|number| Session {
            id: format!("other{number}"),
            token: format!("{:?}", Instant::now()),
            user: "other".into(),
            account: String::new(),
            created: Timestamp::now(),
            used: Instant::now(),
        })
        .collect()
}

impl Bmc {
    /// The caller, where the credentials are right. `Err` holds the refusal.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Option<Caller>, Answer> {
        let mut inner = self.lock();
        self.expire_sessions(&mut inner);
        if let Some(token) = headers.get("x-auth-token") {
            let found = inner
                .sessions
                .iter_mut()
                .find(|session| session.token.as_bytes() == token.as_bytes())
                .map(|session| {
                    session.used = Instant::now();
                    session.clone()
                });
            let Some(session) = found else {
                return Err(unauthorized());
            };
            let role = inner
                .state
                .accounts
                .get(&session.account)
                .map(|account| account.role.clone());
            return Ok(Some(Caller {
                user: session.user,
                account: session.account,
                role: role.unwrap_or_default(),
                session: Some(session.id),
            }));
        }
        let Some(header) = headers.get("authorization") else {
            return Ok(None);
        };
        basic(header.to_str().unwrap_or_default())
            .and_then(|(user, password)| check(&inner, &user, &password))
            .map(Some)
            .ok_or_else(unauthorized)
    }

    fn expire_sessions(&self, inner: &mut Inner) {
        let timeout = self
            .stored(inner, "/redfish/v1/SessionService")
            .and_then(|service| service["SessionTimeout"].as_u64())
            .unwrap_or(1800);
        // A stranger's session is kept alive by the stranger.
        inner.sessions.retain(|session| {
            session.is_strange() || session.used.elapsed() < Duration::from_secs(timeout)
        });
    }

    /// POST to the session collection.
    pub fn open_session(&self, body: &Value) -> Answer {
        let (Some(user), Some(password)) = (body["UserName"].as_str(), body["Password"].as_str())
        else {
            let missing = if body["UserName"].is_string() {
                "Password"
            } else {
                "UserName"
            };
            return refuse(400, Message::new("PropertyMissing").arguments([missing]));
        };
        let mut inner = self.lock();
        self.expire_sessions(&mut inner);
        let Some(caller) = check(&inner, user, password) else {
            return refuse(401, Message::new("NoValidSession"));
        };
        if inner.sessions.len() >= self.session_limit() {
            return refuse(503, Message::new("SessionLimitExceeded"));
        }
        let number = inner.faults.roll(u64::MAX);
        let serial = inner.state.next();
        let session = Session {
            id: serial.to_string(),
            token: token(&self.config.name, number, serial),
            user: caller.user,
            account: caller.account,
            created: Timestamp::now(),
            used: Instant::now(),
        };
        inner.sessions.push(session.clone());
        let path = format!("{}/{}", self.tree.anatomy.sessions, session.id);
        let mut document = session_document(&path, &session);
        let must_change = inner
            .state
            .accounts
            .get(&session.account)
            .is_some_and(|account| account.change_required);
        if must_change {
            let message = Message::new("PasswordChangeRequired").arguments([&session.account]);
            document["@Message.ExtendedInfo"] = json!([message.value()]);
        }
        Answer::json(201, document)
            .with(axum::http::header::LOCATION, path)
            .with(
                axum::http::HeaderName::from_static("x-auth-token"),
                session.token,
            )
    }

    /// DELETE of a session.
    pub fn close_session(&self, id: &str) -> Option<Answer> {
        let mut inner = self.lock();
        let before = inner.sessions.len();
        inner.sessions.retain(|session| session.id != id);
        (inner.sessions.len() < before).then(|| Answer::empty(204))
    }
}

pub fn session_document(path: &str, session: &Session) -> Value {
    json!({
        "@odata.id": path,
        "@odata.type": "#Session.v1_7_0.Session",
        "Id": session.id,
        "Name": "User Session",
        "UserName": session.user,
        "Password": null,
        "Token": null,
        "SessionType": "Redfish",
        "CreatedTime": super::view::time(session.created),
    })
}

fn unauthorized() -> Answer {
    Answer::json(401, refusal_body(&[Message::new("NoValidSession")])).with(
        axum::http::header::WWW_AUTHENTICATE,
        "Basic realm=\"Redfish\"",
    )
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim())
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn check(inner: &Inner, user: &str, password: &str) -> Option<Caller> {
    inner
        .state
        .accounts
        .iter()
        .find(|(_, account)| {
            account.enabled && account.user == user && account.password == password
        })
        .map(|(path, account)| Caller {
            user: account.user.clone(),
            account: path.clone(),
            role: account.role.clone(),
            session: None,
        })
}

/// A token that cannot be guessed from another: hashed from chance, the clock and a counter.
fn token(name: &str, number: u64, serial: u64) -> String {
    let seed = format!(
        "{name}/{number}/{serial}/{:?}/{}",
        Instant::now(),
        std::process::id()
    );
    hex::encode(&Sha256::digest(seed.as_bytes())[..16])
}
