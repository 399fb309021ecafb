//! Our own client against the emulator, in every profile.

use std::sync::Mutex;
use std::time::Duration;

use super::Bench;
use crate::lab::bmc::{BmcConfig, MediaAccess, Profile};
use crate::model::bmc::{BmcAct, BmcQuery};
use crate::model::{Endpoint, Secret, Trust};
use crate::redfish::{Bmc, Error, Options, Progress};

/// Bounds that suit the emulator's brisk timing.
pub fn options() -> Options {
    let milliseconds = Duration::from_millis;
    Options {
        pause: milliseconds(20),
        pause_cap: milliseconds(100),
        silence_budget: Duration::from_secs(5),
        ready_budget: Duration::from_secs(10),
        poll: milliseconds(20),
        graceful_budget: Duration::from_secs(5),
        power_budget: Duration::from_secs(5),
        boot_budget: Duration::from_secs(5),
        read_back_budget: Duration::from_secs(1),
        task_budget: Duration::from_secs(4),
        update_budget: Duration::from_secs(10),
        ..Options::default()
    }
}

/// A BMC of a profile with a client that is logged in.
pub struct Told {
    /// Ends with this.
    _bench: Bench,
    pub bmc: Bmc,

    pub notes: Mutex<Vec<String>>,
}

impl Told {
    pub async fn start(profile: Profile, adjust: impl FnOnce(&mut BmcConfig)) -> Self {
        let bench = Bench::start(|bmc| {
            bmc.profile = Some(profile);
            adjust(bmc);
        })
        .await;
        let endpoint = Endpoint {
            url: bench.base.clone(),
            user: "admin".into(),
            password: Secret::new("password"),
            first_password: None,
            trust: Trust::Insecure,
        };
        let bmc = Bmc::connect(endpoint, options()).await.expect("a login");
        Self {
            _bench: bench,
            bmc,

            notes: Mutex::default(),
        }
    }

    pub async fn act(&self, act: BmcAct) -> Result<(), Error> {
        self.bmc
            .act(&act, &|progress| {
                if let Progress::Note(note) = progress {
                    self.notes.lock().expect("no panic").push(note);
                }
            })
            .await
    }

    pub async fn state<T: serde::de::DeserializeOwned>(&self, query: BmcQuery) -> T {
        self.bmc.forget().await;
        let answer = self.bmc.answer(&query).await.expect("an answer");
        serde_json::from_value(answer).expect("its state")
    }

    /// How many requests that change something were sent so far.
    pub fn writes(&self) -> u64 {
        self.bmc.requests().writes
    }
}

/// With `Fetched` an image has to be there.
pub fn fetches(bmc: &mut BmcConfig) {
    bmc.media_access = MediaAccess::Fetched;
}
