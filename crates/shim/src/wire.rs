//! The last gate before the socket: hyper's own error answers become the runner's.
//!
//! A request whose head hyper cannot read never reaches a service: hyper answers 400, 414 or 431 by itself, without a body,
//! and offers no way to choose (hyper 1.12.0, `src/proto/h1/role.rs`, `Server::on_error`). No platform knows that answer. Fn's agent
//! shuts the container down for it, and copies a caller's headers through (fnproject/fn, `api/agent/agent.go`, `createUDSRequest`), so a
//! caller with enough of them could bring that about. Function Compute takes it for a success.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Response;
use http_body_util::Full;
use hyper::body::Body;
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::refusal::Refusal;

/// A stream on which no answer of hyper's own goes out: what `malformed` gives goes instead.
#[derive(Debug)]
pub(crate) struct Wire<S, M> {
    stream: S,
    malformed: M,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Everything passes; the next write begins something: a head, or the whole of a body.
    Fresh,
    /// Everything passes; the next write continues where the last one had to stop, maybe amid a body,
    /// where no text means anything.
    Continuing,
    /// hyper's answer has been replaced by this, and whatever else it writes is swallowed.
    Replaced(Bytes),
}

impl<S, M> Wire<S, M> {
    pub(crate) fn new(stream: S, malformed: M) -> Self {
        Self { stream, malformed, state: State::Fresh }
    }
}

/// Whether these bytes begin an answer of hyper's own: a client's error without a type of content, which every failure of a runner
/// has. A head is offered whole. A body cannot be mistaken for one: most are JSON; what an HTTP gateway is sent may be anything, but no
/// write begins with it, for hyper takes a body into its buffer as long as the head there is below `max_buf_size` (hyper 1.12.0,
/// `src/proto/h1/dispatch.rs`, `poll_write`, and `io.rs`, `can_buffer`), which runners see to, and offers them as one.
fn begins_hypers_own(bytes: &[u8]) -> bool {
    const TYPE: &[u8] = b"\r\ncontent-type:";
    let is_client_error = matches!(bytes, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'4', ..]);
    let end = || bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    is_client_error && !bytes[..end()].windows(TYPE.len()).any(|line| line.eq_ignore_ascii_case(TYPE))
}

/// An answer as bytes. Its body is there at once.
fn written(answer: Response<Full<Bytes>>, cx: &mut Context<'_>) -> Bytes {
    let (head, mut body) = answer.into_parts();
    let body = match Pin::new(&mut body).poll_frame(cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        Poll::Ready(_) | Poll::Pending => Bytes::new(),
    };
    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
    bytes.extend(body);
    bytes.into()
}

impl<S: Write + Unpin, M: Fn() -> Response<Full<Bytes>> + Unpin> Write for Wire<S, M> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, malformed, state } = &mut *self;
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let begins = slices.iter().find(|slice| !slice.is_empty());
        if matches!(state, State::Fresh) && begins.is_some_and(|slice| begins_hypers_own(slice)) {
            tracing::warn!(error.type = Refusal::Malformed.name(), "a request was refused");
            *state = State::Replaced(written(malformed(), cx));
        }
        let State::Replaced(left) = state else {
            let written = ready!(Pin::new(stream).poll_write_vectored(cx, slices))?;
            *state = if written < offered { State::Continuing } else { State::Fresh };
            return Poll::Ready(Ok(written));
        };
        while !left.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => left.advance(written),
            }
        }
        Poll::Ready(Ok(offered))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: Read + Unpin, M: Unpin> Read for Wire<S, M> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Takes at most `step` bytes a time.
    struct Narrow {
        step: usize,
        taken: Vec<u8>,
    }

    impl Write for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let size = bytes.len().min(self.step);
            self.taken.extend_from_slice(&bytes[..size]);
            Poll::Ready(Ok(size))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn malformed() -> Response<Full<Bytes>> {
        let response =
            Response::builder().status(502).header("x-status", "502").header("connection", "close");
        response.body(Full::new(Bytes::from_static(b"{}"))).unwrap()
    }

    const REPLACEMENT: &str =
        "HTTP/1.1 502 Bad Gateway\r\nx-status: 502\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";

    /// Writes each part to its end before the next one, as hyper does.
    async fn through(step: usize, parts: &[&str]) -> String {
        let mut wire = Wire::new(Narrow { step, taken: Vec::new() }, malformed);
        for part in parts {
            let mut rest = part.as_bytes();
            while !rest.is_empty() {
                let size = poll_fn(|cx| Pin::new(&mut wire).poll_write(cx, rest)).await.unwrap();
                rest = &rest[size..];
            }
        }
        String::from_utf8(wire.stream.taken).unwrap()
    }

    #[tokio::test]
    async fn hypers_own_errors_are_replaced_whatever_the_size_of_a_write() {
        for status in ["400 Bad Request", "414 URI Too Long", "431 Request Header Fields Too Large"] {
            for step in [1, 7, 1_000_000] {
                let own = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                assert_eq!(through(step, &[&own]).await, REPLACEMENT, "{status} by {step}");
                let after = through(step, &["HTTP/1.1 200 OK\r\n\r\n", "{}", &own]).await;
                assert_eq!(after, format!("HTTP/1.1 200 OK\r\n\r\n{{}}{REPLACEMENT}"), "{status} by {step}");
            }
        }
        let late = "HTTP/1.1 400 Bad Request\r\n\r\n\r\ncontent-type: x\r\n\r\n";
        assert_eq!(through(9999, &[late]).await, REPLACEMENT, "what looks like a header stands in the body");
    }

    #[tokio::test]
    async fn a_runner_s_own_error_passes() {
        for own in [
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 404 Not Found\r\nx: y\r\nContent-Type: application/json\r\n\r\n",
            "HTTP/1.1 500 Internal Server Error\r\n\r\n",
        ] {
            for step in [1, 7, 1_000_000] {
                assert_eq!(through(step, &[own, own]).await, [own, own].concat(), "by {step}");
            }
        }
    }

    #[tokio::test]
    async fn the_same_text_amid_a_body_passes() {
        let head = "HTTP/1.1 200 OK\r\n\r\n";
        let body = "\"HTTP/1.1 400 HTTP/1.1 400\"";
        for step in 1..body.len() + 2 {
            assert_eq!(through(step, &[head, body]).await, [head, body].concat(), "by {step}");
        }
    }
}
