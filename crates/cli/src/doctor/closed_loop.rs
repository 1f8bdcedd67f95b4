//! Group `loop`: whether it is known that objects are scanned, as the ledger has it. Where no ledger is kept there is nothing to look at.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mdss_relay_core::{LedgerPlace, SpoolPlace};
use mdss_relay_ledger::{Database, Ledger, Loop, MENU, Options, Place, TroubleKind};

use crate::doctor::subject::Subject;
use mdss_relay_checks::Outcome;
use mdss_relay_checks::Results;

/// Without a result after so many accepted objects, nobody seems to send any.
const SILENT: u64 = 100;

/// What one check found: of whom, if not of the ledger as a whole.
type Looked = Vec<(Option<String>, Outcome)>;

pub(super) async fn run(subject: &Subject, results: &Results) {
    let Some(ledger) = subject.http.spool.as_ref().and_then(|spool| spool.ledger.as_ref()) else { return };
    let sources = &subject.http.results;
    let source = async {
        let names = sources.iter().map(|source| format!("{} at {}", source.name, source.path));
        match names.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => Outcome::warn(
                "no [[results]]: MDSS has no place to say what it has scanned, so it is not known whether objects are",
                "a source of results",
                format!("add [[results]] with name, path and auth to the configuration; then {MENU}"),
            ),
            names => Outcome::ok(names),
        }
    };
    results.check("loop.results_source", &subject.name, &[], source).await;
    let (place, state) = match &ledger.place {
        LedgerPlace::Directory(dir) => (dir.display().to_string(), read(Place::Directory(dir.clone())).await),
        LedgerPlace::Database { .. } => {
            let place = subject.http.spool.as_ref().and_then(|spool| match &spool.place {
                SpoolPlace::Database(database) => Database::of_settings(database).ok(),
                SpoolPlace::Directory(_) => None,
            });
            match place {
                Some(database) => (database.place(), read(Place::Database { database, key: None }).await),
                None => ("the database".to_owned(), Err("its URL cannot be read".to_owned())),
            }
        }
    };
    let of = |look: fn(&Loop, bool) -> Looked| {
        let found = match &state {
            Ok(state) => look(state, !sources.is_empty()),
            Err(why) => {
                vec![(None, Outcome::unknown(why, "run doctor as the user of the relay, or as root"))]
            }
        };
        let named =
            |(name, outcome): (Option<String>, Outcome)| (name.unwrap_or_else(|| place.clone()), outcome);
        async move { found.into_iter().map(named).collect::<Vec<_>>() }
    };
    results.check_each("loop.webhook_seen", &place, &[], of(seen)).await;
    results.check_each("loop.blocked_only", &place, &[], of(blocked_only)).await;
    results.check_each("loop.unconfirmed", &place, &[], of(unconfirmed)).await;
    results.check("loop.canary", &subject.name, &[], async { canary() }).await;
}

/// The loop as the ledger has it, or why it cannot be told.
async fn read(place: Place) -> Result<Loop, String> {
    let ledger = Ledger::open(&place, Options::reading()).await;
    let state = match ledger {
        Ok(ledger) => ledger.the_loop().await,
        Err(trouble) => Err(trouble),
    };
    state.map_err(|trouble| match trouble.kind {
        TroubleKind::Absent => "there is no ledger yet".to_owned(),
        _ => trouble.detail,
    })
}

fn seen(state: &Loop, expected: bool) -> Looked {
    let outcome = match state.last {
        Some(last) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let then = Duration::from_millis(u64::try_from(last.as_millis()).unwrap_or(0));
            let ago = now.saturating_sub(then).as_secs() / 60;
            Outcome::ok(format!("the last result came {ago} min ago; {} were matched", state.counts.matched))
        }
        None if !expected => Outcome::unknown("no result has come, as there is no source of results", ""),
        None if state.writes >= SILENT => Outcome::warn(
            format!(
                "MDSS has accepted {} objects, and no result has ever come: its notification is off, or cannot reach the relay, or tells of blocked files only and none was blocked",
                state.writes
            ),
            "results of all scanned files",
            format!("{MENU}; a destination that MDSS cannot reach is on its Audit page"),
        ),
        None => Outcome::unknown(
            format!("no result has come yet; MDSS has accepted {} objects", state.writes),
            format!("write an object, and look again; {MENU}"),
        ),
    };
    vec![(None, outcome)]
}

