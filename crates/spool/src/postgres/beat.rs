//! Who is there: each relay says so every few seconds, and what it plans by.

use std::time::Duration;

use mdss_relay_core::Rules;
use tokio_postgres::types::Type;

use super::delivery::{moment, seconds};
use super::failure::Fault;
use crate::clock::Moment;
use crate::trouble::{Trouble, TroubleKind};
use mdss_relay_postgres::{Line, Parameter};

/// How often a relay says that it is there.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// A relay that shares the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its number, random for each process.
    pub id: String,
    /// The name of its machine.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// Since when it works.
    pub since: Moment,
    /// When it was last heard of.
    pub seen: Moment,
    /// Whether it plans by other settings than the one that was heard of last.
    pub differs: bool,
}

/// What a relay plans by, as a hash: its version, and the rules of its settings.
pub(super) fn settings(rules: &Rules) -> Vec<u8> {
    let text = format!("{} {rules:?}", env!("CARGO_PKG_VERSION"));
    ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Says that this relay is there. Gives what time it is in the database, and how far ahead of it others were when they said so: where the clock has gone
/// back while no relay was there to see it.
///
/// # Errors
/// If that cannot be written.
pub(super) async fn beat(line: &Line, id: &str, settings: &[u8]) -> Result<(Moment, Duration), Fault> {
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
               INSERT INTO mdss_relay.replica (id, name, version, settings) SELECT $1::text::uuid, $2, $3, $4 FROM setting
               ON CONFLICT (id) DO UPDATE SET settings = excluded.settings, seen = clock_timestamp()
               RETURNING seen, (SELECT coalesce(extract(epoch FROM max(r.seen) - clock_timestamp()), 0)::float8 FROM mdss_relay.replica r)";
    let settings = (!settings.is_empty()).then_some(settings);
    let parameters: [Parameter<'_>; 4] = [
        (&id, Type::TEXT),
        (&name(), Type::TEXT),
        (&env!("CARGO_PKG_VERSION"), Type::TEXT),
        (&settings, Type::BYTEA),
    ];
    let rows = line.client.query_typed(sql, &parameters).await?;
    let row = rows.first().ok_or_else(|| {
        Fault::Ours(Trouble::new(
            TroubleKind::Internal,
            "the database does not say what time it is".to_owned(),
        ))
    })?;
    Ok((moment(row.try_get(0)?), seconds(row.try_get(1)?)))
}

/// Whether a start with these settings is to make everything due: it may be the mended configuration. Of several relays that start together, with
/// the same settings, one does.
///
/// # Errors
/// If that cannot be written.
pub(super) async fn first(line: &Line, settings: &[u8]) -> Result<bool, Fault> {
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
               UPDATE mdss_relay.meta SET settings = $1, released = now() FROM setting
               WHERE settings IS DISTINCT FROM $1 OR released IS NULL OR released < now() - interval '1 minute'";
    Ok(line.client.execute_typed(sql, &[(&settings, Type::BYTEA)]).await? > 0)
}

/// Says goodbye.
///
/// # Errors
/// If that cannot be written; then it is forgotten within a minute.
pub(super) async fn leave(line: &Line, id: &str) -> Result<(), Fault> {
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
               DELETE FROM mdss_relay.replica USING setting WHERE id = $1::text::uuid";
    line.client.execute_typed(sql, &[(&id, Type::TEXT)]).await?;
    // Another one need not wait to take facts to the ledger.
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
               UPDATE mdss_relay.outbox_state SET holder = NULL FROM setting WHERE holder = $1::text::uuid";
    line.client.execute_typed(sql, &[(&id, Type::TEXT)]).await?;
    Ok(())
}

/// The relays that were heard of within a minute.
///
/// # Errors
/// If they cannot be read.
pub(super) async fn replicas(line: &Line) -> Result<Vec<Replica>, Fault> {
    let sql = "SELECT id::text, name, version, since, seen,
                      settings IS DISTINCT FROM first_value(settings) OVER (ORDER BY settings IS NULL, seen DESC) AND settings IS NOT NULL
               FROM mdss_relay.replica WHERE seen > clock_timestamp() - interval '1 minute' ORDER BY since, id";
    let rows = line.client.query_typed(sql, &[]).await?;
    let replica = |row: &tokio_postgres::Row| {
        Ok(Replica {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            version: row.try_get(2)?,
            since: moment(row.try_get(3)?),
            seen: moment(row.try_get(4)?),
            differs: row.try_get(5)?,
        })
    };
    Ok(rows.iter().map(replica).collect::<Result<_, tokio_postgres::Error>>()?)
}

fn name() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}
