//! What becomes of a damaged file. New events need a place at once, and the old ones must not wait for somebody who knows
//! `sqlite3`: so what can be read is taken over into a new file, and the damaged one is set aside, whole.
//!
//! Rows are read one by one from the front until SQLite refuses, then from the back: a damaged page costs what is on it. Items that it
//! costs are made again from the bodies of their deliveries. The new file takes the name only when it is complete, so a process that
//! dies meanwhile begins again.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mdss_relay_core::{Cause, Settings, fields};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params, params_from_iter};
use tracing::{error, warn};

use super::column::{Cell, shown};
use super::connect::{BUSY, TAILS, connect, create, with_tail};
use super::delivery::stored;
use super::due::release;
use super::names::Loss;
use super::schema;
use super::trouble::trouble;
use crate::clock::Moment;
use crate::fact::gap;
use crate::intake::{Intake, Sender};
use crate::item::LANE_UNROUTED;
use crate::outbox::{self, ROW_BYTES};
use crate::trouble::{Trouble, TroubleKind};

const TABLES: [(&str, &str); 4] = [
    ("delivery", "id, name, source, dialect, method, headers, body, received, checksum"),
    (
        "item",
        "id, delivery, path, lane, state, attempts, since, not_before, reason, detail, bucket, key, mark, bytes, source",
    ),
    ("done", "id, mark, at"),
    ("outbox", "id, at, body"),
];

/// What follows the file's name, before the moment, when it is set aside.
pub(super) const DAMAGED: &str = ".damaged-";

/// Where the new file grows.
fn new_file(path: &Path) -> PathBuf {
    with_tail(path, ".salvaged")
}

/// Where a file goes that is set aside.
fn aside(path: &Path, now: Moment) -> PathBuf {
    with_tail(path, &format!("{DAMAGED}{}", now.as_millis()))
}

