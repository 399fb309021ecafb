//! What sudo says when it does not run a command, for sudo 1.8 and 1.9 and for sudo-rs, in the C
//! locale that the bootstrap asks for.

use super::error::Refusal;

/// Whether sudo, given a password, wants another.
pub(super) fn asks_again(stderr: &str) -> bool {
    stderr.contains("try again")
}

/// Why sudo ran nothing, when it says so.
pub(super) fn refusal(stderr: &str, status: i32) -> Option<Refusal> {
    let says = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    if says(&[
        "try again",
        "incorrect password attempt",
        "incorrect authentication attempt",
        "Authentication failed",
    ]) {
        Some(Refusal::WrongPassword)
    } else if says(&[
        "is not in the sudoers file",
        "is not allowed to execute",
        "is not allowed to run sudo",
        "may not run sudo",
        // sudo-rs
        "I'm sorry",
    ]) {
        Some(Refusal::NotAllowed)
    } else if says(&["must have a tty"]) {
        Some(Refusal::TerminalRequired)
    } else if says(&[
        "a password is required",
        "no password was provided",
        "a terminal is required to read the password",
        "interactive authentication is required",
    ]) {
        Some(Refusal::PasswordRequired)
    } else if says(&["account validation failure", "password has expired"]) {
        Some(Refusal::AccountExpired)
    } else if says(&[
        "no new privileges",
        "must be owned by uid 0",
        "effective uid is not 0",
    ]) {
        Some(Refusal::Unable)
    } else if status == 127 && stderr.contains("sudo") {
        Some(Refusal::Missing)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As printed by sudo 1.9.13p3 (Debian 12) and by sudo-rs 0.2.5's message catalogue.
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
            "ops is not in the sudoers file.  This incident will be reported.\n",
            1,
            Some(Refusal::NotAllowed),
        ),
        (
            "Sorry, user ops is not allowed to execute '/usr/bin/sh -c x' as root on w07.\n",
            1,
            Some(Refusal::NotAllowed),
        ),
        (
            "sudo: sorry, you must have a tty to run sudo\n",
            1,
            Some(Refusal::TerminalRequired),
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
}
