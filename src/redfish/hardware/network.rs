//! Network interfaces of the host's own, and the adapters in its chassis.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::{Reader, Summary, same};
use crate::redfish::document::{Document, link, text, words};
use crate::redfish::survey::side_by_side;

#[derive(Default)]
pub(super) struct Network {
    ethernet_count: usize,
    ethernet_macs: BTreeSet<String>,
    adapter_count: usize,
    adapter_macs: BTreeSet<String>,
    /// Interfaces that do not lead to the manager.
    outward_macs: BTreeSet<String>,
}

pub(super) async fn read(
    reader: &Reader<'_>,
    primary: &Document,
    chassis: &[Arc<Document>],
) -> Network {
    let mut network = Network::default();
    let (interfaces, adapters) = tokio::join!(
        reader.all_members(primary, "EthernetInterfaces"),
        adapters(reader, primary, chassis)
    );
    network.ethernet_count = interfaces.len();
    for interface in interfaces.into_iter().flatten() {
        let Some(mac) = address(&interface.body) else {
            continue;
        };
        if !leads_to_manager(&interface) {
            network.outward_macs.insert(mac.clone());
        }
        network.ethernet_macs.insert(mac);
    }
    network.adapter_count = adapters.len();
    let addresses = side_by_side(
        adapters
            .iter()
            .map(|adapter| adapter_addresses(reader, adapter)),
    )
    .await;
    network.adapter_macs = addresses.into_iter().flatten().collect();
    network
}

/// Reads what hangs on the chassis ahead of the system, so that [`read`] finds it there.
pub(super) async fn prepare(reader: &Reader<'_>, chassis: &[Arc<Document>]) {
    let found = side_by_side(
        chassis
            .iter()
            .map(|chassis| reader.members(chassis, "NetworkAdapters")),
    )
    .await;
    let adapters: Vec<_> = found.into_iter().flatten().collect();
    side_by_side(
        adapters
            .iter()
            .map(|adapter| adapter_addresses(reader, adapter)),
    )
    .await;
}

impl Network {
    pub fn put(self, summary: &mut Summary) {
        summary.ethernet_count = self.ethernet_count;
        summary.adapter_count = self.adapter_count;
        summary.host_macs = self
            .outward_macs
            .union(&self.adapter_macs)
            .cloned()
            .collect();
        summary.ethernet_macs = self.ethernet_macs.into_iter().collect();
        summary.adapter_macs = self.adapter_macs.into_iter().collect();
    }
}

/// The host's end of the connection to its own manager.
fn leads_to_manager(interface: &Document) -> bool {
    ["HostInterface", "HostInterfaces"].iter().any(|key| {
        interface
            .at("/Links")
            .and_then(|links| links.get(*key))
            .is_some_and(|value| {
                !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
            })
    })
}

/// The adapters of all chassis; where no chassis has any, those that the system's interfaces
/// link.
async fn adapters(
    reader: &Reader<'_>,
    primary: &Document,
    chassis: &[Arc<Document>],
) -> Vec<Arc<Document>> {
    let mut all: Vec<Arc<Document>> = Vec::new();
    let found = side_by_side(
        chassis
            .iter()
            .map(|chassis| reader.members(chassis, "NetworkAdapters")),
    )
    .await;
    for adapter in found.into_iter().flatten() {
        if !all.iter().any(|known| same(&known.path, &adapter.path)) {
            all.push(adapter);
        }
    }
    if all.is_empty() {
        for interface in reader.members(primary, "NetworkInterfaces").await {
            if let Some(path) = interface.at("/Links/NetworkAdapter").and_then(link)
                && !all.iter().any(|known| same(&known.path, &path))
            {
                all.extend(reader.get(&path).await);
            }
        }
    }
    all
}

async fn adapter_addresses(reader: &Reader<'_>, adapter: &Document) -> Vec<String> {
    let mut found = Vec::new();
    let (functions, ports) = tokio::join!(
        reader.members(adapter, "NetworkDeviceFunctions"),
        ports(reader, adapter)
    );
    for function in functions {
        found.extend(function.body.get("Ethernet").and_then(address));
    }
    for port in ports {
        let places = [
            words(&port.body, "AssociatedNetworkAddresses"),
            port.body
                .get("Ethernet")
                .and_then(|ethernet| words(ethernet, "AssociatedMACAddresses")),
        ];
        for written in places.iter().flatten().flatten() {
            found.extend(normal(written));
        }
    }
    found
}

/// `Ports`, or as they were called before, `NetworkPorts` (both in one captured HPE tree).
async fn ports(reader: &Reader<'_>, adapter: &Document) -> Vec<Arc<Document>> {
    let ports = reader.members(adapter, "Ports").await;
    if ports.is_empty() {
        reader.members(adapter, "NetworkPorts").await
    } else {
        ports
    }
}

/// The address in use, else the one burnt in.
fn address(value: &Value) -> Option<String> {
    ["MACAddress", "PermanentMACAddress"]
        .iter()
        .find_map(|key| normal(&text(value, key)?))
}

/// Six bytes in lower case with colons; none for other lengths (InfiniBand) and all zeroes.
fn normal(written: &str) -> Option<String> {
    let digits: String = written
        .chars()
        .filter(|letter| !matches!(letter, ':' | '-' | '.' | ' '))
        .collect::<String>()
        .to_ascii_lowercase();
    let proper = digits.len() == 12 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    if !proper || digits.chars().all(|digit| digit == '0') {
        return None;
    }
    let pairs: Vec<&str> = (0..6)
        .map(|index| &digits[2 * index..2 * index + 2])
        .collect();
    Some(pairs.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        for written in [
            "B8:3F:D2:A4:1B:D2",
            "b8-3f-d2-a4-1b-d2",
            "b83f.d2a4.1bd2",
            " B83FD2A41BD2",
        ] {
            assert_eq!(normal(written).as_deref(), Some("b8:3f:d2:a4:1b:d2"));
        }
        for written in [
            "00:00:00:00:00:00",
            "88e9:a4ff:ff87:42c8",
            "",
            "N/A",
            "zz:3f:d2:a4:1b:d2",
        ] {
            assert_eq!(normal(written), None);
        }
    }
}
