//! What goes wrong with disks and files: the sender hears "later", and recovery needs nobody.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_spool::{Pacing, TroubleKind, Worker};
use mdss_sim::{Config as SimConfig, Sim};

use crate::child::Process;
use crate::common::*;
use crate::file::*;

/// Numbers that are others in each run, and the same again with the seed that a failed run has printed.
struct Chance(fastrand::Rng);

impl Chance {
    fn new() -> Self {
        let seed = std::env::var("SPOOL_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("SPOOL_TEST_SEED={seed}");
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A number from 0 to `most`.
    fn up_to(&mut self, most: u64) -> u64 {
        self.0.u64(0..=most)
    }
}

#[tokio::test]
async fn what_was_accepted_survives_the_process_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let (mut told, mut chance) = (BTreeSet::new(), Chance::new());
    for round in 0..12 {
        let mut child = Process::start("accepts", dir.path(), "", round, "");
        let some: Vec<_> = (0..chance.up_to(200)).map_while(|_| child.next()).collect();
        std::thread::sleep(Duration::from_micros(chance.up_to(20_000)));
        told.extend(some);
        told.extend(child.kill());
    }
    assert!(told.len() > 100, "{} are too few to prove anything", told.len());
    let kept = keys(dir.path()).await;
    let lost: Vec<_> = told.difference(&kept).collect();
    assert!(lost.is_empty(), "lost {lost:?} of {}", told.len());
    assert_eq!(query::<String>(dir.path(), "PRAGMA integrity_check"), "ok");
}

#[tokio::test]
async fn what_was_accepted_is_sent_whenever_the_process_died() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), Sim::start(SimConfig::default()).await.unwrap());
    let (mut told, mut chance) = (BTreeSet::new(), Chance::new());
    for round in 0..8 {
        let mut child = Process::start("accepts", dir.path(), &sim.url(), round, "");
        told.extend((0..1 + chance.up_to(200)).map_while(|_| child.next()));
        std::thread::sleep(Duration::from_micros(chance.up_to(20_000)));
        told.extend(child.kill());
    }
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[]);
    let pacing = Pacing { rate: 10_000, park_after: None };
    tokio::spawn(Worker::new(spool.clone(), relay, pacing).run(std::future::pending()));
    until("nothing is left", async || spool.snapshot().await.unwrap().stock.depths.is_empty()).await;
    let sent: BTreeSet<_> = sim.accepted().into_iter().map(|a| a.key).collect();
    let lost: Vec<_> = told.difference(&sent).collect();
    assert!(lost.is_empty(), "lost {lost:?} of {}", told.len());
}

/// `prlimit` is of util-linux, as `sh` is of everything; a process may not write beyond its limit, and a write that would is
/// cut off where it is, as on a full disk.
#[tokio::test]
async fn a_disk_that_is_full_costs_nothing_and_goes_on_when_it_has_room() {
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
        assert_eq!(keys(dir.path()).await.intersection(&told).count(), told.len(), "{kilobytes}");
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
    assert_eq!(keys(dir.path()).await, ["after", "before"].map(str::to_owned).into());
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
    assert_eq!(keys(dir.path()).await, ["first", "second"].map(str::to_owned).into());
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
    assert_eq!(keys(dir.path()).await, ["k".to_owned()].into());
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
    assert_eq!(keys(dir.path()).await, ["after".to_owned()].into());
}

