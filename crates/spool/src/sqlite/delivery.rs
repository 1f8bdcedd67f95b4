//! A delivery as it is in the file: what is written, and what is read back, whatever has become of it.

use mdss_relay_core::{Delivery, Dialect};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::column::{bytes, exact, number, shown};
use super::turn::Turn;
use crate::clock::Moment;
use crate::intake::Intake;
use crate::item::ItemId;

/// CRC-32 of headers and body. SQLite's pages have no checksums, and a flipped bit in a key would name another object.
fn checksum(headers: &[u8], body: &[u8]) -> i64 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(headers);
    sum.update(&[0]);
    sum.update(body);
    i64::from(sum.finalize())
}

/// Writes a delivery; gives its number.
pub(super) fn insert(turn: &Turn<'_>, intake: &Intake, received: Moment) -> rusqlite::Result<i64> {
    let row = params![
        intake.name,
        intake.source,
        intake.dialect,
        intake.method,
        intake.headers,
        intake.body,
        received.as_millis(),
        checksum(intake.headers.as_bytes(), &intake.body),
    ];
    turn.statements.delivery.with(turn.db, |delivery| delivery.insert(row))
}

/// A delivery, read back.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) received: Moment,
    /// As the adapter handed it over, without the headers that no dialect reads; or why it is no longer that.
    pub(super) delivery: Result<Delivery, String>,
    /// How many items wait for it still, if it had several.
    pub(super) items: usize,
}

/// Why an item without its delivery cannot be used.
pub(super) fn lost(number: i64) -> String {
    format!("delivery {number} of this item is missing; something other than the relay has changed the file")
}

/// A delivery, by its number.
pub(super) fn stored(db: &Connection, id: i64) -> rusqlite::Result<Option<Found>> {
    let sql = "SELECT name, source, dialect, method, headers, body, received, checksum,
               (SELECT count(*) FROM item WHERE delivery = ?1 AND alone = 0) FROM delivery WHERE id = ?1";
    let read = |row: &Row<'_>| {
        let delivery = if checksum(bytes(row, 4)?, bytes(row, 5)?) == number(row, 7)? {
            delivery(row)?
        } else {
            Err(format!(
                "delivery {id}: its checksum does not match; something other than the relay has changed the file"
            ))
        };
        Ok(Found {
            received: Moment::from_millis(number(row, 6)?),
            delivery,
            items: usize::try_from(number(row, 8)?).unwrap_or(0),
        })
    };
    db.prepare_cached(sql)?.query_row([id], read).optional()
}

/// What the plan depends on must be as it was written; the name is for the log alone.
fn delivery(row: &Row<'_>) -> rusqlite::Result<Result<Delivery, String>> {
    let id = shown(row, 0)?;
    let source = exact(row, 1, "the source of the stored delivery")?;
    let dialect = exact(row, 2, "the dialect of the stored delivery")?;
    let method = exact(row, 3, "the method of the stored delivery")?;
    let (headers, body) = (bytes(row, 4)?, bytes(row, 5)?.to_vec());
    let parsed = || {
        let dialect = dialect?.map(|name| name.parse::<Dialect>()).transpose();
        let dialect =
            dialect.map_err(|expected| format!("the dialect of the stored delivery: expected {expected}"))?;
        let headers = serde_json::from_slice(headers)
            .map_err(|e| format!("the headers of the stored delivery: expected a list of pairs: {e}"))?;
        Ok(Delivery { source: source?, dialect, method: method?.unwrap_or_default(), headers, body, id })
    };
    Ok(parsed())
}

/// The delivery an item came in.
pub(super) fn of(db: &Connection, id: ItemId) -> rusqlite::Result<Option<Result<Delivery, String>>> {
    let sql = "SELECT delivery FROM item WHERE id = ?1";
    let found = db.prepare_cached(sql)?.query_row([id.get()], |row| number(row, 0)).optional()?;
    Ok(match found {
        Some(number) => Some(stored(db, number)?.map_or_else(|| Err(lost(number)), |stored| stored.delivery)),
        None => None,
    })
}
