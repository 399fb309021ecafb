//! What a BMC says about a request: the extended messages of the standard, wherever a BMC puts
//! them, and what they mean for us.

use serde_json::Value;

use super::document::{text, words};

/// The account that `PasswordChangeRequired` names: a path, or an address.
pub fn account_of(messages: &[Message]) -> Option<String> {
    messages
        .iter()
        .filter(|message| {
            message
                .short()
                .eq_ignore_ascii_case("PasswordChangeRequired")
        })
        .find_map(|message| message.arguments.first())
        .filter(|argument| argument.contains("/redfish/"))
        .map(|argument| super::links::tidy(argument))
}

/// One entry of `@Message.ExtendedInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `Base.1.8.PropertyNotWritable`, `IDRAC.2.8.SYS518`, …
    pub id: String,
    pub text: String,
    pub resolution: Option<String>,
    pub arguments: Vec<String>,
    /// JSON pointers of the properties meant.
    pub related: Vec<String>,
}

impl Message {
    /// The identifier without registry and version: `PropertyNotWritable`.
    pub fn short(&self) -> &str {
        self.id.rsplit('.').next().unwrap_or(&self.id)
    }
}

/// What an answer that is no success asks of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The same request will be taken later.
    NotReady,
    PasswordChange,
    SessionsUsedUp,
    Refused,
}

/// All messages of a body: under `error`, at the top, and beside a property; as list or object.
/// A body without any yields the error's own message, and HTML yields its title.
pub fn messages(body: &[u8]) -> Vec<Message> {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => messages_of(&value),
        Err(_) => page_title(body)
            .map(|title| vec![plain(title)])
            .unwrap_or_default(),
    }
}

pub fn messages_of(body: &Value) -> Vec<Message> {
    let mut found = Vec::new();
    let mut places = vec![body];
    places.extend(body.get("error"));
    for place in places {
        let Some(object) = place.as_object() else {
            continue;
        };
        for (key, value) in object {
            if !key.ends_with("@Message.ExtendedInfo") {
                continue;
            }
            match value {
                Value::Array(list) => found.extend(list.iter().filter_map(message)),
                single => found.extend(message(single)),
            }
        }
    }
    if found.is_empty()
        && let Some(error) = body.get("error")
    {
        let words = text(error, "message").or_else(|| error.as_str().map(str::to_owned));
        let code = text(error, "code").unwrap_or_default();
        if words.is_some() || !code.is_empty() {
            found.push(Message {
                text: words.unwrap_or_else(|| code.clone()),
                id: code,
                resolution: None,
                arguments: Vec::new(),
                related: Vec::new(),
            });
        }
    }
    found.dedup();
    found
}

fn message(value: &Value) -> Option<Message> {
    if let Some(words) = value.as_str() {
        return Some(plain(words.to_owned()));
    }
    let id = text(value, "MessageId").unwrap_or_default();
    let arguments = words(value, "MessageArgs");
    let told = text(value, "Message").or_else(|| {
        let arguments = arguments.as_ref()?;
        Some(format!("{id} {}", arguments.join(", ")).trim().to_owned())
    });
    if id.is_empty() && told.is_none() {
        return None;
    }
    let related = match value.get("RelatedProperties") {
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|entry| entry.as_str().map(str::to_owned))
            .collect(),
        Some(Value::String(single)) => vec![single.clone()],
        _ => Vec::new(),
    };
    Some(Message {
        text: told.unwrap_or_else(|| id.clone()),
        id,
        arguments: arguments.unwrap_or_default(),
        resolution: text(value, "Resolution").filter(|words| words != "None"),
        related,
    })
}

fn plain(words: String) -> Message {
    Message {
        id: String::new(),
        text: words,
        resolution: None,
        arguments: Vec::new(),
        related: Vec::new(),
    }
}

fn page_title(body: &[u8]) -> Option<String> {
    let page = String::from_utf8_lossy(body);
    let lower = page.to_ascii_lowercase();
    for tag in ["title", "h1", "body"] {
        if let Some(start) = lower.find(&format!("<{tag}"))
            && let Some(open) = lower[start..].find('>').map(|offset| start + offset + 1)
            && let Some(end) = lower[open..].find('<').map(|offset| open + offset)
        {
            let words = page[open..end].split_whitespace().collect::<Vec<_>>();
            if !words.is_empty() {
                return Some(words.join(" "));
            }
        }
    }
    let line = page.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then(|| line.chars().take(200).collect())
}

