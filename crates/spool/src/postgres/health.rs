//! The row in which a relay's worker says how MDSS stands.

use tokio_postgres::types::Type;

use super::delivery::moment;
use super::failure::Fault;
use crate::health::{Health, Noted};
use mdss_relay_postgres::Line;

/// Writes it down, in place of what this relay has said before.
///
/// # Errors
/// If it cannot be written. Nobody needs it but people.
pub(super) async fn note(line: &Line, id: &str, health: &Health) -> Result<(), Fault> {
    // Numbers and texts are always JSON; it has escaped what a text of the database may not hold.
    let said = serde_json::to_string(health).unwrap_or_default();
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
               INSERT INTO mdss_relay.health (replica, at, said) SELECT $1::text::uuid, clock_timestamp(), $2 FROM setting
               ON CONFLICT (replica) DO UPDATE SET at = excluded.at, said = excluded.said";
    line.client.execute_typed(sql, &[(&id, Type::TEXT), (&said, Type::TEXT)]).await?;
    Ok(())
}

/// What was written last by anybody, with what came and went at all relays that are there; `None` if no worker has said anything.
///
/// # Errors
/// If it cannot be read.
pub(super) async fn noted(line: &Line) -> Result<Option<Noted>, Fault> {
    let sql = "SELECT health.said, health.at, EXISTS (SELECT FROM mdss_relay.replica
                   WHERE replica.id = health.replica AND replica.seen > clock_timestamp() - interval '1 minute')
               FROM mdss_relay.health ORDER BY health.at DESC";
    let mut last: Option<Noted> = None;
    for row in &line.client.query_typed(sql, &[]).await? {
        // What a later relay has written may not be readable here.
        let Ok(health) = serde_json::from_str::<Health>(row.try_get(0)?) else { continue };
        match &mut last {
            None => last = Some(Noted { health, at: moment(row.try_get(1)?) }),
            Some(last) if row.try_get(2)? => last.health.flow.extend(health.flow),
            Some(_) => {}
        }
    }
    if let Some(last) = &mut last {
        last.health.flow.make_contiguous().sort_by_key(|flow| flow.from);
    }
    Ok(last)
}
