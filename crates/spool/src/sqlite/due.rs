//! Making items due, and the lanes that they wait in.

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::column::{Cell, numbers};
use crate::clock::Moment;
use crate::item::ItemId;

/// The first lane that has anything to be tried, and the one behind another.
const FIRST: &str = "SELECT min(lane) FROM item WHERE state <> 'parked'";
const NEXT: &str = "SELECT min(lane) FROM item WHERE state <> 'parked' AND lane > ?1";

/// Lanes that have anything to be tried. Asked of the index that finds their items, a step a lane: a lane that the tally had lost would
/// stand still, and nothing would say so.
pub(super) fn lanes(db: &Connection) -> rusqlite::Result<Vec<Cell>> {
    let mut lanes = Vec::new();
    let mut next = db.prepare_cached(FIRST)?.query_row([], |row| Cell::read(row, 0))?;
    while !matches!(next, Cell::Other(Value::Null)) {
        let behind = db.prepare_cached(NEXT)?.query_row([&next], |row| Cell::read(row, 0))?;
        lanes.push(std::mem::replace(&mut next, behind));
    }
    Ok(lanes)
}

/// Makes items due that are put off, of all lanes or of one, but not those that are to be spared; at most `most`. Gives how many.
pub(super) fn release(
    db: &Connection,
    lane: Option<&str>,
    spared: &[ItemId],
    now: Moment,
    most: usize,
) -> rusqlite::Result<usize> {
    let spared = numbers(&spared.iter().map(|id| id.get()).collect::<Vec<_>>());
    let mut released = 0;
    for of in lanes(db)? {
        if lane.is_none_or(|lane| of.shown() == lane) {
            let sql = "UPDATE item SET not_before = ?2 WHERE id IN (SELECT id FROM item
                       WHERE lane = ?1 AND state <> 'parked' AND not_before > ?2
                       AND id NOT IN (SELECT value FROM json_each(?3)) LIMIT ?4)";
            let row = params![of, now.as_millis(), spared, (most - released) as i64];
            released += db.prepare_cached(sql)?.execute(row)?;
        }
    }
    Ok(released)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, without_tables_of_its_own};
    use super::*;

    #[test]
    fn every_lane_with_something_to_try_is_found_by_the_index() {
        let (_dir, db) = file();
        assert!(lanes(&db).unwrap().is_empty());
        // A lane may be anything, also what no relay has written.
        db.execute_batch(
            "INSERT INTO delivery VALUES (1, '', NULL, NULL, '', '[]', x'', 0, 0);
             INSERT INTO item (delivery, path, lane, state, since, not_before, bytes)
             SELECT 1, '0', lane, state, 0, 0, 0 FROM (SELECT 'waiting' AS state UNION ALL SELECT 'held' UNION ALL SELECT 'parked'),
             (SELECT 'b' AS lane UNION ALL SELECT '' UNION ALL SELECT 'a' UNION ALL SELECT CAST(x'ff' AS TEXT));
             INSERT INTO item (delivery, path, lane, state, since, not_before, bytes) VALUES (1, '0', 'parked alone', 'parked', 0, 0, 0)",
        )
        .unwrap();
        let found: Vec<_> = lanes(&db).unwrap().iter().map(Cell::shown).collect();
        assert_eq!(found, ["", "a", "b", "\u{fffd}"]);
        for sql in [FIRST, NEXT] {
            without_tables_of_its_own(&db, sql);
            let plan: String = db
                .query_row(
                    &format!("EXPLAIN QUERY PLAN {sql}"),
                    rusqlite::params_from_iter((sql == NEXT).then_some("a")),
                    |row| row.get(3),
                )
                .unwrap();
            assert!(plan.contains("INDEX"), "{plan}");
        }
    }
}
