//! What nobody waits for: marks that are old, deliveries without items, relays that have gone.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::failure::Fault;
use super::slot::Held;

/// How often, by one of the relays.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// Marks of accepted writes are remembered so long, and so many of them: about 110 MB.
const MARKS: &str = "72 hours";
const MOST_MARKS: i64 = 1_000_000;

/// Marks that are forgotten in one statement, and statements each time.
const STEP: u64 = 10_000;
const STEPS: usize = 100;

/// Who tidies holds this lock until the end of its transaction.
const LOCK: i64 = 0x4d44_5354;

/// Does it, if no other relay does it now.
///
/// # Errors
/// If something of it could not be done; the rest is done the next time.
pub(super) async fn tidy(held: &mut Held<'_>) -> Result<(), Fault> {
    let deliveries =
        "DELETE FROM mdss_relay.delivery USING setting WHERE ours AND received < now() - interval '1 hour'
                      AND NOT EXISTS (SELECT FROM mdss_relay.item WHERE item.delivery = delivery.id)";
    let replicas =
        "DELETE FROM mdss_relay.replica USING setting WHERE ours AND seen < now() - interval '1 day'";
    let health = "DELETE FROM mdss_relay.health USING setting WHERE ours AND at < now() - interval '1 day'
                  AND at < (SELECT max(at) FROM mdss_relay.health)";
    for what in [deliveries, replicas, health] {
        held.ask(async |line| Ok(line.client.execute_typed(&locked(what), &[(&LOCK, Type::INT8)]).await?))
            .await?;
    }
    let old = format!("at < now() - interval '{MARKS}'");
    let many = format!("at <= (SELECT at FROM mdss_relay.done ORDER BY at DESC OFFSET {MOST_MARKS} LIMIT 1)");
    for which in [old, many] {
        let marks = locked(&format!(
            "DELETE FROM mdss_relay.done USING setting WHERE ours AND mark = ANY (ARRAY(
                 SELECT mark FROM mdss_relay.done WHERE {which} ORDER BY at LIMIT {STEP}))"
        ));
        for _ in 0..STEPS {
            let deleted = held
                .ask(async |line| Ok(line.client.execute_typed(&marks, &[(&LOCK, Type::INT8)]).await?))
                .await?;
            if deleted < STEP {
                break;
            }
        }
    }
    Ok(())
}

fn locked(what: &str) -> String {
    format!(
        "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true), pg_try_advisory_xact_lock($1) AS ours) {what}"
    )
}
