//! A run on a terminal: a line for each host that is at work, and a bar over all, redrawn in
//! place. What has to stay is written above them.

use std::time::Duration;

use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::account::Account;
use super::canvas::{Canvas, Tone, cut, pad, width};
use super::clean;
use super::lines::progress;
use super::words::{count, duration};
use crate::event::{Event, What};

/// Lines of work that are shown at once; the rest is counted.
const SHOWN: usize = 10;
/// Widest column of names.
const NAME_COLUMNS: usize = 20;

/// Whether bars are redrawn by the clock, so that their times go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticking {
    Clock,
    /// Only with events.
    Events,
}

pub struct Bars {
    multi: MultiProgress,
    ticking: Ticking,
    canvas: Canvas,
    overall: Option<ProgressBar>,
    /// By host, or by what is being prepared; in the order in which the work began.
    works: IndexMap<String, Work>,
}

#[derive(Default)]
struct Work {
    message: String,
    done: Option<u64>,
    total: Option<u64>,
    /// `None` while there is no room for it.
    bar: Option<ProgressBar>,
}

impl Bars {
    pub fn new(target: ProgressDrawTarget, ticking: Ticking, canvas: Canvas) -> Self {
        Self {
            multi: MultiProgress::with_draw_target(target),
            ticking,
            canvas,
            overall: None,
            works: IndexMap::new(),
        }
    }

    /// Writes something that stays, above the bars.
    pub fn above<Value>(&self, write: impl FnOnce() -> Value) -> Value {
        self.multi.suspend(write)
    }

    /// Takes all bars away; the next event draws them again.
    pub fn clear(&mut self) {
        for bar in self.works.drain(..).filter_map(|(_, work)| work.bar) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
        if let Some(overall) = self.overall.take() {
            overall.finish_and_clear();
            self.multi.remove(&overall);
        }
    }

    pub fn hear(&mut self, event: &Event, account: &Account) {
        match &event.what {
            What::RunStarted { .. } | What::TaskPlanned { .. } | What::Warning { .. } => {}
            What::Preparing(preparation) if preparation.state == "ready" => {
                self.end(&preparation.subject);
            }
            What::Preparing(preparation) => {
                let counts = (preparation.done, preparation.total);
                self.go_on(&preparation.subject, &preparation.state, counts);
            }
            What::HostConnecting { host } => self.begin(host, "connecting"),
            What::TaskStarted { task } => self.begin(&task.host, &task.title),
            What::TaskProgress {
                task,
                message,
                done,
                total,
            } => {
                let message = format!("{}: {message}", task.title);
                self.go_on(&task.host, &message, (*done, *total));
            }
            What::Waiting { host, reason } => self.begin(host, &format!("waits {reason}")),
            What::Retrying {
                host,
                reason,
                wait_seconds,
                ..
            } => {
                let wait = duration(*wait_seconds);
                self.begin(host, &format!("tries again in {wait}: {reason}"));
            }
            What::HostSurveyed { host, .. }
            | What::HostFailed { host, .. }
            | What::HostFinished { host, .. } => self.end(host),
            What::TaskFinished { .. } | What::TaskFailed { .. } | What::Checked(_) => {}
            What::PlanReady | What::RunFinished(_) => return self.clear(),
        }
        self.sum_up(account);
    }

    /// New work: its time begins anew.
    fn begin(&mut self, name: &str, message: &str) {
        self.go_on(name, message, (None, None));
        if let Some(bar) = self.works.get(name).and_then(|work| work.bar.as_ref()) {
            bar.reset_elapsed();
        }
    }

    fn go_on(&mut self, name: &str, message: &str, (done, total): (Option<u64>, Option<u64>)) {
        let shown = self
            .works
            .values()
            .filter(|work| work.bar.is_some())
            .count();
        let work = self.works.entry(name.to_owned()).or_default();
        work.message = clean::line(message);
        (work.done, work.total) = (done, total);
        if work.bar.is_none() && shown < SHOWN {
            let bar = match &self.overall {
                Some(overall) => self.multi.insert_before(overall, ProgressBar::no_length()),
                None => self.multi.add(ProgressBar::no_length()),
            };
            if self.ticking == Ticking::Clock {
                bar.enable_steady_tick(Duration::from_millis(250));
            }
            work.bar = Some(bar);
        }
        self.draw(name);
    }

    fn draw(&self, name: &str) {
        let Some((work, bar)) = self
            .works
            .get(name)
            .and_then(|work| Some((work, work.bar.as_ref()?)))
        else {
            return;
        };
        let names = self.works.keys().map(|name| width(name));
        let columns = names.max().unwrap_or(0).min(NAME_COLUMNS);
        let name = pad(&cut(&clean::line(name), columns), columns);
        let counted = work.total.filter(|&total| total > 0);
        let template = match counted {
            Some(_) => "  {prefix}  {bar:16}  {wide_msg} {elapsed}",
            None => "  {prefix}  {wide_msg} {elapsed}",
        };
        bar.set_style(style(template));
        bar.set_prefix(self.canvas.paint(Tone::Strong, &name));
        if let Some(total) = counted {
            bar.set_length(total);
            bar.set_position(work.done.unwrap_or(0).min(total));
        }
        bar.set_message(progress(&work.message, work.done, work.total));
        bar.tick();
    }

