//! Tables, and how older ones become today's while other relays work on them.
//!
//! A step runs in a transaction under a lock of its own, and only adds: an older relay goes on beside it. What removes or renames comes one release
//! later, and raises the smallest version that may still work.

use std::time::Duration;

use mdss_relay_core::fields;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::failure::{Failing, Kind};
use crate::line::Line;

/// How long a step waits for the locks of others before it lets them pass, how often it tries again, and after what time, about.
const WAIT: &str = "3s";
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Tables that belong together, in a schema of their own.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// What they are, for sentences: `the spool`.
    pub what: &'static str,
    /// The table, with the schema of all of them in front, that has their version: columns `one`, `version` and `oldest`.
    pub meta: &'static str,
    /// One step a version. A step is never changed once it has been released; a new one is added behind it.
    pub steps: &'static [&'static str],
    /// The smallest version whose relays may work on today's tables.
    pub oldest: i32,
    /// Who changes the tables holds this advisory lock until the end of its transaction.
    pub lock: i64,
}

/// What is found in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Of the tables; 0: there are none.
    pub version: i32,
    /// The smallest version whose relays may still work here.
    pub oldest: i32,
}

/// Why tables are not ready.
#[derive(Debug)]
pub enum NotReady {
    /// The database's error.
    Sql(Error),
    /// Our own refusal.
    Ours(Failing),
}

impl From<Error> for NotReady {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl Tables {
    /// The version that this program writes, and brings older ones to.
    pub const fn newest(&self) -> i32 {
        self.steps.len() as i32
    }

    /// Whether this program may work on tables of that version.
    ///
    /// # Errors
    /// If they are for later relays.
    pub fn check(&self, found: Version) -> Result<(), Failing> {
        if found.oldest > self.newest() {
            let detail = format!(
                "the tables of {} are for relays of version {} or later; this relay writes version {}",
                self.what,
                found.oldest,
                self.newest()
            );
            return Err(Failing::new(Kind::Foreign, detail));
        }
        Ok(())
    }

    /// Which version the tables have.
    ///
    /// # Errors
    /// If that cannot be read.
    pub async fn version(&self, line: &Line) -> Result<Version, Error> {
        let sql = format!("SELECT version, oldest FROM {}", self.meta);
        match line.client.query_typed(&sql, &[]).await {
            Ok(rows) => match rows.first() {
                Some(row) => Ok(Version { version: row.try_get(0)?, oldest: row.try_get(1)? }),
                None => Ok(Version { version: 0, oldest: 0 }),
            },
            Err(e)
                if matches!(e.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME)) =>
            {
                Ok(Version { version: 0, oldest: 0 })
            }
            Err(e) => Err(e),
        }
    }

    /// Sees to it that this program may work on the tables, and brings them to today's version if it may.
    ///
    /// # Errors
    /// If the tables are not to be used, or cannot be made.
    pub async fn ready(&self, line: &Line, migrate: bool) -> Result<(), NotReady> {
        let found = self.version(line).await?;
        self.check(found).map_err(NotReady::Ours)?;
        if found.version >= self.newest() {
            return Ok(());
        }
        if !migrate {
            let detail = format!(
                "the tables of {} have version {}, this relay needs {}, and RELAY_SPOOL_MIGRATE is off: run `mdss-relay spool migrate`",
                self.what,
                found.version,
                self.newest()
            );
            return Err(NotReady::Ours(Failing::new(Kind::Foreign, detail)));
        }
        self.migrate(line).await
    }

    /// Brings the tables to today's version.
    async fn migrate(&self, line: &Line) -> Result<(), NotReady> {
        let mut tries = 0;
        loop {
            match self.step(line).await {
                Ok(true) => tries = 0,
                Ok(false) => return Ok(()),
                Err(NotReady::Sql(e)) if e.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE.mul_f64(0.5 + fastrand::f64())).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One step; false if there was none to do.
    async fn step(&self, line: &Line) -> Result<bool, NotReady> {
        line.client.batch_execute("BEGIN").await?;
        let outcome = self.in_transaction(line).await;
        // What has failed is taken back; the connection need not be given up for it.
        let end = if matches!(outcome, Ok(Some(_))) { "COMMIT" } else { "ROLLBACK" };
        line.client.batch_execute(end).await?;
        let Some(version) = outcome? else { return Ok(false) };
        // A new database has nothing to upgrade.
        if version > 0 {
            tracing::info!(
                { fields::FROM } = version,
                { fields::TO } = version + 1,
                "the tables of {} were upgraded",
                self.what
            );
        }
        Ok(true)
    }

    /// The version that was there before the step; `None` if there was nothing to do.
    async fn in_transaction(&self, line: &Line) -> Result<Option<i32>, NotReady> {
        // No standby is waited for: if the step is lost with this server, so is everything that was stored after it and not acknowledged.
        let sql =
            "SELECT set_config('lock_timeout', $1, true), set_config('synchronous_commit', 'local', true)";
        line.client.query_typed(sql, &[(&WAIT, Type::TEXT)]).await?;
        line.client.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&self.lock, Type::INT8)]).await?;
        // Asked in another way, because a missing table would end the transaction.
        let sql = "SELECT to_regclass($1) IS NOT NULL";
        let there: bool = line.client.query_typed_one(sql, &[(&self.meta, Type::TEXT)]).await?.try_get(0)?;
        // Another relay may have been faster.
        let found = if there { self.version(line).await? } else { Version { version: 0, oldest: 0 } };
        self.check(found).map_err(NotReady::Ours)?;
        let number = usize::try_from(found.version).unwrap_or(0);
        let Some(step) = self.steps.get(number) else { return Ok(None) };
        if found.version == 0 {
            line.client.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema())).await?;
        }
        line.client.batch_execute(step).await?;
        line.client.batch_execute(&self.noted(found.version + 1)).await?;
        Ok(Some(found.version))
    }

    /// The schema of the tables.
    fn schema(&self) -> &str {
        self.meta.split('.').next().unwrap_or(self.meta)
    }

    /// The statement that notes a version.
    fn noted(&self, version: i32) -> String {
        let Self { meta, oldest, .. } = self;
        format!(
            "INSERT INTO {meta} AS meta (version, oldest) VALUES ({version}, {oldest}) ON CONFLICT (one) DO UPDATE SET \
             version = excluded.version, oldest = greatest(meta.oldest, excluded.oldest)"
        )
    }

    /// The steps from a version on, as one would run them by hand.
    pub fn script(&self, from: i32) -> String {
        let mut script = String::new();
        for (number, step) in (0..).zip(self.steps).skip(usize::try_from(from).unwrap_or(0)) {
            let schema = format!("CREATE SCHEMA IF NOT EXISTS {};\n", self.schema());
            let first = if number == 0 { schema.as_str() } else { "" };
            script += &format!(
                "BEGIN;\nSELECT pg_advisory_xact_lock({});\n{first}{step}{};\nCOMMIT;\n",
                self.lock,
                self.noted(number + 1)
            );
        }
        script
    }
}
