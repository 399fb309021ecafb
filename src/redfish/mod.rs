//! The redfish room: a BMC is asked and told over HTTPS, leniently, and nothing counts as done
//! before it is proven.
//!
//! Documents stay JSON values; small typed structs of the model are composed from them. Only
//! links are followed, no address is built from an identifier. One session a BMC and run; a
//! document is fetched once between two acts. What single vendors do otherwise than the standard
//! stands in `quirks`, each with its source.

mod accounts;
mod bios;
mod boot;
mod boot_order;
mod certificate;
mod document;
mod early;
mod error;
mod firmware;
mod hardware;
mod insert;
mod jobs;
mod links;
mod logs;
mod manager;
mod media;
mod message;
mod once;
mod options;
mod power;
mod quirks;
mod registry;
mod retry;
mod secure_boot;
mod serve;
mod session;
mod settings;
mod settings_boot;
mod survey;
mod system;
mod task;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transport;
mod trust;
mod upload;
mod volume;
mod waiting;
mod witness;
mod write;

pub use certificate::Shown as ShownCertificate;
pub use error::{Arrival, Error};
pub use message::Message;
pub use options::{FirstLogin, Listener, Options, Progress, Requests};
pub use serve::{Fetched, ImageServer, address_towards};
pub use trust::{certificate, fetchable, normalise as normalise_pin};

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Mutex, RwLock};

use self::boot::Lasts;
use self::early::Early;
use self::once::Once;
use self::survey::{Cache, ROOT, Survey, fetch};
use self::transport::Client;
use self::witness::Witness;
use crate::model::bmc::{BootOverride, PowerGoal};
use crate::model::{BmcAct, BmcQuery, Endpoint};

/// A connection to one BMC.
///
/// Give it up with [`Bmc::close`]; a drop without it logs out too, but blocks for that.
pub struct Bmc {
    cache: RwLock<Cache>,
    /// An override that was wished once and that the BMC took for good.
    once: Mutex<Option<Once>>,
    /// Staged BIOS attributes that the BMC shows as if they were in force.
    early: Mutex<Option<Early>>,
    client: Client,
}

impl Bmc {
    /// Logs in: by a session where there is a SessionService, else by basic authentication with
    /// every request; without a user, not at all.
    ///
    /// # Errors
    /// Whatever keeps the BMC from being asked; each with a hint.
    pub async fn connect(endpoint: Endpoint, options: Options) -> Result<Self, Error> {
        let client = Client::new(endpoint, options)?;
        let not_redfish = |reason: String| Error::NotRedfish {
            origin: client.origin.clone(),
            reason,
        };
        let root = match fetch(&client, ROOT).await {
            Ok(root) => root,
            // The fingerprint is what a person needs to know now.
            Err(Error::Certificate { origin, reason, .. }) => {
                let shown = trust::certificate(&client.endpoint.url).await;
                return Err(Error::Certificate {
                    origin,
                    reason,
                    fingerprint: shown.ok().map(|shown| shown.fingerprint),
                });
            }
            Err(Error::Missing { path }) => return Err(not_redfish(format!("there is no {path}"))),
            Err(Error::Malformed { reason, .. }) => {
                return Err(not_redfish(format!("its root: {reason}")));
            }
            Err(error) => return Err(error),
        };
        if root.text("RedfishVersion").is_none() && root.link("Systems").is_none() {
            return Err(not_redfish(
                "its root has neither RedfishVersion nor Systems".into(),
            ));
        }
        client.log_in(&root).await?;
        Ok(Self {
            cache: RwLock::new(Cache::with_root(root)),
            once: Mutex::new(None),
            early: Mutex::new(None),
            client,
        })
    }

