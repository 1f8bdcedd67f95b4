//! The row in which the worker says how MDSS stands.
//!
//! Its table is no part of the file's version: a relay that does not know it goes on with the file, and one that does makes it when it
//! has something to say. So nothing but what is shown may stand in it.

use rusqlite::{Connection, OptionalExtension, params};

use super::column::{bytes, number};
use crate::clock::Moment;
use crate::health::{Health, Noted};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS health (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    at   INTEGER NOT NULL,      -- when it was written
    said TEXT NOT NULL          -- JSON
) STRICT";

/// Writes it down, in place of what was said before.
pub(super) fn note(db: &Connection, health: &Health, now: Moment) -> rusqlite::Result<()> {
    // Numbers and texts are always JSON.
    let said = serde_json::to_string(health).unwrap_or_default();
    db.execute_batch(TABLE)?;
    let sql = "INSERT INTO health VALUES (1, ?1, ?2) ON CONFLICT DO UPDATE SET at = excluded.at, said = excluded.said";
    db.prepare_cached(sql)?.execute(params![now.as_millis(), said]).map(|_| ())
}

/// What was written last; `None` if no worker has said anything, or nothing that can be read.
pub(super) fn noted(db: &Connection) -> rusqlite::Result<Option<Noted>> {
    let exists = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'health'";
    if !db.prepare_cached(exists)?.exists([])? {
        return Ok(None);
    }
    let row = db
        .query_row("SELECT at, said FROM health", [], |row| Ok((number(row, 0)?, bytes(row, 1)?.to_vec())))
        .optional()?;
    Ok(row.and_then(|(at, said)| {
        let health = serde_json::from_slice(&said).ok()?;
        Some(Noted { health, at: Moment::from_millis(at) })
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::file;
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_the_file_keeps_its_version() {
        let (_dir, db) = file();
        let version = |db: &Connection| {
            db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap()
        };
        let before = version(&db);
        assert_eq!(noted(&db).unwrap(), None, "a file that an earlier relay has made");
        let at = Moment::from_millis(7);
        for since in [1, 2] {
            let health = Health { since: Some(Moment::from_millis(since)), ..Health::default() };
            note(&db, &health, at).unwrap();
            assert_eq!(noted(&db).unwrap(), Some(Noted { health, at }));
        }
        assert_eq!(version(&db), before);
        db.execute_batch("UPDATE health SET said = CAST(x'ff' AS TEXT)").unwrap();
        assert_eq!(noted(&db).unwrap(), None, "what cannot be read is not there");
    }
}
