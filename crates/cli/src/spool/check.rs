//! `spool check`: the database as a relay would find it.

use std::path::Path;

use mdss_relay_spool::Database;
use serde_json::json;

use super::print;
use crate::database::{Checked, examine, examine_ledger, has_ledger};
use crate::visible::visible;
use mdss_relay_checks::Status;

/// Prints what each check found; the exit status.
pub(super) async fn run(database: &Database, key_dir: Option<&Path>, json: bool) -> u8 {
    let mut found = examine(database).await;
    // Without a connection there is nothing more to see.
    if found.len() > 1 && has_ledger(database).await {
        found.extend(examine_ledger(database, key_dir).await);
    }
    if json {
        let checks: Vec<_> = found
            .iter()
            .map(|(id, outcome)| {
                let some = |text: &String| (!text.is_empty()).then(|| text.clone());
                json!({
                    "id": id,
                    "status": outcome.status.name(),
                    "found": outcome.found,
                    "expected": some(&outcome.expected),
                    "remedy": some(&outcome.remedy),
                })
            })
            .collect();
        print(&visible(&json!({ "database": database.place(), "checks": checks }).to_string()));
    } else {
        for (id, outcome) in &found {
            print(&visible(&format!("{:<8} {id:<20} {}", outcome.status.name(), outcome.found)));
            for (word, text) in [("expected", &outcome.expected), ("to do", &outcome.remedy)] {
                if !text.is_empty() {
                    print(&visible(&format!("{:<29} {word}: {text}", "")));
                }
            }
        }
    }
    let failed = |(_, outcome): &Checked| outcome.status == Status::Fail;
    u8::from(found.iter().any(failed))
}