/// Identifiers that mean "later", by their last word. Base registry: the service says when to
/// come back. `SYS518`, `SWC0700`: iDRAC's Lifecycle Controller is busy (sushy). The two of iLO
/// come while the host runs its power-on self-test (sushy, ironic).
const NOT_READY: &[&str] = &[
    "ServiceTemporarilyUnavailable",
    "ServiceShuttingDown",
    "ResourceInUse",
    "SYS518",
    "SWC0700",
    "InvalidOperationForSystemState",
    "UnableToModifyDuringSystemPOST",
];

/// Only for answers that are no success.
pub fn meaning(status: u16, messages: &[Message]) -> Meaning {
    let says = |ids: &[&str]| {
        messages.iter().any(|message| {
            ids.iter()
                .any(|id| message.short().eq_ignore_ascii_case(id))
        })
    };
    if says(&["PasswordChangeRequired"]) {
        Meaning::PasswordChange
    } else if says(&["SessionLimitExceeded"]) {
        Meaning::SessionsUsedUp
    } else if says(NOT_READY) || matches!(status, 429 | 502 | 503 | 504) {
        Meaning::NotReady
    } else {
        Meaning::Refused
    }
}

/// One sentence for a person: the texts, each once.
pub fn sentence(messages: &[Message]) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for message in messages {
        let words = message.text.trim();
        if !texts.contains(&words) {
            texts.push(words);
        }
    }
    texts.truncate(6);
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_found_wherever_they_stand() {
        let list = json!({"error": {"code": "x", "@Message.ExtendedInfo": [
            {"MessageId": "IDRAC.2.8.SYS518", "Message": "busy", "Resolution": "wait", "RelatedProperties": ["#/A"]}]}});
        let found = messages_of(&list);
        assert_eq!(found[0].short(), "SYS518");
        assert_eq!(found[0].related, ["#/A"]);
        let single = json!({"@Message.ExtendedInfo": {"MessageId": "Base.1.0.Success"}});
        assert_eq!(messages_of(&single)[0].text, "Base.1.0.Success");
        let beside =
            json!({"Attributes@Message.ExtendedInfo": [{"MessageId": "Base.1.8.PropertyUnknown"}]});
        assert_eq!(messages_of(&beside)[0].short(), "PropertyUnknown");
        let bare = json!({"error": {"code": "Base.1.8.GeneralError", "message": "no"}});
        assert_eq!(messages_of(&bare)[0].text, "no");
        let arguments =
            json!({"@Message.ExtendedInfo": [{"MessageId": "M.1", "MessageArgs": ["a", "b"]}]});
        assert_eq!(messages_of(&arguments)[0].text, "M.1 a, b");
    }

    #[test]
    fn html_yields_its_title() {
        let page = b"<?xml version=\"1.0\"?><!DOCTYPE html><html><head>\n<title>403 -\n Forbidden</title></head></html>";
        assert_eq!(messages(page)[0].text, "403 - Forbidden");
        assert!(messages(b"").is_empty());
        assert_eq!(messages(b"oops")[0].text, "oops");
    }

    #[test]
    fn meaning_goes_by_message_before_status() {
        let of = |id: &str| {
            messages_of(&json!({"error": {"@Message.ExtendedInfo": [{"MessageId": id}]}}))
        };
        assert_eq!(meaning(400, &of("IDRAC.2.4.SWC0700")), Meaning::NotReady);
        assert_eq!(
            meaning(400, &of("iLO.2.14.UnableToModifyDuringSystemPOST")),
            Meaning::NotReady
        );
        assert_eq!(
            meaning(503, &of("Base.1.4.SessionLimitExceeded")),
            Meaning::SessionsUsedUp
        );
        assert_eq!(
            meaning(403, &of("PasswordChangeRequired")),
            Meaning::PasswordChange
        );
        assert_eq!(
            meaning(400, &of("Base.1.8.PropertyUnknown")),
            Meaning::Refused
        );
        assert_eq!(meaning(503, &[]), Meaning::NotReady);
    }
}
