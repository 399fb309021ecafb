//! The one shell text that tells several facts what no file does, with few forks.

use crate::model::{Answers, Query, Unread};

/// Prints lines of a word and its value.
const SCRIPT: &str = r#"echo "architecture $(uname -m)"
read -r release </proc/sys/kernel/osrelease
[ -d "/lib/modules/$release" ] && echo "modules /lib/modules/$release"
for folder in /sys/kernel/mm/hugepages/hugepages-*; do
  [ -r "$folder/nr_hugepages" ] || continue
  read -r total <"$folder/nr_hugepages"; read -r free <"$folder/free_hugepages"
  echo "hugepages ${folder##*-} $total $free"
done
for library in /usr/lib/systemd/libsystemd-shared-*.so /usr/lib/*/systemd/libsystemd-shared-*.so; do
  [ -e "$library" ] && echo "systemd ${library##*-shared-}"
done
awk '/^$/ { exit } /^(vendor_id|model name|flags|Features|CPU implementer)/ { sub(/[ \t]*:[ \t]*/, ":"); print "cpu " $0 }' /proc/cpuinfo
if command -v chronyc >/dev/null; then echo "chrony $(chronyc -c -n tracking 2>/dev/null)"; fi
:"#;

pub(super) fn query() -> Query {
    Query::Run(SCRIPT.to_owned())
}

/// The values of a word, in the order they were printed.
pub(super) fn lines<'answers>(
    answers: &'answers Answers,
    word: &str,
) -> Result<Vec<&'answers str>, Unread> {
    let output = answers.output(SCRIPT)?;
    if output.status != 0 {
        return Err(Unread::Unreadable(format!(
            "the survey ended with status {}: {}",
            output.status,
            output.stderr.trim()
        )));
    }
    Ok(output
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '))
        .map(str::trim)
        .collect())
}

pub(super) fn first<'answers>(
    answers: &'answers Answers,
    word: &str,
) -> Result<Option<&'answers str>, Unread> {
    Ok(lines(answers, word)?
        .into_iter()
        .find(|value| !value.is_empty()))
}
