//! What a lab is to be: plain data, and the names and addresses that follow from it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::LabError;

/// A lab to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabSpec {
    /// Distinguishes labs on one box; 1 to 11 characters.
    pub name: String,
    /// Everything the lab owns on disk; an absolute path.
    pub state_dir: PathBuf,
    pub subnet: Subnet,
    pub machines: Vec<MachineSpec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MachineSpec {
    /// Its host name.
    pub name: String,
    pub address: Ipv4Addr,
}

/// An IPv4 network in which the box has the first address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    network: Ipv4Addr,
    prefix: u8,
}

impl Subnet {
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The address of the box on the lab's bridge, and the machines' router.
    pub fn router(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() + 1)
    }

    /// Whether a machine may have the address: inside, and neither the network's, the box's nor the
    /// broadcast address.
    fn fits(&self, address: Ipv4Addr) -> bool {
        let size = 1u32 << (32 - self.prefix);
        let offset = address.to_bits().wrapping_sub(self.network.to_bits());
        (2..size - 1).contains(&offset)
    }

    /// A unique local IPv6 network (RFC 4193), /64, that follows from the IPv4 one, so that two
    /// labs never share one: `fd72:6100:` (the letters 'ra') and the IPv4 network's number.
    fn unique_local(&self) -> [u16; 4] {
        let bits = self.network.to_bits();
        [0xfd72, 0x6100, (bits >> 16) as u16, bits as u16]
    }

    /// The IPv6 address beside an IPv4 one: the same place in the network.
    pub fn beside(&self, address: Ipv4Addr) -> Ipv6Addr {
        let [a, b, c, d] = self.unique_local();
        let offset = address.to_bits() - self.network.to_bits();
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, offset as u16)
    }
}

impl FromStr for Subnet {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        let faulty = || LabError::Subnet(text.to_owned());
        let (network, prefix) = text.split_once('/').ok_or_else(faulty)?;
        let network: Ipv4Addr = network.parse().map_err(|_| faulty())?;
        let prefix: u8 = prefix.parse().map_err(|_| faulty())?;
        if !(16..=30).contains(&prefix) {
            return Err(faulty());
        }
        let mask = u32::MAX << (32 - prefix);
        if network.to_bits() & !mask != 0 {
            return Err(faulty());
        }
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl TryFrom<String> for Subnet {
    type Error = LabError;

    fn try_from(text: String) -> Result<Self, LabError> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl LabSpec {
    /// Names are unique and usable, addresses lie in the subnet and are different.
    pub fn check(&self) -> Result<(), LabError> {
        if !is_name(&self.name, 11) {
            return Err(LabError::Name {
                what: "lab",
                name: self.name.clone(),
            });
        }
        let mut names = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        for machine in &self.machines {
            let begins = machine.name.starts_with(|c: char| c.is_ascii_lowercase());
            if !begins || !is_name(&machine.name, 63) {
                return Err(LabError::Name {
                    what: "machine",
                    name: machine.name.clone(),
                });
            }
            if !names.insert(&machine.name) {
                return Err(LabError::Twice(machine.name.clone()));
            }
            let problem = if !self.subnet.fits(machine.address) {
                Some("is not one that a machine of the subnet can have")
            } else if !addresses.insert(machine.address) {
                Some("is another machine's too")
            } else {
                None
            };
            if let Some(problem) = problem {
                return Err(LabError::Address {
                    machine: machine.name.clone(),
                    address: machine.address,
                    problem,
                });
            }
        }
        Ok(())
    }

    /// The bridge's name: at most the 15 characters that the kernel takes.
    pub fn bridge(&self) -> String {
        format!("ra-{}", self.name)
    }

    /// The cgroup of the whole lab, in every tree. It is named for the state folder too, so that a
    /// lab of the same name elsewhere can never be taken for this one.
    pub(super) fn group(&self) -> String {
        let place = Sha256::digest(self.state_dir.as_os_str().as_encoded_bytes());
        format!("ra-lab-{}-{}", self.name, &hex::encode(place)[..8])
    }

    pub(super) fn home(&self, machine: &str) -> PathBuf {
        self.state_dir.join("machines").join(machine)
    }

    pub(super) fn file(state_dir: &Path) -> PathBuf {
        state_dir.join("lab.json")
    }
}

fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(machines: &[(&str, &str)]) -> LabSpec {
        LabSpec {
            name: "lab".into(),
            state_dir: "/state".into(),
            subnet: "10.77.0.0/24".parse().unwrap(),
            machines: machines
                .iter()
                .map(|(name, address)| MachineSpec {
                    name: (*name).into(),
                    address: address.parse().unwrap(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_lab_with_good_names_and_addresses_passes() {
        let lab = lab(&[("cp1", "10.77.0.11"), ("w-2", "10.77.0.254")]);
        lab.check().unwrap();
        assert_eq!(lab.bridge(), "ra-lab");
        let elsewhere = LabSpec {
            state_dir: "/elsewhere".into(),
            ..lab.clone()
        };
        assert_ne!(lab.group(), elsewhere.group());
    }

    #[test]
    fn faults_of_names_and_addresses_are_told() {
        let cases: [(&[(&str, &str)], &str); 7] = [
            (&[("1cp", "10.77.0.11")], "'1cp' is no name for a machine"),
            (&[("cp_1", "10.77.0.11")], "'cp_1' is no name for a machine"),
            (
                &[("a", "10.77.0.11"), ("a", "10.77.0.12")],
                "two machines are called 'a'",
            ),
            (
                &[("a", "10.77.0.11"), ("b", "10.77.0.11")],
                "address 10.77.0.11 of machine 'b' is another machine's too",
            ),
            (
                &[("a", "10.77.0.1")],
                "address 10.77.0.1 of machine 'a' is not one that a machine of the subnet can have",
            ),
            (
                &[("a", "10.77.0.255")],
                "address 10.77.0.255 of machine 'a' is not one that a machine of the subnet can have",
            ),
            (
                &[("a", "10.76.255.9")],
                "address 10.76.255.9 of machine 'a' is not one that a machine of the subnet can have",
            ),
        ];
        for (machines, expected) in cases {
            let error = lab(machines).check().unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(error.hint().is_some());
        }
        let mut long = lab(&[]);
        long.name = "twelve-chars".into();
        assert_eq!(
            long.check().unwrap_err().to_string(),
            "'twelve-chars' is no name for a lab"
        );
    }

    #[test]
    fn subnets_are_read_and_shown() {
        let subnet: Subnet = "10.77.0.0/24".parse().unwrap();
        assert_eq!(subnet.to_string(), "10.77.0.0/24");
        assert_eq!(subnet.router(), Ipv4Addr::new(10, 77, 0, 1));
        assert_eq!(
            subnet.beside(Ipv4Addr::new(10, 77, 0, 11)).to_string(),
            "fd72:6100:a4d::b"
        );
        for faulty in [
            "10.77.0.0",
            "10.77.0.1/24",
            "10.0.0.0/8",
            "10.77.0.0/31",
            "x/24",
        ] {
            assert!(faulty.parse::<Subnet>().is_err(), "{faulty}");
        }
    }
}
