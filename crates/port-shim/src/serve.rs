//! The platform's side: connections, and the way of a call.

use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use shim::{Budget, Desk, Ending, Limits, Prepared, Refusal, Serving};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service;
use tracing::Instrument;

use crate::answer::Answer;
use crate::custom_handler::{self, Event};
use crate::environment::Environment;
use crate::error::Error;
use crate::profile::{Body, Profile};
use crate::route::{self, Asked};
use crate::{bare, batch, cloudevent};

/// What hyper has by itself: a platform's own requests have a dozen headers.
const LIMITS: Limits = Limits { headers: 100, head_bytes: 400 * 1024 };

/// Serves `handler` on the port of `environment` until `shutdown` completes: [`run`](crate::run) without a process around it, for
/// tests and for those who watch signals themselves.
///
/// When `shutdown` completes, nobody is accepted any longer, calls that have been accepted are answered, and idle connections are
/// closed. Connections that are amid sending a request get one more second. Dropping the future ends everything at once.
///
/// # Errors
///
/// [`Error::Io`] if the port cannot be listened on, [`Error::Handler`] if the handler's `poll_ready` failed.
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
    let (profile, listen) = (environment.profile, environment.listen);
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| Error::Io { action: format!("listen on {listen}"), source })?;
    // A port of 0 is the operating system's to choose.
    let listen = listener.local_addr().unwrap_or(listen);
    let front =
        Arc::new(Front { environment, started: Timestamp::now(), without_control: AtomicBool::new(false) });
    let acceptor = |desk: Desk, stopping: watch::Receiver<bool>| {
        let serve = {
            let stopping = stopping.clone();
            move |stream: TcpStream| connection(stream, Arc::clone(&front), desk.clone(), stopping.clone())
        };
        shim::accept(move |cx| listener.poll_accept(cx).map_ok(|(stream, _)| stream), stopping, serve)
    };
    let ready = || {
        listening(listen);
        Ok(())
    };
    let serving = Serving { turns: profile.turns, body_limit: profile.body_limit, parting: Duration::ZERO };
    shim::serve(handler, serving, acceptor, ready, shutdown).await
}

fn listening(at: SocketAddr) {
    let (address, port) = (at.ip(), at.port());
    tracing::info!(server.address = %address, server.port = port, "listening on http://{at}");
}

/// What every connection needs.
struct Front {
    environment: Environment,
    started: Timestamp,
    /// Whether a call has come without the header in which the platform says where it belongs.
    without_control: AtomicBool,
}

async fn connection(stream: TcpStream, front: Arc<Front>, desk: Desk, stopping: watch::Receiver<bool>) {
    // Otherwise an answer on a kept connection can wait for the delayed acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let profile = front.environment.profile;
    let malformed = || Answer::refused(profile, &Refusal::Malformed).into_response(Ending::Abandoned);
    let answer = |request| {
        let (front, desk) = (Arc::clone(&front), desk.clone());
        async move { front.answer(request, &desk).await }
    };
    shim::connection(TokioIo::new(stream), LIMITS, stopping, malformed, answer).await;
}

impl Front {
    async fn answer(&self, request: Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
        let received = Timestamp::now();
        let (head, body) = request.into_parts();
        let profile = self.environment.profile;
        match route::asked(&self.environment, &head) {
            Asked::Hook(hook) => {
                let lines = profile.lines.as_ref().zip(hook.line);
                let id = route::id(profile, &head.headers);
                let begun = lines.map(|(lines, what)| lines.begin(what, &id));
                let ending = shim::drain(body).await;
                if let Some(begun) = begun {
                    begun.end(false);
                }
                return Answer::ready(profile).into_response(ending);
            }
            Asked::Nothing => {
                let refusal = Refusal::Route(profile.served);
                tracing::warn!(error.type = refusal.name(), "a request was refused: {}", refusal.sentence());
                let ending = shim::drain(body).await;
                return Answer::refused(profile, &refusal).into_response(ending);
            }
            Asked::CallWithoutControl => {
                if !self.without_control.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "calls come without the header by which {} says that they are its own; they are taken",
                        profile.caller
                    );
                }
            }
            Asked::Call => {}
        }
        let time = route::time(&self.environment, &head.headers);
        let deadline = time.and_then(|time| received.checked_add(time).ok());
        let context = context(route::id(profile, &head.headers), deadline);
        let id = context.request_id.clone();
        // `faas.invocation_id` is OpenTelemetry's name for it.
        let span = tracing::info_span!("call", faas.invocation_id = %id);
        let budget = Budget::of(deadline, received, self.started);
        let begun = profile.lines.as_ref().map(|lines| lines.begin(lines.call, &id));
        let (answer, ending) = self.call(&head.headers, context, budget, body, desk).instrument(span).await;
        if let Some(begun) = begun {
            begun.end(answer.is_failure());
        }
        answer.into_response(ending)
    }

    async fn call(
        &self,
        headers: &HeaderMap,
        context: Context,
        budget: Budget,
        body: Incoming,
        desk: &Desk,
    ) -> (Answer, Ending) {
        let (profile, began) = (self.environment.profile, Instant::now());
        let mut is_request = false;
        let prepare = |body| {
            let payload = payload(profile, headers, body, &mut is_request)?;
            Ok(Prepared { payload, context, begin: None })
        };
        let (outcome, ending) = desk.outcome(budget, body, prepare).await;
        (Answer::of(profile, outcome, is_request).after(profile, began.elapsed()), ending)
    }
}

/// The handler's context. Fields without a counterpart stay as `Context::default()` has them.
fn context(id: String, deadline: Option<Timestamp>) -> Context {
    let mut context = Context::default();
    context.request_id = id;
    let deadline = deadline.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    context.deadline = deadline.unwrap_or_default();
    context
}

/// What the handler is given of a body. `is_request` becomes true if it is an HTTP request that the platform has wrapped.
fn payload(
    profile: &Profile,
    headers: &HeaderMap,
    body: Vec<u8>,
    is_request: &mut bool,
) -> Result<String, Refusal> {
    match profile.body {
        Body::Bare => bare::event(body),
        Body::CustomHandler => match custom_handler::unwrap(body)? {
            Event::Plain(event) => Ok(event),
            Event::HttpRequest(body) => {
                *is_request = true;
                Ok(body)
            }
        },
        Body::CloudEvent { .. } => match route::batch(&profile.body, headers) {
            Some(version) => batch::unpack(version, &body),
            None => {
                cloudevent::event(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())), body)
            }
        },
    }
}
