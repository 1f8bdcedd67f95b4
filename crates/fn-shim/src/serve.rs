//! The agent's side: connections, and on each of them one request after the other.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use shim::{Budget, Desk, Ending, Limits, Outcome, Prepared, Refusal, Serving, Turns};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tower::Service;
use tracing::Instrument;

use crate::answer::Answer;
use crate::call::{self, Function, Intent, Translate};
use crate::environment::Environment;
use crate::error::Error;
use crate::gateway;
use crate::socket::Socket;

/// OCI's own limit, which cannot be raised: 6 MB, taken as MiB
/// (<https://docs.oracle.com/en-us/iaas/Content/Functions/Concepts/functionsoverview.htm>).
const BODY_LIMIT: usize = 6 * 1024 * 1024;
const LIMITS: Limits = Limits {
    // hyper's 100 are not plenty: the agent copies a caller's headers through, and more than this many are refused.
    headers: 1024,
    // What Go's server, in front of the agent, lets a head have (net/http, `DefaultMaxHeaderBytes`), and some for the agent.
    head_bytes: 1024 * 1024 + 64 * 1024,
};

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
    let (mut socket, listener) = Socket::bind(environment.listener())?;
    let front = Front { function: Function::new(&environment), translate, started: Timestamp::now() };
    let front = Arc::new(front);
    // The agent keeps one connection (fn-docs, `fn/develop/fn-format.md`), and drops it after a second of idling (fnproject/fn,
    // `api/agent/agent.go`, `IdleConnTimeout`) and opens another.
    let acceptor = |desk: Desk, stopping: watch::Receiver<bool>| {
        let serve = {
            let stopping = stopping.clone();
            move |stream: UnixStream| connection(stream, Arc::clone(&front), desk.clone(), stopping.clone())
        };
        shim::accept(move |cx| listener.poll_accept(cx).map_ok(|(stream, _)| stream), stopping, serve)
    };
    let published = environment.listener().display();
    let publish = || {
        socket.publish()?;
        tracing::info!(socket = %published, "serving");
        // Dropped when the end is asked for: it removes the socket's names.
        Ok(socket)
    };
    let serving = Serving { turns: Turns::One, body_limit: BODY_LIMIT, parting: Duration::ZERO };
    shim::serve(handler, serving, acceptor, publish, shutdown).await
}

/// What every connection needs.
struct Front {
    function: Function,
    translate: Translate,
    started: Timestamp,
}

async fn connection(stream: UnixStream, front: Arc<Front>, desk: Desk, stopping: watch::Receiver<bool>) {
    let answer = |request| {
        let (front, desk) = (Arc::clone(&front), desk.clone());
        async move { front.answer(request, &desk).await }
    };
    let malformed = || Answer::from(Refusal::Malformed).into_response(Ending::Abandoned);
    shim::connection(TokioIo::new(stream), LIMITS, stopping, malformed, answer).await;
}

impl Front {
    async fn answer(&self, request: Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
        let received = Timestamp::now();
        let (head, body) = request.into_parts();
        if !call::is_call(&head.method, &head.uri) {
            let refusal = Refusal::Route("POST /call");
            tracing::warn!(error.type = refusal.name(), "a request was refused");
            let ending = shim::drain(body).await;
            return Answer::from(refusal).into_response(ending);
        }
        let deadline = call::deadline(&head.headers);
        let context = self.function.context(&head.headers, deadline);
        // `faas.invocation_id` is OpenTelemetry's name for it.
        let span = tracing::info_span!("call", faas.invocation_id = %context.request_id);
        let budget = deadline.budget(received, self.started);
        let (answer, ending) = self.call(&head.headers, context, budget, body, desk).instrument(span).await;
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
        let intent = Intent::of(headers, self.translate);
        let prepare = |bytes| {
            let payload = match intent {
                Intent::HttpRequest => gateway::event(headers, bytes, &context.request_id, Timestamp::now()),
                // JSON is UTF-8 (RFC 8259, section 8.1), in places that a type skips as much as in those it reads.
                Intent::Plain => String::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?,
            };
            let frame = self.function.frame(headers);
            let begin = frame.map(|frame| Box::new(move || frame.print()) as Box<dyn FnOnce() + Send>);
            Ok(Prepared { payload, context, begin })
        };
        let (outcome, ending) = desk.outcome(budget, body, prepare).await;
        let answer = match outcome {
            Outcome::Response(json) => match intent {
                Intent::Plain => Answer::Done(json.into()),
                Intent::HttpRequest => gateway::answer(&json).unwrap_or_else(|refusal| {
                    tracing::error!(error.type = refusal.name(), "{}", refusal.sentence());
                    refusal.into()
                }),
            },
            Outcome::Failed(diagnostic) => diagnostic.into(),
            Outcome::Refused(refusal) => refusal.into(),
        };
        (answer, ending)
    }
}
