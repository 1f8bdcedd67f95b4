//! What an operator sees of the items, and what an operator changes.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::delivery::{lost, moment, stored};
use super::failure::Fault;
use super::room::{number, state};
use super::slot::Held;
use crate::clock::{Clock as _, SystemClock};
use crate::fact::ByHand;
use crate::item::ItemId;
use crate::stock::{Batch, Entry, Filter, Shown};
use mdss_relay_postgres::{Line, Parameter};

/// Items that one step of a bulk change has at most: no relay waits for long.
const BATCH: usize = 500;

const ENTRY: &str = "SELECT item.id, item.state, item.lane, item.bucket, item.key, item.attempts, item.reason, item.detail, coalesce(delivery.received, item.since),
    item.not_before, delivery.source, coalesce(delivery.name, ''), item.path, item.bytes, coalesce(item.leased > now(), false), item.delivery
    FROM mdss_relay.item LEFT JOIN mdss_relay.delivery ON delivery.id = item.delivery WHERE item.id > $1";

/// One item, and whether a relay has it under way.
struct Listed {
    entry: Entry,
    busy: bool,
    delivery: i64,
}

/// The items that fit, by number, behind `after`, at most `most`.
///
/// # Errors
/// If they cannot be read.
pub(super) async fn list(
    line: &Line,
    filter: &Filter,
    after: Option<ItemId>,
    most: usize,
) -> Result<Vec<Entry>, Fault> {
    Ok(listed(line, filter, after, most).await?.into_iter().map(|listed| listed.entry).collect())
}

async fn listed(
    line: &Line,
    filter: &Filter,
    after: Option<ItemId>,
    most: usize,
) -> Result<Vec<Listed>, Fault> {
    let (after, most) = (after.map_or(0, ItemId::get), i64::try_from(most).unwrap_or(i64::MAX));
    let stands = filter.state.map(number);
    let before = filter.received_before.map(|moment| moment.as_millis());
    let ids: Vec<i64> = filter.ids.iter().map(|id| id.get()).collect();
    let mut sql = ENTRY.to_owned();
    let mut parameters: Vec<Parameter<'_>> = vec![(&after, Type::INT8)];
    let texts = [("lane", &filter.lane), ("bucket", &filter.bucket), ("reason", &filter.reason)];
    for (column, value) in texts.iter().filter_map(|(column, value)| value.as_ref().map(|v| (column, v))) {
        parameters.push((value, Type::TEXT));
        sql += &format!(" AND item.{column} = ${}", parameters.len());
    }
    if let Some(stands) = &stands {
        parameters.push((stands, Type::INT2));
        sql += &format!(" AND item.state = ${}", parameters.len());
    }
    if let Some(before) = &before {
        parameters.push((before, Type::INT8));
        // To the millisecond, as it is shown.
        sql += &format!(
            " AND floor(extract(epoch FROM coalesce(delivery.received, item.since)) * 1000)::int8 <= ${}",
            parameters.len()
        );
    }
    if !ids.is_empty() {
        parameters.push((&ids, Type::INT8_ARRAY));
        sql += &format!(" AND item.id = ANY (${})", parameters.len());
    }
    parameters.push((&most, Type::INT8));
    sql += &format!(" ORDER BY item.id LIMIT ${}", parameters.len());
    let rows = line.client.query_typed(&sql, &parameters).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

fn read(row: &Row) -> Result<Listed, tokio_postgres::Error> {
    let path: &[u8] = row.try_get(12)?;
    let entry = Entry {
        id: ItemId::new(row.try_get(0)?),
        state: state(row.try_get(1)?),
        lane: row.try_get(2)?,
        bucket: row.try_get(3)?,
        key: row.try_get(4)?,
        attempts: u32::try_from(row.try_get::<_, i32>(5)?).unwrap_or(0),
        reason: row.try_get(6)?,
        detail: row.try_get(7)?,
        received: moment(row.try_get(8)?),
        not_before: moment(row.try_get(9)?),
        source: row.try_get(10)?,
        name: row.try_get(11)?,
        path: String::from_utf8_lossy(path).into_owned(),
        bytes: u64::try_from(row.try_get::<_, i64>(13)?).unwrap_or(0),
    };
    Ok(Listed { entry, busy: row.try_get(14)?, delivery: row.try_get(15)? })
}

/// One item and the delivery it came in; `None` if there is no such item.
///
/// # Errors
/// If it cannot be read.
pub(super) async fn show(line: &Line, id: ItemId) -> Result<Option<Shown>, Fault> {
    let filter = Filter { ids: vec![id], ..Filter::default() };
    let Some(found) = listed(line, &filter, None, 1).await?.pop() else { return Ok(None) };
    let delivery = stored(line, &[found.delivery]).await?.pop();
    let delivery = delivery.map_or_else(|| Err(lost(found.delivery)), |(_, stored)| stored.delivery);
    Ok(Some(Shown { entry: found.entry, delivery }))
}

/// What a bulk change does to each of its items.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// It is due, whatever its state; its age counts from here. What a relay has under way is left alone.
    Retry,
    /// It is deleted, if it is still in the state in which it was found. What a relay has under way may be accepted all the same.
    Purge,
}

