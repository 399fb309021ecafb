//! Logging in: keys in their order, then the agent's, then the password.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};

use super::key_file::{KeyFile, inspect};
use crate::link::{Error, HopName};
use crate::model::Secret;
use crate::model::target::{Agent, SshHop};

/// Keys that are offered at most: sshd ends the connection at its MaxAuthTries (6), and the
/// password and the question for the accepted ways need one each.
const OFFERS: usize = 4;

pub(super) fn authenticate(
    session: &Session,
    hop: &SshHop,
    name: &HopName,
    deadline: Instant,
) -> Result<(), Error> {
    let mut login = Login {
        session,
        hop,
        name,
        deadline,
        tried: Vec::new(),
        offered: 0,
    };
    if login.keys()? || login.password()? {
        return Ok(());
    }
    let methods = login.methods()?;
    if session.authenticated() {
        return Ok(());
    }
    let banner = login.banner();
    let mut tried = login.tried;
    if tried.is_empty() {
        tried.push("there is no key, agent or password to offer".to_owned());
    }
    Err(Error::Authentication {
        hop: Box::new(name.clone()),
        tried,
        methods,
        banner,
    })
}

struct Login<'session> {
    session: &'session Session,
    hop: &'session SshHop,
    name: &'session HopName,
    deadline: Instant,
    /// What was offered or could not be, with what became of it.
    tried: Vec<String>,
    offered: usize,
}

