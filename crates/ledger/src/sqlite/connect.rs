//! The names of the files, and a connection as everybody wants it.

use std::fs::OpenOptions;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::db::trouble;
use crate::trouble::{Trouble, TroubleKind};

/// The file's name in its directory.
pub(super) const FILE: &str = "ledger.db";

/// The file, the log and the log's index: what follows the name of the file.
pub(super) const TAILS: [&str; 3] = ["", "-wal", "-shm"];

/// How long a statement waits for another process: the relay, or an operator who erases keys.
const BUSY: Duration = Duration::from_secs(5);

pub(super) fn with_tail(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(tail);
    name.into()
}

/// Makes the directory and a file that nobody else may read, if they are not there. SQLite gives its log the mode of the file, and would make the
/// file itself 0644 (<https://www.sqlite.org/tempfiles.html>).
pub(super) fn create(path: &Path) -> Result<(), Trouble> {
    let unwritable =
        |e: std::io::Error| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", path.display()));
    if let Some(dir) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unwritable)?;
    }
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(unwritable)?;
    Ok(())
}

/// Which file a name leads to.
pub(super) fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// A connection as everybody wants it, the operator's tool too.
pub(super) fn connect(path: &Path) -> Result<Connection, Trouble> {
    open(path).map_err(|e| trouble(&e, &format!("opening {}", path.display())))
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    // In WAL mode FULL syncs the log at every commit; NORMAL would lose the last commits with the power
    // (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
    db.pragma_update(None, "synchronous", "full")?;
    // What is deleted is written over with zeros: a key that was erased must not stay in a free page (same page, secure_delete).
    db.pragma_update(None, "secure_delete", true)?;
    // 8 MB, whatever the file's size: memory stays flat.
    db.pragma_update(None, "cache_size", -8000)?;
    // After a flood the log shrinks again.
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    db.pragma_update(None, "wal_autocheckpoint", 4000)?;
    db.pragma_update(None, "temp_store", "memory")?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}