const RETRY: &str = "
WITH ours AS MATERIALIZED (
    SELECT id FROM mdss_relay.item WHERE id = ANY ($1) AND coalesce(leased <= now(), true) ORDER BY id FOR UPDATE
), due AS (
UPDATE mdss_relay.item SET state = 0, not_before = now(), since = now(), claim = NULL, leased = NULL WHERE id = ANY (ARRAY(SELECT id FROM ours)) RETURNING id
), told AS (
    INSERT INTO mdss_relay.outbox (body) SELECT $2 || n || $3 FROM (SELECT count(*) AS n FROM due) c, mdss_relay.outbox_state s WHERE n > 0 AND s.room IS NOT NULL
)
SELECT id FROM due";

const PURGE: &str = "
WITH ours AS MATERIALIZED (
    SELECT item.id FROM unnest($1::int8[], $4::int2[], $5::text[]) AS u (id, state, reason)
    JOIN mdss_relay.item ON item.id = u.id AND item.state = u.state AND item.reason IS NOT DISTINCT FROM u.reason
    ORDER BY item.id FOR UPDATE OF item
), gone AS (
    DELETE FROM mdss_relay.item WHERE id = ANY (ARRAY(SELECT id FROM ours)) RETURNING id, delivery, bytes
), heirs AS (
    UPDATE mdss_relay.item SET bytes = item.bytes + h.freed FROM (
        SELECT min(i.id) AS id, g.freed FROM (SELECT delivery, (sum(bytes) - 512 * count(*))::int8 AS freed FROM gone GROUP BY 1) g
        JOIN mdss_relay.item i ON i.delivery = g.delivery WHERE i.id <> ALL (ARRAY(SELECT id FROM gone)) GROUP BY g.delivery, g.freed) h
    WHERE item.id = h.id
), told AS (
    INSERT INTO mdss_relay.outbox (body) SELECT $2 || n || $3 FROM (SELECT count(*) AS n FROM gone) c, mdss_relay.outbox_state s WHERE n > 0 AND s.room IS NOT NULL
)
SELECT id FROM gone";

const LOCK: &str = "SELECT FROM mdss_relay.delivery WHERE id = ANY ($1) AND items > 1 ORDER BY id FOR UPDATE";

const EMPTIED: &str = "
DELETE FROM mdss_relay.delivery WHERE id = ANY ($1) AND NOT EXISTS (SELECT FROM mdss_relay.item WHERE item.delivery = delivery.id)";

/// One step of a bulk change, from behind `after` on.
///
/// # Errors
/// If nothing of it was done, or that is not known.
pub(super) async fn change(
    held: &mut Held<'_>,
    filter: &Filter,
    after: Option<ItemId>,
    change: Change,
    hand: &ByHand,
) -> Result<Batch, Fault> {
    let (before, behind) = hand.around_the_count(SystemClock.now());
    held.ask(async |line| {
        let listed = listed(line, filter, after, BATCH).await?;
        let next = listed.last().filter(|_| listed.len() == BATCH).map(|listed| listed.entry.id);
        let ids: Vec<i64> = listed.iter().map(|listed| listed.entry.id.get()).collect();
        let deliveries: Vec<i64> = listed.iter().map(|listed| listed.delivery).collect();
        let changed = match change {
            Change::Retry => {
                let parameters: [Parameter<'_>; 3] =
                    [(&ids, Type::INT8_ARRAY), (&before, Type::TEXT), (&behind, Type::TEXT)];
                line.client.query_typed(RETRY, &parameters).await?
            }
            Change::Purge => purge(line, &listed, &deliveries, &before, &behind).await?,
        };
        let changed: Vec<i64> = changed.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let changed = |listed: &Listed| changed.contains(&listed.entry.id.get());
        let (done, left): (Vec<_>, Vec<_>) = listed.into_iter().partition(changed);
        // The others have gone meanwhile.
        let busy = left.into_iter().filter(|listed| listed.busy).map(|listed| listed.entry).collect();
        Ok(Batch { entries: done.into_iter().map(|listed| listed.entry).collect(), busy, next })
    })
    .await
}

async fn purge(
    line: &Line,
    listed: &[Listed],
    deliveries: &[i64],
    before: &str,
    behind: &str,
) -> Result<Vec<Row>, Fault> {
    let ids: Vec<i64> = listed.iter().map(|listed| listed.entry.id.get()).collect();
    let states: Vec<i16> = listed.iter().map(|listed| number(listed.entry.state)).collect();
    let reasons: Vec<Option<&str>> = listed.iter().map(|listed| listed.entry.reason.as_deref()).collect();
    let ids: [Parameter<'_>; 5] = [
        (&ids, Type::INT8_ARRAY),
        (&before, Type::TEXT),
        (&behind, Type::TEXT),
        (&states, Type::INT2_ARRAY),
        (&reasons, Type::TEXT_ARRAY),
    ];
    let deliveries: [Parameter<'_>; 1] = [(&deliveries, Type::INT8_ARRAY)];
    let nothing: &[Parameter<'_>] = &[];
    let statements =
        [("BEGIN", nothing), (LOCK, &deliveries), (PURGE, &ids), (EMPTIED, &deliveries), ("COMMIT", nothing)];
    let asked = statements.iter().map(|(sql, parameters)| line.client.query_typed(sql, parameters));
    let mut answers = futures_util::future::try_join_all(asked).await?;
    Ok(answers.swap_remove(2))
}
