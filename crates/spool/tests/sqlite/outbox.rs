//! What waits for the ledger in a file that is damaged, that is new, or that an earlier relay has written.

use std::sync::Arc;

use mdss_relay_spool::seam::{Claimed, Outcome, Settlement, Want};
use mdss_relay_spool::{
    Config, Database, Durability, OUTBOX_LIMIT, OutboxRow, Place, Spool, StoreThread, SystemClock,
    move_to_database, move_to_directory,
};
use serde_json::Value;

use crate::common::*;
use crate::file::*;
use crate::trouble::damage;

/// Settles so many new items, each with a fact.
async fn tell(spool: &Spool, name: &str, count: usize) {
    let records: Vec<_> = (0..count).map(|n| record("b", &format!("{name}-{n}"), None)).collect();
    accept(spool, &routed(), delivery(&records)).await.unwrap();
    let claims = spool.engine().claim(Want { most: count, ..Want::default() }).await.unwrap();
    let fact =
        |item: &Claimed| format!("{{\"path\":\"{}\",\"name\":\"{name}{}\"}}", item.path, "x".repeat(200));
    let settlement = |item: Claimed| Settlement {
        fact: Some(fact(&item)),
        outcome: Outcome::Accepted,
        ticket: item.ticket,
    };
    let batch: Vec<_> = claims.items.into_iter().map(settlement).collect();
    assert_eq!(batch.len(), count);
    spool.engine().settle(batch.into()).await.unwrap();
}

/// Starts a spool in a database.
fn in_database(database: &Database) -> (Spool, StoreThread) {
    let config = Config { place: Place::Database(database.clone()), limit: 1 << 30 };
    Spool::start(config, Arc::new(SystemClock)).unwrap()
}

async fn all(spool: &Spool) -> Vec<OutboxRow> {
    spool.engine().outbox_take(10_000).await.unwrap()
}

/// What they say; each of a spool's says something else.
async fn bodies(spool: &Spool) -> Vec<String> {
    all(spool).await.into_iter().map(|row| String::from_utf8(row.body).unwrap()).collect()
}

fn words(rows: &[OutboxRow], name: &str) -> Vec<Value> {
    rows.iter().map(|row| serde_json::from_slice::<Value>(&row.body).unwrap()[name].clone()).collect()
}

/// What a damaged page has held is missing, and the ledger gets to know it.
#[tokio::test]
async fn facts_of_a_damaged_file_are_saved_and_those_that_are_lost_make_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, keeping) = start(dir.path());
    spool.engine().outbox_keep(Some(OUTBOX_LIMIT)).await.unwrap();
    tell(&spool, "a", 300).await;
    let before = all(&spool).await;
    assert_eq!(before.len(), 300);
    drop(spool);
    keeping.wait();
    damage(
        dir.path(),
        "SELECT pageno FROM dbstat WHERE name = 'outbox' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 3",
    );
    let (spool, _keeping) = start(dir.path());
    until("the file is mended", async || spool.engine().outbox_take(10_000).await.is_ok()).await;
    let after = all(&spool).await;
    assert!(after.len() > 200 && after.len() < 300, "{}", after.len());
    let gaps: Vec<_> = words(&after, "mdss.reason").into_iter().filter(|reason| !reason.is_null()).collect();
    assert_eq!(gaps, ["spool_damaged"]);
    let last: Value = serde_json::from_slice(&after.last().unwrap().body).unwrap();
    assert!(last["kind"] == "gap" && last["mdss.count"].is_null(), "nobody can count them: {last}");
    let saved: Vec<_> = after.iter().filter(|row| before.contains(row)).collect();
    assert_eq!(saved.len(), after.len() - 1, "with the numbers that they had");
    let size = spool.engine().outbox_size().await.unwrap();
    assert_eq!((size.limit, size.rows), (Some(OUTBOX_LIMIT), after.len() as u64));
    // And no number is given a second time.
    let highest = after.iter().map(|row| row.id).max();
    tell(&spool, "b", 1).await;
    assert!(all(&spool).await.last().map(|row| row.id) > highest);
}

