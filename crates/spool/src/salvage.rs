//! What becomes of a damaged file. New events need a place at once, and the old ones must not wait for somebody who knows
//! `sqlite3`: so what can be read is taken over into a new file, and the damaged one is set aside, whole.
//!
//! Rows are read one by one from the front until SQLite refuses, then from the back: a damaged page costs what is on it. The
//! new file takes the name only when it is complete, so a process that dies meanwhile begins again.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mdss_relay_core::{Cause, fields};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};
use tracing::{error, warn};

use crate::clock::Moment;
use crate::column::Cell;
use crate::schema::{self, LANE_UNROUTED};
use crate::store::{BUSY, connect, with_tail};
use crate::trouble::{Trouble, TroubleKind};

const TABLES: [(&str, &str); 3] = [
    ("delivery", "id, name, source, dialect, method, headers, body, received, checksum"),
    (
        "item",
        "id, delivery, path, lane, state, attempts, since, not_before, reason, detail, bucket, key, mark, bytes",
    ),
    ("done", "id, mark, at"),
];

/// Where the new file grows.
fn new_file(path: &Path) -> PathBuf {
    with_tail(path, ".salvaged")
}

/// Where a file goes that is set aside.
fn aside(path: &Path, now: Moment) -> PathBuf {
    with_tail(path, &format!(".damaged-{}", now.as_millis()))
}

/// Clears the way for opening the file at `path`. A log without its file goes aside first. Then what a process that died has begun is
/// ended: a complete new file without an old one takes its name, everything else is begun anew when it is needed.
pub(crate) fn resume(path: &Path, now: Moment) -> std::io::Result<()> {
    let gone = std::fs::metadata(path).map_or_else(
        |e| if e.kind() == ErrorKind::NotFound { Ok(true) } else { Err(e) },
        |found| Ok(found.is_file() && found.len() == 0),
    )?;
    if gone {
        set_log_aside(path, now)?;
    }
    let new = new_file(path);
    if !new.exists() {
        return Ok(());
    }
    if path.exists() {
        return remove(&new);
    }
    std::fs::rename(&new, path)?;
    sync_names(path);
    Ok(())
}

/// A log that is there without its file: somebody moved the file alone, or a process died between the names. SQLite would throw it
/// away beside an empty file, and read it into any other one.
fn set_log_aside(path: &Path, now: Moment) -> std::io::Result<()> {
    let (log, aside) = (with_tail(path, "-wal"), aside(path, now));
    match std::fs::metadata(&log) {
        Ok(found) if found.len() > 0 => {}
        Ok(_) => return Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    }
    rename_there(path, &aside, &["-wal", "-shm"])?;
    sync_names(path);
    error!(
        { fields::ERROR_TYPE } = TroubleKind::Damaged.name(),
        spool.file = %with_tail(&aside, "-wal").display(),
        "a log of the spool was there without its file, and is set aside: it may hold the newest events of the spool.db that was moved \
         away or, beside a spool.db.damaged-…, what was taken over already; to get at them, give it the name of that file with -wal at the \
         end, in the same directory, before anything opens that file"
    );
    Ok(())
}

