//! One connection, with an end to every wait on its client: for a head, and for answers to be taken. (For a body:
//! [`body`](crate::body).)

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

use mdss_relay_request::Rejection;

/// The longest a head may take, and an idle connection may stay.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest a client may take nothing of what is there for it. `hyper`'s own time-out runs while a head is awaited and
/// does not while an answer is written, so that who asks and never reads would keep its connection for ever.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of one request's head, and of what is read at once of its body: as much for all connections together as one
/// large body, and more than senders have to say before theirs.
const MOST_HEAD: usize = 32 * 1024;

/// The longest is read, and thrown away, what a client still says when it has been told that it cannot be understood: a socket
/// that is closed with bytes unread resets the connection, and takes the answer away from a client that has not read it yet
/// (<https://www.rfc-editor.org/rfc/rfc9112#section-9.6>).
const LINGER: Duration = Duration::from_secs(2);

/// A connection that `router` answers.
pub(crate) type Connection<S> = http1::Connection<TokioIo<Stream<S>>, TowerToHyperService<Router>>;

type Stream<S> = Pin<Box<TimeoutStream<Tapped<S>>>>;

/// `head_timeout` is the longest a head may take, and an idle connection may stay; without `keep_alive`, the first answer is its last.
pub(crate) fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    router: Router,
    head_timeout: Duration,
    keep_alive: bool,
) -> Connection<S> {
    let mut stream =
        TimeoutStream::new(Tapped { stream, first: None, is_answering: false, has_unsaid: false });
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(MOST_HEAD)
        .keep_alive(keep_alive)
        // An answer's own bytes are written, and not a copy of them: with them goes what it holds of the budget.
        .writev(true)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router))
}

/// Drives a connection to its end; when `stop` is over, the request that is under way is its last.
///
/// # Errors
/// A connection that ended otherwise than by its client's wish or ours.
pub(crate) async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<S>,
    stop: impl Future<Output = ()>,
) -> Result<(), Broken<S>> {
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let mut stream = connection.into_parts().io.into_inner();
    match ended {
        Ok(()) => {
            // It is no news that the client was faster.
            let _ = hang_up(&mut stream).await;
            Ok(())
        }
        Err(error) => Err(Broken { error, stream }),
    }
}

/// A connection that is of no use any more, though something may still be said on it.
pub(crate) struct Broken<S> {
    pub(crate) error: hyper::Error,
    stream: Stream<S>,
}

/// Why `hyper` has refused a request of its own accord.
pub(crate) struct Unreadable {
    pub(crate) rejection: Rejection,
    /// As in the log's `error.type`.
    pub(crate) error_type: &'static str,
    /// For the operator and for the client: what kind of fault, and nothing of what the client has said.
    pub(crate) why: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Broken<S> {
    /// `None` if nothing was refused: whoever hangs up, or says nothing, is no matter for the log.
    pub(crate) fn unreadable(&self) -> Option<Unreadable> {
        // A TLS record of a handshake: https://www.rfc-editor.org/rfc/rfc8446#section-5.1
        const HANDSHAKE: u8 = 0x16;
        let error = &self.error;
        let (rejection, error_type, why) = if error.is_parse_version_h2() {
            (Rejection::OtherVersion, "http2", "HTTP/2, expected HTTP/1.1".to_owned())
        } else if !error.is_parse() {
            return None;
        } else if self.stream.get_ref().first == Some(HANDSHAKE) {
            let why =
                "TLS on a plain-HTTP port: put a proxy with TLS in front, or let the sender post to http://";
            (Rejection::UnreadableHead, "tls", why.to_owned())
        } else if error.is_parse_too_large() {
            let why = format!("a head of more than {MOST_HEAD} bytes, or of more than 100 lines");
            (Rejection::HeadTooLarge, "head_too_large", why)
        } else {
            (Rejection::UnreadableHead, "unreadable_head", format!("not an HTTP request ({error})"))
        };
        Some(Unreadable { rejection, error_type, why })
    }

    /// Gives `answer`, which ends the connection, in place of the empty one that was not passed on, or to whoever begins with
    /// HTTP/2, to whom `hyper` says nothing.
    ///
    /// That is for clients that can tell what it is, even where it is not what they speak. Go, and with it MinIO, says "server
    /// gave HTTP response to HTTPS client" (<https://github.com/golang/go/blob/master/src/net/http/client.go>) and would only
    /// speak of an end of file otherwise.
    pub(crate) async fn answer(mut self, answer: &[u8]) {
        let tapped = self.stream.get_ref();
        let is_due = tapped.has_unsaid || (self.error.is_parse_version_h2() && !tapped.is_answering);
        // Whoever does not take it has gone.
        if is_due && self.stream.write_all(answer).await.is_ok() && hang_up(&mut self.stream).await.is_ok() {
            let _ = timeout(LINGER, tokio::io::copy(&mut self.stream, &mut tokio::io::sink())).await;
        }
    }
}

/// Tells the client that nothing more will be said.
async fn hang_up<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut Stream<S>) -> io::Result<()> {
    stream.flush().await?;
    let stream = stream.as_mut().get_pin_mut();
    AsyncWriteExt::shutdown(&mut stream.get_mut().stream).await
}

