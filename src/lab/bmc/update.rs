//! Firmware: an image's name says what it is for and which version it brings, as in
//! `BIOS-2.4.0.bin`. BIOS takes the new version at the next boot, the BMC by its own restart.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Answer, Message, refuse};
use super::dispatch::{Request, text};
use super::machine::{Bmc, Inner};
use super::profile::UpdateAnswer;
use super::state::{TaskEffect, TaskState};
use super::tasks::{Order, finish};
use super::tree::{link, members, normal};

impl Bmc {
    pub async fn simple_update(self: &Arc<Self>, body: &Value) -> Answer {
        let Some(image) = body["ImageURI"].as_str() else {
            return refuse(
                400,
                Message::new("ActionParameterMissing")
                    .arguments(["UpdateService.SimpleUpdate", "ImageURI"]),
            );
        };
        let known = [
            "ImageURI",
            "TransferProtocol",
            "Targets",
            "Username",
            "Password",
            "ForceUpdate",
            "@Redfish.OperationApplyTime",
        ];
        if let Some(unknown) = body
            .as_object()
            .into_iter()
            .flatten()
            .map(|row| row.0)
            .find(|name| !known.contains(&name.as_str()))
        {
            return refuse(
                400,
                Message::new("ActionParameterUnknown")
                    .arguments(["UpdateService.SimpleUpdate", unknown]),
            );
        }
        if let Some(answer) = self.refuse_update(body) {
            return answer;
        }
        if let Err(problem) = self.fetch(image).await {
            return refuse(
                400,
                Message::new("ResourceAtUriUnauthorized").arguments([image, &problem]),
            );
        }
        let targets: Vec<String> = body["Targets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|target| target.as_str().map(str::to_owned))
            .collect();
        let time = body["@Redfish.OperationApplyTime"].as_str();
        let file = image.rsplit('/').next().unwrap_or(image);
        self.update(file, &targets, time)
    }

    /// What the action's description does not allow.
    fn refuse_update(&self, body: &Value) -> Option<Answer> {
        let root = self.tree.value("/redfish/v1")?;
        let service = link(&root, "UpdateService")?;
        let name = "UpdateService.SimpleUpdate";
        let protocols = self.allowed(service, name, "TransferProtocol");
        let document = self.tree.value(service)?;
        let action = &document["Actions"]["#UpdateService.SimpleUpdate"];
        let demanded = action.get("@Redfish.ActionInfo").is_some();
        match body["TransferProtocol"].as_str() {
            Some(protocol) if !protocols.iter().any(|known| known == protocol) => Some(refuse(
                400,
                Message::new("ActionParameterValueNotInList").arguments([
                    protocol,
                    "TransferProtocol",
                    name,
                ]),
            )),
            None if demanded => Some(refuse(
                400,
                Message::new("ActionParameterMissing").arguments([name, "TransferProtocol"]),
            )),
            _ => {
                let time = body["@Redfish.OperationApplyTime"].as_str()?;
                let support = &action["@Redfish.OperationApplyTimeSupport"];
                (!names(support, time)).then(|| {
                    refuse(
                        400,
                        Message::new("ActionParameterNotSupported")
                            .arguments(["@Redfish.OperationApplyTime", name]),
                    )
                })
            }
        }
    }

    /// POST of an image, bare or as multipart.
    pub fn push_firmware(self: &Arc<Self>, request: &Request) -> Answer {
        let kind = request
            .headers
            .get("content-type")
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !kind.starts_with("multipart/form-data") {
            let name = request
                .headers
                .get("content-disposition")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            return self.update(&file_name(name).unwrap_or_default(), &[], None);
        }
        let head =
            String::from_utf8_lossy(&request.body[..request.body.len().min(16_384)]).into_owned();
        if request.path.starts_with("/cgi-bin/") {
            return self.push_form(request, &head);
        }
        if !head.contains("UpdateParameters") {
            return refuse(
                400,
                Message::new("PropertyMissing").arguments(["UpdateParameters"]),
            );
        }
        let parameters = head
            .find('{')
            .and_then(|start| {
                serde_json::Deserializer::from_str(&head[start..])
                    .into_iter::<Value>()
                    .next()?
                    .ok()
            })
            .unwrap_or_default();
        let targets: Vec<String> = parameters["Targets"]
            .as_array()
            .cloned()
            .into_iter()
            .flatten()
            .filter_map(|target| target.as_str().map(str::to_owned))
            .collect();
        let Some(file) = file_name(&head) else {
            return refuse(
                400,
                Message::new("PropertyMissing").arguments(["UpdateFile"]),
            );
        };
        let time = parameters["@Redfish.OperationApplyTime"].as_str();
        self.update(&file, &targets, time)
    }

    /// iLO's own form: the session's key as a cookie and a field, and the file.
    fn push_form(self: &Arc<Self>, request: &Request, head: &str) -> Answer {
        let cookie = text(&request.headers, axum::http::header::COOKIE);
        let fields = ["\"sessionKey\"", "\"parameters\"", "\"files[]\""];
        let whole = fields.iter().all(|field| head.contains(field));
        match file_name(head) {
            Some(file) if whole && cookie.starts_with("sessionKey=") => {
                self.update(&file, &[], None)
            }
            _ => Answer::empty(400),
        }
    }

    fn update(self: &Arc<Self>, file: &str, targets: &[String], time: Option<&str>) -> Answer {
        let mut inner = self.lock();
        let component = self.component(&inner, file, targets);
        if time == Some("OnReset")
            && let Some((path, version)) = component
        {
            let order = Order {
                name: "Update firmware",
                kind: "FirmwareUpdate",
                state: TaskState::Scheduled,
                target: Some(path.clone()),
                effect: TaskEffect::Firmware(path, version),
                outcome: None,
            };
            let task = self.start_task(&mut inner, order);
            return self.accepted(&task);
        }
        let task = self.work(
            &mut inner,
            "Update firmware",
            TaskEffect::Nothing,
            component.as_ref().map(|row| row.0.clone()),
            None,
        );
        let answer = match self.dialect.update_answer {
            UpdateAnswer::Task => self.accepted(&task),
            UpdateAnswer::NothingToFollow => Answer::empty(202),
            UpdateAnswer::ErrorBodyUnder200 => Answer::success(),
        };
        let Some((path, version)) = component else {
            if let Some(task) = inner
                .state
                .tasks
                .iter_mut()
                .find(|other| other.id == task.id)
            {
                finish(
                    task,
                    TaskState::Failed,
                    "The image is for none of the components of this system.",
                );
            }
            self.save(&inner);
            return answer;
        };
        drop(inner);
        let bmc = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(bmc.config.timing.task.duration()).await;
            bmc.install(&path, &version);
        });
        answer
    }

    /// The component that an image is for, and the version that it brings.
    fn component(&self, inner: &Inner, file: &str, targets: &[String]) -> Option<(String, String)> {
        let stem = file.rsplit_once('.').map_or(file, |parts| parts.0);
        let (name, version) = stem.split_once(['-', '_'])?;
        let root = self.tree.value("/redfish/v1")?;
        let service = self.stored(inner, link(&root, "UpdateService")?)?;
        let inventory = members(&self.stored(inner, link(&service, "FirmwareInventory")?)?);
        let chosen = inventory.iter().find(|path| {
            let id = path.rsplit('/').next().unwrap_or_default();
            let targeted = targets.iter().any(|target| normal(target) == path.as_str());
            targeted || (targets.is_empty() && id.eq_ignore_ascii_case(name))
        })?;
        Some((chosen.clone(), version.to_owned()))
    }

    fn install(self: &Arc<Self>, path: &str, version: &str) {
        let id = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let mut inner = self.lock();
        inner
            .state
            .note("OK", format!("firmware {version} was written to {id}"));
        if id.contains("BIOS") {
            inner.state.staged_bios = Some((path.to_owned(), version.to_owned()));
            self.save(&inner);
            return;
        }
        self.set_version(&mut inner, path, version);
        let is_bmc = id.contains("BMC") || id.contains("IDRAC") || id.contains("ILO");
        if is_bmc {
            for manager in self.tree.anatomy.managers.clone() {
                if let Some(mut document) = self.stored(&inner, &manager) {
                    document["FirmwareVersion"] = json!(version);
                    self.put(&mut inner, &manager, document);
                }
            }
            drop(inner);
            self.restart();
        }
    }

    fn set_version(&self, inner: &mut Inner, path: &str, version: &str) {
        if let Some(mut document) = self.stored(inner, path) {
            document["Version"] = json!(version);
            self.put(inner, path, document);
        }
    }

    /// A boot runs the BIOS that was written, and carries out the updates that wait for it.
    pub fn apply_bios_firmware(&self, inner: &mut Inner) {
        let mut due = Vec::new();
        for task in &mut inner.state.tasks {
            if let TaskEffect::Firmware(path, version) = task.effect.clone()
                && task.state == TaskState::Scheduled
            {
                finish(task, TaskState::Completed, "The update is in force.");
                due.push((path, version));
            }
        }
        for (path, version) in due {
            self.bring_to(inner, &path, &version);
        }
        let Some((path, version)) = inner.state.staged_bios.take() else {
            return;
        };
        self.bring_to(inner, &path, &version);
    }

    fn bring_to(&self, inner: &mut Inner, path: &str, version: &str) {
        self.set_version(inner, path, version);
        if !path.to_ascii_uppercase().contains("BIOS") {
            return;
        }
        let system = self.tree.anatomy.system.clone();
        if let Some(mut document) = self.stored(inner, &system) {
            document["BiosVersion"] = json!(version);
            self.put(inner, &system, document);
        }
    }
}

/// Whether an apply time is among the supported ones.
pub fn names(support: &Value, time: &str) -> bool {
    support["SupportedValues"]
        .as_array()
        .is_some_and(|times| times.iter().any(|known| known == time))
}

fn file_name(text: &str) -> Option<String> {
    let start = text.find("filename=\"")? + "filename=\"".len();
    let length = text[start..].find('"')?;
    Some(text[start..start + length].to_owned())
}
