//! An item leaves: its mark, if MDSS has accepted it, its place in the tally, and with the last item of a delivery the delivery.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params};

use super::accept::ROW_BYTES;
use super::column::{Cell, number};
use super::tally::kind;
use super::turn::Turn;
use crate::clock::Moment;
use crate::item::ItemId;

/// Deletes an item; if MDSS has accepted it, a repetition is one from here on. One that is gone meanwhile stays gone. Gives whether it was
/// there.
pub(super) fn leave(turn: &Turn<'_>, id: ItemId, accepted: Option<Moment>) -> rusqlite::Result<bool> {
    const OWN: i64 = ROW_BYTES as i64;
    let (db, statements) = (turn.db, &turn.statements);
    let gone = |row: &Row<'_>| {
        let size = number(row, 4)?;
        turn.tally.add(kind(row)?, -1, -size);
        Ok((size, number(row, 5)?, Cell::read(row, 6)?, number(row, 7)? == 1))
    };
    let gone = statements.counted.with(db, |counted| counted.query_row([id.get()], gone).optional())?;
    let Some((size, delivery, mark, alone)) = gone else { return Ok(false) };
    if let Some(now) = accepted
        && !matches!(mark, Cell::Other(Value::Null))
    {
        // In the same transaction as the deletion.
        statements.done.with(db, |done| done.execute(params![mark, now.as_millis()]))?;
    }
    statements.leaves.with(db, |leaves| leaves.execute([id.get()]))?;
    // Until the last has left, the whole body is there: the next one counts with it.
    let inherits = |row: &Row<'_>| {
        turn.tally.add(kind(row)?, 0, (size - OWN).max(0));
        number(row, 4)
    };
    let heir = match alone {
        true => None,
        false => statements.heir.with(db, |heir| heir.query_row([delivery], inherits).optional())?,
    };
    match heir {
        None => statements.ends.with(db, |ends| ends.execute([delivery]))?,
        Some(heir) if size > OWN => {
            let sql = "UPDATE item SET bytes = bytes + ?2 WHERE id = ?1";
            db.prepare_cached(sql)?.execute([heir, size - OWN])?
        }
        Some(_) => 0,
    };
    Ok(true)
}
