//! One BMC with everything it knows. Answers are made under a lock that is never held while
//! waiting; what takes time runs as a task of its own and gives up when a newer one supersedes it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::certificate::Served;
use super::config::BmcConfig;
use super::count::{Counter, Counts};
use super::error::BmcError;
use super::faults::{FaultKind, Faults};
use super::hooks::{HookValues, Lamp};
use super::model::Identity;
use super::profile::Dialect;
use super::session::{Session, strangers};
use super::state::{Account, Power, Stage, State, TaskState};
use super::tree::Tree;

pub struct Bmc {
    pub config: BmcConfig,
    pub dialect: Dialect,
    pub tree: Arc<Tree>,
    pub identity: Identity,
    pub state_path: PathBuf,
    pub address: OnceLock<SocketAddr>,
    served: RwLock<Option<Served>>,
    /// Counts cuts: a change closes the open connections.
    pub cut: watch::Sender<u64>,
    /// Until when the BMC is away for its own restart.
    pub away: watch::Sender<Option<Instant>>,
    pub counter: Counter,
    /// Held from a change's precondition to its end.
    pub writing: tokio::sync::Mutex<()>,
    inner: Mutex<Inner>,
}

/// What changes.
pub struct Inner {
    pub state: State,
    pub sessions: Vec<Session>,
    pub faults: Faults,
    /// Counts power sequences; a sequence that is not the newest stops.
    pub sequence: u64,
    pub sequence_runs: bool,
    /// When the state hook was last asked.
    pub looked: Option<Instant>,
    pub empty_until: Option<Instant>,
    pub touched: bool,
    pub jobs_gone_until: Option<Instant>,
    pub not_ready_until: Option<Instant>,
    pub powered_off: Option<Instant>,
    /// Monitors that have told the end of their task.
    pub monitors_told: Vec<String>,
    pub signing_request_key: Option<String>,
    pub seed: u64,
}

impl Bmc {
    pub fn counts(&self) -> Counts {
        let inner = self.lock();
        let own = inner.sessions.iter().filter(|one| !one.is_strange());
        self.counter.read(own.count())
    }

    pub fn new(
        config: BmcConfig,
        tree: Arc<Tree>,
        state_path: PathBuf,
        seed: u64,
    ) -> Result<Arc<Self>, BmcError> {
        let profile = config.profile.unwrap_or_else(|| match &config.tree {
            Some(_) => super::captured::profile_of(&tree),
            None => super::profile::Profile::Generic,
        });
        let dialect = profile.dialect();
        let now = Timestamp::now();
        let loaded = State::load(&state_path)?;
        let fresh = loaded.is_none();
        let limit = config.session_limit.unwrap_or(dialect.session_limit);
        let faults = Faults::new(&config.faults, seed, &config.name);
        let sessions = if faults.is_active(FaultKind::SessionsExhausted) {
            strangers(limit)
        } else {
            Vec::new()
        };
        let identity = Identity::new(&config.name);
        let bmc = Arc::new(Self {
            identity,
            dialect,
            tree,
            state_path,
            address: OnceLock::new(),
            served: RwLock::new(None),
            cut: watch::Sender::new(0),
            away: watch::Sender::new(None),
            counter: Counter::default(),
            writing: tokio::sync::Mutex::default(),
            inner: Mutex::new(Inner {
                state: loaded.unwrap_or_else(|| State::fresh(now)),
                sessions,
                faults,
                sequence: 0,
                sequence_runs: false,
                looked: None,
                empty_until: None,
                touched: false,
                jobs_gone_until: None,
                not_ready_until: None,
                powered_off: None,
                monitors_told: Vec::new(),
                signing_request_key: None,
                seed,
            }),
            config,
        });
        if fresh {
            bmc.begin();
        }
        bmc.expire_password();
        Ok(bmc)
    }

    /// The very first start: what the configuration wishes, and the machine as recorded.
    fn begin(&self) {
        let mut inner = self.lock();
        let account = self.first_account();
        // A recorded account takes the configured user's name.
        if let Some(mut document) = self.stored(&inner, &account)
            && document["UserName"].as_str() != Some(&self.config.user)
        {
            document["UserName"] = json!(self.config.user);
            inner
                .state
                .documents
                .insert(account.clone(), Some(document));
        }
        inner.state.accounts.insert(
            account,
            Account {
                user: self.config.user.clone(),
                password: self.config.password.clone(),
                role: "Administrator".into(),
                enabled: true,
                change_required: false,
            },
        );
        let recorded = self.tree.value(&self.tree.anatomy.system);
        if recorded.is_some_and(|system| system["PowerState"] == json!("On"))
            && self.config.hook.state.is_empty()
        {
            inner.state.power = Power::On;
            inner.state.stage = Stage::SystemRunning;
        }
        if !self.config.attributes.is_empty() {
            for path in &self.tree.anatomy.bios {
                let Some(mut bios) = self.stored(&inner, path) else {
                    continue;
                };
                for (name, value) in &self.config.attributes {
                    bios["Attributes"][name] = value.clone();
                }
                inner.state.documents.insert(path.clone(), Some(bios));
            }
        }
        self.save(&inner);
    }

