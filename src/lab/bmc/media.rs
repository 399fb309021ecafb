//! Virtual media in its dialects: actions, bare actions, actions that want credentials, and PATCH.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Message, refuse};
use super::config::MediaAccess;
use super::machine::{Bmc, Inner};
use super::profile::{Eject, Lag, MediaDialect};

const INSERT: &str = "InsertMedia";
const PARAMETERS: [&str; 7] = [
    "Image",
    "Inserted",
    "WriteProtected",
    "TransferMethod",
    "TransferProtocolType",
    "UserName",
    "Password",
];

impl Bmc {
    pub async fn insert_media(&self, device: &str, body: &Value) -> Answer {
        if let Some(answer) = self.refuse_insert(device, body) {
            return answer;
        }
        let image = body["Image"].as_str().unwrap_or_default().to_owned();
        if let Err(problem) = self.fetch(&image).await {
            let mut inner = self.lock();
            inner
                .state
                .note("Warning", format!("virtual medium {image}: {problem}"));
            return refuse(
                400,
                Message::new("ResourceAtUriUnauthorized")
                    .arguments([&image, &problem])
                    .related("#/Image"),
            );
        }
        let mut inner = self.lock();
        let write_protected = body["WriteProtected"].as_bool().unwrap_or(true);
        let inserted = body["Inserted"].as_bool().unwrap_or(true);
        self.set_medium(
            &mut inner,
            device,
            Some((&image, body)),
            inserted,
            write_protected,
        );
        inner
            .state
            .note("OK", format!("virtual medium {image} was inserted"));
        self.save(&inner);
        Answer::empty(204)
    }

    fn refuse_insert(&self, device: &str, body: &Value) -> Option<Answer> {
        let fields = body.as_object()?;
        if let Some(unknown) = fields
            .keys()
            .find(|key| !PARAMETERS.contains(&key.as_str()))
        {
            return Some(refuse(
                400,
                Message::new("ActionParameterUnknown").arguments([INSERT, unknown]),
            ));
        }
        let Some(image) = fields.get("Image") else {
            return Some(refuse(
                400,
                Message::new("ActionParameterMissing").arguments([INSERT, "Image"]),
            ));
        };
        let Some(image) = image.as_str().filter(|image| !image.is_empty()) else {
            return Some(refuse(
                400,
                Message::new("ActionParameterValueTypeError").arguments([
                    &image.to_string(),
                    "Image",
                    INSERT,
                ]),
            ));
        };
        match self.dialect.media {
            MediaDialect::BareAction => {
                if let Some(refused) = ["Inserted", "WriteProtected"]
                    .into_iter()
                    .find(|name| fields.contains_key(*name))
                {
                    return Some(refuse(
                        400,
                        Message::new("ActionParameterNotSupported").arguments([refused, INSERT]),
                    ));
                }
            }
            MediaDialect::CredentialsDemanded => {
                if let Some(missing) = ["UserName", "Password"]
                    .into_iter()
                    .find(|name| !fields.contains_key(*name))
                {
                    return Some(refuse(
                        400,
                        Message::new("ActionParameterMissing").arguments([INSERT, missing]),
                    ));
                }
            }
            MediaDialect::Action | MediaDialect::ActionWhereOffered | MediaDialect::Patch => {}
        }
        let inner = self.lock();
        let present = self.stored(&inner, device)?;
        // What is inserted, or still being ejected, is in the way.
        if present["Inserted"] == json!(true) {
            let message = if present["Image"].as_str() == Some(image) {
                Message::new("ResourceInUse")
            } else {
                Message::vendor(
                    "Base.1.18.ResourceInUse",
                    "The virtual media device already has a medium; eject it first.",
                    "Warning",
                )
            };
            let status = if self.dialect.media_lag == Lag::Lags {
                500
            } else {
                409
            };
            return Some(refuse(status, message));
        }
        None
    }

    pub fn eject_media(self: &Arc<Self>, device: &str, has_body: bool) -> Answer {
        if self.dialect.eject == Eject::BodyDemanded && !has_body {
            return refuse(400, Message::new("UnrecognizedRequestBody"));
        }
        let mut inner = self.lock();
        let inserted = self
            .stored(&inner, device)
            .is_some_and(|document| document["Inserted"] == json!(true));
        if !inserted && self.dialect.eject == Eject::ActionOnlyWhileInserted {
            return refuse(
                404,
                Message::new("ActionNotSupported").arguments(["VirtualMedia.EjectMedia"]),
            );
        }
        if self.dialect.media_lag == Lag::AtOnce {
            self.set_medium(&mut inner, device, None, false, true);
            inner.state.note("OK", "the virtual medium was ejected");
            self.save(&inner);
        } else if inserted {
            let bmc = Arc::clone(self);
            let device = device.to_owned();
            tokio::spawn(async move {
                tokio::time::sleep(bmc.config.timing.media_lag.duration()).await;
                let mut inner = bmc.lock();
                bmc.set_medium(&mut inner, &device, None, false, true);
                inner.state.note("OK", "the virtual medium was ejected");
                bmc.save(&inner);
            });
        }
        Answer::empty(204)
    }

