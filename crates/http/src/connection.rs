//! One connection, with an end to every wait on its client: for a head, and for answers to be taken. (For a body:
//! [`body`](crate::body).)

use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_io_timeout::TimeoutStream;

/// The longest a head may take, and an idle connection may stay.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest a client may take nothing of what is there for it. `hyper`'s own time-out runs while a head is awaited and
/// does not while an answer is written, so that who asks and never reads would keep its connection for ever.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that `router` answers, to be driven by whoever awaits it.
pub(crate) type Connection<S> =
    http1::Connection<TokioIo<Pin<Box<TimeoutStream<S>>>>, TowerToHyperService<Router>>;

pub(crate) fn connection<S: AsyncRead + AsyncWrite>(stream: S, router: Router) -> Connection<S> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router))
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
        (answers, connection(server, Router::new().route("/", get(|| async { "x".repeat(10_000) }))))
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
