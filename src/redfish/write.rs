//! Writes with the ETag that this BMC takes.

use serde_json::Value;

use super::document::Document;
use super::error::Error;
use super::quirks;
use super::survey::fetch;
use super::transport::{Client, Reply, Request};

/// PATCHes a document: with its own ETag, read anew once if it is stale, then with the other
/// forms that BMCs are known to want.
pub(super) async fn patch(
    client: &Client,
    document: &Document,
    body: &Value,
) -> Result<Reply, Error> {
    let send = |etag: Option<String>| {
        let request = Request::patch(&document.path, body.clone(), etag);
        async move { client.send(&request).await }
    };
    let mut last = match send(document.etag.clone()).await {
        Err(error) if quirks::etag_refused(&error) => error,
        outcome => return outcome,
    };
    let mut forms = quirks::etags(document);
    forms.remove(0);
    if document.etag.is_some()
        && let Ok(fresh) = fetch(client, &document.path).await
        && fresh.etag != document.etag
    {
        forms.insert(0, fresh.etag.clone());
    }
    for form in forms {
        match send(form).await {
            Err(error) if quirks::etag_refused(&error) => last = error,
            outcome => return outcome,
        }
    }
    Err(last)
}

/// PATCHes where it is taken first, and tells which try that was. The first refusal is the one
/// to tell: it is about the whole wish, at the place of the standard.
pub(super) async fn first(
    client: &Client,
    tries: &[(&Document, Value)],
    what: &str,
) -> Result<(Reply, usize), Error> {
    let mut refusal = None;
    for (index, (place, body)) in tries.iter().enumerate() {
        match patch(client, place, body).await {
            Ok(reply) => return Ok((reply, index)),
            Err(
                error @ (Error::Refused {
                    status: 400..=499, ..
                }
                | Error::Missing { .. }),
            ) => {
                refusal.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refusal.unwrap_or_else(|| Error::Unsupported {
        what: what.into(),
        reason: "there is no place for it".into(),
    }))
}