    /// Answers a question; read-only. Documents that were read since the last act, or since
    /// [`Bmc::forget`], are not fetched again.
    ///
    /// # Errors
    /// Only where the answer as a whole cannot be given; what is unreadable within it stands in
    /// the answer.
    pub async fn answer(&self, query: &BmcQuery) -> Result<Value, Error> {
        let cache = self.cache.read().await;
        let survey = Survey {
            client: &self.client,
            cache: &cache,
        };
        match query {
            BmcQuery::Documents(path) => survey.walk(path).await.map(Value::Array),
            BmcQuery::System => {
                let mut state = system::state(&survey).await?;
                if let Some(once) = &*self.once.lock().await {
                    once.colour(&mut state);
                }
                Ok(json(state))
            }
            BmcQuery::Bios => {
                let mut state = bios::state(&survey).await?;
                let mut early = self.early.lock().await;
                if let Some(one) = early.as_mut() {
                    let system = fetch(&self.client, &survey.system().await?.path).await?;
                    if !one.colour(&mut state, &Witness::of(&system)) {
                        *early = None;
                    }
                }
                Ok(json(state))
            }
            BmcQuery::BiosRegistry => registry::read(&survey).await.map(json),
            BmcQuery::Media => media::state(&survey).await.map(json),
            BmcQuery::SecureBoot => secure_boot::state(&survey).await.map(json),
            BmcQuery::BootOrder => boot_order::state(&survey).await.map(json),
            BmcQuery::Firmware => firmware::state(&survey).await.map(json),
            BmcQuery::Storage => volume::state(&survey).await.map(json),
            BmcQuery::Waiting => Ok(json(waiting::state(&self.client))),
            BmcQuery::Hardware => hardware::read(&survey).await,
            BmcQuery::Logs => Ok(json(logs::read(&survey).await?)),
            BmcQuery::Jobs => Ok(json(jobs::read(&survey).await?)),
            BmcQuery::Settings => Ok(json(settings::read(&survey).await?)),
            BmcQuery::Accounts => Ok(json(accounts::read(&survey).await?)),
            BmcQuery::Login { user, password } => {
                Ok(json(accounts::login(&survey, user, password).await?))
            }
            BmcQuery::Sessions => Ok(json(manager::sessions(&survey).await?)),
        }
    }

