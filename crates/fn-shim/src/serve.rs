//! The agent's side: connections, and on each of them one request after the other.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tower::Service;
use tracing::{Instrument, Span};

use crate::answer::{Answer, Refusal};
use crate::body::{self, Ending, Intake};
use crate::call::{self, Call, Function, Intent, Translate};
use crate::deadline::Budget;
use crate::environment::Environment;
use crate::error::Error;
use crate::gateway;
use crate::socket::Socket;
use crate::wire::Wire;
use crate::work::{GRACE, asked_to_stop, work};

/// hyper's 100 are not plenty: the agent copies a caller's headers through, and more than this many are
/// refused.
const HEADERS_LIMIT: usize = 1024;
/// What Go's server, in front of the agent, lets a head have (net/http, `DefaultMaxHeaderBytes`), and some
/// for the agent.
const HEAD_BYTES_LIMIT: usize = 1024 * 1024 + 64 * 1024;
/// How long the body of a call that came too late is waited for, so that its connection can be kept.
const LATE_BODY_PATIENCE: Duration = Duration::from_millis(100);
/// After a refused `accept`: long enough not to spin while file descriptors are short (EMFILE), short enough
/// for a call.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `handler` on the socket of `environment` until `shutdown` completes: [`run`](crate::run) without a
/// process around it, for tests and for those who watch signals themselves.
///
/// When `shutdown` completes, the socket's names are removed first, so that nobody is invited any longer;
/// calls that have been accepted are answered; idle connections are closed. Connections that are amid sending
/// a request get one more second. Dropping the future ends everything at once, and removes the names as well.
///
/// # Errors
///
/// [`Error::Io`] if the socket cannot be made, [`Error::Handler`] if the handler's `poll_ready` failed.
pub async fn serve<A, F, R>(
    environment: Environment,
    handler: F,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    serve_calls(environment, handler, shutdown, Translate::Nothing).await
}

/// [`serve`] for a handler of HTTP requests: [`run_http`](crate::run_http) without a process around it.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_http<A, F, R>(
    environment: Environment,
    handler: F,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    serve_calls(environment, handler, shutdown, Translate::HttpRequests).await
}

pub(crate) async fn serve_calls<A, F, R>(
    environment: Environment,
    handler: F,
    shutdown: impl Future<Output = ()>,
    translate: Translate,
) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let started = Timestamp::now();
    let (mut socket, listener) = Socket::bind(environment.listener())?;
    let (stop, stopping) = watch::channel(false);
    // One place: whoever else comes waits on its own connection, in order, and leaves when its time is over.
    let (calls, queue) = mpsc::channel(1);
    let function = Function::new(&environment);
    let mut acceptor = JoinSet::new();
    let front = Arc::new(Front { function, translate, calls, started });
    acceptor.spawn(accept(listener, front, stopping.clone()));
    socket.publish()?;
    tracing::info!(socket = %environment.listener().display(), "serving");

    let closing = async {
        shutdown.await;
        drop(socket);
        stop.send_replace(true);
        // What remains is `work`'s: it ends when everybody has been answered.
        std::future::pending::<Infallible>().await
    };
    let outcome = tokio::select! {
        outcome = work(handler, queue, stopping) => outcome,
        never = closing => match never {},
    };
    stop.send_replace(true);
    if outcome.is_err() {
        // The answer that goes with the error is still on its way out.
        let _ = tokio::time::timeout(GRACE, acceptor.join_next()).await;
    }
    outcome
}

/// What every connection needs.
struct Front {
    function: Function,
    translate: Translate,
    calls: mpsc::Sender<Call>,
    started: Timestamp,
}

/// Accepts connections until told to stop, and outlives them. The agent keeps one (fn-docs,
/// `fn/develop/fn-format.md`), but drops it after a second of idling (fnproject/fn, `api/agent/agent.go`,
/// `IdleConnTimeout`) and opens another.
async fn accept(listener: UnixListener, front: Arc<Front>, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = asked_to_stop(&mut stopping) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&front), stopping.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // Only to forget the ones that have ended.
            Some(_) = connections.join_next() => {}
        }
    }
    drop((listener, front));
    while connections.join_next().await.is_some() {}
}

