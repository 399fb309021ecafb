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