    /// Carries out an act and proves it. Everything read before is forgotten.
    ///
    /// # Errors
    /// [`Error::NotProven`] where the BMC accepted and nothing happened.
    pub async fn act(&self, act: &BmcAct, progress: Listener<'_>) -> Result<(), Error> {
        // Written to for as long as it takes: nobody reads in between what is about to change.
        let mut cache = self.cache.write().await;
        let mut lost = 0;
        loop {
            *cache = Cache::default();
            let survey = Survey {
                client: &self.client,
                cache: &cache,
            };
            let outcome = match act {
                BmcAct::StageBios { attributes } => self.stage(&survey, attributes, progress).await,
                BmcAct::BootForSettings => {
                    let unseen = self.early.lock().await.is_some();
                    settings_boot::boot(&survey, unseen, progress).await
                }
                BmcAct::Power(goal) => {
                    let outcome = power::bring(&survey, *goal, progress).await;
                    if outcome.is_ok() {
                        waiting::after(&self.client, *goal);
                    }
                    outcome
                }
                BmcAct::SetBoot(wanted) => self.set_boot(&survey, wanted, progress).await,
                BmcAct::UpdateFirmware(order) => firmware::update(&survey, order, progress).await,
                BmcAct::CreateVolume(order) => volume::create(&survey, order, progress).await,
                BmcAct::DeleteVolume(path) => volume::delete(&survey, path, progress).await,
                BmcAct::BootStaged => waiting::boot(&survey, progress).await,
                BmcAct::InsertMedia(medium) => media::insert(&survey, medium, progress).await,
                BmcAct::EjectMedia(drive) => media::eject(&survey, *drive, progress).await,
                BmcAct::SetSettings(wish) => settings::set(&survey, wish, progress).await,
                BmcAct::SetAccount(wish) => accounts::set(&survey, wish, progress).await,
                BmcAct::ClearLogs => logs::clear(&survey, progress).await,
                BmcAct::ClearJobs { force } => jobs::clear(&survey, *force, progress).await,
                BmcAct::ResetBmc => manager::reset(&survey, progress).await,
                BmcAct::SetSecureBoot(wish) => secure_boot::set(&survey, wish).await,
                BmcAct::SetBootOrder { order } => boot_order::set(&survey, order, progress).await,
            };
            *cache = Cache::default();
            match outcome {
                // An answer got lost on its way. Each act begins by looking at what is there
                // already, so that beginning again repeats only what did not happen.
                Err(Error::Unreachable {
                    arrival: Arrival::Possible,
                    ..
                }) if lost < 3 => {
                    lost += 1;
                    progress(Progress::Note(
                        "the BMC broke off an answer; looking at what came of it".into(),
                    ));
                }
                Ok(())
                    if matches!(
                        act,
                        BmcAct::Power(_) | BmcAct::BootForSettings | BmcAct::BootStaged
                    ) =>
                {
                    if matches!(
                        act,
                        BmcAct::Power(PowerGoal::Restart | PowerGoal::ForceRestart)
                            | BmcAct::BootForSettings
                            | BmcAct::BootStaged
                    ) {
                        *self.early.lock().await = None;
                    }
                    return self
                        .restore_once(self.client.options.ready_budget, progress)
                        .await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn stage(
        &self,
        survey: &Survey<'_>,
        attributes: &BTreeMap<String, Value>,
        progress: Listener<'_>,
    ) -> Result<(), Error> {
        if let Some(shown) = bios::stage(survey, attributes, progress).await? {
            let mut early = self.early.lock().await;
            *early = Some(shown.joined(early.take()));
        }
        Ok(())
    }

    async fn set_boot(
        &self,
        survey: &Survey<'_>,
        wanted: &BootOverride,
        progress: Listener<'_>,
    ) -> Result<(), Error> {
        let lasts = boot::set(survey, wanted, progress).await?;
        *self.once.lock().await = match lasts {
            Lasts::ForGood => Some(Once::begin(survey, wanted).await?),
            Lasts::AsWished => None,
        };
        Ok(())
    }

    /// Takes away an override that was wished once, when a boot has used it.
    async fn restore_once(&self, budget: Duration, progress: Listener<'_>) -> Result<(), Error> {
        let mut kept = self.once.lock().await;
        let Some(once) = kept.as_mut() else {
            return Ok(());
        };
        // A server that is off has a boot still to come.
        let off = fetch(&self.client, &self.system_path().await?).await?;
        if off
            .text("PowerState")
            .is_some_and(|power| power.eq_ignore_ascii_case("Off"))
        {
            return Ok(());
        }
        if once.restore(&self.client, budget, progress).await? {
            *kept = None;
        }
        Ok(())
    }

    async fn system_path(&self) -> Result<String, Error> {
        let cache = Cache::default();
        let survey = Survey {
            client: &self.client,
            cache: &cache,
        };
        Ok(survey.system().await?.path.clone())
    }

    /// Forgets what was read, so that the next questions see the BMC as it is now.
    pub async fn forget(&self) {
        *self.cache.write().await = Cache::reading();
    }

    /// Whether logging in meant to replace the password that the BMC was delivered with.
    pub fn password_was_set(&self) -> bool {
        self.client.login.password_was_set()
    }

    /// What was sent so far.
    pub fn requests(&self) -> Requests {
        self.client.counters.read()
    }

    /// Logs out. Requests that are still under way, or come later, fail with [`Error::Closed`]
    /// instead of logging in again.
    pub async fn close(&self) {
        // A boot that somebody else made, such as the host itself, has used it as well.
        let quiet = |progress: Progress| tracing::debug!(?progress, "at the end");
        if let Err(error) = self.restore_once(Duration::ZERO, &quiet).await {
            tracing::warn!(%error, "the boot override was wished once, and stays");
        }
        self.client.log_out().await;
    }
}

/// The model's structs always serialise: their keys are strings.
fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
