//! What is given back before its lease ends, and what is held for longer. Each names the claim that gave it: what somebody else was given meanwhile
//! is left alone.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::base::Base;
use super::failure::Fault;
use super::floors::Floors;
use super::slot::Held;
use crate::clock::since_boot;
use crate::ticket::{Hold, Lease};
use mdss_relay_postgres::{Line, Parameter};

/// So many are given back or renewed in one statement.
const STEP: usize = 1000;

/// Gives back what nobody has a ticket for any more: as it was, and at once for others.
///
/// # Errors
/// If that cannot be written. The leases end by themselves then.
pub(super) async fn give_back(base: &Base, held: &mut Held<'_>, floors: &mut Floors) -> Result<(), Fault> {
    let mut returned = base.returned.lock().await;
    loop {
        let leases: Vec<Arc<Lease>> = std::iter::from_fn(|| returned.try_recv().ok()).take(STEP).collect();
        if leases.is_empty() {
            return Ok(());
        }
        floors.forget();
        held.ask(async |line| back(line, &leases).await).await?;
    }
}

/// The same, on the connection of the claims.
///
/// # Errors
/// As [`give_back`].
pub(super) async fn return_all(base: &Base) -> Result<(), Fault> {
    // In this order, as a claim does.
    let mut held = base.claims.take().await?;
    let mut floors = base.floors.lock().await;
    give_back(base, &mut held, &mut floors).await
}

async fn back(line: &Line, leases: &[Arc<Lease>]) -> Result<(), Fault> {
    let ids: Vec<i64> = leases.iter().map(|lease| lease.id.get()).collect();
    let claims: Vec<i64> = leases.iter().map(|lease| lease.claim).collect();
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true)),
               ours AS MATERIALIZED (
                   SELECT item.id FROM setting, unnest($1::int8[], $2::int8[]) AS u (id, claim)
                   JOIN mdss_relay.item ON item.id = u.id AND item.claim = u.claim ORDER BY item.id FOR UPDATE OF item)
               UPDATE mdss_relay.item SET leased = NULL, claim = NULL WHERE item.id = ANY (ARRAY(SELECT id FROM ours))";
    let parameters: [Parameter<'_>; 2] = [(&ids, Type::INT8_ARRAY), (&claims, Type::INT8_ARRAY)];
    line.client.execute_typed(sql, &parameters).await?;
    Ok(())
}

/// Holds items for longer, from now on as long as before; those that somebody else has are lost. Gives how many are still held.
///
/// # Errors
/// If that cannot be written. They are held until their leases end.
pub(super) async fn renew(base: &Base, held: &mut Held<'_>, holds: &[Hold]) -> Result<usize, Fault> {
    let mut renewed = 0;
    for holds in holds.chunks(STEP) {
        // Counted from before it is asked for: the answer may be late.
        let begin = since_boot();
        let kept = held.ask(async |line| keep(line, holds).await).await?;
        for Hold(lease) in holds {
            if kept.contains(&lease.id.get()) {
                lease.until(begin);
            } else {
                lease.lost();
            }
        }
        renewed += kept.len();
    }
    base.counters.renewed.add(renewed);
    Ok(renewed)
}

async fn keep(line: &Line, holds: &[Hold]) -> Result<std::collections::HashSet<i64>, Fault> {
    let ids: Vec<i64> = holds.iter().map(|hold| hold.0.id.get()).collect();
    let claims: Vec<i64> = holds.iter().map(|hold| hold.0.claim).collect();
    let lengths: Vec<f64> = holds.iter().map(|hold| hold.0.length().as_secs_f64()).collect();
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true)),
               ours AS MATERIALIZED (
                   SELECT item.id, u.length FROM setting, unnest($1::int8[], $2::int8[], $3::float8[]) AS u (id, claim, length)
                   JOIN mdss_relay.item ON item.id = u.id AND item.claim = u.claim ORDER BY item.id FOR UPDATE OF item)
               UPDATE mdss_relay.item SET leased = now() + ours.length * interval '1 second' FROM ours
               WHERE item.id = ANY (ARRAY(SELECT id FROM ours)) AND item.id = ours.id RETURNING item.id";
    let parameters: [Parameter<'_>; 3] =
        [(&ids, Type::INT8_ARRAY), (&claims, Type::INT8_ARRAY), (&lengths, Type::FLOAT8_ARRAY)];
    let rows = line.client.query_typed(sql, &parameters).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}
