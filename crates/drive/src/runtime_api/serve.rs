//! The HTTP of the Runtime API and of what is needed of the Extensions API.
//!
//! Statuses and error names follow AWS's own emulator:
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator/tree/main/lambda/rapi> (`handler/`, `rendering/`).

use std::fmt;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::invocations::{Answered, Event, Invocations, Lives, Next};
use super::{Fault, Outcome};
use crate::id;

pub(super) const FUNCTION_NAME: &str = "driven";
pub(super) const FUNCTION_VERSION: &str = "$LATEST";
pub(super) const REGION: &str = "us-east-1";
const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:driven";

/// The longest answer, 6 MiB and 100 bytes: `MaxPayloadSize` in
/// <https://github.com/aws/aws-lambda-runtime-interface-emulator/blob/main/lambda/interop/model.go>.
const LONGEST: usize = 6 * 1024 * 1024 + 100;

/// Accepts connections until it is aborted; the connections end with it.
pub(super) async fn serve(listener: TcpListener, invocations: Arc<Invocations>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&invocations)));
                }
                // Out of file descriptors, most likely: others must end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, invocations: Arc<Invocations>) {
    // Without it the second small write of an answer waits for the client's delayed acknowledgement: 40 ms a call.
    let _ = stream.set_nodelay(true);
    let Ok((stream, lives)) = watched(stream) else { return };
    let service = service_fn(move |request| {
        let (invocations, lives) = (Arc::clone(&invocations), lives.clone());
        async move { answer(request, &invocations, &lives).await }
    });
    // A client that hangs up is its own affair.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Keeps a second handle on a connection's socket, to see whether the client has closed it.
///
/// hyper drops a pending answer when it reads the end of the stream, but it reads in its own time. When an event
/// comes up for a client that has just been killed, the kernel knows of it already, and hyper not yet.
fn watched(stream: TcpStream) -> io::Result<(TcpStream, Lives)> {
    let stream = stream.into_std()?;
    let watch = stream.try_clone()?;
    // Both handles share the socket's mode, so looking does not block.
    let lives = Lives::new(move || match watch.peek(&mut [0]) {
        Ok(0) => false,
        // It has sent something more, which is odd but not over.
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    });
    Ok((TcpStream::from_std(stream)?, lives))
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
    invocations: &Invocations,
    lives: &Lives,
) -> Result<Answer, Closed> {
    let (head, body) = request.into_parts();
    let path: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
    let get = head.method == Method::GET;
    let post = head.method == Method::POST;
    match path[..] {
        ["2018-06-01", "runtime", "invocation", "next"] if get => next(invocations, lives).await,
        ["2018-06-01", "runtime", "invocation", id, "response"] if post => {
            Ok(response(invocations, id, &head.headers, body).await)
        }
        ["2018-06-01", "runtime", "invocation", id, "error"] if post => {
            Ok(invocation_error(invocations, id, &head.headers, body).await)
        }
        ["2018-06-01", "runtime", "init", "error"] if post => {
            Ok(init_error(invocations, &head.headers, body).await)
        }
        ["2020-01-01", "extension", "register"] if post => {
            Ok(register(invocations, &head.headers, body).await)
        }
        ["2020-01-01", "extension", "event", "next"] if get => {
            extension_next(invocations, &head.headers).await
        }
        ["2020-01-01", "extension", "init" | "exit", "error"] if post => Ok(accepted()),
        _ => Ok(error(StatusCode::NOT_FOUND, "NotFound", "no such path, or another method is expected")),
    }
}

// === invocations ===

async fn next(invocations: &Invocations, lives: &Lives) -> Result<Answer, Closed> {
    let _poller = invocations.poller(lives);
    loop {
        let change = invocations.change();
        tokio::pin!(change);
        change.as_mut().enable();
        // Between taking an event and giving it to hyper there is no `await`: a poller that is dropped has taken
        // nothing.
        match invocations.next(lives) {
            Next::Event(event) => return Ok(handed(event)),
            Next::Fault(Fault::NextStatus(status)) => return Ok(plain(status)),
            Next::Fault(Fault::NextClosed | Fault::AnswerStatus(_)) | Next::Gone => return Err(Closed),
            Next::Nothing => change.await,
        }
    }
}

/// Headers: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-next>. The type is JSON unless the
/// invoker says otherwise (`renderInvokeHeaders` in the emulator's `rendering/rendering.go`), and AWS's Python runtime
/// does not survive its absence. The invocation id is of 2026:
/// <https://github.com/aws/aws-lambda-rust-runtime/issues/1155>.
fn handed(event: Event) -> Answer {
    let trace =
        format!("Root=1-{:08x}-{};Sampled=0", event.deadline_ms / 1000, &id::uuid().replace('-', "")[..24]);
    let mut answer = Response::new(Full::new(event.body));
    let headers = answer.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(event.deadline_ms));
    headers.insert("lambda-runtime-invoked-function-arn", HeaderValue::from_static(FUNCTION_ARN));
    for (name, value) in [
        ("lambda-runtime-aws-request-id", event.request_id),
        ("lambda-runtime-invocation-id", event.nonce),
        ("lambda-runtime-trace-id", trace),
    ] {
        // All three are made of letters, digits and punctuation, the request id by a check when it comes in.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    answer
}

async fn response(
    invocations: &Invocations,
    request_id: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Answer {
    match read(body).await {
        Ok(body) => answered(invocations.answer(request_id, nonce(headers), Ok(Outcome::Response(body)))),
        Err(Unread::TooLong) => {
            // The function hears 413, its caller this error (`ErrorResponseTooLarge` in `interop/model.go`).
            let error_message =
                format!("Response payload size exceeded maximum allowed payload size ({LONGEST} bytes).");
            let outcome = Outcome::Error {
                error_type: "Function.ResponseSizeTooLarge".to_owned(),
                error_message: error_message.clone(),
                body: Bytes::new(),
            };
            match invocations.answer(request_id, nonce(headers), Ok(outcome)) {
                Answered::Accepted => {
                    error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &error_message)
                }
                other => answered(other),
            }
        }
        Err(Unread::Broken) => broken(),
    }
}

async fn invocation_error(
    invocations: &Invocations,
    request_id: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Answer {
    match read(body).await {
        Ok(body) => {
            let Diagnostic { error_type, error_message } = Diagnostic::read(headers, &body);
            let outcome = Outcome::Error { error_type, error_message, body };
            answered(invocations.answer(request_id, nonce(headers), Ok(outcome)))
        }
        Err(Unread::TooLong) => error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "too long"),
        Err(Unread::Broken) => broken(),
    }
}

async fn init_error(invocations: &Invocations, headers: &HeaderMap, body: Incoming) -> Answer {
    let body = read(body).await.unwrap_or_default();
    let Diagnostic { error_type, error_message } = Diagnostic::read(headers, &body);
    invocations.init_error(&error_type, &error_message);
    accepted()
}

fn answered(answered: Answered) -> Answer {
    match answered {
        Answered::Accepted => accepted(),
        // 410 for an invocation that has timed out: https://github.com/aws/aws-lambda-dotnet/pull/2508
        Answered::Late => error(StatusCode::GONE, "ErrorRuntimeInvokeTimeout", "the invocation is over"),
        Answered::Unknown => error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        Answered::Refused(status) => plain(status),
    }
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

fn accepted() -> Answer {
    json(StatusCode::ACCEPTED, &json!({"status": "OK"}))
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