fn blocked_only(state: &Loop, expected: bool) -> Looked {
    let since = state.since.unwrap_or_default();
    let outcome = match state.last {
        None if !expected => Outcome::unknown("no result has come, as there is no source of results", ""),
        // With "blocked only" and nothing blocked it looks just so.
        None => Outcome::unknown(
            format!(
                "no result has come, so MDSS may tell of blocked files only: {since} objects were accepted since results are waited for"
            ),
            format!("{MENU}; then write an object that it allows, and look again"),
        ),
        Some(_) if state.blocked_only => Outcome::warn(
            format!(
                "only results of blocked files have come while MDSS accepted {since} objects: nobody can tell a file that was allowed from one that was never scanned"
            ),
            "results of all scanned files",
            MENU,
        ),
        Some(_) if state.tells_all => Outcome::ok("not only blocked files are told of"),
        Some(_) => Outcome::unknown(
            format!(
                "only results of blocked files have come so far, and no more than {since} objects were accepted meanwhile"
            ),
            format!("{MENU}; then write an object that it allows, and look again"),
        ),
    };
    vec![(None, outcome)]
}

/// Whether an object of our own has gone the whole way. Nobody writes one: a store's credentials may list and nothing else, and writing needs others, a
/// prefix, and somebody who wants it.
fn canary() -> Outcome {
    Outcome::beyond(
        "this version writes no object of its own into a bucket, so nothing has shown the whole way from the bucket to the result",
        "write an object by hand, then: mdss-relay ledger show BUCKET KEY; it says when it was accepted, and scanned",
    )
}

fn unconfirmed(state: &Loop, _: bool) -> Looked {
    let unit = |unit: &mdss_relay_ledger::LoopUnit| {
        let minutes = unit.after.as_secs() / 60;
        let outcome = match (unit.results, unit.unconfirmed) {
            (0, _) => Outcome::unknown(
                "no result was ever received for this unit: whether its objects are scanned is not known",
                format!("if other units have results, see its storage in MDSS; else, {MENU}"),
            ),
            (_, 0) => Outcome::ok(format!("no object without a result is older than {minutes} min")),
            (_, late) => Outcome::warn(
                format!(
                    "for {late} accepted objects no result was received within {minutes} min; results are sent once, and can be lost"
                ),
                "a result for each",
                "mdss-relay ledger unscanned lists them; look for them in MDSS",
            ),
        };
        (unit.unit.as_deref().map(|id| format!("unit {id}")), outcome)
    };
    match state.units.iter().map(unit).collect::<Vec<_>>() {
        none if none.is_empty() => vec![(None, Outcome::unknown("MDSS has accepted nothing yet", ""))],
        units => units,
    }
}

#[cfg(test)]
mod tests {
    use mdss_relay_ledger::{LoopUnit, Moment};

    use super::*;
    use mdss_relay_checks::Status;

    fn status(found: &[(Option<String>, Outcome)]) -> Vec<Status> {
        found.iter().map(|(_, outcome)| outcome.status).collect()
    }

    fn unit(results: u64, unconfirmed: u64) -> LoopUnit {
        let after = Duration::from_secs(3600);
        let unit = Some("u".into());
        LoopUnit {
            unit,
            form: None,
            open: 9,
            unconfirmed,
            never: 0,
            after,
            learned: false,
            results,
            results_took: Default::default(),
            scans_took: Default::default(),
        }
    }

    /// What is not known is never shown as good.
    #[test]
    fn what_the_ledger_says_of_the_loop() {
        let none = Loop::default();
        let blocked = Loop { last: Some(Moment::from_millis(0)), ..Loop::default() };
        let some = Loop { tells_all: true, ..blocked.clone() };
        let waited = Loop { writes: 5000, since: Some(5000), ..Loop::default() };
        for (state, expected, want) in [
            (none.clone(), true, [Status::Unknown, Status::Unknown, Status::Unknown]),
            (Loop { writes: 100, ..none.clone() }, true, [Status::Warn, Status::Unknown, Status::Unknown]),
            // With "blocked only" and nothing blocked it is just so.
            (waited, true, [Status::Warn, Status::Unknown, Status::Unknown]),
            (Loop { writes: 100, ..none }, false, [Status::Unknown, Status::Unknown, Status::Unknown]),
            (
                Loop { units: vec![unit(0, 9)], ..some.clone() },
                true,
                [Status::Ok, Status::Ok, Status::Unknown],
            ),
            (Loop { units: vec![unit(5, 0)], ..some.clone() }, true, [Status::Ok, Status::Ok, Status::Ok]),
            (Loop { units: vec![unit(5, 0)], ..blocked }, true, [Status::Ok, Status::Unknown, Status::Ok]),
            (
                Loop { blocked_only: true, units: vec![unit(5, 3)], ..some },
                true,
                [Status::Ok, Status::Warn, Status::Warn],
            ),
        ] {
            let found =
                [seen(&state, expected), blocked_only(&state, expected), unconfirmed(&state, expected)];
            for (_, outcome) in found[..2].iter().flatten().filter(|_| expected) {
                let says =
                    matches!(outcome.status, Status::Ok) || outcome.remedy.contains("all scanned files");
                assert!(says, "what to do: {outcome:?}");
            }
            let found: Vec<_> = found.iter().flat_map(|found| status(found)).collect();
            assert_eq!(found, want, "{state:?}");
        }
    }
}
