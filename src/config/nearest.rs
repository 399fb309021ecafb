//! The nearest right word for a wrong one.

/// How many names a list of possibilities shows.
const SHOWN: usize = 24;

/// The candidate that was most likely meant, when one is near enough.
pub fn nearest<'name>(
    word: &str,
    candidates: impl IntoIterator<Item = &'name str>,
) -> Option<&'name str> {
    let plain = plain(word);
    let allowed = match plain.chars().count() {
        0 => return None,
        1..=3 => 1,
        4..=7 => 2,
        length => length / 3,
    };
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let distance = strsim::damerau_levenshtein(&plain, &self::plain(candidate));
            (distance <= allowed && distance < candidate.chars().count())
                .then_some((distance, candidate))
        })
        .min_by_key(|(distance, candidate)| {
            // Of equally near words the one with the same beginning is the likelier one.
            let beginning = candidate
                .chars()
                .zip(word.chars())
                .take_while(|(left, right)| left == right)
                .count();
            let length = candidate.len().abs_diff(word.len());
            (*distance, length, std::cmp::Reverse(beginning))
        })
        .map(|(_, candidate)| candidate)
}

/// Spelling that people mix up freely: case, and `_`, `-` and space.
fn plain(word: &str) -> String {
    word.to_lowercase().replace(['_', ' '], "-")
}

/// What to say of a wrong word: the nearest right one, else what there is.
pub fn suggestion<'name>(
    word: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'name str> + Clone,
) -> String {
    match nearest(word, candidates.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => list(what, candidates),
    }
}

/// `known here: a, b, c`.
pub fn list<'name>(what: &str, names: impl IntoIterator<Item = &'name str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() {
        return format!("{what}: none");
    }
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let rest = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{what}: {}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        for (word, candidates, meant) in [
            ("adress", vec!["address", "bmc", "ssh"], Some("address")),
            ("host_key", vec!["host-key", "key"], Some("host-key")),
            ("bcm", vec!["bmc", "ssh"], Some("bmc")),
            ("fiel", vec!["file", "field", "title"], Some("file")),
            ("xyz", vec!["address", "bmc"], None),
            ("a", vec!["b"], None),
            ("", vec!["on"], None),
        ] {
            assert_eq!(nearest(word, candidates), meant, "{word}");
        }
    }
}
