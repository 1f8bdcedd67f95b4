//! One request to the platform's server, and its answer.
//!
//! Each goes over a connection of its own, as in the platforms' samples, which are `curl` in a shell script. The function is
//! frozen between calls, and a connection that was kept may be dead without anybody's knowledge: a result would then have to be posted a second time, and
//! only the first one counts. The server is on the same machine.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection to the server may take. It is on the same machine, which may be slow.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take the server to say that it has taken a result, or that the function has started.
const TAKE: Duration = Duration::from_secs(10);
/// Within this time a result is posted, or it is known that it was not, with some to say so.
pub(crate) const POSTED: Duration = CONNECT.saturating_add(TAKE);
/// The most headers of an answer. Those of an event are about ten.
const HEADERS: usize = 100;
/// The most bytes of an answer's head, credentials in it included.
const HEAD_BYTES: usize = 64 * 1024;

/// The platform's server.
#[derive(Debug)]
pub(crate) struct Api {
    server: Authority,
}

/// Why there is no answer that could be used.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// There is no connection.
    Unreachable(io::Error),
    /// The connection broke, or what came over it is not HTTP.
    Broken(hyper::Error),
    /// No answer within this time.
    Late(Duration),
    /// An answer with another status than expected.
    Status(StatusCode),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "no connection: {error}"),
            // hyper's sentences quote nothing of what came.
            Self::Broken(error) => write!(f, "no answer: {error}"),
            Self::Late(after) => write!(f, "no answer within {} s", after.as_secs()),
            Self::Status(status) => write!(f, "the answer is {}", status.as_u16()),
        }
    }
}

impl Unanswered {
    /// The answer's status, if that is what is wrong.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status.as_u16()),
            Self::Unreachable(_) | Self::Broken(_) | Self::Late(_) => None,
        }
    }
}

impl Api {
    pub(crate) fn new(server: Authority) -> Self {
        Self { server }
    }

    /// Asks for something that may take as long as it likes: there is no end to this but an answer, or that of the connection.
    pub(crate) async fn get(&self, path: &str) -> Result<Response<Incoming>, Unanswered> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Posts a body, once: whatever becomes of it, it is not posted again.
    pub(crate) async fn post(&self, path: &str, body: Bytes) -> Result<(), Unanswered> {
        let sent = timeout(TAKE, self.send(Method::POST, path, body)).await;
        let status = sent.unwrap_or(Err(Unanswered::Late(TAKE)))?.status();
        // What the answer says beside its status is nobody's.
        if status.is_success() { Ok(()) } else { Err(Unanswered::Status(status)) }
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Unanswered> {
        let host = self.server.host().trim_start_matches('[').trim_end_matches(']');
        let connecting = TcpStream::connect((host, self.server.port_u16().unwrap_or_default()));
        let connected = timeout(CONNECT, connecting).await.map_err(|_| Unanswered::Late(CONNECT))?;
        let stream = connected.map_err(Unanswered::Unreachable)?;
        // Otherwise the second small write waits for the acknowledgement of the first.
        let _ = stream.set_nodelay(true);
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(HEADERS)
            .max_header_size(HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Unanswered::Broken)?;
        // Ends with the answer's body, or when nobody wants it any longer. How it ended is known there.
        tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::new(Full::new(body));
        if method == Method::POST {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        *request.method_mut() = method;
        // Both are made of what can stand there: the paths are ours, the id in them is encoded, and the server was read as host and port.
        if let Ok(uri) = path.parse() {
            *request.uri_mut() = uri;
        }
        if let Ok(host) = HeaderValue::try_from(self.server.as_str()) {
            request.headers_mut().insert(HOST, host);
        }
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        sender.send_request(request).await.map_err(Unanswered::Broken)
    }
}
