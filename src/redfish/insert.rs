//! How an image is put into one device: which request, and with which of the optional parameters.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::document::{Document, text, truth};
use super::error::Error;
use super::media::{INSERT, look};
use super::message::sentence;
use super::options::{Listener, Progress};
use super::survey::{Survey, fetch};
use super::transport::{Client, Reply, Request};
use super::{quirks, task, write};
use crate::model::bmc::{MediaDevice, MediaWay, Medium};
use crate::model::{Secret, Text};

/// An image with its credentials in clear.
pub(super) struct Order {
    image: String,
    write_protected: bool,
    user: Option<String>,
    password: Option<Secret>,
}

impl Order {
    pub fn new(client: &Client, medium: &Medium) -> Result<Self, Error> {
        let reveal = |text: &Option<Text>| -> Result<Option<String>, Error> {
            text.as_ref().map(|text| client.reveal(text)).transpose()
        };
        Ok(Self {
            image: medium.image.clone(),
            write_protected: medium.write_protected,
            user: reveal(&medium.user)?,
            password: reveal(&medium.password)?.map(Secret::new),
        })
    }

    pub fn image(&self) -> &str {
        &self.image
    }

    pub fn write_protected(&self) -> bool {
        self.write_protected
    }
}

/// Which optional parameters go along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    /// `Inserted` and `WriteProtected`: refused by Supermicro X11 and X12 (sushy).
    state: bool,
    /// `TransferMethod` and `TransferProtocolType`: demanded by some Supermicros (sushy).
    transfer: bool,
    /// User and password even where the image needs none: demanded by AMI (sushy).
    credentials: bool,
}

impl Form {
    /// What the action's own list of parameters says, where there is one.
    async fn first(survey: &Survey<'_>, document: &Document) -> Self {
        let mut form = Self {
            state: true,
            transfer: false,
            credentials: false,
        };
        let info = document
            .action(INSERT)
            .and_then(|action| text(action, "@Redfish.ActionInfo"));
        let Some(info) = info else {
            return form;
        };
        let Ok(info) = survey.get(&info).await else {
            return form;
        };
        let Some(rows) = info.body.get("Parameters").and_then(Value::as_array) else {
            return form;
        };
        let named = |name: &str| {
            rows.iter()
                .find(|row| text(row, "Name").as_deref() == Some(name))
        };
        let demanded =
            |name: &str| named(name).is_some_and(|row| truth(row, "Required") == Some(true));
        form.state = named("Inserted").is_some();
        form.transfer = demanded("TransferProtocolType") || demanded("TransferMethod");
        form.credentials = demanded("UserName") || demanded("Password");
        form
    }

    fn body(self, order: &Order) -> Value {
        let mut body = Map::new();
        body.insert("Image".into(), json!(order.image));
        if self.state {
            body.insert("Inserted".into(), json!(true));
            body.insert("WriteProtected".into(), json!(order.write_protected));
        }
        if self.transfer {
            let scheme = order.image.split("://").next().unwrap_or("http");
            body.insert("TransferMethod".into(), json!("Stream"));
            body.insert(
                "TransferProtocolType".into(),
                json!(scheme.to_ascii_uppercase()),
            );
        }
        let none = self.credentials.then(|| "none".to_owned());
        if let Some(user) = order.user.clone().or_else(|| none.clone()) {
            body.insert("UserName".into(), json!(user));
        }
        let password = order.password.as_ref().map(|one| one.reveal().to_owned());
        if let Some(password) = password.or(none) {
            body.insert("Password".into(), json!(password));
        }
        Value::Object(body)
    }

    /// The forms to try after this one was refused: what the refusal names first, then the rest.
    fn after(self, refusal: &Error) -> Vec<Form> {
        let Error::Refused { messages, .. } = refusal else {
            return Vec::new();
        };
        let said: String = messages
            .iter()
            .map(|message| format!("{} {} ", message.text, message.related.join(" ")))
            .collect();
        let names = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let without_state = Form {
            state: false,
            ..self
        };
        let with_credentials = Form {
            credentials: true,
            ..self
        };
        let with_transfer = Form {
            transfer: !self.transfer,
            ..self
        };
        let mut forms = Vec::new();
        if names(&["UserName", "Password"]) {
            forms.push(with_credentials);
        }
        if names(&["TransferProtocolType", "TransferMethod"]) {
            forms.push(with_transfer);
        }
        if names(&["Inserted", "WriteProtected"]) {
            forms.push(without_state);
        }
        forms.extend([without_state, with_transfer, with_credentials]);
        forms.retain(|form| *form != self);
        forms
    }
}

