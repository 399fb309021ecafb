//! Events as lines, for a log.

use std::collections::HashMap;

use super::account::Account;
use super::canvas::{Canvas, Tone, pad, width, wrap};
use super::words::{count, duration, size};
use super::{Terminal, clean, difference};
use crate::event::{Event, Outcome, Preparation, TaskName, Verdict, What};

/// Seconds between two signs of life of the same work.
const SIGN_OF_LIFE: f64 = 30.0;
/// Widest column of host names.
const HOST_COLUMNS: usize = 20;

#[derive(Debug)]
pub struct Lines {
    canvas: Canvas,
    verbosity: u8,
    /// Beside bars, which show what is going on, only what has to stay is said.
    terminal: Terminal,
    host_columns: usize,
    /// What was last said of a piece of work, and when.
    said: HashMap<String, (String, f64)>,
}

impl Lines {
    pub fn new(canvas: Canvas, verbosity: u8, terminal: Terminal) -> Self {
        Self {
            canvas,
            verbosity,
            terminal,
            host_columns: 0,
            said: HashMap::new(),
        }
    }

    /// What is said of an event, if anything; failures and the summary are said elsewhere.
    pub fn tell(&mut self, event: &Event, account: &Account) -> Option<String> {
        let log = self.terminal == Terminal::Lines;
        let more = self.verbosity > 0;
        let plain = Tone::Plain;
        let (host, tone, words) = match &event.what {
            What::RunStarted {
                command,
                site,
                hosts,
                run,
                ..
            } => {
                let asking = (String::new(), event.elapsed);
                self.said.insert("asking".to_owned(), asking);
                let widths = hosts.iter().map(|host| width(host));
                self.host_columns = widths.max().unwrap_or(0).min(HOST_COLUMNS);
                let words = format!(
                    "{command} {site}: {}, run {run}",
                    count(hosts.len(), "host")
                );
                ("", Tone::Strong, words)
            }
            What::Preparing(preparation) if log || more || preparation.state == "ready" => {
                let words = self.preparing(preparation, event.elapsed)?;
                ("", plain, words)
            }
            What::HostConnecting { host } if more => {
                (host.as_str(), Tone::Quiet, "connecting".to_owned())
            }
            What::HostSurveyed {
                host,
                tasks,
                changes,
            } if more => {
                let verb = if *changes == 1 { "differs" } else { "differ" };
                let words = format!("asked: {changes} of {} {verb}", count(*tasks, "task"));
                (host.as_str(), plain, words)
            }
            What::HostSurveyed { .. } if log => {
                if !self.is_due("asking".to_owned(), None, event.elapsed) {
                    return None;
                }
                let hosts = count(account.hosts().len(), "host");
                (
                    "",
                    plain,
                    format!("asked {} of {hosts}", account.surveyed()),
                )
            }
            What::TaskStarted { task } => {
                let title = clean::line(&task.title);
                self.said.insert(work(task), (String::new(), event.elapsed));
                if !more {
                    return None;
                }
                (
                    task.host.as_str(),
                    Tone::Quiet,
                    format!("starts     {title}"),
                )
            }
            What::TaskProgress {
                task,
                message,
                done,
                total,
            } if log || more => {
                let words = format!(
                    "goes on    {}: {}",
                    task.title,
                    progress(message, *done, *total)
                );
                if !self.is_due(work(task), None, event.elapsed) {
                    return None;
                }
                (task.host.as_str(), Tone::Quiet, words)
            }
            What::TaskFinished {
                task,
                outcome,
                differences,
                seconds,
            } => {
                self.said.remove(&work(task));
                let (word, tone) = match outcome {
                    Outcome::Changed => ("changed", Tone::Change),
                    Outcome::WouldChange if more => ("to change", Tone::Change),
                    Outcome::Unchanged if more => ("as is", Tone::Quiet),
                    Outcome::Skipped if more => ("skipped", Tone::Quiet),
                    _ => return None,
                };
                if !log && !more {
                    return None;
                }
                let told = difference::sentence(differences, &task.title, self.verbosity);
                let mut words = format!("{word:<9}  {}", task.title);
                if !told.is_empty() {
                    words.push_str(&format!("  ({told})"));
                }
                if *outcome == Outcome::Changed {
                    words.push_str(&format!("  {}", duration(*seconds)));
                }
                (task.host.as_str(), tone, words)
            }
            What::Waiting { host, reason } if log || more => {
                if !self.is_due(format!("waiting {host}"), Some(reason), event.elapsed) {
                    return None;
                }
                (host.as_str(), plain, format!("waits      {reason}"))
            }
            What::Retrying {
                host,
                reason,
                attempt,
                wait_seconds,
            } if log || more => {
                let wait = duration(*wait_seconds);
                let words = format!("tries again in {wait} (attempt {attempt}): {reason}");
                (host.as_str(), Tone::Change, words)
            }
            What::Warning { host, message } => {
                let words = format!("warning: {message}");
                (host.as_deref().unwrap_or(""), Tone::Change, words)
            }
            What::HostFinished {
                host,
                changed,
                unchanged,
                skipped,
                left,
                ..
            } if more || *changed > 0 => {
                let mut parts = vec![
                    format!("{changed} changed"),
                    format!("{unchanged} unchanged"),
                ];
                if *skipped > 0 {
                    parts.push(format!("{skipped} skipped"));
                }
                let time = account.seconds(host).map_or(String::new(), |seconds| {
                    format!(" in {}", duration(seconds))
                });
                let (word, tone) = match left {
                    0 => ("done", Tone::Good),
                    left => {
                        parts.push(format!("{left} not reached"));
                        ("stopped", Tone::Bad)
                    }
                };
                (
                    host.as_str(),
                    tone,
                    format!("{word}{time}: {}", parts.join(", ")),
                )
            }
            What::Checked(result) if more => {
                let (word, tone) = match result.verdict {
                    Verdict::Passed => ("passed", Tone::Good),
                    Verdict::NotApplicable => ("not applicable", Tone::Quiet),
                    Verdict::Waived => ("waived", Tone::Quiet),
                    Verdict::Unknown => ("unknown", Tone::Change),
                    Verdict::Failed => ("failed", Tone::Bad),
                };
                ("", tone, format!("{} {word}: {}", result.id, result.title))
            }
            _ => return None,
        };
        Some(self.line(event.elapsed, host, tone, &words))
    }

