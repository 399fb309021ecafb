//! What every command that touches machines does: load the files, open a run, and end it with a
//! summary and an exit code.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::{Chosen, Common, Format, exit, supply};
use crate::config::{self, Selector, Site};
use crate::engine::{Fleet, HEARTBEAT, Hearing, Hub, Member, Options, Reach, Run, Stop, Will};
use crate::event::{CheckCount, Failure, HostSummary, Listener, Summary, What};
use crate::link::Links;
use crate::link::script::Lease;
use crate::model::Unread;
use crate::plan::{self, Choice, Errand, SavedStep, Walk};
use crate::redfish;
use crate::report::{self, Recorder, Reporter, Stream, Tee};

/// An open run.
pub struct Session {
    pub site: Arc<Site>,
    pub run: Arc<Run>,
    pub fleet: Fleet,
    pub record: PathBuf,
    command: &'static str,
    hearing: Hearing,
    stopped: Option<Failure>,
}

/// Whether secrets of the inventory are needed.
pub use config::Secrets;

/// Whether the operator has agreed beforehand, with `--yes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    Given,
    ToAsk,
}

impl From<bool> for Consent {
    fn from(yes: bool) -> Self {
        if yes { Self::Given } else { Self::ToAsk }
    }
}

/// Why there is no answer.
pub fn reason(unread: Unread) -> String {
    match unread {
        Unread::Unreadable(reason) => reason,
        Unread::Wants(_) => "the BMC gave no answer".to_owned(),
    }
}

/// The site, or its faults printed.
///
/// # Errors
/// The exit code for faulty files.
pub fn load(inventory: &Path, common: &Common, secrets: Secrets) -> Result<Site, i32> {
    let known = supply::known(secrets).map_err(|error| {
        super::show(&error);
        exit::FILES_FAULTY
    })?;
    match config::load(inventory, &known.options()) {
        Ok(site) => Ok(site),
        Err(faults) => {
            if common.output == Format::Text {
                let style = match std::io::stderr().is_terminal() && !no_colour() {
                    true => config::Style::Colour,
                    false => config::Style::Plain,
                };
                eprintln!("{}", faults.render(style));
            } else {
                say!("{}", faults.to_json());
            }
            Err(exit::FILES_FAULTY)
        }
    }
}

fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Runs a future on a runtime of its own.
pub fn block<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime does not start")?
        .block_on(future)
}

/// The folder of run records and of the lab: `.ra-deploy` beside the inventory.
pub fn state_folder(inventory: &Path, common: &Common) -> PathBuf {
    match &common.state {
        Some(folder) => folder.clone(),
        None => inventory
            .parent()
            .unwrap_or(Path::new("."))
            .join(".ra-deploy"),
    }
}

/// Columns of the terminal that this program runs in.
fn terminal_width() -> Option<usize> {
    // SAFETY: the structure is the one that TIOCGWINSZ fills; a descriptor that is no terminal
    // gives an error.
    unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        [libc::STDERR_FILENO, libc::STDOUT_FILENO]
            .into_iter()
            .find(|descriptor| {
                libc::ioctl(*descriptor, libc::TIOCGWINSZ, &raw mut size) == 0 && size.ws_col > 0
            })
            .map(|_| usize::from(size.ws_col))
    }
}

fn stream(is_terminal: bool) -> Stream {
    Stream {
        terminal: is_terminal.then(|| terminal_width().unwrap_or(80)),
    }
}

pub fn report_options(common: &Common) -> report::Options {
    report::Options::detect(
        match common.output {
            Format::Text => report::Format::Text,
            Format::Json => report::Format::Json,
            Format::Jsonl => report::Format::JsonLines,
        },
        common.verbose,
        stream(std::io::stdout().is_terminal()),
        stream(std::io::stderr().is_terminal()),
        |name| std::env::var(name).ok(),
    )
}

impl Session {
    /// Loads the site and opens a run of the profile's roles on the chosen hosts. Nothing is
    /// touched yet.
    ///
    /// # Errors
    /// `Ok(Err(code))` when the files are faulty and that was told.
    pub fn open(
        command: &'static str,
        chosen: &Chosen,
        common: &Common,
    ) -> anyhow::Result<Result<Self, i32>> {
        Self::open_for(command, chosen, common, Secrets::Read, plan::compose)
    }

