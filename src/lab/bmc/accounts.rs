//! Accounts: created, or slots that are PATCHed; and the first change of a password.

use serde_json::{Value, json};

use super::answer::{Answer, Message, not_found, refuse};
use super::machine::{Bmc, Inner};
use super::profile::Accounts;
use super::state::Account;

const ROLES: [&str; 3] = ["Administrator", "Operator", "ReadOnly"];

impl Bmc {
    pub fn is_account(&self, path: &str) -> bool {
        let collection = self.tree.anatomy.accounts.as_deref().unwrap_or_default();
        path.rsplit_once('/')
            .is_some_and(|parts| parts.0 == collection)
    }

    pub fn create_account(&self, collection: &str, body: &Value) -> Answer {
        if self.dialect.accounts == Accounts::FixedSlots {
            return self.refuse_method(collection);
        }
        for property in ["UserName", "Password", "RoleId"] {
            if body[property].as_str().is_none_or(str::is_empty) {
                return refuse(400, Message::new("PropertyMissing").arguments([property]));
            }
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        if let Some(answer) = refuse_values(body) {
            return answer;
        }
        let mut inner = self.lock();
        if inner
            .state
            .accounts
            .values()
            .any(|account| account.user == text("UserName"))
        {
            return refuse(
                400,
                Message::new("ResourceAlreadyExists").arguments([
                    "ManagerAccount",
                    "UserName",
                    &text("UserName"),
                ]),
            );
        }
        let id = inner.state.next() + 1;
        let path = format!("{collection}/{id}");
        let account = Account {
            user: text("UserName"),
            password: text("Password"),
            role: text("RoleId"),
            enabled: body["Enabled"].as_bool().unwrap_or(true),
            change_required: body["PasswordChangeRequired"].as_bool().unwrap_or(false),
        };
        let document = document(&path, &account);
        inner.state.accounts.insert(path.clone(), account);
        self.put(&mut inner, &path, document.clone());
        self.enlist(&mut inner, collection, &path, true);
        Answer::json(201, document).with(axum::http::header::LOCATION, path)
    }

    pub fn patch_account(&self, path: &str, body: &Value) -> Answer {
        if let Some(answer) = refuse_values(body) {
            return answer;
        }
        let mut inner = self.lock();
        let Some(mut document) = self.stored(&inner, path) else {
            return not_found(path);
        };
        let mut account = inner
            .state
            .accounts
            .get(path)
            .cloned()
            .unwrap_or_else(|| Account {
                user: document["UserName"].as_str().unwrap_or_default().to_owned(),
                password: String::new(),
                role: document["RoleId"].as_str().unwrap_or("ReadOnly").to_owned(),
                enabled: document["Enabled"].as_bool().unwrap_or(false),
                change_required: false,
            });
        for (name, value) in body.as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default().to_owned();
            match name.as_str() {
                "UserName" => account.user = text,
                "Password" => account.password = text,
                "RoleId" => account.role = text,
                "Enabled" => account.enabled = value.as_bool().unwrap_or(account.enabled),
                "PasswordChangeRequired" => {
                    account.change_required = value.as_bool().unwrap_or(account.change_required);
                }
                "Locked" => {}
                other if other.starts_with("@odata.") => {}
                other => {
                    let key = if document.get(other).is_some() {
                        "PropertyNotWritable"
                    } else {
                        "PropertyUnknown"
                    };
                    return refuse(
                        400,
                        Message::new(key)
                            .arguments([other])
                            .related(format!("#/{other}")),
                    );
                }
            }
        }
        document["UserName"] = json!(account.user);
        document["RoleId"] = json!(account.role);
        document["Enabled"] = json!(account.enabled);
        if body.get("Password").is_some() && body.get("PasswordChangeRequired").is_none() {
            account.change_required = false;
        }
        if document.get("PasswordChangeRequired").is_some() {
            document["PasswordChangeRequired"] = json!(account.change_required);
        }
        if document["Links"]["Role"]["@odata.id"].is_string() {
            document["Links"]["Role"] =
                json!({"@odata.id": format!("/redfish/v1/AccountService/Roles/{}", account.role)});
        }
        inner.state.accounts.insert(path.to_owned(), account);
        self.put(&mut inner, path, document);
        let mut shown = self.view_json(&mut inner, path).unwrap_or_default();
        let tag = self.tag(&mut shown);
        Answer::json(200, shown).with(axum::http::header::ETAG, tag)
    }

