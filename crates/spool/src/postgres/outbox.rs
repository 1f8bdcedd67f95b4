//! The outbox in the database. Relays write into it side by side; one of them at a time takes from it, as long as it is heard of. Two that both
//! believe so for a moment hand in the same facts, which the ledger knows by their numbers.
//!
//! Nobody counts it with every fact, because all relays would wait for that one row. So how full it is is looked up by whoever feeds the
//! ledger, every few seconds, and in between each relay goes by what it has last seen: the limit is kept to within a few seconds' facts.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::delivery::{moment, seconds};
use super::failure::Fault;
use crate::outbox::{FULL, MOST_TAKEN_BYTES, OutboxRow, OutboxSize, ROW_BYTES};
use mdss_relay_postgres::{Line, Parameter};

/// None of this waits for a standby, as no settlement does: whoever waits holds the one row of `outbox_state`, and settlements would wait for that.
const LOCALLY: &str = "setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true))";

/// For how long a relay that was last heard of is the one that takes.
const HOLDS: &str = "10 seconds";

/// Statements that write facts of the items in `gone` or `off`: the parameters of their numbers and bodies stand in the places that are named.
/// With room they become rows; without, they are counted.
pub(super) fn put(from: &str, ids: usize, bodies: usize, has_room: bool) -> String {
    let facts = format!(
        "unnest(${ids}::int8[], ${bodies}::text[]) WITH ORDINALITY AS f (id, body, n) JOIN {from} ON {from}.id = f.id WHERE f.body IS NOT NULL"
    );
    if has_room {
        format!(", facts AS (INSERT INTO mdss_relay.outbox (body) SELECT f.body FROM {facts} ORDER BY f.n)")
    } else {
        format!(
            ", facts AS (UPDATE mdss_relay.outbox_state SET lost = outbox_state.lost + c.lost,
                 lost_from = CASE WHEN outbox_state.lost = 0 THEN now() ELSE outbox_state.lost_from END,
                 lost_to = now() FROM (SELECT count(*) AS lost FROM {facts}) c WHERE c.lost > 0)"
        )
    }
}

/// Keeps facts of what is parked from the beginning: of the items that are there.
///
/// # Errors
/// If that cannot be written.
pub(super) async fn parked(line: &Line, ids: &[i64], bodies: &[&str]) -> Result<(), Fault> {
    let sql = "INSERT INTO mdss_relay.outbox (body) SELECT f.body FROM unnest($1::int8[], $2::text[]) WITH ORDINALITY AS f (id, body, n)
               WHERE EXISTS (SELECT FROM mdss_relay.item WHERE item.id = f.id) ORDER BY f.n";
    line.client.execute_typed(sql, &[(&ids, Type::INT8_ARRAY), (&bodies, Type::TEXT_ARRAY)]).await?;
    Ok(())
}

/// Says whether somebody keeps a ledger, and how much may wait for it.
///
/// # Errors
/// If that cannot be written.
pub(super) async fn keep(line: &Line, room: Option<u64>) -> Result<(), Fault> {
    let room = room.map(|room| i64::try_from(room).unwrap_or(i64::MAX));
    let sql = format!(
        "WITH {LOCALLY} UPDATE mdss_relay.outbox_state SET room = $1 FROM setting WHERE room IS DISTINCT FROM $1"
    );
    line.client.execute_typed(&sql, &[(&room, Type::INT8)]).await?;
    Ok(())
}

/// The oldest facts, if no other relay takes them.
///
/// # Errors
/// If they cannot be read.
pub(super) async fn take(line: &Line, id: &str, most: usize) -> Result<Vec<OutboxRow>, Fault> {
    let sql = format!(
        "WITH {LOCALLY}, held AS (
            UPDATE mdss_relay.outbox_state SET holder = $1::text::uuid, until = clock_timestamp() + interval '{HOLDS}' FROM setting
            WHERE holder IS NULL OR holder = $1::text::uuid OR until < clock_timestamp() RETURNING one
         )
         SELECT id, at, body FROM (
            SELECT id, at, body, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before
            FROM (SELECT id, at, body FROM mdss_relay.outbox ORDER BY id LIMIT $2) AS oldest
         ) AS taken WHERE before <= $3 AND EXISTS (SELECT FROM held) ORDER BY id"
    );
    let (most, bytes) = (i64::try_from(most).unwrap_or(i64::MAX), MOST_TAKEN_BYTES as i64);
    let parameters: [Parameter<'_>; 3] = [(&id, Type::TEXT), (&most, Type::INT8), (&bytes, Type::INT8)];
    let rows = line.client.query_typed(&sql, &parameters).await?;
    let fact = |row: &tokio_postgres::Row| {
        let body: &str = row.try_get(2)?;
        Ok(OutboxRow { id: row.try_get(0)?, at: moment(row.try_get(1)?), body: body.as_bytes().to_vec() })
    };
    Ok(rows.iter().map(fact).collect::<Result<_, tokio_postgres::Error>>()?)
}

