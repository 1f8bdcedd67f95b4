//! What nobody waits for: marks that are old, deliveries without items, relays that have gone.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::failure::Fault;
use super::slot::Held;
use super::standing::Standing;
use crate::trouble::Trouble;
use mdss_relay_postgres::Database;
use mdss_relay_postgres::Line;

/// How often marks are forgotten, and how often the rest is done, which reads whole tables.
pub(super) const EVERY: Duration = Duration::from_secs(300);
pub(super) const SELDOM: Duration = Duration::from_secs(3600);

/// Dead rows that are so many times the living, and so many at least, are cleared by a relay: autovacuum may be busy elsewhere for hours. Not while
/// a transaction is open for longer than this, because nothing could be cleared.
const DEAD: u64 = 10;
const MANY: u64 = 100_000;
const YOUNG: Duration = Duration::from_secs(60);

/// Marks of accepted writes are remembered so long, and so many of them: about 110 MB.
const MARKS: &str = "72 hours";
const MOST_MARKS: i64 = 1_000_000;

/// Marks that are forgotten in one statement, and statements each time.
const STEP: u64 = 10_000;
const STEPS: usize = 100;

/// Who tidies holds this lock until the end of its transaction.
const LOCK: i64 = 0x4d44_5354;

/// Whether a relay is to clear dead rows itself.
pub(super) fn is_bloated(standing: &Standing) -> bool {
    standing.dead_rows > MANY.max(DEAD.saturating_mul(standing.live_rows))
        && standing.oldest_transaction < YOUNG
}

/// Clears dead rows, on a connection of its own: that may take minutes.
///
/// # Errors
/// If they cannot be cleared; somebody else may be at it.
pub(super) async fn clear(database: &Database) -> Result<(), Trouble> {
    let line = Line::connect(database).await?;
    let cleared = line.client.batch_execute("VACUUM (TRUNCATE off) mdss_relay.item").await;
    line.close().await;
    cleared.map_err(|e| Fault::from(e).trouble("clearing dead rows"))
}

/// Looks for deliveries without items, and forgets relays that have gone, if no other relay does it now.
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
    Ok(())
}

/// Forgets marks that are old or too many, if no other relay does it now.
///
/// # Errors
/// If they cannot be forgotten now.
pub(super) async fn forget(held: &mut Held<'_>) -> Result<(), Fault> {
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
