//! Who is calling, and the ends of a connection that are no answer.

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::reply::Reply;

/// nginx's `lingering_time`: how long it goes on reading, to throw away, a request it has answered early.
const LINGER: Duration = Duration::from_secs(30);

/// Who is calling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    /// From 1.
    pub(crate) connection: u64,
    pub(crate) peer: SocketAddr,
}

/// An end of the connection in place of an answer.
#[derive(Debug)]
pub(crate) struct Ending {
    /// The status in `wire`, if any.
    pub(crate) status: Option<StatusCode>,
    wire: Vec<u8>,
    reset: bool,
}

impl Ending {
    /// RST, nothing before it.
    pub(crate) fn reset() -> Self {
        Self { status: None, wire: Vec::new(), reset: true }
    }

    /// Status line, headers and the first `sent` bytes of the body, then RST.
    pub(crate) fn reset_after(reply: &Reply, sent: usize) -> Self {
        Self { status: Some(reply.status), wire: reply.to_wire(sent), reset: true }
    }

    /// Status line, headers and the first `sent` bytes of the body, then an orderly close.
    pub(crate) fn close_after(reply: &Reply, sent: usize) -> Self {
        Self { status: Some(reply.status), wire: reply.to_wire(sent), reset: false }
    }

    pub(crate) async fn enact<S: Socket>(self, mut socket: S) {
        if socket.write_all(&self.wire).await.is_err() || socket.flush().await.is_err() {
            return;
        }
        if self.reset {
            // With a linger time of zero, closing (here: dropping) sends RST instead of FIN.
            let _ = socket.tcp().set_zero_linger();
            return;
        }
        if socket.shutdown().await.is_ok() {
            // Closing with unread bytes would be a reset as well, and take the answer along.
            let drain = async {
                let mut bin = [0; 16 * 1024];
                while matches!(socket.read(&mut bin).await, Ok(read) if read > 0) {}
            };
            let _ = timeout(LINGER, drain).await;
        }
    }
}

/// A plain or encrypted TCP connection.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}
