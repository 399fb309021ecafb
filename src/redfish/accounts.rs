//! Accounts: read, made where they can be made, else put into a free slot; a password is proven by
//! a login, as it cannot be read.

use std::sync::Arc;
use std::time::Instant;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::document::{Document, link, text, truth};
use super::error::Error;
use super::message::{Meaning, meaning, sentence};
use super::options::{Listener, Progress};
use super::session::Auth;
use super::survey::{Cache, Survey};
use super::task;
use super::transport::Request;
use super::write;
use crate::model::bmc::{Account, AccountState, AccountWish, LoginState};
use crate::model::{Secret, Text};

/// Wrong passwords lock accounts, so a login that proves one is tried only so often.
const PROOFS: usize = 3;

async fn service(survey: &Survey<'_>) -> Result<Arc<Document>, Error> {
    let root = survey.root().await?;
    let path = root.link("AccountService").ok_or(Error::Unsupported {
        what: "manage accounts".into(),
        reason: "its root links no AccountService".into(),
    })?;
    survey.get(&path).await
}

async fn collection(survey: &Survey<'_>) -> Result<String, Error> {
    let service = service(survey).await?;
    service.link("Accounts").ok_or(Error::Unsupported {
        what: "manage accounts".into(),
        reason: format!("{} links no Accounts", service.path),
    })
}

pub(super) async fn read(survey: &Survey<'_>) -> Result<AccountState, Error> {
    let mut state = AccountState::default();
    let path = collection(survey).await?;
    for member in survey.members(&path).await? {
        match member {
            Ok(document) => state.accounts.push(account(&document)),
            Err((path, error)) => state.unreadable.push(format!("{path}: {error}")),
        }
    }
    if let Some(roles) = service(survey).await?.link("Roles")
        && let Ok(roles) = survey.get(&roles).await
    {
        let (links, _) = survey.member_links(&roles.body).await;
        state.roles = links.iter().map(|path| task::name(path)).collect();
    }
    Ok(state)
}

fn account(document: &Document) -> Account {
    let role = document.text("RoleId").or_else(|| {
        let role = document.at("/Links/Role").and_then(link)?;
        Some(task::name(&role))
    });
    Account {
        path: document.path.clone(),
        name: document.text("UserName").unwrap_or_default(),
        role,
        enabled: truth(&document.body, "Enabled"),
        locked: truth(&document.body, "Locked"),
    }
}

/// Whether the BMC takes this user and password: a GET with both, which leaves nothing behind;
/// where the BMC does not take them so, a session, closed at once.
pub(super) async fn login(
    survey: &Survey<'_>,
    user: &str,
    password: &Text,
) -> Result<LoginState, Error> {
    let password = Secret::new(survey.client.reveal(password)?);
    try_login(survey, user, &password).await
}

async fn try_login(
    survey: &Survey<'_>,
    user: &str,
    password: &Secret,
) -> Result<LoginState, Error> {
    let client = survey.client;
    let path = service(survey).await?.path.clone();
    let auth = Auth::As {
        user: user.to_owned(),
        password: password.clone(),
    };
    let reply = client
        .attempt(&Request::get(&path), &auth, "identity")
        .await?;
    let messages = reply.messages();
    match (reply.status, meaning(reply.status, &messages)) {
        (_, Meaning::PasswordChange) => return Ok(LoginState::ChangeDemanded),
        // Forbidden, and missing, are said only to those who are let in.
        (200..=299 | 403 | 404, _) => return Ok(LoginState::Accepted),
        (401, _) => {}
        (status, _) => {
            return Err(Error::Refused {
                method: "GET".into(),
                path,
                status,
                messages,
            });
        }
    }
    let basic = reply
        .header("www-authenticate")
        .is_some_and(|ways| ways.to_ascii_lowercase().contains("basic"));
    if basic {
        return Ok(LoginState::Refused(match sentence(&messages) {
            words if words.is_empty() => "status 401".to_owned(),
            words => words,
        }));
    }
    client.try_session(user, password).await
}

/// Makes the account as wished, and proves it.
pub(super) async fn set(
    survey: &Survey<'_>,
    wish: &AccountWish,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client = survey.client;
    let password = match &wish.password {
        Some(text) => Some(Secret::new(client.reveal(text)?)),
        None => None,
    };
    let own = wish.name == client.endpoint.user;
    let differs = password
        .as_ref()
        .is_some_and(|new| new.reveal() != client.endpoint.password.reveal());
    if own && (differs || !wish.enabled) {
        return Err(Error::OwnAccount {
            user: wish.name.clone(),
        });
    }
    let state = read(survey).await?;
    let found = state.accounts.iter().find(|one| one.name == wish.name);
    let slot = || {
        state
            .accounts
            .iter()
            .find(|one| one.name.is_empty() && !reserved(one))
    };
    let reply = match (found, slot()) {
        (Some(account), _) => {
            let mut body = properties(wish, password.as_ref());
            body.remove("UserName");
            if account.role == wish.role {
                body.remove("RoleId");
            }
            let document = survey.get(&account.path).await?;
            write::patch(client, &document, &Value::Object(body)).await?
        }
        // Where there are slots, there is nothing to create (libredfish).
        (None, Some(free)) => {
            let document = survey.get(&free.path).await?;
            let body = properties(wish, password.as_ref());
            write::patch(client, &document, &Value::Object(body)).await?
        }
        (None, None) => {
            let body = Value::Object(properties(wish, password.as_ref()));
            let path = collection(survey).await?;
            client.send(&Request::post(&path, body)).await?
        }
    };
    task::finish(client, &reply, "the account", listener).await?;
    prove(survey, wish, password.as_ref(), listener).await
}

