//! `spool migrate`: the tables of a database, made or brought to today's version by whoever may.

use mdss_relay_ledger::tables as of_ledger;
use mdss_relay_spool::{Database, tables};

use super::print;

/// Migrates, or prints the statements; the exit status.
pub(super) async fn run(database: &Database, only_print: bool) -> Result<u8, String> {
    if only_print {
        // A database that cannot be reached gets the statements from the beginning: it may be made later.
        let there = tables::examine(database).await.map_or(0, |found| found.standing.tables);
        let ledger = of_ledger::version(database).await.unwrap_or(0);
        if there >= tables::NEWEST && ledger >= of_ledger::NEWEST {
            print(&format!(
                "-- {} has the tables of version {there}, and those of the ledger of version {ledger}: there is nothing to do",
                database.place()
            ));
        } else {
            print((tables::script(there) + &of_ledger::script(ledger)).trim_end());
        }
        return Ok(0);
    }
    let (before, after) = tables::migrate(database).await.map_err(|trouble| trouble.detail)?;
    let place = database.place();
    print(&match before {
        0 => format!("{place}: the tables were made, version {after}"),
        _ if before == after => format!("{place}: the tables have version {after} already"),
        _ => format!("{place}: the tables were brought from version {before} to version {after}"),
    });
    // They are there for whoever turns the ledger on later, with a role that may not create.
    let (before, after) = of_ledger::migrate(database).await.map_err(|trouble| trouble.detail)?;
    print(&match before {
        0 => format!("{place}: the tables of the ledger were made, version {after}"),
        _ if before == after => format!("{place}: the tables of the ledger have version {after} already"),
        _ => {
            format!("{place}: the tables of the ledger were brought from version {before} to version {after}")
        }
    });
    Ok(0)
}
