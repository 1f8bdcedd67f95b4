//! A spool in a directory, and looks into its file.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mdss_relay_spool::{Clock, Config, Desk, Filter, Moment, Place, Spool, StoreThread, SystemClock};

pub(crate) fn config(dir: &Path) -> Config {
    Config { place: Place::Directory(dir.to_owned()), limit: 1 << 30 }
}

pub(crate) fn start(dir: &Path) -> (Spool, StoreThread) {
    Spool::start(config(dir), Arc::new(SystemClock)).unwrap()
}

/// The keys in the file.
pub(crate) async fn keys(dir: &Path) -> BTreeSet<String> {
    let entries = Desk::open(dir).unwrap().list(&Filter::default(), None, usize::MAX >> 1).await.unwrap();
    entries.into_iter().filter_map(|entry| entry.key).collect()
}

/// A clock that is set by hand, and jumps.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn new(millis: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(millis)))
    }

    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Looks into the file as an operator would.
pub(crate) fn query<T: rusqlite::types::FromSql>(dir: &Path, sql: &str) -> T {
    let db = rusqlite::Connection::open(dir.join("spool.db")).unwrap();
    db.busy_timeout(Duration::from_secs(30)).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}
