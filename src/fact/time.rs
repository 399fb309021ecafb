//! The clock.

use serde_json::{Value, json};

use super::{Fact, survey};
use crate::model::query::FileState;
use crate::model::{Answers, Query, Unread};
use crate::probe::Probe;

/// `{synchronised, offset_seconds}`: by chrony or systemd-timesyncd; `synchronised` is null
/// where neither is there to tell.
pub(super) struct Time;

const TIMESYNC: &str = "/run/systemd/timesync/synchronized";

impl Probe for Time {
    type Finding = Value;

    fn ask(&self) -> Vec<Query> {
        vec![Query::File(TIMESYNC.to_owned()), survey::query()]
    }

    fn read(&self, answers: &Answers) -> Result<Value, Unread> {
        answers.want(self.ask())?;
        // Columns: reference, its name, stratum, reference time, offset of the clock, …, and as
        // the last one the leap status: `Normal`, `Insert second`, `Delete second` or
        // `Not synchronised`.
        let tracking = survey::first(answers, "chrony")?.filter(|line| line.contains(','));
        if let Some(line) = tracking {
            let fields: Vec<&str> = line.split(',').collect();
            let offset = fields.get(4).and_then(|offset| offset.parse::<f64>().ok());
            return Ok(json!({
                "synchronised": fields.last() != Some(&"Not synchronised"),
                "offset_seconds": offset,
            }));
        }
        let synchronised = match answers.file(TIMESYNC)? {
            FileState::Present(_) => Some(true),
            FileState::Absent => None,
        };
        Ok(json!({"synchronised": synchronised, "offset_seconds": null}))
    }
}

impl Fact for Time {
    fn name(&self) -> &'static str {
        "time"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["synchronised", "offset_seconds"]
    }
}
