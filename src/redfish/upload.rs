//! Images sent to a BMC: read from disk while they travel, with a time-out of their own.

use std::path::Path;
use std::sync::Arc;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::error::{Arrival, Error};
use super::session::Auth;
use super::transport::{Client, Reply, Request};
use super::{quirks, trust};

/// How a BMC takes an image.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// `MultipartHttpPushUri`, with the parameters of the update.
    Multipart { path: String, parameters: Value },
    /// `HttpPushUri`: the bare image.
    Plain(String),
}

impl Place {
    fn path(&self) -> &str {
        match self {
            Self::Multipart { path, .. } | Self::Plain(path) => path,
        }
    }
}

/// Sends a file. A lost session is renewed once.
pub(super) async fn send(client: &Client, place: &Place, file: &Path) -> Result<Reply, Error> {
    let mut renewed = false;
    loop {
        client.login.check_open(&client.origin)?;
        let ticket = client.login.ticket();
        let reply = once(client, place, file, &ticket.auth).await?;
        if reply.status == 401 && !renewed {
            renewed = true;
            client.renew(ticket.generation).await?;
            continue;
        }
        if (200..300).contains(&reply.status) {
            return Ok(reply);
        }
        let request = Request::post(place.path(), Value::Null);
        return Err(client.judge(&request, &reply, std::time::Duration::ZERO));
    }
}

async fn once(client: &Client, place: &Place, file: &Path, auth: &Auth) -> Result<Reply, Error> {
    let unread = |source: std::io::Error| Error::Serve {
        what: format!("read {}", file.display()),
        source: Arc::new(source),
    };
    let opened = tokio::fs::File::open(file).await.map_err(unread)?;
    let length = opened.metadata().await.map_err(unread)?.len();
    // Dell refuses anything but the bare name (libredfish).
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let url = client.address(place.path())?;
    let http = http(client)?;
    let mut builder = http
        .post(url)
        .header("OData-Version", "4.0")
        .header("Accept", "application/json");
    let image = |opened: tokio::fs::File| -> Result<Part, Error> {
        Part::stream_with_length(opened, length)
            .file_name(name.clone())
            .mime_str("application/octet-stream")
            .map_err(|error| client.broken(error))
    };
    builder = match place {
        Place::Multipart { parameters, .. } => {
            let parameters = Part::text(parameters.to_string())
                .mime_str("application/json")
                .map_err(|error| client.broken(error))?;
            let form = Form::new()
                .part("UpdateParameters", parameters)
                .part("UpdateFile", image(opened)?);
            builder.multipart(form)
        }
        Place::Plain(path) if quirks::is_upload_form(path) => {
            let Auth::Session { token, .. } = auth else {
                return Err(Error::Unsupported {
                    what: "take an image".into(),
                    reason: "its form wants a session's key, and there is no session".into(),
                });
            };
            let parameters = json!({"UpdateRepository": false, "UpdateTarget": true, "ETag": "ra-deploy", "Section": 0});
            let form = Form::new()
                .text("sessionKey", token.reveal().to_owned())
                .text("parameters", parameters.to_string())
                .part("files[]", image(opened)?);
            builder
                .header("Cookie", format!("sessionKey={}", token.reveal()))
                .multipart(form)
        }
        Place::Plain(_) => builder
            .header("Content-Type", "application/octet-stream")
            .header("Content-Length", length)
            .header(
                "Content-Disposition",
                format!(
                    "attachment; filename=\"{}\"",
                    name.replace(['"', '\\'], "_")
                ),
            )
            .body(reqwest::Body::from(opened)),
    };
    let _gate = client.turn().await;
    let response = auth
        .apply(builder, &client.endpoint)
        .send()
        .await
        .map_err(|error| lost(client.broken(error)))?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = response
        .bytes()
        .await
        .map_err(|error| lost(client.broken(error)))?
        .to_vec();
    Ok(Reply {
        status,
        headers,
        body,
    })
}

/// Hundreds of megabytes are not sent again by themselves: whoever asked looks at what came of it.
fn lost(error: Error) -> Error {
    match error {
        Error::Unreachable {
            origin,
            reason,
            source,
            ..
        } => Error::Unreachable {
            origin,
            reason: format!("{reason}, while the image was sent"),
            arrival: Arrival::Possible,
            source,
        },
        other => other,
    }
}

/// A client without a bound between pieces of the answer, which begins only when all is sent.
fn http(client: &Client) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .connect_timeout(client.options.connect_timeout)
        .timeout(client.options.upload_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0);
    let builder = match trust::tls(&client.endpoint.trust)? {
        Some(config) => builder.tls_backend_preconfigured(config),
        None => builder,
    };
    builder.build().map_err(|error| Error::Address {
        url: client.origin.clone(),
        reason: error.to_string(),
    })
}
