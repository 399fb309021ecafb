//! The end of a run: a table of its hosts, those that are out of it and why, and one last line
//! in plain words.

use indexmap::IndexMap;

use super::account::{Account, Failed};
use super::canvas::{Canvas, Cell, Tone, pad, table, width, wrap};
use super::clean;
use super::conformance::{Conclusion, sentence};
use super::failure;
use super::ranges::hosts_in_words;
use super::words::{count, duration, size};
use crate::event::{CheckCount, Failure, HostSummary, Summary};

/// Hosts up to which each has its own row.
const OWN_ROWS: usize = 12;
/// Columns of host names in the table, at least and at most.
const HOST_COLUMNS: (usize, usize) = (24, 40);

pub fn text(account: &Account, summary: &Summary, canvas: &Canvas, verbosity: u8) -> String {
    let mut text = String::new();
    let acted = summary
        .hosts
        .iter()
        .any(|host| host.changed + host.left > 0);
    let worth = match summary.command.as_str() {
        "apply" => true,
        "plan" => false,
        _ => acted,
    };
    if !summary.hosts.is_empty() && (worth || verbosity > 0) {
        text.push('\n');
        text.push_str(&hosts(account, summary, canvas, verbosity));
    }
    let out = out_of_the_run(summary, canvas);
    if !out.is_empty() {
        text.push('\n');
        text.push_str(&out);
    }
    if let Some(stopped) = &summary.stopped {
        text.push('\n');
        text.push_str(&nothing_changed(stopped, summary, canvas));
        return text;
    }
    if let Some(closing) = closing(summary) {
        text.push('\n');
        let tone = if summary.interrupted
            || summary.hosts.iter().any(|host| host.failure.is_some())
            || summary
                .checks
                .is_some_and(|checks| checks.failed + checks.unknown > 0)
        {
            Tone::Bad
        } else {
            Tone::Good
        };
        for line in wrap(&clean::line(&closing), canvas.left(0)) {
            text.push_str(&canvas.paint(tone, &line));
            text.push('\n');
        }
    }
    text
}

/// Why nothing was changed: with the whole failure where it is more than a sentence.
fn nothing_changed(stopped: &Failure, summary: &Summary, canvas: &Canvas) -> String {
    let mut text = String::new();
    let whole = !stopped.causes.is_empty() || stopped.command.is_some() || stopped.output.is_some();
    let mut closing = format!("Nothing was changed ({})", duration(summary.seconds));
    if whole {
        let failed = Failed {
            host: String::new(),
            task: None,
            failure: stopped.clone(),
        };
        text.push_str(&failure::block(&failed, None, canvas));
        text.push('\n');
        closing.push_str(". Mend what is named above, then run the same command again.");
    } else {
        closing.push_str(&format!(": {}.", stopped.message));
        for hint in &stopped.hints {
            closing.push_str(&format!(" To go on: {hint}."));
        }
    }
    let tone = if summary.exit_code == 0 {
        Tone::Good
    } else {
        Tone::Bad
    };
    for line in wrap(&clean::line(&closing), canvas.left(0)) {
        text.push_str(&canvas.paint(tone, &line));
        text.push('\n');
    }
    text
}

/// A row's numbers; hosts with equal ones share the row when there are many.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Numbers {
    changed: usize,
    would_change: usize,
    unchanged: usize,
    skipped: usize,
    failed: usize,
    left: usize,
}

