//! Settings of SSH and of BMCs, from the inventory's defaults, groups and hosts, to the plain data
//! that the links open.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::fault::Fault;
use super::file_inventory::{BmcFile, JumpFile, SshFile};
use super::node::{Document, Node};
use super::secrets::{SecretReader, place};
use super::source::Spot;
use super::union::{OneOrMany, WordOr};
use super::words;
use crate::model::bmc::{Endpoint, Trust};
use crate::model::target::{Agent, HostKeyPolicy, SshHop, SshTarget, Sudo};

/// One layer's settings and where they stand.
pub(super) struct Layer<'a, T> {
    pub settings: &'a T,
    pub document: &'a Document,
    pub node: &'a Node,
}

impl<T> Layer<'_, T> {
    fn spot(&self, key: &str) -> Spot {
        let node = self.node.get(key).unwrap_or(self.node);
        self.document.spot(node.mark)
    }
}

/// Turns settings into targets; the paths of a layer are beside the inventory.
pub(super) struct Connector<'a> {
    pub folder: &'a Path,
    pub secrets: &'a mut SecretReader,
    pub faults: &'a mut Vec<Fault>,
    /// The keys that are tried where none is named.
    pub usual_keys: &'a [PathBuf],
    /// Whether the inventory describes a lab.
    pub lab: bool,
    /// Files of authorities that were looked into.
    pub authorities: HashSet<PathBuf>,
}

/// The keys that people have: those of the usual names that exist.
pub(super) fn usual_keys() -> Vec<PathBuf> {
    let home = std::env::home_dir().unwrap_or_default();
    ["id_ed25519", "id_rsa"]
        .into_iter()
        .map(|name| home.join(".ssh").join(name))
        .filter(|path| path.exists())
        .collect()
}

/// The first layer that says something, nearest first.
fn first<'a, T, V>(
    layers: &'a [Layer<'a, T>],
    key: &str,
    field: impl Fn(&'a T) -> Option<&'a V>,
) -> Option<(&'a V, Spot)> {
    layers
        .iter()
        .find_map(|layer| field(layer.settings).map(|value| (value, layer.spot(key))))
}

