//! The tables of the file, and how an older file becomes today's. The README explains it to people.

use mdss_relay_core::fields;
use rusqlite::{Connection, TransactionBehavior};

use super::trouble::trouble;
use crate::trouble::{Trouble, TroubleKind};

/// Marks the file as ours for `file(1)` and for us: "MDSR".
pub(super) const APPLICATION_ID: i32 = 0x4d44_5352;

/// One step a version. A step is never changed once it has been released; a new one is added behind it.
const STEPS: &[&str] = &[
    include_str!("1.sql"),
    include_str!("2.sql"),
    include_str!("3.sql"),
    include_str!("4.sql"),
    include_str!("5.sql"),
];

/// The version that this program writes, and brings older ones to.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// Brings a file to today's version, in one transaction a step. An empty file is version 0; true if it was one.
pub(super) fn migrate(db: &mut Connection) -> Result<bool, Trouble> {
    migrate_by(db, STEPS)
}

fn migrate_by(db: &mut Connection, steps: &[&str]) -> Result<bool, Trouble> {
    let reading = |e: rusqlite::Error| trouble(&e, "reading the spool's version");
    let found = version(db).map_err(reading)?;
    if found.application == APPLICATION_ID && usize::try_from(found.version) == Ok(steps.len()) {
        return Ok(false);
    }
    let fresh = found.version == 0;
    loop {
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(reading)?;
        // Read again: another process may have been faster.
        let found = version(&change).map_err(reading)?;
        let ours = found.application == APPLICATION_ID;
        let empty = found.version == 0 && found.application == 0 && found.tables == 0;
        if !ours && !empty {
            let detail = "the file is a database of another program; expected a spool, or no file";
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
                "the spool has version {version}, written by a later relay; this relay reads versions up to {}",
                steps.len()
            );
            return Err(Trouble::new(TroubleKind::Foreign, detail));
        }
        let Some(step) = steps.get(version) else { return Ok(fresh) };
        let mend = |e: rusqlite::Error| trouble(&e, "upgrading the tables of the spool");
        change.execute_batch(step).map_err(mend)?;
        change.pragma_update(None, "application_id", APPLICATION_ID).map_err(mend)?;
        change.pragma_update(None, "user_version", version as i64 + 1).map_err(mend)?;
        change.commit().map_err(mend)?;
        // A new file has nothing to upgrade.
        if !fresh {
            tracing::info!(
                { fields::FROM } = version,
                { fields::TO } = version + 1,
                "the tables of the spool were upgraded"
            );
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
    use super::super::testing::{counted, tally};
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

    /// A spool as the first version has left it: of a batch of three two have gone, of another one none, and one delivery was deleted by hand.
    #[test]
    fn a_file_of_the_first_version_gets_its_sources_and_counts_what_its_items_keep() {
        let (_dir, mut db) = file();
        migrate_by(&mut db, &STEPS[..1]).unwrap();
        db.execute_batch(
            "INSERT INTO delivery VALUES (1, 'm-1', 'm', NULL, '', '[]', zeroblob(2998), 0, 0), (2, 'n-1', 'n', NULL, '', '[]', zeroblob(998), 0, 0),
                                         (3, 'x', NULL, NULL, '', '[]', zeroblob(98), 0, 0), (4, 'y', 'y', NULL, '', '[]', x'', 0, 0);
             INSERT INTO item (delivery, path, lane, state, since, not_before, reason, bytes) VALUES
                 (1, '0', 'a', 'waiting', 0, 0, NULL, 1512), (1, '1', 'b', 'waiting', 0, 0, NULL, 1512), (1, '2', 'a', 'waiting', 0, 0, 'r', 1512),
                 (2, '0', 'unrouted', 'held', 0, 0, 'unmapped_bucket', 1512), (3, '0', 'a', 'parked', 0, 0, 'z', 612), (4, '0', 'a', 'waiting', 0, 0, NULL, 512);
             DELETE FROM item WHERE id IN (1, 3);
             PRAGMA foreign_keys = off; DELETE FROM delivery WHERE id = 4",
        )
        .unwrap();
        assert!(!migrate(&mut db).unwrap(), "it is not taken for a new one");
        let want = [
            ("", "a", "parked", "z", 1, 612),
            ("", "a", "waiting", "", 1, 512),
            ("m", "b", "waiting", "", 1, 3512),
            ("n", "unrouted", "held", "unmapped_bucket", 1, 1512),
        ];
        let want =
            want.map(|(s, l, t, r, n, b)| (s.to_owned(), l.to_owned(), t.to_owned(), r.to_owned(), n, b));
        assert_eq!(tally(&db), want);
        assert_eq!(tally(&db), counted(&db));
        let seen: i64 =
            db.query_row("SELECT count(*) FROM items WHERE source IN ('m', 'n')", [], |r| r.get(0)).unwrap();
        assert_eq!(seen, 2);
    }

    #[test]
    fn who_stays_has_the_bytes_of_those_that_have_left() {
        let (_dir, mut db) = file();
        migrate(&mut db).unwrap();
        db.execute_batch(
            "INSERT INTO delivery VALUES (1, 'm-1', 'm', NULL, '', '[]', zeroblob(2998), 0, 0);
             INSERT INTO item (delivery, path, lane, state, since, not_before, bytes, source) VALUES
                 (1, '0', 'a', 'waiting', 0, 0, 1512, 'm'), (1, '1', 'b', 'waiting', 0, 0, 1512, 'm'), (1, '2', 'a', 'waiting', 0, 0, 1512, 'm')",
        )
        .unwrap();
        for (sql, items, bytes) in [
            ("DELETE FROM item WHERE id = 1", 2, 4024),
            ("UPDATE item SET state = 'held', reason = 'r' WHERE id = 3", 2, 4024),
            ("UPDATE item SET lane = 'c' WHERE id = 2", 2, 4024),
            ("DELETE FROM item WHERE id IN (SELECT value FROM json_each('[2]'))", 1, 3512),
            ("DELETE FROM item WHERE id = 3", 0, 0),
        ] {
            db.execute(sql, []).unwrap();
            let sum = tally(&db).iter().fold((0, 0), |sum, row| (sum.0 + row.4, sum.1 + row.5));
            assert_eq!(sum, (items, bytes), "{sql}");
            assert_eq!(tally(&db), counted(&db), "{sql}");
        }
        let deliveries: i64 = db.query_row("SELECT count(*) FROM delivery", [], |r| r.get(0)).unwrap();
        assert_eq!(deliveries, 0);
    }

    #[test]
    fn a_delivery_goes_with_an_item_that_is_alone() {
        let (_dir, mut db) = file();
        migrate(&mut db).unwrap();
        db.execute_batch(
            "INSERT INTO delivery VALUES (1, 'm-1', 'm', NULL, '', '[]', zeroblob(998), 0, 0), (2, 'm-2', 'm', NULL, '', '[]', zeroblob(998), 0, 0);
             INSERT INTO item (delivery, path, lane, state, since, not_before, bytes, source, alone) VALUES
                 (1, '0', 'a', 'waiting', 0, 0, 1512, 'm', 1), (2, '0', 'a', 'waiting', 0, 0, 1512, 'm', 1);
             DELETE FROM item WHERE id = 1",
        )
        .unwrap();
        let left: i64 = db.query_row("SELECT sum(id) FROM delivery", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 2);
        assert_eq!(tally(&db), counted(&db));
        let index =
            "SELECT count(*) FROM pragma_index_list('item') WHERE name = 'item_delivery' AND partial = 1";
        assert_eq!(db.query_row(index, [], |row| row.get::<_, i64>(0)), Ok(1));
    }
}
