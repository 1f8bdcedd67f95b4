//! The HTTP of a Runtime API: connections, and what is answered to whom. On Lambda also what is needed of the Extensions API.
//!
//! Lambda's statuses and error names follow AWS's own emulator:
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator/tree/main/lambda/rapi> (`handler/`, `rendering/`).
//! Of the other platforms none is documented but 200; what they refuse with is made up here.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::invocations::{Answered, Invocations, Next};
use super::runtime::{Asked, FUNCTION_NAME, FUNCTION_VERSION, Runtime, Which};
use super::wire::Wire;
use super::{Fault, Outcome};
use crate::id;

/// The longest answer, 6 MiB and 100 bytes: `MaxPayloadSize` in
/// <https://github.com/aws/aws-lambda-runtime-interface-emulator/blob/main/lambda/interop/model.go>.
const LONGEST: usize = 6 * 1024 * 1024 + 100;

/// Accepts connections until it is aborted; the connections end with it.
pub(super) async fn serve(listener: TcpListener, invocations: Arc<Invocations>, runtime: Runtime) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&invocations), runtime));
                }
                // Out of file descriptors, most likely: others must end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, invocations: Arc<Invocations>, runtime: Runtime) {
    // Without it the second small write of an answer waits for the client's delayed acknowledgement: 40 ms a call.
    let _ = stream.set_nodelay(true);
    let Ok((stream, wire)) = Wire::of(stream) else { return };
    let wire = Arc::new(wire);
    let service = service_fn(move |request| {
        let (invocations, wire) = (Arc::clone(&invocations), Arc::clone(&wire));
        async move { answer(request, runtime, &invocations, &wire).await }
    });
    // A client that hangs up is its own affair.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

type Answer = Response<Full<Bytes>>;

async fn answer(
    request: Request<Incoming>,
    runtime: Runtime,
    invocations: &Invocations,
    wire: &Wire,
) -> Result<Answer, Closed> {
    let (head, body) = request.into_parts();
    match runtime.asked(&head.method, head.uri.path()) {
        Some(Asked::Ready) => Ok(ready(invocations, body).await),
        Some(Asked::Next) => next(runtime, invocations, wire).await,
        Some(Asked::Response(which)) => response(runtime, invocations, &which, &head.headers, body).await,
        Some(Asked::Error(which)) => {
            invocation_error(runtime, invocations, &which, &head.headers, body).await
        }
        Some(Asked::InitError) => Ok(init_error(invocations, &head.headers, body).await),
        Some(Asked::Register) => Ok(register(invocations, &head.headers, body).await),
        Some(Asked::ExtensionNext) => extension_next(invocations, &head.headers).await,
        Some(Asked::ExtensionError) => Ok(accepted(Runtime::Lambda)),
        None => Ok(error(StatusCode::NOT_FOUND, "NotFound", "no such path, or another method is expected")),
    }
}

// === invocations ===

/// A function says that it has started.
async fn ready(invocations: &Invocations, body: Incoming) -> Answer {
    // A Rust runtime notes that SCF refuses an empty body; others send none. Who sends one is right either way.
    match read(body).await {
        Ok(body) if !body.is_empty() => match invocations.ready() {
            None => json(StatusCode::OK, &json!({"status": "OK"})),
            Some(status) => plain(status),
        },
        Ok(_) => error(StatusCode::BAD_REQUEST, "InvalidRequest", "expected a body"),
        Err(_) => broken(),
    }
}

async fn next(runtime: Runtime, invocations: &Invocations, wire: &Wire) -> Result<Answer, Closed> {
    if runtime.wants_ready() && !invocations.is_ready() {
        return Ok(error(StatusCode::FORBIDDEN, "NotReady", "expected POST /runtime/init/ready before"));
    }
    let lives = wire.lives();
    let _poller = invocations.poller(&lives);
    loop {
        let change = invocations.change();
        tokio::pin!(change);
        change.as_mut().enable();
        // Between taking an event and giving it to hyper there is no `await`: a poller that is dropped has taken
        // nothing.
        match invocations.next(&lives, runtime.hands_out_again()) {
            Next::Event(event) => {
                let mut answer = Response::new(Full::new(event.body.clone()));
                *answer.headers_mut() = runtime.head(&event);
                return Ok(answer);
            }
            Next::Fault(Fault::NextStatus(status)) => return Ok(plain(status)),
            Next::Fault(Fault::NextRaw { bytes, then }) => {
                wire.say(bytes, then).await;
                return Err(Closed);
            }
            Next::Fault(_) | Next::Gone => return Err(Closed),
            Next::Nothing => change.await,
        }
    }
}

async fn response(
    runtime: Runtime,
    invocations: &Invocations,
    which: &Which,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Answer, Closed> {
    match read(body).await {
        Ok(body) => answered(runtime, invocations.answer(which, nonce(headers), Ok(Outcome::Response(body)))),
        Err(Unread::TooLong) => {
            // The function hears 413, its caller this error (`ErrorResponseTooLarge` in `interop/model.go`).
            let error_message =
                format!("Response payload size exceeded maximum allowed payload size ({LONGEST} bytes).");
            let outcome = Outcome::Error {
                error_type: "Function.ResponseSizeTooLarge".to_owned(),
                error_message: error_message.clone(),
                body: Bytes::new(),
            };
            match invocations.answer(which, nonce(headers), Ok(outcome)) {
                Answered::Accepted => {
                    Ok(error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &error_message))
                }
                other => answered(runtime, other),
            }
        }
        Err(Unread::Broken) => Ok(broken()),
    }
}