    /// Makes room for work that waits for it.
    fn end(&mut self, name: &str) {
        let Some(Work { bar: Some(bar), .. }) = self.works.shift_remove(name) else {
            return;
        };
        bar.finish_and_clear();
        self.multi.remove(&bar);
        let mut hidden = self.works.iter().filter(|(_, work)| work.bar.is_none());
        if let Some((next, work)) = hidden.next() {
            let (next, message, counts) =
                (next.clone(), work.message.clone(), (work.done, work.total));
            self.go_on(&next, &message, counts);
        }
    }

    fn sum_up(&mut self, account: &Account) {
        let hidden = self
            .works
            .values()
            .filter(|work| work.bar.is_none())
            .count();
        let hosts = account.hosts().len();
        let failed = account.failed_hosts();
        let asking = account.command() == "plan";
        let (done, total) = match (asking, account.tasks()) {
            (true, _) | (false, 0) => (account.surveyed() + failed, hosts),
            (false, tasks) => (account.ended.min(tasks), tasks),
        };
        let mut parts = Vec::new();
        if account.checks.is_empty() {
            if asking || account.tasks() == 0 {
                parts.push(format!(
                    "{} of {} asked",
                    account.surveyed(),
                    count(hosts, "host")
                ));
            } else {
                parts.push(format!(
                    "{} of {} done",
                    account.finished,
                    count(hosts, "host")
                ));
                parts.push(format!("{done} of {}", count(total, "task")));
            }
        } else {
            parts.push(count(account.checks.len(), "check"));
        }
        if failed > 0 {
            let words = format!("{failed} failed");
            parts.push(self.canvas.paint(Tone::Bad, &words));
        }
        if hidden > 0 {
            parts.push(format!("{hidden} more at work"));
        }
        let bar = self.overall.get_or_insert_with(|| {
            let bar = self.multi.add(ProgressBar::no_length());
            bar.set_style(style("{bar:24}  {wide_msg} {elapsed}"));
            if self.ticking == Ticking::Clock {
                bar.enable_steady_tick(Duration::from_millis(250));
            }
            bar
        });
        bar.set_length(total.max(1) as u64);
        bar.set_position(done.min(total) as u64);
        bar.set_message(parts.join(" · "));
        bar.tick();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // A template of ours that indicatif cannot read would be seen by the first test.
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use indicatif::{InMemoryTerm, TermLike};

    use super::*;
    use crate::event::Listener;
    use crate::report::tests::{Paper, stream};
    use crate::report::{Canvas, Options, Reporter, Terminal};

    /// Standard error of a terminal.
    struct Screen(InMemoryTerm);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
            self.0.write_str(&text.replace('\n', "\r\n"))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn reporter(screen: &InMemoryTerm) -> Reporter {
        let canvas = Canvas {
            width: Some(90),
            ..Canvas::default()
        };
        let options = Options {
            terminal: Terminal::Bars,
            out: canvas,
            err: canvas,
            ..Options::default()
        };
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let bars = Bars::new(target, Ticking::Events, canvas);
        let (out, err) = (Box::new(Paper::default()), Box::new(Screen(screen.clone())));
        Reporter::with_bars(options, out, err, bars)
    }

    /// The screen after the event that `pick` finds first.
    fn screen_at(name: &str, pick: impl Fn(&What) -> bool) -> String {
        let screen = InMemoryTerm::new(40, 90);
        let mut reporter = reporter(&screen);
        for event in stream(name) {
            reporter.hear(&event);
            if pick(&event.what) {
                break;
            }
        }
        screen.contents()
    }

    #[test]
    fn artifacts_are_prepared() {
        insta::assert_snapshot!(screen_at("apply", |what| matches!(what,
            What::Preparing(preparation) if preparation.done == Some(3))));
    }

    #[test]
    fn hosts_are_at_work() {
        insta::assert_snapshot!(screen_at("apply", |what| matches!(
            what,
            What::TaskProgress { done: Some(_), .. }
        )));
    }

    #[test]
    fn more_hosts_than_lines() {
        let screen = InMemoryTerm::new(40, 90);
        let mut reporter = reporter(&screen);
        let mut events = stream("hundred").into_iter();
        let mut first = events.next().unwrap();
        reporter.hear(&first);
        let What::RunStarted { hosts, .. } = first.what.clone() else {
            panic!()
        };
        for host in hosts.iter().take(13) {
            first.what = What::HostConnecting { host: host.clone() };
            reporter.hear(&first);
        }
        let (host, failure) = (hosts[1].clone(), Default::default());
        first.what = What::HostFailed { host, failure };
        reporter.hear(&first);
        insta::assert_snapshot!(screen.contents());
    }

    #[test]
    fn the_plan_stands_alone_until_the_question_is_answered() {
        insta::assert_snapshot!(screen_at("apply", |what| *what == What::PlanReady));
    }

    #[test]
    fn nothing_of_the_bars_is_left_at_the_end() {
        insta::assert_snapshot!(screen_at("apply", |what| matches!(
            what,
            What::RunFinished(_)
        )));
    }
}
