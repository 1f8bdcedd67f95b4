//! Putting the log into the file, beside the work on it.
//!
//! SQLite would do it in a commit, once the log has so many pages: whoever waits for that commit waits for two more syncs and for every page
//! that is written. A connection of its own does it while others commit (<https://www.sqlite.org/wal.html#concurrency>); only when it cannot
//! keep up, a commit does ([`super::connect`]).

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::connect::connect;

/// After so many commits: each is a dozen to forty pages of log.
const COMMITS: u32 = 64;

/// What is written meanwhile is put into the file as well, so that the log can begin anew; but not for ever.
const PASSES: u32 = 4;

/// The thread that does it.
pub(super) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    commits: u32,
}

impl Checkpoints {
    /// Starts it, for the file of this name. Without it the commits look after the log.
    pub(super) fn start(path: &Path) -> Self {
        let db = connect(path).and_then(|db| {
            // Whoever works on the file closes it last, and knows whether its names are still its own.
            db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            // Opens it.
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(db)
        });
        let (wake, woken) = sync_channel(1);
        let thread = db.ok().and_then(|db| {
            thread::Builder::new().name("spool-log".into()).spawn(move || serve(&db, &woken)).ok()
        });
        Self { wake: thread.is_some().then_some(wake), thread, commits: 0 }
    }

    /// Something was committed.
    pub(super) fn committed(&mut self) {
        self.commits += 1;
        if self.commits >= COMMITS
            && let Some(wake) = &self.wake
            && wake.try_send(()).is_ok()
        {
            self.commits = 0;
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(db: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        for _ in 0..PASSES {
            // What is wrong with the disk is said by whoever has events to write.
            let sql = "PRAGMA wal_checkpoint(PASSIVE)";
            let left = db.query_row(sql, [], |row| Ok(row.get::<_, i64>(1)? > row.get::<_, i64>(2)?));
            if !left.unwrap_or(false) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::connect::FILE;
    use super::super::testing::file;
    use super::*;

    #[test]
    fn what_was_committed_comes_into_the_file_without_a_commit_that_waits_for_it() {
        let (dir, db) = file();
        let path = dir.path().join(FILE);
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        let length = || std::fs::metadata(&path).unwrap().len();
        let mut checkpoints = Checkpoints::start(&path);
        let before = length();
        for at in 0..COMMITS {
            db.execute("INSERT INTO done (mark, at) VALUES (?1 || hex(zeroblob(500)), ?1)", [at]).unwrap();
            assert_eq!(length(), before);
            checkpoints.committed();
        }
        let end = Instant::now() + Duration::from_secs(20);
        while length() < before + 64 * 500 {
            assert!(Instant::now() < end, "{before} bytes, and now {}", length());
            thread::sleep(Duration::from_millis(5));
        }
        drop(checkpoints);
        assert!(dir.path().join("spool.db-wal").exists(), "the log is the other connection's");
    }
}
