//! A failure, with everything that a person needs at night.

use std::path::Path;

use super::account::Failed;
use super::canvas::{Canvas, Tone, pad, wrap};
use super::clean;

/// Lines of output that are shown whole.
const OUTPUT_LINES: usize = 100;
/// Of an output that is longer: how a command began, and how it ended, which says more.
const OUTPUT_HEAD: usize = 30;
const OUTPUT_TAIL: usize = 70;
/// Columns of the words on the left.
const LABEL_COLUMNS: usize = 9;

/// The whole of it, beginning with `error:` and ending with the hints.
pub fn block(failed: &Failed, record: Option<&Path>, canvas: &Canvas) -> String {
    let failure = &failed.failure;
    let mut text = String::new();
    let mut heading = clean::line(&failure.message);
    // What no host failed at has none to name.
    if !failed.host.is_empty() {
        heading = format!("{}: {heading}", clean::line(&failed.host));
    }
    labelled(&mut text, canvas, Label::Error, &heading);
    if let Some(task) = &failed.task {
        labelled(
            &mut text,
            canvas,
            Label::Of("role"),
            &clean::line(&task.role),
        );
        let title = format!(
            "{} (number {} on this host)",
            clean::line(&task.title),
            task.index + 1
        );
        labelled(&mut text, canvas, Label::Of("task"), &title);
    }
    if let Some(command) = &failure.command {
        labelled(
            &mut text,
            canvas,
            Label::Of("command"),
            &clean::lines(command),
        );
    }
    if let Some(status) = failure.status {
        labelled(&mut text, canvas, Label::Of("status"), &exit_status(status));
    }
    for (position, cause) in failure.causes.iter().enumerate() {
        let label = if position == 0 { "because" } else { "" };
        labelled(&mut text, canvas, Label::Of(label), &clean::lines(cause));
    }
    if let Some(output) = &failure.output {
        let output = clean::lines(output);
        if output.trim().is_empty() {
            labelled(&mut text, canvas, Label::Of("output"), "none");
        } else {
            labelled(&mut text, canvas, Label::Of("output"), "");
            printed(&mut text, canvas, &output, record);
        }
    }
    for hint in &failure.hints {
        labelled(&mut text, canvas, Label::Help, &clean::lines(hint));
    }
    text
}

/// One line instead of the block, for a failure that another host had already.
pub fn again(failed: &Failed, first: &Failed, canvas: &Canvas) -> String {
    let task = match &failed.task {
        Some(task) => format!(
            " (role {}, {})",
            clean::line(&task.role),
            clean::line(&task.title)
        ),
        None => String::new(),
    };
    let heading = format!(
        "{}: the same as on {}: {}{task}",
        clean::line(&failed.host),
        clean::line(&first.host),
        clean::line(&failed.failure.message)
    );
    let mut text = String::new();
    labelled(&mut text, canvas, Label::Error, &heading);
    text
}

/// Whether two hosts failed in the same way; what they printed may differ in times and numbers.
pub fn alike(a: &Failed, b: &Failed) -> bool {
    let place = |failed: &Failed| {
        let task = failed.task.as_ref();
        task.map(|task| (task.role.clone(), task.title.clone()))
    };
    a.host != b.host
        && place(a) == place(b)
        && a.failure.message == b.failure.message
        && a.failure.status == b.failure.status
        && a.failure.causes == b.failure.causes
}

/// What shells mean by the number.
fn exit_status(status: i32) -> String {
    let meaning = match status {
        126 => " (found, but not executable)",
        127 => " (command not found)",
        124 => " (timed out)",
        130 => " (interrupted)",
        137 => " (killed: SIGKILL; was memory short?)",
        143 => " (terminated: SIGTERM)",
        _ => "",
    };
    format!("{status}{meaning}")
}

enum Label<'word> {
    Error,
    Help,
    Of(&'word str),
}

fn labelled(text: &mut String, canvas: &Canvas, label: Label<'_>, what: &str) {
    let (head, columns, tone) = match label {
        Label::Error => ("error: ".to_owned(), 7, Tone::Bad),
        Label::Help => ("  help: ".to_owned(), 8, Tone::Good),
        Label::Of(word) => {
            let head = format!("  {}", pad(word, LABEL_COLUMNS));
            (head, LABEL_COLUMNS + 2, Tone::Quiet)
        }
    };
    // A command is copied to be tried again: it stays whole.
    let room = match label {
        Label::Of("command") => usize::MAX,
        _ => canvas.left(columns),
    };
    for (number, line) in wrap(what, room).iter().enumerate() {
        let begin = match number {
            0 if line.is_empty() => canvas.paint(tone, head.trim_end()),
            0 => canvas.paint(tone, &head),
            _ => " ".repeat(columns),
        };
        let line = format!("{begin}{line}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// What the command printed, each line behind a bar so that nobody takes it for our own words.
/// Lines are left whole: the terminal may fold them, a copy of them stays true.
fn printed(text: &mut String, canvas: &Canvas, output: &str, record: Option<&Path>) {
    let lines: Vec<&str> = output.lines().collect();
    let bar = canvas.paint(Tone::Quiet, "  │");
    let mut put = |line: &str| {
        let line = if line.is_empty() {
            String::new()
        } else {
            format!(" {line}")
        };
        text.push_str(&format!("{bar}{line}\n"));
    };
    if lines.len() <= OUTPUT_LINES {
        lines.iter().for_each(|line| put(line));
        return;
    }
    let left_out = lines.len() - OUTPUT_HEAD - OUTPUT_TAIL;
    let place = match record {
        Some(record) => format!("; the whole is in {}", record.display()),
        None => String::new(),
    };
    lines[..OUTPUT_HEAD].iter().for_each(|line| put(line));
    put(&canvas.paint(Tone::Quiet, &format!("… {left_out} lines left out{place}")));
    lines[lines.len() - OUTPUT_TAIL..]
        .iter()
        .for_each(|line| put(line));
}
