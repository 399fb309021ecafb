//! Whether a server's BMC will do what the site asks of it: read before anything is touched. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::bmc::{
    BiosState, JobState, LinkPath, MediaState, SessionState, SettingsState, SystemState, instant,
};
use crate::model::{Answers, BmcQuery, Query, Trust, Unread};

/// How far a BMC's clock may be off: TLS certificates, logs and Kubernetes tolerate minutes.
const CLOCK_TOLERANCE: u64 = 300;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub topic: &'static str,
    pub level: Level,
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Ok,
    Warning,
    Problem,
}

impl Finding {
    pub fn ok(topic: &'static str, text: impl Into<String>) -> Self {
        Self {
            topic,
            level: Level::Ok,
            text: text.into(),
            mend: None,
        }
    }

    pub fn warning(topic: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            mend: Some(mend.into()),
            ..Self::ok(topic, text)
        }
    }

    pub fn problem(topic: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            level: Level::Problem,
            ..Self::warning(topic, text, mend)
        }
    }
}

/// What the site's tasks want of the BMC beyond what every BMC has.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    pub media: bool,
    pub firmware: bool,
}

fn manager() -> BmcQuery {
    BmcQuery::Documents(LinkPath("manager".into()))
}

fn update_service() -> BmcQuery {
    BmcQuery::Documents(LinkPath("root/UpdateService".into()))
}

/// The questions to every BMC.
pub fn questions() -> Vec<Query> {
    [
        BmcQuery::System,
        BmcQuery::Bios,
        BmcQuery::Jobs,
        BmcQuery::Sessions,
        BmcQuery::Settings,
        BmcQuery::Media,
        manager(),
        update_service(),
    ]
    .into_iter()
    .map(Query::Bmc)
    .collect()
}

/// What the answers say, in the order in which a person would look at it.
pub fn findings(trust: &Trust, needs: &Needs, answers: &Answers, now: Timestamp) -> Vec<Finding> {
    let system: SystemState = match answers.bmc_state(&BmcQuery::System) {
        Ok(system) => system,
        Err(unread) => {
            return vec![Finding::problem(
                "bmc",
                reason(unread),
                "nothing can be done through this BMC until it answers",
            )];
        }
    };
    let mut found = vec![Finding::ok(
        "bmc",
        [&system.manufacturer, &system.model]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" "),
    )];
    if *trust == Trust::Insecure {
        found.push(Finding::warning(
            "trust",
            "any certificate is believed",
            "pin this one: `ra-deploy bmc pin INVENTORY --write`",
        ));
    }
    found.push(sessions(answers));
    found.push(jobs(answers));
    found.extend(pending(answers));
    found.push(clock(answers, now));
    let manager = answers
        .bmc(&manager())
        .ok()
        .and_then(|list| list.get(0).cloned())
        .unwrap_or(Value::Null);
    found.push(firmware(&system, &manager));
    found.extend(licence(&manager));
    if needs.media {
        found.push(media(answers));
    }
    if needs.firmware {
        found.push(updates(answers));
    }
    found
}

fn reason(unread: Unread) -> String {
    match unread {
        Unread::Unreadable(reason) => reason,
        Unread::Wants(_) => "the BMC gave no answer".to_owned(),
    }
}

fn unread(topic: &'static str, unread: Unread) -> Finding {
    Finding::warning(
        topic,
        format!("not readable: {}", reason(unread)),
        "see whether the BMC's firmware has an update",
    )
}

fn sessions(answers: &Answers) -> Finding {
    match answers.bmc_state::<SessionState>(&BmcQuery::Sessions) {
        Ok(state) if state.by_session || state.unreadable.is_some() => {
            Finding::ok("sessions", format!("{} open", state.sessions.len()))
        }
        Ok(state) => Finding::warning(
            "sessions",
            format!("none was left, {} are open", state.sessions.len()),
            "see `ra-deploy bmc sessions`; they end by their timeout, or with `ra-deploy bmc reset`",
        ),
        Err(error) => unread("sessions", error),
    }
}

fn jobs(answers: &Answers) -> Finding {
    match answers.bmc_state::<JobState>(&BmcQuery::Jobs) {
        Ok(state) => {
            let open: Vec<String> = state
                .jobs
                .iter()
                .filter(|job| job.stage.is_open())
                .map(|job| format!("{} ({}) is {}", job.id, job.name, job.state))
                .collect();
            match open.is_empty() {
                true => Finding::ok("jobs", "none waits"),
                false => Finding::warning(
                    "jobs",
                    open.join(", "),
                    "let them end, or delete them: `ra-deploy bmc clear-jobs`",
                ),
            }
        }
        Err(error) => unread("jobs", error),
    }
}