/// A stream that knows a little of what it carries. It remembers the first byte: when that is not HTTP, it says what it is. It
/// keeps to itself the empty answer that `hyper` gives of its own accord, and leaves the end to whoever can say more
/// ([`Broken::answer`]): `hyper` has no setting for either.
pub(crate) struct Tapped<S> {
    stream: S,
    first: Option<u8>,
    /// Something was written, or tried to be, since `hyper` had nothing left to write: what comes next may be the rest of it.
    is_answering: bool,
    /// An answer was kept back.
    has_unsaid: bool,
}

impl<S> Tapped<S> {
    /// Whether these bytes, which `hyper` is about to write, are its own answer, and are to be kept back.
    fn keeps(&mut self, bytes: &[u8], is_all: bool) -> bool {
        let keeps = is_all && !self.is_answering && is_hypers_own(bytes);
        self.has_unsaid |= keeps;
        self.is_answering |= !keeps;
        keeps
    }
}

/// Whether this is what `hyper` answers when it cannot read a head
/// (<https://github.com/hyperium/hyper/blob/v1.12.0/src/proto/h1/role.rs>, `Server::on_error`): a status, no body, and nothing
/// that would say what the body is. Every refusal of ours has a `content-type`.
fn is_hypers_own(answer: &[u8]) -> bool {
    let head = std::str::from_utf8(answer).ok().and_then(|answer| answer.strip_suffix("\r\n\r\n"));
    let Some((status, headers)) = head.and_then(|head| head.split_once("\r\n")) else { return false };
    let is_refusal = status.strip_prefix("HTTP/1.").is_some_and(|s| matches!(s.get(1..3), Some(" 4")));
    let mut lines = headers.split("\r\n");
    is_refusal
        && lines.clone().any(|line| line == "content-length: 0")
        && lines.all(|line| {
            matches!(line, "content-length: 0" | "connection: close") || line.starts_with("date: ")
        })
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.first.is_none() {
            self.first = buf.filled().get(before).copied();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.keeps(buf, true) {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some((first, rest)) = bufs.split_first()
            && self.keeps(first, rest.iter().all(|more| more.is_empty()))
        {
            return Poll::Ready(Ok(first.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// `hyper` flushes when it has nothing left to write
    /// (<https://github.com/hyperium/hyper/blob/v1.12.0/src/proto/h1/io.rs>, `Buffered::poll_flush`).
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_answering = false;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, DuplexStream};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// A client that asks as often as it is heard, and the server's side, with little room between them.
    fn asking() -> (tokio::io::ReadHalf<DuplexStream>, Connection<DuplexStream>) {
        let (client, server) = tokio::io::duplex(1024);
        let (answers, mut asks) = tokio::io::split(client);
        tokio::spawn(
            async move { while asks.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() {} },
        );
        let router = Router::new().route("/", get(|| async { "x".repeat(10_000) }));
        (answers, connection(server, router, HEAD_TIMEOUT, true))
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

    /// Drives a connection whose client says this and takes its answers a byte at a time, with `answer` as the last word for who
    /// is not understood; what the client has heard.
    async fn heard(router: Router, said: &str, answer: &str) -> String {
        let (client, server) = tokio::io::duplex(1);
        let (mut answers, mut asks) = tokio::io::split(client);
        let said = said.to_owned();
        tokio::spawn(async move { asks.write_all(said.as_bytes()).await });
        let answer = answer.to_owned();
        tokio::spawn(async move {
            let connection = connection(server, router, HEAD_TIMEOUT, true);
            if let Err(broken) = drive(connection, std::future::pending()).await {
                broken.answer(answer.as_bytes()).await;
            }
        });
        let mut heard = Vec::new();
        while let Ok(byte) = answers.read_u8().await {
            heard.push(byte);
        }
        String::from_utf8(heard).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_word_is_ours_however_little_is_taken_at_once() {
        assert_eq!(heard(Router::new(), "a b c\r\n\r\n", "the last word").await, "the last word");
        assert_eq!(heard(Router::new(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "none").await, "none");
        // Nobody was refused.
        assert_eq!(heard(Router::new(), "GET / HTTP/1.1\r\nho", "none").await, "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_reads_like_a_refusal_of_hyper_is_passed_on() {
        let alike = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        assert!(is_hypers_own(alike.as_bytes()));
        let router = Router::new().route("/", get(move || async move { alike }));
        let heard = heard(router, "GET / HTTP/1.1\r\nhost: x\r\n\r\na b c\r\n\r\n", "last").await;
        let body = heard.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(body, format!("{alike}last"));
    }

    #[test]
    fn a_refusal_of_ours_is_none_of_hyper() {
        for ours in [
            "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 0\r\ndate: x\r\n\r\n",
            "HTTP/1.1 405 Method Not Allowed\r\nallow: GET,HEAD\r\ncontent-length: 0\r\ndate: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ndate: x\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 10\r\ndate: x\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            assert!(!is_hypers_own(ours.as_bytes()), "{ours}");
        }
    }
}
