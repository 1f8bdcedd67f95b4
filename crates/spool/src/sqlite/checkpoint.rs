//! Putting the log into the file, beside the work on it.
//!
//! SQLite would do it in a commit, once the log has so many pages: whoever waits for that commit waits for two more syncs and for every page
//! that is written. A connection of its own does it while others commit (<https://www.sqlite.org/wal.html#concurrency>); only when it cannot
//! keep up, a commit does.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;

use super::connect::connect;

/// Once the log has so many pages, 12 MB: a commit is a dozen to forty. While the file is synced, commits wait longer for their own sync: the rarer the better for those who
/// come one by one, and the more at a time the worse for a crowd.
const ENOUGH: i32 = 3000;

/// And then after so many more each time, while it does not begin anew: somebody still reads what it has.
const MORE: i32 = ENOUGH / 8;

/// At so many pages a commit does it, 32 MB.
const MOST: i32 = 8000;

/// What is written meanwhile is put into the file as well, so that the log can begin anew; but not for ever.
const PASSES: u32 = 4;

/// The thread that does it.
pub(super) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Pages of the log after the last commit.
    log: Arc<AtomicI32>,
    /// The same after the commit before.
    before: i32,
    /// At so many the thread is woken.
    next: i32,
}

impl Checkpoints {
    /// Starts it, for the file of this name that this connection writes to. Without it the commits look after the log.
    ///
    /// # Errors
    /// If SQLite does not tell how long the log is.
    pub(super) fn start(path: &Path, writer: &mut Connection) -> rusqlite::Result<Self> {
        let log = Arc::new(AtomicI32::new(0));
        let told = Arc::clone(&log);
        // Takes the place of `wal_autocheckpoint` (<https://www.sqlite.org/c3ref/wal_hook.html>), which asks for no success either: the commit stands.
        writer.wal_hook(Some(move |wal: &mut Wal, pages| {
            told.store(pages, Ordering::Relaxed);
            if pages >= MOST {
                let _ = wal.checkpoint();
            }
            Ok(())
        }))?;
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
        Ok(Self { wake: thread.is_some().then_some(wake), thread, log, before: 0, next: ENOUGH })
    }

    /// Something was committed.
    pub(super) fn committed(&mut self) {
        let log = self.log.load(Ordering::Relaxed);
        if log < self.before {
            self.next = ENOUGH;
        }
        self.before = log;
        if log >= self.next
            && let Some(wake) = &self.wake
            && wake.try_send(()).is_ok()
        {
            self.next = log + MORE;
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

    /// Each commit is a few pages.
    fn commit(db: &Connection, n: i32) {
        db.execute("INSERT INTO done (mark, at) VALUES (?1 || hex(zeroblob(5000)), ?1)", [n]).unwrap();
    }

    #[test]
    fn what_was_committed_comes_into_the_file_without_a_commit_that_waits_for_it() {
        let (dir, mut db) = file();
        let path = dir.path().join(FILE);
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        let length = || std::fs::metadata(&path).unwrap().len();
        let mut checkpoints = Checkpoints::start(&path, &mut db).unwrap();
        let (before, mut commits) = (length(), 0);
        while checkpoints.log.load(Ordering::Relaxed) < ENOUGH {
            assert_eq!(length(), before, "after {commits} commits");
            checkpoints.committed();
            commit(&db, commits);
            commits += 1;
        }
        checkpoints.committed();
        let end = Instant::now() + Duration::from_secs(20);
        while length() < before + commits as u64 * 10_000 {
            assert!(Instant::now() < end, "{before} bytes, and now {}", length());
            thread::sleep(Duration::from_millis(5));
        }
        // It is synced, and then the log begins anew.
        while checkpoints.log.load(Ordering::Relaxed) >= ENOUGH {
            assert!(Instant::now() < end, "the log goes on");
            thread::sleep(Duration::from_millis(5));
            commit(&db, commits);
            commits += 1;
        }
        drop(checkpoints);
        assert!(dir.path().join("spool.db-wal").exists(), "the log is the other connection's");
    }

    /// While somebody reads for long the log cannot begin anew; else each commit would have the file synced beside it.
    #[test]
    fn a_log_that_stays_long_is_not_looked_after_at_every_commit() {
        let (wake, woken) = sync_channel(1);
        let log = Arc::new(AtomicI32::new(0));
        let mut checkpoints =
            Checkpoints { wake: Some(wake), thread: None, log: Arc::clone(&log), before: 0, next: ENOUGH };
        let mut times = |pages: std::ops::Range<i32>| {
            pages
                .filter(|pages| {
                    log.store(*pages, Ordering::Relaxed);
                    checkpoints.committed();
                    woken.try_recv().is_ok()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(times(1..ENOUGH + 2 * MORE + 1), [ENOUGH, ENOUGH + MORE, ENOUGH + 2 * MORE]);
        assert_eq!(times(1..ENOUGH + 1), [ENOUGH], "it has begun anew");
    }

    #[test]
    fn a_log_that_nobody_looks_after_does_not_grow_for_ever() {
        let (dir, mut db) = file();
        let path = dir.path().join(FILE);
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        db.pragma_update(None, "synchronous", "off").unwrap();
        let checkpoints = Checkpoints::start(&path, &mut db).unwrap();
        for n in 0..5000 {
            commit(&db, n);
        }
        let log = std::fs::metadata(dir.path().join("spool.db-wal")).unwrap().len();
        assert!(log < (MOST as u64 + 100) * 4200, "{log} bytes");
        drop(checkpoints);
    }
}