impl Login<'_> {
    fn keys(&mut self) -> Result<bool, Error> {
        let mut wanted = Vec::new();
        for path in &self.hop.keys {
            if self.key(path, &mut wanted)? {
                return Ok(true);
            }
        }
        match self.hop.agent {
            Agent::Offer => self.agent(&wanted),
            Agent::Ignore => {
                for (path, _) in wanted {
                    self.note(format!(
                        "key {path} needs a passphrase and the agent is not to be asked"
                    ));
                }
                Ok(false)
            }
        }
    }

    /// Offers a key file, or puts its public half on the list for the agent.
    fn key(&mut self, path: &Path, wanted: &mut Vec<Wanted>) -> Result<bool, Error> {
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Secret::new(text),
            Err(error) => {
                let fault = match error.kind() {
                    ErrorKind::NotFound => "does not exist".to_owned(),
                    ErrorKind::InvalidData => "is not a private key".to_owned(),
                    _ => format!("cannot be read ({error})"),
                };
                self.note(format!("key {shown} {fault}"));
                return Ok(false);
            }
        };
        match inspect(path, text.reveal()) {
            KeyFile::Other => {
                self.note(format!("key {shown} is not a private key"));
                return Ok(false);
            }
            KeyFile::Encrypted(public) => {
                wanted.push((shown, public));
                return Ok(false);
            }
            KeyFile::Plain => {}
        }
        if self.is_spent(&shown) {
            return Ok(false);
        }
        self.in_time();
        let offered =
            self.session
                .userauth_pubkey_memory(&self.hop.user, None, text.reveal(), None);
        self.outcome(format!("key {shown}"), offered)
    }

    /// Offers the agent's keys: first those whose files need a passphrase. An absent agent is no
    /// error.
    fn agent(&mut self, wanted: &[Wanted]) -> Result<bool, Error> {
        let agent = self.session.agent().and_then(|mut agent| {
            agent.connect()?;
            agent.list_identities()?;
            Ok(agent)
        });
        let identities = match &agent {
            Ok(agent) => agent.identities().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        for (path, public) in wanted {
            let held = identities
                .iter()
                .find(|identity| public.as_deref() == Some(identity.blob()));
            if held.is_none() {
                self.note(format!(
                    "key {path} needs a passphrase and no agent holds it"
                ));
            }
        }
        let Ok(agent) = &agent else {
            if wanted.is_empty() {
                self.note("no agent".to_owned());
            }
            return Ok(false);
        };
        let is_wanted = |blob: &[u8]| {
            wanted
                .iter()
                .any(|(_, public)| public.as_deref() == Some(blob))
        };
        let (first, rest): (Vec<_>, Vec<_>) = identities
            .iter()
            .partition(|identity| is_wanted(identity.blob()));
        for identity in first.into_iter().chain(rest) {
            let comment = format!("agent key '{}'", identity.comment());
            if self.is_spent(&comment) {
                continue;
            }
            self.in_time();
            let offered = agent.userauth(&self.hop.user, identity);
            if self.outcome(comment, offered)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As `password`, else as the answer to the one question of `keyboard-interactive`.
    fn password(&mut self) -> Result<bool, Error> {
        let Some(password) = &self.hop.password else {
            return Ok(false);
        };
        let methods = self.methods()?.unwrap_or_default();
        if self.session.authenticated() {
            return Ok(true);
        }
        let takes = |method| methods.is_empty() || methods.split(',').any(|own| own == method);
        let mut offered = false;
        if takes("password") {
            offered = true;
            self.in_time();
            let outcome = self
                .session
                .userauth_password(&self.hop.user, password.reveal());
            if self.outcome("the password".to_owned(), outcome)? {
                return Ok(true);
            }
        }
        if takes("keyboard-interactive") {
            offered = true;
            self.in_time();
            let mut answers = Answers(Some(password));
            let outcome = self
                .session
                .userauth_keyboard_interactive(&self.hop.user, &mut answers);
            if self.outcome("the password, asked for".to_owned(), outcome)? {
                return Ok(true);
            }
        }
        if !offered {
            self.note("the password, which the server does not take".to_owned());
        }
        Ok(false)
    }

    /// The ways that the server takes.
    fn methods(&mut self) -> Result<Option<String>, Error> {
        self.in_time();
        match self.session.auth_methods(&self.hop.user) {
            Ok(methods) => Ok(Some(methods.to_owned())),
            Err(error) if is_cut(&error) && self.offered == 0 => Err(self.cut(error)),
            Err(_) => Ok(None),
        }
    }

    fn outcome(&mut self, what: String, outcome: Result<(), ssh2::Error>) -> Result<bool, Error> {
        self.offered += 1;
        match outcome {
            // The server may want a second way after this one.
            Ok(()) if !self.session.authenticated() => self.note(format!("{what} (not enough)")),
            Ok(()) => return Ok(true),
            Err(error) if is_cut(&error) => {
                self.note(what);
                return Err(self.cut(error));
            }
            Err(error) => match error.code() {
                // LIBSSH2_ERROR_AUTHENTICATION_FAILED, LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
                ErrorCode::Session(-18 | -19) => self.note(format!("{what} (refused)")),
                _ => self.note(format!("{what} ({})", error.message())),
            },
        }
        Ok(false)
    }

    fn cut(&self, error: ssh2::Error) -> Error {
        Error::AuthenticationCut {
            hop: Box::new(self.name.clone()),
            tried: self.tried.clone(),
            banner: self.banner(),
            source: Arc::new(error),
        }
    }

    fn is_spent(&mut self, what: &str) -> bool {
        let spent = self.offered >= OFFERS;
        if spent {
            self.note(format!("{what} (not offered: {OFFERS} before it)"));
        }
        spent
    }

    fn note(&mut self, what: String) {
        self.tried.push(what);
    }

    /// The rest of the time is for the next step.
    fn in_time(&self) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // Zero would be no limit.
        self.session
            .set_timeout(u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1));
    }

    fn banner(&self) -> Option<String> {
        let banner = self.session.userauth_banner().ok()??;
        let line = banner.split_whitespace().collect::<Vec<_>>().join(" ");
        (!line.is_empty()).then(|| line.chars().take(200).collect())
    }
}

/// A key file that needs a passphrase, with its public half where that is known.
type Wanted = (String, Option<Vec<u8>>);

/// The connection is gone, or silent: LIBSSH2_ERROR_SOCKET_SEND, _TIMEOUT, _SOCKET_DISCONNECT,
/// _SOCKET_TIMEOUT, _SOCKET_RECV.
fn is_cut(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(-7 | -9 | -13 | -30 | -43))
}

/// The password for the first question, nothing for any other.
struct Answers<'secret>(Option<&'secret Secret>);

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'_>]) -> Vec<String> {
        prompts
            .iter()
            .map(|_| {
                self.0
                    .take()
                    .map(|password| password.reveal().to_owned())
                    .unwrap_or_default()
            })
            .collect()
    }
}
