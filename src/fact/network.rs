//! Interfaces, addresses and routes.

use serde_json::{Map, Value, json};

use super::{Fact, contents, trimmed};
use crate::model::query::FileState;
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{interface, gateway, addresses, interfaces, interface_of, ipv6, conntrack_writable}`:
/// `interface` and `gateway` are the default route's, of IPv4 or else of IPv6; `addresses` are
/// global ones without their prefix; `interface_of` gives the interface of an address;
/// `interfaces` is a list of `{name, mac, mtu, state, addresses: [CIDR]}`.
pub(super) struct Network;

const IP: &str = "printf 'address show\\nroute show default\\n' | ip -j -b -";
const ROUTES6: &str = "/proc/net/ipv6_route";
const DISABLED6: &str = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
/// Outside the first network namespace the kernel shows it as read-only.
const CONNTRACK: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

impl Probe for Network {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        let mut queries = contents(&[ROUTES6, DISABLED6]);
        queries.push(Query::Run(IP.to_owned()));
        queries.push(Query::File(CONNTRACK.to_owned()));
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        answers.want(self.ask())?;
        let output = answers.output(IP)?;
        let mut parts = serde_json::Deserializer::from_str(&output.stdout).into_iter::<Value>();
        let (Some(Ok(links)), routes) = (parts.next(), parts.next()) else {
            return Err(Unread::Unreadable(format!(
                "`ip` does not tell the interfaces: {}",
                output.stderr.trim()
            )));
        };
        let routes = routes.and_then(Result::ok).unwrap_or_default();
        let mut addresses = Vec::new();
        let mut interface_of = Map::new();
        let mut interfaces = Vec::new();
        for link in links.as_array().into_iter().flatten() {
            let name = word(link, "ifname").unwrap_or_default();
            let mut own = Vec::new();
            for entry in link["addr_info"].as_array().into_iter().flatten() {
                let Some(address) = word(entry, "local") else {
                    continue;
                };
                own.push(format!("{address}/{}", entry["prefixlen"]));
                if word(entry, "scope") == Some("global") {
                    addresses.push(address);
                }
                interface_of
                    .entry(address)
                    .or_insert_with(|| Value::from(name));
            }
            interfaces.push(json!({
                "name": name,
                "mac": link["address"],
                "mtu": link["mtu"],
                "state": word(link, "operstate").unwrap_or("UNKNOWN").to_lowercase(),
                "addresses": own,
            }));
        }
        let route = routes.get(0).cloned().unwrap_or_default();
        let (interface, gateway) = match word(&route, "dev") {
            Some(device) => (
                Some(device.to_owned()),
                word(&route, "gateway").map(str::to_owned),
            ),
            None => default6(trimmed(answers, ROUTES6)?.unwrap_or_default()),
        };
        let conntrack = match answers.file(CONNTRACK)? {
            FileState::Present(metadata) => metadata.mode & 0o200 != 0,
            FileState::Absent => false,
        };
        Ok(json!({
            "interface": interface,
            "gateway": gateway,
            "addresses": addresses,
            "interfaces": interfaces,
            "interface_of": interface_of,
            "ipv6": trimmed(answers, DISABLED6)? == Some("0"),
            "conntrack_writable": conntrack,
        }))
    }
}

fn word<'value>(value: &'value Value, key: &str) -> Option<&'value str> {
    value.get(key).and_then(Value::as_str)
}

/// Device and next hop of the IPv6 default route. Columns: destination, its length, source, its
/// length, next hop, metric, uses, references, flags, device.
fn default6(table: &str) -> (Option<String>, Option<String>) {
    let rows = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            [destination, "00", _, _, hop, _, _, _, _, device]
                if destination.bytes().all(|digit| digit == b'0') && *device != "lo" =>
            {
                Some(((*device).to_owned(), u128::from_str_radix(hop, 16).ok()?))
            }
            _ => None,
        }
    });
    match rows.into_iter().next() {
        None => (None, None),
        Some((device, 0)) => (Some(device), None),
        Some((device, hop)) => {
            let hop = std::net::Ipv6Addr::from_bits(hop).to_string();
            (Some(device), Some(hop))
        }
    }
}

impl Fact for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn fields(&self) -> &'static [&'static str] {
        &[
            "interface",
            "gateway",
            "addresses",
            "interfaces",
            "interface_of.*",
            "ipv6",
            "conntrack_writable",
        ]
    }
}
