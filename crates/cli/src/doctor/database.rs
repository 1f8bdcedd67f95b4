//! Group `database`: the spool's database, where it is in one, as `spool check` sees it.

use std::time::{Duration, Instant};

use mdss_relay_core::SpoolPlace;
use mdss_relay_spool::Database;
use tokio::time::timeout;

use crate::database::examine;
use crate::doctor::subject::Subject;
use mdss_relay_checks::Outcome;
use mdss_relay_checks::Results;
use mdss_relay_checks::{CHECKS, Group};

/// The longest for all of it: several hosts may have to be tried.
const LONGEST: Duration = Duration::from_secs(15);

pub(super) async fn run(subject: &Subject, results: &Results) {
    let Some(spool) = &subject.http.spool else { return };
    let SpoolPlace::Database(settings) = &spool.place else { return };
    let (begun, place);
    let found = match Database::of_settings(settings) {
        // The settings have a finding of their own.
        Err(mistake) => {
            (begun, place) = (Instant::now(), mistake.name);
            vec![("database.reached", Outcome::skipped("settings.valid"))]
        }
        Ok(database) => {
            (begun, place) = (Instant::now(), database.place());
            timeout(LONGEST, examine(&database)).await.unwrap_or_else(|_| {
                let why = format!("no answer within {} s", LONGEST.as_secs());
                vec![(
                    "database.reached",
                    Outcome::fail(why, "a database that answers", "see the network and the server's log"),
                )]
            })
        }
    };
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let why = found.first().map_or("database.reached", |(id, _)| *id);
    for check in CHECKS.iter().filter(|check| check.group == Group::Database) {
        let outcome = found.iter().find(|(id, _)| *id == check.id).map(|(_, outcome)| outcome.clone());
        let outcome = outcome.unwrap_or_else(|| Outcome::skipped(why));
        results.report(check.id, vec![(place.clone(), outcome, ms)]);
    }
}
