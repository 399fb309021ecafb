//! One request to one BMC: addressed, gated, counted.
//!
//! Writes never reuse a connection, so that 'the connection was never made' can be told from 'it
//! broke' (some BMCs reset reused connections; libredfish).

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{Arrival, Error};
use super::message::{Message, messages};
use super::options::{Counters, Options};
use super::session::{Auth, Login};
use super::trust;
use crate::model::{Endpoint, Text};

/// More than the largest registry; a bound against an answer without end.
const BODY_LIMIT: usize = 64 << 20;

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
    pub if_match: Option<String>,
    /// Whether the session's credentials go along, and whether it is renewed when lost.
    pub access: Access,
    pub patience: Patience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Repeated by meaning, within the budgets.
    Patient,
    /// Asked once: there is another way.
    Once,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    LoggedIn,
    Open,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            body: None,
            if_match: None,
            access: Access::LoggedIn,
            patience: Patience::Patient,
        }
    }

    pub fn post(path: &str, body: Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(path)
        }
    }

    pub fn patch(path: &str, body: Value, if_match: Option<String>) -> Self {
        Self {
            method: Method::PATCH,
            body: Some(body),
            if_match,
            ..Self::get(path)
        }
    }

    pub fn delete(path: &str) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(path)
        }
    }
}

/// An answer with a status of success.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body where it is JSON, else null.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn messages(&self) -> Vec<Message> {
        messages(&self.body)
    }
}

/// What waits for the server's next boot, as far as no resource of the BMC tells it.
#[derive(Debug, Default)]
pub(super) struct Staged {
    /// Version by the path of its component.
    pub firmware: BTreeMap<String, String>,
    /// Names of volumes that will be there.
    pub created: BTreeSet<String>,
    /// Paths of volumes that will be gone.
    pub deleted: BTreeSet<String>,
}

pub(super) struct Client {
    pub endpoint: Endpoint,
    pub options: Options,
    pub counters: Counters,
    pub login: Login,
    pub origin: String,
    /// What was written in this run and waits for the server's next boot.
    staged: Mutex<Staged>,
    /// Requests that were answered with success so far.
    pub(super) answered: AtomicU64,
    pub(super) base: Url,
    reader: reqwest::Client,
    pub(super) writer: reqwest::Client,
    gate: Semaphore,
}

/// The origin of a BMC's address, with `https` where no scheme is written.
pub(super) fn base(url: &str) -> Result<Url, Error> {
    let trimmed = url.trim();
    let full = if trimmed.contains("://") {
        trimmed.to_owned()
    } else {
        format!("https://{trimmed}")
    };
    let fault = |shown: &str, reason: &str| Error::Address {
        url: shown.to_owned(),
        reason: reason.to_owned(),
    };
    let mut base = Url::parse(&full).map_err(|error| fault(trimmed, &error.to_string()))?;
    if !base.username().is_empty() || base.password().is_some() {
        let host = base.host_str().unwrap_or_default().to_owned();
        return Err(fault(&host, "user and password belong into their own keys"));
    }
    if !matches!(base.scheme(), "https" | "http") || base.host_str().is_none() {
        return Err(fault(trimmed, "it is no http or https address"));
    }
    base.set_path("/");
    base.set_query(None);
    base.set_fragment(None);
    Ok(base)
}

impl Client {
    pub fn new(endpoint: Endpoint, options: Options) -> Result<Self, Error> {
        let base = base(&endpoint.url)?;
        trust::provider();
        // One for both: a session that the one has agreed on is resumed by the other.
        let tls = trust::tls(&endpoint.trust)?;
        let build = |idle: usize| -> Result<reqwest::Client, Error> {
            let builder = reqwest::Client::builder()
                .connect_timeout(options.connect_timeout)
                .read_timeout(options.read_timeout)
                .timeout(options.read_timeout * 10)
                .redirect(reqwest::redirect::Policy::none())
                // A BMC is reached over the management network; its password goes to no proxy.
                .no_proxy()
                .http1_only()
                .pool_max_idle_per_host(idle);
            let builder = match &tls {
                Some(config) => builder.tls_backend_preconfigured(config.clone()),
                None => builder,
            };
            builder.build().map_err(|error| Error::Address {
                url: base.to_string(),
                reason: error.to_string(),
            })
        };
        Ok(Self {
            reader: build(options.gate)?,
            writer: build(0)?,
            origin: base.origin().ascii_serialization(),
            base,
            staged: Mutex::default(),
            answered: AtomicU64::new(0),
            gate: Semaphore::new(options.gate.max(1)),
            counters: Counters::default(),
            login: Login::default(),
            endpoint,
            options,
        })
    }