    /// One line with its time and host: `[  12.3s] w07   changed    file /etc/hosts`.
    pub fn line(&self, elapsed: f64, host: &str, tone: Tone, words: &str) -> String {
        let time = format!("[{elapsed:>6.1}s]");
        let host = clean::line(host);
        let gap = if self.host_columns > 0 { "  " } else { "" };
        // What is about no host begins where the hosts stand: nobody looks for a name there.
        let (host, indent) = match host.as_str() {
            "" => (String::new(), width(&time) + 1),
            host => {
                let padded = pad(host, self.host_columns);
                let indent = width(&time) + 1 + width(&padded) + gap.len();
                (
                    format!("{}{gap}", self.canvas.paint(Tone::Strong, &padded)),
                    indent,
                )
            }
        };
        let mut text = format!("{} {host}", self.canvas.paint(Tone::Quiet, &time));
        for (number, line) in wrap(&clean::line(words), self.canvas.left(indent))
            .iter()
            .enumerate()
        {
            if number > 0 {
                text.push_str(&" ".repeat(indent));
            }
            text.push_str(&self.canvas.paint(tone, line));
            text.push('\n');
        }
        text
    }

    fn preparing(&mut self, preparation: &Preparation, elapsed: f64) -> Option<String> {
        let Preparation {
            subject,
            state,
            done,
            total,
            left,
        } = preparation;
        if !self.is_due(format!("preparing {subject}"), Some(state), elapsed) {
            return None;
        }
        let rest = match left {
            0 | 1 => String::new(),
            _ if state == "ready" => String::new(),
            left => format!(" ({left} left)"),
        };
        Some(format!(
            "{subject}: {}{rest}",
            progress(state, *done, *total)
        ))
    }

    /// Whether there is something new to say of a piece of work, or nothing was said for long.
    fn is_due(&mut self, work: String, state: Option<&str>, elapsed: f64) -> bool {
        let state = state.unwrap_or_default();
        let due = match self.said.get(&work) {
            Some((said, when)) => said != state || elapsed - when >= SIGN_OF_LIFE,
            None => true,
        };
        if due {
            self.said.insert(work, (state.to_owned(), elapsed));
        }
        due
    }
}

fn work(task: &TaskName) -> String {
    format!("task {} {}", task.host, task.index)
}

/// `copying, 12 MiB of 40 MiB (30 %)`; numbers below a thousand are parts, not bytes.
pub fn progress(message: &str, done: Option<u64>, total: Option<u64>) -> String {
    let amount = |number: u64, of: u64| match of {
        0..1024 => number.to_string(),
        _ => size(number),
    };
    match (done, total) {
        (Some(done), Some(total)) if total > 0 => {
            let share = done.min(total) as f64 / total as f64 * 100.0;
            format!(
                "{message}, {} of {} ({share:.0} %)",
                amount(done, total),
                amount(total, total)
            )
        }
        (Some(done), _) => format!("{message}, {}", amount(done, done)),
        _ => message.to_owned(),
    }
}
