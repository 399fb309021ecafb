//! Ranges of host names: `w[01-40]`, `cp[1,3,5-7]`.

use std::ops::Range;

/// How many names one range may stand for.
pub const LARGEST: u64 = 10_000;

/// A name and its running number, where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    pub name: String,
    pub number: Option<u64>,
}

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeFault {
    pub message: String,
    pub help: String,
    /// The bytes of the text that are wrong.
    pub range: Range<usize>,
}

/// The names that a range stands for, in order; a text without brackets is one name.
pub fn expand(text: &str) -> Result<Vec<Numbered>, RangeFault> {
    let whole = 0..text.len();
    let Some(open) = text.find('[') else {
        if let Some(close) = text.find(']') {
            return fault("a `]` without its `[`", close..close + 1);
        }
        check_name(text, whole)?;
        return Ok(vec![Numbered {
            name: text.to_owned(),
            number: None,
        }]);
    };
    let Some(length) = text[open..].find(']') else {
        return fault("a `[` without its `]`", open..open + 1);
    };
    let close = open + length;
    let (before, after) = (&text[..open], &text[close + 1..]);
    if let Some(second) = after.find(['[', ']']) {
        let at = close + 1 + second;
        return fault("a range has one pair of brackets", at..at + 1);
    }
    let mut names = Vec::new();
    let mut start = open + 1;
    for part in text[open + 1..close].split(',') {
        let place = start..start + part.len();
        start = place.end + 1;
        let (first, last) = bounds(part, place.clone())?;
        if last.number < first.number {
            return Err(RangeFault {
                message: format!("the range `{}` runs backwards", part.trim()),
                help: format!("write `{}-{}`", last.text, first.text),
                range: place,
            });
        }
        if last.number - first.number >= LARGEST - names.len() as u64 {
            return Err(RangeFault {
                message: format!("`{text}` stands for more than {LARGEST} hosts"),
                help: "is there a digit too many?".to_owned(),
                range: place,
            });
        }
        // Digits as written: 01 to 40, but 1 to 100 without padding.
        let width = if first.text.starts_with('0') || first.text.len() == last.text.len() {
            first.text.len()
        } else {
            0
        };
        for number in first.number..=last.number {
            names.push(Numbered {
                name: format!("{before}{number:0width$}{after}"),
                number: Some(number),
            });
        }
    }
    if let Some(first) = names.first() {
        check_name(&first.name, whole)?;
    }
    Ok(names)
}

struct Bound<'text> {
    text: &'text str,
    number: u64,
}

fn bounds(part: &str, place: Range<usize>) -> Result<(Bound<'_>, Bound<'_>), RangeFault> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let bound = |text: &'_ str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| digits)
    };
    let (first, last) = (first.trim(), last.trim());
    match (bound(first), bound(last)) {
        (Some(low), Some(high)) => Ok((
            Bound {
                text: first,
                number: low,
            },
            Bound {
                text: last,
                number: high,
            },
        )),
        _ => fault(
            &format!("`{}` is no number and no range", part.trim()),
            place,
        ),
    }
}

fn check_name(name: &str, range: Range<usize>) -> Result<(), RangeFault> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    if name.is_empty() {
        return fault("a host has no name", range);
    }
    if let Some((at, letter)) = name.char_indices().find(|(_, letter)| !allowed(*letter)) {
        return Err(RangeFault {
            message: format!("`{letter}` cannot be part of a host name"),
            help: "a host name has letters, digits, `-`, `.` and `_`".to_owned(),
            range: if range.end > at {
                at..at + letter.len_utf8()
            } else {
                range
            },
        });
    }
    Ok(())
}

fn fault<T>(message: &str, range: Range<usize>) -> Result<T, RangeFault> {
    Err(RangeFault {
        message: message.to_owned(),
        help: "write a range as `w[01-40]` or `w[1,3,5-7]`".to_owned(),
        range,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        expand(text)
            .expect("it is a range")
            .into_iter()
            .map(|numbered| numbered.name)
            .collect()
    }

    #[test]
    fn stands_for_names() {
        for (text, expected) in [
            ("cp1", "cp1"),
            ("cp[1-3]", "cp1 cp2 cp3"),
            ("w[08-11]", "w08 w09 w10 w11"),
            ("w[8-11].east", "w8.east w9.east w10.east w11.east"),
            ("w[1,3,5-7]", "w1 w3 w5 w6 w7"),
            ("w[007]", "w007"),
        ] {
            assert_eq!(names(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_range() {
        for (text, words) in [
            ("w[1-2][3-4]", "one pair"),
            ("w[3-1]", "backwards"),
            ("w[1-20000]", "more than 10000"),
            ("w[0-18446744073709551615]", "more than 10000"),
            ("w[1-5000,5001-12000]", "more than 10000"),
            ("w[a-c]", "no number"),
            ("w[]", "no number"),
            ("w[1-]", "no number"),
            ("w[1", "without its `]`"),
            ("w1]", "without its `[`"),
            ("w 1", "cannot be part"),
            ("w[1-2] x", "cannot be part"),
            ("", "no name"),
        ] {
            let fault = expand(text).expect_err(text);
            assert!(fault.message.contains(words), "{text}: {}", fault.message);
            assert!(fault.range.end <= text.len(), "{text}: {:?}", fault.range);
        }
    }

    proptest! {
        #[test]
        fn counts_each_number_once(first in 0u64..2000, more in 0u64..500, padded in any::<bool>()) {
            let last = first + more;
            let text = if padded { format!("n[{first:05}-{last:05}]") } else { format!("n[{first}-{last}]") };
            let hosts = expand(&text).expect("it is a range");
            prop_assert_eq!(hosts.len() as u64, more + 1);
            for (index, host) in hosts.iter().enumerate() {
                let number = first + index as u64;
                prop_assert_eq!(host.number, Some(number));
                prop_assert_eq!(host.name[1..].parse::<u64>().ok(), Some(number));
                if padded { prop_assert_eq!(host.name.len(), 6); }
            }
            let distinct: std::collections::HashSet<_> = hosts.iter().map(|host| &host.name).collect();
            prop_assert_eq!(distinct.len(), hosts.len());
        }

        #[test]
        fn never_panics(text in ".{0,24}") {
            if let Err(fault) = expand(&text) {
                prop_assert!(text.get(fault.range.clone()).is_some(), "{:?}", fault);
            }
        }
    }
}