/// Clears the way for opening the file at `path`. A log without its file goes aside first. Then what a process that died has begun is
/// ended: a complete new file without an old one takes its name, everything else is begun anew when it is needed.
pub(super) fn resume(path: &Path, now: Moment) -> std::io::Result<()> {
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
        { fields::SPOOL_FILE } = %with_tail(&aside, "-wal").display(),
        "a log of the spool was found without its spool.db, and was set aside. It may hold the newest events of the spool.db that was moved away; \
         beside a spool.db.damaged-… file it holds events that were copied already. To read them, put the log beside that file, under the file's \
         name with -wal at the end, before any program opens that file"
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

/// Replaces the file at `path`, which is damaged, by what can be read of it.
///
/// # Errors
/// If that cannot be written, or the names cannot be changed.
pub(super) fn salvage(path: &Path, why: &str, now: Moment) -> Result<(), Trouble> {
    let old = readable(path).inspect_err(|e| warn!("no row of the damaged spool can be read: {e}")).ok();
    let (taken, aside) = replace(path, old.as_ref(), now)?;
    error!(
        { fields::ERROR_TYPE } = TroubleKind::Damaged.name(),
        { fields::SPOOL_FILE } = %aside.display(),
        { fields::SPOOL_DELIVERIES } = taken.deliveries,
        { fields::SPOOL_ITEMS } = taken.items,
        { fields::SPOOL_ITEMS_MADE_AGAIN } = taken.made,
        { fields::SPOOL_WITHOUT_ITEMS } = taken.orphans,
        "the spool file was damaged and was set aside; every row that could be read was copied into a new file: {why}"
    );
    Ok(())
}

/// Makes a file at `path` of what an open connection still has of one that was taken away or cut; what stands at its names is set aside.
///
/// # Errors
/// If that cannot be written, or the names cannot be changed.
pub(super) fn take_over(path: &Path, old: &Connection, why: &str, now: Moment) -> Result<(), Trouble> {
    // What was cut is nowhere but in memory: reading the rest must not push it out.
    let _ = old.pragma_update(None, "cache_size", -64_000);
    let (taken, aside) = replace(path, Some(old), now)?;
    let which = if taken.whole { "" } else { " that could be read" };
    error!(
        { fields::ERROR_TYPE } = TroubleKind::Taken.name(),
        { fields::SPOOL_FILE } = %path.display(),
        { fields::SPOOL_ASIDE } = %aside.display(),
        { fields::SPOOL_DELIVERIES } = taken.deliveries,
        { fields::SPOOL_ITEMS } = taken.items,
        { fields::SPOOL_ITEMS_MADE_AGAIN } = taken.made,
        { fields::SPOOL_WITHOUT_ITEMS } = taken.orphans,
        { fields::SPOOL_WHOLE } = taken.whole,
        "{why}; every acknowledged event{which} was copied into a new file of that name, and the file that stood there was set aside under the other name"
    );
    Ok(())
}

/// Puts what is in the log into the file, on the disk, through whatever the connection has open.
pub(super) fn checkpoint(db: &Connection) -> rusqlite::Result<()> {
    // FULL waits for others' readers and writers, and then leaves nothing out (<https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>).
    let (busy, log, done) = db.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    if busy == 0 && log == done { Ok(()) } else { Err(rusqlite::Error::QueryReturnedNoRows) }
}

/// Lets a connection close without a look at its names, which are no longer its own: SQLite would delete what stands there.
pub(super) fn give_up(db: &Connection) {
    // It fails for a connection that is none.
    let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

/// Makes the names fit to be opened, once everything is in the file itself. SQLite would read any log that stands beside a file into it, be
/// it another file's, or an older copy.
pub(super) fn clear(path: &Path, loss: &Loss, now: Moment) -> std::io::Result<()> {
    let aside = aside(path, now);
    for tail in loss.strangers() {
        rename_there(path, &aside, &[tail])?;
    }
    for tail in loss.left_behind() {
        remove_there(&with_tail(path, tail))?;
    }
    sync_names(path);
    Ok(())
}

fn replace(path: &Path, old: Option<&Connection>, now: Moment) -> Result<(Taken, PathBuf), Trouble> {
    let place = |e: std::io::Error| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", path.display()));
    let (new, aside) = (new_file(path), aside(path, now));
    remove(&new).map_err(place)?;
    create(&new).map_err(place)?;
    let taken = copy(old, &new, now)?;
    rename_there(path, &aside, &TAILS).map_err(place)?;
    std::fs::rename(&new, path).map_err(place)?;
    sync_names(path);
    Ok((taken, aside))
}

fn remove(new: &Path) -> std::io::Result<()> {
    TAILS.iter().try_for_each(|tail| remove_there(&with_tail(new, tail)))
}

fn remove_there(name: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(name) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[derive(Debug, Default)]
struct Taken {
    deliveries: u64,
    items: u64,
    /// Items that were made again from their deliveries.
    made: u64,
    /// Deliveries whose items cannot be read, nor made again.
    orphans: u64,
    /// Whether that was all there was.
    whole: bool,
}

fn copy(old: Option<&Connection>, new: &Path, now: Moment) -> Result<Taken, Trouble> {
    let writing = |e: rusqlite::Error| trouble(&e, &format!("writing {}", new.display()));
    let mut new = connect(new).map_err(writing)?;
    schema::migrate(&mut new)?;
    let mut taken = Taken::default();
    if let Some(old) = old {
        let all = new.transaction().map_err(writing)?;
        let mut whole = true;
        taken.whole = true;
        let room = room(old);
        // An item without its delivery is worth nothing, and the reference refuses it.
        for (table, columns) in TABLES {
            // Only a relay with a ledger has facts, and a file of version 3 has no table for them.
            if table == "outbox" && room.is_none() {
                continue;
            }
            let rows = rows(old, &all, table, columns, &there(old, table, columns)).map_err(writing)?;
            taken.whole &= rows.whole;
            match table {
                "delivery" => taken.deliveries = rows.count,
                "item" => (taken.items, whole) = (rows.count, rows.whole),
                "outbox" => count_facts(&all, room, rows.whole, now).map_err(writing)?,
                _ => {}
            }
        }
        all.execute_batch(OF_ITS_DELIVERY).map_err(writing)?;
        make_again(&all, whole, now, &mut taken).map_err(writing)?;
        // A damaged page may put an item off for years.
        release(&all, None, &[], now, usize::MAX >> 1).map_err(writing)?;
        all.commit().map_err(writing)?;
    }
    // Closing puts everything into the one file.
    new.close().map_err(|(_, e)| writing(e))?;
    Ok(taken)
}

/// How many bytes may wait for the ledger; `None`: nobody keeps one, or that cannot be read. Then the relay says it again, and the ledger learns
/// that something may be missing.
fn room(old: &Connection) -> Option<i64> {
    old.query_row("SELECT room FROM outbox_state", [], |row| row.get(0)).ok().flatten()
}

/// Counts the facts that were taken over, and says so if there may have been more.
fn count_facts(all: &Connection, room: Option<i64>, whole: bool, now: Moment) -> rusqlite::Result<()> {
    if !whole {
        let first = Moment::from_millis(all.query_row(
            "SELECT ifnull(min(at), ?1) FROM outbox",
            [now.as_millis()],
            |row| row.get(0),
        )?);
        let row = params![now.as_millis(), gap(now, first, now, None, outbox::DAMAGED)];
        all.execute(
            "INSERT INTO outbox (id, at, body) SELECT 1 + max(last, ifnull((SELECT max(id) FROM outbox), 0)), ?1, ?2 FROM outbox_state",
            row,
        )?;
    }
    all.execute(
        "UPDATE outbox_state SET room = ?1, last = max(last, ifnull((SELECT max(id) FROM outbox), 0)), rows = (SELECT count(*) FROM outbox),
             bytes = (SELECT ifnull(sum(octet_length(body) + ?2), 0) FROM outbox)",
        params![room, ROW_BYTES as i64],
    )?;
    Ok(())
}

/// The columns as that file has them: version 1 has no source of an item.
fn there(old: &Connection, table: &str, columns: &str) -> String {
    let first = table == "item" && old.prepare("SELECT source FROM item").is_err();
    if first { columns.replace(", source", ", ''") } else { columns.to_owned() }
}

/// What version 1 does not say of an item.
const OF_ITS_DELIVERY: &str = "UPDATE item SET source = (SELECT source FROM delivery WHERE delivery.id = item.delivery)
    WHERE source = '' AND EXISTS (SELECT 1 FROM delivery WHERE delivery.id = item.delivery AND source IS NOT NULL)";

/// Makes the items again that deliveries may have lost. Which of a delivery's items were there is not known, so every record that could
/// be one is, unless its mark says that MDSS has it: it may be sent twice. Nothing is decided here; the worker plans each of them with
/// today's settings, as it always does.
fn make_again(all: &Connection, whole: bool, now: Moment, taken: &mut Taken) -> rusqlite::Result<()> {
    const ORPHANED: &str =
        "NOT EXISTS (SELECT 1 FROM item WHERE item.delivery = delivery.id AND item.alone = 0)";
    let any = if whole { ORPHANED } else { "true" };
    let mut next =
        all.prepare(&format!("SELECT id FROM delivery WHERE id > ?1 AND {any} ORDER BY id LIMIT 1"))?;
    let mut paths = all.prepare("SELECT path FROM item WHERE delivery = ?1 AND alone = 0")?;
    let mut insert = all.prepare(
        "INSERT OR IGNORE INTO item (delivery, path, lane, state, since, not_before, bucket, key, mark, bytes, source)
         SELECT ?1, ?2, ?3, 'waiting', ?4, ?5, ?6, ?7, ?8, ?9, ifnull((SELECT source FROM delivery WHERE id = ?1), '')
         WHERE NOT EXISTS (SELECT 1 FROM done WHERE mark = ?8)",
    )?;
    let settings = Settings::default();
    let mut at = i64::MIN;
    while let Some(id) = next.query_row([at], |row| row.get(0)).optional()? {
        at = id;
        let Some(stored) = stored(all, id)? else { continue };
        let mut made = 0;
        if let Ok(delivery) = stored.delivery {
            let there: HashSet<_> =
                paths.query_map([id], |row| shown(row, 0))?.collect::<rusqlite::Result<_>>()?;
            let plan = mdss_relay_core::plan(&settings.rules, &delivery);
            let intake = Intake::new(delivery, &plan, Sender::Proven);
            let bytes = intake.body.len() / intake.items.len().max(1);
            for item in intake.items.iter().filter(|item| !there.contains(&item.path)) {
                made += insert.execute(params![
                    id,
                    item.path,
                    LANE_UNROUTED,
                    stored.received.as_millis(),
                    now.as_millis(),
                    item.bucket,
                    item.key,
                    item.mark,
                    bytes as i64,
                ])?;
            }
        }
        taken.made += made as u64;
        if made == 0 && stored.items == 0 {
            // What is left of it is for somebody to look at.
            let detail = "the items of this delivery were lost in a damaged file; `mdss-relay spool show` prints what is left of the delivery";
            let orphan = "INSERT INTO item (delivery, path, lane, state, since, not_before, reason, detail, bytes, source)
                          SELECT id, '', ?2, 'parked', received, ?3, ?4, ?5, length(body), ifnull(source, '')
                          FROM delivery WHERE id = ?1";
            let values = params![id, LANE_UNROUTED, now.as_millis(), Cause::Internal.name(), detail];
            taken.orphans += all.execute(orphan, values)? as u64;
        }
    }
    Ok(())
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

/// What was taken over of a table.
struct Rows {
    count: u64,
    /// Whether that was all there was.
    whole: bool,
}

/// Takes over a table's rows: what `from` gives of the old file into `columns` of the new one. Errors of the old file end a direction, those
/// of the new one everything.
fn rows(
    old: &Connection,
    new: &Connection,
    table: &str,
    columns: &str,
    from: &str,
) -> rusqlite::Result<Rows> {
    let marks = vec!["?"; columns.split(',').count()].join(", ");
    let mut insert = new.prepare(&format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"))?;
    let mut rows = Rows { count: 0, whole: true };
    let mut last = i64::MIN;
    for (compare, order) in [(">", "ASC"), ("<", "DESC")] {
        let sql = format!("SELECT {from} FROM {table} WHERE id {compare} ?1 ORDER BY id {order} LIMIT 1");
        let Ok(mut next) = old.prepare(&sql) else { return Ok(Rows { whole: false, ..rows }) };
        let mut at = if compare == ">" { i64::MIN } else { i64::MAX };
        loop {
            let row = next.query_row([at], |row| {
                (0..columns.split(',').count())
                    .map(|n| Cell::read(row, n))
                    .collect::<rusqlite::Result<Vec<_>>>()
            });
            let row = match row.optional() {
                Ok(Some(row)) => row,
                Ok(None) if compare == ">" => return Ok(rows),
                Ok(None) | Err(_) => break,
            };
            let Some(Cell::Other(Value::Integer(id))) = row.first() else { break };
            // A damaged tree may lead back to where it came from; and the front has been here.
            if (compare == ">" && *id <= at) || (compare == "<" && (*id >= at || *id <= last)) {
                break;
            }
            at = *id;
            match insert.execute(params_from_iter(row)) {
                Ok(inserted) => {
                    rows.count += inserted as u64;
                    rows.whole &= inserted > 0;
                }
                // The item's reference to a delivery that is lost, or a column that holds what it may not: not this row.
                Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                    let lost = e.sqlite_error().map(|e| e.extended_code);
                    rows.whole &= lost == Some(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY);
                }
                Err(e) => return Err(e),
            }
        }
        rows.whole = false;
        last = at;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_over_is_due() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.db");
        create(&path).unwrap();
        let mut old = connect(&path).unwrap();
        schema::migrate(&mut old).unwrap();
        old.execute_batch(
            "INSERT INTO delivery VALUES (1, '', NULL, NULL, '', '[]', x'', 0, 0);
             INSERT INTO item (delivery, path, lane, state, since, not_before, bytes) VALUES
                 (1, '0', 'a', 'waiting', 0, 7, 0), (1, '1', 'a', 'waiting', 0, 2070192628989, 0),
                 (1, '2', 'a', 'held', 0, 2070192628989, 0), (1, '3', 'a', 'parked', 0, 2070192628989, 0)",
        )
        .unwrap();
        drop(old);
        salvage(&path, "x", Moment::from_millis(1000)).unwrap();
        let new = connect(&path).unwrap();
        let mut query = new.prepare("SELECT not_before FROM item ORDER BY id").unwrap();
        let due: Vec<i64> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(due, [7, 1000, 1000, 2_070_192_628_989]);
    }

    #[test]
    fn a_damaged_file_of_the_first_version_is_taken_over_with_its_sources() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.db");
        create(&path).unwrap();
        let old = connect(&path).unwrap();
        old.execute_batch(&format!(
            "{}; PRAGMA application_id = 0x4d445352; PRAGMA user_version = 1;
             INSERT INTO delivery VALUES (1, '', 's', NULL, '', '[]', x'', 0, 0), (2, '', NULL, NULL, '', '[]', x'', 0, 0);
             INSERT INTO item (delivery, path, lane, state, since, not_before, bytes) VALUES
                 (1, '0', 'a', 'held', 0, 7, 600), (2, '0', 'a', 'parked', 0, 7, 600)",
            include_str!("1.sql")
        ))
        .unwrap();
        drop(old);
        salvage(&path, "x", Moment::from_millis(1000)).unwrap();
        let new = connect(&path).unwrap();
        let mut query =
            new.prepare("SELECT source, state, bytes FROM tally WHERE items > 0 ORDER BY 1").unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let rows: Vec<(String, String, i64)> = rows.map(Result::unwrap).collect();
        let want = [("", "parked", 600), ("s", "held", 600)];
        assert_eq!(rows, want.map(|(source, state, n)| (source.to_owned(), state.to_owned(), n)));
    }
}
