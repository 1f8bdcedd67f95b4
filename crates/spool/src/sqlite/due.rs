//! Making items due, and the lanes that they wait in.

use rusqlite::{Connection, params};

use super::column::Cell;
use crate::clock::Moment;

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

/// Makes held items due, of all lanes or of one, at most `most`; gives how many.
pub(super) fn release(
    db: &Connection,
    lane: Option<&str>,
    now: Moment,
    most: usize,
) -> rusqlite::Result<usize> {
    let sql = "UPDATE item SET not_before = ?1 WHERE id IN (SELECT id FROM item
               WHERE state = 'held' AND not_before > ?1 AND (?2 IS NULL OR lane = ?2) LIMIT ?3)";
    db.prepare_cached(sql)?.execute(params![now.as_millis(), lane, most as i64])
}

/// Makes due what would wait longer than anything ever does: the clock was ahead when it was written down. At most `most`;
/// gives how many.
pub(super) fn mend(db: &Connection, beyond: Moment, now: Moment, most: usize) -> rusqlite::Result<usize> {
    let mut mended = 0;
    for lane in lanes(db)? {
        let sql = "UPDATE item SET not_before = ?3 WHERE id IN (SELECT id FROM item
                   WHERE lane = ?1 AND state <> 'parked' AND not_before > ?2 LIMIT ?4)";
        let row = params![lane, beyond.as_millis(), now.as_millis(), (most - mended) as i64];
        mended += db.prepare_cached(sql)?.execute(row)?;
    }
    Ok(mended)
}