impl Connector<'_> {
    /// `layers` nearest first: the host's, its groups', the defaults.
    pub(super) fn ssh(&mut self, address: &str, layers: &[Layer<'_, SshFile>]) -> SshTarget {
        let user = first(layers, "user", |layer| layer.user.as_ref());
        let user = user.map_or("root", |(user, _)| user.as_str()).to_owned();
        let keys = match first(layers, "key", |layer| layer.key.as_ref()) {
            Some((keys, _)) => self.paths(keys),
            None => self.usual_keys.to_vec(),
        };
        let hop = SshHop {
            address: address.to_owned(),
            port: first(layers, "port", |layer| layer.port.as_ref()).map_or(22, |(port, _)| *port),
            keys,
            agent: agent(
                first(layers, "agent", |layer| layer.agent.as_ref()).map(|(agent, _)| *agent),
            ),
            password: first(layers, "password", |layer| layer.password.as_ref())
                .map(|(source, spot)| self.secrets.get(source, &spot)),
            host_key: match first(layers, "host-key", |layer| layer.host_key.as_ref()) {
                Some((word, spot)) => self.host_key(word, &spot),
                None => HostKeyPolicy::AcceptNew,
            },
            known_hosts: match first(layers, "known-hosts", |layer| layer.known_hosts.as_ref()) {
                Some((path, _)) => place(path, self.folder),
                None => place("~/.ssh/known_hosts", self.folder),
            },
            user,
        };
        let jumps = layers
            .iter()
            .find_map(|layer| Some((layer, layer.settings.jump.as_ref()?)))
            .map(|(layer, jumps)| {
                let nodes = layer.node.get("jump").map(Node::one_or_many);
                let pairs = jumps.0.iter().zip(nodes.unwrap_or_default());
                pairs
                    .filter_map(|(jump, node)| {
                        self.jump(jump, &hop, &layer.document.spot(node.mark))
                    })
                    .collect()
            })
            .unwrap_or_default();
        let sudo = match first(layers, "sudo", |layer| layer.sudo.as_ref()) {
            Some((WordOr::Full(sudo), spot)) => {
                Sudo::Password(self.secrets.get(&sudo.password, &spot))
            }
            Some((WordOr::Word(word), spot)) => self.sudo(word, &spot),
            None if hop.user == "root" => Sudo::None,
            None => Sudo::Free,
        };
        let connect_timeout = match first(layers, "connect-timeout", |layer| {
            layer.connect_timeout.as_ref()
        }) {
            Some((text, spot)) => self.duration(text, &spot),
            None => Duration::from_secs(10),
        };
        SshTarget {
            hop,
            jumps,
            sudo,
            connect_timeout,
            keep_alive: Duration::from_secs(15),
        }
    }

    /// How commands get root's rights where the connection is no SSH.
    pub(super) fn sudo_of(&mut self, layers: &[Layer<'_, SshFile>]) -> Sudo {
        match first(layers, "sudo", |layer| layer.sudo.as_ref()) {
            Some((WordOr::Full(sudo), spot)) => {
                Sudo::Password(self.secrets.get(&sudo.password, &spot))
            }
            Some((WordOr::Word(word), spot)) => self.sudo(word, &spot),
            None => Sudo::None,
        }
    }

    fn paths(&self, paths: &OneOrMany<String>) -> Vec<PathBuf> {
        let paths = paths.0.iter();
        paths.map(|path| place(path, self.folder)).collect()
    }

    fn sudo(&mut self, word: &str, spot: &Spot) -> Sudo {
        match word {
            "free" => Sudo::Free,
            "none" => Sudo::None,
            other => {
                self.faults.push(
                    Fault::new(spot.clone(), format!("`{other}` is no way of sudo"))
                        .help("write `free`, `none`, or `{password: {env: SUDO_PASSWORD}}`"),
                );
                Sudo::Free
            }
        }
    }

    fn host_key(&mut self, word: &str, spot: &Spot) -> HostKeyPolicy {
        match word {
            "strict" => HostKeyPolicy::Strict,
            "accept-new" => HostKeyPolicy::AcceptNew,
            pin => match pin.strip_prefix("SHA256:") {
                Some(digest) if digest.trim_end_matches('=').len() == 43 => {
                    HostKeyPolicy::Pin(format!("SHA256:{}", digest.trim_end_matches('=')))
                }
                _ => {
                    self.faults.push(
                        Fault::new(spot.clone(), format!("`{pin}` is no host key policy")).help(
                            "write `strict`, `accept-new`, or the fingerprint that \
                             `ssh-keygen -lf` shows: `SHA256:` and 43 characters",
                        ),
                    );
                    HostKeyPolicy::Strict
                }
            },
        }
    }

    fn duration(&mut self, text: &str, spot: &Spot) -> Duration {
        words::duration(text).unwrap_or_else(|| {
            self.faults.push(
                Fault::new(spot.clone(), format!("`{text}` is no duration"))
                    .help("write a number and its unit: `90s`, `5m`, `1h30m`"),
            );
            Duration::from_secs(10)
        })
    }

    /// What a jump host does not say is as it is for the hosts behind it; a pinned key is not.
    fn jump(&mut self, jump: &WordOr<JumpFile>, behind: &SshHop, spot: &Spot) -> Option<SshHop> {
        let host_key = match &behind.host_key {
            HostKeyPolicy::Pin(_) => HostKeyPolicy::AcceptNew,
            other => other.clone(),
        };
        let inherited = SshHop {
            port: 22,
            password: None,
            host_key,
            ..behind.clone()
        };
        let (hop, address) = match jump {
            WordOr::Word(word) => {
                let (user, rest) = match word.rsplit_once('@') {
                    Some((user, rest)) => (Some(user), rest),
                    None => (None, word.as_str()),
                };
                let Some((address, port)) = host_and_port(rest) else {
                    self.faults.push(
                        Fault::new(spot.clone(), format!("`{word}` is no jump host"))
                            .help("write `host`, `user@host` or `user@host:port`"),
                    );
                    return None;
                };
                let hop = SshHop {
                    user: user.map_or(inherited.user, str::to_owned),
                    port: port.unwrap_or(22),
                    ..inherited
                };
                (hop, address.to_owned())
            }
            WordOr::Full(full) => {
                let host_key = match &full.host_key {
                    Some(word) => self.host_key(word, spot),
                    None => inherited.host_key,
                };
                let hop = SshHop {
                    user: full.user.clone().unwrap_or(inherited.user),
                    port: full.port.unwrap_or(22),
                    keys: match &full.key {
                        Some(keys) => self.paths(keys),
                        None => inherited.keys,
                    },
                    agent: full.agent.map_or(inherited.agent, |on| agent(Some(on))),
                    password: full
                        .password
                        .as_ref()
                        .map(|source| self.secrets.get(source, spot)),
                    host_key,
                    known_hosts: match &full.known_hosts {
                        Some(path) => place(path, self.folder),
                        None => inherited.known_hosts,
                    },
                    address: String::new(),
                };
                (hop, full.address.clone())
            }
        };
        if !words::is_address(&address) {
            self.faults.push(
                Fault::new(
                    spot.clone(),
                    format!("the jump host `{address}` is neither an IP address nor a host name"),
                )
                .help("write `host`, `user@host` or `user@host:port`"),
            );
            return None;
        }
        Some(SshHop { address, ..hop })
    }

    /// `layers` nearest first. `None` after a fault, or where nothing names a BMC.
    pub(super) fn bmc(
        &mut self,
        name: &str,
        address: &str,
        spot: &Spot,
        layers: &[Layer<'_, BmcFile>],
    ) -> Option<Endpoint> {
        let url = match url(address) {
            Ok(url) => url,
            Err(message) => {
                let fault = Fault::new(spot.clone(), message);
                let fault = match address.contains('@') {
                    true => fault.conceal(),
                    false => fault,
                };
                self.faults
                    .push(fault.help("write it as `https://198.51.100.11`"));
                return None;
            }
        };
        let user = first(layers, "user", |layer| layer.user.as_ref());
        let password = first(layers, "password", |layer| layer.password.as_ref());
        let missing = if user.is_none() { "user" } else { "password" };
        let (Some((user, _)), Some((password, password_spot))) = (user, password) else {
            self.faults.push(
                Fault::new(spot.clone(), format!("the BMC's {missing} is not given")).help(
                    "for all of them: `defaults: {bmc: {user: admin, password: {env: BMC_PASSWORD}}}`",
                ),
            );
            return None;
        };
        Some(Endpoint {
            url,
            user: user.clone(),
            password: self.secrets.get(password, &password_spot),
            first_password: first(layers, "first-password", |layer| {
                layer.first_password.as_ref()
            })
            .map(|(source, spot)| self.secrets.get(source, &spot)),
            trust: self.trust(name, layers)?,
        })
    }

    /// The nearest layer that says anything of trust decides. A map of pins says something only of
    /// the hosts that it names.
    fn trust(&mut self, name: &str, layers: &[Layer<'_, BmcFile>]) -> Option<Trust> {
        let pin = |layer: &BmcFile| match &layer.pin {
            Some(WordOr::Word(pin)) => Some(pin.clone()),
            Some(WordOr::Full(pins)) => pins.get(name).cloned(),
            None => None,
        };
        let says = |layer: &BmcFile| {
            pin(layer).is_some() || layer.ca.is_some() || layer.insecure.is_some()
        };
        let Some(found) = layers.iter().find(|layer| says(layer.settings)) else {
            return Some(Trust::System);
        };
        let layer = found.settings;
        match (pin(layer), &layer.ca, layer.insecure) {
            (Some(pin), None, None | Some(false)) => match fingerprint(&pin) {
                Some(pin) => Some(Trust::Pin(pin)),
                None => {
                    self.faults.push(
                        Fault::new(
                            found.spot("pin"),
                            format!("`{pin}` is no certificate fingerprint"),
                        )
                        .help("write `sha256:` and 64 hexadecimal digits; `ra-deploy bmc pin` shows them"),
                    );
                    None
                }
            },
            (None, Some(path), None | Some(false)) => {
                let path = place(path, self.folder);
                self.authority(&path, found.spot("ca"));
                Some(Trust::Authority(path))
            }
            (None, None, Some(true)) => Some(Trust::Insecure),
            (None, None, _) => Some(Trust::System),
            _ => {
                self.faults.push(
                    Fault::new(found.spot("pin"), "a BMC is trusted in one way")
                        .help("keep one of `pin`, `ca` and `insecure: true`"),
                );
                None
            }
        }
    }

    /// The authority's file holds certificates, told once for each file.
    fn authority(&mut self, path: &Path, spot: Spot) {
        // A lab makes its files when it is brought up.
        let to_come = self.lab && !path.exists();
        if to_come || !self.authorities.insert(path.to_owned()) {
            return;
        }
        if let Err(reason) = authorities(path) {
            self.faults.push(
                Fault::new(
                    spot,
                    format!("the authority's file {}: {reason}", path.display()),
                )
                .help(
                    "name a PEM file with at least one certificate: it has the line \
                     `-----BEGIN CERTIFICATE-----`",
                ),
            );
        }
    }
}

/// Whether a file holds certificates that can vouch for others.
fn authorities(path: &Path) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| format!("it is no PEM file: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("one of its certificates cannot be read: {error}"))?;
    }
    match roots.is_empty() {
        true => Err("it holds no certificate".to_owned()),
        false => Ok(()),
    }
}

fn agent(offered: Option<bool>) -> Agent {
    match offered {
        Some(false) => Agent::Ignore,
        _ => Agent::Offer,
    }
}

/// `host`, `host:port`, `[fd00::1]:port`, `fd00::1`.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((address, Some(port.parse().ok()?))),
            None => after.is_empty().then_some((address, None)),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port.parse().ok()?))),
        _ => Some((text, None)),
    }
}

