//! Connections that are kept for the next request.
//!
//! hyper-util has a pool, but it does not tell which connection a request went out on, and whether that was a kept one decides here
//! whether the request may go out once more. With one address to connect to, there is little else in a pool.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::mdss::connect::Connector;
use crate::plain::fields;

/// A function's process is frozen between calls and its idle connections die unseen; a server's are cheap to renew.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

/// A connection, for one request after the other.
pub(super) type Connection = SendRequest<Full<Bytes>>;

/// The connections to one place.
pub(super) struct Pool {
    connector: Connector,
    idle: Arc<Mutex<Idle>>,
}

#[derive(Default)]
struct Idle {
    /// Those that wait for a request, with the time since when; the last has waited least.
    connections: Vec<(Connection, Instant)>,
    /// Whether a task closes those that have waited too long.
    tidied: bool,
}

impl Idle {
    fn locked(idle: &Mutex<Self>) -> MutexGuard<'_, Self> {
        idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what has waited too long.
    fn tidy(&mut self) {
        let now = Instant::now();
        let fresh = self.connections.partition_point(|(_, since)| now - *since >= IDLE_CONNECTION);
        self.connections.drain(..fresh);
    }
}

impl Pool {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, idle: Arc::default() }
    }

    /// The connection that was kept last, if it can be used.
    pub(super) async fn kept(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = Idle::locked(&self.idle).connections.pop()?;
            // Those before it have waited longer still; the task that tidies closes them.
            if since.elapsed() >= IDLE_CONNECTION {
                return None;
            }
            // It is in the middle of its last request for a moment yet, or closed.
            if connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn made(&self) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        let (connection, served) = handshake(self.connector.connect().await?).await?;
        tokio::spawn(async move {
            // A request that was under way has been told. Between requests it is no news that the other side closes.
            if let Err(error) = served.await {
                debug!({ fields::ERROR } = &error as &dyn Error, "a connection to MDSS ended");
            }
        });
        Ok(connection)
    }

    /// Keeps a connection whose last answer has come whole.
    pub(super) fn keep(&self, connection: Connection) {
        let mut idle = Idle::locked(&self.idle);
        idle.connections.push((connection, Instant::now()));
        if !idle.tidied {
            idle.tidied = true;
            tokio::spawn(tidy(Arc::downgrade(&self.idle)));
        }
    }
}

/// Closes connections that have waited too long, until there are none.
async fn tidy(idle: Weak<Mutex<Idle>>) {
    loop {
        sleep(IDLE_CONNECTION).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = Idle::locked(&idle);
        idle.tidy();
        if idle.connections.is_empty() {
            idle.tidied = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;
    use crate::mdss::trust::unverified_tls;
    use crate::mdss::way::Way;

    /// A connection, and the other side of it.
    async fn connection() -> (Connection, DuplexStream) {
        let (ours, theirs) = duplex(1024);
        let (connection, served) = handshake(TokioIo::new(ours)).await.unwrap();
        tokio::spawn(served);
        (connection, theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_nobody_uses_is_closed_and_one_in_use_is_not() {
        let to = "http://mdss.example".parse().unwrap();
        let connector = Connector::new(to, unverified_tls().unwrap(), &Way::Direct, IDLE_CONNECTION);
        let pool = Pool::new(connector.unwrap());
        let ((first, mut unused), (second, mut used)) = (connection().await, connection().await);
        pool.keep(first);
        pool.keep(second);
        for _ in 0..5 {
            sleep(IDLE_CONNECTION - Duration::from_secs(1)).await;
            let last = pool.kept().await.expect("the one that was kept last");
            pool.keep(last);
        }
        assert_eq!(timeout(Duration::ZERO, unused.read(&mut [0])).await.unwrap().unwrap(), 0);
        assert!(timeout(Duration::ZERO, used.read(&mut [0])).await.is_err());
        // Nobody asks for it again, and it goes all the same.
        assert_eq!(timeout(IDLE_CONNECTION * 2, used.read(&mut [0])).await.unwrap().unwrap(), 0);
        assert!(pool.kept().await.is_none() && !Idle::locked(&pool.idle).tidied);
    }
}
