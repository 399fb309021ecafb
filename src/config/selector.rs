//! Which hosts: `all`, a group, a host name or range, `first GROUP`, joined by commas; `!` takes
//! away. The same words in a profile's roles, a task's `on`, and `--limit`.

use super::site::Site;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    pub terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    Take(Pick),
    Leave(Pick),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// A group or a host of that name.
    Named(String),
    /// The first host of a group in inventory order.
    First(String),
    /// Every host of a group but its first.
    Others(String),
}

impl Selector {
    pub fn all() -> Self {
        Self {
            terms: vec![Term::Take(Pick::Named("all".to_owned()))],
        }
    }

    /// Whether `host` is chosen.
    pub fn picks(&self, site: &Site, host: &str) -> bool {
        let mut picked = matches!(self.terms.first(), Some(Term::Leave(_)));
        for term in &self.terms {
            match term {
                Term::Take(pick) if pick.holds(site, host) => picked = true,
                Term::Leave(pick) if pick.holds(site, host) => picked = false,
                _ => {}
            }
        }
        picked
    }

    /// The chosen hosts in inventory order.
    pub fn hosts<'site>(&self, site: &'site Site) -> Vec<&'site str> {
        site.hosts
            .iter()
            .map(|host| host.name.as_str())
            .filter(|host| self.picks(site, host))
            .collect()
    }
}

impl Pick {
    fn holds(&self, site: &Site, host: &str) -> bool {
        let group = |name: &str| site.groups.get(name).map(Vec::as_slice).unwrap_or_default();
        match self {
            Pick::Named(name) => name == host || group(name).iter().any(|member| member == host),
            Pick::First(name) => group(name).first().is_some_and(|member| member == host),
            Pick::Others(name) => group(name).iter().skip(1).any(|member| member == host),
        }
    }
}