fn pending(answers: &Answers) -> Option<Finding> {
    let state: BiosState = answers.bmc_state(&BmcQuery::Bios).ok()?;
    if state.pending.is_empty() {
        return Some(Finding::ok(
            "bios",
            format!("{} attributes", state.current.len()),
        ));
    }
    let names: Vec<&str> = state.pending.keys().map(String::as_str).collect();
    Some(Finding::warning(
        "bios",
        format!("changes wait for a boot: {}", names.join(", ")),
        "boot the server, or take them back: `ra-deploy bmc clear-jobs`",
    ))
}

fn clock(answers: &Answers, now: Timestamp) -> Finding {
    let state: SettingsState = match answers.bmc_state(&BmcQuery::Settings) {
        Ok(state) => state,
        Err(error) => return unread("clock", error),
    };
    let Some(time) = state.time.as_deref().and_then(instant) else {
        return Finding::ok("clock", "the BMC does not tell its time");
    };
    let off = time.duration_since(now).abs().as_secs().unsigned_abs();
    match off > CLOCK_TOLERANCE {
        false => Finding::ok("clock", format!("{off} s off")),
        true => Finding::warning(
            "clock",
            format!("{off} s off: it says {time}"),
            "give it time servers: task `bmc-settings`, parameter `bmc-time-servers` of the role hardware",
        ),
    }
}

/// A row of the data file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    maker: String,
    #[serde(default)]
    model: String,
    below: Option<String>,
    text: String,
    mend: String,
    source: String,
}

fn firmware(system: &SystemState, manager: &Value) -> Finding {
    let known: Vec<Known> =
        serde_saphyr::from_str(include_str!("firmware.yaml")).expect("the data file is tested");
    let version = manager["FirmwareVersion"].as_str().unwrap_or_default();
    let has = |whole: &Option<String>, part: &str| {
        let whole = whole.as_deref().unwrap_or_default().to_ascii_lowercase();
        whole.contains(&part.to_ascii_lowercase())
    };
    let row = known.iter().find(|row| {
        let older = row
            .below
            .as_deref()
            .is_none_or(|below| is_older(version, below));
        has(&system.manufacturer, &row.maker) && has(&system.model, &row.model) && older
    });
    let version = match version {
        "" => "a version that it does not tell",
        version => version,
    };
    match row {
        None => Finding::ok("firmware", version),
        Some(row) => Finding::warning(
            "firmware",
            format!("{version}: {} ({})", row.text, row.source),
            row.mend.clone(),
        ),
    }
}

/// Whether a version comes before another, number by number; one without a number is not judged.
fn is_older(version: &str, than: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|letter: char| !letter.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .collect()
    };
    let (version, than) = (numbers(version), numbers(than));
    !version.is_empty() && version < than
}

/// HPE tells the licence at its manager (captured iLO 5 tree); without iLO Advanced there are no
/// virtual media for a running server.
fn licence(manager: &Value) -> Option<Finding> {
    let words = manager
        .pointer("/Oem/Hpe/License/LicenseString")?
        .as_str()?;
    Some(match words.contains("Standard") {
        false => Finding::ok("licence", words),
        true => Finding::warning(
            "licence",
            format!("{words} lacks virtual media and the remote console"),
            "install an iLO Advanced licence, or boot this server from the network",
        ),
    })
}

fn media(answers: &Answers) -> Finding {
    match answers.bmc_state::<MediaState>(&BmcQuery::Media) {
        Ok(state) if state.devices.is_empty() => Finding::problem(
            "media",
            "this BMC has no virtual media device",
            "leave the task out for this host, or update the BMC; some need a licence",
        ),
        Ok(state) => Finding::ok("media", format!("{} devices", state.devices.len())),
        Err(error) => unread("media", error),
    }
}

