//! `spool check`: the database as a relay would find it.

use mdss_relay_spool::Database;
use serde_json::json;

use super::print;
use crate::database::{Checked, examine};
use crate::visible::visible;
use mdss_relay_checks::Status;

/// Prints what each check found; the exit status.
pub(super) async fn run(database: &Database, json: bool) -> u8 {
    let found = examine(database).await;
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
