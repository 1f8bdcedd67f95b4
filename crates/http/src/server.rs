//! The server: reads requests, asks the door, hands over deliveries, answers with reports.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use mdss_relay_core::{Cause, Deadline, Delivery, Failure, Relay, Report};
use mdss_relay_gate::{Head, Refusal, Request as GateRequest, Verdict};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::door::{Doors, Knock, Source};
use crate::reply;

/// Bodies held in memory at once; further requests wait before theirs is read.
const MOST_REQUESTS: usize = 64;

/// A sender that is admitted and then sends nothing holds a place, so it gets only so long. Also the longest a head may
/// take, and an idle connection may stay.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of a refused body is read on, and for how long.
const MOST_DRAINED: usize = 32 << 20;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

struct Shared {
    relay: Relay,
    doors: Doors,
    requests: Arc<Semaphore>,
    stopping: AtomicBool,
    count: AtomicU64,
    /// The receiver ends when the last request that shares this has ended.
    _alive: mpsc::Sender<()>,
}

/// Serves until `stop` is over, then finishes the calls in flight: at most one deadline later it returns.
///
/// # Errors
/// If the listener's own address cannot be told. A connection that fails concerns nobody else.
pub async fn serve(
    listener: TcpListener,
    relay: Relay,
    doors: Doors,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let grace = relay.settings().deadline + BODY_TIMEOUT;
    let address = listener.local_addr()?;
    let (alive, mut all_done) = mpsc::channel(1);
    let shared = Arc::new(Shared {
        relay,
        doors,
        requests: Arc::new(Semaphore::new(MOST_REQUESTS)),
        stopping: AtomicBool::new(false),
        count: AtomicU64::new(0),
        _alive: alive,
    });
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(receive)
        .with_state(shared.clone());
    info!({ "server.address" = %address.ip(), "server.port" = address.port() }, "listening on http://{address}");

    let connections = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: some will be closed soon.
                    warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(BODY_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, client.address = %peer.ip(), "a connection ended early");
            }
        });
    }
    shared.stopping.store(true, Ordering::Relaxed);
    drop(listener);
    info!("stopping; calls in flight are finished first");
    let finish = async {
        connections.shutdown().await;
        // Deliveries whose sender has gone meanwhile are finished as well.
        drop((router, shared));
        let _ = all_done.recv().await;
    };
    if timeout(grace, finish).await.is_err() {
        warn!("stopped with calls in flight; their senders have had no answer and repeat them");
    }
    Ok(())
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.stopping.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    "ready\n".into_response()
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("", |t| t.as_str());
    let headers: Vec<(&str, &[u8])> = parts.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    let source = match shared.doors.knock(parts.method.as_str(), target, &headers) {
        Knock::Enter(source) => source.clone(),
        Knock::Present(_) => return StatusCode::OK.into_response(),
        Knock::UnknownPath => return StatusCode::NOT_FOUND.into_response(),
        Knock::WrongMethod(_) => {
            return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST, HEAD")]).into_response();
        }
        Knock::Refused(source, refusal) => return refused(source, &refusal),
        Knock::KeyMissing(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let deadline = Deadline::new(None, shared.relay.settings().deadline);
    // The semaphore is never closed.
    let place = shared.requests.clone().acquire_owned().await;
    let body = match read(body, &parts.headers, shared.relay.settings().body_limit).await {
        Ok(body) => body,
        Err(unread) => return unread.answer(&source),
    };
    let head = Head { method: parts.method.as_str(), path: target, path_rest: None, headers: &headers };
    match source.policy.check_body(&GateRequest { head, body: &body }) {
        Verdict::Admitted => {}
        Verdict::Refused(refusal) => return refused(&source, &refusal),
        Verdict::NeedKey(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
    let delivery = Delivery {
        source: Some(source.name.clone()),
        dialect: source.dialect,
        method: parts.method.as_str().to_owned(),
        headers: text_headers(&parts.headers),
        body: body.into(),
        id: format!("{}-{}", source.name, shared.count.fetch_add(1, Ordering::Relaxed)),
    };
    // On a task of its own: a sender that hangs up early loses its answer, not its event.
    let work = tokio::spawn(async move {
        let _place = place;
        AssertUnwindSafe(deliver(&shared.relay, &source, delivery, deadline)).catch_unwind().await
    });
    match work.await {
        Ok(Ok(response)) => response,
        _ => {
            let failure =
                Failure::new(Cause::Internal, "the relay failed in an unforeseen way; please report it");
            reply::status(&Report::failed(failure), false)
        }
    }
}

async fn deliver(relay: &Relay, source: &Source, delivery: Delivery, deadline: Deadline) -> Response {
    let plan = relay.plan(&delivery);
    let report = relay.deliver(&plan, deadline, &delivery.id).await;
    match &plan.reply {
        Some(handshake) => reply::handshake(handshake),
        None => reply::status(&report, source.redelivers_forever),
    }
}

/// A refusal has two readers: the sender hears a status, the operator reads which check failed and why.
fn refused(source: &Source, refusal: &Refusal) -> Response {
    warn!(
        { "mdss.source" = source.name, "mdss.check" = refusal.check, "error.type" = "refused" },
        "refused: {}", refusal.why
    );
    reply::refused(refusal)
}

/// Why a body could not be had.
enum Unread {
    TooLarge { limit: usize, announced: Option<u64> },
    TooSlow,
    Broken(String),
}

impl Unread {
    fn answer(&self, source: &Source) -> Response {
        let name = source.name.as_str();
        let status = match self {
            Self::TooLarge { limit, announced } => {
                error!(
                    { "mdss.source" = name, "error.type" = "too_large", size_bytes = announced, limit_bytes = limit },
                    "an event was refused: its body is larger than RELAY_BODY_LIMIT"
                );
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::TooSlow => {
                warn!({ "mdss.source" = name, "error.type" = "too_slow" }, "a body did not arrive within {BODY_TIMEOUT:?}");
                StatusCode::REQUEST_TIMEOUT
            }
            Self::Broken(why) => {
                warn!({ "mdss.source" = name, "error.type" = "broken_body" }, "a body did not arrive whole: {why}");
                StatusCode::BAD_REQUEST
            }
        };
        (status, [(header::CONNECTION, "close")]).into_response()
    }
}

/// The body, counted while it is read. What is too large is thrown away as it comes.
async fn read(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Unread> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let too_large = Unread::TooLarge { limit, announced };
    if announced.is_some_and(|n| n > limit as u64) {
        drain(body).await;
        return Err(too_large);
    }
    let whole = async {
        let mut body = body;
        let mut bytes = Vec::with_capacity(announced.map_or(0, |n| n.try_into().unwrap_or(0)));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| Unread::Broken(e.to_string()))?;
            bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            if bytes.len() > limit {
                drop(bytes);
                drain(body).await;
                return Err(too_large);
            }
        }
        Ok(Bytes::from(bytes))
    };
    timeout(BODY_TIMEOUT, whole).await.unwrap_or(Err(Unread::TooSlow))
}

/// Reads on for a while without keeping anything: most senders read no answer before they have sent everything, and a
/// connection closed under them would look like a broken network instead of a 413.
async fn drain(mut body: Body) {
    let rest = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MOST_DRAINED {
                break;
            }
        }
    };
    let _ = timeout(DRAIN_TIMEOUT, rest).await;
}

/// Headers as text; a value that is none means nothing to any dialect.
fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

/// Listens where the settings say.
///
/// # Errors
/// The operating system's word, with the address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|e| format!("cannot listen on {address}: {e}"))
}
