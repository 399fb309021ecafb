//! Processors.

use serde_json::{Value, json};

use super::{Fact, contents, machine, not_understood, survey, trimmed};
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{count, model, vendor, flags, numa_nodes, smt, isolated}`: `count` are logical processors
/// online, `isolated` is the kernel's list such as `2-15`, `smt` whether siblings are in use.
pub(super) struct Cpu;

const ONLINE: &str = "/sys/devices/system/cpu/online";
const NODES: &str = "/sys/devices/system/node/online";
const SMT: &str = "/sys/devices/system/cpu/smt/active";
const ISOLATED: &str = "/sys/devices/system/cpu/isolated";

impl Probe for Cpu {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        let mut queries = contents(&[ONLINE, NODES, SMT, ISOLATED]);
        queries.push(survey::query());
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        answers.want(self.ask())?;
        let online = trimmed(answers, ONLINE)?.ok_or_else(|| not_understood(ONLINE))?;
        let count = count(online).ok_or_else(|| not_understood(ONLINE))?;
        let lines = survey::lines(answers, "cpu")?;
        let word = |key: &str| lines.iter().find_map(|line| line.strip_prefix(key));
        let flags: Vec<&str> = machine::cpu_flags(answers)?.collect();
        Ok(json!({
            "count": count,
            "model": word("model name:"),
            "vendor": word("vendor_id:").or_else(|| word("CPU implementer:")),
            "flags": flags,
            "numa_nodes": trimmed(answers, NODES)?.and_then(self::count).unwrap_or(1),
            "smt": trimmed(answers, SMT)?.map(|active| active == "1"),
            "isolated": trimmed(answers, ISOLATED)?.unwrap_or_default(),
        }))
    }
}

/// How many numbers a list such as `0-3,8` names.
fn count(list: &str) -> Option<u64> {
    list.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            last.checked_sub(first).map(|more| more + 1)
        })
        .sum()
}

impl Fact for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn fields(&self) -> &'static [&'static str] {
        &[
            "count",
            "model",
            "vendor",
            "flags",
            "numa_nodes",
            "smt",
            "isolated",
        ]
    }
}
