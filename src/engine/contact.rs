//! One host in a run: a shell and a BMC, opened when first needed and once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::RwLock;

use super::failures::{of_link, stopped, taken_by};
use super::hub::failure;
use super::run::Run;
use super::stop::Will;
use crate::config::Host;
use crate::event::{Failure, TaskName, Traffic, What};
use crate::link::script::{self, Around, Batch, Reply};
use crate::link::{Error as LinkError, Links};
use crate::link::{Exec, Link};
use crate::model::{Action, Answer, BmcAct, Place, Query, Secret, Target};
use crate::redfish::Bmc;

/// How long questions may take together.
const ASKING: Duration = Duration::from_secs(300);

/// How long giving a host back may take.
const HANGING_UP: Duration = Duration::from_secs(10);

pub struct Contact {
    pub(super) run: Arc<Run>,
    pub host: Arc<Host>,
    link: RwLock<Option<Arc<Link>>>,
    pub(super) bmc: RwLock<Option<Arc<Bmc>>>,
    /// Why the BMC could not be had when it was last tried: it is not tried again for the next
    /// question of the same round.
    pub(super) without_bmc: std::sync::Mutex<Option<Failure>>,
    /// Traffic of links that were given up, as after a boot.
    past: std::sync::Mutex<Traffic>,
    leased: std::sync::atomic::AtomicBool,
    /// Whether this run has ordered the server's power: a boot may be under way.
    pub(super) switched: std::sync::atomic::AtomicBool,
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
            without_bmc: std::sync::Mutex::default(),
            past: std::sync::Mutex::default(),
            leased: std::sync::atomic::AtomicBool::new(false),
            switched: std::sync::atomic::AtomicBool::new(false),
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
        // Waiting changes nothing on the host: the first wish to stop ends it.
        let link = tokio::select! {
            link = open(&self.run.links, name, target, wait_until) => {
                link.map_err(|error| of_link(name, &error))?
            }
            () = self.run.stop.reached(Will::Finish), if wait_until.is_some() => {
                return Err(Failure {
                    message: format!("stopped while waiting for {name} to come up"),
                    hints: vec!["run it again: it goes on waiting where it stopped".to_owned()],
                    ..Failure::default()
                });
            }
        };
        let link = Arc::new(link);
        *slot = Some(link.clone());
        Ok(link)
    }

    /// Puts questions, those for the BMC and those for the shell side by side. Only a shell that
    /// cannot be had is an error; a BMC that fails gives failed answers.
    pub async fn ask(&self, queries: &[Query]) -> Result<Vec<(Query, Answer)>, Failure> {
        // What several steps want to know is asked once.
        let queries: std::collections::BTreeSet<Query> = queries.iter().cloned().collect();
        let (bmc, host): (Vec<Query>, Vec<Query>) = queries
            .into_iter()
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
            lease: acting.then(|| self.run.lease.clone()),
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
            done = link.exec(exec, tell) => {
                done.map_err(|error| of_link(&self.host.name, &error))
            }
            () = self.run.stop.reached(Will::Now) => Err(stopped()),
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
        if !self.has_shell() && self.has_bmc() {
            return self.reboot_by_bmc(task).await;
        }
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

    /// Says that this run is alive and still holds the host, where it has acted.
    pub async fn keep_lease(&self) {
        // Whoever connects or gives up at the moment needs no sign of life now.
        let linked = self.link.try_read().is_ok_and(|link| link.is_some());
        if linked && self.leased.load(std::sync::atomic::Ordering::Relaxed) {
            let renew = script::renew(&self.run.lease);
            let _ = tokio::time::timeout(HANGING_UP, self.aside(renew)).await;
        }
    }

    /// A small script beside the walk.
    async fn aside(&self, script: String) -> Result<(), Failure> {
        let link = self.link(Patience::Short).await?;
        let exec = Exec {
            script: Secret::new(script),
            payloads: Vec::new(),
            timeout: HANGING_UP,
        };
        let ended = link.exec(exec, |_| {}).await;
        ended.map(drop).map_err(|error| failure(&error, None))
    }

    /// Gives the lease back, logs out and hangs up.
    pub async fn close(&self) {
        if self
            .leased
            .swap(false, std::sync::atomic::Ordering::Relaxed)
        {
            // Also over a new connection where the old one broke, or the next run would wait for
            // this one. A lease that stays behind all the same runs out by itself.
            let release = script::release(&self.run.lease);
            let _ = tokio::time::timeout(HANGING_UP, self.aside(release)).await;
        }
        if let Some(bmc) = self.bmc.write().await.take() {
            bmc.close().await;
        }
        self.give_up_link().await;
    }
}

pub(super) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
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
