//! What the unit tests of this folder share.

use rusqlite::Connection;

use super::connect::{FILE, connect, create, ours};
use super::schema::migrate;

/// A new file of today's version.
pub(super) fn file() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    create(&path).unwrap();
    let mut db = connect(&path).unwrap();
    migrate(&mut db).unwrap();
    ours(&db).unwrap();
    (dir, db)
}

/// Source, lane, state, reason, items and bytes.
pub(super) type Row = (String, String, String, String, i64, i64);

/// What the tally must say, counted.
pub(super) fn counted(db: &Connection) -> Vec<Row> {
    let sql = "SELECT source, lane, state, ifnull(reason, ''), count(*), sum(bytes) FROM item GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";
    rows(db, sql)
}

/// What it says.
pub(super) fn tally(db: &Connection) -> Vec<Row> {
    let sql = "SELECT source, lane, state, reason, items, bytes FROM tally WHERE items <> 0 OR bytes <> 0 ORDER BY 1, 2, 3, 4";
    rows(db, sql)
}

fn rows(db: &Connection, sql: &str) -> Vec<Row> {
    let mut query = db.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    };
    query.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// A statement that SQLite runs without making a table or a sorter for it, which takes longer than most statements that run for each event
/// (<https://www.sqlite.org/opcode.html>, OpenEphemeral).
pub(super) fn without_tables_of_its_own(db: &Connection, sql: &str) {
    let mut query = db.prepare(&format!("EXPLAIN {sql}")).unwrap();
    for at in 1..=query.parameter_count() {
        query.raw_bind_parameter(at, 0).unwrap();
    }
    let mut rows = query.raw_query();
    while let Some(row) = rows.next().unwrap() {
        let operation: String = row.get(1).unwrap();
        assert!(
            !operation.starts_with("OpenEphemeral") && !operation.starts_with("Sorter"),
            "{operation}: {sql}"
        );
    }
}
