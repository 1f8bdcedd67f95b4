//! The lanes that items wait in, and making items due.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::delivery::seconds;
use super::failure::Fault;
use crate::item::ItemId;
use mdss_relay_postgres::{Line, Parameter};

/// How long an item is held by whoever asks for no time of its own.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// A lane that has anything to be tried.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    /// After what time the next item that nobody holds comes due.
    pub(super) next: Option<Duration>,
}

/// Lanes that have anything to be tried, a step of the index a lane.
///
/// # Errors
/// If they cannot be read.
pub(super) async fn lanes(line: &Line) -> Result<Vec<Lane>, Fault> {
    // In the database (`7.sql`), so that a session keeps its plan.
    let rows = line.client.query_typed("SELECT lane_name, next FROM mdss_relay.lanes()", &[]).await?;
    let lane = |row: &tokio_postgres::Row| {
        let next: Option<f64> = row.try_get(1)?;
        Ok(Lane { name: row.try_get(0)?, next: next.map(seconds) })
    };
    rows.iter().map(lane).collect()
}

/// Makes items due that are put off, of all lanes or of one, but not those that are to be spared nor those that somebody holds; at most `most`.
/// Gives how many.
///
/// # Errors
/// If nothing of it was done.
pub(super) async fn release(
    line: &Line,
    lane: Option<&str>,
    spared: &[ItemId],
    most: usize,
) -> Result<usize, Fault> {
    let lanes: Vec<String> = match lane {
        Some(lane) => vec![lane.to_owned()],
        None => lanes(line).await?.into_iter().map(|lane| lane.name).collect(),
    };
    let spared: Vec<i64> = spared.iter().map(|id| id.get()).collect();
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true)),
               chosen AS MATERIALIZED (
                   SELECT d.id FROM setting, unnest($1::text[]) AS l (lane), LATERAL (
                       SELECT id FROM mdss_relay.item
                       WHERE item.lane = l.lane AND state <> 2 AND not_before > now() AND (leased IS NULL OR leased <= now()) AND NOT id = ANY ($2)
                       ORDER BY not_before LIMIT $3 FOR UPDATE SKIP LOCKED) d
                   LIMIT $3)
               UPDATE mdss_relay.item SET not_before = now() WHERE id = ANY (ARRAY(SELECT id FROM chosen))";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let parameters: [Parameter<'_>; 3] =
        [(&lanes, Type::TEXT_ARRAY), (&spared, Type::INT8_ARRAY), (&most, Type::INT8)];
    let released = line.client.execute_typed(sql, &parameters).await?;
    Ok(usize::try_from(released).unwrap_or(usize::MAX))
}

/// Makes due what is put off, because the database's clock has gone back: what was to wait for a minute may be an hour away now. Who holds an item
/// holds it for a lease from now at most, and who was heard of, or has counted, did so now at the latest. At most `most` of each lane; gives how many.
///
/// # Errors
/// If nothing of it was done.
pub(super) async fn mend(line: &Line, most: usize) -> Result<usize, Fault> {
    let lanes: Vec<String> = lanes(line).await?.into_iter().map(|lane| lane.name).collect();
    // There is no index of leases, because each claim would have to write it; so this reads all.
    let leases = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true))
                  UPDATE mdss_relay.item SET leased = now() + $1 * interval '1 second' FROM setting WHERE leased > now() + $1 * interval '1 second'";
    line.client.execute_typed(leases, &[(&LEASE.as_secs_f64(), Type::FLOAT8)]).await?;
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true)),
               open AS (UPDATE mdss_relay.breaker SET until = now() + interval '10 s' FROM setting WHERE until > now() + interval '10 s'),
               held AS (UPDATE mdss_relay.outbox_state SET until = now() + interval '10 s' FROM setting WHERE until > now() + interval '10 s'),
               heard AS (UPDATE mdss_relay.replica SET seen = now() FROM setting WHERE seen > now()),
               counted AS (UPDATE mdss_relay.stock SET at = now() - interval '1 hour' FROM setting WHERE at > now()),
               chosen AS MATERIALIZED (
                   SELECT d.id FROM setting, unnest($1::text[]) AS l (lane), LATERAL (
                       SELECT id FROM mdss_relay.item
                       WHERE item.lane = l.lane AND state <> 2 AND not_before > now()
                       ORDER BY not_before DESC LIMIT $2 FOR UPDATE SKIP LOCKED) d)
               UPDATE mdss_relay.item SET not_before = now() WHERE id = ANY (ARRAY(SELECT id FROM chosen))";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let parameters: [Parameter<'_>; 2] = [(&lanes, Type::TEXT_ARRAY), (&most, Type::INT8)];
    let mended = line.client.execute_typed(sql, &parameters).await?;
    Ok(usize::try_from(mended).unwrap_or(usize::MAX))
}
