//! Group `database`: the spool's database, where it is in one, as `spool check` sees it.

use std::time::{Duration, Instant};

use mdss_relay_core::{LedgerPlace, SpoolPlace};
use mdss_relay_spool::Database;
use tokio::time::timeout;

use crate::database::{examine, examine_ledger};
use crate::doctor::subject::Subject;
use mdss_relay_checks::Outcome;
use mdss_relay_checks::Results;
use mdss_relay_checks::{CHECKS, Group};

/// The longest for all of it: several hosts may have to be tried.
const LONGEST: Duration = Duration::from_secs(15);

pub(super) async fn run(subject: &Subject, results: &Results) {
    let Some(spool) = &subject.http.spool else { return };
    let SpoolPlace::Database(settings) = &spool.place else { return };
    // The directory of its key, where a ledger is kept.
    let key = spool.ledger.as_ref().map(|ledger| match &ledger.place {
        LedgerPlace::Database { key } if !key.as_os_str().is_empty() => Some(key.as_path()),
        _ => None,
    });
    let (begun, place);
    let found = match Database::of_settings(settings) {
        // The settings have a finding of their own.
        Err(mistake) => {
            (begun, place) = (Instant::now(), mistake.name);
            vec![("database.reached", Outcome::skipped("settings.valid"))]
        }
        Ok(database) => {
            (begun, place) = (Instant::now(), database.place());
            let mut found = timeout(LONGEST, examine(&database)).await.unwrap_or_else(|_| {
                let why = format!("no answer within {} s", LONGEST.as_secs());
                vec![(
                    "database.reached",
                    Outcome::fail(why, "a database that answers", "see the network and the server's log"),
                )]
            });
            if let Some(key) = key.filter(|_| found.len() > 1) {
                let slow = || vec![("database.ledger_tables", Outcome::unknown("no answer in time", ""))];
                let looked = timeout(LONGEST, examine_ledger(&database, key));
                found.extend(looked.await.unwrap_or_else(|_| slow()));
            }
            found
        }
    };
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let why = found.first().map_or("database.reached", |(id, _)| *id);
    let of_ledger = |id: &str| id.starts_with("database.ledger_");
    let checks = CHECKS.iter().filter(|check| check.group == Group::Database);
    for check in checks.filter(|check| key.is_some() || !of_ledger(check.id)) {
        let outcome = found.iter().find(|(id, _)| *id == check.id).map(|(_, outcome)| outcome.clone());
        let why = match found.iter().any(|(id, _)| of_ledger(id)) && of_ledger(check.id) {
            true => "database.ledger_tables",
            false => why,
        };
        let outcome = outcome.unwrap_or_else(|| Outcome::skipped(why));
        results.report(check.id, vec![(place.clone(), outcome, ms)]);
    }
}
