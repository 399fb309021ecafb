//! What machines printed, made safe to print again: a terminal obeys control characters, and some
//! invisible ones make a text read as something else.

/// One line: every control character is escaped, newline and tab too.
pub fn line(text: &str) -> String {
    escaped(text.trim_end_matches(['\n', '\r']), |_| false)
}

/// Several lines: newline and tab stay, a carriage return starts a new line (progress meters draw
/// over their own line with it).
pub fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut clean = escaped(&text, |character| matches!(character, '\n' | '\t'));
    clean.truncate(clean.trim_end_matches('\n').len());
    clean
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = after_colour(rest) {
            rest = after;
            continue;
        }
        match character {
            // Marks of sealed values that somebody forgot to show as names.
            '\u{E000}' => clean.push('‹'),
            '\u{E001}' => clean.push('›'),
            _ if keep(character) => clean.push(character),
            _ if character.is_control() => clean.extend(character.escape_default()),
            _ if deceives(character) => clean.extend(character.escape_unicode()),
            _ => clean.push(character),
        }
        rest = &rest[character.len_utf8()..];
    }
    clean
}

/// What follows a colour sequence (`ESC [ digits m`), which says nothing worth keeping.
fn after_colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    parameters
        .trim_start_matches(|character: char| character.is_ascii_digit() || character == ';')
        .strip_prefix('m')
}

/// Characters that change the order of others, or hide, without being seen.
fn deceives(character: char) -> bool {
    matches!(character,
        '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(line("a\tb\nc\n"), "a\\tb\\nc");
        assert_eq!(
            line("\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}"),
            "red \\u{1b}]0;title\\u{7}"
        );
        assert_eq!(line("\u{9b}2J"), "\\u{9b}2J");
        assert_eq!(
            lines("10 %\r20 %\r\nend\tof it\n\n"),
            "10 %\n20 %\nend\tof it"
        );
        assert_eq!(lines("end\n\u{1b}[0m"), "end");
        assert_eq!(lines("rm \u{202e}txt"), "rm \\u{202e}txt");
        assert_eq!(line("token \u{E000}join\u{E001}"), "token ‹join›");
        assert_eq!(line("größer ✓ 漢"), "größer ✓ 漢");
    }

    proptest! {
        #[test]
        fn nothing_controls_the_terminal(text in any::<String>()) {
            prop_assert!(!line(&text).chars().any(char::is_control));
            prop_assert!(!lines(&text).chars().any(
                |character| character.is_control() && !matches!(character, '\n' | '\t')));
        }
    }
}
