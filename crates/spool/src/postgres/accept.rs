//! One group of deliveries in one statement, and all that must hold before anybody hears that they are stored.
//!
//! "Done" from the driver is not enough (each of these was seen with PostgreSQL 15):
//! - a wait for the standby that somebody cancels ends with "ok" and a warning;
//! - so does one that ends because the list of standbys was emptied, without a warning;
//! - a list that is filled again is seen by sessions before commits wait for it: see [`SETTLED`];
//! - a role, a database or a pooler may have lowered `synchronous_commit`, so the statement sets it itself;
//! - a duplicate that is found by a statement which writes nothing waits for no standby, so the sender would hear of a row that only the primary
//!   has, and that dies with it. Therefore every statement writes something: a message of a few bytes into the log, which an ordinary role may.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join;
use tokio_postgres::types::Type;

use super::failure::Fault;
use crate::trouble::{Trouble, TroubleKind};
use mdss_relay_postgres::Durability;
use mdss_relay_postgres::{Line, Parameter};

/// The statement is in the database (`3.sql` and `4.sql`), so that a session keeps its plan.
const ACCEPT: &str = "SELECT * FROM mdss_relay.accept_once($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)";

/// The same without an event, to find out whether one would be stored.
const PROBE: &str = "
WITH setting AS MATERIALIZED (
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS sync,
           pg_logical_emit_message(true, 'mdss-relay', '') AS written
)
SELECT setting.sync, pg_is_in_recovery(), current_setting('synchronous_standby_names'), NULL::int8[] FROM setting";

const AFTER: &str = "
SELECT current_setting('synchronous_standby_names'), extract(epoch FROM clock_timestamp() - pg_conf_load_time())::float8,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn()::text END";

/// How far the standbys that are waited for have come, as far as this role may see it (`pg_read_all_stats`).
const REACHED: &str = "
SELECT count(flush_lsn), count(*) FILTER (WHERE flush_lsn >= $1::text::pg_lsn) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')";

/// A configuration that was loaded so many seconds ago is in force in every process of the server. Sessions take up a new list of standbys with their
/// next statement, but commits wait for it only once the checkpointer has taken it up, which may be busy
/// (<https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/replication/syncrep.c>, `SyncRepUpdateSyncStandbysDefined`). Between them no
/// commit waits, and nothing tells (seen with PostgreSQL 15).
const SETTLED: f64 = 60.0;

/// The same where nobody may see how far standbys have come: senders are refused for so many seconds after each reload, and no longer.
const UNSEEN: f64 = 5.0;

/// How often it is looked whether a standby has come far enough.
const LOOK: Duration = Duration::from_millis(5);

/// The rows of a group, column by column.
#[derive(Default)]
pub(super) struct Rows<'g> {
    pub(super) items: Items<'g>,
    pub(super) deliveries: Deliveries<'g>,
}

#[derive(Default)]
pub(super) struct Items<'g> {
    pub(super) ids: Vec<i64>,
    pub(super) tokens: Vec<i32>,
    pub(super) deliveries: Vec<i64>,
    pub(super) sources: Vec<&'g str>,
    pub(super) paths: Vec<&'g [u8]>,
    pub(super) lanes: Vec<&'g str>,
    pub(super) states: Vec<i16>,
    pub(super) pauses: Vec<f64>,
    pub(super) reasons: Vec<Option<&'g str>>,
    pub(super) details: Vec<Option<String>>,
    pub(super) buckets: Vec<Option<String>>,
    pub(super) keys: Vec<Option<String>>,
    pub(super) marks: Vec<Option<Vec<u8>>>,
    pub(super) bytes: Vec<i64>,
}

#[derive(Default)]
pub(super) struct Deliveries<'g> {
    pub(super) ids: Vec<i64>,
    pub(super) names: Vec<String>,
    pub(super) sources: Vec<Option<&'g str>>,
    pub(super) dialects: Vec<Option<&'g str>>,
    pub(super) methods: Vec<String>,
    pub(super) headers: Vec<&'g str>,
    pub(super) bodies: Vec<&'g [u8]>,
    pub(super) checksums: Vec<i64>,
}

