//! Memory, swap and huge pages.

use serde_json::{Map, Value, json};

use super::{Fact, contents, not_understood, survey, trimmed};
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{total_mib, available_mib, swap_mib, huge_pages: {SIZE: {total, free}}}`, sizes as
/// Kubernetes writes them: `2Mi`, `1Gi`. In a container, swap is that of the machine around it.
pub(super) struct Memory;

const MEMORY: &str = "/proc/meminfo";
const SWAPS: &str = "/proc/swaps";

impl Probe for Memory {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        let mut queries = contents(&[MEMORY, SWAPS]);
        queries.push(survey::query());
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        answers.want(self.ask())?;
        let text = answers.content(MEMORY)?.unwrap_or_default();
        let mebibytes = |key: &str| -> Option<u64> {
            let value = text.lines().find_map(|line| line.strip_prefix(key))?;
            let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kibibytes / 1024)
        };
        let total = mebibytes("MemTotal:").ok_or_else(|| not_understood(MEMORY))?;
        // Columns: file, type, size in KiB, used, priority.
        let swap: u64 = trimmed(answers, SWAPS)?
            .unwrap_or_default()
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok())
            .sum();
        Ok(json!({
            "total_mib": total,
            "available_mib": mebibytes("MemAvailable:"),
            "swap_mib": swap.div_ceil(1024),
            "huge_pages": huge_pages(answers)?,
        }))
    }
}

fn huge_pages(answers: &Answers) -> Result<Map<String, Value>, Unread> {
    let mut pages = Map::new();
    for line in survey::lines(answers, "hugepages")? {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [size, total, free] = fields.as_slice() else {
            continue;
        };
        let kibibytes = size
            .strip_suffix("kB")
            .and_then(|size| size.parse::<u64>().ok());
        let numbers = (kibibytes, total.parse::<u64>(), free.parse::<u64>());
        if let (Some(kibibytes), Ok(total), Ok(free)) = numbers {
            let name = match kibibytes {
                size if size.is_multiple_of(1024 * 1024) => format!("{}Gi", size / 1024 / 1024),
                size if size.is_multiple_of(1024) => format!("{}Mi", size / 1024),
                size => format!("{size}Ki"),
            };
            pages.insert(name, json!({"total": total, "free": free}));
        }
    }
    Ok(pages)
}

impl Fact for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["total_mib", "available_mib", "swap_mib", "huge_pages.*"]
    }
}
