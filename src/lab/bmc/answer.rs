//! Answers and the standard's messages.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

pub use super::message::Message;

/// What a request is answered with.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(HeaderName, String)>,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    Nothing,
    Json(Value),
    /// JSON that goes out compressed.
    Compressed(Value),
    Text {
        kind: &'static str,
        text: String,
    },
}

impl Answer {
    pub fn json(status: u16, value: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Json(value),
        }
    }

    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Nothing,
        }
    }

    pub fn text(status: u16, kind: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Text {
                kind,
                text: text.into(),
            },
        }
    }

    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer that most changes get: 200 and a message, which every client reads as success.
    pub fn success() -> Self {
        Self::success_with(200)
    }

    pub fn success_with(status: u16) -> Self {
        Self::json(status, refusal_body(&[Message::new("Success")]))
    }

    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::builder()
            .status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .header("OData-Version", "4.0")
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response = response.header(name, value);
            }
        }
        let (kind, body) = match self.content {
            Content::Nothing => (None, Body::empty()),
            Content::Json(value) => (
                Some("application/json;odata.metadata=minimal;charset=utf-8"),
                Body::from(value.to_string()),
            ),
            Content::Compressed(value) => {
                response = response.header(header::CONTENT_ENCODING, "gzip");
                (Some("application/json"), Body::from(gzip(&value)))
            }
            Content::Text { kind, text } => (Some(kind), Body::from(text)),
        };
        if let Some(kind) = kind {
            response = response.header(header::CONTENT_TYPE, kind);
        }
        response.body(body).unwrap_or_default()
    }
}

fn gzip(value: &Value) -> Vec<u8> {
    use std::io::Write;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(value.to_string().as_bytes());
    encoder.finish().unwrap_or_default()
}

/// The body of an error, which is also that of a success with messages.
pub fn refusal_body(messages: &[Message]) -> Value {
    let first = messages.first();
    json!({
        "error": {
            "code": first.map_or("", |message| message.id.as_str()),
            "message": first.map_or("", |message| message.text.as_str()),
            "@Message.ExtendedInfo": messages.iter().map(Message::value).collect::<Vec<_>>(),
        }
    })
}

/// An answer with one message.
pub fn refuse(status: u16, message: Message) -> Answer {
    Answer::json(status, refusal_body(&[message]))
}

pub fn not_found(path: &str) -> Answer {
    refuse(404, Message::new("ResourceMissingAtURI").arguments([path]))
}

/// Merges a change into a document as PATCH does: objects by key, arrays by position (`{}` keeps an
/// element and null removes it), everything else replaced.
pub fn merge(target: &mut Value, change: &Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => merge_objects(target, change),
        (Value::Array(target), Value::Array(change)) => merge_arrays(target, change),
        (target, change) => *target = change.clone(),
    }
}

fn merge_arrays(target: &mut Vec<Value>, change: &[Value]) {
    let merged = change
        .iter()
        .enumerate()
        .filter(|(_, wanted)| !wanted.is_null())
        .map(|(position, wanted)| match (target.get(position), wanted) {
            (Some(present), Value::Object(_)) => {
                let mut element = present.clone();
                let is_kept = wanted.as_object().is_some_and(Map::is_empty);
                if !is_kept {
                    merge(&mut element, wanted);
                }
                element
            }
            _ => wanted.clone(),
        })
        .collect();
    *target = merged;
}

fn merge_objects(target: &mut Map<String, Value>, change: &Map<String, Value>) {
    for (key, value) in change {
        match target.get_mut(key) {
            Some(present) => merge(present, value),
            None => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_keeps_what_is_not_named() {
        let mut document = json!({"Boot": {"Mode": "UEFI", "Target": "Hdd"}, "Order": [1, 2]});
        merge(
            &mut document,
            &json!({"Boot": {"Target": null}, "Order": [2]}),
        );
        assert_eq!(
            document,
            json!({"Boot": {"Mode": "UEFI", "Target": null}, "Order": [2]})
        );
    }

    #[test]
    fn arrays_merge_by_position() {
        let mut document = json!({"NTPServers": ["a", "b", "c"]});
        merge(&mut document, &json!({"NTPServers": [{}, "x", null]}));
        assert_eq!(document, json!({"NTPServers": ["a", "x"]}));
    }
}
