//! What a GET shows: the stored document, with what is computed for each answer put in.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::faults::FaultKind;
use super::machine::{Bmc, Inner};
use super::profile::{Eject, Etag};
use super::session::session_document;
use super::state::{Power, Stage, TaskState};
use super::tree::{TextKind, normal};

/// What a path shows.
pub enum View {
    Json(Value),
    /// XML or HTML, or an error as it was recorded.
    Text {
        status: u16,
        kind: &'static str,
        text: String,
    },
    /// A task that is still going on, seen through its monitor.
    Underway(Value),
    /// The end of a task, seen through its monitor.
    Outcome(Option<Value>),
}

pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Bmc {
    /// `None` where there is nothing at that path.
    pub fn view(&self, inner: &mut Inner, path: &str) -> Option<View> {
        if let Some(view) = self.view_task(inner, path) {
            return view;
        }
        if let Some(view) = self.view_log_entry(inner, path) {
            return Some(View::Json(view));
        }
        if let Some(id) = path.strip_prefix(&format!("{}/", self.tree.anatomy.sessions)) {
            let session = inner.sessions.iter().find(|session| session.id == id)?;
            return Some(View::Json(session_document(path, session)));
        }
        let Some(mut document) = self.stored(inner, path) else {
            if inner.state.documents.contains_key(path) {
                return None;
            }
            let recorded = self.tree.document(path)?;
            let kind = match recorded.kind {
                TextKind::Json => "application/json",
                TextKind::Xml => "application/xml",
                TextKind::Html => "text/html",
            };
            return Some(View::Text {
                status: recorded.status,
                kind,
                text: recorded.text.to_string(),
            });
        };
        self.enliven(inner, path, &mut document);
        Some(View::Json(document))
    }

    /// Only JSON resources, as members of an expanded collection.
    pub fn view_json(&self, inner: &mut Inner, path: &str) -> Option<Value> {
        match self.view(inner, path)? {
            View::Json(value) | View::Underway(value) => Some(value),
            _ => None,
        }
    }

    fn view_task(&self, inner: &mut Inner, path: &str) -> Option<Option<View>> {
        let (collection, id) = path.rsplit_once('/')?;
        let anatomy = &self.tree.anatomy;
        let is_task = anatomy.tasks.as_deref() == Some(collection);
        let is_job = anatomy.jobs.iter().any(|jobs| jobs == collection);
        let is_monitor = collection.ends_with("/TaskMonitors");
        if !(is_task || is_job || is_monitor) {
            return None;
        }
        let task = inner.state.tasks.iter().find(|task| task.id == id).cloned();
        let gone = inner
            .jobs_gone_until
            .is_some_and(|until| std::time::Instant::now() < until);
        // A recorded job of a captured tree is found below.
        let Some(task) = task.filter(|_| !gone) else {
            return if gone { Some(None) } else { None };
        };
        if is_monitor {
            if inner.monitors_told.contains(&task.id) {
                return Some(None);
            }
            if !task.state.is_over() {
                return Some(Some(View::Underway(self.task_document(&task))));
            }
            inner.monitors_told.push(task.id.clone());
            let outcome = if task.state == TaskState::Completed {
                task.outcome.clone()
            } else {
                Some(self.task_document(&task))
            };
            return Some(Some(View::Outcome(outcome)));
        }
        let document = if is_task {
            self.task_document(&task)
        } else {
            self.job_document(collection, &task)
        };
        Some(Some(View::Json(document)))
    }

    fn view_log_entry(&self, inner: &Inner, path: &str) -> Option<Value> {
        let (collection, id) = path.rsplit_once('/')?;
        let number: usize = id.strip_prefix("line")?.parse().ok()?;
        if !is_log(collection) {
            return None;
        }
        log_entry(inner, collection, number)
    }

    /// Puts in what is computed.
    fn enliven(&self, inner: &Inner, path: &str, document: &mut Value) {
        let anatomy = &self.tree.anatomy;
        if path == anatomy.system {
            self.enliven_system(inner, document);
        } else if anatomy.chassis.iter().any(|chassis| chassis == path)
            && document.get("PowerState").is_some()
        {
            document["PowerState"] = json!(inner.state.power.name());
        } else if anatomy.managers.iter().any(|manager| manager == path) {
            set_present(
                document,
                "LastResetTime",
                json!(time(inner.state.last_bmc_reset)),
            );
            set_present(document, "DateTime", json!(time(Timestamp::now())));
        } else if anatomy.is_settings(path) {
            self.show_settings(inner, document);
        } else if anatomy.is_bios(path) {
            self.show_bios(inner, document);
        } else if path == anatomy.sessions {
            let ids: Vec<String> = inner
                .sessions
                .iter()
                .map(|session| session.id.clone())
                .collect();
            list(document, path, ids.into_iter(), Keep::Nothing);
        } else if anatomy.tasks.as_deref() == Some(path)
            || anatomy.jobs.iter().any(|jobs| jobs == path)
        {
            let ids: Vec<String> = inner
                .state
                .tasks
                .iter()
                .map(|task| task.id.clone())
                .collect();
            list(document, path, ids.into_iter(), Keep::Recorded);
        } else if is_log(path) {
            self.enliven_log(inner, path, document);
        } else if anatomy.media.iter().any(|media| media == path) {
            self.enliven_media(document);
        }
        if inner
            .empty_until
            .is_some_and(|until| std::time::Instant::now() < until)
            && document["@odata.type"]
                .as_str()
                .is_some_and(|kind| kind.contains("#ComputerSystemCollection"))
        {
            list(document, path, std::iter::empty(), Keep::Nothing);
        }
    }

    fn enliven_system(&self, inner: &Inner, document: &mut Value) {
        let state = &inner.state;
        document["PowerState"] = json!(state.power.name());
        set_present(document, "LastResetTime", json!(time(state.last_reset)));
        if document.get("BootProgress").is_some() {
            let stage = if state.power == Power::Off {
                Stage::None
            } else {
                state.stage
            };
            document["BootProgress"]["LastState"] = json!(stage.name());
        }
        if let Some(post) = document.pointer_mut("/Oem/Hpe/PostState") {
            *post = json!(match (state.power, state.stage) {
                (Power::Off, _) => "PowerOff",
                (_, Stage::SystemBootStarted | Stage::SystemRunning) => "FinishedPost",
                (_, Stage::SystemHardwareInitializationComplete) => "InPostDiscoveryComplete",
                _ => "InPost",
            });
        }
        if state.power == Power::Off && document["Status"]["State"] == json!("Enabled") {
            document["Status"]["State"] = json!("Disabled");
        }
    }

    fn enliven_log(&self, inner: &Inner, path: &str, document: &mut Value) {
        let lines: Vec<Value> = (0..inner.state.log.len())
            .filter_map(|number| log_entry(inner, path, number))
            .collect();
        let Some(members) = document["Members"].as_array_mut() else {
            return;
        };
        members.extend(lines);
        document["Members@odata.count"] = json!(document["Members"].as_array().map_or(0, Vec::len));
    }

    fn enliven_media(&self, document: &mut Value) {
        let inserted = document["Inserted"] == json!(true);
        if self.dialect.eject == Eject::ActionOnlyWhileInserted
            && !inserted
            && let Some(actions) = document["Actions"].as_object_mut()
        {
            actions.shift_remove("#VirtualMedia.EjectMedia");
        }
    }

    /// The tag of a document: what changes when anything but clocks changes.
    pub fn etag(&self, document: &Value) -> String {
        let mut stable = document.clone();
        if let Some(object) = stable.as_object_mut() {
            for clock in ["DateTime", "@odata.etag"] {
                object.shift_remove(clock);
            }
        }
        format!(
            "W/\"{}\"",
            hex::encode(&Sha256::digest(stable.to_string().as_bytes())[..8])
        )
    }

    /// Puts the tag into the body, where the vendor does.
    pub fn tag(&self, document: &mut Value) -> String {
        let tag = self.etag(document);
        let in_body =
            !matches!(self.dialect.etag, Etag::HeaderOnly) && document.get("@odata.id").is_some();
        if in_body {
            document["@odata.etag"] = json!(tag);
        } else if let Some(object) = document.as_object_mut() {
            object.shift_remove("@odata.etag");
        }
        tag
    }

    /// Whether a member is the one that the seed breaks.
    pub fn is_malformed(&self, inner: &Inner, path: &str) -> bool {
        if !inner.faults.is_active(FaultKind::MalformedMember) {
            return false;
        }
        let Some((collection, _)) = path.rsplit_once('/') else {
            return false;
        };
        let kind = collection.rsplit('/').next().unwrap_or_default();
        if ![
            "Memory",
            "Processors",
            "EthernetInterfaces",
            "Drives",
            "FirmwareInventory",
        ]
        .contains(&kind)
        {
            return false;
        }
        let members = self
            .stored(inner, collection)
            .map(|document| super::tree::members(&document))
            .unwrap_or_default();
        let chosen = members.get((inner.seed as usize) % members.len().max(1));
        chosen.is_some_and(|member| normal(member) == path)
    }
}