/// Deletes facts that the ledger has: by their numbers, because one in between may have been committed later.
///
/// # Errors
/// If that cannot be written.
pub(super) async fn delete(line: &Line, ids: &[i64]) -> Result<(), Fault> {
    let sql = format!("WITH {LOCALLY} DELETE FROM mdss_relay.outbox USING setting WHERE id = ANY ($1)");
    line.client.execute_typed(&sql, &[(&ids, Type::INT8_ARRAY)]).await?;
    Ok(())
}

/// What there was no room for becomes a fact itself, once there is room. Gives whether there is.
///
/// # Errors
/// If that cannot be written.
pub(super) async fn end_gap(line: &Line) -> Result<bool, Fault> {
    let size = size(line).await?;
    let has_room = size.has_room();
    if has_room && size.lost > 0 {
        let time = |column: &str| {
            format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
        };
        let sql = format!(
            "WITH {LOCALLY}, gap AS (SELECT lost, lost_from, lost_to FROM mdss_relay.outbox_state WHERE lost > 0 FOR UPDATE), told AS (
                INSERT INTO mdss_relay.outbox (body) SELECT json_build_object('timestamp', {}, 'kind', 'gap', 'mdss.gap.from', {}, 'mdss.gap.to', {},
                    'mdss.count', lost, 'mdss.reason', '{FULL}')::text FROM gap
             )
             UPDATE mdss_relay.outbox_state SET lost = 0 FROM setting WHERE EXISTS (SELECT FROM gap)",
            time("now()"),
            time("lost_from"),
            time("lost_to"),
        );
        line.client.execute_typed(&sql, &[]).await?;
    }
    Ok(has_room)
}

/// How much there is.
///
/// # Errors
/// If it cannot be read.
pub(super) async fn size(line: &Line) -> Result<OutboxSize, Fault> {
    let sql = "SELECT s.room, s.lost, o.rows, o.bytes, o.age FROM mdss_relay.outbox_state s,
               (SELECT count(*) AS rows, coalesce(sum(octet_length(body)), 0)::int8 AS bytes,
                       coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 AS age FROM mdss_relay.outbox) o";
    let row = line.client.query_typed_one(sql, &[]).await?;
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let rows = count(row.try_get(2)?);
    Ok(OutboxSize {
        limit: row.try_get::<_, Option<i64>>(0)?.map(count),
        rows,
        bytes: count(row.try_get(3)?) + rows * ROW_BYTES,
        age: seconds(row.try_get(4)?).max(Duration::ZERO),
        lost: count(row.try_get(1)?),
    })
}

/// Writes facts that come from another spool, unless they are there. They keep their numbers as far as they can, because a step may come again when the
/// ledger has its facts already, and the ledger knows them by their numbers. All are brought below zero, where no number of this database will ever be.
/// One whose number another fact has gets a new one.
///
/// # Errors
/// If that cannot be written.
pub(super) async fn adopt(line: &Line, facts: &[OutboxRow]) -> Result<(), Fault> {
    let below = |id: i64| if id < 0 { id } else { id + i64::MIN / 2 };
    let ids: Vec<i64> = facts.iter().map(|fact| below(fact.id)).collect();
    let times: Vec<i64> = facts.iter().map(|fact| fact.at.as_millis()).collect();
    let bodies: Vec<String> =
        facts.iter().map(|fact| String::from_utf8_lossy(&fact.body).replace('\0', "\u{fffd}")).collect();
    let sql = "WITH f AS (
                   SELECT f.id, to_timestamp(f.at / 1000.0) AS at, f.body FROM unnest($1::int8[], $2::int8[], $3::text[]) AS f (id, at, body)
               ), kept AS (
                   INSERT INTO mdss_relay.outbox (id, at, body) OVERRIDING SYSTEM VALUE SELECT f.id, f.at, f.body FROM f
                   ON CONFLICT DO NOTHING RETURNING id
               )
               INSERT INTO mdss_relay.outbox (at, body) SELECT f.at, f.body FROM f
               WHERE NOT EXISTS (SELECT FROM kept WHERE kept.id = f.id)
                 AND NOT EXISTS (SELECT FROM mdss_relay.outbox there WHERE there.at = f.at AND there.body = f.body) ORDER BY f.id";
    let parameters: [Parameter<'_>; 3] =
        [(&ids, Type::INT8_ARRAY), (&times, Type::INT8_ARRAY), (&bodies, Type::TEXT_ARRAY)];
    line.client.execute_typed(sql, &parameters).await?;
    Ok(())
}
