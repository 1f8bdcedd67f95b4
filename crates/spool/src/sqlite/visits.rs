//! Whether another process has written to the file: the command line, which cannot say so to the relay.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

/// What was last seen of the file: which one it was, and the version of what is in it.
#[derive(Clone, Default)]
pub(super) struct Visits(Arc<Mutex<Option<(u64, i64)>>>);

impl Visits {
    /// Whether another connection has committed since this was last asked of the same connection. The version is the connection's own, and its
    /// own commits leave it as it is (<https://www.sqlite.org/pragma.html#pragma_data_version>).
    pub(super) fn are_new(&self, db: &Connection, epoch: u64) -> rusqlite::Result<bool> {
        let version = db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace((epoch, version));
        Ok(last.is_some_and(|(before, last)| before == epoch && last != version))
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect::{FILE, connect};
    use super::super::testing::file;
    use super::*;

    #[test]
    fn what_others_write_is_a_visit_and_what_we_write_is_none() {
        let (dir, db) = file();
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        let (visits, other) = (Visits::default(), connect(&dir.path().join(FILE)).unwrap());
        let write = |db: &Connection, mark: &str| {
            db.execute("INSERT INTO done (mark, at) VALUES (?1, 0)", [mark]).map(drop).unwrap();
        };
        let new = |epoch| {
            // As a claim does, which reads first.
            db.query_row("SELECT count(*) FROM done", [], |_| Ok(())).unwrap();
            visits.are_new(&db, epoch).unwrap()
        };
        assert!(!new(0), "nothing is known yet");
        write(&db, "ours");
        assert!(!new(0));
        write(&other, "theirs");
        assert!(new(0));
        assert!(!new(0), "it is said once");
        other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        assert!(!new(0), "putting the log into the file changes nothing");
        write(&other, "theirs again");
        assert!(!new(1), "of another file nothing is known");
    }
}