/// An address of a BMC as a URL without a path.
fn url(address: &str) -> Result<String, String> {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme @ ("https" | "http"), rest)) => (scheme, rest),
        Some((scheme, _)) => return Err(format!("a BMC is reached over https, not `{scheme}`")),
        None => ("https", address),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('/') {
        return Err(format!("`{address}` has a path; a BMC's address has none"));
    }
    if authority.contains('@') {
        return Err("a BMC's user and password do not stand in its address".to_owned());
    }
    let (host, port) =
        host_and_port(authority).ok_or_else(|| format!("`{address}` is no address of a BMC"))?;
    if !words::is_address(host) {
        return Err(format!("`{host}` is neither an IP address nor a host name"));
    }
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    Ok(format!("{scheme}://{host}{port}"))
}

/// `sha256:` and 64 lower-case hexadecimal digits; colons between the digits are left out.
fn fingerprint(text: &str) -> Option<String> {
    let (kind, digits) = text.split_once(':')?;
    let digits: String = digits.chars().filter(|digit| *digit != ':').collect();
    let right = kind.eq_ignore_ascii_case("sha256")
        && digits.len() == 64
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    right.then(|| format!("sha256:{}", digits.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_bmcs() {
        for (text, expected) in [
            ("198.51.100.1", Ok("https://198.51.100.1")),
            (
                "https://bmc.example.net:8443/",
                Ok("https://bmc.example.net:8443"),
            ),
            ("fd00::1", Ok("https://[fd00::1]")),
            ("http://[fd00::1]:8000", Ok("http://[fd00::1]:8000")),
            ("https://198.51.100.1/redfish/v1", Err(())),
            ("https://admin:secret@198.51.100.1", Err(())),
            ("ftp://198.51.100.1", Err(())),
            ("198.51.100.999", Err(())),
        ] {
            assert_eq!(
                url(text).map_err(|_| ()),
                expected.map(str::to_owned),
                "{text}"
            );
        }
    }

    #[test]
    fn jump_hosts() {
        for (text, expected) in [
            ("a", Some(("a", None))),
            ("a:22", Some(("a", Some(22)))),
            ("[fd00::1]:22", Some(("fd00::1", Some(22)))),
            ("fd00::1", Some(("fd00::1", None))),
            ("a:ssh", None),
            ("a:70000", None),
        ] {
            assert_eq!(host_and_port(text), expected, "{text}");
        }
    }
}
