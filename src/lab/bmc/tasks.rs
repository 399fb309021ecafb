//! Tasks of the standard, and jobs of the vendor's own: two views of one thing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::Message;
use super::machine::{Bmc, Inner};
use super::state::{Task, TaskEffect, TaskState};
use super::view::time;

/// What a new task is about.
pub struct Order<'a> {
    pub name: &'a str,
    pub kind: &'a str,
    pub state: TaskState,
    pub target: Option<String>,
    pub effect: TaskEffect,
    pub outcome: Option<Value>,
}

const KEPT: usize = 64;

impl Bmc {
    /// Adds a task; one that runs ends by itself after `timing.task`.
    pub fn start_task(self: &Arc<Self>, inner: &mut Inner, order: Order<'_>) -> Task {
        let number = inner.state.next();
        let id = if self.has_vendor_jobs() {
            format!("JID_{:012}", 100_000_000_000 + number)
        } else {
            number.to_string()
        };
        let task = Task {
            id: id.clone(),
            name: order.name.to_owned(),
            kind: order.kind.to_owned(),
            state: order.state,
            started: Timestamp::now(),
            ended: None,
            percent: 0,
            message: if order.state == TaskState::Scheduled {
                "Task successfully scheduled."
            } else {
                "The task is running."
            }
            .into(),
            target: order.target,
            effect: order.effect,
            outcome: order.outcome,
        };
        inner.state.tasks.push(task.clone());
        if inner.state.tasks.len() > KEPT
            && let Some(position) = inner
                .state
                .tasks
                .iter()
                .position(|task| task.state.is_over())
        {
            inner.state.tasks.remove(position);
        }
        if task.state == TaskState::Running {
            self.finish_later(id);
        }
        self.save(inner);
        task
    }

    fn has_vendor_jobs(&self) -> bool {
        self.tree.anatomy.jobs.len() > 1
    }

    pub fn finish_later(self: &Arc<Self>, id: String) {
        let bmc = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(bmc.config.timing.task.duration()).await;
            let mut inner = bmc.lock();
            let Some(task) = inner
                .state
                .tasks
                .iter_mut()
                .find(|task| task.id == id && !task.state.is_over())
            else {
                return;
            };
            finish(
                task,
                TaskState::Completed,
                "The task completed successfully.",
            );
            let effect = task.effect.clone();
            if let TaskEffect::Documents(documents) = effect {
                bmc.bring_in(&mut inner, documents);
            }
            bmc.save(&inner);
        });
    }

    /// Documents take their new values, and their collections list them.
    fn bring_in(&self, inner: &mut Inner, documents: BTreeMap<String, Option<Value>>) {
        for (path, document) in documents {
            let collection = path
                .rsplit_once('/')
                .map_or(String::new(), |parts| parts.0.to_owned());
            let present = document.is_some();
            inner.state.documents.insert(path.clone(), document);
            self.enlist(inner, &collection, &path, present);
        }
    }

    /// What waited for a boot beside BIOS and firmware.
    pub fn apply_tasks(&self, inner: &mut Inner) {
        let mut due = Vec::new();
        for task in &mut inner.state.tasks {
            if let TaskEffect::Documents(documents) = task.effect.clone()
                && task.state == TaskState::Scheduled
            {
                finish(
                    task,
                    TaskState::Completed,
                    "The task completed successfully.",
                );
                due.push(documents);
            }
        }
        for documents in due {
            self.bring_in(inner, documents);
        }
    }

    /// The task's monitor, for a Location header.
    pub fn monitor_path(&self, task: &Task) -> String {
        match &self.tree.anatomy.tasks {
            Some(tasks) => {
                let service = tasks
                    .rsplit_once('/')
                    .map_or(tasks.as_str(), |parts| parts.0);
                format!("{service}/TaskMonitors/{}", task.id)
            }
            None => self.job_path(task),
        }
    }

    pub fn task_path(&self, task: &Task) -> String {
        let tasks = self
            .tree
            .anatomy
            .tasks
            .as_deref()
            .unwrap_or("/redfish/v1/TaskService/Tasks");
        format!("{tasks}/{}", task.id)
    }

    /// The vendor's job of that name, in the last collection, which is the vendor's own.
    pub fn job_path(&self, task: &Task) -> String {
        let jobs = self
            .tree
            .anatomy
            .jobs
            .last()
            .map_or("/redfish/v1/JobService/Jobs", String::as_str);
        format!("{jobs}/{}", task.id)
    }

    pub fn task_document(&self, task: &Task) -> Value {
        let path = self.task_path(task);
        let state = match task.state {
            TaskState::Scheduled => "Pending",
            TaskState::Running => "Running",
            TaskState::Completed => "Completed",
            TaskState::Failed => "Exception",
            TaskState::Cancelled => "Cancelled",
        };
        let mut document = json!({
            "@odata.id": path,
            "@odata.type": "#Task.v1_7_3.Task",
            "Id": task.id,
            "Name": task.name,
            "TaskState": state,
            "TaskStatus": if task.state == TaskState::Failed { "Critical" } else { "OK" },
            "StartTime": time(task.started),
            "PercentComplete": self.percent(task),
            "TaskMonitor": self.monitor_path(task),
            "HidePayload": true,
            "Messages": [message(task)],
        });
        if let Some(ended) = task.ended {
            document["EndTime"] = json!(time(ended));
        }
        document
    }

    pub fn job_document(&self, collection: &str, task: &Task) -> Value {
        let path = format!("{collection}/{}", task.id);
        if collection.contains("/Oem/Dell/") {
            return dell_job(&path, task, self.percent(task));
        }
        let state = match task.state {
            TaskState::Scheduled => "Pending",
            TaskState::Running => "Running",
            TaskState::Completed => "Completed",
            TaskState::Failed => "Exception",
            TaskState::Cancelled => "Cancelled",
        };
        let mut document = json!({
            "@odata.id": path,
            "@odata.type": "#Job.v1_2_3.Job",
            "Id": task.id,
            "Name": task.name,
            "JobState": state,
            "JobStatus": if task.state == TaskState::Failed { "Critical" } else { "OK" },
            "StartTime": time(task.started),
            "PercentComplete": self.percent(task),
            "CreatedBy": self.config.user,
            "HidePayload": true,
            "Messages": [message(task)],
        });
        if let Some(ended) = task.ended {
            document["EndTime"] = json!(time(ended));
        }
        document
    }

    fn percent(&self, task: &Task) -> u8 {
        match task.state {
            TaskState::Completed => 100,
            TaskState::Running => {
                let elapsed = Timestamp::now().duration_since(task.started).as_secs_f64();
                let whole = self.config.timing.task.0.max(0.001);
                (elapsed / whole * 100.0).clamp(0.0, 99.0) as u8
            }
            _ => 0,
        }
    }
}

