//! The Fn agent, as a function's socket sees it.
//!
//! Source of all that follows, unless another one is named: `createUDSRequest` and `newHTTPClient` in
//! <https://github.com/fnproject/fn/blob/master/api/agent/agent.go>. OCI Functions is built on it; the hosted agent's own
//! code is not public.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use hyper::body::{Body, Frame};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::answer::Answer;
use crate::error::DriveError;
use crate::http_poster::header;
use crate::id;

/// The agent keeps one idle connection, for a second (`MaxIdleConns: 1`, `IdleConnTimeout: 1 * time.Second`).
const IDLE: Duration = Duration::from_secs(1);

/// Go copies a body in pieces of this size, each its own chunk: <https://pkg.go.dev/io#Copy> (a buffer of 32 KiB).
const CHUNK: usize = 32 * 1024;

/// Calls a function on its Unix socket the way the Fn agent does.
///
/// - `POST http://localhost/call`, HTTP/1.1, the body chunked whatever its length.
/// - `Fn-Call-Id`, new for every call, and `Fn-Deadline`, in whole seconds, cut off and not rounded.
/// - One idle connection is kept for one second, then closed and made anew. A call that finds it in use (calls may
///   run at the same time, which the agent never does) makes its own.
/// - Nothing is repeated: if the function closes a connection under a call, the call fails, as on the platform, where
///   the container is killed for it.
/// - After an answer that is not 200 and has a body, the connection is closed: the agent does not read that body, and
///   Go does not use a connection again whose answer was not read (<https://pkg.go.dev/net/http#Response>). *This*
///   client does read it, because the function's report is in it.
#[derive(Clone, Debug)]
pub struct FnClient {
    socket: PathBuf,
    kept: Arc<Mutex<Kept>>,
}

/// The idle connection, and a number that tells a timer whether it is still the one it was set for.
#[derive(Debug, Default)]
struct Kept {
    idle: Option<SendRequest<Chunks>>,
    number: u64,
}

impl FnClient {
    /// For the function that listens on `socket`, the path in its `FN_LISTENER`. Nothing is connected yet.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), kept: Arc::default() }
    }

    /// The path that is connected to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Calls the function once. `limit` makes the deadline the function is told, and is how long is waited here; on
    /// the platform a function that has not answered by then is killed.
    ///
    /// `headers` are sent beside those of the agent. One that the agent also sets replaces it here, so that a test can
    /// send a deadline of its own (the agent would let its own value win).
    ///
    /// # Errors
    ///
    /// [`DriveError::Socket`] if nothing listens, [`DriveError::Connection`] if the function closes the connection
    /// before it has answered, [`DriveError::NoAnswer`], [`DriveError::TooLong`], and [`DriveError::Usage`] for a
    /// header that is none or a time-out that no date can express.
    pub async fn call(
        &self,
        body: impl Into<Bytes>,
        limit: Duration,
        headers: &[(&str, &str)],
    ) -> Result<Answer, DriveError> {
        let request = request(body.into(), limit, headers)?;
        timeout(limit, self.exchange(request)).await.map_err(|_| DriveError::NoAnswer { after: limit })?
    }

    async fn exchange(&self, request: Request<Chunks>) -> Result<Answer, DriveError> {
        let started = Instant::now();
        let mut sender = self.connection().await?;
        let response = sender.send_request(request).await.map_err(|error| DriveError::Connection {
            what: "the function closed the connection before it answered".to_owned(),
            source: error.into(),
        })?;
        let answer = Answer::read(response, started).await?;
        if answer.status == 200 || answer.body.is_empty() {
            self.keep(sender);
        }
        Ok(answer)
    }

    /// The idle connection if it is still open, else a new one.
    async fn connection(&self) -> Result<SendRequest<Chunks>, DriveError> {
        let idle = self.kept().idle.take();
        if let Some(mut sender) = idle
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| DriveError::Socket { path: self.socket.clone(), source })?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| DriveError::Connection {
                what: "the connection could not be set up".to_owned(),
                source: error.into(),
            })?;
        // It ends when its sender is dropped or the function closes; what went wrong is told to the call.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn keep(&self, sender: SendRequest<Chunks>) {
        let number = {
            let mut kept = self.kept();
            kept.number += 1;
            kept.idle = Some(sender);
            kept.number
        };
        let kept = Arc::downgrade(&self.kept);
        tokio::spawn(async move {
            sleep(IDLE).await;
            if let Some(kept) = kept.upgrade() {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.number == number {
                    kept.idle = None;
                }
            }
        });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request(body: Bytes, limit: Duration, headers: &[(&str, &str)]) -> Result<Request<Chunks>, DriveError> {
    let deadline = Timestamp::now()
        .checked_add(limit)
        .and_then(|deadline| Timestamp::from_second(deadline.as_second()))
        .map_err(|error| DriveError::Usage(format!("{limit:?} from now is not a date: {error}")))?;
    let mut request = Request::new(Chunks { rest: body });
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("/call");
    let agent = [
        ("host", "localhost".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("fn-call-id", id::ulid()),
        ("fn-deadline", deadline.to_string()),
    ];
    for (name, value) in &agent {
        let (name, value) = header(name, value)?;
        request.headers_mut().insert(name, value);
    }
    let replaced = |name: &str| agent.iter().any(|(agent, _)| name.eq_ignore_ascii_case(agent));
    for (name, value) in headers {
        let (key, value) = header(name, value)?;
        if replaced(name) {
            request.headers_mut().insert(key, value);
        } else {
            request.headers_mut().append(key, value);
        }
    }
    Ok(request)
}

/// A body that does not tell its length beforehand, so that it is sent chunked: the agent streams.
#[derive(Debug)]
struct Chunks {
    rest: Bytes,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let length = self.rest.len().min(CHUNK);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(self.rest.split_to(length)))))
    }
}
