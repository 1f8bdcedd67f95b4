//! The worker, and what only a file can do to it.

use std::collections::BTreeSet;
use std::path::Path;

use mdss_relay_spool::seam::{Claimed, Outcome, Settled, Settlement, Want};
use mdss_relay_spool::{Spool, TroubleKind};
use mdss_sim::{Step, units};

use crate::child::Process;
use crate::common::*;
use crate::file::*;

#[tokio::test]
async fn what_cannot_be_written_down_is_bounded_and_sent_once() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "1")]);
    let records: Vec<_> = (0..300).map(|n| record("b", &format!("k{n}"), None)).collect();
    accept(&spool, &relay, delivery(&records)).await.unwrap();
    // Whoever locks the file lets others read, so that the worker may claim.
    let mut child = Process::start("locks", dir.path(), "", 0, "");
    assert_eq!(child.next().as_deref(), Some("locked"));
    let worker = Running::start(&spool, &relay);
    until("as much as may be is sent", async || accepted(&sim).len() >= 33).await;
    // That takes two seconds, in which the worker could send hundreds.
    let refused = accept(&spool, &relay, delivery(&[record("b", "new", None)])).await.unwrap_err();
    assert_eq!(refused.kind, TroubleKind::Locked, "{refused}");
    let kept: i64 = query(dir.path(), "SELECT count(*) FROM item");
    assert_eq!((accepted(&sim).len(), kept), (33, 300));
    child.kill();
    until("everything is sent", async || empty(&spool).await).await;
    worker.stop().await;
    let got = accepted(&sim);
    assert!(got.len() == 300 && got.values().all(|times| *times == 1), "{got:?}");
}

#[tokio::test]
async fn a_clock_that_jumps_back_delays_nothing() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let year = 365 * 86_400_000;
    let clock = HandClock::new(60 * year);
    let (spool, _keeping) = Spool::start(config(dir.path()), clock.clone()).unwrap();
    let relay = relay_for(&sim, &[]);
    sim.push_for("k", [Step::Unavailable]);
    keep(&spool, &relay, "k").await;
    let worker = Running::start(&spool, &relay);
    until("it has failed once", async || query::<i64>(dir.path(), "SELECT sum(attempts) FROM item") == 1)
        .await;
    // The item is put off to a second that is now a year away.
    clock.set(59 * year);
    until("it is sent all the same", async || empty(&spool).await).await;
    worker.stop().await;

    // The same, found out at the start.
    keep(&spool, &relay, "l").await;
    clock.set(58 * year);
    let worker = Running::start(&spool, &relay);
    until("the next one is sent, too", async || empty(&spool).await).await;
    worker.stop().await;
}

/// Of the bodies in the file.
fn flip(dir: &Path) {
    let db = rusqlite::Connection::open(dir.join("spool.db")).unwrap();
    db.execute("UPDATE delivery SET body = CAST(replace(CAST(body AS TEXT), 'right', 'wrong') AS BLOB)", [])
        .unwrap();
}

#[tokio::test]
async fn a_flipped_byte_names_no_other_object() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let (spool, _keeping) = start(dir.path());
    keep(&spool, &relay_for(&sim, &[]), "right").await;
    flip(dir.path());
    // With settings that were read anew, what was planned before counts no more.
    let worker = Running::start(&spool, &relay_for(&sim, &[]));
    until("it is parked", async || states(&spool).await["right"] == "parked internal").await;
    worker.stop().await;
    assert_eq!(sim.requests().len(), 0);
}

#[tokio::test]
async fn what_came_a_moment_ago_is_sent_without_being_read_and_read_when_it_is_tried_again() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[]);
    let (spool, _keeping) = start(dir.path());
    keep(&spool, &relay, "right").await;
    flip(dir.path());
    sim.push_for("right", [Step::Unavailable]);
    let worker = Running::start(&spool, &relay);
    until("it is parked", async || states(&spool).await["right"] == "parked internal").await;
    worker.stop().await;
    let requests = sim.requests();
    assert!(requests.len() == 1 && format!("{requests:?}").contains("right"), "{requests:?}");
}

#[tokio::test]
async fn an_answer_about_an_item_of_another_file_concerns_nobody() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[]);
    let (spool, _keeping) = start(dir.path());
    sim.push_for("old", [Step::Delay { ms: 1500 }]);
    keep(&spool, &relay, "old").await;
    let worker = Running::start(&spool, &relay);
    until("the old one is on its way", async || sim.requests().len() == 1).await;
    for tail in ["", "-wal", "-shm"] {
        std::fs::rename(
            dir.path().join(format!("spool.db{tail}")),
            dir.path().join(format!("away.db{tail}")),
        )
        .unwrap();
    }
    // It has the old one's number.
    keep(&spool, &relay, "new").await;
    assert_eq!(query::<i64>(dir.path(), "SELECT id FROM item"), 1);
    until("the new one is sent", async || accepted(&sim).contains_key("new")).await;
    worker.stop().await;
    assert_eq!(accepted(&sim).len(), 2);
}