pub fn finish(task: &mut Task, state: TaskState, message: &str) {
    task.state = state;
    task.ended = Some(Timestamp::now());
    task.message = message.to_owned();
}

fn message(task: &Task) -> Value {
    match task.state {
        TaskState::Completed => Message::new("Success").value(),
        TaskState::Failed => {
            Message::vendor("Base.1.18.GeneralError", &task.message, "Critical").value()
        }
        _ => Message::vendor("TaskEvent.1.0.TaskStarted", &task.message, "OK").value(),
    }
}

/// A job as iDRAC shows it: states and messages in its own words.
fn dell_job(path: &str, task: &Task, percent: u8) -> Value {
    let (state, id, message) = match task.state {
        TaskState::Scheduled => ("Scheduled", "JCP001", "Task successfully scheduled."),
        TaskState::Running => ("Running", "PR20", "Job in progress."),
        TaskState::Completed => ("Completed", "PR19", "Job completed successfully."),
        TaskState::Failed => ("Failed", "PR21", task.message.as_str()),
        TaskState::Cancelled => ("CompletedWithErrors", "PR21", task.message.as_str()),
    };
    let stamp = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    json!({
        "@odata.context": "/redfish/v1/$metadata#DellJob.DellJob",
        "@odata.id": path,
        "@odata.type": "#DellJob.v1_2_0.DellJob",
        "ActualRunningStartTime": (task.state != TaskState::Scheduled).then(|| stamp(task.started)),
        "ActualRunningStopTime": task.ended.map(stamp),
        "CompletionTime": task.ended.map(stamp),
        "Description": "Job Instance",
        "EndTime": "TIME_NA",
        "Id": task.id,
        "JobState": state,
        "JobType": task.kind,
        "Message": message,
        "MessageArgs": [],
        "MessageArgs@odata.count": 0,
        "MessageId": id,
        "Name": task.name,
        "PercentComplete": percent,
        "StartTime": "TIME_NOW",
        "TargetSettingsURI": task.target,
    })
}