fn hosts(account: &Account, summary: &Summary, canvas: &Canvas, verbosity: u8) -> String {
    let mut groups: IndexMap<(Numbers, Option<usize>), Vec<&HostSummary>> = IndexMap::new();
    let own_rows = verbosity > 0 || summary.hosts.len() <= OWN_ROWS;
    for (position, host) in summary.hosts.iter().enumerate() {
        let numbers = Numbers {
            changed: host.changed,
            would_change: host.would_change,
            unchanged: host.unchanged,
            skipped: host.skipped,
            failed: usize::from(host.failure.is_some()),
            left: host.left,
        };
        let key = (numbers, own_rows.then_some(position));
        groups.entry(key).or_default().push(host);
    }
    type Column = (&'static str, fn(&Numbers) -> usize, Tone);
    let columns: [Column; 6] = [
        ("changed", |numbers| numbers.changed, Tone::Change),
        ("to change", |numbers| numbers.would_change, Tone::Change),
        ("unchanged", |numbers| numbers.unchanged, Tone::Plain),
        ("skipped", |numbers| numbers.skipped, Tone::Plain),
        ("failed", |numbers| numbers.failed, Tone::Bad),
        ("not reached", |numbers| numbers.left, Tone::Bad),
    ];
    // The first and the third are what everybody looks for; the others only where they say
    // something.
    let shown: Vec<&Column> = columns
        .iter()
        .enumerate()
        .filter(|(position, (_, number, _))| {
            matches!(position, 0 | 2) || groups.keys().any(|(numbers, _)| number(numbers) > 0)
        })
        .map(|(_, column)| column)
        .collect();
    let head = |word: &str| Cell::right(word, Tone::Quiet);
    let mut first = vec![Cell::left("host", Tone::Quiet)];
    first.extend(shown.iter().map(|(name, _, _)| head(name)));
    first.push(head("time"));
    if verbosity > 0 {
        let names = [
            "connections",
            "execs",
            "sent",
            "received",
            "BMC reads",
            "writes",
        ];
        first.extend(names.map(head));
    }
    let numbers: usize = first[1..].iter().map(|cell| 2 + width(&cell.text)).sum();
    let (least, most) = HOST_COLUMNS;
    // The column of times is wider than its heading.
    let names = groups
        .values()
        .map(|members| hosts_in_words(members.iter().map(|host| &host.host)));
    // No name is broken: it is copied from here.
    let longest = names
        .flat_map(|names| names.split(' ').map(width).max())
        .max()
        .unwrap_or(0);
    let host_columns = canvas.left(numbers + 6).clamp(least, most).max(longest);
    let mut rows = vec![first];
    for ((numbers, _), members) in &groups {
        let names = clean::line(&hosts_in_words(members.iter().map(|host| &host.host)));
        let mut lines = wrap(&names, host_columns);
        // The numbers stand beside the last line of the names.
        let last = lines.pop().unwrap_or_default();
        rows.extend(
            lines
                .into_iter()
                .map(|line| vec![Cell::left(line, Tone::Strong)]),
        );
        let mut row = vec![Cell::left(last, Tone::Strong)];
        row.extend(shown.iter().map(|(_, number, tone)| {
            let number = number(numbers);
            let tone = if number == 0 { Tone::Quiet } else { *tone };
            Cell::right(number.to_string(), tone)
        }));
        let seconds = members
            .iter()
            .filter_map(|host| account.seconds(&host.host));
        let longest = seconds.reduce(f64::max);
        let most = if members.len() > 1 { "≤ " } else { "" };
        let time = longest.map_or("–".to_owned(), |seconds| {
            format!("{most}{}", duration(seconds))
        });
        row.push(Cell::right(time, Tone::Plain));
        if let ([host], true) = (members.as_slice(), verbosity > 0) {
            let traffic = &host.traffic;
            let cells = [
                traffic.connections.to_string(),
                traffic.execs.to_string(),
                size(traffic.sent),
                size(traffic.received),
                traffic.bmc_reads.to_string(),
                traffic.bmc_writes.to_string(),
            ];
            row.extend(cells.map(|cell| Cell::right(cell, Tone::Plain)));
        }
        rows.push(row);
    }
    table(canvas, 0, &rows)
}

/// Hosts that failed, each reason once, with what to do next.
fn out_of_the_run(summary: &Summary, canvas: &Canvas) -> String {
    let mut reasons: IndexMap<String, (Vec<&str>, &Failure)> = IndexMap::new();
    for host in &summary.hosts {
        if let Some(failure) = &host.failure {
            let reason = match failure.causes.last() {
                Some(cause) => format!("{}: {cause}", failure.message),
                None => failure.message.clone(),
            };
            let entry = reasons.entry(reason).or_insert((Vec::new(), failure));
            entry.0.push(&host.host);
        }
    }
    if reasons.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", canvas.paint(Tone::Bad, "Out of this run:"));
    let words: Vec<String> = reasons
        .values()
        .map(|(hosts, _)| clean::line(&hosts_in_words(hosts)))
        .collect();
    let column = words
        .iter()
        .map(|words| width(words))
        .filter(|&width| width <= 20);
    let column = column.max().unwrap_or(0);
    for (words, (reason, (_, failure))) in words.iter().zip(&reasons) {
        let indent = column + 4;
        let mut begin = format!("  {}  ", pad(words, column));
        if width(words) > column {
            for line in wrap(words, canvas.left(2)) {
                text.push_str(&format!("  {line}\n"));
            }
            begin = " ".repeat(indent);
        }
        let hints = failure.hints.iter().map(|hint| format!("help: {hint}"));
        for item in std::iter::once(reason.clone()).chain(hints) {
            let hanging = if item.starts_with("help: ") { 6 } else { 0 };
            let lines = wrap(&clean::line(&item), canvas.left(indent + hanging));
            for line in lines {
                text.push_str(&format!("{begin}{line}\n"));
                begin = " ".repeat(indent + hanging);
            }
            begin = " ".repeat(indent);
        }
    }
    text
}

/// What happened, in one sentence or two. A plan has said it already.
fn closing(summary: &Summary) -> Option<String> {
    let hosts = &summary.hosts;
    let failed: Vec<&str> = names(hosts, |host| host.failure.is_some());
    let unfinished = names(hosts, |host| host.failure.is_none() && host.left > 0);
    let whole = hosts.len() - failed.len() - unfinished.len();
    let time = duration(summary.seconds);
    if summary.interrupted {
        let open = failed.len() + unfinished.len();
        return Some(format!(
            "Interrupted after {time}: {} done, {open} not. Run the same command again to go on \
             where it stopped.",
            count(whole, "host")
        ));
    }
    if let Some(checks) = &summary.checks {
        return Some(conformance(checks, &failed, &time));
    }
    if summary.command == "plan" {
        // What can be known has been told as the plan.
        return (!failed.is_empty()).then(|| {
            format!(
                "The plan lacks {}. Mend what is named above, then plan again.",
                in_words(&failed)
            )
        });
    }
    if !failed.is_empty() || !unfinished.is_empty() {
        let mut parts = Vec::new();
        if !failed.is_empty() {
            parts.push(format!("{} failed", in_words(&failed)));
        }
        if !unfinished.is_empty() {
            parts.push(format!("{} could not be finished", in_words(&unfinished)));
        }
        if whole > 0 {
            parts.push(format!("{} went through", count(whole, "other host")));
        }
        return Some(format!(
            "Not finished after {time}: {}. Mend what is named above, then run the same command \
             again: it goes on where it stopped.",
            parts.join("; ")
        ));
    }
    let changed = names(hosts, |host| host.changed > 0).len();
    let changes: usize = hosts.iter().map(|host| host.changed).sum();
    if changes == 0 && summary.command == "reset" {
        return Some(format!(
            "Nothing was there to take back on {} ({time}).",
            count(hosts.len(), "host")
        ));
    }
    if changes == 0 {
        return Some(format!(
            "Nothing had to be changed: {} as it should be ({time}).",
            match hosts.len() {
                1 => "1 host is".to_owned(),
                hosts => format!("each of {hosts} hosts is"),
            }
        ));
    }
    let (done, proof) = match summary.command.as_str() {
        "apply" => ("Applied", ", each confirmed by asking again"),
        "reset" => ("Taken back", ""),
        _ => ("Done", ", each proven"),
    };
    Some(format!(
        "{done}: {} on {}{proof}{} ({time}).",
        count(changes, "change"),
        count(changed, "host"),
        match hosts.len() - changed {
            0 => String::new(),
            others => format!("; {} needed none", count(others, "host")),
        }
    ))
}

/// At most a few names, else how many.
fn in_words(hosts: &[&str]) -> String {
    let words = hosts_in_words(hosts);
    if width(&words) <= 40 {
        words
    } else {
        count(hosts.len(), "host")
    }
}

fn names(hosts: &[HostSummary], pick: impl Fn(&HostSummary) -> bool) -> Vec<&str> {
    let picked = hosts.iter().filter(|host| pick(host));
    picked.map(|host| host.host.as_str()).collect()
}

/// The verdict over all checks. A host that could not be asked leaves it open.
fn conformance(checks: &CheckCount, failed_hosts: &[&str], time: &str) -> String {
    let mut conclusion = Conclusion::of(checks);
    let mut told = sentence(checks);
    if !failed_hosts.is_empty() {
        told.push_str(&format!(", {} could not be asked", in_words(failed_hosts)));
        if conclusion == Conclusion::Conformant {
            conclusion = Conclusion::NotShown;
        }
    }
    format!("{}: {told} ({time}).", conclusion.words())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::canvas::Canvas;

    fn told(stopped: Failure, exit_code: i32) -> String {
        let summary = Summary {
            command: "apply".to_owned(),
            stopped: Some(stopped),
            exit_code,
            ..Summary::default()
        };
        text(&Account::default(), &summary, &Canvas::default(), 0)
    }

    #[test]
    fn a_run_that_stopped_before_its_first_change_never_sounds_done() {
        let refused = Failure {
            message: "it was not agreed to".to_owned(),
            hints: vec!["say --yes".to_owned()],
            ..Failure::default()
        };
        assert_eq!(
            told(refused, 0),
            "\nNothing was changed (0.0 s): it was not agreed to. To go on: say --yes.\n"
        );
    }

    #[test]
    fn what_could_not_be_made_ready_is_told_whole() {
        let failed = Failure {
            message: "etcd 3.6.8 could not be built".to_owned(),
            causes: vec!["go: command not found".to_owned()],
            hints: vec!["install Go 1.24 or newer".to_owned()],
            ..Failure::default()
        };
        let told = told(failed, 1);
        for part in [
            "error: etcd 3.6.8 could not be built",
            "go: command not found",
            "install Go 1.24 or newer",
            "Nothing was changed",
            "run the same command again",
        ] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
    }
}