    /// The same for what an operator's command does, instead of the profile's roles.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open_errand(
        errand: &Errand,
        chosen: &Chosen,
        common: &Common,
    ) -> anyhow::Result<Result<Self, i32>> {
        Self::open_for(
            errand.name,
            chosen,
            common,
            Secrets::Read,
            |site, choice| plan::errand(site, choice, errand),
        )
    }

    /// The same where each host, by its name, has tasks of its own.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open_errand_for(
        name: &'static str,
        chosen: &Chosen,
        common: &Common,
        tasks: &dyn Fn(&str) -> Vec<(&'static str, serde_json::Value)>,
    ) -> anyhow::Result<Result<Self, i32>> {
        Self::open_for(name, chosen, common, Secrets::Read, |site, choice| {
            plan::errands(site, choice, name, tasks)
        })
    }

    /// A run that touches no machine, and needs no secret of the inventory.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open_at_home(
        command: &'static str,
        chosen: &Chosen,
        common: &Common,
    ) -> anyhow::Result<Result<Self, i32>> {
        Self::open_for(command, chosen, common, Secrets::Leave, plan::compose)
    }

    fn open_for(
        command: &'static str,
        chosen: &Chosen,
        common: &Common,
        secrets: Secrets,
        compose: impl FnOnce(&Site, &Choice) -> Vec<Walk>,
    ) -> anyhow::Result<Result<Self, i32>> {
        let site = match load(&chosen.inventory, common, secrets) {
            Ok(site) => Arc::new(site),
            Err(code) => return Ok(Err(code)),
        };
        let limit = match &chosen.limit {
            None => None,
            Some(limit) => match limited(limit, &site) {
                Ok(selector) => Some(selector),
                Err((message, help)) => {
                    eprintln!("error: --limit: {message}\nhelp: {help}");
                    return Ok(Err(exit::USAGE));
                }
            },
        };
        let choice = Choice {
            limit,
            tags: chosen.tags.clone(),
        };
        let walks = compose(&site, &choice);
        let folder = state_folder(&chosen.inventory, common);
        let name = run_name(command);
        let record = folder.join("runs").join(&name);
        let recorder = Recorder::create(&record).context("the run record cannot be written")?;
        let mut options = report_options(common);
        options.record = Some(record.clone());
        let reporter = Reporter::new(
            options,
            Box::new(std::io::stdout()),
            Box::new(std::io::stderr()),
        );
        let listener: Box<dyn Listener> =
            Box::new(Tee(vec![Box::new(recorder), Box::new(reporter)]));
        let (hub, hearing) = Hub::open(listener, site.clone());
        let stop = Stop::default();
        super::signals::listen(&stop, &hub);
        hub.tell(What::RunStarted {
            command: command.to_owned(),
            site: site.name.clone(),
            profile: site.profile.as_ref().map(|profile| profile.name.clone()),
            hosts: walks.iter().map(|walk| walk.host.name.clone()).collect(),
            run: name.clone(),
        });
        for warning in &site.warnings.faults {
            hub.warn(None, warning.message.clone());
        }
        let run = Arc::new(Run::new(
            site.clone(),
            supply::open()?,
            hub,
            Links::new(Default::default()),
            stop,
            Lease {
                run: name,
                holder: holder(),
                // Three heartbeats: one may get lost.
                seconds: 3 * HEARTBEAT.as_secs(),
            },
            Options {
                parallel: common.parallel,
                facts: Some(folder.join("facts")),
                redfish: redfish::Options {
                    first_login: match command {
                        // What only looks leaves accounts as they are, too.
                        "check" | "plan" | "facts" | "verify" => redfish::FirstLogin::Leave,
                        _ => redfish::FirstLogin::Replace,
                    },
                    ..redfish::Options::default()
                },
                ..Options::default()
            },
        ));
        let fleet = Fleet::new(run.clone(), walks);
        Ok(Ok(Self {
            site,
            run,
            fleet,
            record,
            command,
            hearing,
            stopped: None,
        }))
    }

    /// Surveys the hosts, shows what would change, has `agree` look at it, and carries it out.
    /// `Some` is the exit code of a run that ends before anything is changed.
    ///
    /// # Errors
    /// The terminal cannot be asked.
    pub async fn carry_out(
        &mut self,
        agree: impl FnOnce(&mut Self, &[SavedStep]) -> anyhow::Result<Option<i32>>,
    ) -> anyhow::Result<Option<i32>> {
        self.fleet.survey().await;
        if self.run.stop.will() > Will::Go {
            return Ok(Some(exit::INTERRUPTED));
        }
        self.fleet.tell_plan();
        if self.fleet.has_faults() {
            self.stop_for("the tasks named above cannot be carried out", &[]);
            return Ok(Some(exit::RUN_FAILED));
        }
        self.fleet.quarantine();
        let pending = self.fleet.pending_steps();
        if let Some(code) = agree(self, &pending)? {
            return Ok(Some(code));
        }
        if let Err(failure) = self.fleet.prepare().await {
            self.stopped_by(failure);
            return Ok(Some(exit::RUN_FAILED));
        }
        self.fleet.apply().await;
        Ok(None)
    }

    /// Asks on the terminal unless `yes` was said; `Some` is the exit code of a refusal.
    ///
    /// # Errors
    /// The terminal cannot be asked.
    pub fn confirm(&mut self, yes: Consent, question: &str) -> anyhow::Result<Option<i32>> {
        if yes == Consent::Given {
            return Ok(None);
        }
        self.run.hub.settle();
        if !std::io::stdin().is_terminal() {
            self.stop_for(
                "nobody agreed, and there is no terminal to ask on",
                &["say --yes"],
            );
            return Ok(Some(exit::USAGE));
        }
        let answer = ask(question, || self.run.stop.will() > Will::Go)?;
        if answer.is_some_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes")) {
            return Ok(None);
        }
        self.stop_for("it was not agreed to", &[]);
        Ok(Some(exit::DONE))
    }

    /// The same with a whole failure.
    pub fn stopped_by(&mut self, failure: Failure) {
        self.stopped = Some(failure);
    }

    /// Notes why the run ends before it changes anything; told with the summary.
    pub fn stop_for(&mut self, reason: &str, hints: &[&str]) {
        self.stopped = Some(Failure {
            message: reason.to_owned(),
            hints: hints.iter().map(|hint| (*hint).to_owned()).collect(),
            ..Failure::default()
        });
    }

    /// Hangs up, tells the summary and gives the exit code: the given one, or what the hosts'
    /// ends and an interruption make of it.
    ///
    /// # Errors
    /// What was asked for could not be written.
    pub async fn finish(self, code: i32, checks: Option<CheckCount>) -> anyhow::Result<i32> {
        let hosts = self.fleet.summaries().await;
        self.fleet.close().await;
        let interrupted = self.run.stop.will() > Will::Go;
        let code = self.exit_code(code, interrupted, &hosts);
        self.run.hub.tell(What::RunFinished(Summary {
            command: self.command.to_owned(),
            seconds: self.run.hub.seconds(),
            hosts,
            checks,
            interrupted,
            stopped: self.stopped,
            exit_code: code,
        }));
        // Every hub has to be gone before the listening thread ends.
        drop(self.fleet);
        drop(self.run);
        self.hearing.finish();
        Ok(code)
    }

    /// Hangs up with the given exit code, whatever became of the hosts: it was told already.
    ///
    /// # Errors
    /// None so far.
    pub async fn end(self, code: i32) -> anyhow::Result<i32> {
        self.fleet.close().await;
        let interrupted = self.run.stop.will() > Will::Go;
        drop(self.fleet);
        drop(self.run);
        self.hearing.finish();
        Ok(if interrupted { exit::INTERRUPTED } else { code })
    }

    /// The same without a summary: for commands whose result is what they printed.
    ///
    /// # Errors
    /// None so far.
    pub async fn finish_quietly(self, code: i32) -> anyhow::Result<i32> {
        let hosts = self.fleet.summaries().await;
        self.fleet.close().await;
        let code = self.exit_code(code, self.run.stop.will() > Will::Go, &hosts);
        drop(self.fleet);
        drop(self.run);
        self.hearing.finish();
        Ok(code)
    }

    fn exit_code(&self, code: i32, interrupted: bool, hosts: &[HostSummary]) -> i32 {
        if interrupted {
            return exit::INTERRUPTED;
        }
        let lost = hosts.iter().filter(|host| host.failure.is_some()).count();
        if lost == 0 || code == exit::FILES_FAULTY {
            return code;
        }
        let unheard = |member: &Member| !member.takes_part() && !member.has_answered();
        if self.fleet.members().iter().all(unheard) {
            return exit::UNREACHABLE;
        }
        let vital = self.fleet.members().iter().any(|member| {
            matches!(member.reach(), Reach::Lost(_))
                && self
                    .site
                    .groups
                    .get("control-plane")
                    .is_some_and(|group| group.iter().any(|host| host == member.host()))
        });
        if lost == hosts.len() || (vital && self.command == "apply") {
            exit::RUN_FAILED
        } else {
            exit::QUARANTINED
        }
    }
}

