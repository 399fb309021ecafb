//! Many host names as few words: `w[01-03], cp1`.

use indexmap::IndexMap;

/// The hosts as ranges, in the order in which each kind of name first appears; numbers are sorted
/// and repeated names fall together. Each part can be written in an inventory or after `--limit`.
pub fn hosts_in_words<Name: AsRef<str>>(hosts: impl IntoIterator<Item = Name>) -> String {
    // By what stands before the number and after it; a name without a number has no after.
    type Family<'name> = (&'name str, Option<&'name str>);
    let mut families: IndexMap<Family<'_>, Vec<(u64, &str)>> = IndexMap::new();
    let hosts: Vec<Name> = hosts.into_iter().collect();
    for host in &hosts {
        let (family, number) = match numbered(host.as_ref()) {
            Some((prefix, digits, suffix, value)) => ((prefix, Some(suffix)), (value, digits)),
            None => ((host.as_ref(), None), (0, "")),
        };
        families.entry(family).or_default().push(number);
    }
    let mut words = Vec::new();
    for ((prefix, suffix), mut numbers) in families {
        let suffix = suffix.unwrap_or_default();
        numbers.sort_by_key(|(value, digits)| (*value, digits.len()));
        numbers.dedup();
        for (first, last) in runs(&numbers) {
            words.push(if first == last {
                format!("{prefix}{first}{suffix}")
            } else {
                format!("{prefix}[{first}-{last}]{suffix}")
            });
        }
    }
    words.join(", ")
}

/// The name around its last number. Numbers that do not fit are no numbers.
fn numbered(host: &str) -> Option<(&str, &str, &str, u64)> {
    let end = host.rfind(|character: char| character.is_ascii_digit())? + 1;
    let start = host[..end]
        .rfind(|character: char| !character.is_ascii_digit())
        .map_or(0, |at| {
            at + host[at..].chars().next().map_or(1, char::len_utf8)
        });
    let digits = &host[start..end];
    Some((&host[..start], digits, &host[end..], digits.parse().ok()?))
}

/// Stretches in which each number is the one before plus one, written as wide as the first.
fn runs<'name>(numbers: &[(u64, &'name str)]) -> Vec<(&'name str, &'name str)> {
    let mut runs: Vec<(&str, &str)> = Vec::new();
    let mut previous: Option<u64> = None;
    for (value, digits) in numbers {
        let follows = previous.and_then(|previous| previous.checked_add(1)) == Some(*value);
        match runs.last_mut() {
            Some((first, last))
                if follows && *digits == format!("{value:0width$}", width = first.len()) =>
            {
                *last = digits;
            }
            _ => runs.push((digits, digits)),
        }
        previous = Some(*value);
    }
    runs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges() {
        for (hosts, words) in [
            (vec![], ""),
            (vec!["w01", "w02", "w03", "cp1"], "w[01-03], cp1"),
            (vec!["w8", "w9", "w10", "w11"], "w[8-11]"),
            (vec!["w08", "w09", "w10"], "w[08-10]"),
            (vec!["w3", "w1", "w2", "w2"], "w[1-3]"),
            (vec!["w1", "w3", "w4"], "w1, w[3-4]"),
            (vec!["w09", "w1", "w10"], "w1, w[09-10]"),
            (
                vec!["gateway", "w1.east", "w2.east", "w2.west"],
                "gateway, w[1-2].east, w2.west",
            ),
            (vec!["münchen1", "münchen2"], "münchen[1-2]"),
            (
                vec!["n18446744073709551615", "n99999999999999999999"],
                "n18446744073709551615, n99999999999999999999",
            ),
        ] {
            assert_eq!(hosts_in_words(&hosts), words);
        }
    }

    /// What an inventory makes of it.
    fn expanded(words: &str) -> BTreeSet<String> {
        let mut hosts = BTreeSet::new();
        for word in words.split(", ").filter(|word| !word.is_empty()) {
            let Some((prefix, rest)) = word.split_once('[') else {
                hosts.insert(word.to_owned());
                continue;
            };
            let (range, suffix) = rest.split_once(']').unwrap();
            let (first, last) = range.split_once('-').unwrap();
            let width = first.len();
            for number in first.parse::<u64>().unwrap()..=last.parse().unwrap() {
                hosts.insert(format!("{prefix}{number:0width$}{suffix}"));
            }
        }
        hosts
    }

    proptest! {
        #[test]
        fn expanding_gives_the_same_hosts(
            hosts in proptest::collection::vec("(w|cp|rack1-n)(0{0,2}[0-9]{1,2})?(\\.a)?", 0..60)
        ) {
            let words = hosts_in_words(&hosts);
            prop_assert_eq!(expanded(&words), hosts.into_iter().collect::<BTreeSet<_>>());
        }
    }
}
