//! The wire below every link: what the far side runs, and what it reads on standard input.
//!
//! The far side runs a constant text, the *bootstrap*; nothing that varies, least of all a secret,
//! stands in an argument vector. Standard input then carries, in order:
//!
//! ```text
//! PASSWORD\n            only with a sudo password; the rest waits for the start mark
//! #\n                   only then, too
//! LENGTH\n              of the script, in bytes
//! SCRIPT
//! #\n                   proof that the script was taken to the byte
//! PAYLOAD...            left for the script, which takes `head -c SIZE` each
//! ```
//!
//! The bootstrap says on both output streams that it started; what was printed before that (by
//! login files, by sudo) is not the script's. A script runs only once it has arrived whole.
//!
//! With a sudo password two cases look alike from here: sudo took the line, or it asked for none
//! (NOPASSWD, a cached ticket) and left it to the shell. So the shell reads one line and then
//! another, and a third when the second is `#`: either the `#` was the first, or the password was.
//! What follows the password waits, as sudo would take it for another password if the first is
//! wrong; that it asks again is seen by its prompt.
//!
//! Some implementations of `head` read ahead of what they were asked for (busybox does), which
//! would eat the payloads. There the bootstrap puts a function `head` in front, made of `dd` with
//! exact reads; where it is not known beforehand, the line `#` gives it away and the exec is
//! repeated with that function, as nothing has run yet.

use crate::model::target::Sudo;

/// Printed by a shell that takes its commands from standard input, once it has read the line
/// that starts the bootstrap and nothing beyond it.
pub(super) const READY_MARK: &str = "::ra-deploy-ready::\n";
/// Begins the line on standard output that says the script is about to be taken; the number of
/// the shell's process and `::` follow.
pub(super) const START_MARK: &str = "::ra-deploy-start:";
/// The same on standard error.
pub(super) const START_MARK_ERROR: &str = "::ra-deploy-start::\n";
/// Printed on standard error when the script was not taken to the byte.
pub(super) const AHEAD_MARK: &str = "::ra-deploy-ahead::\n";

/// What sudo prompts with.
pub(super) const PASSWORD_PROMPT: &str = "::ra-deploy-password::";

/// How the far side takes an exact number of bytes off its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// `head -c`, unless it is busybox's.
    Head,
    /// A function `head` made of `dd`.
    Dd,
}

/// Where the bootstrap is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// As the command of an exec, or behind `sh -c`.
    Command,
    /// As the first line of a shell that reads its commands from standard input.
    Line,
}

const HEAD_FUNCTION: &str = r#"head(){ if [ "$1" = -c ];then [ $(($2/65536)) = 0 ]||dd bs=65536 count=$(($2/65536)) iflag=fullblock 2>/dev/null;[ $(($2%65536)) = 0 ]||dd bs=$(($2%65536)) count=1 iflag=fullblock 2>/dev/null;else command head "$@";fi;};"#;

/// The text that the inner shell runs. It holds no single quote, newline or `!`, so that every
/// login shell (csh and fish too) passes it on untouched.
fn inner(take: Take, sudo: &Sudo) -> String {
    let head = match take {
        Take::Head => format!("if [ /usr/bin/head -ef /bin/busybox ];then {HEAD_FUNCTION} fi;"),
        Take::Dd => HEAD_FUNCTION.to_owned(),
    };
    let length = match sudo {
        Sudo::Password(_) => r##"read -r n;read -r n;if [ "$n" = "#" ];then read -r n;fi;"##,
        Sudo::None | Sudo::Free => "read -r n;",
    };
    format!(
        concat!(
            r#"LC_ALL=C;PATH="${{PATH:+$PATH:}}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";"#,
            r#"export LC_ALL PATH;"#,
            r#"printf "::ra-deploy-start:%s::\n" $$;printf "::ra-deploy-start::\n" >&2;"#,
            r#"{head}{length}s=$(head -c "$n");read -r m;"#,
            r##"if [ "$m" = "#" ];then unset n m;eval "$s";"##,
            r#"else printf "::ra-deploy-ahead::\n" >&2;exit 95;fi"#,
        ),
        head = head,
        length = length,
    )
}

/// What is given to the far side's shell to run.
pub(super) fn bootstrap(entry: Entry, take: Take, sudo: &Sudo) -> String {
    let rights = match sudo {
        Sudo::None => "",
        Sudo::Free => "env LC_ALL=C sudo -n ",
        Sudo::Password(_) => "env LC_ALL=C sudo -S -p ::ra-deploy-password:: ",
    };
    let run = format!("exec {rights}sh -c '{}'", inner(take, sudo));
    match (entry, sudo) {
        (Entry::Command, _) => run,
        // A shell reads its standard input in blocks, so nothing may follow the line before the
        // line has been read; the start mark says so where nothing has to be sent before it.
        (Entry::Line, Sudo::None | Sudo::Free) => format!("{run}\n"),
        (Entry::Line, Sudo::Password(_)) => {
            format!("printf \"::ra-deploy-ready::\\n\";{run}\n")
        }
    }
}

/// The text that stops the script whose shell has this process number, with all that it started:
/// its process group when that is not also the group of the shell that stops it.
pub(super) fn stop_script(process: u32) -> String {
    // `kill -TERM -GROUP` is the one form that dash, bash and busybox all take.
    format!(
        r#"p={process}
group() {{ read -r line <"/proc/$1/stat" && set -- ${{line##*) }} && echo "$3"; }}
g=$(group "$p" 2>/dev/null) m=$(group $$ 2>/dev/null)
if [ -n "$g" ] && [ "$g" -gt 1 ] && [ "$g" != "$m" ]; then t=-$g; else t=$p; fi
kill -TERM "$t" 2>/dev/null
i=0
while kill -0 "$t" 2>/dev/null; do
  i=$((i + 1))
  [ "$i" = 20 ] && kill -KILL "$t" 2>/dev/null
  [ "$i" -gt 30 ] && exit 1
  sleep 0.1 2>/dev/null || sleep 1
done
exit 0"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[test]
    fn holds_nothing_that_a_login_shell_changes() {
        for take in [Take::Head, Take::Dd] {
            for sudo in [
                Sudo::None,
                Sudo::Free,
                Sudo::Password(Secret::new("canary")),
            ] {
                let text = inner(take, &sudo);
                assert!(
                    !text.contains(['\'', '\n', '!']),
                    "a quote, newline or bang in {text}"
                );
                for entry in [Entry::Command, Entry::Line] {
                    assert!(!bootstrap(entry, take, &sudo).contains("canary"));
                }
            }
        }
    }
}
