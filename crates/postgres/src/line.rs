//! One connection: how it is made, what the server says on it beside its answers, and when it is given up.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::debug;

use crate::config::Database;
use crate::failure::{Failing, Kind, text};

/// A parameter of a statement, with its type: a statement without a name can be sent with them in one go, through any pooler.
pub type Parameter<'p> = (&'p (dyn ToSql + Sync), Type);

/// How long a server may take beyond the connect itself: TLS, password, and whether it takes writes.
const GREETING: Duration = Duration::from_secs(5);

/// A connection and the task that drives it.
pub struct Line {
    /// What asks on it.
    pub client: Client,
    warned: Arc<AtomicBool>,
    driver: Driver,
    tls: MakeRustlsConnect,
}

impl Line {
    /// Connects, and checks the server's certificate unless the URL says otherwise.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(database: &Database) -> Result<Self, Failing> {
        let unreachable = |why: String| {
            Failing::new(Kind::Unreachable, format!("connecting to {}: {why}", database.place()))
        };
        // Names are resolved and the password is read now: managed failovers move the name, and passwords of some services hold for minutes.
        let config = database.config().map_err(unreachable)?;
        let tls = MakeRustlsConnect::new(mdss_relay_core::public_tls(&database.roots).map_err(unreachable)?);
        let each = config.get_connect_timeout().copied().unwrap_or_default();
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(1);
        let most = GREETING + each.saturating_mul(hosts);
        let (client, mut connection) = match timeout(most, config.connect(tls.clone())).await {
            Ok(connected) => connected.map_err(|e| unreachable(text(&e)))?,
            Err(_) => return Err(unreachable(format!("no answer within {} s", most.as_secs()))),
        };
        let warned = Arc::new(AtomicBool::new(false));
        let notices = Arc::clone(&warned);
        let driver = tokio::spawn(async move {
            loop {
                match poll_fn(|cx| connection.poll_message(cx)).await {
                    Some(Ok(AsyncMessage::Notice(notice))) => {
                        // The task reads what comes in its order: this is set before the answer behind it is handed out.
                        if matches!(notice.code().code(), "01000" | "57P01") {
                            notices.store(true, Ordering::SeqCst);
                        }
                        debug!("the database says: {} ({})", notice.message(), notice.code().code());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                }
            }
        });
        Ok(Self { client, warned, driver: Driver(driver), tls })
    }

    /// Forgets what the server has said so far.
    pub fn listen(&self) {
        self.warned.store(false, Ordering::SeqCst);
    }

    /// Whether the server has said since then that a commit was not waited for, or that it goes down. A wait for a standby that was cancelled
    /// ends with the words "ok", and this is all that tells it (<https://www.postgresql.org/docs/current/warm-standby.html>, 27.2.8.3).
    pub fn was_warned(&self) -> bool {
        self.warned.load(Ordering::SeqCst)
    }

    /// Gives it up with a statement under way that has no answer, and tells the server to end that. A commit that waits for a standby does not notice that
    /// its client has gone, whatever `client_connection_check_interval` is: without this, each one would keep its connection until the standby is back, and
    /// in the end nobody could connect. Such a commit is kept, and counts as unknown like any other without an answer.
    pub fn abandon(self, runtime: &Handle) {
        let (token, tls) = (self.client.cancel_token(), self.tls.clone());
        runtime.spawn(async move {
            // A pooler forgets who the statement was of when its client goes.
            if !matches!(timeout(GREETING, token.cancel_query(tls)).await, Ok(Ok(()))) {
                debug!("a statement without an answer could not be ended at the server");
            }
            drop(self);
        });
    }

    /// Says goodbye, so that the server need not wonder.
    pub async fn close(self) {
        let Self { client, mut driver, .. } = self;
        // The driver says it once nobody can ask any more.
        drop(client);
        let _ = timeout(Duration::from_secs(1), &mut driver.0).await;
    }
}

/// Drives a connection until it is dropped: without a goodbye, because a statement may be under way that is never answered.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