fn set_present(document: &mut Value, property: &str, value: Value) {
    if let Some(present) = document.get_mut(property) {
        *present = value;
    }
}

enum Keep {
    Recorded,
    Nothing,
}

fn list(document: &mut Value, path: &str, ids: impl Iterator<Item = String>, keep: Keep) {
    let mut ids = ids.peekable();
    if matches!(keep, Keep::Recorded) && ids.peek().is_none() {
        // As recorded, even where its count is wrong.
        return;
    }
    let mut members = match keep {
        Keep::Recorded => document["Members"].as_array().cloned().unwrap_or_default(),
        Keep::Nothing => Vec::new(),
    };
    members.extend(ids.map(|id| json!({"@odata.id": format!("{path}/{id}")})));
    document["Members@odata.count"] = json!(members.len());
    document["Members"] = Value::Array(members);
}

fn is_log(path: &str) -> bool {
    path.ends_with("/Entries") && path.contains("/LogServices/")
}

fn log_entry(inner: &Inner, collection: &str, number: usize) -> Option<Value> {
    let line = inner.state.log.get(number)?;
    let event = if collection.contains("/Managers/") {
        "Event"
    } else {
        "SEL"
    };
    let mut entry = json!({
        "@odata.id": format!("{collection}/line{number}"),
        "@odata.type": "#LogEntry.v1_16_0.LogEntry",
        "Id": format!("line{number}"),
        "Name": format!("Log Entry {number}"),
        "EntryType": event,
        "Created": time(line.time),
        "Severity": line.severity,
        "Message": line.text,
        "MessageId": "Base.1.18.Success",
    });
    if event == "SEL" {
        entry["SensorType"] = json!("System Event");
    }
    Some(entry)
}
