//! Faults of real BMCs by name: what each does, and when it strikes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::BmcError;

/// What a BMC can do wrong. The number is what `name=NUMBER` sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// 503 during the self-test, Retry-After in turn a number of seconds and a date; the number is
    /// those seconds.
    BusyWhileBooting,
    /// A BIOS change answers 200 and names no job.
    PatchWithoutLocation200,
    /// A BIOS change answers 202 and names no job.
    PatchWithoutLocation202,
    /// Jobs and tasks answer 404 for so many seconds after a reset of the BMC or the machine.
    JobGoneAfterReset,
    /// Strangers hold every session.
    SessionsExhausted,
    /// A boot override that is wanted once stays.
    OnceIgnored,
    /// The BIOS shows staged values as if they were in force, and nothing as pending.
    PendingShownAsCurrent,
    /// `Members` of Systems is empty for so many seconds after the first request, a BMC reset and
    /// a clearing of the job queue.
    EmptyMembers,
    /// One member of a hardware collection answers with broken JSON.
    MalformedMember,
    /// An `If-Match` with the current ETag is refused so many times a resource.
    StaleEtag,
    /// The connection is closed after each answer, unannounced.
    CloseAfterAnswer,
    /// So many milliseconds are added to every answer.
    Slow,
    /// So many resets are accepted and do nothing; 0 means all.
    AcceptedButNothingHappened,
    /// The BIOS attribute registry answers with this status.
    RegistryRefused,
    /// Errors are HTML pages, and so many of a hundred GETs become one.
    HtmlError,
    /// Everything answers 403 PasswordChangeRequired until the password is changed.
    PasswordExpired,
    /// So many of a hundred requests end without an answer, before or after they took effect.
    DropConnection,
}

const TABLE: [(FaultKind, &str, u64); 17] = [
    (FaultKind::BusyWhileBooting, "busy-while-booting", 1),
    (
        FaultKind::PatchWithoutLocation200,
        "patch-200-without-location",
        0,
    ),
    (
        FaultKind::PatchWithoutLocation202,
        "patch-202-without-location",
        0,
    ),
    (FaultKind::JobGoneAfterReset, "job-404-after-reset", 30),
    (FaultKind::SessionsExhausted, "sessions-exhausted", 0),
    (FaultKind::OnceIgnored, "once-ignored", 0),
    (
        FaultKind::PendingShownAsCurrent,
        "pending-shown-as-current",
        0,
    ),
    (FaultKind::EmptyMembers, "empty-members", 120),
    (FaultKind::MalformedMember, "malformed-member", 0),
    (FaultKind::StaleEtag, "stale-etag", 1),
    (FaultKind::CloseAfterAnswer, "close-after-answer", 0),
    (FaultKind::Slow, "slow", 2000),
    (
        FaultKind::AcceptedButNothingHappened,
        "accepted-but-nothing-happened",
        1,
    ),
    (FaultKind::RegistryRefused, "registry-refused", 403),
    (FaultKind::HtmlError, "html-error", 10),
    (FaultKind::PasswordExpired, "password-expired", 0),
    (FaultKind::DropConnection, "drop-connection", 10),
];

impl FaultKind {
    pub fn all() -> impl Iterator<Item = FaultKind> {
        TABLE.iter().map(|row| row.0)
    }

    pub fn name(self) -> &'static str {
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .map_or("", |row| row.1)
    }
}

/// One fault switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub value: u64,
}

impl FromStr for Fault {
    type Err = BmcError;

    fn from_str(text: &str) -> Result<Self, BmcError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (text.trim(), None),
        };
        let Some(&(kind, name, default)) = TABLE.iter().find(|row| row.1 == name) else {
            return Err(BmcError::UnknownFault {
                name: name.to_owned(),
                known: nearest_first(name, TABLE.iter().map(|row| row.1)),
            });
        };
        let value = match value {
            None => default,
            Some(value) => value.parse().map_err(|_| BmcError::FaultValue {
                name,
                value: value.to_owned(),
            })?,
        };
        Ok(Self { kind, value })
    }
}

/// Names ordered by likeness to a word.
pub fn nearest_first(word: &str, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names: Vec<_> = names.collect();
    names.sort_by(|left, right| {
        let likeness = |name| strsim::jaro_winkler(word, name);
        likeness(right).total_cmp(&likeness(left))
    });
    names
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.kind.name(), self.value)
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(|error: BmcError| {
                serde::de::Error::custom(format!("{error}; {}", error.hint()))
            })
    }
}

/// The faults of one BMC, with what they have counted and the dice they throw.
#[derive(Debug)]
pub struct Faults {
    active: BTreeMap<FaultKind, u64>,
    counts: BTreeMap<(FaultKind, String), u64>,
    dice: u64,
}

impl Faults {
    /// `seed` is the emulator's; the name makes the BMCs differ.
    pub fn new(faults: &[Fault], seed: u64, name: &str) -> Self {
        let mixed = name
            .bytes()
            .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        Self {
            active: faults
                .iter()
                .map(|fault| (fault.kind, fault.value))
                .collect(),
            counts: BTreeMap::new(),
            dice: mixed,
        }
    }

    pub fn value(&self, kind: FaultKind) -> Option<u64> {
        self.active.get(&kind).copied()
    }

    pub fn is_active(&self, kind: FaultKind) -> bool {
        self.active.contains_key(&kind)
    }

    /// Whether a fault that strikes a number of times strikes now, and counts it. 0 strikes always.
    pub fn strikes(&mut self, kind: FaultKind, subject: &str) -> bool {
        let Some(times) = self.value(kind) else {
            return false;
        };
        let count = self.counts.entry((kind, subject.to_owned())).or_default();
        *count += 1;
        times == 0 || *count <= times
    }

    /// Whether a fault that strikes by chance strikes now.
    pub fn happens(&mut self, kind: FaultKind) -> bool {
        let Some(percent) = self.value(kind) else {
            return false;
        };
        self.roll(100) < percent
    }

    /// A number below `sides` (splitmix64).
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_right_ones_nearest_first() {
        let error = "once-ignore".parse::<Fault>().expect_err("misspelt");
        let BmcError::UnknownFault { known, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(known[0], "once-ignored");
        assert_eq!(known.len(), TABLE.len());
        assert!(error.hint().contains("drop-connection"));
    }

    #[test]
    fn every_fault_has_a_name_that_reads_back() {
        for kind in FaultKind::all() {
            let fault: Fault = kind.name().parse().expect("its own name");
            assert_eq!(fault.kind, kind);
            assert_eq!(
                fault.to_string().parse::<Fault>().expect("with value"),
                fault
            );
        }
    }

    #[test]
    fn the_same_seed_and_name_strike_alike() {
        let throw = |seed, name: &str| {
            let faults = ["drop-connection=50".parse().expect("a fault")];
            let mut faults = Faults::new(&faults, seed, name);
            (0..64)
                .map(|_| faults.happens(FaultKind::DropConnection))
                .collect::<Vec<_>>()
        };
        assert_eq!(throw(7, "w01"), throw(7, "w01"));
        assert_ne!(throw(7, "w01"), throw(8, "w01"));
        assert_ne!(throw(7, "w01"), throw(7, "w02"));
    }

    #[test]
    fn counts_strikes() {
        let mut faults = Faults::new(&["stale-etag=2".parse().expect("a fault")], 0, "w01");
        let strikes: Vec<_> = (0..3)
            .map(|_| faults.strikes(FaultKind::StaleEtag, "/a"))
            .collect();
        assert_eq!(strikes, [true, true, false]);
        assert!(faults.strikes(FaultKind::StaleEtag, "/b"));
    }
}
