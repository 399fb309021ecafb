//! What sudo says when it does not run a command, in the C locale that the bootstrap asks for:
//! the words of sudo 1.9.13p3 and of sudo-rs 0.2.15.

use super::error::Refusal;
use super::wire::PASSWORD_PROMPT;

/// Whether sudo, given a password, wants another. Its second prompt says so whatever words (or
/// insults) it was configured to use; where a PAM module has its own prompt, the words do.
pub(super) fn asks_again(stderr: &str) -> bool {
    stderr.matches(PASSWORD_PROMPT).count() > 1
        || stderr.contains("Sorry, try again")
        || stderr.contains("failed, try again")
}

/// Why sudo ran nothing, when it says so.
pub(super) fn refusal(stderr: &str, status: i32) -> Option<Refusal> {
    let lower = stderr.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // First, as it asks to 'reset your password and try again'.
    if says(&[
        "account validation failure",
        "password is expired",
        "password expired",
        "account expired",
    ]) {
        Some(Refusal::AccountExpired)
    } else if asks_again(stderr)
        || says(&[
            "incorrect password attempt",
            "incorrect authentication attempt",
        ])
    {
        Some(Refusal::WrongPassword)
    } else if says(&[
        "is not in the sudoers file",
        "is not allowed to",
        "may not run",
        // sudo-rs, for all of these
        "i'm afraid i can't do that",
    ]) {
        Some(Refusal::NotAllowed)
    } else if says(&["must have a tty", "a terminal is required to authenticate"]) {
        Some(Refusal::TerminalRequired)
    } else if says(&[
        "a password is required",
        "no password was provided",
        "a terminal is required to read the password",
        "interactive authentication is required",
    ]) {
        Some(Refusal::PasswordRequired)
    } else if says(&[
        "no new privileges",
        "must be owned by uid 0",
        "effective uid is not 0",
    ]) {
        Some(Refusal::Unable)
    } else if status == 127 && lower.contains("sudo") {
        Some(Refusal::Missing)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &[(&str, i32, Option<Refusal>)] = &[
        (
            "Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt\n",
            1,
            Some(Refusal::WrongPassword),
        ),
        (
            "sudo: 3 incorrect password attempts\n",
            1,
            Some(Refusal::WrongPassword),
        ),
        (
            "sudo: Authentication failed, try again.\n",
            1,
            Some(Refusal::WrongPassword),
        ),
        (
            "sudo: maximum 3 incorrect authentication attempts\n",
            1,
            Some(Refusal::WrongPassword),
        ),
        (
            "sudo: Account or password is expired, reset your password and try again\n",
            1,
            Some(Refusal::AccountExpired),
        ),
        (
            "sudo: account validation failure, is your account locked?\n",
            1,
            Some(Refusal::AccountExpired),
        ),
        (
            "sudo: a password is required\n",
            1,
            Some(Refusal::PasswordRequired),
        ),
        (
            "sudo: interactive authentication is required\n",
            1,
            Some(Refusal::PasswordRequired),
        ),
        (
            "ops is not in the sudoers file.\n",
            1,
            Some(Refusal::NotAllowed),
        ),
        (
            "Sorry, user ops may not run sudo on w07.\n",
            1,
            Some(Refusal::NotAllowed),
        ),
        (
            "Sorry, user ops is not allowed to execute '/usr/bin/sh -c x' as root on w07.\n",
            1,
            Some(Refusal::NotAllowed),
        ),
        (
            "sudo: I'm sorry ops. I'm afraid I can't do that\n",
            1,
            Some(Refusal::NotAllowed),
        ),
        (
            "sudo: sorry, you must have a tty to run sudo\n",
            1,
            Some(Refusal::TerminalRequired),
        ),
        (
            "sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.\n",
            1,
            Some(Refusal::Unable),
        ),
        (
            "env: 'sudo': No such file or directory\n",
            127,
            Some(Refusal::Missing),
        ),
        (
            "env: can't execute 'sudo': No such file or directory\n",
            127,
            Some(Refusal::Missing),
        ),
        ("This account is currently not available.\n", 1, None),
    ];

    #[test]
    fn knows_the_words_of_sudo() {
        for (stderr, status, expected) in SAID {
            assert_eq!(refusal(stderr, *status), *expected, "{stderr}");
        }
    }

    #[test]
    fn a_second_prompt_is_a_refusal_in_any_words() {
        let once = format!("a lecture\n{PASSWORD_PROMPT}");
        assert!(!asks_again(&once));
        assert!(asks_again(&format!(
            "{once}You type like i drive.\n{PASSWORD_PROMPT}"
        )));
    }
}