/// The ledger knows facts by their numbers, also those of a file that was taken away.
#[tokio::test]
async fn a_new_file_has_new_numbers() {
    let mut last = 0;
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _keeping) = start(dir.path());
        tell(&spool, "a", 20).await;
        let rows = all(&spool).await;
        assert!(rows[0].id > last, "{} {last}", rows[0].id);
        last = rows[19].id;
    }
}

/// What has not reached the ledger moves with the spool, there and back, and is there once.
#[tokio::test]
async fn facts_move_with_the_spool() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let database = Database::of_url(&url).unwrap();
    let database = database.durable(Durability::Server);
    let (dir, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (spool, keeping) = start(dir.path());
    tell(&spool, "a", 30).await;
    let before = words(&all(&spool).await, "path");
    drop(spool);
    keeping.wait();
    move_to_database(dir.path(), &database, |_| {}).await.unwrap();
    let (spool, keeping) = start(dir.path());
    assert_eq!(all(&spool).await, [], "they have gone");
    drop(spool);
    keeping.wait();
    let rules = mdss_relay_core::Settings::default().rules;
    move_to_directory(&database, back.path(), &rules, |_| {}).await.unwrap();
    let (spool, _keeping) = start(back.path());
    assert_eq!(words(&all(&spool).await, "path"), before);
}

/// What has not reached the ledger in two databases comes into one file, and from there into a third one, in which relays go on to number their own.
#[tokio::test]
async fn facts_of_two_spools_move_into_one() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    let rules = mdss_relay_core::Settings::default().rules;
    let mut databases = Vec::new();
    for _ in 0..3 {
        let database = Database::of_url(&server.database().await.unwrap()).unwrap();
        databases.push(database.durable(Durability::Server));
    }
    let mut expected = Vec::new();
    for (database, name) in databases.iter().zip(["one", "two", "three"]) {
        let (spool, keeping) = in_database(database);
        tell(&spool, name, 20).await;
        expected.extend(bodies(&spool).await);
        drop(spool);
        keeping.wait();
    }
    for database in &databases[..2] {
        move_to_directory(database, dir.path(), &rules, |_| {}).await.unwrap();
    }
    let (spool, keeping) = start(dir.path());
    assert_eq!(bodies(&spool).await, expected[..40]);
    drop(spool);
    keeping.wait();
    move_to_database(dir.path(), &databases[2], |_| {}).await.unwrap();
    let (spool, _keeping) = in_database(&databases[2]);
    tell(&spool, "later", 20).await;
    let mut found = bodies(&spool).await;
    assert_eq!(found.len(), 80);
    found.truncate(60);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// A step that is done again, because it was interrupted, brings nothing twice: neither what still waits, nor what the ledger has already, which knows it
/// by its number.
#[tokio::test]
async fn a_step_of_a_move_that_comes_again_keeps_its_numbers() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let database = Database::of_url(&server.database().await.unwrap()).unwrap().durable(Durability::Server);
    let [dir, again, more] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let (spool, keeping) = start(dir.path());
    tell(&spool, "a", 30).await;
    drop(spool);
    keeping.wait();
    for copy in [&again, &more] {
        std::fs::copy(dir.path().join("spool.db"), copy.path().join("spool.db")).unwrap();
    }
    move_to_database(dir.path(), &database, |_| {}).await.unwrap();
    let (spool, _keeping) = in_database(&database);
    let first = all(&spool).await;
    assert_eq!(first.len(), 30);
    move_to_database(again.path(), &database, |_| {}).await.unwrap();
    assert_eq!(all(&spool).await, first);
    // The ledger has them, and the step comes once more.
    spool.engine().outbox_drop(first.iter().map(|row| row.id).collect()).await.unwrap();
    move_to_database(more.path(), &database, |_| {}).await.unwrap();
    assert_eq!(all(&spool).await, first);
}
