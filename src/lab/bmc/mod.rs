//! The BMC emulator: any number of Redfish services in one process, for trying ra-deploy, and
//! other clients, without hardware.
//!
//! A BMC serves a tree of documents: one of its own [`Profile`]s, or a captured one. What a PATCH,
//! an action or a boot changes is kept beside the tree; trees are shared and never change. Time is
//! real: BIOS settings wait for a boot, boots pass through their stages, tasks take their time, a
//! BMC that restarts is away. [`Fault`]s of real BMCs are switched on by name. A [`Hook`] connects
//! the power button and lamp to a machine.
//!
//! ```text
//! server -> dispatch -> session, faults          who asks, and what goes wrong
//!                    -> view, query              GET
//!                    -> patch, bios, boot, media, accounts
//!                    -> action, power, storage, update, certificate, tasks
//! machine + state: what one BMC knows; tree + anatomy: what it began with
//! ```

mod accounts;
mod action;
mod anatomy;
mod answer;
mod bios;
mod boot;
mod captured;
mod certificate;
mod config;
mod count;
mod dependency;
mod dispatch;
mod error;
mod faults;
mod guards;
mod hooks;
mod machine;
mod media;
mod message;
mod model;
mod patch;
mod power;
mod profile;
mod query;
mod registry;
mod secure_boot;
mod server;
mod session;
mod state;
mod storage;
mod tasks;
mod tree;
mod update;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use config::{BmcConfig, EmulatorConfig, MediaAccess, Seconds, Timing};
pub use count::Counts;
pub use error::BmcError;
pub use faults::{Fault, FaultKind};
pub use hooks::Hook;
pub use profile::Profile;

use machine::Bmc;
use state::State;
use tree::Tree;

/// An emulator at work.
pub struct Running {
    /// Where each BMC answers, by its name.
    pub addresses: BTreeMap<String, SocketAddr>,
    /// `sha256:` and the digest of the certificate in lower-case hex, for clients to pin.
    pub fingerprint: String,
    servers: Vec<JoinHandle<()>>,
    bmcs: Vec<Arc<Bmc>>,
}

impl Running {
    /// What each BMC was asked until now, and how many sessions are open on it, by its name.
    pub fn counts(&self) -> BTreeMap<String, Counts> {
        self.bmcs
            .iter()
            .map(|bmc| (bmc.config.name.clone(), bmc.counts()))
            .collect()
    }

    /// Waits until every BMC has stopped, after the shutdown given to [`serve`].
    pub async fn stopped(&mut self) {
        // One at a time and taken out when over: who stops waiting may begin again.
        while let Some(server) = self.servers.last_mut() {
            let _ = server.await;
            self.servers.pop();
        }
    }
}

/// Starts every BMC of the configuration and returns as soon as all of them answer. They stop when
/// `shutdown` is done; their state stays in `state_dir`.
///
/// # Errors
/// A configuration that contradicts itself, a certificate, tree or state that cannot be read, or
/// an address that is not free. Nothing is left running then.
pub async fn serve(
    config: EmulatorConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, BmcError> {
    config.check()?;
    // Fails only when another part of the program has chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    std::fs::create_dir_all(&config.state_dir).map_err(|source| BmcError::Write {
        path: config.state_dir.clone(),
        source,
    })?;
    let served = certificate::load(&config)?;
    let (stop, stopping) = watch::channel(false);
    let mut trees: BTreeMap<String, Arc<Tree>> = BTreeMap::new();
    let mut started = Vec::new();
    let mut addresses = BTreeMap::new();
    for bmc_config in &config.bmcs {
        let tree = tree_of(bmc_config, &mut trees)?;
        let state_path = State::path(&config.state_dir, &bmc_config.name);
        let bmc = Bmc::new(bmc_config.clone(), tree, state_path, config.seed)?;
        bmc.serve_with(served.clone());
        let replaced = bmc.lock().state.certificate.clone();
        if let Some((pem, key)) = replaced
            && let Ok(own) = certificate::Served::from_pem(&pem, &key)
        {
            bmc.serve_with(own);
        }
        let address = SocketAddr::new(bmc_config.address.unwrap_or(config.listen), bmc_config.port);
        let listener = server::bind(&bmc, address).await?;
        if let Some(bound) = bmc.address.get() {
            addresses.insert(bmc_config.name.clone(), *bound);
        }
        started.push((bmc, listener));
    }
    let bmcs = started.iter().map(|(bmc, _)| Arc::clone(bmc)).collect();
    let servers = started
        .into_iter()
        .map(|(bmc, listener)| {
            bmc.resume();
            tokio::spawn(server::serve(bmc, listener, stopping.clone()))
        })
        .collect();
    tokio::spawn(async move {
        shutdown.await;
        stop.send_replace(true);
    });
    Ok(Running {
        addresses,
        fingerprint: served.fingerprint,
        servers,
        bmcs,
    })
}

/// The tree of a BMC; BMCs alike share one.
fn tree_of(
    config: &BmcConfig,
    trees: &mut BTreeMap<String, Arc<Tree>>,
) -> Result<Arc<Tree>, BmcError> {
    let profile = config.profile.unwrap_or_default();
    let key = match &config.tree {
        Some(path) => format!("tree {}", path.display()),
        None => profile.name().to_owned(),
    };
    if let Some(tree) = trees.get(&key) {
        return Ok(Arc::clone(tree));
    }
    let tree = Arc::new(match &config.tree {
        Some(path) => captured::load(path)?,
        None => model::build(profile),
    });
    trees.insert(key, Arc::clone(&tree));
    Ok(tree)
}