    pub fn delete_account(&self, path: &str) -> Answer {
        let mut inner = self.lock();
        let administrators = inner
            .state
            .accounts
            .values()
            .filter(|account| account.role == "Administrator" && account.enabled)
            .count();
        let is_last = administrators == 1
            && inner
                .state
                .accounts
                .get(path)
                .is_some_and(|account| account.role == "Administrator");
        if is_last {
            return refuse(400, Message::new("ResourceInUse"));
        }
        inner.state.accounts.remove(path);
        let collection = path.rsplit_once('/').map_or("", |parts| parts.0).to_owned();
        inner.sessions.retain(|session| session.account != path);
        self.remove_locked(&mut inner, &collection, path);
        Answer::empty(204)
    }

    /// Removes a member of a collection and its document.
    pub fn remove(&self, collection: &str, path: &str) -> Answer {
        let mut inner = self.lock();
        self.remove_locked(&mut inner, collection, path);
        Answer::empty(204)
    }

    fn remove_locked(&self, inner: &mut Inner, collection: &str, path: &str) {
        inner.state.documents.insert(path.to_owned(), None);
        self.enlist(inner, collection, path, false);
        self.save(inner);
    }

    /// POST to the event service's subscriptions: kept and shown, though nothing is delivered.
    pub fn subscribe(&self, collection: &str, body: &Value) -> Answer {
        for property in ["Destination", "Protocol"] {
            if body[property].as_str().is_none_or(str::is_empty) {
                return refuse(400, Message::new("PropertyMissing").arguments([property]));
            }
        }
        if body["Protocol"] != json!("Redfish") {
            return refuse(
                400,
                Message::new("PropertyValueNotInList")
                    .arguments([body["Protocol"].as_str().unwrap_or_default(), "Protocol"]),
            );
        }
        let mut inner = self.lock();
        let path = format!("{collection}/{}", inner.state.next());
        let document = json!({
            "@odata.id": path,
            "@odata.type": "#EventDestination.v1_14_0.EventDestination",
            "Id": path.rsplit('/').next(),
            "Name": "Event Subscription",
            "Destination": body["Destination"],
            "Protocol": "Redfish",
            "Context": body["Context"].as_str().unwrap_or_default(),
            "SubscriptionType": "RedfishEvent",
            "EventFormatType": "Event",
            "RegistryPrefixes": body["RegistryPrefixes"].as_array().cloned().unwrap_or_default(),
            "ResourceTypes": body["ResourceTypes"].as_array().cloned().unwrap_or_default(),
        });
        self.put(&mut inner, &path, document.clone());
        self.enlist(&mut inner, collection, &path, true);
        Answer::json(201, document).with(axum::http::header::LOCATION, path)
    }

    pub fn delete_task(&self, id: &str) -> Answer {
        let mut inner = self.lock();
        let waited = inner.state.tasks.iter().any(|task| {
            task.id == id && task.effect == super::state::TaskEffect::Bios && !task.state.is_over()
        });
        inner.state.tasks.retain(|task| task.id != id);
        if waited {
            // What the job would have applied goes with it.
            inner.state.pending.clear();
            inner.state.armed = false;
        }
        self.save(&inner);
        Answer::empty(204)
    }
}

fn refuse_values(body: &Value) -> Option<Answer> {
    if let Some(password) = body["Password"].as_str()
        && !(8..=40).contains(&password.chars().count())
    {
        return Some(refuse(
            400,
            Message::new("PropertyValueOutOfRange")
                .arguments(["********", "Password"])
                .related("#/Password"),
        ));
    }
    let role = body["RoleId"].as_str()?;
    (!ROLES.contains(&role)).then(|| {
        refuse(
            400,
            Message::new("PropertyValueNotInList")
                .arguments([role, "RoleId"])
                .related("#/RoleId"),
        )
    })
}

fn document(path: &str, account: &Account) -> Value {
    json!({
        "@odata.id": path,
        "@odata.type": "#ManagerAccount.v1_12_0.ManagerAccount",
        "Id": path.rsplit('/').next(),
        "Name": "User Account",
        "Enabled": account.enabled,
        "Locked": false,
        "Password": null,
        "PasswordChangeRequired": account.change_required,
        "UserName": account.user,
        "RoleId": account.role,
        "AccountTypes": ["Redfish"],
        "Links": {"Role": {"@odata.id": format!("/redfish/v1/AccountService/Roles/{}", account.role)}},
    })
}
