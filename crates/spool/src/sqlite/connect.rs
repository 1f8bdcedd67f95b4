//! The names of the files, and a connection as everybody wants it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// The file's name in the data directory.
pub(super) const FILE: &str = "spool.db";

/// The file, the log and the log's index: what follows the name of the file.
pub(super) const TAILS: [&str; 3] = ["", "-wal", "-shm"];

/// How long a statement waits for another process, the command line's mostly, before the sender is asked to come again.
pub(super) const BUSY: Duration = Duration::from_secs(2);

pub(crate) fn with_tail(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(tail);
    name.into()
}

/// Makes a file that nobody else may read, if there is none. SQLite gives its log the mode of the file, and would make the
/// file itself 0644 (<https://www.sqlite.org/tempfiles.html>).
pub(crate) fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

/// A connection as everybody wants it, the command line too.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    // In WAL mode FULL syncs the log at every commit; NORMAL would lose the last commits with the power
    // (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "foreign_keys", true)?;
    // 8 MB, whatever the file's size: memory stays flat.
    db.pragma_update(None, "cache_size", -8000)?;
    // 16 MB of log before a commit puts it into the file and waits for that. Of a relay another connection mostly does ([`super::checkpoint`]).
    db.pragma_update(None, "wal_autocheckpoint", 4000)?;
    // After a flood the log shrinks again.
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // What a statement or a savepoint may have to take back is kept in memory; in a temporary file every settled row wrote every page
    // that it touched a second time (<https://www.sqlite.org/tempfiles.html>, 2.5, statement journals, and 3, temp_store).
    db.pragma_update(None, "temp_store", "memory")?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// Makes a connection ours: what it writes counts itself, leaves no item without its delivery and has a state by its type, so it needs neither the
/// triggers nor the reference nor the checks, which are there for people with `sqlite3` ([`super::tally`]). The check of a state against a list
/// makes a table of that list each time that a row is written, 20,000 instructions of an event's 180,000.
pub(super) fn ours(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "ignore_check_constraints", true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        create(&path).unwrap();
        let db = connect(&path).unwrap();
        let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((pragma("synchronous"), pragma("foreign_keys")), (2, 1));
    }
}
