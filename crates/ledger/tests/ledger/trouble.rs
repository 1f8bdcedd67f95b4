//! What goes wrong, and what is said then.

use std::os::unix::fs::FileExt;

use mdss_relay_ledger::{Fact, Kind, Ledger, Moment, Options, Place, Trouble, TroubleKind};

use crate::common::{Bench, START, World, place, writes};

async fn opened(bench: &Bench, options: Options) -> Result<Ledger, Trouble> {
    Ledger::open(&bench.place(), options).await
}

pub(crate) async fn nothing_to_read_is_said(world: World) {
    let dir = tempfile::tempdir().unwrap();
    let none = dir.path().join("none");
    let url = match world {
        World::File => None,
        World::Database(server) => Some(server.database().await.unwrap()),
    };
    let trouble = Ledger::open(&place(&none, url.as_deref()), Options::reading()).await.err().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Absent);
    assert!(!none.exists(), "reading makes nothing");
    if let Some(url) = url {
        let sql = "SELECT count(*) FROM pg_namespace WHERE nspname = 'mdss_relay_ledger'";
        assert_eq!(postgres_rig::ask(&url, sql).await.unwrap(), ["0"], "reading makes nothing");
    }
}

/// Without its key a ledger is read and verified, and not written on; with another one neither.
pub(crate) async fn a_key_that_is_missing_or_foreign_is_named(world: World) {
    let bench = world.bench().await;
    bench.append(writes(1..4)).await;
    let key = bench.path().join("ledger.key");
    let own = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let trouble = opened(&bench, Options::default()).await.err().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Key);
    assert!(trouble.detail.contains("ledger.key: no such file"), "{trouble}");
    assert!(!key.exists(), "no other one is made");
    let reader = opened(&bench, Options::reading()).await.unwrap();
    assert_eq!(reader.verify(Default::default()).await.unwrap().faults, []);
    let written = reader.record(Fact::new(Kind::Gap, Moment::from_millis(START))).await.unwrap_err();
    assert_eq!(written.kind, TroubleKind::Refused);

    let other = world.bench().await;
    std::fs::copy(other.path().join("ledger.key"), &key).unwrap();
    let trouble = opened(&bench, Options::default()).await.err().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Key);
    std::fs::write(&key, "mdss-relay ledger key 1\ned25519 00\n").unwrap();
    let trouble = opened(&bench, Options::default()).await.err().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Key);
    assert!(trouble.detail.contains("is no file of keys"), "{trouble}");
    std::fs::write(&key, own).unwrap();
    opened(&bench, Options::default()).await.unwrap();
}