/// Puts the image into an empty device.
pub(super) async fn put_in(
    survey: &Survey<'_>,
    device: &MediaDevice,
    order: &Order,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client = survey.client;
    let start = Instant::now();
    let document = fetch(client, &device.path).await?;
    if device.way == MediaWay::IsoConfig {
        return mount(client, &document, order, listener).await;
    }
    let mut form = Form::first(survey, &document).await;
    let mut tried = Vec::new();
    let mut open = Vec::new();
    let mut refusal = None;
    loop {
        tried.push(form);
        let error = match send(client, &document, &form.body(order)).await {
            Ok(reply) => {
                return task::finish(client, &reply, "inserting the image", listener).await;
            }
            Err(error) => error,
        };
        match &error {
            Error::Refused { messages, .. } if quirks::image_unreachable(messages) => {
                return Err(Error::Image {
                    image: order.image.clone(),
                    reason: sentence(messages),
                });
            }
            // Still ejecting, or a medium seems to be in the way (ironic): it is waited for.
            Error::Refused {
                status: 409 | 500 | 503..,
                ..
            } => {
                if look(survey, device).await?.holds(&order.image) {
                    return Ok(());
                }
                let waited = start.elapsed();
                if waited + client.options.poll > client.options.read_back_budget {
                    return Err(error);
                }
                listener(Progress::Waiting {
                    what: format!("{} to take an image", device.name),
                    elapsed: waited,
                });
                tokio::time::sleep(client.options.poll).await;
                tried.pop();
                continue;
            }
            Error::Refused {
                status: 400 | 422, ..
            } => {
                open.splice(0..0, form.after(&error));
            }
            _ => return Err(error),
        }
        refusal.get_or_insert(error);
        match open.iter().copied().find(|form| !tried.contains(form)) {
            Some(next) => form = next,
            None => return Err(refusal.unwrap_or_else(|| no_way(&device.name))),
        }
    }
}

/// The action where there is one, else a PATCH of the device (Lenovo; captured tree, sushy).
async fn send(client: &Client, document: &Document, body: &Value) -> Result<Reply, Error> {
    match document.target(INSERT) {
        Some(target) => client.send(&Request::post(&target, body.clone())).await,
        None => write::patch(client, document, body).await,
    }
}

/// Supermicro's older way: where the image is, then the mount (badfish).
async fn mount(
    client: &Client,
    config: &Document,
    order: &Order,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let target = config
        .target("IsoConfig.Mount")
        .ok_or_else(|| no_way("IsoConfig"))?;
    let start = order.image.find("://").map_or(0, |start| start + 3);
    let path = order.image[start..]
        .find('/')
        .map_or(order.image.len(), |path| start + path);
    let (host, path) = order.image.split_at(path);
    let password = order.password.as_ref().map_or("", |one| one.reveal());
    let body = json!({
        "Host": host,
        "Path": path,
        "Username": order.user.as_deref().unwrap_or_default(),
        "Password": password,
    });
    write::patch(client, config, &body).await?;
    let reply = client.send(&Request::post(&target, json!({}))).await?;
    task::finish(client, &reply, "mounting the image", listener).await
}

pub(super) fn no_way(device: &str) -> Error {
    Error::Unsupported {
        what: format!("change the image of {device}"),
        reason: "the device offers neither an action nor takes a PATCH".into(),
    }
}

/// Whether a refusal is about the device, so that another may take the image (ironic).
pub(super) fn next_device(error: &Error) -> bool {
    match error {
        Error::Refused { status, .. } => matches!(status, 400 | 405 | 422 | 501),
        Error::Missing { .. } | Error::Unsupported { .. } => true,
        _ => false,
    }
}

/// A task that fails while it inserts mostly did not get the image.
pub(super) fn in_words(error: Error, image: &str) -> Error {
    match error {
        Error::Task {
            state, messages, ..
        } => Error::Image {
            image: image.to_owned(),
            reason: match sentence(&messages) {
                words if words.is_empty() => format!("its task ended as {state}"),
                words => words,
            },
        },
        other => other,
    }
}
