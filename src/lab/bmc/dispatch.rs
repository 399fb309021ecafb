//! One request: faults first, then who asks, then what is asked.

use std::sync::Arc;

use axum::http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use super::answer::{Answer, Content, Message, not_found, refuse};
use super::count::UnderWay;
use super::faults::FaultKind;
use super::guards::{Drop, is_open};
use super::machine::Bmc;
use super::patch::kind;
use super::profile::{Accounts, Case, DuringPost, MediaDialect, RegistryAccess};
use super::query::{Query, decode};
use super::tree::normal;
use super::view::View;

/// A request as far as a BMC is concerned.
pub struct Request {
    pub method: Method,
    /// As sent, without query.
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// How the request ends.
pub enum Ending {
    Answer(Answer),
    /// The connection closes without an answer.
    Silence,
}

impl Bmc {
    fn count(&self, request: &Request) -> UnderWay<'_> {
        let path = self.spelling(request.path.trim_end_matches('/'));
        let sessions = &self.tree.anatomy.sessions;
        let on_sessions = request.method != Method::GET && path.starts_with(sessions.as_str());
        self.counter.begin(&request.method, on_sessions)
    }

    pub async fn handle(self: &Arc<Self>, request: Request) -> Ending {
        let _under_way = self.count(&request);
        let (delay, drop) = self.meet_faults();
        tokio::time::sleep(delay).await;
        if drop == Some(Drop::Before) {
            return Ending::Silence;
        }
        let mut answer = self.answer(&request).await;
        if drop == Some(Drop::After) {
            return Ending::Silence;
        }
        let html = self.lock().faults.is_active(FaultKind::HtmlError);
        if html && answer.status >= 400 && answer.status != 401 {
            answer = html_error(answer.status);
        }
        Ending::Answer(answer)
    }

    async fn answer(self: &Arc<Self>, request: &Request) -> Answer {
        let path = self.spelling(request.path.trim_end_matches('/'));
        if let Some(answer) = self.not_ready(&path) {
            return answer;
        }
        let version = text(
            &request.headers,
            header::HeaderName::from_static("odata-version"),
        );
        if !version.is_empty() && version != "4.0" {
            return refuse(
                412,
                Message::new("HeaderInvalid").arguments(["OData-Version"]),
            );
        }
        let caller = match self.authenticate(&request.headers) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        if caller.is_none() && !is_open(&request.method, &path, &self.tree.anatomy.sessions) {
            return refuse(401, Message::new("NoValidSession"))
                .with(header::WWW_AUTHENTICATE, "Basic realm=\"Redfish\"");
        }
        if let Some(answer) = caller
            .as_ref()
            .and_then(|caller| self.refuse_caller(caller, request, &path))
        {
            return answer;
        }
        match request.method {
            Method::GET | Method::HEAD => self.get(request, &path).await,
            Method::POST => self.post(request, &path).await,
            Method::PATCH => self.patch(request, &path).await,
            Method::DELETE => self.delete(request, &path).await,
            _ => self.refuse_method(&path),
        }
    }

    /// The path as the tree spells it: as sent, decoded, or, where the vendor ignores case, in
    /// another case.
    fn spelling(&self, path: &str) -> String {
        let decoded = decode(path);
        let known = |path: &str| {
            self.tree.document(path).is_some() || self.tree.anatomy.action(path).is_some()
        };
        if known(path) || !path.contains('%') && known(&decoded) {
            return path.to_owned();
        }
        if self.dialect.case == Case::Folded
            && !known(&decoded)
            && let Some(folded) = self.tree.fold(&decoded)
        {
            return folded.to_owned();
        }
        decoded
    }

