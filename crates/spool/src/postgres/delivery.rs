//! A delivery as it is in its row: what is written, and what is read back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mdss_relay_core::{Delivery, Dialect};
use tokio_postgres::Row;

use super::failure::Fault;
use crate::clock::Moment;
use mdss_relay_postgres::Line;

/// CRC-32 of headers and body. Pages have checksums only where an operator wants them, and a flipped bit in a key would name another object.
pub(super) fn checksum(headers: &[u8], body: &[u8]) -> i64 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(headers);
    sum.update(&[0]);
    sum.update(body);
    i64::from(sum.finalize())
}

/// A mark as it is in the table: it may be longer than an entry of an index.
pub(super) fn mark(mark: &str) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, mark.as_bytes()).as_ref().to_vec()
}

/// A text that is only shown: PostgreSQL's has no U+0000, and a key from a stranger may.
pub(super) fn shown(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A delivery, read back.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) received: Moment,
    pub(super) age: Duration,
    /// As the adapter handed it over, without the headers that no dialect reads; or why it is no longer that.
    pub(super) delivery: Result<Delivery, String>,
    /// How many items wait for it still.
    pub(super) items: usize,
}

/// Why an item without its delivery cannot be used.
pub(super) fn lost(number: i64) -> String {
    format!(
        "delivery {number} of this item is missing; something other than the relay has changed the tables"
    )
}

/// Deliveries, by their numbers.
///
/// # Errors
/// If they cannot be read.
pub(super) async fn stored(line: &Line, ids: &[i64]) -> Result<Vec<(i64, Found)>, Fault> {
    let sql = "SELECT id, name, source, dialect, method, headers, body, received, checksum,
               extract(epoch FROM now() - received)::float8, (SELECT count(*) FROM mdss_relay.item WHERE item.delivery = delivery.id)
               FROM mdss_relay.delivery WHERE id = ANY ($1)";
    let rows = line.client.query_typed(sql, &[(&ids, tokio_postgres::types::Type::INT8_ARRAY)]).await?;
    let read = |row: &Row| {
        let id = row.try_get(0)?;
        Ok((id, found(id, row, 1)?))
    };
    rows.iter().map(read).collect()
}

/// Reads it from the columns name, source, dialect, method, headers, body, received, checksum, age and items, of which the first is column `at`.
///
/// # Errors
/// If they are not there, or of other types.
pub(super) fn found(id: i64, row: &Row, at: usize) -> Result<Found, tokio_postgres::Error> {
    let (headers, body): (&str, &[u8]) = (row.try_get(at + 4)?, row.try_get(at + 5)?);
    let delivery = if checksum(headers.as_bytes(), body) == row.try_get::<_, i64>(at + 7)? {
        delivery(row, at, headers, body)?
    } else {
        Err(format!(
            "delivery {id}: its checksum does not match; something other than the relay has changed the tables"
        ))
    };
    Ok(Found {
        received: moment(row.try_get(at + 6)?),
        age: seconds(row.try_get(at + 8)?),
        delivery,
        items: usize::try_from(row.try_get::<_, i64>(at + 9)?).unwrap_or(0),
    })
}

fn delivery(
    row: &Row,
    at: usize,
    headers: &str,
    body: &[u8],
) -> Result<Result<Delivery, String>, tokio_postgres::Error> {
    let (id, source): (String, Option<String>) = (row.try_get(at)?, row.try_get(at + 1)?);
    let (dialect, method): (Option<&str>, String) = (row.try_get(at + 2)?, row.try_get(at + 3)?);
    let parsed = || {
        let dialect = dialect.map(str::parse::<Dialect>).transpose();
        let dialect =
            dialect.map_err(|expected| format!("the dialect of the stored delivery: expected {expected}"))?;
        let headers = serde_json::from_str(headers)
            .map_err(|e| format!("the headers of the stored delivery: expected a list of pairs: {e}"))?;
        Ok(Delivery { source, dialect, method, headers, body: body.to_vec(), id })
    };
    Ok(parsed())
}

/// A time of the database, as everybody else has it.
pub(super) fn moment(time: SystemTime) -> Moment {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A duration that the database has counted; never a negative one.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default()
}