#[tokio::test]
async fn a_file_of_somebody_else_is_left_alone() {
    for sql in [
        "CREATE TABLE theirs (x)",
        "PRAGMA application_id = 7",
        "PRAGMA application_id = 0x4d44534c; PRAGMA user_version = 99",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(&format!("CREATE TABLE x (y); DROP TABLE x; {sql}"))
            .unwrap();
        let before = std::fs::read(&path).unwrap();
        for options in [Options::default(), Options::reading()] {
            let place = Place::Directory(dir.path().into());
            let trouble = Ledger::open(&place, options).await.err().unwrap();
            assert_eq!(trouble.kind, TroubleKind::Foreign, "{sql}: {trouble}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before, "{sql}");
    }
}

/// A damaged file is refused until somebody sets it aside; a new one is begun then, and the old one is kept.
#[tokio::test]
async fn a_damaged_ledger_is_refused_and_can_be_set_aside() {
    let mut bench = Bench::new().await;
    bench.append(writes(1..2000)).await;
    bench.by_hand().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let old = bench.ledger.head().await.unwrap().genesis;
    let path = bench.path().join("ledger.db");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    for page in 1..length / 4096 {
        file.write_all_at(&[0x5a; 512], page * 4096).unwrap();
    }
    let verified = bench.verify_anew().await;
    assert_eq!(verified.unwrap_err().kind, TroubleKind::Damaged);
    let record = opened(&bench, bench.options.clone()).await;
    let record = match record {
        Ok(ledger) => ledger.record(Fact::new(Kind::Gap, Moment::from_millis(START))).await.map(drop),
        Err(trouble) => Err(trouble),
    };
    assert_eq!(record.unwrap_err().kind, TroubleKind::Damaged);
    std::fs::write(&path, b"no database at all, but long enough to be read as the header of one, which has a hundred bytes and more").unwrap();
    assert_eq!(opened(&bench, bench.options.clone()).await.err().unwrap().kind, TroubleKind::Damaged);

    let aside = Ledger::set_aside(bench.path()).unwrap();
    assert!(aside.exists());
    bench.again().await;
    let head = bench.ledger.head().await.unwrap();
    assert_ne!(head.genesis.ledger, old.ledger, "another chain");
    assert_eq!(head.genesis.public_key, old.public_key, "with the same key");
    let glance = Ledger::glance(bench.path());
    assert_eq!(glance.version, Some(glance.newest));
    assert_eq!((glance.ours, glance.key, glance.set_aside.len()), (true, true, 1));
}

#[tokio::test]
async fn a_file_that_is_taken_away_is_noticed() {
    let bench = Bench::new().await;
    bench.append(writes(1..3)).await;
    for tail in ["", "-wal", "-shm"] {
        std::fs::remove_file(bench.path().join(format!("ledger.db{tail}"))).unwrap();
    }
    let rows = || writes(3..5).map(|(id, fact)| (mdss_relay_ledger::OutboxId(id), fact)).collect();
    assert_eq!(bench.ledger.append(rows()).await.unwrap_err().kind, TroubleKind::Taken);
    // The next call begins a new one.
    assert_eq!(bench.ledger.append(rows()).await.unwrap().head, 2);
    assert_eq!(bench.intact().await.entries, 2);
}

/// A process may not write beyond its limit, and a write that would is cut off where it is, as on a full disk.
#[tokio::test]
async fn a_full_disk_costs_nothing_that_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let shell = "trap '' XFSZ; ulimit -f 3000; exec \"$0\" --ignored --exact trouble::appends_until_it_cannot --nocapture";
    let exe = std::env::current_exe().unwrap();
    let child = std::process::Command::new("sh")
        .args(["-c", shell])
        .arg(exe)
        .env(DIRECTORY, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(said.contains("ledger_unwritable: writing to the ledger"), "{said}");
    let told = said.lines().filter_map(|line| line.strip_prefix("told ")?.parse::<u64>().ok()).max().unwrap();
    let bench = Bench::at(dir).await;
    let entries = bench.intact().await.entries;
    assert!(entries >= told && told > 0, "{entries} entries, {told} were told");
    bench.append(writes(1..3)).await;
}

const DIRECTORY: &str = "LEDGER_TEST_DIRECTORY";

#[tokio::test]
#[ignore = "a process of the test above"]
async fn appends_until_it_cannot() {
    let place = Place::Directory(std::env::var_os(DIRECTORY).unwrap().into());
    let ledger = Ledger::open(&place, Options::default()).await.unwrap();
    for n in 0..1000 {
        let rows = writes(n * 100..n * 100 + 100).map(|(id, fact)| (mdss_relay_ledger::OutboxId(id), fact));
        match ledger.append(rows.collect()).await {
            Ok(appended) => println!("told {}", appended.head),
            Err(trouble) => return println!("{trouble}"),
        }
    }
}

/// An export to a full disk is an error too.
pub(crate) async fn an_export_that_cannot_be_written_says_so(world: World) {
    let bench = world.bench().await;
    bench.append(writes(1..10)).await;
    let out = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let trouble = bench.ledger.export(Default::default(), out).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unwritable);
    bench.intact().await;
}

/// Somebody who holds the file for long is named as that, and what was handed in is written later.
#[tokio::test]
async fn a_file_that_somebody_holds_is_locked_and_no_more() {
    let bench = Bench::new().await;
    let holder = bench.by_hand();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let rows = || writes(1..3).map(|(id, fact)| (mdss_relay_ledger::OutboxId(id), fact)).collect();
    assert_eq!(bench.ledger.append(rows()).await.unwrap_err().kind, TroubleKind::Locked);
    // Reading goes on meanwhile.
    assert_eq!(bench.ledger.head().await.unwrap().seq, 0);
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(bench.ledger.append(rows()).await.unwrap().entries, 2);
}
