//! The listener that people and programs see.

use std::io::{self, Write};

use indicatif::ProgressDrawTarget;

use super::account::{Account, Failed};
use super::bars::{Bars, Ticking};
use super::conformance::{self, Meta};
use super::lines::Lines;
use super::{Format, Options, Terminal, failure, plan, summary};
use crate::event::{Event, Listener, What};

/// Tells a run while it happens. What was asked for goes to `out`: the plan, the verdicts, JSON;
/// everything else to `err`.
pub struct Reporter {
    options: Options,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    account: Account,
    lines: Lines,
    bars: Option<Bars>,
    plan: PlanText,
    /// The first failure to write what was asked for.
    trouble: Option<io::Error>,
    /// How what was said on `err` ends.
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Text,
    BlankLine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlanText {
    Due,
    Shown,
}

impl Reporter {
    pub fn new(options: Options, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let bars = (options.terminal == Terminal::Bars)
            .then(|| Bars::new(ProgressDrawTarget::stderr(), Ticking::Clock, options.err));
        Self::told(options, out, err, bars)
    }

    /// With bars that are drawn elsewhere than on the standard error.
    pub fn with_bars(
        options: Options,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        bars: Bars,
    ) -> Self {
        Self::told(options, out, err, Some(bars))
    }

    fn told(
        options: Options,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        bars: Option<Bars>,
    ) -> Self {
        Self {
            bars,
            lines: Lines::new(options.err, options.verbosity, options.terminal),
            options,
            out,
            err,
            account: Account::default(),
            plan: PlanText::Due,
            trouble: None,
            ending: Ending::BlankLine,
        }
    }

    /// What was heard so far.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Ends the telling. The error is the first one met while writing what was asked for; a
    /// reader who has gone (`| head`) is none.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Err(error) = self.out.flush() {
            self.trouble.get_or_insert(error);
        }
        match self.trouble.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    fn put_out(&mut self, text: &str) {
        let out = &mut self.out;
        let mut write = || out.write_all(text.as_bytes()).and_then(|()| out.flush());
        let written = match &self.bars {
            Some(bars) => bars.above(write),
            None => write(),
        };
        if let Err(error) = written {
            self.trouble.get_or_insert(error);
        }
    }

    /// Says something beside what was asked for. That nobody can read it is no reason to stop.
    fn put_err(&mut self, text: &str) {
        let text = match (self.ending, text.strip_prefix('\n')) {
            // One blank line is enough.
            (Ending::BlankLine, Some(rest)) => rest,
            _ => text,
        };
        if text.is_empty() {
            return;
        }
        self.ending = if text.ends_with("\n\n") {
            Ending::BlankLine
        } else {
            Ending::Text
        };
        let err = &mut self.err;
        let mut write = || err.write_all(text.as_bytes()).and_then(|()| err.flush());
        let _ = match &self.bars {
            Some(bars) => bars.above(write),
            None => write(),
        };
    }

    fn show_plan(&mut self) {
        if self.plan == PlanText::Shown {
            return;
        }
        self.plan = PlanText::Shown;
        let told = plan::Told {
            tasks: self.account.planned().collect(),
            hosts: self.account.hosts(),
            failed: self
                .account
                .failures
                .iter()
                .map(|failed| failed.host.as_str())
                .collect(),
        };
        // The plan is what `plan` was asked for; before `apply` it is said to whoever watches.
        let asked_for = self.account.command() == "plan";
        let canvas = if asked_for {
            self.options.out
        } else {
            self.options.err
        };
        let text = plan::text(&told, &canvas, self.options.verbosity);
        match (asked_for, self.options.format) {
            (true, Format::Text) => self.put_out(&text),
            (true, _) => {}
            (false, _) => self.put_err(&format!("\n{text}\n")),
        }
    }

    fn fail(&mut self, event: &Event, repeated: bool) {
        let host = match &event.what {
            What::HostFailed { host, .. } if repeated => {
                let words = "out of this run; the others go on";
                let line = self
                    .lines
                    .line(event.elapsed, host, super::canvas::Tone::Bad, words);
                return self.put_err(&line);
            }
            What::HostFailed { host, .. } => host,
            What::TaskFailed { task, .. } => &task.host,
            _ => return,
        };
        let failures = &self.account.failures;
        let Some(failed) = failures.iter().rfind(|failed| failed.host == *host) else {
            return;
        };
        let canvas = &self.options.err;
        let earlier = |failed: &Failed| failures.iter().find(|first| failure::alike(first, failed));
        let text = match earlier(failed).filter(|_| self.options.verbosity == 0) {
            Some(first) => failure::again(failed, first, canvas),
            None => format!(
                "\n{}\n",
                failure::block(failed, self.options.record.as_deref(), canvas)
            ),
        };
        self.put_err(&text);
    }

    fn end(&mut self) {
        if self.account.command() == "plan" {
            self.show_plan();
        }
        if self.options.format == Format::Text
            && !self.account.checks.is_empty()
            && let Some(run) = &self.account.run
        {
            let meta = Meta::of(run);
            let (canvas, verbosity) = (self.options.out, self.options.verbosity);
            let text = conformance::text(&self.account.checks, &meta, &canvas, verbosity);
            self.put_out(&text);
        }
        if self.options.format == Format::Json {
            match serde_json::to_string_pretty(&self.account.document()) {
                Ok(document) => self.put_out(&format!("{document}\n")),
                Err(error) => self.trouble = Some(error.into()),
            }
        }
        if let Some(summary) = &self.account.summary {
            let verbosity = self.options.verbosity;
            let text = summary::text(&self.account, summary, &self.options.err, verbosity);
            self.put_err(&text);
        }
    }
}

impl Listener for Reporter {
    fn hear(&mut self, event: &Event) {
        if self.options.format == Format::JsonLines {
            match serde_json::to_string(event) {
                Ok(line) => self.put_out(&format!("{line}\n")),
                Err(error) => self.trouble = Some(error.into()),
            }
        }
        let repeated = match &event.what {
            What::HostFailed { host, failure } => self.account.has_failed_with(host, failure),
            _ => false,
        };
        self.account.hear(event);
        if let Some(bars) = &mut self.bars {
            bars.hear(event, &self.account);
        }
        if let Some(line) = self.lines.tell(event, &self.account) {
            self.put_err(&line);
        }
        match &event.what {
            What::PlanReady => self.show_plan(),
            What::TaskFailed { .. } | What::HostFailed { .. } => self.fail(event, repeated),
            What::RunFinished(_) => self.end(),
            _ => {}
        }
    }
}
