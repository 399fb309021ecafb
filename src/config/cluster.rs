//! The inventory's cluster, checked.

use std::collections::{BTreeMap, BTreeSet};

use super::desk::{Desk, value_spot};
use super::fault::Fault;
use super::file_inventory::ClusterFile;
use super::node::{Document, Node};
use super::site::Cluster;
use super::words::Network;

/// `versions` are the catalogue's programs; without any, the release is not held against them.
pub(super) fn cluster(
    file: &ClusterFile,
    document: &Document,
    versions: &BTreeMap<String, String>,
    desk: &mut Desk<'_>,
) -> Cluster {
    for (key, networks) in [("pods", &file.pods), ("services", &file.services)] {
        let nodes = document.root.at(&format!("/cluster/{key}"));
        let nodes = nodes.map(Node::one_or_many).unwrap_or_default();
        let mut families = BTreeSet::new();
        for (text, node) in networks.0.iter().zip(nodes) {
            let message = match Network::parse(text) {
                None => format!("`{text}` is no network in CIDR notation"),
                Some(network) if !families.insert(network.address.is_ipv4()) => {
                    format!("`{text}` is a second network of the same family")
                }
                Some(_) => continue,
            };
            desk.fault(
                Fault::new(document.spot(node.mark), message)
                    .help("write one network a family: `[10.244.0.0/16, \"fd00:10:244::/56\"]`"),
            );
        }
    }
    let version = &file.kubernetes;
    let numbers: Vec<&str> = version.split('.').collect();
    let right = (2..=3).contains(&numbers.len())
        && numbers.iter().all(|number| number.parse::<u32>().is_ok());
    if !right {
        desk.fault(
            Fault::new(
                value_spot(document, &["cluster", "kubernetes"]),
                format!("`{version}` is no Kubernetes version"),
            )
            .help("write `1.33` or `1.33.13`"),
        );
    } else if let Some(held) = versions.get("kubernetes") {
        let held: Vec<&str> = held.split('.').collect();
        if !held.starts_with(&numbers) {
            desk.fault(
                Fault::new(
                    value_spot(document, &["cluster", "kubernetes"]),
                    format!("the catalogue of artifacts holds no Kubernetes {version}"),
                )
                .help(format!(
                    "write `{}`, or name a catalogue that holds {version} with RA_DEPLOY_ARTIFACTS",
                    held.get(..2).unwrap_or(&held).join(".")
                )),
            );
        }
    }
    Cluster {
        name: file.name.clone(),
        kubernetes: version.clone(),
        endpoint: file.endpoint.clone(),
        pods: file.pods.0.clone(),
        services: file.services.0.clone(),
    }
}