/// Stores a group. The items that were stored; the others are duplicates.
///
/// # Errors
/// The group is not acknowledged. Whether it was stored is known for some errors only.
pub(super) async fn accept(
    line: &Line,
    rows: &Rows<'_>,
    durability: Durability,
) -> Result<HashSet<i64>, Fault> {
    let Rows { items: i, deliveries: d } = rows;
    let parameters: [Parameter<'_>; 22] = [
        (&i.ids, Type::INT8_ARRAY),
        (&i.tokens, Type::INT4_ARRAY),
        (&i.deliveries, Type::INT8_ARRAY),
        (&i.sources, Type::TEXT_ARRAY),
        (&i.paths, Type::BYTEA_ARRAY),
        (&i.lanes, Type::TEXT_ARRAY),
        (&i.states, Type::INT2_ARRAY),
        (&i.pauses, Type::FLOAT8_ARRAY),
        (&i.reasons, Type::TEXT_ARRAY),
        (&i.details, Type::TEXT_ARRAY),
        (&i.buckets, Type::TEXT_ARRAY),
        (&i.keys, Type::TEXT_ARRAY),
        (&i.marks, Type::BYTEA_ARRAY),
        (&i.bytes, Type::INT8_ARRAY),
        (&d.ids, Type::INT8_ARRAY),
        (&d.names, Type::TEXT_ARRAY),
        (&d.sources, Type::TEXT_ARRAY),
        (&d.dialects, Type::TEXT_ARRAY),
        (&d.methods, Type::TEXT_ARRAY),
        (&d.headers, Type::TEXT_ARRAY),
        (&d.bodies, Type::BYTEA_ARRAY),
        (&d.checksums, Type::INT8_ARRAY),
    ];
    commit(line, ACCEPT, &parameters, durability).await
}

/// Commits as an accept does, with nothing in it.
///
/// # Errors
/// Why an event would not be acknowledged.
pub(super) async fn probe(line: &Line, durability: Durability) -> Result<(), Fault> {
    commit(line, PROBE, &[], durability).await.map(drop)
}

/// Commits, and makes sure that it was done as asked for.
///
/// # Errors
/// As [`accept`].
pub(super) async fn commit(
    line: &Line,
    sql: &str,
    parameters: &[Parameter<'_>],
    durability: Durability,
) -> Result<HashSet<i64>, Fault> {
    line.listen();
    // Behind each other on one connection: the second reads what the list of standbys is once the first has waited for them.
    let (answer, after) = join(line.client.query_typed(sql, parameters), async {
        match durability {
            Durability::Replicated => line.client.query_typed(AFTER, &[]).await,
            Durability::Server => Ok(Vec::new()),
        }
    })
    .await;
    let answer = answer?;
    let unsure = |kind, why: &str| {
        Fault::Unsure(Trouble::new(kind, format!("whether the event is safe is not known: {why}")))
    };
    // It is there by now, for all that is known.
    let after = after.map_err(|e| unsure(TroubleKind::Unreachable, &super::failure::text(&e)))?;
    let unreadable = |e: tokio_postgres::Error| unsure(TroubleKind::Internal, &super::failure::text(&e));
    if line.was_warned() {
        return Err(unsure(
            TroubleKind::Unsafe,
            "the database has warned that the wait for its standby was ended by somebody, or that it is going down",
        ));
    }
    let nothing = || unsure(TroubleKind::Internal, "the database has answered nothing");
    let row = answer.first().ok_or_else(nothing)?;
    let sync: &str = row.try_get(0).map_err(unreadable)?;
    let standby: bool = row.try_get(1).map_err(unreadable)?;
    let before: &str = row.try_get(2).map_err(unreadable)?;
    let stored: Option<Vec<i64>> = row.try_get(3).map_err(unreadable)?;
    if !matches!(sync, "on" | "remote_apply") {
        return Err(unsure(TroubleKind::Unsafe, "synchronous_commit could not be set"));
    }
    if standby {
        return Err(unsure(TroubleKind::Unsafe, "the database is a standby"));
    }
    if durability == Durability::Replicated {
        let after = after.first().ok_or_else(nothing)?;
        if before.is_empty() || after.try_get::<_, &str>(0).map_err(unreadable)?.is_empty() {
            return Err(unsure(TroubleKind::Unsafe, "synchronous_standby_names is empty"));
        }
        let (age, end): (f64, &str) =
            (after.try_get(1).map_err(unreadable)?, after.try_get(2).map_err(unreadable)?);
        if age < SETTLED && !reached(line, end, age).await? {
            let why = "the database has loaded its configuration a moment ago, and may not wait for the standby yet";
            return Err(unsure(TroubleKind::Unsafe, why));
        }
    }
    Ok(stored.into_iter().flatten().collect())
}

/// Whether a standby that is waited for has all up to `end`. The caller's deadline ends the wait for it.
async fn reached(line: &Line, end: &str, age: f64) -> Result<bool, Fault> {
    let unsure = |e: tokio_postgres::Error| {
        let detail = format!("whether the event is safe is not known: {}", super::failure::text(&e));
        Fault::Unsure(Trouble::new(TroubleKind::Unreachable, detail))
    };
    loop {
        let rows = line.client.query_typed(REACHED, &[(&end, Type::TEXT)]).await.map_err(unsure)?;
        let Some(row) = rows.first() else { return Ok(false) };
        let (seen, reached): (i64, i64) = (row.try_get(0).map_err(unsure)?, row.try_get(1).map_err(unsure)?);
        if reached > 0 {
            return Ok(true);
        }
        if seen == 0 {
            return Ok(age >= UNSEEN);
        }
        tokio::time::sleep(LOOK).await;
    }
}