    async fn get(self: &Arc<Self>, request: &Request, path: &str) -> Answer {
        if path == self.tree.anatomy.system
            || self
                .tree
                .anatomy
                .chassis
                .iter()
                .any(|chassis| chassis == path)
        {
            self.look().await;
        }
        let mut inner = self.lock();
        if inner.faults.happens(FaultKind::HtmlError) && path != "/redfish/v1" {
            return html_error(500);
        }
        if self.tree.anatomy.registry.as_deref() == Some(path) {
            if let Some(status) = inner.faults.value(FaultKind::RegistryRefused) {
                return refuse(
                    u16::try_from(status).unwrap_or(403),
                    Message::new("InsufficientPrivilege"),
                );
            }
            let encodings = text(&request.headers, header::ACCEPT_ENCODING);
            let takes_gzip = encodings.contains("gzip") || encodings.contains('*');
            if self.dialect.registry == RegistryAccess::CompressedOnly
                && !encodings.is_empty()
                && !takes_gzip
            {
                return Answer::empty(406);
            }
        }
        if self.is_malformed(&inner, path) {
            return Answer::text(200, "application/json", "{\"@odata.id\": \"");
        }
        if !request.query.is_empty()
            && self
                .tree
                .document(&format!("{path}?{}", decode(&request.query)))
                .is_some()
        {
            let page = format!("{path}?{}", decode(&request.query));
            return self
                .view_json(&mut inner, &page)
                .map_or_else(|| not_found(&page), |value| Answer::json(200, value));
        }
        let query = match Query::parse(&request.query) {
            Ok(query) => query,
            Err(answer) => return answer,
        };
        match self.view(&mut inner, path) {
            None => not_found(path),
            Some(View::Text { status, kind, text }) => Answer::text(status, kind, text),
            Some(View::Underway(document)) => Answer::json(202, document)
                .with(header::LOCATION, path)
                .with(header::RETRY_AFTER, "1"),
            Some(View::Outcome(outcome)) => {
                outcome.map_or_else(|| Answer::empty(204), |value| Answer::json(200, value))
            }
            Some(View::Json(document)) => {
                let mut document = match self.shape(&mut inner, path, document, &query) {
                    Ok(document) => document,
                    Err(answer) => return answer,
                };
                let tag = self.tag(&mut document);
                if text(&request.headers, header::IF_NONE_MATCH) == tag {
                    return Answer::empty(304).with(header::ETAG, tag);
                }
                let mut answer = Answer::json(200, document.clone()).with(header::ETAG, tag);
                if self.dialect.registry == RegistryAccess::CompressedOnly
                    && self.tree.anatomy.registry.as_deref() == Some(path)
                    && text(&request.headers, header::ACCEPT_ENCODING).contains("gzip")
                {
                    answer.content = Content::Compressed(document.clone());
                }
                with_links(answer, &document).with(header::ALLOW, self.methods(path, &document))
            }
        }
    }

    async fn post(self: &Arc<Self>, request: &Request, path: &str) -> Answer {
        if self
            .tree
            .anatomy
            .push
            .iter()
            .any(|push| normal(push) == path)
        {
            return self.push_firmware(request);
        }
        let body = match self.body(request) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        if path == self.tree.anatomy.sessions
            || path == format!("{}/Members", self.tree.anatomy.sessions)
        {
            return self.open_session(&body);
        }
        if let Some(action) = self
            .tree
            .anatomy
            .action(path)
            .cloned()
            .or_else(|| self.created_action(path))
        {
            return self.act(&action, &body, !request.body.is_empty()).await;
        }
        if self
            .tree
            .anatomy
            .jobs
            .iter()
            .skip(1)
            .any(|jobs| jobs == path)
        {
            return self.create_job(&body);
        }
        let document = {
            let inner = self.lock();
            self.stored(&inner, path)
        };
        let Some(document) = document else {
            return not_found(path);
        };
        match kind(&document) {
            "ManagerAccountCollection" => self.create_account(path, &body),
            "VolumeCollection" => self.create_volume(path, &body),
            "EventDestinationCollection" => self.subscribe(path, &body),
            _ => self.refuse_method(path),
        }
    }

    async fn patch(self: &Arc<Self>, request: &Request, path: &str) -> Answer {
        let body = match self.body(request) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        // What `If-Match` was compared with stays until this change is made.
        let _turn = self.writing.lock().await;
        if let Some(answer) = self.check_precondition(request, path) {
            return answer;
        }
        let anatomy = &self.tree.anatomy;
        let about_boot =
            anatomy.is_bios(path) || anatomy.is_settings(path) || path == anatomy.system;
        if about_boot
            && self.dialect.during_post == DuringPost::RefuseChanges
            && self.lock().state.in_self_test()
        {
            let message = Message::vendor(
                "iLO.2.15.UnableToModifyDuringSystemPOST",
                "The value cannot be modified while the system is in POST.",
                "Warning",
            );
            return refuse(400, message);
        }
        if anatomy.is_settings(path) || (anatomy.is_bios(path) && body.get("Attributes").is_some())
        {
            return self.patch_bios(path, &body);
        }
        if anatomy.media.iter().any(|media| media == path) {
            return self.patch_media(path, &body).await;
        }
        if self.lock().state.accounts.contains_key(path) || self.is_account(path) {
            return self.patch_account(path, &body);
        }
        self.patch_plain(path, &body)
    }

