//! Requests repeated by meaning.
//!
//! A GET is repeated when nothing came back or the BMC is not ready. Anything else is repeated
//! only when it cannot have arrived, or the BMC said that it was too early.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::Method;

use super::error::{Arrival, Error};
use super::links;
use super::message::{Meaning, account_of, meaning, sentence};
use super::session::Auth;
use super::transport::{Access, Client, Patience, Reply, Request};

impl Client {
    /// Sends a request until it is answered with success, is refused, or a budget is spent.
    pub async fn send(&self, request: &Request) -> Result<Reply, Error> {
        let start = Instant::now();
        let mut request = request.clone();
        let mut pause = self.options.pause;
        let mut renewed = false;
        let mut hops = 0;
        let mut stumbles = 0;
        let answered = self.answered.load(Ordering::Relaxed);
        let mut encoding = "identity";
        let reads = request.method == Method::GET;
        loop {
            self.login.check_open(&self.origin)?;
            let ticket = self.login.ticket();
            let auth = match request.access {
                Access::LoggedIn => ticket.auth.clone(),
                Access::Open => Auth::None,
            };
            let (error, wait, budget) = match self.attempt(&request, &auth, encoding).await {
                Ok(reply) if (200..300).contains(&reply.status) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    return Ok(reply);
                }
                Ok(reply)
                    if reply.status == 401 && request.access == Access::LoggedIn && !renewed =>
                {
                    renewed = true;
                    Box::pin(self.renew(ticket.generation)).await?;
                    continue;
                }
                // Registries of iLO are stored compressed and refused otherwise (sushy).
                Ok(reply) if reply.status == 406 && reads && encoding == "identity" => {
                    encoding = "gzip";
                    continue;
                }
                Ok(reply) if matches!(reply.status, 301 | 302 | 307 | 308) && hops < 4 => {
                    hops += 1;
                    request.path = self.redirected(&request.path, &reply)?;
                    continue;
                }
                // A fault without a word of Redfish, such as a web page, is worth a second try.
                Ok(reply)
                    if reads
                        && reply.status == 500
                        && stumbles < 3
                        && reply.messages().iter().all(|message| message.id.is_empty()) =>
                {
                    stumbles += 1;
                    tokio::time::sleep(self.options.pause).await;
                    continue;
                }
                Ok(reply) => {
                    let asked = retry_after(&reply);
                    // Where other requests are answered meanwhile, it is not the BMC that is not
                    // ready but this resource that is broken.
                    let others = self.answered.load(Ordering::Relaxed) > answered;
                    let budget = if reads && others {
                        self.options.silence_budget
                    } else {
                        self.options.ready_budget
                    };
                    match self.judge(&request, &reply, start.elapsed()) {
                        error @ Error::NotReady { .. } => (error, asked.unwrap_or(pause), budget),
                        error => return Err(error),
                    }
                }
                Err(error) => match &error {
                    Error::Unreachable { arrival, .. }
                        if reads || *arrival == Arrival::Impossible =>
                    {
                        (error, pause, self.options.silence_budget)
                    }
                    _ => return Err(error),
                },
            };
            if start.elapsed() + wait > budget || request.patience == Patience::Once {
                return Err(error);
            }
            tracing::debug!(path = request.path, %error, ?wait, "trying again");
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(self.options.pause_cap);
        }
    }

    fn redirected(&self, path: &str, reply: &Reply) -> Result<String, Error> {
        let to = reply.header("location").unwrap_or_default();
        let target = self.base.join(path).and_then(|from| from.join(to));
        match target {
            Ok(url) if url.origin() == self.base.origin() && links::path_of(&url) != path => {
                Ok(links::path_of(&url))
            }
            _ => Err(Error::Redirect {
                origin: self.origin.clone(),
                path: path.to_owned(),
                to: to.to_owned(),
            }),
        }
    }

    /// The error that an answer without success stands for.
    pub fn judge(&self, request: &Request, reply: &Reply, waited: Duration) -> Error {
        let messages = reply.messages();
        let method = request.method.to_string();
        let path = request.path.clone();
        let reason = match sentence(&messages) {
            words if words.is_empty() => format!("status {}", reply.status),
            words => words,
        };
        let user = self.endpoint.user.clone();
        match (meaning(reply.status, &messages), reply.status) {
            (Meaning::PasswordChange, _) => Error::PasswordChange {
                user,
                account: account_of(&messages),
            },
            // A gateway's answer does not say whether a write went through.
            (Meaning::NotReady, 502 | 504)
                if request.method != Method::GET
                    && messages.iter().all(|message| message.id.is_empty()) =>
            {
                Error::Refused {
                    method,
                    path,
                    status: reply.status,
                    messages,
                }
            }
            (Meaning::NotReady, _) => Error::NotReady {
                method,
                path,
                waited,
                reason,
            },
            (_, 401) => Error::Login { user, reason },
            (_, 403) if request.access == Access::LoggedIn => Error::Forbidden {
                method,
                path,
                reason,
            },
            (_, 404) => Error::Missing { path },
            (_, status @ 300..=399) => Error::Redirect {
                origin: self.origin.clone(),
                path,
                to: format!(
                    "{} (status {status})",
                    reply.header("location").unwrap_or("nowhere")
                ),
            },
            (_, status) => Error::Refused {
                method,
                path,
                status,
                messages,
            },
        }
    }
}

/// `Retry-After`: seconds, or an HTTP date.
pub(super) fn retry_after(reply: &Reply) -> Option<Duration> {
    let value = reply.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = httpdate::parse_http_date(value).ok()?;
    Some(
        moment
            .duration_since(std::time::SystemTime::now())
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        let reply = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            Reply {
                status: 503,
                headers,
                body: vec![],
            }
        };
        assert_eq!(retry_after(&reply("7")), Some(Duration::from_secs(7)));
        let soon = std::time::SystemTime::now() + Duration::from_secs(30);
        let wait = retry_after(&reply(&httpdate::fmt_http_date(soon))).unwrap();
        assert!(wait <= Duration::from_secs(30) && wait > Duration::from_secs(20));
        assert_eq!(
            retry_after(&reply("Wed, 21 Oct 2015 07:28:00 GMT")),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after(&reply("soon")), None);
    }
}
