//! One session a BMC and run, logged out on every way out.
//!
//! BMCs keep four to sixteen sessions and refuse further ones, so none may be left behind: not
//! after an error, not after a panic. Where there is no SessionService, or its sessions are used
//! up by others, the password goes along with every request instead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::accounts;
use super::document::{Document, link};
use super::error::{Arrival, Error};
use super::links;
use super::message::{Meaning, account_of, meaning, messages_of, sentence};
use super::options::FirstLogin;
use super::transport::{Access, Client, Reply, Request};
use crate::model::bmc::LoginState;
use crate::model::{Endpoint, Secret};

/// A BMC that does not take a logout in this time loses the session by its own timeout.
const LOGOUT_LIMIT: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Default)]
pub(super) enum Auth {
    #[default]
    None,
    Basic,
    /// Another user than the run's, or another password.
    As {
        user: String,
        password: Secret,
    },
    Session {
        token: Secret,
        /// What to delete; unknown where the BMC does not tell it.
        path: Option<String>,
    },
}

impl Auth {
    pub fn apply(&self, builder: RequestBuilder, endpoint: &Endpoint) -> RequestBuilder {
        let (name, value) = match self {
            Self::None => return builder,
            Self::Basic => basic(&endpoint.user, &endpoint.password),
            Self::As { user, password } => basic(user, password),
            Self::Session { token, .. } => ("X-Auth-Token", token.reveal().to_owned()),
        };
        match HeaderValue::from_str(&value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                builder.header(name, value)
            }
            Err(_) => builder,
        }
    }
}

fn basic(user: &str, password: &Secret) -> (&'static str, String) {
    let pair = format!("{user}:{}", password.reveal());
    let coded = base64::engine::general_purpose::STANDARD.encode(pair);
    ("Authorization", format!("Basic {coded}"))
}

/// What a login came to.
struct Entry {
    auth: Auth,
    /// The password has to be changed before anything else.
    must_change: bool,
    /// The account's path, where the BMC names it.
    account: Option<String>,
}

impl Entry {
    fn basic() -> Self {
        Self {
            auth: Auth::Basic,
            must_change: false,
            account: None,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ticket {
    pub auth: Auth,
    /// Counts logins, so that of several requests that meet a lost session one renews it.
    pub generation: u64,
}

#[derive(Debug, Default)]
pub(super) struct Login {
    ticket: Mutex<Ticket>,
    /// The collection of sessions, once known.
    sessions: Mutex<Option<String>>,
    renewal: tokio::sync::Mutex<()>,
    closed: AtomicBool,
    /// The password that the BMC was delivered with was replaced.
    password_set: AtomicBool,
}

impl Login {
    pub fn ticket(&self) -> Ticket {
        lock(&self.ticket).clone()
    }

    fn set(&self, auth: Auth) {
        let mut ticket = lock(&self.ticket);
        ticket.auth = auth;
        ticket.generation += 1;
    }

    pub fn check_open(&self, origin: &str) -> Result<(), Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed {
                origin: origin.to_owned(),
            });
        }
        Ok(())
    }

    pub fn password_was_set(&self) -> bool {
        self.password_set.load(Ordering::Relaxed)
    }