    /// The fault `password-expired`: the configured user's password must be changed.
    fn expire_password(&self) {
        let mut inner = self.lock();
        if !inner.faults.is_active(FaultKind::PasswordExpired) {
            return;
        }
        for account in inner.state.accounts.values_mut() {
            account.change_required |=
                account.user == self.config.user && account.password == self.config.password;
        }
    }

    /// Where the configured user's account lives.
    fn first_account(&self) -> String {
        let collection = self
            .tree
            .anatomy
            .accounts
            .clone()
            .unwrap_or_else(|| "/redfish/v1/AccountService/Accounts".into());
        let members = self
            .tree
            .value(&collection)
            .map(|document| super::tree::members(&document))
            .unwrap_or_default();
        members
            .into_iter()
            .find(|path| {
                self.tree.value(path).is_some_and(|account| {
                    account["RoleId"] == json!("Administrator")
                        && account["Enabled"] != json!(false)
                })
            })
            .unwrap_or_else(|| format!("{collection}/1"))
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The certificate of new connections.
    pub fn serve_with(&self, served: Served) {
        *self
            .served
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(served);
    }

    pub fn served(&self) -> Option<Served> {
        self.served
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub fn session_limit(&self) -> usize {
        self.config
            .session_limit
            .unwrap_or(self.dialect.session_limit)
    }

    pub fn save(&self, inner: &Inner) {
        if let Err(error) = inner.state.save(&self.state_path) {
            tracing::warn!(bmc = %self.config.name, %error, "state not saved");
        }
    }

    /// The document as it stands, without what is computed for each answer; placeholders filled.
    pub fn stored(&self, inner: &Inner, path: &str) -> Option<Value> {
        if let Some(document) = inner.state.documents.get(path) {
            return document.clone();
        }
        let document = self.tree.document(path)?;
        if document.status != 200 || document.kind != super::tree::TextKind::Json {
            return None;
        }
        serde_json::from_str(&self.fill(&document.text)).ok()
    }

    /// Puts the BMC's own values for the model's placeholders. Captured trees have none.
    pub fn fill(&self, text: &str) -> String {
        if !text.contains("{{") {
            return text.to_owned();
        }
        self.identity.fill(text, &|word| match word {
            "user" => Some(self.config.user.clone()),
            "now" => Some(super::view::time(Timestamp::now())),
            "address" => Some(
                self.address
                    .get()
                    .map_or_else(|| "127.0.0.1".into(), |address| address.ip().to_string()),
            ),
            "certificate" => {
                let pem = self.served().map(|served| served.pem).unwrap_or_default();
                Some(pem.replace('\n', "\\n").replace('\r', ""))
            }
            _ => None,
        })
    }

    /// Puts a changed document in place of the tree's, and saves.
    pub fn put(&self, inner: &mut Inner, path: &str, document: Value) {
        inner
            .state
            .documents
            .insert(path.to_owned(), Some(document));
        self.save(inner);
    }

    /// Adds or removes a member of a collection.
    pub fn enlist(&self, inner: &mut Inner, collection: &str, member: &str, present: bool) {
        let Some(mut document) = self.stored(inner, collection) else {
            return;
        };
        let Some(members) = document["Members"].as_array_mut() else {
            return;
        };
        members.retain(|entry| entry["@odata.id"].as_str() != Some(member));
        if present {
            members.push(json!({"@odata.id": member}));
        }
        document["Members@odata.count"] = json!(document["Members"].as_array().map_or(0, Vec::len));
        self.put(inner, collection, document);
    }

    /// Goes on with what a stopped emulator left unfinished.
    pub fn resume(self: &Arc<Self>) {
        let (power, stage, running) = {
            let inner = self.lock();
            let running: Vec<_> = inner
                .state
                .tasks
                .iter()
                .filter(|task| task.state == TaskState::Running)
                .map(|task| task.id.clone())
                .collect();
            (inner.state.power, inner.state.stage, running)
        };
        for id in running {
            self.finish_later(id);
        }
        if power == Power::PoweringOff {
            self.begin_sequence(super::power::Sequence::Off { graceful: false });
        } else if power == Power::PoweringOn
            || (power == Power::On && stage != Stage::SystemRunning)
        {
            self.begin_sequence(super::power::Sequence::On);
        }
    }

    /// Values for the hooks' placeholders.
    pub fn hook_values<'a>(
        &'a self,
        action: &'a str,
        boot: &'a str,
        image: &'a str,
    ) -> HookValues<'a> {
        HookValues {
            machine: self.config.machine(),
            action,
            boot,
            image,
            state: self.state_path.to_str().unwrap_or_default(),
        }
    }

