//! Faults that come together: an operator who moves half of the files, a byte that is flipped where no checksum looks, a
//! disk that the spool itself has filled.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use mdss_relay_spool::{Desk, Filter, Moment, State, TroubleKind, Worker};
use mdss_sim::Sim;

use crate::child::Process;
use crate::common::*;
use crate::file::*;

fn sent(sim: &Sim) -> BTreeSet<String> {
    sim.accepted().into_iter().map(|a| a.key).collect()
}

/// A spool with one event, killed, so that the event is in the log and nowhere else.
fn killed(dir: &Path) -> String {
    let mut child = Process::start("accepts", dir, "", 7, "");
    let first = child.next().unwrap();
    child.kill();
    assert!(std::fs::metadata(dir.join("spool.db-wal")).unwrap().len() > 0);
    first
}

#[tokio::test]
async fn a_log_whose_file_was_moved_away_is_not_thrown_away() {
    for (what, emptied) in [("moved away", false), ("emptied", true)] {
        let dir = tempfile::tempdir().unwrap();
        let key = killed(dir.path());
        let (file, old) = (dir.path().join("spool.db"), dir.path().join("old"));
        std::fs::create_dir(&old).unwrap();
        std::fs::rename(&file, old.join("spool.db")).unwrap();
        if emptied {
            std::fs::write(&file, "").unwrap();
        }
        let (spool, _keeping) = start(dir.path());
        keep(&spool, &relay(NOWHERE, &[]), "new").await;
        let keys = async |dir: &Path| -> BTreeSet<_> {
            let entries = Desk::open(dir).unwrap().list(&Filter::default(), None, 1_000_000).await.unwrap();
            entries.into_iter().filter_map(|entry| entry.key).collect()
        };
        assert_eq!(keys(dir.path()).await, ["new".to_owned()].into(), "{what}");
        let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut logs = names.filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("spool.db.damaged-") && name.ends_with("-wal")
        });
        let log = logs
            .next()
            .unwrap_or_else(|| panic!("{what}: {key} was acknowledged, and its only copy is gone"));
        // As the line says.
        std::fs::rename(log, old.join("spool.db-wal")).unwrap();
        assert!(keys(&old).await.contains(&key), "{what}");
    }
}

#[tokio::test]
async fn a_salvage_that_died_between_the_names_does_not_mix_two_files() {
    let relay = relay(NOWHERE, &[]);
    let (dir, made) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    killed(dir.path());
    // What a salvage had made of the old file.
    let (spool, keeping) = start(made.path());
    for n in 0..50 {
        keep(&spool, &relay, &format!("salvaged-{n}")).await;
    }
    drop(spool);
    keeping.wait();
    // It had moved the old file, and was killed before it moved the old file's log.
    std::fs::rename(dir.path().join("spool.db"), dir.path().join("spool.db.damaged-1")).unwrap();
    std::fs::copy(made.path().join("spool.db"), dir.path().join("spool.db.salvaged")).unwrap();
    let (spool, keeping) = start(dir.path());
    until("a new event is taken", async || {
        accept(&spool, &relay, delivery(&[record("b", "new", None)])).await.is_ok()
    })
    .await;
    drop(spool);
    keeping.wait();
    assert_eq!(query::<String>(dir.path(), "PRAGMA integrity_check"), "ok");
    let entries = Desk::open(dir.path()).unwrap().list(&Filter::default(), None, 1_000_000).await.unwrap();
    let keys: BTreeSet<_> = entries.into_iter().filter_map(|entry| entry.key).collect();
    let want: BTreeSet<_> = (0..50).map(|n| format!("salvaged-{n}")).chain(["new".to_owned()]).collect();
    assert_eq!(keys, want);
}

/// What is in no text: SQLite does not look when it reads.
const FLIPPED: &str = "CAST(x'5bff5d' AS TEXT)";

