//! Which filters and tests a template uses, and where: minijinja looks them up only when it
//! renders, and a misspelt one should be found before.

use std::ops::Range;

/// A filter or a test with the bytes of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Used {
    Filter(Range<usize>),
    Test(Range<usize>),
}

/// The filters and tests of a text that holds templates.
pub(super) fn in_text(text: &str) -> Vec<Used> {
    let mut used = Vec::new();
    // What stands between `{% raw %}` and `{% endraw %}` is no template.
    if text.contains("endraw") {
        return used;
    }
    let mut at = 0;
    while let Some(open) = text[at..].find(['{']).map(|open| open + at) {
        let close = match text.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        let start = open + 2;
        let end = block_end(text, start, close);
        if close != "#}" {
            in_expression(&text[start..end], start, &mut used);
        }
        at = (end + 2).min(text.len());
    }
    used
}

/// Those of a bare expression that begins at `offset` of its text.
pub(super) fn in_expression(expression: &str, offset: usize, used: &mut Vec<Used>) {
    let bytes = expression.as_bytes();
    let word = |start: usize| {
        let rest = &expression[start..];
        let length = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        start..start + length.unwrap_or(rest.len())
    };
    let skip = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    };
    let shift = |range: Range<usize>| range.start + offset..range.end + offset;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'') => at = after_quote(bytes, at, quote),
            b'|' => {
                let name = word(skip(at + 1));
                at = name.end.max(at + 1);
                if !name.is_empty() {
                    used.push(Used::Filter(shift(name)));
                }
            }
            letter if letter.is_ascii_alphabetic() || letter == b'_' => {
                let name = word(at);
                let after_dot = expression[..at].trim_end().ends_with('.');
                at = name.end;
                if &expression[name] == "is" && !after_dot {
                    let mut test = word(skip(at));
                    if &expression[test.clone()] == "not" {
                        test = word(skip(test.end));
                    }
                    at = test.end.max(at);
                    if !test.is_empty() {
                        used.push(Used::Test(shift(test)));
                    }
                }
            }
            _ => at += 1,
        }
        while !expression.is_char_boundary(at) {
            at += 1;
        }
    }
}

fn block_end(text: &str, start: usize, close: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(close.as_bytes()) {
            return at;
        }
        at = match bytes[at] {
            quote @ (b'"' | b'\'') if close != "#}" => after_quote(bytes, at, quote),
            _ => at + 1,
        };
    }
    text.len()
}

fn after_quote(bytes: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        in_text(text)
            .into_iter()
            .map(|used| match used {
                Used::Filter(name) => format!("|{}", &text[name]),
                Used::Test(name) => format!("is {}", &text[name]),
            })
            .collect()
    }

    #[test]
    fn finds_filters_and_tests() {
        for (text, expected) in [
            ("a | b {{ c | upper }} | d", "|upper"),
            ("{{ a|b|c('x | y') }}", "|b |c"),
            (
                "{% if a is defined and b is not none %}x{% endif %}",
                "is defined is none",
            ),
            ("{{ a.is | first }} {# x | y #}", "|first"),
            ("{{ '}} | no' | yes }}", "|yes"),
            ("{% raw %}{{ a | b }}{% endraw %}", ""),
            ("{{ a | }}", ""),
            ("{{ 'ü' | länge }}", "|länge"),
        ] {
            assert_eq!(names(text).join(" "), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[{}%#|'\" isü.a-c\\\\]{0,40}") {
            for used in in_text(&text) {
                let (Used::Filter(name) | Used::Test(name)) = used;
                prop_assert!(text.get(name).is_some());
            }
        }
    }
}