/// The hosts of `--limit`, or what is wrong with it and what to do.
pub fn limited(text: &str, site: &Site) -> Result<Selector, (String, String)> {
    let selector = Selector::parse(text).map_err(|fault| (fault.message, fault.help))?;
    match selector.unknown(site) {
        Some(unknown) => Err(unknown),
        None => Ok(selector),
    }
}

/// Time first, so that records sort; the process keeps two runs of one second apart.
fn run_name(command: &str) -> String {
    let now = jiff::Timestamp::now();
    format!(
        "{}-{command}-{}",
        now.strftime("%Y%m%dT%H%M%SZ"),
        std::process::id()
    )
}

/// Who holds a host, for whoever finds it taken.
fn holder() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{}", host.trim())
}

/// Asks on the terminal; no answer when it is to stop meanwhile.
fn ask(question: &str, stop: impl Fn() -> bool) -> anyhow::Result<Option<String>> {
    use std::io::Write;
    use std::sync::mpsc::RecvTimeoutError;
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let (sender, receiver) = std::sync::mpsc::channel();
    // A thread of its own: reading a terminal cannot be broken off.
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer).map(|_| answer);
        let _ = sender.send(read);
    });
    loop {
        match receiver.recv_timeout(std::time::Duration::from_millis(50)) {
            Ok(answer) => return Ok(Some(answer?)),
            Err(RecvTimeoutError::Timeout) if !stop() => {}
            Err(_) => {
                eprintln!();
                return Ok(None);
            }
        }
    }
}