/// Moves those of a file's parts that are there.
fn rename_there(path: &Path, to: &Path, tails: &[&str]) -> std::io::Result<()> {
    for tail in tails {
        match std::fs::rename(with_tail(path, tail), with_tail(to, tail)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// The names must be on disk, too. Not every file system syncs directories; then it does so by itself.
fn sync_names(path: &Path) {
    if let Some(dir) = path.parent() {
        let _ = std::fs::File::open(dir).and_then(|dir| dir.sync_all());
    }
}

/// Replaces the file at `path` by what can be read of it.
pub(crate) fn salvage(path: &Path, why: &Trouble, now: Moment) -> Result<(), Trouble> {
    let place = |e: std::io::Error| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", path.display()));
    let (new, aside) = (new_file(path), aside(path, now));
    remove(&new).map_err(place)?;
    crate::store::create(&new).map_err(place)?;
    let taken = copy(path, &new, now)?;
    rename_there(path, &aside, &["", "-wal", "-shm"]).map_err(place)?;
    std::fs::rename(&new, path).map_err(place)?;
    sync_names(path);
    error!(
        { fields::ERROR_TYPE } = TroubleKind::Damaged.name(),
        spool.file = %aside.display(),
        spool.deliveries = taken.deliveries,
        spool.items = taken.items,
        spool.without_items = taken.orphans,
        "the spool was damaged and is set aside; what could be read of it is in the new one: {}", why.detail
    );
    Ok(())
}

fn remove(new: &Path) -> std::io::Result<()> {
    for tail in ["", "-wal", "-shm"] {
        match std::fs::remove_file(with_tail(new, tail)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Taken {
    deliveries: u64,
    items: u64,
    /// Deliveries whose items cannot be read.
    orphans: usize,
}

fn copy(old: &Path, new: &Path, now: Moment) -> Result<Taken, Trouble> {
    let writing = |e: rusqlite::Error| Trouble::of(&e, &format!("writing {}", new.display()));
    let mut new = connect(new).map_err(writing)?;
    schema::migrate(&mut new)?;
    let mut taken = Taken::default();
    match readable(old) {
        Ok(old) => {
            let all = new.transaction().map_err(writing)?;
            // An item without its delivery is worth nothing, and the reference refuses it.
            for (table, columns) in TABLES {
                let rows = rows(&old, &all, table, columns).map_err(writing)?;
                match table {
                    "delivery" => taken.deliveries = rows,
                    "item" => taken.items = rows,
                    _ => {}
                }
            }
            // What is left of them is for somebody to look at.
            let detail =
                "the items of this delivery were lost in a damaged file; \"spool show\" has its body";
            let orphans =
                "INSERT INTO item (delivery, path, lane, state, since, not_before, reason, detail, bytes)
                SELECT id, '', ?1, 'parked', received, ?2, ?3, ?4, length(body) FROM delivery
                WHERE NOT EXISTS (SELECT 1 FROM item WHERE item.delivery = delivery.id)";
            let values = (LANE_UNROUTED, now.as_millis(), Cause::Internal.name(), detail);
            taken.orphans = all.execute(orphans, values).map_err(writing)?;
            all.commit().map_err(writing)?;
        }
        Err(e) => warn!("nothing of the damaged spool can be read: {e}"),
    }
    // Closing puts everything into the one file.
    new.close().map_err(|(_, e)| writing(e))?;
    Ok(taken)
}

fn readable(path: &Path) -> rusqlite::Result<Connection> {
    let old = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    old.busy_timeout(BUSY)?;
    // Nothing is written to it, not even what its own log holds.
    old.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // A file that is shorter than its header says is refused without this (`lockBtree` in SQLite's btree.c).
    old.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
    old.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(old)
}

/// Takes over a table's rows, and says how many. Errors of the old file end a direction, those of the new one everything.
fn rows(old: &Connection, new: &Connection, table: &str, columns: &str) -> rusqlite::Result<u64> {
    let marks = vec!["?"; columns.split(',').count()].join(", ");
    let mut insert = new.prepare(&format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"))?;
    let mut count = 0;
    let mut last = i64::MIN;
    for (compare, order) in [(">", "ASC"), ("<", "DESC")] {
        let sql = format!("SELECT {columns} FROM {table} WHERE id {compare} ?1 ORDER BY id {order} LIMIT 1");
        let Ok(mut next) = old.prepare(&sql) else { return Ok(count) };
        let mut at = if compare == ">" { i64::MIN } else { i64::MAX };
        loop {
            let row = next.query_row([at], |row| {
                (0..columns.split(',').count())
                    .map(|n| Cell::read(row, n))
                    .collect::<rusqlite::Result<Vec<_>>>()
            });
            let row = match row.optional() {
                Ok(Some(row)) => row,
                Ok(None) if compare == ">" => return Ok(count),
                Ok(None) | Err(_) => break,
            };
            let Some(Cell::Other(Value::Integer(id))) = row.first() else { break };
            // A damaged tree may lead back to where it came from; and the front has been here.
            if (compare == ">" && *id <= at) || (compare == "<" && (*id >= at || *id <= last)) {
                break;
            }
            at = *id;
            // The item's reference to a delivery that is lost, or a column that holds what it may not: not this row.
            match insert.execute(params_from_iter(row)) {
                Ok(inserted) => count += inserted as u64,
                Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {}
                Err(e) => return Err(e),
            }
        }
        last = at;
    }
    Ok(count)
}
