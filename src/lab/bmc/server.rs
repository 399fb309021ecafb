//! Listeners and connections: one listener a BMC, HTTP/1.1 over TLS, few bytes for each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{Request as HttpRequest, Response};
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;

use super::answer::{Answer, Message, refuse};
use super::dispatch::{Ending, Request};
use super::error::BmcError;
use super::faults::FaultKind;
use super::machine::Bmc;

/// Largest request body: a firmware image.
const LARGEST: usize = 256 * 1024 * 1024;
/// How long a handshake and the head of a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells a connection how to end.
#[derive(Clone, Default)]
struct Control {
    /// Drop it now.
    hang_up: Arc<Notify>,
    /// Drop it when the answer is out.
    last: Arc<Notify>,
}

/// Binds a BMC's listener.
pub async fn bind(bmc: &Bmc, address: SocketAddr) -> Result<TcpListener, BmcError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| BmcError::Listen { address, source })?;
    let bound = listener
        .local_addr()
        .map_err(|source| BmcError::Listen { address, source })?;
    // Set once: a BMC that comes back has the same address.
    let _ = bmc.address.set(bound);
    Ok(listener)
}

/// Serves one BMC until `shutdown` turns true.
pub async fn serve(bmc: Arc<Bmc>, listener: TcpListener, mut shutdown: watch::Receiver<bool>) {
    let router = Router::new().fallback(respond).with_state(Arc::clone(&bmc));
    let mut listener = Some(listener);
    let mut away = bmc.away.subscribe();
    loop {
        let Some(open) = &listener else {
            let back = (*away.borrow_and_update()).unwrap_or_else(Instant::now);
            tokio::select! {
                () = tokio::time::sleep_until(back.into()) => listener = reopen(&bmc).await,
                _ = shutdown.changed() => return,
            }
            continue;
        };
        tokio::select! {
            accepted = open.accept() => match accepted {
                Ok((stream, _)) => {
                    let bmc = Arc::clone(&bmc);
                    let router = router.clone();
                    let shutdown = shutdown.clone();
                    tokio::spawn(async move { connection(&bmc, stream, router, shutdown).await });
                }
                // Too many open files, mostly: wait for some to close.
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            changed = away.changed() => {
                if changed.is_ok() && away.borrow().is_some_and(|back| Instant::now() < back) {
                    listener = None;
                }
            }
            _ = shutdown.changed() => return,
        }
    }
}

/// The port again after the BMC's restart.
async fn reopen(bmc: &Bmc) -> Option<TcpListener> {
    let address = *bmc.address.get()?;
    match TcpListener::bind(address).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::warn!(bmc = %bmc.config.name, %error, "port not free yet");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn connection(
    bmc: &Arc<Bmc>,
    stream: TcpStream,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let mut cut = bmc.cut.subscribe();
    let Some(served) = bmc.served() else { return };
    let handshake = TlsAcceptor::from(served.config).accept(stream);
    let stream = match tokio::time::timeout(PATIENCE, handshake).await {
        Ok(Ok(stream)) => stream,
        _ => return,
    };
    let control = Control::default();
    let service = TowerToHyperService::new(router.layer(Extension(control.clone())));
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().max_buf_size(16 * 1024).half_close(false);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        _ = &mut serving => {}
        () = control.hang_up.notified() => {}
        () = control.last.notified() => {
            // The head is out without a word of closing; the body follows, then the end.
            let rest = tokio::time::timeout(Duration::from_secs(5), async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                serving.as_mut().graceful_shutdown();
                let _ = serving.as_mut().await;
            });
            tokio::select! {
                _ = rest => {}
                _ = cut.changed() => {}
            }
        }
        _ = cut.changed() => {}
        _ = shutdown.changed() => {}
    }
}

async fn respond(
    Shared(bmc): Shared<Arc<Bmc>>,
    Extension(control): Extension<Control>,
    request: HttpRequest<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return refuse(413, Message::new("UnrecognizedRequestBody")).into_response();
    };
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.into(),
    };
    match bmc.handle(request).await {
        Ending::Silence => {
            control.hang_up.notify_one();
            std::future::pending::<Answer>().await.into_response()
        }
        Ending::Answer(answer) => {
            if bmc.lock().faults.is_active(FaultKind::CloseAfterAnswer) {
                let last = Arc::clone(&control.last);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    last.notify_one();
                });
            }
            answer.into_response()
        }
    }
}
