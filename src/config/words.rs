//! Small words of the files: durations, names in expressions, addresses and networks.

use std::net::IpAddr;
use std::time::Duration;

/// The name that expressions and templates use: `huge-pages` is `huge_pages` there.
pub fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// `90s`, `5m`, `1h30m`, `2d`; `None` for what is no duration.
pub fn duration(text: &str) -> Option<Duration> {
    let mut seconds: u64 = 0;
    let mut number = String::new();
    for letter in text.trim().chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let count: u64 = std::mem::take(&mut number).parse().ok()?;
        seconds = seconds.checked_add(count.checked_mul(unit)?)?;
    }
    (number.is_empty() && seconds > 0).then(|| Duration::from_secs(seconds))
}

/// A network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Network {
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let prefix: u8 = prefix.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= most).then_some(Self { address, prefix })
    }

    /// The address at `offset` from the network's first one; `None` beyond its end.
    pub fn at(&self, offset: u64) -> Option<IpAddr> {
        let offset = u128::from(offset);
        match self.address {
            IpAddr::V4(address) => {
                let free = 32 - u32::from(self.prefix);
                let base = u128::from(u32::from(address)) >> free << free;
                let last = base + ((1u128 << free) - 1);
                let found = base.checked_add(offset).filter(|found| *found <= last)?;
                Some(IpAddr::from(u32::try_from(found).ok()?.to_be_bytes()))
            }
            IpAddr::V6(address) => {
                let free = 128 - u32::from(self.prefix);
                let mask = u128::MAX.checked_shl(free).unwrap_or(0);
                let base = u128::from(address) & mask;
                let found = base.checked_add(offset)?;
                (found & mask == base).then(|| IpAddr::from(found.to_be_bytes()))
            }
        }
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32u32),
            IpAddr::V6(address) => (u128::from(address), 128u32),
        };
        let ((own, width), (other, other_width)) = (bits(self.address), bits(address));
        let free = width - u32::from(self.prefix);
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        width == other_width && own & mask == other & mask
    }
}

/// Whether a text can be an address that SSH or a BMC is reached at: an IP address or a host
/// name. What is made of digits and dots has to be an IP address.
pub fn is_address(text: &str) -> bool {
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    let numeric = text
        .chars()
        .all(|letter| letter.is_ascii_digit() || letter == '.');
    !text.is_empty() && !numeric && !text.starts_with(['-', '.']) && text.chars().all(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("5m", Some(300)),
            ("1h30m", Some(5400)),
            ("5", None),
            ("m", None),
            ("", None),
            ("5 minutes", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(
                duration(text).map(|length| length.as_secs()),
                seconds,
                "{text}"
            );
        }
    }

    #[test]
    fn networks() {
        let at = |network: &str, offset| {
            Network::parse(network)
                .and_then(|network| network.at(offset))
                .map(|address| address.to_string())
        };
        assert_eq!(at("10.96.0.0/16", 10).as_deref(), Some("10.96.0.10"));
        assert_eq!(at("192.0.2.77/24", 1).as_deref(), Some("192.0.2.1"));
        assert_eq!(at("192.0.2.0/30", 4), None);
        assert_eq!(at("fd00:10:96::/112", 10).as_deref(), Some("fd00:10:96::a"));
        assert_eq!(at("fd00::/127", 2), None);
        assert_eq!(at("0.0.0.0/0", 1).as_deref(), Some("0.0.0.1"));
        assert!(Network::parse("10.0.0.0/33").is_none());
        let network = Network::parse("10.0.0.0/8").expect("a network");
        assert!(network.contains("10.255.0.1".parse().expect("an address")));
        assert!(!network.contains("11.0.0.1".parse().expect("an address")));
    }

    #[test]
    fn addresses() {
        for (text, right) in [
            ("192.0.2.1", true),
            ("192.0.2.300", false),
            ("fd00::1", true),
            ("host.example.net", true),
            ("a b", false),
            ("", false),
            ("-oProxyCommand=x", false),
        ] {
            assert_eq!(is_address(text), right, "{text}");
        }
    }
}
