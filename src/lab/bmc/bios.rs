//! BIOS settings: pending until a boot applies them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::header;
use serde_json::{Value, json};

use super::answer::{Answer, Message, refusal_body, refuse};
use super::faults::FaultKind;
use super::machine::{Bmc, Inner};
use super::patch::under_ilo;
use super::profile::{ApplyTime, Batches, BiosAnswer, BiosPlace, PendingShape};
use super::registry::Objection;
use super::state::{TaskEffect, TaskState};
use super::tasks::{Order, finish};

const JOB: &str = "BIOSConfiguration";

impl Bmc {
    /// PATCH of the settings resource, or of the BIOS itself where the vendor takes that.
    pub fn patch_bios(self: &Arc<Self>, path: &str, body: &Value) -> Answer {
        let anatomy = &self.tree.anatomy;
        let in_place = anatomy.is_bios(path) && !anatomy.is_settings(path);
        if in_place
            && self.dialect.bios_place == BiosPlace::SettingsOnly
            && !anatomy.settings.is_empty()
        {
            return refuse(
                400,
                Message::new("PropertyNotWritable")
                    .arguments(["Attributes"])
                    .related("#/Attributes"),
            );
        }
        if let Some(unknown) = body
            .as_object()
            .into_iter()
            .flatten()
            .map(|row| row.0)
            .find(|key| {
                ![
                    "Attributes",
                    "@Redfish.SettingsApplyTime",
                    "AttributeRegistry",
                ]
                .contains(&key.as_str())
            })
        {
            return refuse(
                400,
                Message::new("PropertyUnknown")
                    .arguments([unknown])
                    .related(format!("#/{unknown}")),
            );
        }
        let Some(wanted) = body["Attributes"].as_object() else {
            return refuse(
                400,
                Message::new("PropertyMissing").arguments(["Attributes"]),
            );
        };
        let mut inner = self.lock();
        if let Some(answer) = self.refuse_bios(&inner, wanted) {
            return answer;
        }
        let apply_time = body["@Redfish.SettingsApplyTime"]["ApplyTime"].as_str();
        if let Some(other) = apply_time.filter(|time| *time != "OnReset") {
            return refuse(
                400,
                Message::new("PropertyValueNotInList").arguments([other, "ApplyTime"]),
            );
        }
        let armed = self.dialect.apply_time == ApplyTime::Optional || apply_time.is_some();
        for (name, value) in wanted {
            inner.state.pending.insert(name.clone(), value.clone());
        }
        let current = self.current_attributes(&inner);
        // A value that is set back to what is in force no longer waits.
        inner
            .state
            .pending
            .retain(|name, value| current.get(name) != Some(value));
        inner.state.armed |= armed;
        inner.state.note("OK", "BIOS settings were staged");
        let answer = self.answer_bios(&mut inner, wanted, armed);
        self.save(&inner);
        answer
    }

    fn refuse_bios(
        &self,
        inner: &Inner,
        wanted: &serde_json::Map<String, Value>,
    ) -> Option<Answer> {
        if self.dialect.batches == Batches::OneAtATime && queued(inner) {
            return Some(refuse(
                400,
                Message::vendor(
                    "IDRAC.2.8.RAC0601",
                    "Unable to apply the configuration changes because an import or job operation is currently in progress.",
                    "Warning",
                ),
            ));
        }
        let table = self.tree.bios_table();
        let current = self.current_attributes(inner);
        let mut then = current.clone();
        then.extend(inner.state.pending.clone());
        then.extend(wanted.iter().map(|row| (row.0.clone(), row.1.clone())));
        let mut messages = Vec::new();
        for (name, value) in wanted {
            let mut objection = table.objection_among(name, value, &current, &then);
            if table.is_empty() && !current.contains_key(name) {
                objection = Some(Objection::Unknown);
            }
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let message = match objection {
                None => continue,
                Some(Objection::Unknown) => Message::new("PropertyUnknown").arguments([name]),
                Some(Objection::ReadOnly) => Message::new("PropertyNotWritable").arguments([name]),
                Some(Objection::WrongType) => {
                    Message::new("PropertyValueTypeError").arguments([&shown, name])
                }
                Some(Objection::NotInList) => {
                    Message::new("PropertyValueNotInList").arguments([&shown, name])
                }
                Some(Objection::OutOfBounds) => {
                    Message::new("PropertyValueOutOfRange").arguments([&shown, name])
                }
            };
            messages.push(message.related(format!("#/Attributes/{name}")));
        }
        (!messages.is_empty()).then(|| Answer::json(400, refusal_body(&messages)))
    }