    /// PATCH of a device: the only way where there are no actions.
    pub async fn patch_media(self: &Arc<Self>, device: &str, body: &Value) -> Answer {
        let fields = body.as_object().cloned().unwrap_or_default();
        if self.dialect.media == MediaDialect::ActionWhereOffered {
            return self.refuse_method(device);
        }
        if self.dialect.media != MediaDialect::Patch && self.has_actions(device) {
            let name = fields.keys().next().map_or("Image", String::as_str);
            return refuse(
                400,
                Message::new("PropertyNotWritable")
                    .arguments([name])
                    .related(format!("#/{name}")),
            );
        }
        if let Some(unknown) = fields
            .keys()
            .find(|key| !PARAMETERS.contains(&key.as_str()))
        {
            return refuse(
                400,
                Message::new("PropertyUnknown")
                    .arguments([unknown])
                    .related(format!("#/{unknown}")),
            );
        }
        let ejects = fields.get("Inserted") == Some(&json!(false))
            || fields.get("Image") == Some(&Value::Null)
            || fields.get("Image") == Some(&json!(""));
        if ejects {
            let mut inner = self.lock();
            self.set_medium(&mut inner, device, None, false, true);
            inner.state.note("OK", "the virtual medium was ejected");
            self.save(&inner);
            return Answer::success();
        }
        let answer = self.insert_media(device, body).await;
        if answer.status == 204 {
            Answer::success()
        } else {
            answer
        }
    }

    fn has_actions(&self, device: &str) -> bool {
        let inner = self.lock();
        self.stored(&inner, device).is_some_and(|document| {
            document
                .pointer("/Actions/#VirtualMedia.InsertMedia")
                .is_some()
        })
    }

    fn set_medium(
        &self,
        inner: &mut Inner,
        device: &str,
        medium: Option<(&str, &Value)>,
        inserted: bool,
        protected: bool,
    ) {
        let Some(mut document) = self.stored(inner, device) else {
            return;
        };
        let mut change = Map::new();
        let text = |name: &str| {
            medium
                .and_then(|row| row.1[name].as_str())
                .map_or(Value::Null, |text| json!(text))
        };
        change.insert(
            "Image".into(),
            medium.map_or(Value::Null, |row| json!(row.0)),
        );
        let name = medium.map(|row| row.0.rsplit('/').next().unwrap_or(row.0));
        change.insert(
            "ImageName".into(),
            name.map_or(Value::Null, |name| json!(name)),
        );
        change.insert("Inserted".into(), json!(inserted && medium.is_some()));
        change.insert("WriteProtected".into(), json!(protected));
        change.insert(
            "ConnectedVia".into(),
            json!(if medium.is_some() {
                "URI"
            } else {
                "NotConnected"
            }),
        );
        change.insert("UserName".into(), text("UserName"));
        let method = if text("TransferMethod").is_null() && medium.is_some() {
            json!("Stream")
        } else {
            text("TransferMethod")
        };
        change.insert("TransferMethod".into(), method);
        let scheme = medium
            .and_then(|row| row.0.split_once("://"))
            .map(|parts| parts.0.to_ascii_uppercase());
        let protocol = match text("TransferProtocolType") {
            Value::Null => scheme.map_or(Value::Null, |scheme| json!(scheme)),
            given => given,
        };
        change.insert("TransferProtocolType".into(), protocol);
        let recorded = self.tree.value(device).unwrap_or_default();
        for (key, value) in change {
            if let Some(present) = document.get_mut(&key) {
                // Where the vendor has an empty text, nothing is an empty text.
                let empty = recorded[&key] == json!("") && value.is_null();
                *present = if empty { json!("") } else { value };
            } else if ["Image", "Inserted"].contains(&key.as_str()) {
                document[key] = value;
            }
        }
        self.put(inner, device, document);
    }

    /// Reads the beginning of an image as a BMC does. Shares of other kinds are believed.
    pub async fn fetch(&self, image: &str) -> Result<(), String> {
        let reachable = image.starts_with("http://") || image.starts_with("https://");
        if !reachable || self.config.media_access == MediaAccess::Believed {
            return Ok(());
        }
        // A real BMC does not know the server's CA either.
        let client = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .timeout(Duration::from_secs(10))
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())?;
        let response = client
            .get(image)
            .header("Range", "bytes=0-65535")
            .send()
            .await
            .map_err(|error| {
                if error.is_timeout() {
                    "no answer".to_owned()
                } else {
                    "connection failed".to_owned()
                }
            })?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(format!("status {}", response.status().as_u16()))
        }
    }
}