    /// Asks the state hook, no more often than `state-poll`, and takes over what the machine did
    /// by itself: power off, power on, or a boot.
    pub async fn look(self: &Arc<Self>) {
        if self.config.hook.state.is_empty() {
            return;
        }
        {
            let mut inner = self.lock();
            let recent = inner
                .looked
                .is_some_and(|at| at.elapsed() < self.config.timing.state_poll.duration());
            if inner.sequence_runs || recent {
                return;
            }
            inner.looked = Some(Instant::now());
        }
        let lamp = self.lamp().await;
        let mut inner = self.lock();
        if inner.sequence_runs {
            return;
        }
        match lamp {
            Ok(Some(lamp)) => self.believe(&mut inner, lamp),
            Ok(None) => {}
            Err(problem) => {
                tracing::warn!(bmc = %self.config.name, %problem, "state hook failed");
                inner.state.note("Warning", problem);
            }
        }
    }

    pub async fn lamp(&self) -> Result<Option<Lamp>, String> {
        self.config.hook.look(&self.hook_values("", "", "")).await
    }

    fn believe(&self, inner: &mut Inner, lamp: Lamp) {
        match (inner.state.power, lamp) {
            (Power::On, Lamp::Off) => {
                inner.state.power = Power::Off;
                inner.state.stage = Stage::None;
                inner.state.seen_boot = None;
                inner.state.note("OK", "the machine powered off by itself");
                self.save(inner);
            }
            (Power::Off, Lamp::On { boot }) => {
                inner.state.power = Power::On;
                inner
                    .state
                    .note("OK", "the machine was powered on by other means");
                self.booted(inner, boot);
            }
            (Power::On, Lamp::On { boot }) if boot.is_some() && boot != inner.state.seen_boot => {
                if inner.state.seen_boot.is_some() {
                    inner.state.note("OK", "the machine restarted by itself");
                    self.booted(inner, boot);
                } else {
                    inner.state.seen_boot = boot;
                    self.save(inner);
                }
            }
            _ => {}
        }
    }

    /// A boot that the BMC did not cause.
    fn booted(&self, inner: &mut Inner, boot: Option<String>) {
        inner.state.last_reset = Timestamp::now();
        inner.state.boots += 1;
        inner.state.seen_boot = boot;
        self.apply_bios(inner);
        self.take_boot_target(inner);
        inner.state.stage = Stage::SystemRunning;
        self.save(inner);
    }

    /// Cuts every open connection.
    pub fn cut_connections(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    /// Restarts the BMC: connections drop, its port is closed for a while, sessions are gone.
    pub fn restart(self: &Arc<Self>) {
        let pause = self.config.timing.bmc_reset.duration();
        let back = Instant::now() + pause;
        {
            let mut inner = self.lock();
            inner.sessions.clear();
            inner.monitors_told.clear();
            inner.state.last_bmc_reset = Timestamp::now();
            inner.state.note("OK", "the BMC restarted");
            self.mark_reset(&mut inner, back);
            if let Some(seconds) = inner.faults.value(FaultKind::EmptyMembers) {
                inner.empty_until = Some(back + Duration::from_secs(seconds));
            }
            if self.dialect.after_reset == super::profile::AfterReset::NotReady {
                inner.not_ready_until = Some(back + pause / 2);
            }
            self.save(&inner);
        }
        let bmc = Arc::clone(self);
        tokio::spawn(async move {
            // The answer to the reset itself still goes out.
            tokio::time::sleep(Duration::from_millis(100)).await;
            bmc.away.send_replace(Some(back));
            bmc.cut_connections();
        });
    }

    /// Jobs are gone for a while after a reset, where that fault is on.
    pub fn mark_reset(&self, inner: &mut Inner, back: Instant) {
        if let Some(seconds) = inner.faults.value(FaultKind::JobGoneAfterReset) {
            inner.jobs_gone_until = Some(back + Duration::from_secs(seconds));
        }
    }
}
