//! BMCs that show a staged BIOS value as if it were in force: until a boot it is not.

use std::collections::BTreeMap;

use serde_json::Value;

use super::witness::{Watch, Witness};
use crate::model::bmc::BiosState;

/// Attributes that were shown as wanted the moment they were staged.
pub(super) struct Early {
    /// What was in force, and is until a boot.
    before: BTreeMap<String, Value>,
    watch: Watch,
}

impl Early {
    /// None where no staged value is shown as the one in force.
    pub fn of(
        wanted: &BTreeMap<String, Value>,
        before: &BTreeMap<String, Value>,
        now: &BTreeMap<String, Value>,
        witness: Witness,
    ) -> Option<Self> {
        let shown = wanted.iter().filter_map(|(name, value)| {
            let was = before.get(name)?;
            (was != value && now.get(name) == Some(value)).then(|| (name.clone(), was.clone()))
        });
        let before: BTreeMap<String, Value> = shown.collect();
        (!before.is_empty()).then(|| Self {
            before,
            watch: Watch::begin(witness),
        })
    }

    /// Shows them as pending. False once a boot has taken them into force.
    pub fn colour(&mut self, state: &mut BiosState, witness: &Witness) -> bool {
        if self.watch.booted(witness) {
            return false;
        }
        for (name, was) in &self.before {
            if let Some(now) = state.current.insert(name.clone(), was.clone())
                && now != *was
            {
                state.pending.entry(name.clone()).or_insert(now);
            }
        }
        true
    }

    /// Adds those that were staged earlier, since the same boot will take them.
    pub fn joined(mut self, earlier: Option<Self>) -> Self {
        if let Some(earlier) = earlier {
            self.before.extend(earlier.before);
        }
        self
    }
}
