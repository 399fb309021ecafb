//! One host in a run: a shell and a BMC, opened when first needed and once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::RwLock;

use super::hub::failure;
use super::run::Run;
use super::stop::Will;
use crate::config::Host;
use crate::event::{Failure, TaskName, Traffic, What};
use crate::link::script::{self, Around, Batch, Reply};
use crate::link::{Error as LinkError, Links};
use crate::link::{Exec, Link};
use crate::model::{Action, Answer, BmcAct, BmcQuery, Place, Query, Secret, Target};
use crate::redfish::{self, Bmc};

/// How long questions may take together.
const ASKING: Duration = Duration::from_secs(300);

pub struct Contact {
    run: Arc<Run>,
    pub host: Arc<Host>,
    link: RwLock<Option<Arc<Link>>>,
    bmc: RwLock<Option<Arc<Bmc>>>,
    /// Traffic of links that were given up, as after a boot.
    past: std::sync::Mutex<Traffic>,
    leased: std::sync::atomic::AtomicBool,
}

/// Whether a host that does not answer is waited for.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// A few tries: it should be up.
    Short,
    /// It is booting.
    Until(Instant),
}

impl Contact {
    pub fn new(run: Arc<Run>, host: Arc<Host>) -> Self {
        Self {
            run,
            host,
            link: RwLock::default(),
            bmc: RwLock::default(),
            past: std::sync::Mutex::default(),
            leased: std::sync::atomic::AtomicBool::new(false),
        }
    }

    pub fn has_bmc(&self) -> bool {
        self.host.bmc.is_some()
    }

    pub fn has_shell(&self) -> bool {
        self.host.target.is_some()
    }

    /// Opens the shell's connection, when it is not open yet.
    pub async fn connect(&self, patience: Patience) -> Result<(), Failure> {
        self.link(patience).await.map(drop)
    }

    async fn link(&self, patience: Patience) -> Result<Arc<Link>, Failure> {
        let mut slot = self.link.write().await;
        if let Some(link) = &*slot {
            return Ok(link.clone());
        }
        let name = &self.host.name;
        let Some(target) = &self.host.target else {
            return Err(Failure {
                message: format!("{name} has no address to reach a shell at"),
                hints: vec![format!("give {name} an `address` in the inventory")],
                ..Failure::default()
            });
        };
        self.run
            .hub
            .tell(What::HostConnecting { host: name.clone() });
        let wait_until = match patience {
            Patience::Short => None,
            Patience::Until(instant) => Some(instant),
        };
        let link = open(&self.run.links, name, target, wait_until)
            .await
            .map_err(|error| {
                let hint = error.hint();
                failure(&error, Some(hint))
            })?;
        let link = Arc::new(link);
        *slot = Some(link.clone());
        Ok(link)
    }

    async fn bmc(&self) -> Result<Arc<Bmc>, Failure> {
        let mut slot = self.bmc.write().await;
        if let Some(bmc) = &*slot {
            return Ok(bmc.clone());
        }
        let Some(endpoint) = &self.host.bmc else {
            return Err(Failure {
                message: format!("{} has no BMC in the inventory", self.host.name),
                hints: vec![format!(
                    "give {} a `bmc`, or leave its BMC tasks out",
                    self.host.name
                )],
                ..Failure::default()
            });
        };
        let options = redfish::Options {
            vault: self.run.site.vault.clone(),
            ..self.run.options.redfish.clone()
        };
        let bmc = Bmc::connect(endpoint.clone(), options)
            .await
            .map_err(|error| {
                let hint = error.hint();
                failure(&error, Some(hint))
            })?;
        let bmc = Arc::new(bmc);
        *slot = Some(bmc.clone());
        Ok(bmc)
    }

    /// Puts questions, those for the BMC and those for the shell side by side. Only a shell that
    /// cannot be had is an error; a BMC that fails gives failed answers.
    pub async fn ask(&self, queries: &[Query]) -> Result<Vec<(Query, Answer)>, Failure> {
        let (bmc, host): (Vec<Query>, Vec<Query>) = queries
            .iter()
            .cloned()
            .partition(|query| query.place() == Place::Bmc);
        let (mut answers, shell) = tokio::join!(self.ask_bmc(&bmc), async {
            if host.is_empty() {
                return Ok(Vec::new());
            }
            let batch = Batch {
                acts: Vec::new(),
                queries: host,
            };
            let reply = self.exec(&batch, ASKING, None).await?;
            Ok::<_, Failure>(reply.answers)
        });
        answers.extend(shell?);
        Ok(answers)
    }

