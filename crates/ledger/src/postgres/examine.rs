//! What an operator asks of the tables: whether a relay could write its ledger there.

use mdss_relay_postgres::{Database, Line, NotReady};

use super::schema::{TABLES, not_ready};
use crate::trouble::Trouble;

/// Rights that a relay needs and this role has not, table by table; and whether it may make the tables.
const RIGHTS: &str = "
SELECT ARRAY(
    SELECT needed.privilege || ' on mdss_relay_ledger.' || c.relname FROM pg_class c, unnest(CASE
        WHEN c.relname = 'meta' THEN ARRAY['SELECT', 'UPDATE']
        WHEN c.relkind = 'r' THEN ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] ELSE ARRAY['SELECT'] END) AS needed (privilege)
    WHERE c.relnamespace = to_regnamespace('mdss_relay_ledger') AND c.relkind = 'r' AND NOT has_table_privilege(c.oid, needed.privilege)
    ORDER BY 1),
    CASE WHEN to_regnamespace('mdss_relay_ledger') IS NULL THEN has_database_privilege(current_database(), 'CREATE')
         ELSE has_schema_privilege('mdss_relay_ledger', 'CREATE') END";

/// What was found of the ledger's tables.
#[derive(Clone, Debug)]
pub struct Examined {
    /// Their version; 0: there are none.
    pub version: i32,
    /// Whether this program may work on them, if there are any.
    pub fits: Result<(), Trouble>,
    /// Rights that a relay needs and the role has not.
    pub missing: Vec<String>,
    /// Whether the role may make the tables.
    pub may_create: bool,
}

/// Looks whether a relay could write its ledger there, and changes nothing.
///
/// # Errors
/// If that cannot be told.
pub async fn examine(database: &Database) -> Result<Examined, Trouble> {
    let line = Line::connect(database).await?;
    let looked = async {
        let found = TABLES.version(&line).await?;
        let row = line.client.query_typed_one(RIGHTS, &[]).await?;
        let fits = TABLES.check(found).map_err(Trouble::from);
        Ok(Examined { version: found.version, fits, missing: row.try_get(0)?, may_create: row.try_get(1)? })
    };
    let looked: Result<_, NotReady> = looked.await;
    line.close().await;
    looked.map_err(|error| not_ready(error, "looking at the tables of the ledger"))
}