    async fn delete(self: &Arc<Self>, request: &Request, path: &str) -> Answer {
        let _turn = self.writing.lock().await;
        if let Some(answer) = self
            .check_precondition(request, path)
            .filter(|answer| answer.status == 412)
        {
            return answer;
        }
        let Some((collection, id)) = path.rsplit_once('/') else {
            return not_found(path);
        };
        if collection == self.tree.anatomy.sessions {
            return self.close_session(id).unwrap_or_else(|| not_found(path));
        }
        let document = {
            let mut inner = self.lock();
            self.view_json(&mut inner, path)
        };
        let Some(document) = document else {
            return not_found(path);
        };
        match kind(&document) {
            "ManagerAccount" if self.dialect.accounts == Accounts::Created => {
                self.delete_account(path)
            }
            "Volume" => self.delete_volume(path),
            "EventDestination" => self.remove(collection, path),
            "Task" | "Job" | "DellJob" => self.delete_task(id),
            _ => self.refuse_method(path),
        }
    }

    /// An action of a resource that was created since, such as a new volume's.
    fn created_action(&self, path: &str) -> Option<super::anatomy::Action> {
        let (resource, name) = path.split_once("/Actions/")?;
        let inner = self.lock();
        let document = inner.state.documents.get(resource)?.as_ref()?;
        document["Actions"].get(format!("#{name}"))?;
        Some(super::anatomy::Action {
            name: name.to_owned(),
            resource: resource.to_owned(),
        })
    }

    fn body(&self, request: &Request) -> Result<Value, Answer> {
        if request.body.iter().all(u8::is_ascii_whitespace) {
            return if request.method == Method::POST {
                Ok(json!({}))
            } else {
                Err(refuse(400, Message::new("UnrecognizedRequestBody")))
            };
        }
        let kind = text(&request.headers, header::CONTENT_TYPE);
        if !kind.is_empty() && !kind.contains("json") {
            return Err(refuse(
                415,
                Message::new("HeaderInvalid").arguments(["Content-Type"]),
            ));
        }
        match serde_json::from_slice::<Value>(&request.body) {
            Ok(value) if value.is_object() => Ok(value),
            Ok(_) => Err(refuse(400, Message::new("UnrecognizedRequestBody"))),
            Err(_) => Err(refuse(400, Message::new("MalformedJSON"))),
        }
    }

    pub fn refuse_method(&self, path: &str) -> Answer {
        let inner = self.lock();
        let Some(document) = self.stored(&inner, path) else {
            return if self.tree.anatomy.action(path).is_some() {
                refuse(405, Message::new("OperationNotAllowed")).with(header::ALLOW, "POST")
            } else if self.tree.document(path).is_some() {
                refuse(405, Message::new("OperationNotAllowed")).with(header::ALLOW, "GET, HEAD")
            } else {
                not_found(path)
            };
        };
        refuse(405, Message::new("OperationNotAllowed"))
            .with(header::ALLOW, self.methods(path, &document))
    }

    /// The methods that a resource takes, for the Allow header.
    pub fn methods(&self, path: &str, document: &Value) -> String {
        let mut methods = vec!["GET", "HEAD"];
        let kind = kind(document);
        let accounts_made = self.dialect.accounts == Accounts::Created;
        let takes_post = match kind {
            "ManagerAccountCollection" => accounts_made,
            "VolumeCollection" | "EventDestinationCollection" => true,
            _ => path == self.tree.anatomy.sessions,
        };
        if takes_post {
            methods.push("POST");
        }
        let takes_delete = match kind {
            "ManagerAccount" => accounts_made,
            "Volume" | "EventDestination" | "Session" | "Task" | "Job" => true,
            _ => false,
        };
        if takes_delete {
            methods.push("DELETE");
        }
        let patched_media = kind == "VirtualMedia"
            && self.dialect.media != MediaDialect::ActionWhereOffered
            && document
                .pointer("/Actions/#VirtualMedia.InsertMedia")
                .is_none();
        if super::patch::is_writable(kind)
            || self.tree.anatomy.is_settings(path)
            || kind == "ManagerAccount"
            || patched_media
        {
            methods.push("PATCH");
        }
        methods.join(", ")
    }
}

pub fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

/// The Link header that names the schema.
fn with_links(answer: Answer, document: &Value) -> Answer {
    let Some(kind) = document["@odata.type"].as_str() else {
        return answer;
    };
    let kind = kind.trim_start_matches('#');
    let schema = kind.rsplit_once('.').map_or(kind, |parts| parts.0);
    answer.with(
        header::LINK,
        format!("<http://redfish.dmtf.org/schemas/v1/{schema}.json>; rel=describedby"),
    )
}

fn html_error(status: u16) -> Answer {
    let mut answer = Answer::text(
        status,
        "text/html",
        format!(
            "<html><head><title>{status} Error</title></head><body><h1>{status} Error</h1><p>The web server met a problem.</p></body></html>"
        ),
    );
    debug_assert!(matches!(answer.content, Content::Text { .. }));
    if status == 503 {
        answer = answer.with(header::RETRY_AFTER, "1");
    }
    answer
}