    /// The full address of a path, or why it is none on this BMC.
    pub fn address(&self, path: &str) -> Result<Url, Error> {
        let malformed = |reason: &str| Error::Malformed {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let url = self
            .base
            .join(path)
            .map_err(|error| malformed(&format!("the link is no address ({error})")))?;
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            Err(malformed("the link leads to another machine"))
        }
    }

    /// A place among the requests that may be under way.
    pub async fn turn(&self) -> SemaphorePermit<'_> {
        self.gate.acquire().await.expect("the gate is never closed")
    }

    pub fn staged(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A text of an act with its sealed values put in.
    pub fn reveal(&self, text: &Text) -> Result<String, Error> {
        self.options
            .vault
            .reveal(text)
            .map_err(|name| Error::Sealed { name })
    }

    /// One request, one answer, whatever its status.
    pub async fn attempt(
        &self,
        request: &Request,
        auth: &Auth,
        encoding: &str,
    ) -> Result<Reply, Error> {
        let url = self.address(&request.path)?;
        let _gate = self.turn().await;
        let _fleet = match &self.options.fleet {
            Some(fleet) => Some(
                fleet
                    .acquire()
                    .await
                    .expect("the fleet's gate is never closed"),
            ),
            None => None,
        };
        let reads = request.method == Method::GET;
        match (reads, request.access) {
            (true, _) => self.counters.gets.fetch_add(1, Ordering::Relaxed),
            (false, Access::LoggedIn) => self.counters.writes.fetch_add(1, Ordering::Relaxed),
            // The session's own requests are counted as sessions.
            (false, Access::Open) => 0,
        };
        let http = if reads { &self.reader } else { &self.writer };
        let mut builder = http
            .request(request.method.clone(), url)
            .header("OData-Version", "4.0")
            .header("Accept", "application/json")
            // Compression changes ETags on some BMCs (sushy).
            .header("Accept-Encoding", encoding);
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        if let Some(etag) = &request.if_match
            && let Ok(value) = HeaderValue::from_str(etag)
        {
            builder = builder.header("If-Match", value);
        }
        builder = auth.apply(builder, &self.endpoint);
        let mut response = builder.send().await.map_err(|error| self.broken(error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            body.extend_from_slice(&piece);
            if body.len() > BODY_LIMIT {
                return Err(Error::Malformed {
                    path: request.path.clone(),
                    reason: format!("it is larger than {} MiB", BODY_LIMIT >> 20),
                });
            }
        }
        self.counters
            .bytes
            .fetch_add(body.len() as u64, Ordering::Relaxed);
        let packed = headers
            .get("content-encoding")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
        if packed {
            body = unpacked(&body).map_err(|error| Error::Malformed {
                path: request.path.clone(),
                reason: format!("it does not unpack: {error}"),
            })?;
        }
        Ok(Reply {
            status,
            headers,
            body,
        })
    }

    pub fn broken(&self, error: reqwest::Error) -> Error {
        if let Some(tls) = trust::explain(&self.origin, &error) {
            return tls;
        }
        let reason = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            innermost(&error)
        };
        Error::Unreachable {
            origin: self.origin.clone(),
            reason,
            arrival: if error.is_connect() {
                Arrival::Impossible
            } else {
                Arrival::Possible
            },
            source: Arc::new(error.without_url()),
        }
    }
}

fn unpacked(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(packed)
        .take(BODY_LIMIT as u64)
        .read_to_end(&mut plain)?;
    Ok(plain)
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    let words = last.to_string();
    if words.contains("close_notify")
        || words.contains("unexpected EOF")
        || words.contains("connection closed before")
    {
        "it closed the connection without an answer".to_owned()
    } else {
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_lack_its_scheme_but_not_its_host() {
        assert_eq!(
            base("192.0.2.1:8443").unwrap().as_str(),
            "https://192.0.2.1:8443/"
        );
        assert_eq!(
            base("https://[2001:db8::1]/x?y").unwrap().as_str(),
            "https://[2001:db8::1]/"
        );
        assert!(base("ftp://192.0.2.1").is_err());
        let secret = base("https://root:canary@192.0.2.1").unwrap_err();
        assert!(!format!("{secret:?}").contains("canary"));
    }
}
