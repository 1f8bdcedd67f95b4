//! A connection's socket beside hyper: whether the other side is still there, and what hyper would not send.

use std::io;
use std::net::TcpStream as Socket;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::Then;
use super::invocations::Lives;

/// A second handle on a connection's socket.
#[derive(Debug)]
pub(super) struct Wire(Arc<Socket>);

impl Wire {
    /// The connection, and the second handle on it.
    pub(super) fn of(stream: TcpStream) -> io::Result<(TcpStream, Self)> {
        let stream = stream.into_std()?;
        let wire = Self(Arc::new(stream.try_clone()?));
        Ok((TcpStream::from_std(stream)?, wire))
    }

    /// Whether the other side has closed.
    ///
    /// hyper drops a pending answer when it reads the end of the stream, but it reads in its own time. When an event
    /// comes up for a client that has just been killed, the kernel knows of it already, and hyper not yet.
    pub(super) fn lives(&self) -> Lives {
        let socket = Arc::clone(&self.0);
        // Both handles share the socket's mode, so looking does not block.
        Lives::new(move || match socket.peek(&mut [0]) {
            Ok(0) => false,
            // It has sent something more, which is odd but not over.
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        })
    }

    /// Sends bytes as they are, in hyper's place; what becomes of the connection then is the caller's matter, except that it may be made to end by
    /// a reset.
    pub(super) async fn say(&self, bytes: &[u8], then: Then) {
        let Ok(mut stream) = self.0.try_clone().and_then(TcpStream::from_std) else { return };
        // A client that goes away meanwhile is what some of this is about.
        if stream.write_all(bytes).await.is_err() {
            return;
        }
        match then {
            Then::Closed => {}
            Then::Reset => drop(stream.set_zero_linger()),
            Then::Endless => while stream.write_all(&[b' '; 64 * 1024]).await.is_ok() {},
            Then::Silent => std::future::pending().await,
        }
    }
}
