//! Which hosts: `all`, a group, a host name or range, `first GROUP`, `others GROUP`, joined by
//! commas; `!` takes away. The same words in a profile's roles, a task's `on`, and `--limit`.

use std::ops::Range;

use super::groups::split;
use super::nearest::suggestion;
use super::range;
use super::site::{Host, Site};

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

    /// The words of a text. Names are not looked up: [`Selector::unknown`] does that.
    pub fn parse(text: &str) -> Result<Self, SelectorFault> {
        let mut terms = Vec::new();
        for part in split(text) {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            let place = start..start + part.len();
            let (leave, word) = match part.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, part),
            };
            let term = |pick| match leave {
                true => Term::Leave(pick),
                false => Term::Take(pick),
            };
            match word.split_once(char::is_whitespace) {
                Some(("first", group)) => terms.push(term(Pick::First(group.trim().to_owned()))),
                Some(("others", group)) => terms.push(term(Pick::Others(group.trim().to_owned()))),
                Some(_) => {
                    return Err(SelectorFault {
                        message: format!("`{word}` chooses no hosts"),
                        help: "join groups and hosts by commas; there are also `first GROUP`, `others GROUP` and `!` to leave out".to_owned(),
                        range: place,
                    });
                }
                None => match range::expand(word) {
                    Ok(names) => terms.extend(
                        names
                            .into_iter()
                            .map(|numbered| term(Pick::Named(numbered.name))),
                    ),
                    Err(fault) => {
                        return Err(SelectorFault {
                            message: fault.message,
                            help: "name hosts and groups, joined by commas".to_owned(),
                            range: place,
                        });
                    }
                },
            }
        }
        Ok(Self { terms })
    }

    /// The first name that is neither a host nor a group, with what to do about it.
    pub fn unknown(&self, site: &Site) -> Option<(String, String)> {
        self.terms.iter().find_map(|term| {
            let (Term::Take(pick) | Term::Leave(pick)) = term;
            let groups = || site.groups.keys().map(String::as_str);
            match pick {
                Pick::Named(name) => {
                    let known = site.groups.contains_key(name) || site.host(name).is_some();
                    (!known).then(|| {
                        let hosts = site.hosts.iter().map(|host| host.name.as_str());
                        let all: Vec<&str> = groups().chain(hosts).collect();
                        let help = suggestion(name, "groups and hosts", all.iter().copied());
                        (name.clone(), help)
                    })
                }
                Pick::First(name) | Pick::Others(name) => (!site.groups.contains_key(name))
                    .then(|| (name.clone(), suggestion(name, "groups", groups()))),
            }
        })
    }

    /// Whether `host` is chosen.
    pub fn picks(&self, site: &Site, host: &str) -> bool {
        match site.host(host) {
            Some(host) => self.chooses(site, host),
            None => false,
        }
    }

    /// The chosen hosts in inventory order.
    pub fn hosts<'site>(&self, site: &'site Site) -> Vec<&'site str> {
        site.hosts
            .iter()
            .filter(|host| self.chooses(site, host))
            .map(|host| host.name.as_str())
            .collect()
    }

    fn chooses(&self, site: &Site, host: &Host) -> bool {
        let mut chosen = matches!(self.terms.first(), Some(Term::Leave(_)));
        for term in &self.terms {
            match term {
                Term::Take(pick) if pick.holds(site, host) => chosen = true,
                Term::Leave(pick) if pick.holds(site, host) => chosen = false,
                _ => {}
            }
        }
        chosen
    }
}

/// Why a text chooses no hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorFault {
    /// Lower-case.
    pub message: String,
    pub help: String,
    /// The bytes of the text that are wrong.
    pub range: Range<usize>,
}

impl SelectorFault {
    pub fn hint(&self) -> &str {
        &self.help
    }
}

impl Pick {
    fn holds(&self, site: &Site, host: &Host) -> bool {
        let member =
            |group: &str| group == "all" || host.groups.iter().any(|candidate| candidate == group);
        let is_first = |group: &str| {
            let first = site.groups.get(group).and_then(|hosts| hosts.first());
            first.is_some_and(|first| *first == host.name)
        };
        match self {
            Pick::Named(name) => *name == host.name || member(name),
            Pick::First(name) => is_first(name),
            Pick::Others(name) => member(name) && !is_first(name),
        }
    }
}
