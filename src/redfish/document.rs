//! Documents as BMCs give them, read leniently: a value of an unexpected type is an absent one.

use serde_json::Value;

/// One resource as it was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The path it was asked under, without a trailing slash. The body's own `@odata.id` may
    /// differ (seen in captured trees), so it is not used.
    pub path: String,
    /// From the header, else from `@odata.etag`.
    pub etag: Option<String>,
    pub body: Value,
}

impl Document {
    pub fn text(&self, key: &str) -> Option<String> {
        text(&self.body, key)
    }

    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.body.pointer(pointer)
    }

    /// The link under a property, as in `"Bios": {"@odata.id": "/redfish/…"}`.
    pub fn link(&self, key: &str) -> Option<String> {
        self.body.get(key).and_then(link)
    }

    /// The links under `Links/KEY`.
    pub fn links(&self, key: &str) -> Vec<String> {
        self.body
            .get("Links")
            .and_then(|links| links.get(key))
            .map(link_list)
            .unwrap_or_default()
    }

    /// `SettingsObject` of `@Redfish.Settings`: where changes are written, whatever its name.
    pub fn settings(&self) -> Option<String> {
        self.at("/@Redfish.Settings/SettingsObject").and_then(link)
    }

    /// The action's object, if it names a target. Actions are keyed `#Type.Action`; some BMCs
    /// put a version into the type, so the last words decide.
    pub fn action(&self, name: &str) -> Option<&Value> {
        let actions = self.body.get("Actions")?.as_object()?;
        let exact = format!("#{name}");
        actions
            .get(&exact)
            .or_else(|| {
                actions
                    .iter()
                    .find(|(key, _)| key.ends_with(&exact) || key.as_str() == name)
                    .map(|(_, action)| action)
            })
            .filter(|action| text(action, "target").is_some())
    }

    /// Where to POST an action to.
    pub fn target(&self, name: &str) -> Option<String> {
        self.action(name).and_then(|action| text(action, "target"))
    }
}

/// A non-blank string, trimmed; a number is read as its digits, `null` and blank as absent.
pub fn text(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(words) => Some(words.trim().to_owned()).filter(|words| !words.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number, also one written as a decimal fraction or as a string.
pub fn whole(value: &Value, key: &str) -> Option<u64> {
    match value.get(key)? {
        Value::Number(number) => number.as_u64().or_else(|| {
            number
                .as_f64()
                .filter(|real| *real >= 0.0 && real.fract() == 0.0 && *real < 1.8e19)
                .map(|real| real as u64)
        }),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

/// A number, also one written as a string.
pub fn real(value: &Value, key: &str) -> Option<f64> {
    match value.get(key)? {
        Value::Number(number) => number.as_f64(),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

/// A boolean, also one written as a string.
pub fn truth(value: &Value, key: &str) -> Option<bool> {
    match value.get(key)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(word) if word.eq_ignore_ascii_case("true") => Some(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The strings of a list; a single string counts as a list of one.
pub fn words(value: &Value, key: &str) -> Option<Vec<String>> {
    match value.get(key)? {
        Value::Array(list) => Some(
            list.iter()
                .filter_map(|entry| entry.as_str().map(|word| word.trim().to_owned()))
                .filter(|word| !word.is_empty())
                .collect(),
        ),
        Value::String(single) => Some(vec![single.trim().to_owned()]),
        _ => None,
    }
}

/// The path that a link object, or a bare string, points to.
pub fn link(value: &Value) -> Option<String> {
    match value {
        Value::Object(_) => text(value, "@odata.id").or_else(|| text(value, "href")),
        Value::String(path) if path.starts_with('/') => Some(path.trim().to_owned()),
        _ => None,
    }
}

/// The links of a list, or the one link that stands where a list should.
pub fn link_list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().filter_map(link).collect(),
        single => link(single).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_the_wrong_type_are_absent() {
        let value = json!({"a": " x ", "b": "", "c": null, "d": [1], "e": 7, "f": 7.0, "g": "8", "h": "True"});
        assert_eq!(text(&value, "a").as_deref(), Some("x"));
        for key in ["b", "c", "d", "z"] {
            assert_eq!(text(&value, key), None);
        }
        assert_eq!(whole(&value, "e"), Some(7));
        assert_eq!(whole(&value, "f"), Some(7));
        assert_eq!(whole(&value, "g"), Some(8));
        assert_eq!(whole(&value, "a"), None);
        assert_eq!(truth(&value, "h"), Some(true));
    }

    #[test]
    fn actions_are_found_by_their_last_words() {
        let document = Document {
            path: "/x".into(),
            etag: None,
            body: json!({"Actions": {"X.v1_0_0#Manager.Reset": {"target": "/x/reset"}, "#Manager.Wipe": {}}}),
        };
        assert_eq!(
            document.target("Manager.Reset").as_deref(),
            Some("/x/reset")
        );
        assert_eq!(document.target("Manager.Wipe"), None);
    }
}