    async fn ask_bmc(&self, queries: &[Query]) -> Vec<(Query, Answer)> {
        if queries.is_empty() {
            return Vec::new();
        }
        let bmc = match self.bmc().await {
            Ok(bmc) => bmc,
            Err(failure) => {
                let reason = std::iter::once(failure.message)
                    .chain(failure.causes)
                    .collect::<Vec<_>>()
                    .join(": ");
                return queries
                    .iter()
                    .map(|query| (query.clone(), Answer::Failed(reason.clone())))
                    .collect();
            }
        };
        let mut answers = Vec::with_capacity(queries.len());
        // One after the other: they share documents, and a BMC takes few requests at once anyway.
        for query in queries {
            let Query::Bmc(question) = query else {
                continue;
            };
            let answer = match bmc.answer(question).await {
                Ok(value) => Answer::Bmc(value),
                Err(error) => Answer::Failed(format!("{error}; {}", error.hint())),
            };
            answers.push((query.clone(), answer));
        }
        answers
    }

    /// What the BMC says of the server's power, asked afresh.
    pub async fn power(&self) -> Option<String> {
        let bmc = self.bmc().await.ok()?;
        bmc.forget().await;
        let state = bmc.answer(&BmcQuery::System).await.ok()?;
        state.get("power")?.as_str().map(str::to_owned)
    }

    pub async fn act_bmc(&self, act: &BmcAct, task: &TaskName) -> Result<(), Failure> {
        let bmc = self.bmc().await?;
        let tell = |progress: redfish::Progress| {
            self.run.hub.tell(What::TaskProgress {
                task: task.clone(),
                message: in_words(&progress),
                done: None,
                total: None,
            });
        };
        bmc.act(act, &tell).await.map_err(|error| {
            let hint = error.hint();
            failure(&error, Some(hint))
        })
    }

    /// The BMC's answers are asked anew from here on.
    pub async fn forget_bmc(&self) {
        if let Some(bmc) = &*self.bmc.read().await {
            bmc.forget().await;
        }
    }

    /// One exec. `task` names whose acts they are, for progress and for messages.
    pub async fn exec(
        &self,
        batch: &Batch,
        timeout: Duration,
        task: Option<&TaskName>,
    ) -> Result<Reply, Failure> {
        let link = self.link(Patience::Short).await?;
        let acting = !batch.acts.is_empty();
        let vault = &self.run.site.vault;
        let around = Around {
            vault,
            find: &|artifact, file| self.run.supply.find(artifact, file),
            lease: acting.then(|| script::Lease {
                seconds: timeout.as_secs() + 60,
                ..self.run.lease.clone()
            }),
        };
        let compiled = script::compile(batch, &around).map_err(|error| failure(&error, None))?;
        let exec = Exec {
            script: Secret::new(compiled.text.clone()),
            payloads: compiled.payloads.clone(),
            timeout,
        };
        let _turn = self.run.bound.acquire().await;
        let tell = |transferred: crate::link::Transferred| {
            if let Some(task) = task {
                self.run.hub.tell(What::TaskProgress {
                    task: task.clone(),
                    message: "sending".to_owned(),
                    done: Some(transferred.sent),
                    total: Some(transferred.total),
                });
            }
        };
        if acting {
            self.leased
                .store(true, std::sync::atomic::Ordering::Relaxed);
        }
        let done = tokio::select! {
            done = link.exec(exec, tell) => done.map_err(|error| {
                let hint = error.hint();
                failure(&error, Some(hint))
            }),
            () = self.run.stop.reached(Will::Now) => Err(Failure {
                message: "stopped in the middle of a step".to_owned(),
                hints: vec!["run it again: what was done is found, the rest is finished".to_owned()],
                ..Failure::default()
            }),
        };
        let done = match done {
            Ok(done) => done,
            Err(mut failure) => {
                // Whatever the connection's state is, the next exec starts with a new one.
                self.give_up_link().await;
                if failure.command.is_none() && acting {
                    failure.command = task.map(|task| task.title.clone());
                }
                return Err(failure);
            }
        };
        let reply = compiled.read(&done.stdout, &done.stderr);
        if let Some(taken) = &reply.taken {
            return Err(taken_by(&self.host.name, taken));
        }
        if reply.answers.is_empty()
            && reply.acted == 0
            && reply.failure.is_none()
            && done.status != 0
        {
            return Err(Failure {
                message: format!("the shell of {} ended before it answered", self.host.name),
                status: Some(done.status),
                output: Some(vault.redact(&reply.stray)),
                hints: vec!["log in as the same user and see what the shell says".to_owned()],
                ..Failure::default()
            });
        }
        Ok(reply)
    }

