//! An engine under test: how it is opened, closed and opened again, how its time passes, and how an operator gets at it.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mdss_relay_spool::seam::{Claimed, Claims, Outcome, Settled, Settlement, Want};
use mdss_relay_spool::{Clock, Config, Desk, Moment, Place, Spool, StoreThread, SystemClock};
use tempfile::TempDir;

/// One place where events are kept. What knows the engine's kind is in here and nowhere else in this suite.
pub(crate) struct Bench {
    dir: TempDir,
    clock: Arc<Passing>,
}

impl Bench {
    /// A file on this machine.
    pub(crate) fn sqlite() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Arc::default() }
    }

    /// Another place, empty, of the same kind.
    pub(crate) fn another(&self) -> Self {
        Self::sqlite()
    }

    /// What a relay has of it.
    pub(crate) fn open(&self) -> Open {
        self.open_with(1 << 30)
    }

    /// The same, with a limit of bytes.
    pub(crate) fn open_with(&self, limit: u64) -> Open {
        let config = Config { place: Place::Directory(self.dir.path().to_owned()), limit };
        let (spool, thread) = Spool::start(config, self.clock.clone()).unwrap();
        Open { spool, thread }
    }

    /// What an operator has of it, in another process.
    pub(crate) fn desk(&self) -> Desk {
        Desk::open(self.dir.path()).unwrap()
    }

    /// What an operator is told of it.
    pub(crate) fn is_worked_on(&self) -> bool {
        Desk::is_worked_on(self.dir.path())
    }

    /// Time passes for the engine, and for nobody else.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(time.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }
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
struct Passing(AtomicU64);

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
        Settlement { ticket: item.ticket, outcome }
    };
    let batch: Vec<_> = claims.items.into_iter().map(settlement).collect();
    spool.engine().settle(batch.into()).await.unwrap()
}

/// A failure that passes, after a pause.
pub(crate) fn again(state: mdss_relay_spool::State, pause: Duration) -> Outcome {
    let (reason, detail) = ("mdss_unavailable", "a sentence".to_owned());
    Outcome::Again { state, pause, reason, detail, attempted: true }
}
