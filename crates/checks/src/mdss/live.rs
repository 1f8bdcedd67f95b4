//! `--live`: each unit is told of a file that does not exist. MDSS documents three errors for this call, one for each thing that can be
//! wrong with a unit; without one of them the unit takes events.

use std::sync::Arc;

use mdss_relay_core::{Cause, Dialect, Relay, Route, StorageType, Submission};
use tokio::task::JoinSet;

use super::units::named;
use super::{Answer, ask, made_up_key};
use crate::outcome::Outcome;
use crate::results::Results;
use crate::setup::Setup;
use crate::words::two_parts;

/// What one answer says of one route.
struct Said {
    unit: Outcome,
    real_time: Outcome,
    event_based: Outcome,
    scan_id: Outcome,
}

/// Asks for the unit of each route, and reports all four checks.
pub(super) async fn units(setup: &Setup, relay: Relay, results: &Results) {
    let routes = setup.settings.rules.routes();
    let mut said = Vec::new();
    let needs = ["mdss.api", "mdss.key"];
    let look = async {
        let answers = answers(setup, Arc::new(relay)).await;
        said = routes.iter().zip(answers).map(|(route, answer)| of(route, &answer)).collect();
        subjects(routes).zip(&said).map(|(name, said)| (name, said.unit.clone())).collect()
    };
    results.check_each("mdss.unit", "routes", &needs, look).await;
    for (id, of) in [
        ("mdss.real_time", (|said: &Said| said.real_time.clone()) as fn(&Said) -> Outcome),
        ("mdss.event_based", |said| said.event_based.clone()),
        ("mdss.scan_id", |said| said.scan_id.clone()),
    ] {
        let found = subjects(routes).zip(&said).map(|(name, said)| (name, of(said))).collect();
        results.check_each(id, "routes", &needs, async { found }).await;
    }
}

/// Where an answer would prove nothing, nothing is submitted.
pub(super) fn skipped(setup: &Setup, results: &Results) {
    let why = "MDSS took an object of a unit that does not exist, so nothing more was submitted";
    for id in ["mdss.real_time", "mdss.event_based", "mdss.scan_id"] {
        let found = subjects(setup.settings.rules.routes());
        let found = found.map(|name| (name, Outcome::unknown(why, "look at the unit in MDSS"), 0));
        results.report(id, found.collect());
    }
}

fn subjects(routes: &[Route]) -> impl Iterator<Item = String> {
    routes.iter().enumerate().map(|(index, route)| named(index, route))
}

/// An answer for each route; units that several routes name alike are asked once.
async fn answers(setup: &Setup, relay: Arc<Relay>) -> Vec<Answer> {
    let routes = setup.settings.rules.routes();
    let ways: Vec<_> = routes
        .iter()
        .map(|route| (route.storage_client_id(), storage_type(route, setup), route.scan_id()))
        .collect();
    let mut asked = JoinSet::new();
    for (index, way) in ways.iter().enumerate() {
        if ways[..index].contains(way) {
            continue;
        }
        let (unit, storage_type, scan_id) = *way;
        let submission = Submission::new(unit, storage_type, &made_up_key(), scan_id);
        let relay = relay.clone();
        asked.spawn(async move { (index, ask(&relay, &submission).await) });
    }
    let mut answers: Vec<Option<Answer>> = vec![None; routes.len()];
    while let Some(answered) = asked.join_next().await {
        match answered {
            Ok((index, answer)) => answers[index] = Some(answer),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    let first = |way| ways.iter().position(|other| other == way).and_then(|index| answers[index].clone());
    ways.iter().map(|way| first(way).expect("each was asked, or one like it")).collect()
}

/// The type that decides in which form MDSS is told: the route's own, or the usual one of its source's dialect.
fn storage_type(route: &Route, setup: &Setup) -> StorageType {
    let of_source = || {
        let mut sources = setup.http.sources.iter();
        let source = sources.find(|source| route.source().is_none_or(|own| own == source.name))?;
        source.dialect.map(Dialect::usual_storage_type)
    };
    route.storage_type().or_else(of_source).unwrap_or(StorageType::S3Compatible)
}

fn of(route: &Route, answer: &Answer) -> Said {
    let ok = |found: &str| Outcome::ok(found.to_owned());
    let skipped = Outcome::skipped;
    let known = || ok("MDSS knows it");
    let failure = match answer {
        Ok(id) => {
            return Said {
                unit: ok(&format!(
                    "MDSS knows it, and took a file that does not exist (correlation id {id})"
                )),
                real_time: ok("on"),
                event_based: ok("yes"),
                scan_id: ok(if route.scan_id().is_some() { "MDSS takes it" } else { "none is needed" }),
            };
        }
        Err(failure) => failure,
    };
    let (found, remedy) = two_parts(&failure.detail);
    let fail = |expected: &str| Outcome::fail(found.clone(), expected, &remedy);
    match failure.cause {
        Cause::MdssStorageNotFound => Said {
            unit: fail("the storage client id of a unit, as the MDSS dashboard shows it"),
            real_time: skipped("mdss.unit"),
            event_based: skipped("mdss.unit"),
            scan_id: skipped("mdss.unit"),
        },
        Cause::MdssNotEnabled => Said {
            unit: known(),
            real_time: fail("a real-time scan that is on"),
            event_based: skipped("mdss.real_time"),
            scan_id: skipped("mdss.real_time"),
        },
        Cause::MdssNotEventBased => Said {
            unit: known(),
            real_time: ok("on"),
            event_based: fail("a real-time scan that is Event-Based"),
            scan_id: skipped("mdss.event_based"),
        },
        // No page has this error: only that `scanId` is required while a partition scan is active.
        Cause::MdssRefused if found.to_ascii_lowercase().contains("scan") => {
            let why = || Outcome::unknown("MDSS refused the file for its scan id", "mend mdss.scan_id first");
            let expected = match route.scan_id() {
                Some(_) => "the id of a scan that runs",
                None => "a scan id in this route, because a partition scan is active",
            };
            Said {
                unit: why(),
                real_time: why(),
                event_based: why(),
                scan_id: Outcome::fail(
                    found,
                    expected,
                    "set scan_id in the route to the id of the scan in MDSS; a scan that is started anew has another one",
                ),
            }
        }
        _ => {
            let why = || Outcome::unknown(found.clone(), remedy.clone());
            Said { unit: why(), real_time: why(), event_based: why(), scan_id: why() }
        }
    }
}
