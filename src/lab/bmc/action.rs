//! POST to an action's target.

use std::sync::Arc;

use serde_json::{Value, json};

use super::anatomy::Action;
use super::answer::{Answer, Message, refuse};
use super::faults::FaultKind;
use super::machine::Bmc;
use super::tree::link;

impl Bmc {
    pub async fn act(self: &Arc<Self>, action: &Action, body: &Value, has_body: bool) -> Answer {
        let resource = action.resource.as_str();
        let name = action.name.as_str();
        let last = name.rsplit('.').next().unwrap_or(name);
        match (name, last) {
            ("ComputerSystem.Reset" | "Chassis.Reset", _) => {
                let allowed = self.allowed(resource, name, "ResetType");
                self.look().await;
                self.reset_machine(name, body, &allowed)
            }
            ("Manager.Reset", _) => self.reset_manager(resource, body),
            ("Manager.ResetToDefaults", _) => self.reset_to_defaults(resource, body),
            ("Bios.ResetBios", _) => self.reset_bios(),
            ("Bios.ChangePassword", _) => self.change_bios_password(body),
            ("SecureBoot.ResetKeys", _) => self.reset_keys(resource, body),
            ("LogService.ClearLog", _) => self.clear_log(resource),
            ("UpdateService.SimpleUpdate", _) => self.simple_update(body).await,
            ("Drive.SecureErase" | "Volume.Initialize", _) => self.erase(resource, name),
            ("CertificateService.GenerateCSR", _) => self.generate_request(body),
            ("CertificateService.ReplaceCertificate", _) => self.replace_certificate(body),
            ("EventService.SubmitTestEvent", _) => Answer::empty(204),
            (_, "InsertMedia" | "InsertVirtualMedia") => self.insert_media(resource, body).await,
            (_, "EjectMedia" | "EjectVirtualMedia") => self.eject_media(resource, has_body),
            (_, "ClearPending") => self.clear_pending(),
            (_, "DeleteJobQueue") => self.clear_jobs(),
            _ => refuse(501, Message::new("ActionNotSupported").arguments([name])),
        }
    }

    /// The values that an action's parameter may take, from the resource or its ActionInfo.
    pub fn allowed(&self, resource: &str, name: &str, parameter: &str) -> Vec<String> {
        let inner = self.lock();
        let Some(document) = self.stored(&inner, resource) else {
            return Vec::new();
        };
        let action = &document["Actions"][format!("#{name}")];
        let texts = |values: &Value| -> Vec<String> {
            values
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect()
        };
        let inline = texts(&action[format!("{parameter}@Redfish.AllowableValues")]);
        if !inline.is_empty() {
            return inline;
        }
        let info = action["@Redfish.ActionInfo"]
            .as_str()
            .and_then(|path| self.stored(&inner, super::tree::normal(path)));
        info.and_then(|info| {
            info["Parameters"]
                .as_array()?
                .iter()
                .find(|row| row["Name"] == json!(parameter))
                .map(|row| texts(&row["AllowableValues"]))
        })
        .unwrap_or_default()
    }

    /// The value of a parameter, where it is one of the allowed ones.
    fn parameter(
        &self,
        resource: &str,
        name: &str,
        parameter: &str,
        body: &Value,
    ) -> Result<String, Answer> {
        let Some(value) = body.get(parameter) else {
            return Err(refuse(
                400,
                Message::new("ActionParameterMissing").arguments([name, parameter]),
            ));
        };
        let Some(value) = value.as_str() else {
            return Err(refuse(
                400,
                Message::new("ActionParameterValueTypeError").arguments([
                    &value.to_string(),
                    parameter,
                    name,
                ]),
            ));
        };
        let allowed = self.allowed(resource, name, parameter);
        if !allowed.is_empty() && !allowed.iter().any(|known| known == value) {
            return Err(refuse(
                400,
                Message::new("ActionParameterValueNotInList").arguments([value, parameter, name]),
            ));
        }
        Ok(value.to_owned())
    }

    fn reset_manager(self: &Arc<Self>, resource: &str, body: &Value) -> Answer {
        // A manager's reset without a type is a graceful one.
        if body.get("ResetType").is_some()
            && let Err(answer) = self.parameter(resource, "Manager.Reset", "ResetType", body)
        {
            return answer;
        }
        let nothing = self
            .lock()
            .faults
            .strikes(FaultKind::AcceptedButNothingHappened, "BMC reset");
        if !nothing {
            self.restart();
        }
        Answer::empty(204)
    }

    fn reset_to_defaults(self: &Arc<Self>, resource: &str, body: &Value) -> Answer {
        let kind = match self.parameter(resource, "Manager.ResetToDefaults", "ResetType", body) {
            Ok(kind) => kind,
            Err(answer) => return answer,
        };
        {
            let mut inner = self.lock();
            if kind == "ResetAll" {
                let accounts = self.tree.anatomy.accounts.clone().unwrap_or_default();
                inner.state.documents.retain(|path, _| {
                    !path.starts_with("/redfish/v1/Managers") && !path.starts_with(&accounts)
                });
            }
            inner.state.tasks.clear();
            self.save(&inner);
        }
        self.restart();
        Answer::empty(204)
    }

    fn change_bios_password(&self, body: &Value) -> Answer {
        for parameter in ["PasswordName", "OldPassword", "NewPassword"] {
            if body.get(parameter).is_none() {
                return refuse(
                    400,
                    Message::new("ActionParameterMissing")
                        .arguments(["Bios.ChangePassword", parameter]),
                );
            }
        }
        Answer::empty(204)
    }

    fn reset_keys(&self, resource: &str, body: &Value) -> Answer {
        let kind = match self.parameter(resource, "SecureBoot.ResetKeys", "ResetKeysType", body) {
            Ok(kind) => kind,
            Err(answer) => return answer,
        };
        let mut inner = self.lock();
        self.take_key_reset(&mut inner, resource, &kind)
    }

    fn clear_log(&self, resource: &str) -> Answer {
        let mut inner = self.lock();
        let entries = self
            .stored(&inner, resource)
            .and_then(|service| link(&service, "Entries").map(str::to_owned));
        if let Some(entries) = entries
            && let Some(mut document) = self.stored(&inner, &entries)
        {
            document["Members"] = json!([]);
            document["Members@odata.count"] = json!(0);
            if let Some(object) = document.as_object_mut() {
                object.shift_remove("Members@odata.nextLink");
            }
            self.put(&mut inner, &entries, document);
        }
        inner.state.log.clear();
        inner.state.note("OK", "the log was cleared");
        self.save(&inner);
        Answer::empty(204)
    }
}