fn updates(answers: &Answers) -> Finding {
    match answers.bmc(&update_service()) {
        Ok(list)
            if list
                .get(0)
                .is_some_and(|one| one.get("unreadable").is_none()) =>
        {
            Finding::ok("updates", "there is an update service")
        }
        Ok(_) => Finding::problem(
            "updates",
            "this BMC has no update service",
            "leave firmware out for this host, or update it by other means",
        ),
        Err(error) => unread("updates", error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Answer;

    #[test]
    fn every_row_of_the_data_names_its_source() {
        let known: Vec<Known> = serde_saphyr::from_str(include_str!("firmware.yaml")).unwrap();
        assert!(
            known
                .iter()
                .all(|row| !row.source.is_empty() && !row.maker.is_empty())
        );
        assert!(is_older("5.10.50.00", "6.0"));
        assert!(!is_older("6.00.30.00", "6.0"));
        assert!(!is_older("", "6.0"));
    }

    fn level(found: &[Finding], topic: &str) -> Level {
        let mut found = found.iter();
        found.find(|one| one.topic == topic).expect(topic).level
    }

    fn answers(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Answers {
        let mut parts = json!({
            "system": {"manufacturer": "Dell Inc.", "model": "R750", "serial": null, "bios_version": null,
                "power": "On", "boot_progress": null, "last_reset": null, "reset_types": [],
                "boot_override": {"enabled": null, "target": null, "mode": null, "uefi_target": null, "http_boot_uri": null},
                "boot_targets": []},
            "jobs": {"jobs": [], "unreadable": []},
            "sessions": {"sessions": [], "by_session": true, "unreadable": null},
            "settings": {"host_name": null, "ntp_enabled": null, "ntp_servers": [], "offset": null,
                "time_zone": null, "time": "2026-01-31T12:00:00Z"},
            "media": {"devices": [], "unreadable": []},
            "manager": [{"FirmwareVersion": "7.10.0.0"}],
            "updates": [{"@odata.id": "/redfish/v1/UpdateService"}],
        });
        let parts = parts.as_object_mut().expect("a map");
        change(parts);
        let query = |name: &str| match name {
            "system" => BmcQuery::System,
            "jobs" => BmcQuery::Jobs,
            "sessions" => BmcQuery::Sessions,
            "settings" => BmcQuery::Settings,
            "media" => BmcQuery::Media,
            "manager" => manager(),
            _ => update_service(),
        };
        parts
            .iter()
            .map(|(name, value)| (Query::Bmc(query(name)), Answer::Bmc(value.clone())))
            .collect()
    }

    #[test]
    fn each_fault_is_found_and_only_it() {
        let now: Timestamp = "2026-01-31T12:01:00Z".parse().unwrap();
        let needs = Needs {
            media: false,
            firmware: true,
        };
        let look = |answers: &Answers| findings(&Trust::System, &needs, answers, now);
        let sound = look(&answers(|_| {}));
        assert!(sound.iter().all(|one| one.level == Level::Ok), "{sound:?}");
        let cases: [(&str, &str, Value, Level); 5] = [
            (
                "sessions",
                "sessions",
                json!({"sessions": [], "by_session": false, "unreadable": null}),
                Level::Warning,
            ),
            (
                "jobs",
                "jobs",
                json!({"jobs": [{"id": "JID_1", "name": "x", "state": "Scheduled", "stage": "queued", "progress": 0, "message": null, "started": null, "path": "/j"}], "unreadable": []}),
                Level::Warning,
            ),
            (
                "settings",
                "clock",
                json!({"host_name": null, "ntp_enabled": null, "ntp_servers": [], "offset": null, "time_zone": null, "time": "2026-01-31T11:00:00Z"}),
                Level::Warning,
            ),
            (
                "manager",
                "firmware",
                json!([{"FirmwareVersion": "5.10.50.00"}]),
                Level::Warning,
            ),
            ("updates", "updates", json!([]), Level::Problem),
        ];
        for (part, topic, value, expected) in cases {
            let found = look(&answers(|parts| {
                parts.insert(part.to_owned(), value);
            }));
            assert_eq!(level(&found, topic), expected, "{topic}");
            let others = found.iter().filter(|one| one.topic != topic);
            assert!(
                others.clone().all(|one| one.level == Level::Ok),
                "{found:?}"
            );
        }
        let wants_media = Needs {
            media: true,
            firmware: false,
        };
        let found = findings(&Trust::Insecure, &wants_media, &answers(|_| {}), now);
        assert_eq!(level(&found, "media"), Level::Problem);
        assert_eq!(level(&found, "trust"), Level::Warning);
        let silent = findings(&Trust::System, &needs, &Answers::default(), now);
        assert_eq!(silent.len(), 1);
        assert_eq!(silent[0].level, Level::Problem);
        let licence =
            licence(&json!({"Oem": {"Hpe": {"License": {"LicenseString": "iLO Standard"}}}}));
        assert_eq!(licence.map(|one| one.level), Some(Level::Warning));
    }
}
