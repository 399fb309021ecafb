//! Amounts that Kubernetes writes in its own form: quantities and durations.

use serde_json::Value;

/// A quantity such as `1500m`, `0.5`, `1Gi` or `1e3` as a number.
fn quantity(text: &str) -> Option<f64> {
    let text = text.trim();
    let at = text
        .char_indices()
        .find(|(index, character)| {
            let exponent = matches!(character, 'e' | 'E')
                && text[index + 1..]
                    .starts_with(|next: char| next.is_ascii_digit() || "+-".contains(next));
            let number = character.is_ascii_digit() || "+-.".contains(*character) || exponent;
            !number && !text[..*index].ends_with(['e', 'E'])
        })
        .map_or(text.len(), |(index, _)| index);
    let (number, suffix) = text.split_at(at);
    let scale = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * scale)
}

/// Whether two values are one quantity.
pub(super) fn same_quantity(left: &Value, right: &Value) -> bool {
    let read = |value: &Value| match value {
        Value::String(text) => quantity(text),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    match (read(left), read(right)) {
        (Some(left), Some(right)) => {
            (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1e-9)
        }
        _ => false,
    }
}

/// A duration such as `90s`, `1m30s` or `1.5h` in seconds.
fn duration(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits =
            rest.find(|character: char| !(character.is_ascii_digit() || character == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number * unit;
        rest = &rest[letters..];
    }
    Some(seconds)
}

/// Whether two texts are one duration.
pub(super) fn same_duration(left: &str, right: &str) -> bool {
    match (duration(left), duration(right)) {
        (Some(left), Some(right)) => (left - right).abs() < 1e-9,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_quantities_as_kubernetes_does() {
        for (left, right) in [
            (json!("1"), json!("1000m")),
            (json!(0.1), json!("100m")),
            (json!("1Gi"), json!("1024Mi")),
            (json!("1e3"), json!("1k")),
            (json!(1), json!("1")),
            (json!("1E"), json!("1000P")),
        ] {
            assert!(same_quantity(&left, &right), "{left} {right}");
        }
        for (left, right) in [
            (json!("1"), json!("1001m")),
            (json!("1G"), json!("1Gi")),
            (json!("x"), json!("x")),
            (json!("1Gi"), json!("2Gi")),
        ] {
            assert!(!same_quantity(&left, &right), "{left} {right}");
        }
    }

    #[test]
    fn reads_durations_as_go_does() {
        assert!(same_duration("1h", "1h0m0s"));
        assert!(same_duration("1.5h", "90m"));
        assert!(!same_duration("1h", "1h0m1s"));
        assert!(!same_duration("h", "h"));
        assert!(!same_duration("", ""));
        assert!(!same_duration("10", "10"));
    }
}
