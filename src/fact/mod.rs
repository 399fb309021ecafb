//! Facts: what roles may want to know of a host before they decide anything. All of them go out
//! with the host's first questions; what cannot be read is absent, with its reason, and is no
//! fault as long as nobody needs it.

use serde_json::{Map, Value};

use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

pub use boot::started;

mod boot;
mod cgroup;
mod cpu;
mod kernel;
mod machine;
mod memory;
mod network;
mod os;
mod security;
mod survey;
mod systemd;
mod time;

/// One group of facts.
pub trait Fact: Probe<Finding = Value> + Send + Sync {
    /// Its key below `facts`.
    fn name(&self) -> &'static str;

    /// What its value holds: paths below its key. One that ends in `.*` has keys of its own.
    fn fields(&self) -> &'static [&'static str];
}

/// Every fact.
pub fn all() -> &'static [&'static dyn Fact] {
    &[
        &os::Os,
        &kernel::Kernel,
        &cgroup::Cgroup,
        &machine::Machine,
        &memory::Memory,
        &cpu::Cpu,
        &network::Network,
        &boot::Boot,
        &time::Time,
        &systemd::Systemd,
        &security::Security,
    ]
}

/// Paths below `facts` that expressions may name: `os.id`, `memory.huge_pages`, ….
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = all()
        .iter()
        .flat_map(|fact| {
            let field = |field: &&str| format!("{}.{}", fact.name(), field.trim_end_matches(".*"));
            fact.fields().iter().map(field)
        })
        .collect();
    names.push("unreadable".to_owned());
    names
}

/// What all facts ask, each question once.
pub fn questions() -> Vec<Query> {
    let mut queries: Vec<Query> = all().iter().flat_map(|fact| fact.ask()).collect();
    queries.sort();
    queries.dedup();
    queries
}

/// All facts as one value. `unreadable` holds the reason for each that is absent.
pub fn gather(answers: &Answers) -> Result<Value, Unread> {
    let mut facts = Map::new();
    let mut unreadable = Map::new();
    let mut wanted = Vec::new();
    for fact in all() {
        match fact.read(answers) {
            Ok(value) => {
                facts.insert(fact.name().to_owned(), value);
            }
            Err(Unread::Wants(queries)) => wanted.extend(queries),
            Err(Unread::Unreadable(reason)) => {
                unreadable.insert(fact.name().to_owned(), reason.into());
            }
        }
    }
    if !wanted.is_empty() {
        return Err(Unread::Wants(wanted));
    }
    facts.insert("unreadable".to_owned(), unreadable.into());
    Ok(facts.into())
}

/// A fact's path is not what it should be.
fn not_understood(what: &str) -> Unread {
    Unread::Unreadable(format!("{what} is not understood"))
}

/// The text of a file, trimmed; `None` where there is none or it cannot be read, as many files of
/// /sys and /proc cannot in a container.
fn trimmed<'answers>(
    answers: &'answers Answers,
    path: &str,
) -> Result<Option<&'answers str>, Unread> {
    match answers.content(path) {
        Ok(text) => Ok(text.map(str::trim)),
        Err(Unread::Unreadable(_)) => Ok(None),
        Err(wants) => Err(wants),
    }
}

fn contents(paths: &[&str]) -> Vec<Query> {
    paths
        .iter()
        .map(|path| Query::Content((*path).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
