//! The last gate before the socket: hyper's own error answers become 502.
//!
//! A request whose head hyper cannot read never reaches a service: hyper answers 400, 414 or 431 by itself
//! and offers no way to choose (hyper 1.12.0, `src/proto/h1/role.rs`, `Server::on_error`). To the agent any
//! of these is an invalid response, for which it shuts the container down; and since it copies a caller's
//! headers through (fnproject/fn, `api/agent/agent.go`, `createUDSRequest`), a caller with enough of them
//! could bring that about.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};

use shim::Refusal;

use crate::answer::Answer;

/// A stream on which `HTTP/1.x 4…` does not go out.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
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

impl<S> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, state: State::Fresh }
    }
}

/// Whether these bytes begin an answer that this crate never makes. A body cannot be mistaken for one: most are
/// JSON; what an HTTP gateway is sent may be anything, but no write begins with it, for hyper takes a body into
/// its buffer as long as the head there is below `max_buf_size` (hyper 1.12.0, `src/proto/h1/dispatch.rs`,
/// `poll_write`, and `io.rs`, `can_buffer`), which [`gateway`](crate::gateway) sees to, and offers them as one.
fn begins_client_error(bytes: &[u8]) -> bool {
    matches!(bytes, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'4', ..])
}

impl<S: Write + Unpin> Write for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, state } = &mut *self;
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let begins = slices.iter().find(|slice| !slice.is_empty());
        if matches!(state, State::Fresh) && begins.is_some_and(|slice| begins_client_error(slice)) {
            tracing::warn!(error.type = Refusal::Malformed.name(), "a request was refused");
            *state = State::Replaced(Answer::from(Refusal::Malformed).into_http());
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

impl<S: Read + Unpin> Read for Wire<S> {
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

    /// Writes each part to its end before the next one, as hyper does.
    async fn written(step: usize, parts: &[&str]) -> String {
        let mut wire = Wire::new(Narrow { step, taken: Vec::new() });
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
    async fn client_errors_become_502_whatever_the_size_of_a_write() {
        let replacement = String::from_utf8(Answer::from(Refusal::Malformed).into_http().to_vec()).unwrap();
        for status in ["400 Bad Request", "414 URI Too Long", "431 Request Header Fields Too Large"] {
            for step in [1, 7, 1_000_000] {
                let own = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                assert_eq!(written(step, &[&own]).await, replacement, "{status} by {step}");
                let after = written(step, &["HTTP/1.1 200 OK\r\n\r\n", "{}", &own]).await;
                assert_eq!(after, format!("HTTP/1.1 200 OK\r\n\r\n{{}}{replacement}"), "{status} by {step}");
            }
        }
    }

    #[tokio::test]
    async fn the_same_text_amid_a_body_passes() {
        let head = "HTTP/1.1 200 OK\r\n\r\n";
        let body = "\"HTTP/1.1 400 HTTP/1.1 400\"";
        for step in 1..body.len() + 2 {
            assert_eq!(written(step, &[head, body]).await, [head, body].concat(), "by {step}");
        }
    }
}