/// A link's target has other names beside it than the link has, so nobody follows one.
#[tokio::test]
async fn a_link_in_place_of_a_file_is_refused_and_nothing_is_done_to_what_it_leads_to() {
    for tail in ["", "-wal", "-shm"] {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let relay = relay(NOWHERE, &[]);
        let mut child = Process::start("accepts", dir.path(), "", 0, "");
        let first = child.next().unwrap();
        child.kill();
        let (name, target) = (dir.path().join(format!("spool.db{tail}")), elsewhere.path().join("x"));
        std::fs::rename(&name, &target).unwrap();
        std::os::unix::fs::symlink(&target, &name).unwrap();
        let before = std::fs::read(&target).unwrap();
        let (spool, keeping) = start(dir.path());
        for _ in 0..2 {
            let trouble = accept(&spool, &relay, delivery(&[record("b", "k", None)])).await.unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::Unwritable, "{tail}: {trouble}");
            let sentence = format!("spool.db{tail}: expected a plain file, found a symbolic link; ");
            assert!(trouble.detail.contains(&sentence), "{trouble}");
        }
        assert_eq!(std::fs::read(&target).unwrap(), before, "{tail}");
        std::fs::rename(&target, &name).unwrap();
        keep(&spool, &relay, "k").await;
        drop(spool);
        keeping.wait();
        assert!(keys(dir.path()).await.contains(&first), "{tail}");
    }
}

/// Another process writes into the log as well, and puts it into the file while events come in: that takes nothing away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_does_with_sqlite_is_not_taken_for_a_loss() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(NOWHERE, &[]);
    let (spool, keeping) = start(dir.path());
    spool.ready().await.unwrap();
    let mut child = Process::start("tidies", dir.path(), "", 0, "");
    let mut n = 0;
    // Until it has done everything a few times.
    let done = std::thread::spawn(move || (0..40).map_while(|_| child.next()).count());
    while !done.is_finished() || n < 200 {
        n += 1;
        keep(&spool, &relay, &format!("{n}-{}", "k".repeat(500))).await;
    }
    assert_eq!(done.join().unwrap(), 40);
    assert_eq!(spool.snapshot().await.unwrap().counts.refused, Default::default());
    drop(spool);
    keeping.wait();
    assert_eq!(keys(dir.path()).await.len(), n);
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing was set aside: {names:?}");
}

/// What is damaged: the pages, by a query that names them.
pub(crate) fn damage(dir: &Path, pages: &str) {
    let path = dir.join("spool.db");
    let pages: Vec<u64> = {
        let db = rusqlite::Connection::open(&path).unwrap();
        let mut found = db.prepare(pages).unwrap();
        found.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(|page| page.unwrap() as u64).collect()
    };
    assert!(!pages.is_empty());
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    for page in pages {
        file.write_all_at(&[0xff; 512], (page - 1) * 4096).unwrap();
    }
}

