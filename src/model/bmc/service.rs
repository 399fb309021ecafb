//! What a BMC has noted and what it is doing: logs, jobs, sessions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The entries of every log of system, manager and chassis, oldest first as far as they tell
/// their time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LogState {
    pub entries: Vec<LogEntry>,
    /// Logs, or entries, that could not be read: `PATH: reason`.
    pub unreadable: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Identifier of the log service, such as `Sel`.
    pub log: String,
    pub id: String,
    /// When it happened, where the BMC's writing of it can be read.
    pub time: Option<Timestamp>,
    /// As the BMC wrote it.
    pub created: Option<String>,
    pub severity: Severity,
    pub message: String,
    pub message_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Ok,
    Warning,
    Critical,
}

impl Severity {
    /// From the words of the standard and of vendors (HPE: `Caution`, `Repaired`, `Informational`).
    pub fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "critical" | "fatal" | "error" | "nonrecoverable" => Self::Critical,
            "warning" | "caution" | "noncritical" => Self::Warning,
            _ => Self::Ok,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Tasks and jobs, each once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct JobState {
    pub jobs: Vec<Job>,
    pub unreadable: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: String,
    pub name: String,
    /// As the BMC words it: `Scheduled`, `Running`, `Completed`.
    pub state: String,
    pub stage: JobStage,
    /// Percent.
    pub progress: Option<u8>,
    pub message: Option<String>,
    pub started: Option<String>,
    /// Where it stands on the BMC.
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobStage {
    Queued,
    Running,
    Done,
    Failed,
}

impl JobStage {
    /// Whether it still may change something.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// Who is logged in, and how this run is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionState {
    pub sessions: Vec<OpenSession>,
    /// Whether this run has a session; `false` where it sends the password with each request, as
    /// when no session was left.
    pub by_session: bool,
    /// Why the sessions cannot be listed.
    pub unreadable: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenSession {
    pub id: String,
    pub user: Option<String>,
    pub kind: Option<String>,
    pub origin: Option<String>,
    pub created: Option<String>,
}

/// A time as BMCs write it: RFC 3339, with an offset that lacks its colon (iDRAC's event stream),
/// without any offset (then UTC), or American with slashes (iLO and Supermicro logs). None for
/// placeholders such as `0000-00-00`.
pub fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let zoned = [
        "%Y-%m-%dT%H:%M:%S%.f%z",
        "%Y-%m-%d %H:%M:%S%z",
        "%Y-%m-%dT%H:%M%z",
    ];
    for format in zoned {
        if let Ok(time) = Timestamp::strptime(format, text) {
            return Some(time);
        }
    }
    let plain = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%dT%H:%MZ",
        "%Y-%m-%d %H:%M:%S",
        "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %H:%M",
    ];
    plain.iter().find_map(|format| {
        let time = jiff::civil::DateTime::strptime(format, text).ok()?;
        (time.year() > 0).then_some(())?;
        jiff::tz::TimeZone::UTC.to_timestamp(time).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_bmcs_write_them() {
        let noon = "2026-01-31T12:00:00Z".parse().ok();
        for text in [
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00+00:00",
            "2026-01-31T06:00:00-06:00",
            "2026-01-31T06:00:00-0600",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00Z",
            "2026-01-31 12:00:00",
            "01/31/2026 12:00:00",
            "01/31/2026 12:00",
        ] {
            assert_eq!(instant(text), noon, "{text}");
        }
        for text in [
            "",
            "0000-00-00T00:00:00Z",
            "00:00:00Z",
            "TIME_NA",
            "[NOT SET]",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
