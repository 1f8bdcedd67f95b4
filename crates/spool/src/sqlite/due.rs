//! Making items due, and the lanes that they wait in.

use rusqlite::{Connection, params};

use super::column::{Cell, numbers};
use crate::clock::Moment;
use crate::item::ItemId;

/// Lanes that have anything to be tried. Asked of the index that finds their items, a step a lane: a lane that the tally had lost would
/// stand still, and nothing would say so.
pub(super) fn lanes(db: &Connection) -> rusqlite::Result<Vec<Cell>> {
    let sql = "WITH RECURSIVE found (lane) AS (
                   SELECT min(lane) FROM item WHERE state <> 'parked'
                   UNION ALL
                   SELECT (SELECT min(lane) FROM item WHERE state <> 'parked' AND lane > found.lane)
                   FROM found WHERE lane IS NOT NULL
               )
               SELECT lane FROM found WHERE lane IS NOT NULL";
    db.prepare_cached(sql)?.query_map([], |row| Cell::read(row, 0))?.collect()
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
