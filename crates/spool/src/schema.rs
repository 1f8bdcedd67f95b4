//! The file: its tables, how an older one becomes today's, and the words in it. The README explains it to people.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, TransactionBehavior};

use crate::trouble::{Trouble, TroubleKind};

/// The lane of items that no route takes, and of those that cannot be read. No storage unit has this id: they are UUIDs.
pub const LANE_UNROUTED: &str = "unrouted";

/// Marks the file as ours for `file(1)` and for us: "MDSR".
const APPLICATION_ID: i32 = 0x4d44_5352;

/// One step a version. A step is never changed once it has been released; a new one is added behind it.
const STEPS: &[&str] = &[include_str!("schema/1.sql")];

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// To be sent, now or at a time that is set.
    Waiting,
    /// An operator must act; tried again all the same, slowly.
    Held,
    /// Not tried again until somebody says so.
    Parked,
}

impl State {
    /// Every state.
    pub const ALL: &[Self] = &[Self::Waiting, Self::Held, Self::Parked];

    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Parked => "parked",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = String;

    /// # Errors
    /// The list of the words.
    fn from_str(word: &str) -> Result<Self, String> {
        let state = Self::ALL.iter().find(|state| state.name() == word);
        state.copied().ok_or_else(|| "one of waiting, held, parked".to_owned())
    }
}

/// Brings a file to today's version, in one transaction a step. An empty file is version 0; true if it was one.
pub(crate) fn migrate(db: &mut Connection) -> Result<bool, Trouble> {
    migrate_by(db, STEPS)
}

fn migrate_by(db: &mut Connection, steps: &[&str]) -> Result<bool, Trouble> {
    let trouble = |e: rusqlite::Error| Trouble::of(&e, "reading the spool's version");
    let found = version(db).map_err(trouble)?;
    if found.application == APPLICATION_ID && usize::try_from(found.version) == Ok(steps.len()) {
        return Ok(false);
    }
    let fresh = found.version == 0;
    loop {
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
        // Read again: another process may have been faster.
        let found = version(&change).map_err(trouble)?;
        let ours = found.application == APPLICATION_ID;
        let empty = found.version == 0 && found.application == 0 && found.tables == 0;
        if !ours && !empty {
            let detail = "the file is a database of some other program; expected a spool, or no file";
            return Err(Trouble::new(TroubleKind::Foreign, detail));
        }
        let Ok(version) = usize::try_from(found.version) else {
            return Err(Trouble::new(
                TroubleKind::Damaged,
                format!("the file has version {}", found.version),
            ));
        };
        if version > steps.len() {
            let detail = format!(
                "the spool has version {version}, and this relay knows versions up to {}; a later one has written it",
                steps.len()
            );
            return Err(Trouble::new(TroubleKind::Foreign, detail));
        }
        let Some(step) = steps.get(version) else { return Ok(fresh) };
        let mend = |e: rusqlite::Error| Trouble::of(&e, "bringing the spool to a new version");
        change.execute_batch(step).map_err(mend)?;
        change.pragma_update(None, "application_id", APPLICATION_ID).map_err(mend)?;
        change.pragma_update(None, "user_version", version as i64 + 1).map_err(mend)?;
        change.commit().map_err(mend)?;
        if version > 0 {
            tracing::info!(from = version, to = version + 1, "the spool was brought to a new version");
        }
    }
}

struct Found {
    application: i32,
    version: i64,
    tables: i64,
}

fn version(db: &Connection) -> rusqlite::Result<Found> {
    Ok(Found {
        application: db.pragma_query_value(None, "application_id", |row| row.get(0))?,
        version: db.pragma_query_value(None, "user_version", |row| row.get(0))?,
        tables: db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[&str] = &["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y DEFAULT 7"];

    fn file() -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let db = Connection::open(dir.path().join("spool.db")).unwrap();
        (dir, db)
    }

    #[test]
    fn every_version_becomes_todays_and_keeps_its_rows() {
        for begin in 0..=2 {
            let (_dir, mut db) = file();
            migrate_by(&mut db, &TWO[..begin]).unwrap();
            if begin > 0 {
                db.execute("INSERT INTO a (x) VALUES (1)", []).unwrap();
            }
            migrate_by(&mut db, TWO).unwrap();
            migrate_by(&mut db, TWO).unwrap();
            assert_eq!(version(&db).unwrap().version, 2, "from {begin}");
            let rows: i64 = db.query_row("SELECT count(*) FROM a WHERE y = 7", [], |r| r.get(0)).unwrap();
            assert_eq!(rows, i64::from(begin > 0), "from {begin}");
        }
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let (_dir, mut db) = file();
        let steps = &[TWO[0], "CREATE TABLE b (x); CREATE TABLE a (x)"];
        assert_eq!(migrate_by(&mut db, steps).unwrap_err().kind, TroubleKind::Internal);
        let found = version(&db).unwrap();
        assert_eq!((found.version, found.tables), (1, 1));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for (what, sql) in [
            ("some other database", "CREATE TABLE theirs (x)"),
            ("another application", "PRAGMA application_id = 7"),
            ("another application's version", "PRAGMA user_version = 1"),
            ("a later version", "PRAGMA application_id = 0x4d445352; PRAGMA user_version = 99"),
        ] {
            let (_dir, mut db) = file();
            db.execute_batch(sql).unwrap();
            let before = version(&db).unwrap().tables;
            let trouble = migrate(&mut db).unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::Foreign, "{what}: {trouble}");
            assert_eq!(version(&db).unwrap().tables, before, "{what}");
        }
    }
}