/// iDRAC's first slot belongs to nobody (libredfish).
fn reserved(account: &Account) -> bool {
    account.path.contains("iDRAC") && account.path.ends_with("/1")
        || account.role.as_deref() == Some("None") && account.path.ends_with("/1")
}

fn properties(wish: &AccountWish, password: Option<&Secret>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("UserName".into(), json!(wish.name));
    if let Some(password) = password {
        body.insert("Password".into(), json!(password.reveal()));
    }
    if let Some(role) = &wish.role {
        body.insert("RoleId".into(), json!(role));
    }
    body.insert("Enabled".into(), json!(wish.enabled));
    body
}

async fn prove(
    survey: &Survey<'_>,
    wish: &AccountWish,
    password: Option<&Secret>,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let client = survey.client;
    let start = Instant::now();
    let mut logins = 0;
    loop {
        let cache = Cache::default();
        let fresh = Survey {
            client,
            cache: &cache,
        };
        let state = read(&fresh).await?;
        let found = state.accounts.iter().find(|one| one.name == wish.name);
        let lack = match found {
            None => Some("it is not listed".to_owned()),
            Some(one) if one.enabled.is_some_and(|on| on != wish.enabled) => {
                Some(format!("enabled is {:?}", one.enabled))
            }
            Some(one) if wish.role.is_some() && one.role.is_some() && one.role != wish.role => {
                Some(format!(
                    "its role is {}",
                    one.role.clone().unwrap_or_default()
                ))
            }
            Some(_) => None,
        };
        let lack = match (lack, password) {
            (None, Some(password)) if wish.enabled => {
                logins += 1;
                match try_login(&fresh, &wish.name, password).await? {
                    LoginState::Accepted => None,
                    LoginState::ChangeDemanded => {
                        listener(Progress::Note(
                            "the BMC wants the new account's password changed by its user".into(),
                        ));
                        None
                    }
                    LoginState::Refused(reason) => Some(format!("the login fails: {reason}")),
                }
            }
            (lack, _) => lack,
        };
        let Some(found) = lack else { return Ok(()) };
        let waited = start.elapsed();
        if waited + client.options.poll > client.options.read_back_budget || logins >= PROOFS {
            return Err(Error::NotProven {
                what: format!("the account {:?}", wish.name),
                found,
                waited,
            });
        }
        tokio::time::sleep(client.options.poll).await;
    }
}

/// The own account's document, found by its name.
pub(super) async fn own_account(
    client: &super::transport::Client,
    root: &Document,
    auth: &Auth,
) -> Option<String> {
    let get = async |path: &str| {
        let reply = client.attempt(&Request::get(path), auth, "identity").await;
        reply.ok().map(|reply| reply.json())
    };
    let service = get(&root.link("AccountService")?).await?;
    let accounts = get(&service.get("Accounts").and_then(link)?).await?;
    for member in accounts.get("Members")?.as_array()? {
        let path = link(member)?;
        if let Some(account) = get(&path).await
            && text(&account, "UserName").as_deref() == Some(client.endpoint.user.as_str())
        {
            return Some(path);
        }
    }
    None
}

/// Changes the password of the own account, with whatever ETag the BMC takes.
pub(super) async fn change_password(
    client: &super::transport::Client,
    account: &str,
    auth: &Auth,
) -> Result<(), Error> {
    let body = json!({"Password": client.endpoint.password.reveal()});
    // Reading it may be refused until the password is changed.
    let etag = match client
        .attempt(&Request::get(account), auth, "identity")
        .await
    {
        Ok(reply) if reply.status == 200 => reply.header("etag").map(str::to_owned),
        _ => None,
    };
    let mut forms = vec![etag.clone(), Some("*".to_owned())];
    if etag.is_some() {
        forms.push(None);
    }
    let mut last = (0, Vec::new());
    for form in forms {
        let request = Request::patch(account, body.clone(), form);
        let reply = client.attempt(&request, auth, "identity").await?;
        last = (reply.status, reply.messages());
        match reply.status {
            200..=299 => return Ok(()),
            412 | 428 => {}
            _ => break,
        }
    }
    let (status, messages) = last;
    Err(Error::Refused {
        method: Method::PATCH.to_string(),
        path: account.to_owned(),
        status,
        messages,
    })
}