async fn invocation_error(
    runtime: Runtime,
    invocations: &Invocations,
    which: &Which,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Answer, Closed> {
    match read(body).await {
        Ok(body) => {
            let Diagnostic { error_type, error_message } = Diagnostic::read(headers, &body);
            let outcome = Outcome::Error { error_type, error_message, body };
            answered(runtime, invocations.answer(which, nonce(headers), Ok(outcome)))
        }
        Err(Unread::TooLong) => Ok(error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "too long")),
        Err(Unread::Broken) => Ok(broken()),
    }
}

async fn init_error(invocations: &Invocations, headers: &HeaderMap, body: Incoming) -> Answer {
    let body = read(body).await.unwrap_or_default();
    let Diagnostic { error_type, error_message } = Diagnostic::read(headers, &body);
    invocations.init_error(&error_type, &error_message);
    accepted(Runtime::Lambda)
}

fn answered(runtime: Runtime, answered: Answered) -> Result<Answer, Closed> {
    Ok(match answered {
        Answered::Accepted => accepted(runtime),
        // 410 for an invocation that has timed out: https://github.com/aws/aws-lambda-dotnet/pull/2508
        Answered::Late => error(StatusCode::GONE, "ErrorRuntimeInvokeTimeout", "the invocation is over"),
        Answered::Unknown => error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        Answered::Refused(status) => plain(status),
        Answered::Dropped => return Err(Closed),
    })
}

/// What a function sends back of the invocation id it was given; runtimes older than the header send nothing.
fn nonce(headers: &HeaderMap) -> Option<&str> {
    headers.get("lambda-runtime-invocation-id")?.to_str().ok()
}

/// An error as a runtime reports it, in the body and its type also in a header.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Diagnostic {
    error_type: String,
    error_message: String,
}

impl Diagnostic {
    fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let mut read: Self = serde_json::from_slice(body).unwrap_or_default();
        if read.error_type.is_empty() {
            let header = headers.get("lambda-runtime-function-error-type");
            read.error_type = header
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .unwrap_or_default();
        }
        read
    }
}

// === extensions ===

/// Registration as <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-extensions-registration-api-a>
/// has it, for no events: there are none to be had here, and an extension that waited for them would wait in vain.
async fn register(invocations: &Invocations, headers: &HeaderMap, body: Incoming) -> Answer {
    #[derive(Deserialize)]
    struct Register {
        #[serde(default)]
        events: Vec<String>,
    }
    if headers.get("lambda-extension-name").is_none_or(HeaderValue::is_empty) {
        return error(StatusCode::FORBIDDEN, "Extension.InvalidExtensionName", "Empty extension name");
    }
    let body = read(body).await.unwrap_or_default();
    match serde_json::from_slice::<Register>(&body) {
        Ok(register) if register.events.is_empty() => {}
        Ok(_) => {
            return error(
                StatusCode::FORBIDDEN,
                "Extension.InvalidEventType",
                "this server sends no events to extensions",
            );
        }
        Err(_) => return error(StatusCode::FORBIDDEN, "InvalidRequestFormat", "expected {\"events\":[]}"),
    }
    let identifier = id::uuid();
    let mut answer = json(
        StatusCode::OK,
        &json!({"functionName": FUNCTION_NAME, "functionVersion": FUNCTION_VERSION, "handler": "bootstrap"}),
    );
    if let Ok(value) = HeaderValue::try_from(&identifier) {
        answer.headers_mut().insert("lambda-extension-identifier", value);
    }
    invocations.register(identifier);
    answer
}

async fn extension_next(invocations: &Invocations, headers: &HeaderMap) -> Result<Answer, Closed> {
    let identifier = headers.get("lambda-extension-identifier").and_then(|value| value.to_str().ok());
    if identifier.is_some_and(|identifier| invocations.is_registered(identifier)) {
        pending::<()>().await;
    }
    Ok(error(StatusCode::FORBIDDEN, "Extension.UnknownExtensionIdentifier", "not registered"))
}

// === bodies ===

enum Unread {
    TooLong,
    Broken,
}

async fn read(body: Incoming) -> Result<Bytes, Unread> {
    match Limited::new(body, LONGEST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLong),
        Err(_) => Err(Unread::Broken),
    }
}

fn accepted(runtime: Runtime) -> Answer {
    json(runtime.taken(), &json!({"status": "OK"}))
}

fn broken() -> Answer {
    error(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated")
}

fn error(status: StatusCode, error_type: &str, error_message: &str) -> Answer {
    json(status, &json!({"errorType": error_type, "errorMessage": error_message}))
}

fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    answer
}

/// A status without a body; one that is no status becomes 500.
fn plain(status: u16) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
}
