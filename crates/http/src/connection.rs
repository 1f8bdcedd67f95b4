//! One connection, with an end to every wait on its client: for a head, and for answers to be taken. (For a body:
//! [`body`](crate::body).)

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_io_timeout::TimeoutStream;

/// The longest a head may take, and an idle connection may stay.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest a client may take nothing of what is there for it. `hyper`'s own time-out runs while a head is awaited and
/// does not while an answer is written, so that who asks and never reads would keep its connection for ever.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of one request's head, and of what is read at once of its body: as much for all connections together as one
/// large body, and more than senders have to say before theirs.
const MOST_HEAD: usize = 32 * 1024;

/// A connection that `router` answers, to be driven by whoever awaits it.
pub(crate) type Connection<S> =
    http1::Connection<TokioIo<Pin<Box<TimeoutStream<Tapped<S>>>>>, TowerToHyperService<Router>>;

/// `patience` is the longest a head may take, and an idle connection may stay; without `many`, the first answer is its last.
pub(crate) fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    router: Router,
    patience: Duration,
    many: bool,
) -> (Connection<S>, FirstByte) {
    let first = FirstByte::default();
    let mut stream = TimeoutStream::new(Tapped { stream, first: first.clone() });
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(MOST_HEAD)
        .keep_alive(many)
        // An answer's own bytes are written, and not a copy of them: with them goes what it holds of the budget.
        .writev(true)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    (connection, first)
}

/// Why `hyper` has refused a request of its own accord, with the status its empty answer had; `None` if it has not: whoever
/// hangs up, or says nothing, is no matter for the log.
pub(crate) fn unreadable(error: &hyper::Error, first: &FirstByte) -> Option<(u16, &'static str, String)> {
    // A TLS record of a handshake: https://www.rfc-editor.org/rfc/rfc8446#section-5.1
    const HANDSHAKE: u8 = 0x16;
    if error.is_parse_version_h2() {
        // There is nobody who would understand an answer; 505 is what it would be.
        return Some((505, "http2", "HTTP/2, expected HTTP/1.1".to_owned()));
    }
    if !error.is_parse() {
        return None;
    }
    if first.get() == Some(&HANDSHAKE) {
        let said =
            "TLS on a plain-HTTP port: put a proxy with TLS in front, or let the sender post to http://"
                .to_owned();
        return Some((400, "tls", said));
    }
    if error.is_parse_too_large() {
        let said = format!("a head of more than {MOST_HEAD} bytes, or of more than 100 lines");
        return Some((431, "head_too_large", said));
    }
    Some((400, "unreadable_head", format!("no HTTP request ({error})")))
}

/// The first byte that came over a connection, once there is one.
pub(crate) type FirstByte = Arc<OnceLock<u8>>;

/// A stream whose first byte is remembered: when what it carries is not HTTP, that byte says what it is.
pub(crate) struct Tapped<S> {
    stream: S,
    first: FirstByte,
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if let Some(byte) = buf.filled().get(before) {
            let _ = self.first.set(*byte);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    /// A client that asks as often as it is heard, and the server's side, with little room between them.
    fn asking() -> (tokio::io::ReadHalf<DuplexStream>, Connection<DuplexStream>) {
        let (client, server) = tokio::io::duplex(1024);
        let (answers, mut asks) = tokio::io::split(client);
        tokio::spawn(
            async move { while asks.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() {} },
        );
        let router = Router::new().route("/", get(|| async { "x".repeat(10_000) }));
        (answers, connection(server, router, HEAD_TIMEOUT, true).0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_up() {
        let (_answers, connection) = asking();
        let started = Instant::now();
        let error = timeout(10 * WRITE_TIMEOUT, connection).await.unwrap().unwrap_err();
        assert!(format!("{error:?}").contains("TimedOut"), "{error:?}");
        assert_eq!(started.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_not() {
        let (mut answers, connection) = asking();
        let connection = tokio::spawn(connection);
        let mut some = [0; 1024];
        for _ in 0..100 {
            sleep(WRITE_TIMEOUT / 2).await;
            assert_eq!(answers.read(&mut some).await.unwrap(), some.len());
        }
        assert!(!connection.is_finished());
    }
}