    fn answer_bios(
        self: &Arc<Self>,
        inner: &mut Inner,
        wanted: &serde_json::Map<String, Value>,
        armed: bool,
    ) -> Answer {
        let forgets_200 = inner.faults.is_active(FaultKind::PatchWithoutLocation200);
        let forgets_202 = inner.faults.is_active(FaultKind::PatchWithoutLocation202);
        let has_job = matches!(
            self.dialect.bios_answer,
            BiosAnswer::Task | BiosAnswer::VendorJob
        );
        let task =
            (has_job && armed && !inner.state.pending.is_empty()).then(|| self.bios_task(inner));
        if forgets_200 {
            return Answer::success();
        }
        if forgets_202 {
            return Answer::empty(202);
        }
        match (self.dialect.bios_answer, task) {
            (BiosAnswer::Task, Some(task)) => Answer::json(202, self.task_document(&task))
                .with(header::LOCATION, self.monitor_path(&task))
                .with(header::RETRY_AFTER, "1"),
            (BiosAnswer::VendorJob, Some(task)) => {
                Answer::success_with(202).with(header::LOCATION, self.task_path(&task))
            }
            (BiosAnswer::ErrorBodyUnder200, _) => {
                let message = Message::vendor(
                    "iLO.2.15.SystemResetRequired",
                    "The system properties were correctly changed, but will not take effect until the system is reset.",
                    "Warning",
                );
                Answer::json(200, under_ilo(&[message]))
            }
            (BiosAnswer::Annotations, _) => {
                let mut body = json!({});
                for name in wanted.keys() {
                    let message = Message::vendor(
                        "ExtendedError.1.2.RebootRequired",
                        &format!(
                            "The change to {name} takes effect after a restart of the system."
                        ),
                        "Warning",
                    );
                    body[format!("{name}@Message.ExtendedInfo")] = json!([message.value()]);
                }
                Answer::json(200, body)
            }
            (BiosAnswer::AcceptedNoLocation, _) => Answer::success_with(202),
            (BiosAnswer::Settled, _) => Answer::empty(204),
            (BiosAnswer::Task | BiosAnswer::VendorJob, None) => Answer::success(),
        }
    }

    /// The task that waits for the boot; one for all that is pending.
    fn bios_task(self: &Arc<Self>, inner: &mut Inner) -> super::state::Task {
        if let Some(task) = inner.state.tasks.iter().find(|task| waits(task)) {
            return task.clone();
        }
        let target = self.tree.anatomy.settings.first().cloned();
        self.start_task(
            inner,
            Order {
                name: "Configure: BIOS.Setup.1-1",
                kind: JOB,
                state: TaskState::Scheduled,
                target,
                effect: TaskEffect::Bios,
                outcome: None,
            },
        )
    }

    /// POST to the vendor's job collection: makes a job for settings that wait.
    pub fn create_job(self: &Arc<Self>, body: &Value) -> Answer {
        let Some(target) = body["TargetSettingsURI"].as_str() else {
            return refuse(
                400,
                Message::new("PropertyMissing").arguments(["TargetSettingsURI"]),
            );
        };
        if !self.tree.anatomy.is_settings(super::tree::normal(target)) {
            return refuse(
                400,
                Message::new("PropertyValueNotInList").arguments([target, "TargetSettingsURI"]),
            );
        }
        let mut inner = self.lock();
        if inner.state.pending.is_empty() {
            return refuse(
                400,
                Message::vendor(
                    "IDRAC.2.8.SYS428",
                    "No pending data present to create a Configuration job.",
                    "Critical",
                ),
            );
        }
        if queued(&inner) {
            return refuse(
                400,
                Message::vendor(
                    "IDRAC.2.8.RAC0679",
                    "A configuration job is already created for the target.",
                    "Critical",
                ),
            );
        }
        inner.state.armed = true;
        let task = self.bios_task(&mut inner);
        Answer::success_with(200).with(header::LOCATION, self.job_path(&task))
    }

