//! One emulated BMC for one test.

use std::time::Duration;

use ra_deploy::lab::bmc::{self, BmcConfig, EmulatorConfig, Profile, Seconds, Timing};
use ra_deploy::model::{Endpoint, Secret, Trust};
use ra_deploy::redfish::{Bmc, Error, Options};

pub struct Emulated {
    pub endpoint: Endpoint,
    _state: tempfile::TempDir,
    _stop: tokio::sync::oneshot::Sender<()>,
}

/// Times some fifty times shorter than the emulator's own.
fn brisk() -> Timing {
    let short = Seconds(0.03);
    Timing {
        power_on: short,
        shutdown: short,
        shutdown_limit: Seconds(1.0),
        post: Seconds(0.15),
        system_boot: short,
        cycle_pause: short,
        bmc_reset: Seconds(0.3),
        task: Seconds(0.1),
        media_lag: Seconds(0.1),
        state_poll: Seconds(0.01),
    }
}

pub async fn start(profile: Profile, faults: &[&str]) -> Emulated {
    start_with(profile, faults, |_| ()).await
}

pub async fn start_with(
    profile: Profile,
    faults: &[&str],
    change: impl FnOnce(&mut BmcConfig),
) -> Emulated {
    let state = tempfile::tempdir().expect("a folder");
    let mut config = BmcConfig::named("w01");
    config.profile = Some(profile);
    config.faults = faults
        .iter()
        .map(|fault| fault.parse().expect("a fault"))
        .collect();
    config.timing = brisk();
    change(&mut config);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let emulator = EmulatorConfig {
        listen: std::net::Ipv4Addr::LOCALHOST.into(),
        certificate: None,
        key: None,
        state_dir: state.path().into(),
        seed: 1,
        bmcs: vec![config],
    };
    let running = bmc::serve(emulator, async {
        let _ = stopped.await;
    })
    .await
    .expect("an emulator");
    Emulated {
        endpoint: Endpoint {
            url: format!(
                "https://{}",
                running.addresses.values().next().expect("one BMC")
            ),
            user: "admin".into(),
            password: Secret::new("password"),
            first_password: None,
            trust: Trust::Pin(running.fingerprint.clone()),
        },
        _state: state,
        _stop: stop,
    }
}

impl Emulated {
    pub async fn connect(&self) -> Result<Bmc, Error> {
        Bmc::connect(self.endpoint.clone(), swift()).await
    }
}

/// Budgets in proportion to [`brisk`].
pub fn swift() -> Options {
    let milliseconds = Duration::from_millis;
    Options {
        pause: milliseconds(20),
        pause_cap: milliseconds(200),
        silence_budget: milliseconds(1500),
        ready_budget: milliseconds(4000),
        poll: milliseconds(20),
        graceful_budget: milliseconds(1000),
        power_budget: milliseconds(1000),
        boot_budget: milliseconds(1000),
        read_back_budget: milliseconds(1000),
        task_budget: milliseconds(4000),
        ..Options::default()
    }
}
