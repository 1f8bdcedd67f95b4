//! The tables, and how older ones become today's while other relays work on them.
//!
//! A step runs in a transaction under a lock of its own, and only adds: an older relay goes on beside it. What removes or renames comes one release
//! later, and raises `meta.oldest`.

use std::time::Duration;

use mdss_relay_core::fields;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::failure::Fault;
use super::line::Line;
use crate::trouble::{Trouble, TroubleKind};

/// One step a version. A step is never changed once it has been released; a new one is added behind it.
const STEPS: &[&str] = &[include_str!("1.sql"), include_str!("2.sql"), include_str!("3.sql")];

/// The version that this program writes, and brings older ones to.
pub(super) const NEWEST: i32 = STEPS.len() as i32;

/// The smallest version whose relays may work on today's tables.
const OLDEST: i32 = 1;

/// Who changes the tables holds this lock until the end of its transaction: "MDSR".
const LOCK: i64 = 0x4d44_5352;

/// How long a step waits for the locks of others before it lets them pass, how often it tries again, and after what time, about.
const WAIT: &str = "3s";
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// What is found in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Of the tables; 0: there are none.
    pub(super) version: i32,
    /// The smallest version whose relays may still work here.
    pub(super) oldest: i32,
}

impl Version {
    /// Whether this program may work on such tables.
    pub(super) fn check(self) -> Result<(), Trouble> {
        if self.oldest > NEWEST {
            let detail = format!(
                "the tables are for relays of version {} or later; this relay writes version {NEWEST}",
                self.oldest
            );
            return Err(Trouble::new(TroubleKind::Foreign, detail));
        }
        Ok(())
    }
}

/// Which version the tables have.
///
/// # Errors
/// If that cannot be read.
pub(super) async fn version(line: &Line) -> Result<Version, Fault> {
    let sql = "SELECT version, oldest FROM mdss_relay.meta";
    match line.client.query_typed(sql, &[]).await {
        Ok(rows) => match rows.first() {
            Some(row) => Ok(Version { version: row.try_get(0)?, oldest: row.try_get(1)? }),
            None => Ok(Version { version: 0, oldest: 0 }),
        },
        Err(e) if matches!(e.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME)) => {
            Ok(Version { version: 0, oldest: 0 })
        }
        Err(e) => Err(e.into()),
    }
}

/// Sees to it that this program may work on the tables, and brings them to today's version if it may.
///
/// # Errors
/// If the tables are not to be used, or cannot be made.
pub(super) async fn ready(line: &Line, migrate: bool) -> Result<(), Fault> {
    let found = version(line).await?;
    found.check()?;
    if found.version >= NEWEST {
        return Ok(());
    }
    if !migrate {
        let detail = format!(
            "the tables have version {}, this relay needs {NEWEST}, and RELAY_SPOOL_MIGRATE is off: run `mdss-relay spool migrate`",
            found.version
        );
        return Err(Trouble::new(TroubleKind::Foreign, detail).into());
    }
    self::migrate(line).await
}

/// Brings the tables to today's version.
///
/// # Errors
/// If a step fails; nothing of it was done then.
async fn migrate(line: &Line) -> Result<(), Fault> {
    let mut tries = 0;
    loop {
        match step(line).await {
            Ok(true) => tries = 0,
            Ok(false) => return Ok(()),
            Err(Fault::Sql(e)) if e.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE.mul_f64(0.5 + fastrand::f64())).await;
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// One step; false if there was none to do.
async fn step(line: &Line) -> Result<bool, Fault> {
    line.client.batch_execute("BEGIN").await?;
    let outcome = in_transaction(line).await;
    // What has failed is taken back; the connection need not be given up for it.
    let end = if matches!(outcome, Ok(Some(_))) { "COMMIT" } else { "ROLLBACK" };
    line.client.batch_execute(end).await?;
    let Some(version) = outcome? else { return Ok(false) };
    // A new database has nothing to upgrade.
    if version > 0 {
        tracing::info!(
            { fields::FROM } = version,
            { fields::TO } = version + 1,
            "the tables of the spool were upgraded"
        );
    }
    Ok(true)
}

/// The version that was there before the step; `None` if there was nothing to do.
async fn in_transaction(line: &Line) -> Result<Option<i32>, Fault> {
    // No standby is waited for: if the step is lost with this server, so is everything that was stored after it and not acknowledged.
    let sql = "SELECT set_config('lock_timeout', $1, true), set_config('synchronous_commit', 'local', true)";
    line.client.query_typed(sql, &[(&WAIT, Type::TEXT)]).await?;
    line.client.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)]).await?;
    // Asked in another way, because a missing table would end the transaction.
    let sql = "SELECT to_regclass('mdss_relay.meta') IS NOT NULL";
    let there: bool = line.client.query_typed_one(sql, &[]).await?.try_get(0)?;
    // Another relay may have been faster.
    let found = if there { version(line).await? } else { Version { version: 0, oldest: 0 } };
    found.check()?;
    let number = usize::try_from(found.version).unwrap_or(0);
    let Some(step) = STEPS.get(number) else { return Ok(None) };
    if found.version == 0 {
        line.client.batch_execute("CREATE SCHEMA IF NOT EXISTS mdss_relay").await?;
    }
    line.client.batch_execute(step).await?;
    let sql = "INSERT INTO mdss_relay.meta AS meta (version, oldest) VALUES ($1, $2)
               ON CONFLICT (one) DO UPDATE SET version = excluded.version, oldest = greatest(meta.oldest, excluded.oldest)";
    line.client.execute_typed(sql, &[(&(found.version + 1), Type::INT4), (&OLDEST, Type::INT4)]).await?;
    Ok(Some(found.version))
}

/// The steps from a version on, as one would run them by hand.
pub(super) fn script(from: i32) -> String {
    let mut script = String::new();
    for (number, step) in (0..).zip(STEPS).skip(usize::try_from(from).unwrap_or(0)) {
        let first = if number == 0 { "CREATE SCHEMA IF NOT EXISTS mdss_relay;\n" } else { "" };
        script += &format!(
            "BEGIN;\nSELECT pg_advisory_xact_lock({LOCK});\n{first}{step}\
             INSERT INTO mdss_relay.meta AS meta (version, oldest) VALUES ({}, {OLDEST}) ON CONFLICT (one) DO UPDATE SET \
             version = excluded.version, oldest = greatest(meta.oldest, excluded.oldest);\nCOMMIT;\n",
            number + 1
        );
    }
    script
}