    /// Throws the pending settings away.
    pub fn clear_pending(&self) -> Answer {
        let mut inner = self.lock();
        if queued(&inner) {
            return refuse(
                400,
                Message::vendor(
                    "IDRAC.2.8.SYS431",
                    "Unable to clear the pending data because a job is already in the queue.",
                    "Critical",
                ),
            );
        }
        inner.state.pending.clear();
        inner.state.armed = false;
        self.save(&inner);
        Answer::success()
    }

    /// Cancels every job that waits; the settings they would apply are dropped.
    pub fn clear_jobs(&self) -> Answer {
        let mut inner = self.lock();
        for task in inner
            .state
            .tasks
            .iter_mut()
            .filter(|task| !task.state.is_over())
        {
            finish(task, TaskState::Cancelled, "The job was deleted.");
        }
        inner.state.tasks.clear();
        inner.state.pending.clear();
        inner.state.armed = false;
        if let Some(seconds) = inner.faults.value(FaultKind::EmptyMembers) {
            inner.empty_until =
                Some(std::time::Instant::now() + std::time::Duration::from_secs(seconds));
        }
        self.save(&inner);
        Answer::success()
    }

    /// `Bios.ResetBios`: every attribute's default is pending.
    pub fn reset_bios(self: &Arc<Self>) -> Answer {
        let mut inner = self.lock();
        let table = self.tree.bios_table();
        let current = self.current_attributes(&inner);
        inner.state.pending = current
            .iter()
            .filter_map(|(name, value)| {
                let default = table.default_of(name)?;
                (default != value && table.objection(name, default).is_none())
                    .then(|| (name.clone(), default.clone()))
            })
            .collect();
        inner.state.armed = true;
        self.save(&inner);
        Answer::success()
    }

    pub fn current_attributes(&self, inner: &Inner) -> BTreeMap<String, Value> {
        self.tree
            .anatomy
            .bios
            .first()
            .and_then(|path| self.stored(inner, path))
            .and_then(|bios| bios["Attributes"].as_object().cloned())
            .into_iter()
            .flatten()
            .collect()
    }

    /// A boot applies what is pending and armed.
    pub fn apply_bios(&self, inner: &mut Inner) {
        if !inner.state.armed {
            return;
        }
        let pending = std::mem::take(&mut inner.state.pending);
        inner.state.armed = false;
        let mut values = self.current_attributes(inner);
        values.extend(pending.clone());
        let follow = self.tree.bios_table().consequences(&pending, &values);
        for path in &self.tree.anatomy.bios {
            let Some(mut bios) = self.stored(inner, path) else {
                continue;
            };
            for (name, value) in pending.iter().chain(&follow) {
                bios["Attributes"][name] = value.clone();
            }
            inner.state.documents.insert(path.clone(), Some(bios));
        }
        for task in inner
            .state
            .tasks
            .iter_mut()
            .filter(|task| task.effect == TaskEffect::Bios && !task.state.is_over())
        {
            finish(
                task,
                TaskState::Completed,
                "The BIOS settings were applied.",
            );
        }
        self.follow_secure_boot(inner, &pending);
        if !pending.is_empty() {
            inner.state.note(
                "OK",
                format!("{} BIOS settings were applied", pending.len()),
            );
        }
        self.save(inner);
    }

    /// The BIOS, by the fault `pending-shown-as-current` with what waits.
    pub fn show_bios(&self, inner: &Inner, document: &mut Value) {
        if inner.faults.is_active(FaultKind::PendingShownAsCurrent) {
            for (name, value) in &inner.state.pending {
                document["Attributes"][name] = value.clone();
            }
        }
    }

    /// The settings resource as the vendor shows it.
    pub fn show_settings(&self, inner: &Inner, document: &mut Value) {
        let mut shown: serde_json::Map<String, Value> = match self.dialect.pending {
            PendingShape::All => self.current_attributes(inner).into_iter().collect(),
            PendingShape::ChangedOnly | PendingShape::AbsentWhenNone => serde_json::Map::new(),
        };
        shown.extend(
            inner
                .state
                .pending
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        if self.dialect.pending == PendingShape::AbsentWhenNone && shown.is_empty() {
            if let Some(object) = document.as_object_mut() {
                object.shift_remove("Attributes");
            }
            return;
        }
        document["Attributes"] = Value::Object(shown);
    }
}

fn waits(task: &super::state::Task) -> bool {
    task.effect == TaskEffect::Bios && !task.state.is_over()
}

fn queued(inner: &Inner) -> bool {
    inner.state.tasks.iter().any(waits)
}
