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
pub(super) const MOST_MARKS: i64 = 1_000_000;

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

/// Forgets marks that are old, or beyond so many, if no other relay does it now.
///
/// # Errors
/// If they cannot be forgotten now.
pub(super) async fn forget(held: &mut Held<'_>, most: i64) -> Result<(), Fault> {
    let old = format!("at < now() - interval '{MARKS}'");
    let many = format!("at <= (SELECT at FROM mdss_relay.done ORDER BY at DESC OFFSET {most} LIMIT 1)");
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

#[cfg(test)]
mod tests {
    use mdss_relay_postgres::Durability;

    use super::super::base::Base;
    use super::*;

    /// A relay's connections to a database of its own, and its address; none where there is no PostgreSQL.
    async fn base() -> Option<(Base, String)> {
        let url = postgres_rig::shared().unwrap()?.database().await.unwrap();
        let base = Base::new(&Database::of_url(&url).unwrap().durable(Durability::Server));
        // The first connection makes the tables.
        drop(base.look.take().await.unwrap());
        Some((base, url))
    }

    async fn ask(url: &str, sql: &str) -> Vec<String> {
        postgres_rig::ask(url, sql).await.unwrap()
    }

    /// Marks that came so many hours ago, each a second after the one before.
    async fn mark(url: &str, name: &str, many: usize, hours: u32) {
        let sql = format!(
            "INSERT INTO mdss_relay.done (mark, at) SELECT convert_to('{name}' || n, 'UTF8'), now() - interval '{hours} h' + n * interval '1 s'
             FROM generate_series(1, {many}) n"
        );
        ask(url, &sql).await;
    }

    const MARKS_LEFT: &str = "SELECT convert_from(mark, 'UTF8') FROM mdss_relay.done ORDER BY at";

    #[tokio::test]
    async fn marks_go_when_they_are_old_or_too_many_and_the_oldest_go_first() {
        let Some((base, url)) = base().await else { return };
        mark(&url, "old", 3, 73).await;
        mark(&url, "young", 5, 71).await;
        let mut held = base.look.take().await.unwrap();
        forget(&mut held, 10).await.unwrap();
        assert_eq!(ask(&url, MARKS_LEFT).await, ["young1", "young2", "young3", "young4", "young5"]);
        forget(&mut held, 3).await.unwrap();
        assert_eq!(ask(&url, MARKS_LEFT).await, ["young3", "young4", "young5"]);
        // More than one statement takes.
        mark(&url, "many", 2 * STEP as usize + 7, 100).await;
        forget(&mut held, 3).await.unwrap();
        assert_eq!(ask(&url, MARKS_LEFT).await, ["young3", "young4", "young5"]);
    }

    #[tokio::test]
    async fn deliveries_without_items_and_relays_that_have_gone_go_and_nothing_else() {
        let Some((base, url)) = base().await else { return };
        let mut held = base.look.take().await.unwrap();
        let made = "INSERT INTO mdss_relay.delivery (id, name, method, headers, body, checksum, items, received)
                SELECT id, 'd', 'POST', '[]', '', 0, 1, now() - hours * interval '1 h'
                FROM (VALUES (1, 2), (2, 0), (3, 48)) AS d (id, hours);
            INSERT INTO mdss_relay.item (id, token, delivery, source, path, lane, state, not_before, bytes)
                VALUES (4, 0, 3, '', '', 'lane', 0, now(), 512);
            INSERT INTO mdss_relay.replica (id, name, version, seen)
                SELECT gen_random_uuid(), name, '1', now() - hours * interval '1 h' FROM (VALUES ('gone', 25), ('here', 23)) AS r (name, hours);
            INSERT INTO mdss_relay.health (replica, at, said)
                SELECT gen_random_uuid(), now() - hours * interval '1 h', said FROM (VALUES ('gone', 50), ('last', 30)) AS h (said, hours)";
        ask(&url, made).await;
        tidy(&mut held).await.unwrap();
        assert_eq!(ask(&url, "SELECT id FROM mdss_relay.delivery ORDER BY 1").await, ["2", "3"]);
        assert_eq!(ask(&url, "SELECT name FROM mdss_relay.replica WHERE version = '1'").await, ["here"]);
        // Who asks how MDSS stood last is told, however long ago that was.
        assert_eq!(ask(&url, "SELECT said FROM mdss_relay.health").await, ["last"]);
    }

    #[tokio::test]
    async fn of_several_relays_one_tidies() {
        let Some((base, url)) = base().await else { return };
        mark(&url, "old", 1, 100).await;
        let other = postgres_rig::client(&url).await.unwrap();
        other.batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})")).await.unwrap();
        let mut held = base.look.take().await.unwrap();
        forget(&mut held, 10).await.unwrap();
        assert_eq!(ask(&url, MARKS_LEFT).await, ["old1"]);
        other.batch_execute("ROLLBACK").await.unwrap();
        forget(&mut held, 10).await.unwrap();
        assert!(ask(&url, MARKS_LEFT).await.is_empty());
    }

    #[tokio::test]
    async fn dead_rows_are_cleared_when_they_are_far_too_many_and_can_be() {
        let Some((base, url)) = base().await else { return };
        let items = "ALTER TABLE mdss_relay.item SET (autovacuum_enabled = off);
            INSERT INTO mdss_relay.item (id, token, delivery, source, path, lane, state, not_before, bytes)
                SELECT n, 0, n, '', '', 'lane', 0, now(), 512 FROM generate_series(1, 1000) n;
            DELETE FROM mdss_relay.item WHERE id > 1";
        ask(&url, items).await;
        let pages = "SELECT pg_relation_size('mdss_relay.item')";
        let before = ask(&url, pages).await;
        clear(&base.database).await.unwrap();
        // The room of the dead is there for the next ones.
        let again =
            "INSERT INTO mdss_relay.item (id, token, delivery, source, path, lane, state, not_before, bytes)
            SELECT n, 0, n, '', '', 'lane', 0, now(), 512 FROM generate_series(2000, 2900) n";
        ask(&url, again).await;
        assert_eq!(ask(&url, pages).await, before);
        let (standing, _) = base.standing.last().unwrap();
        let with = |dead_rows, live_rows, oldest: u64| Standing {
            dead_rows,
            live_rows,
            oldest_transaction: Duration::from_secs(oldest),
            ..standing.clone()
        };
        for (what, standing, bloated) in [
            ("few", with(MANY, 0, 0), false),
            ("many", with(MANY + 1, 0, 0), true),
            ("many, beside many that live", with(1_000_000, 100_000, 0), false),
            ("ten times as many as live", with(1_000_001, 100_000, 0), true),
            ("none of them could be cleared", with(1_000_001, 100_000, 60), false),
        ] {
            assert_eq!(is_bloated(&standing), bloated, "{what}");
        }
    }
}
