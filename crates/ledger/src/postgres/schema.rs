//! The tables of the ledger. They have a schema of their own, with the names that they have in a file.

use mdss_relay_postgres::{Database, Line, NotReady, Tables};

use crate::db::Fault;
use crate::trouble::Trouble;

/// Their lock is "MDSL".
pub(crate) const TABLES: Tables = Tables {
    what: "the ledger",
    meta: "mdss_relay_ledger.meta",
    steps: &[include_str!("1.sql"), include_str!("2.sql"), include_str!("3.sql")],
    oldest: 1,
    lock: 0x4d44_534c,
};

/// The version of the tables that this program writes, and brings older ones to.
pub const NEWEST: i32 = TABLES.newest();

pub(super) fn not_ready(error: NotReady, doing: &str) -> Trouble {
    match error {
        NotReady::Ours(failing) => failing.into(),
        NotReady::Sql(error) => Fault::from(error).trouble(doing),
    }
}

/// The version of the tables of a database; 0 if there are none.
///
/// # Errors
/// If that cannot be told.
pub async fn version(database: &Database) -> Result<i32, Trouble> {
    let line = Line::connect(database).await?;
    let found = TABLES.version(&line).await;
    line.close().await;
    found
        .map(|found| found.version)
        .map_err(|error| not_ready(error.into(), "looking at the tables of the ledger"))
}

/// Makes the tables, or brings them to today's version; the role must be allowed to. Gives the version before, 0 if there were none, and the one after.
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
    let steps: Result<_, NotReady> = steps.await;
    line.close().await;
    steps.map_err(|error| not_ready(error, "making the tables of the ledger"))
}

/// The statements that make the tables, or bring them from a version to today's, for whoever runs them with a tool of their own.
pub fn script(from: i32) -> String {
    TABLES.script(from)
}
