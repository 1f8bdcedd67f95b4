//! An engine under test: how it is opened, closed and opened again, how its time passes, and how an operator gets at it.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mdss_relay_spool::seam::{Claimed, Claims, Outcome, Settled, Settlement, Want};
use mdss_relay_spool::{
    Clock, Config, Database, Desk, Durability, Moment, Place, Spool, StoreThread, SystemClock,
};
use postgres_rig::Server;
use tempfile::TempDir;

/// One place where events are kept. What knows the engine's kind is in here and nowhere else in this suite.
pub(crate) enum Bench {
    File { dir: TempDir, clock: Arc<Passing> },
    Database { server: &'static Server, url: String },
}

impl Bench {
    /// A file on this machine.
    pub(crate) fn sqlite() -> Self {
        Self::File { dir: tempfile::tempdir().unwrap(), clock: Arc::default() }
    }

    /// A database of its own, on a server that all tests share; `None` where there is no PostgreSQL, and a line says so.
    pub(crate) fn postgres() -> Option<Self> {
        postgres_rig::shared().unwrap().map(Self::database)
    }

    fn database(server: &'static Server) -> Self {
        Self::Database { server, url: wait(async { server.database().await.unwrap() }) }
    }

    /// Another place, empty, of the same kind.
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::File { .. } => Self::sqlite(),
            Self::Database { server, .. } => Self::database(server),
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::File { dir, .. } => Place::Directory(dir.path().to_owned()),
            // The server of the tests has no standby, and does not even sync.
            Self::Database { url, .. } => {
                Place::Database(Database::of_url(url).unwrap().durable(Durability::Server))
            }
        }
    }

    /// What a relay has of it.
    pub(crate) fn open(&self) -> Open {
        self.open_with(1 << 30)
    }

    /// The same, with a limit of bytes.
    pub(crate) fn open_with(&self, limit: u64) -> Open {
        let config = Config { place: self.place(), limit };
        let clock: Arc<dyn Clock> = match self {
            Self::File { clock, .. } => clock.clone(),
            Self::Database { .. } => Arc::new(SystemClock),
        };
        let (spool, thread) = Spool::start(config, clock).unwrap();
        Open { spool, thread }
    }

    /// What an operator has of it, in another process.
    pub(crate) fn desk(&self) -> Desk {
        Desk::at(&self.place()).unwrap()
    }

    /// Which it is, where only one of them can be had twice.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Database { .. } => "database",
        }
    }

    /// What an operator is told of it.
    pub(crate) fn is_worked_on(&self) -> bool {
        match self {
            Self::File { dir, .. } => Desk::is_worked_on(dir.path()),
            Self::Database { .. } => {
                let desk = self.desk();
                wait(async { !desk.replicas().await.unwrap().is_empty() })
            }
        }
    }

    /// Time passes for the engine, and for nobody else. A database has a clock that nobody moves, so what it has noted is moved.
    pub(crate) fn pass(&self, time: Duration) {
        match self {
            Self::File { clock, .. } => {
                clock.0.fetch_add(time.as_millis().try_into().unwrap(), Ordering::SeqCst);
            }
            Self::Database { url, .. } => wait(async {
                let of = |table: &str, columns: &[&str]| {
                    let back =
                        |column: &&str| format!("{column} = {column} - interval '{} ms'", time.as_millis());
                    let columns: Vec<_> = columns.iter().map(back).collect();
                    format!("UPDATE mdss_relay.{table} SET {};", columns.join(", "))
                };
                // Who holds an item goes on holding it.
                let all = of("item", &["since", "not_before"])
                    + &of("delivery", &["received"])
                    + &of("done", &["at"])
                    + &of("stock", &["at"])
                    + &of("meta", &["released"]);
                // A worker may be in between.
                while let Err(error) = postgres_rig::ask(url, &all).await {
                    assert!(format!("{error:?}").contains("deadlock"), "{error:?}");
                }
            }),
        }
    }

    /// A text as it is shown.
    pub(crate) fn shown(&self, text: &str) -> String {
        match self {
            Self::File { .. } => text.to_owned(),
            Self::Database { .. } => text.replace('\0', "\u{fffd}"),
        }
    }
}

/// Waits on a thread of its own, so that a test need not be asynchronous where it is not for a file.
fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// An open engine, behind the handle that adapters have.
pub(crate) struct Open {
    spool: Spool,
    thread: StoreThread,
}

impl Open {
    /// As a relay that stops.
    pub(crate) fn close(self) {
        drop(self.spool);
        self.thread.wait();
    }
}

impl Deref for Open {
    type Target = Spool;

    fn deref(&self) -> &Spool {
        &self.spool
    }
}

/// The system's clock, and how much more time has passed.
#[derive(Default)]
pub(crate) struct Passing(AtomicU64);

impl Passing {
    fn passed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

impl Clock for Passing {
    fn now(&self) -> Moment {
        SystemClock.now().plus(self.passed())
    }

    fn instant(&self) -> Instant {
        Instant::now() + self.passed()
    }
}

/// Claims so many items of all lanes.
pub(crate) async fn claim(spool: &Spool, most: usize) -> Claims {
    spool.engine().claim(Want { most, ..Want::default() }).await.unwrap()
}

/// Settles everything that was claimed.
pub(crate) async fn settle(spool: &Spool, claims: Claims, outcome: impl Fn(&Claimed) -> Outcome) -> Settled {
    let settlement = |item: Claimed| {
        let outcome = outcome(&item);
        Settlement { ticket: item.ticket, outcome, fact: None }
    };
    let batch: Vec<_> = claims.items.into_iter().map(settlement).collect();
    spool.engine().settle(batch.into()).await.unwrap()
}

/// A failure that passes, after a pause.
pub(crate) fn again(state: mdss_relay_spool::State, pause: Duration) -> Outcome {
    let (reason, detail) = ("mdss_unavailable", "a sentence".to_owned());
    Outcome::Again { state, pause, reason, detail, attempted: true }
}
