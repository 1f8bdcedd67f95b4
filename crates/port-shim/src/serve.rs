//! The platform's side: which request is a call, and the way of one.

use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use shim::{Budget, Desk, Ending, Limits, Outcome, Prepared, Refusal};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service;
use tracing::Instrument;

use crate::answer::Answer;
use crate::custom_handler::{self, Event};
use crate::environment::Environment;
use crate::error::Error;
use crate::profile::{Calls, Form};

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
    let front = Arc::new(Front { environment, started: Timestamp::now() });
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
    shim::serve(handler, profile.turns, profile.body_limit, acceptor, ready, shutdown).await
}

fn listening(at: SocketAddr) {
    let (address, port) = (at.ip(), at.port());
    tracing::info!(server.address = %address, server.port = port, "listening on http://{at}");
}

/// What every connection needs.
struct Front {
    environment: Environment,
    started: Timestamp,
}

async fn connection(stream: TcpStream, front: Arc<Front>, desk: Desk, stopping: watch::Receiver<bool>) {
    // Otherwise an answer on a kept connection can wait for the delayed acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let answer = |request| {
        let (front, desk) = (Arc::clone(&front), desk.clone());
        async move { front.answer(request, &desk).await }
    };
    shim::connection(TokioIo::new(stream), LIMITS, stopping, answer).await;
}

impl Front {
    async fn answer(&self, request: Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
        let received = Timestamp::now();
        let (head, body) = request.into_parts();
        if self.environment.profile.ready == Some(head.uri.path())
            && matches!(head.method, Method::GET | Method::HEAD)
        {
            let ending = shim::drain(body).await;
            return Answer::success(Bytes::from_static(b"{}")).into_response(ending);
        }
        if !self.is_call(&head) {
            let refusal = Refusal::Route("POST to the name of a function of this app");
            tracing::warn!(error.type = refusal.name(), "a request was refused");
            let ending = shim::drain(body).await;
            return Answer::from(refusal).into_response(ending);
        }
        let deadline = self.environment.time.and_then(|time| received.checked_add(time).ok());
        let context = self.context(&head, deadline);
        // `faas.invocation_id` is OpenTelemetry's name for it.
        let span = tracing::info_span!("call", faas.invocation_id = %context.request_id);
        let budget = Budget::of(deadline, received, self.started);
        let (answer, ending) = self.call(context, budget, body, desk).instrument(span).await;
        answer.into_response(ending)
    }

    fn is_call(&self, head: &Parts) -> bool {
        let path = head.uri.path();
        let known = match (&self.environment.profile.calls, &self.environment.functions) {
            (Calls::Path(served), _) => path == *served,
            (Calls::Functions { .. }, Some(functions)) => {
                path.strip_prefix('/').is_some_and(|name| functions.contains(name))
            }
            (Calls::Functions { .. }, None) => path.strip_prefix('/').is_some_and(is_name),
        };
        known && head.method == Method::POST
    }

    /// The handler's context. Fields without a counterpart stay as `Context::default()` has them.
    fn context(&self, head: &Parts, deadline: Option<Timestamp>) -> Context {
        let mut context = Context::default();
        let ids = self.environment.profile.request_id;
        if let Some(id) = ids.iter().find_map(|name| head.headers.get(*name)) {
            context.request_id = String::from_utf8_lossy(id.as_bytes()).into_owned();
        }
        let deadline = deadline.and_then(|at| u64::try_from(at.as_millisecond()).ok());
        context.deadline = deadline.unwrap_or_default();
        context
    }

    async fn call(&self, context: Context, budget: Budget, body: Incoming, desk: &Desk) -> (Answer, Ending) {
        let form = &self.environment.profile.form;
        let mut is_request = false;
        let prepare = |bytes| {
            let payload = match form {
                Form::Bare => String::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?,
                Form::CustomHandler => match custom_handler::unwrap(bytes)? {
                    Event::Plain(event) => event,
                    Event::HttpRequest(body) => {
                        is_request = true;
                        body
                    }
                },
            };
            Ok(Prepared { payload, context, begin: None })
        };
        let (outcome, ending) = desk.outcome(budget, body, prepare).await;
        let answer = match outcome {
            Outcome::Response(json) => {
                let body = match form {
                    Form::Bare => Ok(json.into()),
                    Form::CustomHandler => custom_handler::success(json, is_request),
                };
                body.map_or_else(
                    |refusal| {
                        tracing::error!(error.type = refusal.name(), "{}", refusal.sentence());
                        refusal.into()
                    },
                    Answer::success,
                )
            }
            Outcome::Failed(diagnostic) => diagnostic.into(),
            Outcome::Refused(refusal) => refusal.into(),
        };
        (answer, ending)
    }
}

/// Whether a text can be a function's name (Azure/azure-functions-host, `src/WebJobs.Script/Utility.cs`, `FunctionNameValidationRegex`).
fn is_name(name: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    name.len() <= 128 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_function() {
        let longest = format!("a{}", "b".repeat(127));
        for name in ["ScanEvent", "a", "a-b_1", &longest] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "1a", "_a", "api/x", "a.b", "a%20b", "é", "admin/host/ping", &format!("{longest}b")]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