#[tokio::test]
async fn what_can_be_read_of_a_damaged_file_is_sent_and_the_rest_is_set_aside() {
    const LEAF: &str =
        "SELECT pageno FROM dbstat WHERE name = 'TABLE' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 3";
    const ROOT: &str = "SELECT pageno FROM dbstat WHERE name = 'TABLE' AND path = '/'";
    for (what, pages, least) in [
        ("a leaf of the deliveries", LEAF.replace("TABLE", "delivery"), 280),
        ("a leaf of the items", LEAF.replace("TABLE", "item"), 300),
        ("a leaf of the index of what is due", LEAF.replace("TABLE", "item_due"), 300),
        ("the root of the deliveries", ROOT.replace("TABLE", "delivery"), 0),
        ("the root of the items", ROOT.replace("TABLE", "item"), 300),
        ("the root of the marks", ROOT.replace("TABLE", "done"), 300),
        ("the tally", ROOT.replace("TABLE", "tally"), 300),
    ] {
        let (dir, sim) = (tempfile::tempdir().unwrap(), Sim::start(SimConfig::default()).await.unwrap());
        let relay = relay_for(&sim, &[]);
        let (spool, keeping) = start(dir.path());
        let keys: Vec<_> = (0..300).map(|n| format!("{n}-{}", "k".repeat(100))).collect();
        let accepts: Vec<_> = keys
            .iter()
            .map(|key| {
                let (spool, relay, delivery) =
                    (spool.clone(), Arc::clone(&relay), delivery(&[record("b", key, Some("01"))]));
                tokio::spawn(async move { accept(&spool, &relay, delivery).await.unwrap() })
            })
            .collect();
        for accept in accepts {
            accept.await.unwrap();
        }
        drop(spool);
        keeping.wait();
        damage(dir.path(), &pages);

        let (spool, keeping) = start(dir.path());
        let pacing = Pacing { rate: 10_000, park_after: None };
        let worker =
            tokio::spawn(Worker::new(spool.clone(), Arc::clone(&relay), pacing).run(std::future::pending()));
        // The first ones that meet the damage may be asked to come again.
        let new = |n: u32| delivery(&[record("b", &format!("new{n}"), Some("02"))]);
        for n in 0..3 {
            until("a new event is taken", async || accept(&spool, &relay, new(n)).await.is_ok()).await;
        }
        until("all that can be sent is sent", async || match spool.snapshot().await {
            Ok(snapshot) => snapshot.stock.depths.iter().all(|d| d.reason == "internal"),
            Err(_) => false,
        })
        .await;
        let sent: BTreeSet<_> = sim.accepted().into_iter().map(|a| a.key).collect();
        let old = keys.iter().filter(|key| sent.contains(*key)).count();
        assert!(old >= least, "{what}: {old} of 300");
        assert!((0..3).all(|n| sent.contains(&format!("new{n}"))), "{what}");
        let damaged = aside(dir.path());
        // A page that nobody reads does no harm.
        assert!(damaged.is_some() || old == 300, "{what}");
        worker.abort();
        let _ = worker.await;
        drop(spool);
        keeping.wait();
        assert_eq!(query::<String>(dir.path(), "PRAGMA integrity_check"), "ok", "{what}");
    }
}

#[tokio::test]
async fn a_file_that_was_cut_off_costs_what_was_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(NOWHERE, &[]);
    let (spool, keeping) = start(dir.path());
    for n in 0..100 {
        keep(&spool, &relay, &format!("{n}-{}", "k".repeat(500))).await;
    }
    drop(spool);
    keeping.wait();
    let path = dir.path().join("spool.db");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() * 3 / 4 / 4096 * 4096).unwrap();
    let (spool, keeping) = start(dir.path());
    for n in 0..300 {
        let delivery = || delivery(&[record("b", &format!("new{n}"), None)]);
        until("a new event is taken", async || accept(&spool, &relay, delivery()).await.is_ok()).await;
    }
    let kept = keys(dir.path()).await;
    assert_eq!(kept.iter().filter(|key| key.starts_with("new")).count(), 300);
    let old = kept.len() - 300;
    assert!((20..100).contains(&old), "{old}");
    assert!(aside(dir.path()).is_some());
    drop(spool);
    keeping.wait();
    assert_eq!(query::<String>(dir.path(), "PRAGMA integrity_check"), "ok");
}

#[tokio::test]
async fn a_process_that_dies_over_a_damaged_file_begins_again() {
    let relay = relay(NOWHERE, &[]);
    // Before the names were changed there are both files, between the changes there is only the new one.
    for (what, old_is_there, want) in [("before", true, ["old", "x"]), ("between", false, ["new", "x"])] {
        let dir = tempfile::tempdir().unwrap();
        for name in ["old", "new"] {
            let (spool, keeping) = start(dir.path());
            keep(&spool, &relay, name).await;
            drop(spool);
            keeping.wait();
            std::fs::rename(dir.path().join("spool.db"), dir.path().join(name)).unwrap();
        }
        std::fs::rename(dir.path().join("new"), dir.path().join("spool.db.salvaged")).unwrap();
        if old_is_there {
            std::fs::rename(dir.path().join("old"), dir.path().join("spool.db")).unwrap();
        }
        let (spool, _keeping) = start(dir.path());
        keep(&spool, &relay, "x").await;
        assert_eq!(keys(dir.path()).await, want.map(str::to_owned).into(), "{what}");
        assert!(!dir.path().join("spool.db.salvaged").exists(), "{what}");
    }
}
