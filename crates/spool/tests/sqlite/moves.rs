//! What MDSS has accepted is known wherever a spool moves to: a repetition is a duplicate there, and is not sent again.

use std::path::Path;

use mdss_relay_core::Settings;
use mdss_relay_spool::seam::{Outcome, Settlement, Want};
use mdss_relay_spool::{
    Config, Database, Durability, Place, Spool, SystemClock, move_to_database, move_to_directory,
};

use crate::common::*;

const KEYS: [&str; 6] = ["k0", "k1", "k2", "k3", "k4", "k5"];

/// Gives every event to a spool, and what each sender hears.
async fn all_again(spool: &Spool) -> Vec<String> {
    let mut heard = Vec::new();
    for key in KEYS {
        let report = accept(spool, &routed(), delivery(&[record("b", key, Some("01"))])).await.unwrap();
        heard.extend(results(&report));
    }
    heard
}

/// MDSS accepts so many of what waits.
async fn settle(spool: &Spool, most: usize) {
    let claims = spool.engine().claim(Want { most, ..Want::default() }).await.unwrap();
    let settled = |ticket| Settlement { ticket, outcome: Outcome::Accepted, fact: None };
    let batch: Vec<_> = claims.items.into_iter().map(|item| settled(item.ticket)).collect();
    assert_eq!(batch.len(), most);
    spool.engine().settle(batch.into()).await.unwrap();
}

/// Opens a place, does something there, and closes it.
async fn at(place: Place, work: impl AsyncFnOnce(&Spool)) {
    let (spool, keeping) =
        Spool::start(Config { place, limit: 1 << 30 }, std::sync::Arc::new(SystemClock)).unwrap();
    spool.ready().await.unwrap();
    work(&spool).await;
    drop(spool);
    keeping.wait();
}

fn directory(dir: &Path) -> Place {
    Place::Directory(dir.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_known_in_the_database_and_in_the_file_again() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let database = async || {
        let url = server.database().await.unwrap();
        Database::of_url(&url).unwrap().durable(Durability::Server)
    };
    let (there, elsewhere) = (database().await, database().await);
    let (dir, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let known = async |spool: &Spool| {
        let heard = all_again(spool).await;
        assert!(heard.iter().all(|heard| heard.ends_with("duplicate")), "{heard:?}");
    };
    at(directory(dir.path()), async |spool| {
        assert!(!all_again(spool).await.iter().any(|heard| heard.ends_with("duplicate")));
        settle(spool, 2).await;
        known(spool).await;
    })
    .await;
    assert_eq!(move_to_database(dir.path(), &there, |_| {}).await.unwrap().marks, 2);
    at(Place::Database(there.clone()), async |spool| {
        known(spool).await;
        settle(spool, 2).await;
    })
    .await;
    // The rules of no route: the mark of what waits is made of the event.
    let rules = Settings::default().rules;
    // An interrupted move begins with the marks again.
    for items in [2, 0] {
        let moved = move_to_directory(&there, back.path(), &rules, |_| {}).await.unwrap();
        assert_eq!((moved.marks, moved.items), (4, items));
    }
    at(directory(back.path()), async |spool| {
        known(spool).await;
        assert_eq!(items(spool).await, 2);
        settle(spool, 1).await;
        known(spool).await;
        let another = accept(spool, &routed(), delivery(&[record("b", "k0", Some("02"))])).await.unwrap();
        assert!(!results(&another)[0].ends_with("duplicate"), "another write is none: {another:?}");
    })
    .await;
    // And on, into a database that has seen none of them.
    assert_eq!(move_to_database(back.path(), &elsewhere, |_| {}).await.unwrap().marks, 5);
    at(Place::Database(elsewhere), known).await;
}
