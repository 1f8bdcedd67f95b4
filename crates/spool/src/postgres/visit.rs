//! What an operator does with the database itself: makes its tables, and looks whether it can keep what is asked of it.

use std::sync::Arc;

use super::failure::Fault;
use super::schema::TABLES;
use super::standing::{self, Standing, Watched};
use crate::trouble::Trouble;
use mdss_relay_postgres::Database;
use mdss_relay_postgres::Line;

/// Rights that a relay needs and this role has not, table by table; and whether it may make the schema.
const RIGHTS: &str = "
SELECT ARRAY(
    SELECT needed.privilege || ' on mdss_relay.' || c.relname FROM pg_class c, unnest(CASE
        WHEN c.relkind = 'S' THEN ARRAY['USAGE'] WHEN c.relname = 'meta' THEN ARRAY['SELECT', 'UPDATE']
        WHEN c.relkind = 'r' THEN ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] ELSE ARRAY['SELECT'] END) AS needed (privilege)
    WHERE c.relnamespace = to_regnamespace('mdss_relay') AND c.relkind IN ('r', 'S')
      AND NOT CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, needed.privilege) ELSE has_table_privilege(c.oid, needed.privilege) END
    UNION ALL SELECT 'EXECUTE on mdss_relay.' || proname FROM pg_proc
    WHERE pronamespace = to_regnamespace('mdss_relay') AND NOT has_function_privilege(oid, 'EXECUTE')
    ORDER BY 1),
    CASE WHEN to_regnamespace('mdss_relay') IS NULL THEN has_database_privilege(current_database(), 'CREATE')
         ELSE has_schema_privilege('mdss_relay', 'CREATE') END";

/// What was found of a database.
#[derive(Clone, Debug)]
pub struct Examined {
    /// How its server stands.
    pub standing: Standing,
    /// Whether this program may work on its tables, if there are any.
    pub fits: Result<(), Trouble>,
    /// Rights that a relay needs and the role has not.
    pub missing: Vec<String>,
    /// Whether the role may make the tables.
    pub may_create: bool,
    /// Whether a relay makes the tables, and brings them to today's version (`RELAY_SPOOL_MIGRATE`).
    pub migrates: bool,
}

/// The version of the tables that this program writes, and brings older ones to.
pub const NEWEST: i32 = TABLES.newest();

/// Makes the tables, or brings them to today's version, whatever `RELAY_SPOOL_MIGRATE` says; the role must be allowed to. Gives the version
/// before, 0 if there were none, and the one after.
///
/// # Errors
/// If a step fails; nothing of it was done then.
pub async fn migrate(database: &Database) -> Result<(i32, i32), Trouble> {
    let line = Line::connect(database).await?;
    let steps = async {
        let before = TABLES.version(&line).await?.version;
        TABLES.ready(&line, true).await?;
        Ok((before, TABLES.version(&line).await?.version))
    };
    let steps: Result<_, Fault> = steps.await;
    line.close().await;
    steps.map_err(|fault| fault.trouble("making the tables"))
}

/// Looks whether a relay could work there, and changes nothing.
///
/// # Errors
/// If that cannot be told: no connection, or a server that is too old.
pub async fn examine(database: &Database) -> Result<Examined, Trouble> {
    let line = Line::connect(database).await?;
    let watched = Arc::new(Watched::new(database.durability()));
    let looked = async {
        let fits = TABLES.check(TABLES.version(&line).await?).map_err(Trouble::from);
        standing::look(&line, &watched).await?;
        let row = line.client.query_typed_one(RIGHTS, &[]).await?;
        Ok((fits, row.try_get(0)?, row.try_get(1)?))
    };
    let looked: Result<_, Fault> = looked.await;
    line.close().await;
    let (fits, missing, may_create) = looked.map_err(|fault| fault.trouble("looking at the database"))?;
    let (standing, _) = watched.last().ok_or_else(Trouble::stopped)?;
    Ok(Examined { standing, fits, missing, may_create, migrates: database.migrates() })
}

/// The statements that make the tables, or bring them from a version to today's, for whoever runs them with a tool of their own.
pub fn script(from: i32) -> String {
    TABLES.script(from)
}