#[tokio::test]
async fn a_flipped_byte_in_a_text_stops_no_other_event() {
    for (column, parked) in [
        // What the plan depends on.
        ("delivery SET headers", Some("its checksum does not match")),
        ("delivery SET source", Some("the source of the stored delivery: expected UTF-8")),
        ("delivery SET dialect", Some("the dialect of the stored delivery: expected UTF-8")),
        ("delivery SET method", Some("the method of the stored delivery: expected UTF-8")),
        ("item SET path", Some("the item's path in its delivery: expected UTF-8")),
        // What is only shown, or made anew.
        ("delivery SET name", None),
        ("item SET lane", None),
        ("item SET reason", None),
        ("item SET detail", None),
        ("item SET bucket", None),
        ("item SET key", None),
        ("item SET mark", None),
    ] {
        let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
        let relay = relay_for(&sim, &[]);
        let (spool, keeping) = start(dir.path());
        for n in 0..5 {
            keep(&spool, &relay, &format!("k{n}")).await;
        }
        drop(spool);
        keeping.wait();
        let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
        db.execute(&format!("UPDATE {column} = {FLIPPED} WHERE id = 2"), []).unwrap();
        drop(db);
        let desk = Desk::open(dir.path()).unwrap();
        let list = async || desk.list(&Filter::default(), None, 10).await.unwrap();
        let second = list().await[1].id;
        assert_eq!(
            (list().await.len(), desk.stock().await.unwrap().oldest.is_empty()),
            (5, false),
            "{column}"
        );
        assert_eq!(
            desk.show(second).await.unwrap().unwrap().delivery.is_err(),
            parked.is_some() && column != "item SET path",
            "{column}"
        );
        let (spool, _keeping) = start(dir.path());
        tokio::spawn(Worker::new(spool.clone(), Arc::clone(&relay), PACING).run(std::future::pending()));
        let others = ["k0", "k2", "k3", "k4"].map(str::to_owned);
        until(column, async || others.iter().all(|key| sent(&sim).contains(key))).await;
        let Some(why) = parked else {
            until(column, async || sent(&sim).contains("k1")).await;
            continue;
        };
        until(column, async || list().await.first().is_some_and(|entry| entry.state == State::Parked)).await;
        let entry = list().await.remove(0);
        let detail = entry.detail.unwrap();
        assert_eq!((entry.id, entry.reason.as_deref()), (second, Some("internal")), "{column}");
        assert!(
            detail.contains(why) && detail.contains("something other than the relay has changed the file"),
            "{column}: {detail}"
        );
    }
}

#[tokio::test]
async fn a_flipped_byte_in_the_tally_keeps_no_lane_waiting() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[]);
    let (spool, keeping) = start(dir.path());
    keep(&spool, &relay, "k").await;
    drop(spool);
    keeping.wait();
    let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
    db.execute(&format!("UPDATE tally SET lane = {FLIPPED}"), []).unwrap();
    drop(db);
    assert_eq!(Desk::open(dir.path()).unwrap().stock().await.unwrap().oldest.len(), 1);
    let (spool, _keeping) = start(dir.path());
    tokio::spawn(Worker::new(spool.clone(), Arc::clone(&relay), PACING).run(std::future::pending()));
    until("it is sent", async || sent(&sim).contains("k")).await;
}

