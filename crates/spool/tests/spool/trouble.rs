//! What goes wrong with disks and files: the sender hears "later", and recovery needs nobody.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_spool::{Desk, Filter, Policy, TroubleKind, Worker};
use mdss_sim::{Config as SimConfig, Sim};

use crate::child::Process;
use crate::common::*;

/// The keys in the file.
fn keys(dir: &Path) -> BTreeSet<String> {
    let entries = Desk::open(dir).unwrap().list(&Filter::default(), None, usize::MAX >> 1).unwrap();
    entries.into_iter().filter_map(|entry| entry.key).collect()
}

/// A number from 0 to `most`, another each time.
fn random(most: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) % (most + 1)
}

#[test]
fn what_was_accepted_survives_the_process_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = BTreeSet::new();
    for round in 0..12 {
        let mut child = Process::start("accepts", dir.path(), "", round, "");
        let some: Vec<_> = (0..random(200)).map_while(|_| child.next()).collect();
        std::thread::sleep(Duration::from_micros(random(20_000)));
        told.extend(some);
        told.extend(child.kill());
    }
    assert!(told.len() > 100, "{} are too few to prove anything", told.len());
    let kept = keys(dir.path());
    let lost: Vec<_> = told.difference(&kept).collect();
    assert!(lost.is_empty(), "lost {lost:?} of {}", told.len());
    assert_eq!(query::<String>(dir.path(), "PRAGMA integrity_check"), "ok");
}

#[tokio::test]
async fn what_was_accepted_is_sent_whenever_the_process_died() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), Sim::start(SimConfig::default()).await.unwrap());
    let mut told = BTreeSet::new();
    for round in 0..8 {
        let mut child = Process::start("accepts", dir.path(), &sim.url(), round, "");
        told.extend((0..1 + random(200)).map_while(|_| child.next()));
        std::thread::sleep(Duration::from_micros(random(20_000)));
        told.extend(child.kill());
    }
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[]);
    let policy = Policy { rate: 10_000, park_after: None };
    tokio::spawn(Worker::new(spool.clone(), relay, policy).run(std::future::pending()));
    until("nothing is left", async || spool.snapshot().await.unwrap().stock.depths.is_empty()).await;
    let sent: BTreeSet<_> = sim.accepted().into_iter().map(|a| a.key).collect();
    let lost: Vec<_> = told.difference(&sent).collect();
    assert!(lost.is_empty(), "lost {lost:?} of {}", told.len());
}

/// `prlimit` is of util-linux, as `sh` is of everything; a process may not write beyond its limit, and a write that would is
/// cut off where it is, as on a full disk.
#[test]
fn a_disk_that_is_full_costs_nothing_and_goes_on_when_it_has_room() {
    for kilobytes in [400, 1500, 3000] {
        let dir = tempfile::tempdir().unwrap();
        let shell = format!("trap '' XFSZ; prlimit --pid $$ --fsize={}:unlimited;", kilobytes << 10);
        let mut child = Process::start("accepts_until_it_cannot", dir.path(), "", 0, &shell);
        let mut told = BTreeSet::new();
        let trouble = loop {
            let line = child.next().unwrap();
            if line.starts_with("trouble ") {
                break line;
            }
            told.insert(line);
        };
        assert!(
            trouble.starts_with("trouble spool_unwritable Err(\"spool_unwritable\") writing to"),
            "{kilobytes}: {trouble}"
        );
        let raised = std::process::Command::new("prlimit")
            .args(["--pid", &child.id().to_string(), "--fsize=unlimited:unlimited"])
            .status();
        assert!(raised.unwrap().success());
        told.insert(child.next().unwrap());
        assert_eq!(child.next().as_deref(), Some("again"));
        child.kill();
        assert_eq!(keys(dir.path()).intersection(&told).count(), told.len(), "{kilobytes}");
        assert_eq!(query::<String>(dir.path(), "PRAGMA integrity_check"), "ok");
    }
}