/// Serves one connection to its end, which is the client's to choose: this side never closes an idle one, or
/// a POST sent at that very moment would be lost (Go does not repeat it). Hence no timer and no time-out for
/// reading heads, which in hyper also runs between requests (hyper 1.12.0, `src/proto/h1/conn.rs`,
/// `poll_read_head`).
async fn connection(stream: UnixStream, front: Arc<Front>, mut stopping: watch::Receiver<bool>) {
    let service = service_fn(|request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(HEADERS_LIMIT)
        .max_buf_size(HEAD_BYTES_LIMIT)
        .serve_connection(Wire::new(TokioIo::new(stream)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = asked_to_stop(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that goes away amid a request, for the most part.
        tracing::debug!(%error, "a connection broke");
    }
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let received = Timestamp::now();
        let (head, body) = request.into_parts();
        if !call::is_call(&head.method, &head.uri) {
            let ending = body::drain(body).await;
            return refused(Refusal::Route).into_response(ending);
        }
        let deadline = call::deadline(&head.headers);
        let context = self.function.context(&head.headers, deadline);
        // `faas.invocation_id` is OpenTelemetry's name for it.
        let span = tracing::info_span!("call", faas.invocation_id = %context.request_id);
        let budget = deadline.budget(received, self.started);
        let answer = self.answer_within(budget, &head.headers, context, body);
        let (answer, ending) = answer.instrument(span).await;
        answer.into_response(ending)
    }

    /// Waiting for a turn, the body, the handler: all of it is the call's time.
    async fn answer_within(
        &self,
        budget: Budget,
        headers: &HeaderMap,
        context: Context,
        body: Incoming,
    ) -> (Answer, Ending) {
        let mut ending = Ending::Abandoned;
        let answer = match budget {
            Budget::Unknown => self.forward(headers, context, body, &mut ending).await,
            Budget::Left(left) => {
                // Giving up closes `Call::reply`, which makes the worker drop the handler's future.
                let forwarded = self.forward(headers, context, body, &mut ending);
                tokio::time::timeout(left, forwarded).await.unwrap_or_else(|_| refused(Refusal::Deadline))
            }
            Budget::Spent => {
                let drained = tokio::time::timeout(LATE_BODY_PATIENCE, body::drain(body)).await;
                ending = drained.unwrap_or(Ending::Abandoned);
                refused(Refusal::Deadline)
            }
        };
        (answer, ending)
    }

    /// Hands a call to the worker and waits for its answer. `ending` tells how far the body was read, also to
    /// a caller that does not wait for the end of this.
    async fn forward(
        &self,
        headers: &HeaderMap,
        context: Context,
        body: Incoming,
        ending: &mut Ending,
    ) -> Answer {
        let bytes = match body::read(body).await {
            Intake::Whole(bytes) => bytes,
            Intake::TooLarge(how) => {
                *ending = how;
                return refused(Refusal::TooLarge);
            }
            Intake::Broken => return refused(Refusal::BodyBroken),
        };
        *ending = Ending::Reached;
        let intent = Intent::of(headers, self.translate);
        let body = match intent {
            Intent::HttpRequest => gateway::event(headers, bytes, &context.request_id, Timestamp::now()),
            // JSON is UTF-8 (RFC 8259, section 8.1), in places that a type skips as much as in those it reads.
            Intent::Plain => match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(_) => return refused(Refusal::NotUtf8),
            },
        };
        let (reply, answer) = oneshot::channel();
        let frame = self.function.frame(headers);
        let call = Call { body, intent, context, frame, span: Span::current(), reply };
        if self.calls.send(call).await.is_err() {
            return refused(Refusal::Stopping);
        }
        answer.await.unwrap_or_else(|_| refused(Refusal::Stopping))
    }
}

fn refused(refusal: Refusal) -> Answer {
    tracing::warn!(error.type = refusal.name(), "a request was refused");
    refusal.into()
}
