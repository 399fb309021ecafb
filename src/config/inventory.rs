//! The inventory's hosts and groups, from what is written to what they are.

use std::collections::{BTreeMap, HashMap, HashSet};

use minijinja::Value;

use super::connection::{Connector, Layer};
use super::desk::Desk;
use super::fault::Fault;
use super::file_inventory::{CommandFile, GroupFile, HostFile, InventoryFile, SshFile};
use super::groups::groups;
use super::node::{Content, Document, Node};
use super::range::{self, Numbered};
use super::secrets::SecretReader;
use super::site::Host;
use super::source::Spot;
use super::template::{Form, Templates};
use super::union::WordOr;
use super::words;
use crate::model::Target;

/// The hosts, the groups, and where the parameters of each host stand.
#[derive(Default)]
pub(super) struct Fleet<'a> {
    pub hosts: Vec<Host>,
    pub groups: BTreeMap<String, Vec<String>>,
    /// Every name that stands for a host in the file, also of entries that are faulty.
    pub names: HashMap<String, usize>,
    /// For each host, the `parameters` of its groups and itself, the nearest last.
    pub parameters: Vec<Vec<&'a Node>>,
}

/// A host's entry before its settings are joined.
pub(super) struct Entry<'a> {
    pub numbered: Numbered,
    node: &'a Node,
    pub spot: Spot,
    file: Option<&'a HostFile>,
}

pub(super) fn fleet<'a>(
    file: &'a InventoryFile,
    document: &'a Document,
    secrets: &mut SecretReader,
    desk: &mut Desk<'_>,
) -> Fleet<'a> {
    let entries = entries(file, document, desk);
    let mut fleet = Fleet::default();
    for (index, entry) in entries.iter().enumerate() {
        fleet.names.insert(entry.numbered.name.clone(), index);
    }
    let members = groups(file, document, &entries, &mut fleet, desk);
    let usual_keys = super::connection::usual_keys();
    let folder = match document.source.place.as_ref() {
        super::source::Place::File(path) => super::library::folder_of(path),
        super::source::Place::Embedded(_) => ".".into(),
    };
    let mut faults = Vec::new();
    let mut joiner = Joiner {
        file,
        document,
        templates: Templates::default(),
        connector: Connector {
            folder: &folder,
            secrets,
            faults: &mut faults,
            usual_keys: &usual_keys,
            lab: file.lab.is_some(),
            authorities: HashSet::new(),
        },
        said: HashSet::new(),
    };
    for (entry, groups) in entries.iter().zip(&members) {
        let host = joiner.host(entry, groups);
        fleet.hosts.push(host);
        let group_parameters = groups.iter().map(|name| {
            let group = document.root.get("groups")?.get(name)?;
            group.get("parameters")
        });
        let own = [entry.node.get("parameters")];
        fleet
            .parameters
            .push(group_parameters.chain(own).flatten().collect());
    }
    drop(joiner);
    desk.faults.append(&mut faults);
    used_twice(&fleet, desk);
    fleet
}

fn entries<'a>(
    file: &'a InventoryFile,
    document: &'a Document,
    desk: &mut Desk<'_>,
) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    let mut first: HashMap<String, Spot> = HashMap::new();
    let hosts = document.root.get("hosts");
    for (key, node) in hosts.map(Node::pairs).unwrap_or_default() {
        let spot = document.spot(key.mark);
        let names = match range::expand(&key.name) {
            Ok(names) => names,
            Err(fault) => {
                let mut spot = spot;
                let before = key.name[..fault.range.start].chars().count();
                let quote = (key.mark.length as usize).saturating_sub(key.name.chars().count()) / 2;
                spot.column += before + quote;
                spot.length = key.name[fault.range.clone()].chars().count().max(1);
                desk.fault(Fault::new(spot, fault.message).help(fault.help));
                continue;
            }
        };
        for numbered in names {
            if let Some(other) = first.insert(numbered.name.clone(), spot.clone()) {
                desk.fault(
                    Fault::new(
                        spot.clone(),
                        format!("the host `{}` is here twice", numbered.name),
                    )
                    .related(other, "first here")
                    .help("keep one of them"),
                );
                continue;
            }
            entries.push(Entry {
                numbered,
                node,
                spot: spot.clone(),
                file: file.hosts.get(&key.name).and_then(Option::as_ref),
            });
        }
    }
    entries
}

/// Joins a host's settings with those of its groups and the defaults.
struct Joiner<'a, 'b> {
    file: &'a InventoryFile,
    document: &'a Document,
    templates: Templates,
    connector: Connector<'b>,
    /// Where a wrong address was told already: once for a range.
    said: HashSet<(u32, u32)>,
}