    /// Runs a text that yields a value: no frames, its standard output as it is.
    pub async fn value(
        &self,
        run: &crate::model::Text,
        timeout: Duration,
    ) -> Result<String, Failure> {
        let vault = &self.run.site.vault;
        let script = vault.reveal(run).map_err(|name| Failure {
            message: format!("the value ‹{name}› is not known yet"),
            ..Failure::default()
        })?;
        let batch = Batch {
            acts: Vec::new(),
            queries: vec![Query::Run(script)],
        };
        let reply = self.exec(&batch, timeout, None).await?;
        match reply.answers.into_iter().next() {
            Some((_, Answer::Output(output))) if output.status == 0 => {
                Ok(output.stdout.trim().to_owned())
            }
            Some((_, Answer::Output(output))) => Err(Failure {
                message: format!("{} did not yield a value", self.host.name),
                command: Some(run.to_string()),
                status: Some(output.status),
                output: Some(vault.redact(output.stderr.trim())),
                ..Failure::default()
            }),
            _ => Err(Failure {
                message: format!("{} gave no answer", self.host.name),
                command: Some(run.to_string()),
                ..Failure::default()
            }),
        }
    }

    /// Boots the host anew: proven by another boot id, asked through a new connection.
    pub async fn reboot(&self, task: &TaskName) -> Result<(), Failure> {
        const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";
        let boot = crate::model::Text::new(BOOT);
        let before = self.value(&boot, Duration::from_secs(60)).await?;
        if self.has_bmc() {
            self.act_bmc(&BmcAct::Power(crate::model::bmc::PowerGoal::Restart), task)
                .await?;
        } else {
            let batch = Batch {
                acts: vec![Action::Run(
                    // Detached and a moment later, so that this exec can end before.
                    "nohup sh -c 'sleep 1; systemctl reboot' >/dev/null 2>&1 &".into(),
                )],
                queries: Vec::new(),
            };
            self.exec(&batch, Duration::from_secs(60), Some(task))
                .await?;
        }
        let deadline = Instant::now() + self.run.options.boot;
        loop {
            self.give_up_link().await;
            self.connect(Patience::Until(deadline)).await?;
            match self.value(&boot, Duration::from_secs(60)).await {
                Ok(after) if after != before => return Ok(()),
                _ if Instant::now() > deadline => {
                    return Err(Failure {
                        message: format!("{} did not boot anew", self.host.name),
                        hints: vec!["look at its console through the BMC".to_owned()],
                        ..Failure::default()
                    });
                }
                _ => tokio::time::sleep(Duration::from_secs(2)).await,
            }
        }
    }

    /// Drops the shell's connection; the next exec opens another.
    pub async fn give_up_link(&self) {
        if let Some(link) = self.link.write().await.take() {
            let traffic = link.traffic();
            let mut past = self
                .past
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            past.connections += traffic.connections;
            past.execs += traffic.execs;
            past.sent += traffic.sent;
            past.received += traffic.received;
        }
    }

    pub async fn traffic(&self) -> Traffic {
        let mut traffic = *self
            .past
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(link) = &*self.link.read().await {
            let now = link.traffic();
            traffic.connections += now.connections;
            traffic.execs += now.execs;
            traffic.sent += now.sent;
            traffic.received += now.received;
        }
        if let Some(bmc) = &*self.bmc.read().await {
            let requests = bmc.requests();
            traffic.bmc_reads += requests.gets;
            traffic.bmc_writes += requests.writes;
        }
        traffic
    }

    /// Gives the lease back, logs out and hangs up.
    pub async fn close(&self) {
        if self
            .leased
            .swap(false, std::sync::atomic::Ordering::Relaxed)
            && let Some(link) = &*self.link.read().await
        {
            let exec = Exec {
                script: Secret::new(script::release(&self.run.lease.run)),
                payloads: Vec::new(),
                timeout: Duration::from_secs(10),
            };
            // A lease that stays behind runs out by itself.
            let _ = link.exec(exec, |_| {}).await;
        }
        if let Some(bmc) = self.bmc.write().await.take() {
            bmc.close().await;
        }
        self.give_up_link().await;
    }
}

async fn open(
    links: &Links,
    name: &str,
    target: &Target,
    wait_until: Option<Instant>,
) -> Result<Link, LinkError> {
    match wait_until {
        None => Link::open(links, name, target).await,
        Some(until) => Link::open_until(links, name, target, until).await,
    }
}

fn in_words(progress: &redfish::Progress) -> String {
    use redfish::Progress;
    match progress {
        Progress::Waiting { what, elapsed } => {
            format!("waiting for {what}, {} s so far", elapsed.as_secs())
        }
        Progress::Escalating { from, to } => format!("{from} was not enough: {to}"),
        Progress::Task { state, percent } => match percent {
            Some(percent) => format!("task {state}, {percent} %"),
            None => format!("task {state}"),
        },
        Progress::Note(note) => note.clone(),
    }
}

fn taken_by(host: &str, taken: &str) -> Failure {
    let (until, holder) = taken.split_once(' ').unwrap_or((taken, "somebody"));
    let until = until
        .parse::<i64>()
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map(|time| time.to_string())
        .unwrap_or_default();
    Failure {
        message: format!("{host} is being changed by another run, of {holder}"),
        hints: vec![format!(
            "wait for that run to end; if it is dead, its hold ends by itself at {until}"
        )],
        ..Failure::default()
    }
}