/// The shell has foreign keys off.
#[tokio::test]
async fn an_item_whose_delivery_was_deleted_by_hand_is_parked() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[]);
    let (spool, keeping) = start(dir.path());
    for n in 0..3 {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    drop(spool);
    keeping.wait();
    let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
    db.execute_batch("PRAGMA foreign_keys = off; DELETE FROM delivery WHERE id = 2").unwrap();
    drop(db);
    let desk = Desk::open(dir.path()).unwrap();
    let by = async |received_before| {
        let filter = Filter { received_before: Some(received_before), ..Filter::default() };
        desk.list(&filter, None, 10).await.unwrap()
    };
    let all = by(Moment::from_millis(i64::MAX)).await;
    assert_eq!(all.iter().map(|entry| entry.id.get()).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(all[0].received <= all[1].received && all[1].received <= all[2].received, "{all:?}");
    assert_eq!(by(Moment::from_millis(1)).await, []);
    let why = "delivery 2 of this item is missing; something other than the relay has changed the file";
    assert_eq!(desk.show(all[1].id).await.unwrap().unwrap().delivery.unwrap_err(), why);
    assert_eq!(query::<i64>(dir.path(), "SELECT count(*) FROM items"), 3);
    let (spool, _keeping) = start(dir.path());
    tokio::spawn(Worker::new(spool.clone(), Arc::clone(&relay), PACING).run(std::future::pending()));
    let list = async || desk.list(&Filter::default(), None, 10).await.unwrap();
    until("the others are sent, and it is parked", async || match &list().await[..] {
        [one] => one.state == State::Parked,
        _ => false,
    })
    .await;
    let entry = list().await.remove(0);
    assert_eq!(
        (entry.id, entry.reason.as_deref(), entry.detail.as_deref()),
        (all[1].id, Some("internal"), Some(why))
    );
    assert_eq!(sent(&sim), ["k0", "k2"].map(str::to_owned).into());
    assert_eq!(desk.purge(&Filter::default(), None).await.unwrap().entries.len(), 1);
    assert_eq!((list().await, desk.stock().await.unwrap().depths), (vec![], vec![]));
}

#[tokio::test]
async fn a_flipped_byte_in_a_text_of_a_damaged_file_costs_nothing_more() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[]);
    let (spool, keeping) = start(dir.path());
    let keys: BTreeSet<_> = (0..30).map(|n| format!("k{n}")).collect();
    for key in &keys {
        keep(&spool, &relay, key).await;
    }
    drop(spool);
    keeping.wait();
    let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
    db.execute(&format!("UPDATE delivery SET name = {FLIPPED} WHERE id IN (10, 20)"), []).unwrap();
    drop(db);
    crate::trouble::damage(dir.path(), "SELECT pageno FROM dbstat WHERE name = 'tally' AND path = '/'");
    let (spool, _keeping) = start(dir.path());
    tokio::spawn(Worker::new(spool.clone(), Arc::clone(&relay), PACING).run(std::future::pending()));
    until("everything is sent", async || sent(&sim) == keys).await;
}

/// The disk is not going to grow: what is on it must leave it all the same. The child sees a disk of its own, which needs user namespaces; a kernel may not
/// give them to everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_the_spool_has_filled_is_emptied_into_mdss() {
    let unshare = ["--map-root-user", "--mount"];
    let mount = ["mount", "-t", "tmpfs", "x", "/mnt"];
    let status = std::process::Command::new("unshare").args(unshare).args(mount).status();
    if !drive::available("unshare", status.is_ok_and(|status| status.success())).unwrap() {
        return;
    }
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let mount = r#"mount -t tmpfs -o size=80m tmpfs "$SPOOL_TEST_DIR" && exec "$@""#;
    let shell = format!(r#"exec unshare {} sh -c '{mount}' sh "$0" "$@";"#, unshare.join(" "));
    let mut child = Process::start("accepts_until_it_cannot_and_sends", dir.path(), &sim.url(), 0, &shell);
    let mut told = BTreeSet::new();
    loop {
        match child.next().unwrap() {
            line if line.starts_with("trouble ") => break,
            key => drop(told.insert(key)),
        }
    }
    // More than the worker sends before the first of them is written down.
    assert!(told.len() > 200, "{} are too few to prove anything", told.len());
    until("everything is sent", async || told.is_subset(&sent(&sim))).await;
    child.kill();
}

#[tokio::test]
async fn the_items_of_a_batch_that_a_damaged_page_has_held_are_not_forgotten() {
    for mark in [Some("01"), None] {
        let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
        let relay = relay_for(&sim, &[]);
        let (spool, keeping) = start(dir.path());
        let keys: Vec<_> = (0..300).map(|n| format!("{n:03}-{}", "k".repeat(100))).collect();
        let records: Vec<_> = keys.iter().map(|key| record("b", key, mark)).collect();
        accept(&spool, &relay, delivery(&records)).await.unwrap();
        drop(spool);
        keeping.wait();
        // Every second one is as if MDSS had it.
        let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
        db.execute_batch(
            "INSERT INTO done (mark, at) SELECT mark, 0 FROM item WHERE id % 2 = 0 AND mark IS NOT NULL;
             DELETE FROM item WHERE id % 2 = 0",
        )
        .unwrap();
        drop(db);
        crate::trouble::damage(
            dir.path(),
            "SELECT pageno FROM dbstat WHERE name = 'item' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 3",
        );
        let (spool, _keeping) = start(dir.path());
        tokio::spawn(Worker::new(spool.clone(), Arc::clone(&relay), PACING).run(std::future::pending()));
        until("a new event is taken and sent", async || {
            accept(&spool, &relay, delivery(&[record("b", "new", Some("02"))])).await.is_ok()
                && sent(&sim).contains("new")
        })
        .await;
        until("all is sent", async || match spool.snapshot().await {
            Ok(snapshot) => snapshot.stock.depths.is_empty(),
            Err(_) => false,
        })
        .await;
        let (sent, sent_before): (BTreeSet<_>, BTreeSet<_>) =
            (sent(&sim), keys.iter().skip(1).step_by(2).collect());
        let missing = keys.iter().filter(|key| !sent.contains(*key) && !sent_before.contains(key)).count();
        assert_eq!(missing, 0, "{mark:?}: acknowledged, not sent, and nothing is left that says so");
        let again = sent_before.iter().filter(|key| sent.contains(**key)).count();
        assert_eq!(again == 0, mark.is_some(), "{again} of those that MDSS has: only a mark tells");
    }
}