#[tokio::test]
async fn a_directory_that_is_none_is_one_day_one() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(NOWHERE, &[]);
    for (what, in_the_way, data) in [
        ("a file for the directory", "file", "file"),
        ("a file above it", "file", "file/data"),
        ("a directory for the file", "dir/spool.db/x", "dir"),
    ] {
        let blocked = dir.path().join(in_the_way);
        std::fs::create_dir_all(blocked.parent().unwrap()).unwrap();
        std::fs::write(&blocked, "in the way").unwrap();
        let data = dir.path().join(data);
        let (spool, keeping) = start(&data);
        let trouble = accept(&spool, &relay, delivery(&[record("b", "k", None)])).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Unwritable, "{what}: {trouble}");
        assert!(trouble.detail.contains(dir.path().to_str().unwrap()), "{what}: {trouble}");
        assert_eq!(spool.ready().await.unwrap_err().kind, TroubleKind::Unwritable, "{what}");
        std::fs::remove_file(&blocked).unwrap();
        let _ = std::fs::remove_dir(blocked.parent().unwrap());
        keep(&spool, &relay, "k").await;
        drop(spool);
        keeping.wait();
        std::fs::remove_dir_all(&data).unwrap();
    }
}

#[tokio::test]
async fn a_locked_file_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(NOWHERE, &[]);
    let (spool, _keeping) = start(dir.path());
    keep(&spool, &relay, "before").await;
    let mut child = Process::start("locks", dir.path(), "", 0, "");
    assert_eq!(child.next().as_deref(), Some("locked"));
    let trouble = accept(&spool, &relay, delivery(&[record("b", "during", None)])).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Locked, "{trouble}");
    assert_eq!(spool.ready().await.unwrap_err().kind, TroubleKind::Locked);
    child.kill();
    keep(&spool, &relay, "after").await;
    assert_eq!(keys(dir.path()), ["after", "before"].map(str::to_owned).into());
}

#[tokio::test]
async fn one_relay_works_on_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(NOWHERE, &[]);
    let (first, keeping) = start(dir.path());
    keep(&first, &relay, "first").await;
    let (second, _keeping) = start(dir.path());
    let trouble = second.ready().await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Locked, "{trouble}");
    assert!(trouble.detail.starts_with("another relay works on "), "{trouble}");
    drop(first);
    keeping.wait();
    keep(&second, &relay, "second").await;
    assert_eq!(keys(dir.path()), ["first", "second"].map(str::to_owned).into());
}

/// The file's name with `.damaged-…`, if there is one.
fn aside(dir: &Path) -> Option<std::path::PathBuf> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = names
        .filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with("spool.db.damaged-"))
        .filter(|p| !p.to_str().unwrap().ends_with("-wal") && !p.to_str().unwrap().ends_with("-shm"))
        .collect();
    assert!(found.len() <= 1, "{found:?}");
    found.pop()
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside_whole() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(NOWHERE, &[]);
    let garbage = "no database".repeat(1000);
    std::fs::write(dir.path().join("spool.db"), &garbage).unwrap();
    let (spool, _keeping) = start(dir.path());
    keep(&spool, &relay, "k").await;
    assert_eq!(std::fs::read_to_string(aside(dir.path()).unwrap()).unwrap(), garbage);
    assert_eq!(keys(dir.path()), ["k".to_owned()].into());
}

#[tokio::test]
async fn what_is_not_ours_or_of_a_later_version_is_left_alone() {
    for sql in ["CREATE TABLE theirs (x)", "PRAGMA application_id = 0x4d445352; PRAGMA user_version = 99"] {
        let dir = tempfile::tempdir().unwrap();
        let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
        db.execute_batch(sql).unwrap();
        drop(db);
        let (spool, _keeping) = start(dir.path());
        let trouble = spool.ready().await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Foreign, "{sql}: {trouble}");
        assert_eq!(aside(dir.path()), None, "{sql}");
        // The operator moves it away, and that is all.
        std::fs::rename(dir.path().join("spool.db"), dir.path().join("theirs.db")).unwrap();
        keep(&spool, &relay(NOWHERE, &[]), "k").await;
    }
}

#[tokio::test]
async fn a_file_that_is_taken_away_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(NOWHERE, &[]);
    let (spool, _keeping) = start(dir.path());
    keep(&spool, &relay, "before").await;
    for tail in ["", "-wal", "-shm"] {
        std::fs::rename(
            dir.path().join(format!("spool.db{tail}")),
            dir.path().join(format!("away.db{tail}")),
        )
        .unwrap();
    }
    keep(&spool, &relay, "after").await;
    assert_eq!(keys(dir.path()), ["after".to_owned()].into());
}