impl<'a> Joiner<'a, '_> {
    fn host(&mut self, entry: &Entry<'a>, groups: &[&'a str]) -> Host {
        let nothing = HostFile::default();
        let file = entry.file.unwrap_or(&nothing);
        let name = &entry.numbered.name;
        let ssh_layers = self.layers(
            file.ssh.as_ref().zip(entry.node.get("ssh")),
            groups,
            "ssh",
            |group| group.ssh.as_ref(),
            self.file.defaults.ssh.as_ref(),
        );
        let own = self.own(entry, "bmc");
        let (bmc_address, own_bmc) = match &file.bmc {
            Some(WordOr::Word(address)) => (Some(address), None),
            Some(WordOr::Full(bmc)) => (None, Some(bmc)),
            None => (None, None),
        };
        let bmc_layers = self.layers(
            own_bmc.zip(entry.node.get("bmc")),
            groups,
            "bmc",
            |group| group.bmc.as_ref(),
            self.file.defaults.bmc.as_ref(),
        );
        let address = file.address.as_deref().and_then(|text| {
            let node = entry.node.get("address").unwrap_or(entry.node);
            self.address(text, node, &entry.numbered)
        });
        let extra = entry
            .node
            .get("addresses")
            .map(Node::one_or_many)
            .unwrap_or_default();
        let addresses = file
            .addresses
            .0
            .iter()
            .zip(extra)
            .filter_map(|(text, node)| self.address(text, node, &entry.numbered))
            .collect();
        let mut host = Host {
            name: name.clone(),
            number: entry.numbered.number,
            address: address.clone().unwrap_or_default(),
            addresses,
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            target: None,
            bmc: None,
            parameters: BTreeMap::new(),
            spot: entry.spot.clone(),
        };
        let address_of_bmc = bmc_address
            .map(|address| (address, own.clone()))
            .or_else(|| {
                bmc_layers.iter().find_map(|layer| {
                    let address = layer.settings.address.as_ref()?;
                    let node = layer.node.get("address")?;
                    Some((address, layer.document.spot(node.mark)))
                })
            });
        let has_bmc = address_of_bmc.is_some();
        if let Some((text, spot)) = address_of_bmc
            && let Some(rendered) = self.render(text, &entry.numbered, &host.address, &spot)
        {
            host.bmc = self.connector.bmc(name, &rendered, &spot, &bmc_layers);
        }
        let connection = file
            .connection
            .as_ref()
            .map(|connection| (connection, self.own(entry, "connection")))
            .or_else(|| self.connection(groups));
        host.target = match connection {
            Some((WordOr::Full(command), spot)) => {
                self.command(command, &spot, &entry.numbered, &host.address, &ssh_layers)
            }
            Some((WordOr::Word(word), _)) if word == "local" => Some(Target::Local {
                sudo: self.connector.sudo_of(&ssh_layers),
            }),
            Some((WordOr::Word(word), spot)) if word != "ssh" => {
                self.connector.faults.push(
                    Fault::new(spot, format!("`{word}` is no connection")).help(
                        "write `ssh`, `local`, or `{command: [docker, exec, -i, \"{{ host.name }}\", sh]}`",
                    ),
                );
                None
            }
            _ => {
                if says_no_address(entry.node) && !has_bmc {
                    self.connector.faults.push(
                        Fault::new(entry.spot.clone(), format!("the host `{name}` has no address"))
                            .help("add `address: 192.0.2.11`; a host of which only the BMC is known has `bmc: https://198.51.100.11`"),
                    );
                }
                address.map(|address| Target::Ssh(self.connector.ssh(&address, &ssh_layers)))
            }
        };
        host
    }

    fn own(&self, entry: &Entry<'_>, key: &str) -> Spot {
        match entry.node.pair(key) {
            Some((_, node)) => self.document.spot(node.mark),
            None => entry.spot.clone(),
        }
    }

    /// Settings of the host, then of its groups, the last one first, then of the defaults.
    fn layers<'b, T>(
        &self,
        own: Option<(&'b T, &'b Node)>,
        groups: &[&'a str],
        key: &str,
        of_group: impl Fn(&'a GroupFile) -> Option<&'a T>,
        default: Option<&'a T>,
    ) -> Vec<Layer<'b, T>>
    where
        'a: 'b,
    {
        let document = self.document;
        let root = &document.root;
        let groups = groups.iter().rev().filter_map(|name| {
            let settings = of_group(self.file.groups.get(*name)?)?;
            Some((settings, root.get("groups")?.get(name)?.get(key)?))
        });
        let default = default.zip(root.get("defaults").and_then(|node| node.get(key)));
        own.into_iter()
            .chain(groups)
            .chain(default)
            .map(|(settings, node)| Layer {
                settings,
                document,
                node,
            })
            .collect()
    }

    fn connection(&self, groups: &[&'a str]) -> Option<(&'a WordOr<CommandFile>, Spot)> {
        for name in groups.iter().rev() {
            let group = self.file.groups.get(*name);
            if let Some(connection) = group.and_then(|group| group.connection.as_ref()) {
                return Some((connection, self.group_spot(name, "connection")));
            }
        }
        let connection = self.file.defaults.connection.as_ref()?;
        Some((connection, self.default_spot("connection")))
    }

    fn group_spot(&self, group: &str, key: &str) -> Spot {
        super::desk::value_spot(self.document, &["groups", group, key])
    }

    fn default_spot(&self, key: &str) -> Spot {
        super::desk::value_spot(self.document, &["defaults", key])
    }

    fn address(&mut self, text: &str, node: &Node, numbered: &Numbered) -> Option<String> {
        let spot = self.document.spot(node.mark);
        let address = self.render(text, numbered, "", &spot)?;
        if words::is_address(&address) {
            return Some(address);
        }
        if !self.said.insert((node.mark.line, node.mark.column)) {
            return None;
        }
        let whose = match numbered.number {
            Some(_) => format!(" (of `{}`)", numbered.name),
            None => String::new(),
        };
        self.connector.faults.push(
            Fault::new(
                spot,
                format!("`{address}`{whose} is neither an IP address nor a host name"),
            )
            .help("write an address such as `192.0.2.11`, `2001:db8::11` or `cp1.example.net`"),
        );
        None
    }

    fn command(
        &mut self,
        command: &CommandFile,
        spot: &Spot,
        numbered: &Numbered,
        address: &str,
        layers: &[Layer<'_, SshFile>],
    ) -> Option<Target> {
        if command.command.is_empty() {
            self.connector.faults.push(
                Fault::new(spot.clone(), "the connection's command is empty")
                    .help("such as `{command: [docker, exec, -i, \"{{ host.name }}\", sh]}`"),
            );
            return None;
        }
        let argv: Option<Vec<String>> = command
            .command
            .iter()
            .map(|word| self.render(word, numbered, address, spot))
            .collect();
        let sudo = self.connector.sudo_of(layers);
        argv.map(|argv| Target::Command { argv, sudo })
    }

    /// A text with `{{ n }}`, `{{ name }}` and `{{ host.… }}` put in.
    fn render(
        &mut self,
        text: &str,
        numbered: &Numbered,
        address: &str,
        spot: &Spot,
    ) -> Option<String> {
        if self.templates.form(text) == Form::Plain {
            return Some(text.to_owned());
        }
        let number = match numbered.number {
            Some(number) => Value::from(number),
            None => Value::UNDEFINED,
        };
        let host = Value::from_pairs([
            ("name", Value::from(&numbered.name)),
            ("number", number.clone()),
            ("address", Value::from(address)),
        ]);
        let context = Value::from_pairs([
            ("n", number.clone()),
            ("number", number),
            ("name", Value::from(&numbered.name)),
            ("host", host),
        ]);
        let added = self.templates.add_template(text);
        match added.and_then(|()| self.templates.render_text(text, context)) {
            Ok(rendered) => Some(rendered),
            Err(error) => {
                let help = match numbered.number {
                    Some(_) => "known here: `n`, `name`, `host.name`, `host.address`",
                    None => {
                        "known here: `name`, `host.name`, `host.address`; `n` is the number of a range such as `w[01-40]`"
                    }
                };
                self.connector.faults.push(
                    Fault::new(spot.clone(), format!("`{text}`: {}", error.message)).help(help),
                );
                None
            }
        }
    }
}

/// Whether an entry without an address was meant to have none: every key of it is spelled right.
fn says_no_address(node: &Node) -> bool {
    let known = ["addresses", "bmc", "ssh", "connection", "parameters"];
    let map = matches!(node.content, Content::Map(_)) || node.is_null();
    let mut keys = node.pairs().iter();
    map && keys.all(|(key, _)| known.contains(&key.name.as_str()))
}

/// Addresses and BMCs that two hosts claim.
fn used_twice(fleet: &Fleet<'_>, desk: &mut Desk<'_>) {
    let mut addresses: HashMap<(&str, u16), &Host> = HashMap::new();
    let mut bmcs: HashMap<&str, &Host> = HashMap::new();
    // A range whose address does not depend on `n` is wrong once, not for each of its hosts.
    let mut said: HashSet<&Spot> = HashSet::new();
    for host in &fleet.hosts {
        let port = match &host.target {
            Some(Target::Ssh(target)) => target.hop.port,
            _ => 0,
        };
        let own = [&host.address].into_iter().chain(&host.addresses);
        for address in own.filter(|address| !address.is_empty()) {
            if let Some(other) = addresses.insert((address, port), host)
                && said.insert(&host.spot)
            {
                desk.fault(
                    Fault::new(
                        host.spot.clone(),
                        format!(
                            "`{}` has the address {address} of `{}`",
                            host.name, other.name
                        ),
                    )
                    .related(other.spot.clone(), "used here")
                    .help("every host has addresses of its own"),
                );
            }
        }
        if let Some(bmc) = &host.bmc
            && let Some(other) = bmcs.insert(&bmc.url, host)
            && said.insert(&host.spot)
        {
            desk.fault(
                Fault::new(
                    host.spot.clone(),
                    format!(
                        "`{}` has the BMC {} of `{}`",
                        host.name, bmc.url, other.name
                    ),
                )
                .related(other.spot.clone(), "used here")
                .help("every host has a BMC of its own: the power button would be another one's"),
            );
        }
    }
}
