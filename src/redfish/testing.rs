//! A small BMC for tests: raw HTTP, so that it can also break off, answer garbage, or nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::options::Options;
use crate::model::{Endpoint, Secret, Trust};

#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

impl Seen {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection ends without an answer.
    pub hang_up: bool,
}

impl Answer {
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: vec![],
            body: body.to_string().into_bytes(),
            hang_up: false,
        }
    }

    pub fn empty(status: u16) -> Self {
        Self {
            body: vec![],
            ..Self::json(status, Value::Null)
        }
    }

    pub fn hang_up() -> Self {
        Self {
            hang_up: true,
            ..Self::empty(500)
        }
    }

    pub fn message(status: u16, id: &str, words: &str) -> Self {
        Self::json(
            status,
            json!({"error": {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [
                {"MessageId": id, "Message": words}]}}),
        )
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

pub type Handler = dyn Fn(&Seen) -> Answer + Send + Sync;

pub struct Fake {
    pub url: String,
    open: Arc<(AtomicUsize, AtomicUsize)>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Its drop ends the server.
    _stop: tokio::sync::oneshot::Sender<()>,
}

async fn accept(
    listener: std::net::TcpListener,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    handler: Arc<Handler>,
    log: Arc<Mutex<Vec<Seen>>>,
    open: Arc<(AtomicUsize, AtomicUsize)>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, handler, log) = (acceptor.clone(), Arc::clone(&handler), Arc::clone(&log));
        let open = Arc::clone(&open);
        tokio::spawn(async move {
            let now = open.0.fetch_add(1, Ordering::SeqCst) + 1;
            open.1.fetch_max(now, Ordering::SeqCst);
            match acceptor {
                None => talk(stream, &*handler, &log).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        talk(stream, &*handler, &log).await;
                    }
                }
            }
            open.0.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl Fake {
    pub async fn start(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(handler)).await
    }

    pub async fn tls(
        config: rustls::ServerConfig,
        handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        Self::serve(Some(acceptor), Arc::new(handler)).await
    }

    /// On a thread of its own, because a client that is dropped blocks for its logout.
    async fn serve(acceptor: Option<tokio_rustls::TlsAcceptor>, handler: Arc<Handler>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let open = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let counted = Arc::clone(&open);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, acceptor, handler, log, counted) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            url,
            open,
            seen,
            _stop: stop,
        }
    }

    /// The most connections that were open at once.
    pub fn most_open(&self) -> usize {
        self.open.1.load(Ordering::SeqCst)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `METHOD path` of every request so far, in order.
    pub fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    pub fn writes(&self) -> Vec<Seen> {
        self.seen()
            .into_iter()
            .filter(|seen| seen.method != "GET" && !seen.path.contains("/Sessions"))
            .collect()
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            url: self.url.clone(),
            user: "admin".into(),
            password: Secret::new("canary"),
            first_password: None,
            trust: Trust::Insecure,
        }
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: &Handler,
    log: &Mutex<Vec<Seen>>,
) {
    let mut buffer = Vec::new();
    while let Some(seen) = request(&mut stream, &mut buffer).await {
        let answer = handler(&seen);
        log.lock().unwrap().push(seen);
        if answer.hang_up {
            return;
        }
        let mut head = format!(
            "HTTP/1.1 {} X\r\nContent-Length: {}\r\n",
            answer.status,
            answer.body.len()
        );
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(answer.body);
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<Seen> {
    let head_end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        if buffer[0] == 0x16 {
            // A TLS greeting where HTTP is spoken.
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .ok()?;
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |value| value.parse().unwrap());
    while buffer.len() < head_end + 4 + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let rest = buffer.split_off(head_end + 4 + length);
    let body = serde_json::from_slice(&buffer[head_end + 4..]).unwrap_or(Value::Null);
    *buffer = rest;
    Some(Seen {
        method,
        path,
        headers,
        body,
    })
}

/// Documents by path, with sessions that are checked and counted; PATCH merges.
pub struct Tree {
    pub documents: Mutex<BTreeMap<String, Value>>,
    pub sessions: Mutex<Vec<String>>,
    opened: Mutex<u32>,
}

impl Tree {
    pub fn new(documents: impl IntoIterator<Item = (&'static str, Value)>) -> Arc<Self> {
        let mut all: BTreeMap<String, Value> = documents
            .into_iter()
            .map(|(path, body)| (path.to_owned(), body))
            .collect();
        for (path, body) in &mut all {
            if body.get("@odata.id").is_none() && body.is_object() {
                body["@odata.id"] = json!(path);
            }
        }
        Arc::new(Self {
            documents: Mutex::new(all),
            sessions: Mutex::default(),
            opened: Mutex::default(),
        })
    }

    /// One host with everything that the acts need.
    pub fn host() -> Arc<Self> {
        Self::new([
            ("/redfish/v1", root()),
            ("/redfish/v1/Systems", members(&["/redfish/v1/Systems/1"])),
            ("/redfish/v1/Systems/1", computer()),
            ("/redfish/v1/Systems/1/Bios", bios()),
            (
                "/redfish/v1/Systems/1/Bios/Pending",
                json!({"@odata.etag": "\"1\"", "Attributes": {"Smt": "Off", "Boost": 1}}),
            ),
            ("/redfish/v1/Managers", members(&["/redfish/v1/Managers/1"])),
            (
                "/redfish/v1/Managers/1",
                json!({"ManagerType": "BMC", "FirmwareVersion": " 1.2 "}),
            ),
            ("/redfish/v1/Chassis", members(&["/redfish/v1/Chassis/1"])),
            ("/redfish/v1/Chassis/1", json!({"ChassisType": "RackMount"})),
        ])
    }

    pub fn get(&self, path: &str) -> Value {
        self.documents
            .lock()
            .unwrap()
            .get(path)
            .cloned()
            .unwrap_or(Value::Null)
    }

    pub fn set(&self, path: &str, pointer: &str, value: Value) {
        let mut documents = self.documents.lock().unwrap();
        let place = documents
            .get_mut(path)
            .unwrap()
            .pointer_mut(pointer)
            .unwrap();
        *place = value;
    }

    pub fn serve(&self, seen: &Seen) -> Answer {
        let path = seen.path.trim_end_matches('/').to_owned();
        if seen.method == "POST" && path.ends_with("/Sessions") {
            if seen.body["Password"] != "canary" {
                return Answer::message(401, "Base.1.8.InvalidCredentials", "wrong password");
            }
            let mut opened = self.opened.lock().unwrap();
            *opened += 1;
            let (token, place) = (format!("token{opened}"), format!("{path}/{opened}"));
            self.sessions.lock().unwrap().push(token.clone());
            return Answer::json(201, json!({"@odata.id": place}))
                .with("X-Auth-Token", &token)
                .with("Location", &place);
        }
        let open = path == "/redfish/v1" || path == "/redfish/v1/SessionService";
        let token = seen
            .headers
            .get("x-auth-token")
            .cloned()
            .unwrap_or_default();
        let known = self.sessions.lock().unwrap().contains(&token);
        if !open && !known && !seen.headers.contains_key("authorization") {
            return Answer::message(401, "Base.1.8.NoValidSession", "no session");
        }
        if seen.method == "DELETE" && path.contains("/Sessions/") {
            self.sessions
                .lock()
                .unwrap()
                .retain(|other| *other != token);
            return Answer::empty(204);
        }
        let mut documents = self.documents.lock().unwrap();
        let Some(document) = documents.get_mut(&path) else {
            return Answer::message(404, "Base.1.8.ResourceMissingAtURI", "nothing here");
        };
        match seen.method.as_str() {
            "GET" => Answer::json(200, document.clone()),
            "PATCH" => {
                merge(document, &seen.body);
                Answer::empty(204)
            }
            _ => Answer::empty(405),
        }
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

pub fn members(paths: &[&str]) -> Value {
    let links: Vec<Value> = paths
        .iter()
        .map(|path| json!({"@odata.id": path}))
        .collect();
    json!({"Members": links, "Members@odata.count": paths.len()})
}

pub fn root() -> Value {
    json!({
        "RedfishVersion": "1.13.0",
        "Systems": {"@odata.id": "/redfish/v1/Systems"},
        "Managers": {"@odata.id": "/redfish/v1/Managers"},
        "Chassis": {"@odata.id": "/redfish/v1/Chassis"},
        "Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}},
    })
}

pub fn computer() -> Value {
    json!({
        "Manufacturer": "Contoso", "Model": "3500", "SerialNumber": "437XR  ", "PowerState": "On",
        "BootProgress": {"LastState": "OSRunning"},
        "LastResetTime": "2026-01-01T00:00:00Z",
        "Bios": {"@odata.id": "/redfish/v1/Systems/1/Bios"},
        "Boot": {
            "BootSourceOverrideEnabled": "Disabled",
            "BootSourceOverrideTarget": "None",
            "BootSourceOverrideMode": "UEFI",
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Cd"],
        },
        "Links": {"ManagedBy": [{"@odata.id": "/redfish/v1/Managers/1"}], "Chassis": [{"@odata.id": "/redfish/v1/Chassis/1"}]},
        "Actions": {"#ComputerSystem.Reset": {
            "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
            "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart"],
        }},
    })
}

pub fn bios() -> Value {
    json!({
        "AttributeRegistry": "BiosAttributeRegistryX.v1_0_3",
        "Attributes": {"Smt": "Off", "Boost": 1},
        "@Redfish.Settings": {
            "SettingsObject": {"@odata.id": "/redfish/v1/Systems/1/Bios/Pending"},
            "SupportedApplyTimes": ["OnReset"],
        },
    })
}

/// Bounds short enough for tests, with the proportions of the real ones.
pub fn swift() -> Options {
    let milliseconds = Duration::from_millis;
    Options {
        pause: milliseconds(5),
        pause_cap: milliseconds(20),
        silence_budget: milliseconds(400),
        ready_budget: milliseconds(400),
        poll: milliseconds(5),
        graceful_budget: milliseconds(150),
        power_budget: milliseconds(150),
        boot_budget: milliseconds(150),
        read_back_budget: milliseconds(150),
        task_budget: milliseconds(400),
        ..Options::default()
    }
}
