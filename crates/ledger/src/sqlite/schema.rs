//! Makes the tables, and refuses what is not ours.

use rusqlite::{Connection, TransactionBehavior};

use crate::db::trouble;
use crate::trouble::{Trouble, TroubleKind};

/// `MDSL`, so that no other program's file is taken for ours (<https://www.sqlite.org/pragma.html#pragma_application_id>).
pub(super) const APPLICATION_ID: i32 = 0x4d44_534c;

/// One step a version. A step is never changed once it was released.
const STEPS: &[&str] = &[include_str!("1.sql"), include_str!("2.sql"), include_str!("3.sql")];

/// The version that this program writes.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// Brings a file to today's version.
///
/// # Errors
/// [`TroubleKind::Foreign`] for another program's file or a later version; it is not touched.
pub(super) fn migrate(db: &mut Connection) -> Result<(), Trouble> {
    let opening = |e: rusqlite::Error| trouble(&e, "opening the ledger");
    // Before anything is written.
    check(db)?;
    // Of a file, so it is set once; every process then uses it.
    let mode: String =
        db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(opening)?;
    if mode != "wal" {
        let detail = format!("the file system gives no write-ahead log: journal_mode is {mode}");
        return Err(Trouble::new(TroubleKind::Unwritable, detail));
    }
    let mut changed = false;
    loop {
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(opening)?;
        let version = check(&change)?;
        let Some(step) = usize::try_from(version).ok().and_then(|version| STEPS.get(version)) else {
            break;
        };
        let make = |e: rusqlite::Error| trouble(&e, "making the tables of the ledger");
        change.execute_batch(step).map_err(make)?;
        change.pragma_update(None, "application_id", APPLICATION_ID).map_err(make)?;
        change.pragma_update(None, "user_version", version + 1).map_err(make)?;
        change.commit().map_err(make)?;
        changed = true;
    }
    if changed {
        // The first page says whose the file is, also to whoever does not open it. If somebody reads just now, the log has it.
        let _ = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    }
    Ok(())
}

/// The version of a file that is ours; 0 if it is empty.
pub(super) fn check(db: &Connection) -> Result<i64, Trouble> {
    let looking = |e: rusqlite::Error| trouble(&e, "opening the ledger");
    let application: i32 =
        db.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(looking)?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(looking)?;
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(looking)?;
    let foreign = |detail: String| Err(Trouble::new(TroubleKind::Foreign, detail));
    match (application, version, tables) {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, 1.., _) if version <= NEWEST => Ok(version),
        (APPLICATION_ID, _, _) if version > NEWEST => foreign(format!(
            "the ledger has version {version}, written by a later relay; this one reads versions up to {NEWEST}"
        )),
        (APPLICATION_ID, _, _) => {
            Err(Trouble::new(TroubleKind::Damaged, format!("the ledger has version {version}")))
        }
        _ => foreign(format!("the file is no ledger: its application id is {application:#x}")),
    }
}