/// It has the number of an item that is there, and is not that one.
#[tokio::test]
async fn what_came_of_an_item_of_another_file_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(NOWHERE, &[]);
    let (spool, _keeping) = start(dir.path());
    keep(&spool, &relay, "old").await;
    let claims = spool.engine().claim(Want { most: 10, ..Want::default() }).await.unwrap();
    for tail in ["", "-wal", "-shm"] {
        let (name, away) = (format!("spool.db{tail}"), format!("away.db{tail}"));
        std::fs::rename(dir.path().join(name), dir.path().join(away)).unwrap();
    }
    keep(&spool, &relay, "new").await;
    let settlement =
        |item: Claimed| Settlement { ticket: item.ticket, outcome: Outcome::Accepted, fact: None };
    let batch: Vec<_> = claims.items.into_iter().map(settlement).collect();
    assert_eq!(batch.iter().map(|s| s.ticket.id().get()).collect::<Vec<_>>(), [1]);
    let settled = spool.engine().settle(batch.into()).await.unwrap();
    let left: i64 = query(dir.path(), "SELECT id FROM item WHERE key = 'new'");
    assert_eq!((settled, left), (Settled { fenced: 1 }, 1));
}

/// Numbers begin anew in a new file, so what was planned for the old delivery of a number must not decide about the new one.
#[tokio::test]
async fn a_delivery_of_another_file_with_the_same_number_is_planned_by_itself() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "1")]);
    let (spool, _keeping) = start(dir.path());
    let batch =
        |name: &str| delivery(&(0..3).map(|n| record("b", &format!("{name}-{n}"), None)).collect::<Vec<_>>());
    sim.push_for("old-0", [Step::Delay { ms: 1500 }]);
    accept(&spool, &relay, batch("old")).await.unwrap();
    let worker = Running::start(&spool, &relay);
    until("the old one is on its way", async || sim.requests().len() == 1).await;
    for tail in ["", "-wal", "-shm"] {
        let (name, away) = (format!("spool.db{tail}"), format!("away.db{tail}"));
        std::fs::rename(dir.path().join(name), dir.path().join(away)).unwrap();
    }
    accept(&spool, &relay, batch("new")).await.unwrap();
    let numbers = "SELECT group_concat(delivery || '.' || id, ' ') FROM item";
    assert_eq!(query::<String>(dir.path(), numbers), "1.1 1.2 1.3", "as the old ones");
    until("all is sent", async || accepted(&sim).len() >= 6 && empty(&spool).await).await;
    worker.stop().await;
    let got = accepted(&sim);
    let keys: Vec<_> = got.iter().map(|(key, times)| format!("{key} {times}")).collect();
    assert_eq!(keys, ["new-0 1", "new-1 1", "new-2 1", "old-0 1", "old-1 1", "old-2 1"]);
}

/// What the first release has left on a disk.
#[tokio::test]
async fn a_spool_of_the_first_version_is_sent() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.execute_batch(include_str!("../../src/sqlite/1.sql")).unwrap();
    db.execute_batch("PRAGMA application_id = 0x4d445352; PRAGMA user_version = 1").unwrap();
    let body = delivery(&[record("b", "first", Some("01")), record("b", "second", None)]).body;
    let checksum = crc32fast::hash(&[&b"[]\0"[..], &body].concat());
    db.execute(
        "INSERT INTO delivery (name, source, method, headers, body, received, checksum) VALUES ('s-1', 's', 'POST', '[]', ?1, 0, ?2)",
        rusqlite::params![body, checksum],
    )
    .unwrap();
    let lane = units::AMAZON_S3;
    for path in ["0", "1"] {
        let sql = "INSERT INTO item (delivery, path, lane, state, since, not_before, bytes) VALUES (1, ?1, ?2, 'waiting', 0, 0, 700)";
        db.execute(sql, [path, lane]).unwrap();
    }
    drop(db);
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[]);
    keep(&spool, &relay, "third").await;
    assert_eq!(query::<i64>(dir.path(), "SELECT sum(items) FROM tally WHERE source = 's'"), 3);
    let _worker = Running::start(&spool, &relay);
    until("all are sent", async || {
        let sent: BTreeSet<_> = sim.accepted().into_iter().map(|a| a.key).collect();
        sent == ["first", "second", "third"].map(str::to_owned).into()
    })
    .await;
    until("nothing is left", async || spool.snapshot().await.unwrap().stock.depths.is_empty()).await;
}