    fn take(&self) -> Auth {
        std::mem::take(&mut lock(&self.ticket).auth)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Client {
    /// Logs in by what the service root offers.
    pub async fn log_in(&self, root: &Document) -> Result<(), Error> {
        if self.endpoint.user.is_empty() {
            return Ok(());
        }
        let mut sessions = root.at("/Links/Sessions").and_then(link);
        if sessions.is_none()
            && let Some(service) = root.link("SessionService")
        {
            let request = Request {
                access: Access::Open,
                ..Request::get(&service)
            };
            if let Ok(reply) = self.send(&request).await {
                sessions = reply.json().get("Sessions").and_then(link);
            }
        }
        *lock(&self.login.sessions) = sessions;
        let auth = match (self.open().await, &self.endpoint.first_password) {
            (Err(Error::Login { .. }), Some(first))
                if self.options.first_login == FirstLogin::Replace =>
            {
                self.first_login(root, first).await?;
                self.login.password_set.store(true, Ordering::Relaxed);
                self.open().await?
            }
            (Err(Error::Login { user, reason }), Some(_)) => {
                return Err(Error::FirstPasswordLeft { user, reason });
            }
            (outcome, _) => outcome?,
        };
        self.login.set(auth);
        Ok(())
    }

    /// Logs in with the password that the BMC was delivered with, and replaces it. Whether it was
    /// is seen by the login that follows.
    async fn first_login(&self, root: &Document, first: &Secret) -> Result<(), Error> {
        let user = self.endpoint.user.clone();
        let mine = Auth::As {
            user: user.clone(),
            password: first.clone(),
        };
        let (auth, account) = match self.enter(&user, first).await {
            Ok(Entry { auth, account, .. }) => (auth, account),
            // Not even a session before the password is changed.
            Err(Error::PasswordChange { account, .. }) => (mine.clone(), account),
            Err(Error::Login { reason, .. }) => return Err(Error::FirstLogin { user, reason }),
            Err(error) => return Err(error),
        };
        let auth = match auth {
            Auth::Basic | Auth::None => mine,
            auth => auth,
        };
        let account = match account {
            Some(account) => Some(account),
            None => accounts::own_account(self, root, &auth).await,
        };
        let outcome = match account {
            Some(account) => accounts::change_password(self, &account, &auth).await,
            None => Err(Error::PasswordChange {
                user,
                account: None,
            }),
        };
        self.delete(&auth).await;
        outcome
    }

    /// Whether a session can be had with a user and password; it is closed at once.
    pub async fn try_session(&self, user: &str, password: &Secret) -> Result<LoginState, Error> {
        match self.enter(user, password).await {
            Ok(entry) => {
                self.delete(&entry.auth).await;
                Ok(match entry.must_change {
                    true => LoginState::ChangeDemanded,
                    false => LoginState::Accepted,
                })
            }
            Err(Error::PasswordChange { .. }) => Ok(LoginState::ChangeDemanded),
            Err(Error::Login { reason, .. }) => Ok(LoginState::Refused(reason)),
            Err(error) => Err(error),
        }
    }

    /// Renews a session that was lost; requests that met the same loss wait and find it renewed.
    pub async fn renew(&self, seen: u64) -> Result<(), Error> {
        let _turn = self.login.renewal.lock().await;
        self.login.check_open(&self.origin)?;
        if self.login.ticket().generation != seen || self.endpoint.user.is_empty() {
            return Ok(());
        }
        tracing::debug!(origin = self.origin, "logging in again");
        let auth = self.open().await?;
        self.login.set(auth);
        Ok(())
    }

    async fn open(&self) -> Result<Auth, Error> {
        let entry = self
            .enter(&self.endpoint.user, &self.endpoint.password)
            .await?;
        if entry.must_change {
            self.delete(&entry.auth).await;
            return Err(Error::PasswordChange {
                user: self.endpoint.user.clone(),
                account: entry.account,
            });
        }
        Ok(entry.auth)
    }

    /// Opens a session.
    async fn enter(&self, user: &str, password: &Secret) -> Result<Entry, Error> {
        let Some(path) = lock(&self.login.sessions).clone() else {
            return Ok(Entry::basic());
        };
        let request = Request {
            access: Access::Open,
            ..Request::post(
                &path,
                json!({"UserName": user, "Password": password.reveal()}),
            )
        };
        let mut outcome = self.send(&request).await;
        // A login whose answer got lost may have left a session that only its timeout ends; that
        // is the smaller harm than to lose the host.
        for _ in 0..2 {
            if !matches!(
                outcome,
                Err(Error::Unreachable {
                    arrival: Arrival::Possible,
                    ..
                })
            ) {
                break;
            }
            tokio::time::sleep(self.options.pause).await;
            outcome = self.send(&request).await;
        }
        self.counters.sessions.fetch_add(1, Ordering::Relaxed);
        let login = |reason: String| Error::Login {
            user: user.to_owned(),
            reason,
        };
        match outcome {
            Ok(reply) => Ok(self.opened(&reply)),
            Err(
                Error::Refused {
                    status: 405 | 501, ..
                }
                | Error::Missing { .. },
            ) => Ok(Entry::basic()),
            Err(Error::Refused {
                status, messages, ..
            }) if meaning(status, &messages) == Meaning::SessionsUsedUp => {
                tracing::debug!(
                    origin = self.origin,
                    "no session is free, using basic authentication"
                );
                Ok(Entry::basic())
            }
            Err(Error::Refused {
                status: status @ (400 | 401 | 403),
                messages,
                ..
            }) => Err(login(match sentence(&messages) {
                words if words.is_empty() => format!("status {status}"),
                words => words,
            })),
            Err(error) => Err(error),
        }
    }

    fn opened(&self, reply: &Reply) -> Entry {
        let body = reply.json();
        let Some(token) = reply.header("x-auth-token") else {
            return Entry::basic();
        };
        let path = reply
            .header("location")
            .map(str::to_owned)
            .or_else(|| link(&body))
            .and_then(|place| self.address(&place).ok())
            .map(|url| links::path_of(&url));
        let messages = messages_of(&body);
        Entry {
            auth: Auth::Session {
                token: Secret::new(token),
                path,
            },
            must_change: meaning(400, &messages) == Meaning::PasswordChange,
            account: account_of(&messages),
        }
    }

    /// Logs out; a BMC that does not take it loses the session by its timeout.
    pub async fn log_out(&self) {
        self.login.closed.store(true, Ordering::Relaxed);
        // A login under way ends first, so that its session is not left behind.
        let _turn = tokio::time::timeout(LOGOUT_LIMIT, self.login.renewal.lock()).await;
        let auth = self.login.take();
        self.delete(&auth).await;
    }

    async fn delete(&self, auth: &Auth) {
        if let Auth::Session {
            path: Some(path), ..
        } = auth
        {
            let request = Request {
                access: Access::Open,
                ..Request::delete(path)
            };
            let outcome =
                tokio::time::timeout(LOGOUT_LIMIT, self.attempt(&request, auth, "identity")).await;
            if !matches!(outcome, Ok(Ok(_))) {
                tracing::warn!(origin = self.origin, "the session could not be logged out");
            }
        }
    }
}

impl Drop for Client {
    /// The way out that nobody took properly: an error, a panic. Waits for the logout, but not
    /// for long.
    fn drop(&mut self) {
        let auth = self.login.take();
        let Auth::Session {
            path: Some(path), ..
        } = &auth
        else {
            return;
        };
        let Ok(url) = self.address(path) else { return };
        let request = auth.apply(self.writer.delete(url), &self.endpoint);
        let logout = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                let _ = runtime
                    .block_on(async { tokio::time::timeout(LOGOUT_LIMIT, request.send()).await });
            }
        });
        let _ = logout.join();
    }
}