/// Of what cannot be planned, the rest is shown.
#[tokio::test]
async fn a_delivery_that_has_lost_its_items_and_cannot_be_read_is_parked() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[]);
    let (spool, keeping) = start(dir.path());
    for n in 0..50 {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    drop(spool);
    keeping.wait();
    let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
    db.execute("UPDATE delivery SET checksum = checksum + 1 WHERE id = 2", []).unwrap();
    drop(db);
    crate::trouble::damage(dir.path(), "SELECT pageno FROM dbstat WHERE name = 'item' AND path = '/'");
    let (spool, _keeping) = start(dir.path());
    tokio::spawn(Worker::new(spool.clone(), Arc::clone(&relay), PACING).run(std::future::pending()));
    until("all others are sent", async || sent(&sim).len() == 49).await;
    until("the others are gone", async || match spool.snapshot().await {
        Ok(snapshot) => snapshot.stock.depths.iter().map(|d| d.items).sum::<u64>() == 1,
        Err(_) => false,
    })
    .await;
    let entry = Desk::open(dir.path()).unwrap().list(&Filter::default(), None, 10).await.unwrap().remove(0);
    assert_eq!(
        (entry.state, entry.path.as_str(), entry.reason.as_deref()),
        (State::Parked, "", Some("internal"))
    );
    assert!(entry.detail.unwrap().starts_with("the items of this delivery were lost in a damaged file; "));
}

#[tokio::test]
async fn a_directory_that_was_made_anew_has_one_relay_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let relay = relay(NOWHERE, &[]);
    let (first, _keeping) = start(&data);
    keep(&first, &relay, "k").await;
    std::fs::rename(&data, dir.path().join("away")).unwrap();
    std::fs::create_dir(&data).unwrap();
    keep(&first, &relay, "l").await;
    let (second, _keeping) = start(&data);
    let trouble = second.ready().await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Locked, "{trouble}");
}

#[tokio::test]
async fn a_directory_that_was_taken_away_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let relay = relay(NOWHERE, &[]);
    let (spool, _keeping) = start(&data);
    keep(&spool, &relay, "k").await;
    std::fs::rename(&data, dir.path().join("away")).unwrap();
    keep(&spool, &relay, "l").await;
    for (dir, key) in [(&dir.path().join("away"), "k"), (&data, "l")] {
        let entries = Desk::open(dir).unwrap().list(&Filter::default(), None, 10).await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.key.as_deref()).collect::<Vec<_>>(), [Some(key)]);
    }
}

/// Somebody tidies up, and takes the lock alone.
#[tokio::test]
async fn a_lock_that_was_taken_away_lets_no_second_relay_in() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(NOWHERE, &[]);
    let (first, keeping) = start(dir.path());
    keep(&first, &relay, "k").await;
    std::fs::remove_file(dir.path().join("relay.lock")).unwrap();
    keep(&first, &relay, "l").await;
    let (second, _keeping) = start(dir.path());
    assert_eq!(second.ready().await.unwrap_err().kind, TroubleKind::Locked);
    // Nor does the first one go on where a second one has come in between.
    std::fs::remove_file(dir.path().join("relay.lock")).unwrap();
    keep(&second, &relay, "m").await;
    let trouble = accept(&first, &relay, delivery(&[record("b", "n", None)])).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Locked, "{trouble}");
    drop(first);
    keeping.wait();
    keep(&second, &relay, "o").await;
}
