//! Several writers on one database: a chain each, and one ledger.

use std::collections::BTreeSet;
use std::time::Duration;

use mdss_relay_ledger::{
    Became, BucketName, Checkpoint, Export, Fact, Filter, Forget, Import, Kind, Ledger, Limits, Moment,
    Options, OutboxId, Posted, Rekey, Remains, RunStart, TroubleKind, Verify, Which,
};

use crate::common::{Bench, START, World, allowed, place, write, writes};

/// A ledger with two writers, who have written some of its objects each.
async fn two() -> Option<(Bench, Ledger)> {
    let bench = World::database()?.bench().await;
    let other = Ledger::open(&bench.place(), bench.options.clone()).await.unwrap();
    bench.append(writes(1..4)).await;
    append(&other, 10..13).await;
    Some((bench, other))
}

async fn append(ledger: &Ledger, range: std::ops::Range<u64>) -> mdss_relay_ledger::Appended {
    ledger.append(writes(range).map(|(id, fact)| (OutboxId(id), fact)).collect()).await.unwrap()
}

/// A result about an object, as MDSS posts it.
fn posted(n: u64) -> Vec<Posted> {
    let body = serde_json::json!({
        "FileId": format!("0198f02f-0000-7000-8000-{n:012x}"), "FilePath": format!("incoming/{n:05}.pdf"), "FileStatus": "Allowed",
        "FileState": "Available", "ScanCompletedTimeStamp": Moment::from_millis(START + 50_000).to_string(), "WebhookNotificationType": "FileScanned"
    });
    vec![Posted { source: "mdss".into(), body: body.to_string().into_bytes() }]
}

async fn intact(ledger: &Ledger) -> Vec<u64> {
    let mut entries = Vec::new();
    for chain in ledger.chains().await.unwrap() {
        let verified = ledger.verify(Verify { ledger: Some(chain), ..Verify::default() }).await.unwrap();
        assert_eq!(verified.faults, []);
        entries.push(verified.entries);
    }
    entries
}

#[tokio::test]
async fn each_writer_has_a_chain_and_every_reader_sees_all() {
    let Some((bench, other)) = two().await else { return };
    let chains = bench.ledger.chains().await.unwrap();
    assert_eq!((chains.len(), other.chains().await.unwrap()), (2, chains.clone()));
    let (mine, theirs) = (bench.ledger.head().await.unwrap(), other.head().await.unwrap());
    assert_eq!((mine.genesis.ledger, theirs.genesis.ledger), (chains[0], chains[1]));
    // In its own chain each counts from one, and all have one key.
    assert_eq!((mine.seq, theirs.seq, mine.genesis.public_key), (3, 3, theirs.genesis.public_key));
    assert_eq!(intact(&bench.ledger).await, [3, 3]);
    let reader = Ledger::open(&place(bench.path(), bench.url.as_deref()), Options::reading()).await.unwrap();
    let open = reader.unscanned(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
    assert_eq!((open.units[0].open, open.writes.len()), (6, 6));
    let objects = reader.writes_from(&BucketName::new("invoices"), None, 100).await.unwrap();
    let keys: Vec<_> =
        objects.iter().map(|object| String::from_utf8_lossy(&object.key).into_owned()).collect();
    let want = [1, 2, 3, 10, 11, 12].map(|n| format!("incoming/{n:05}.pdf"));
    assert_eq!(keys, want);
    let piece = reader.writes_from(&BucketName::new("invoices"), Some(keys[1].as_bytes()), 2).await.unwrap();
    assert_eq!(
        piece.iter().map(|object| &object.key[..]).collect::<Vec<_>>(),
        [keys[2].as_bytes(), keys[3].as_bytes()]
    );
    // An object that both have written comes in the order of its acceptance.
    other
        .append(vec![(
            OutboxId(30),
            Fact {
                version: Some("older".into()),
                settled_time: Some(Moment::from_millis(START)),
                ..write(2)
            },
        )])
        .await
        .unwrap();
    let key = b"incoming/00002.pdf".to_vec();
    let of = reader.writes_of(&BucketName::new("invoices"), std::slice::from_ref(&key)).await.unwrap();
    let versions: Vec<_> = of[0].writes.iter().map(|write| write.version.clone().unwrap()).collect();
    assert_eq!(versions, ["older", "v2"]);
    assert_eq!(reader.show(&BucketName::new("invoices"), &key).await.unwrap().len(), 2);
    assert!(bench.ledger.leads().await.unwrap() && !other.leads().await.unwrap());
}

/// A row of the outbox that two relays hand in, each believing that it is the one that takes, is written once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_writers_hand_in_at_once_is_written_once() {
    let Some((bench, other)) = two().await else { return };
    let mut entries = (0, 0);
    for n in 0..10_u64 {
        let (one, two) = tokio::join!(
            append(&bench.ledger, n * 100 + 100..n * 100 + 150),
            append(&other, n * 100 + 120..n * 100 + 170)
        );
        entries = (entries.0 + one.entries + two.entries, entries.1 + one.repeated + two.repeated);
    }
    assert_eq!(entries, (700, 300));
    assert_eq!(intact(&bench.ledger).await.iter().sum::<u64>(), 706);
}

/// A relay of an earlier version has remembered each row by itself, and died before it deleted them.
#[tokio::test]
async fn what_an_earlier_version_has_handed_in_is_written_once() {
    let Some((bench, other)) = two().await else { return };
    append(&bench.ledger, 50..60).await;
    bench
        .sql("INSERT INTO outbox (id, digest) SELECT unnest(ids), unnest(digests) FROM handed_in WHERE first = 50; DELETE FROM handed_in WHERE first = 50")
        .await;
    let again = append(&other, 48..62).await;
    assert_eq!((again.entries, again.repeated), (4, 10));
}

/// Whoever hears of a result: it stands in the chain of its write, and is known when it comes again to another relay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_stands_in_the_chain_of_its_write() {
    let Some((bench, other)) = two().await else { return };
    bench.clock.set(START + 60_000);
    let became = async |ledger: &Ledger, n| ledger.receive(posted(n)).await.unwrap()[0].became;
    assert_eq!(became(&bench.ledger, 11).await, Became::Matched);
    assert_eq!(became(&other, 11).await, Became::Repeated);
    assert_eq!((bench.ledger.head().await.unwrap().seq, other.head().await.unwrap().seq), (3, 4));
    let shown = bench.ledger.show(&BucketName::new("invoices"), b"incoming/00011.pdf").await.unwrap();
    assert!(shown[0].result.is_some() && shown[0].entry.result_seq == Some(4), "{shown:?}");
    // Both at once, each about writes of both.
    let (one, two) = tokio::join!(
        async {
            for n in [1, 10, 3] {
                assert_eq!(became(&bench.ledger, n).await, Became::Matched);
            }
        },
        async {
            for n in [12, 2] {
                assert_eq!(became(&other, n).await, Became::Matched);
            }
        }
    );
    let _: ((), ()) = (one, two);
    let number = bench.ledger.unscanned(&Filter { limit: 1, ..Filter::default() }).await.unwrap();
    assert_eq!(number.units.len(), 0, "nothing is open");
    // By number, as a referee has it.
    append(&other, 20..21).await;
    let open = bench.ledger.unscanned(&Filter { limit: 1, ..Filter::default() }).await.unwrap();
    bench.ledger.result(allowed(&[open.writes[0].number])).await.unwrap();
    assert_eq!(intact(&bench.ledger).await, [6, 8]);
    let state = bench.ledger.the_loop().await.unwrap();
    assert_eq!((state.writes, state.counts.matched, state.counts.repeated), (7, 6, 1));
}

/// L8 to L10, where there are several chains.
#[tokio::test]
async fn l9_a_chain_that_is_gone_or_ends_too_early_is_named() {
    let Some((bench, other)) = two().await else { return };
    bench.ledger.checkpoint().await.unwrap();
    let checkpoints = bench.ledger.unpublished().await.unwrap();
    assert_eq!(checkpoints.len(), 2, "each chain that has something new is signed");
    assert!(checkpoints.iter().all(Checkpoint::is_signed));
    let chains = bench.ledger.chains().await.unwrap();
    let verify = async |n: usize| {
        let checkpoints = vec![checkpoints[n]];
        bench
            .ledger
            .verify(Verify { ledger: Some(chains[n]), checkpoints, ..Verify::default() })
            .await
            .unwrap()
    };
    assert_eq!((verify(0).await.foreign, verify(1).await.foreign), (1, 1));
    drop(other);
    let second = 1_i64 << 40;
    bench.sql(&format!("UPDATE entry SET size = 9 WHERE seq = {}", second + 2)).await;
    let faults = verify(1).await.faults;
    assert_eq!((faults.len(), faults[0].seq), (1, 2), "{faults:?}");
    assert_eq!(verify(0).await.faults, []);
    bench
        .sql(&format!(
            "DELETE FROM entry WHERE seq > {}; DELETE FROM checkpoint WHERE seq > {second}",
            second + 1
        ))
        .await;
    assert!(verify(1).await.faults.iter().any(|fault| fault.what.contains("its end was cut off")));
    bench.sql("INSERT INTO chain SELECT 2, ledger, created, public_key, base, writes FROM chain WHERE id = 0; DELETE FROM chain WHERE id = 1").await;
    let faults = verify(0).await.faults;
    assert!(faults.iter().any(|fault| fault.what == "chain number 2 of this ledger is gone"), "{faults:?}");
    bench.sql("DELETE FROM chain WHERE id > 0").await;
    let faults = verify(0).await.faults;
    assert!(faults.iter().any(|fault| fault.what.contains("belong to no chain")), "{faults:?}");
}

#[tokio::test]
async fn what_belongs_to_all_chains_is_done_in_all() {
    let Some((bench, other)) = two().await else { return };
    // A log of what the other relay has written adds nothing.
    let line = format!(
        r#"{{"timestamp":"{}","message":"object accepted by MDSS","faas.document.collection":"invoices","faas.document.name":"incoming/00011.pdf","mdss.correlation_id":"{:024x}"}}"#,
        Moment::from_millis(START + 11_000),
        11
    );
    let import = Import { actor: "anna".into(), name: "log".into() };
    let done = bench.ledger.import(import, std::io::Cursor::new(line)).await.unwrap();
    assert_eq!((done.entries, done.repeated), (0, 1));
    // A run that one has begun is ended by the other.
    let start = RunStart { actor: "anna".into(), bucket: "invoices".into(), ..RunStart::default() };
    let run = bench.ledger.run_begin(start).await.unwrap();
    other.run_end(run, "complete", "{}").await.unwrap();
    assert_eq!(intact(&bench.ledger).await, [3, 4]);
    // Each chain has an entry about its own keys that were erased, and a checkpoint over it.
    let forget = Forget {
        bucket: BucketName::new("invoices"),
        which: Which::Prefix(b"incoming/".to_vec()),
        reason: "Art. 17".into(),
        actor: "anna".into(),
    };
    assert_eq!(bench.ledger.forget(forget).await.unwrap().entries, 6);
    assert_eq!(bench.holds(b"incoming/").await, Vec::<String>::new());
    assert_eq!(intact(&bench.ledger).await, [5, 6]);
    assert_eq!(bench.ask("SELECT count(*) FROM entry WHERE kind = 13").await, ["2"]);
    // An export of each: the format knows one chain.
    for (chain, entries) in bench.ledger.chains().await.unwrap().into_iter().zip([5, 6]) {
        let export = Export { ledger: Some(chain), ..Export::default() };
        let manifest = bench.ledger.export(export, std::io::sink()).await.unwrap();
        assert_eq!((manifest.genesis.ledger, manifest.entries), (chain, entries));
    }
    // Whoever removes what is old removes it everywhere.
    for checkpoint in bench.ledger.unpublished().await.unwrap() {
        other.published(&checkpoint).await.unwrap();
    }
    append(&other, 40..42).await;
    bench.clock.set(START + 86_400_000);
    let limits = Limits { age: Some(std::time::Duration::from_secs(3600)), bytes: None };
    let pruned = bench.ledger.prune(limits).await.unwrap();
    assert_eq!((pruned.entries, pruned.writes), (4 + 5, 6));
    intact(&bench.ledger).await;
}

/// A relay that has died leaves its chain to the next one, so there are no more chains than there were relays at once.
#[tokio::test]
async fn a_chain_of_nobody_is_the_next_ones() {
    let Some((bench, other)) = two().await else { return };
    let chains = bench.ledger.chains().await.unwrap();
    bench.sql("UPDATE writer SET until = now() - interval '1 second' WHERE chain = 1").await;
    let third = Ledger::open(&bench.place(), bench.options.clone()).await.unwrap();
    assert_eq!(third.head().await.unwrap().genesis.ledger, chains[1]);
    // One that was only frozen takes another chain when it hears of it.
    let rows = || writes(50..52).map(|(id, fact)| (OutboxId(id), fact)).collect();
    assert_eq!(other.append(rows()).await.unwrap_err().kind, TroubleKind::Locked);
    append(&third, 60..62).await;
    assert_eq!(intact(&bench.ledger).await, [3, 5, 0]);
    append(&other, 70..72).await;
    assert_eq!(intact(&bench.ledger).await, [3, 5, 2]);
    third.close().await;
    let fourth = Ledger::open(&bench.place(), bench.options.clone()).await.unwrap();
    assert_eq!(fourth.head().await.unwrap().genesis.ledger, chains[1]);
}

/// A relay that was frozen with rows in hand, which another one has taken over and written meanwhile.
#[tokio::test]
async fn what_a_frozen_relay_has_in_hand_is_written_once() {
    let Some((bench, other)) = two().await else { return };
    // For a short while: the other one is far ahead, and its marks and those of the rows in hand are young. 204,800 is a multiple of 4096.
    append(&other, 50..53).await;
    append(&other, 204_799..204_801).await;
    let late = bench.append(writes(50..53)).await;
    assert_eq!((late.entries, late.repeated), (0, 3));
    // What it forgets itself on its way is not what the other one has just written.
    bench.append(writes(4095..4097)).await;
    assert_eq!(append(&other, 204_799..204_801).await.repeated, 2);
    // For so long that the marks may be gone: it is refused, and by the server's clock.
    bench.sql("UPDATE handed_in SET at = now() - interval '2 hours'; UPDATE writer SET until = now() - interval '1 second' WHERE chain = 0").await;
    append(&other, 208_895..208_897).await;
    assert_eq!(bench.ask("SELECT count(*) FROM handed_in WHERE last < 100000").await, ["0"]);
    let rows = writes(50..53).map(|(id, fact)| (OutboxId(id), fact)).collect();
    let trouble = bench.ledger.append(rows).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Locked, "{trouble}");
    // It is heard of from here on, as the writer of its chain.
    bench.append(writes(300..301)).await;
    assert_eq!((intact(&bench.ledger).await, bench.ledger.chains().await.unwrap().len()), (vec![6, 10], 2));
}

#[tokio::test]
async fn all_writers_have_one_key() {
    let Some((bench, _)) = two().await else { return };
    let own = std::fs::read(bench.path().join("ledger.key")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let there = place(elsewhere.path(), bench.url.as_deref());
    let trouble = Ledger::open(&there, bench.options.clone()).await.err().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Key);
    assert!(trouble.detail.contains("Copy it from where the ledger was begun"), "{trouble}");
    assert!(Ledger::make_key(elsewhere.path()).unwrap() && !Ledger::make_key(elsewhere.path()).unwrap());
    let trouble = Ledger::open(&there, bench.options.clone()).await.err().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Key, "{trouble}");
    std::fs::write(elsewhere.path().join("ledger.key"), own).unwrap();
    Ledger::open(&there, bench.options.clone()).await.unwrap();
}

/// U+0000 is a character that no text of a PostgreSQL may hold, and whoever names a bucket or a version may have written one.
#[tokio::test]
async fn a_name_with_nul_costs_its_neighbours_nothing() {
    let Some((bench, _)) = two().await else { return };
    let odd = Fact {
        bucket: Some("a\0b".into()),
        version: Some("v\0".into()),
        key: Some(b"k\0".to_vec()),
        ..write(80)
    };
    bench.append([(80, odd), (81, write(81))]).await;
    let shown = bench.ledger.show(&BucketName::new("a\u{fffd}b"), b"k\0").await.unwrap();
    assert_eq!(shown[0].entry.fact.version.as_deref(), Some("v\u{fffd}"));
    intact(&bench.ledger).await;
}

/// An index of a PostgreSQL has room for 2,704 bytes, and whoever names an object, a bucket or an answer may take more: 1,024 characters of an Azure blob are
/// 3,072 bytes. They come in no pattern, because the server would make one short.
#[tokio::test]
async fn a_name_of_any_length_costs_its_neighbours_nothing() {
    let Some((bench, other)) = two().await else { return };
    let mut state = 7_u32;
    let mut noise = |characters: usize| -> String {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from_u32(0x4e00 + (state >> 12) % 20_000).unwrap()
        };
        (0..characters).map(|_| next()).collect()
    };
    let (key, bucket, unit) = (noise(20_000), noise(20_000), noise(9_000));
    let long = |n: u64, end: &str| Fact {
        key: Some(format!("{key}{end}").into_bytes()),
        correlation_id: Some(noise(9_000)),
        ..write(n)
    };
    let mut long = long;
    let (first, second, third) = (long(80, "a"), long(81, "b"), long(82, "a"));
    let place =
        Fact { bucket: Some(bucket.as_str().into()), unit: Some(unit.as_str().into()), ..third.clone() };
    bench.append([(80, first.clone()), (81, second), (82, place), (83, write(83))]).await;
    other.append(vec![(OutboxId(84), third)]).await.unwrap();
    intact(&bench.ledger).await;
    // They are found, keep their order, and are erased like others.
    let name = BucketName::new("invoices");
    let of = |end: &str| format!("{key}{end}").into_bytes();
    assert_eq!(bench.ledger.show(&name, &of("a")).await.unwrap().len(), 2);
    assert_eq!(bench.ledger.show(&BucketName::new(&bucket), &of("a")).await.unwrap().len(), 1);
    let objects = bench.ledger.writes_from(&name, Some(b"z"), 10).await.unwrap();
    let lengths: Vec<_> = objects.iter().map(|object| object.writes.len()).collect();
    assert_eq!((objects[0].key == of("a"), objects[1].key == of("b"), lengths), (true, true, vec![2, 1]));
    let behind = bench.ledger.writes_from(&name, Some(&of("a")), 10).await.unwrap();
    assert_eq!((behind.len(), behind[0].key == of("b")), (1, true));
    let forget = |which| Forget { bucket: name.clone(), which, reason: "r".into(), actor: "anna".into() };
    assert_eq!(bench.ledger.forget(forget(Which::Key(of("b")))).await.unwrap().entries, 1);
    assert_eq!(
        bench.ledger.forget(forget(Which::Prefix(key.clone().into_bytes()))).await.unwrap().entries,
        2
    );
    intact(&bench.ledger).await;
}

/// Whatever a database refuses of one row, the others are written, and that one is a gap that is there once.
#[tokio::test]
async fn a_row_that_the_database_refuses_is_a_gap_with_its_number() {
    let Some((bench, _)) = two().await else { return };
    bench.sql("ALTER TABLE entry ADD CHECK (size IS DISTINCT FROM 83 AND size IS DISTINCT FROM 90)").await;
    let appended = bench.append(writes(80..100)).await;
    let unfit: Vec<_> = appended.unfit.iter().map(|(OutboxId(id), _)| *id).collect();
    assert_eq!((appended.entries, unfit), (20, vec![83, 90]));
    assert!(appended.unfit[0].1.contains("SQLSTATE 23514"), "{appended:?}");
    let gaps = "SELECT reason || ' ' || count || ' ' || detail FROM entry WHERE kind = 10 ORDER BY seq";
    let want = [r#"unfit 1 {"row":83}"#, r#"unfit 1 {"row":90}"#];
    assert_eq!(bench.ask(gaps).await, want);
    let again = bench.append(writes(80..100)).await;
    assert_eq!((again.entries, again.repeated), (0, 20));
    assert_eq!(bench.ask(gaps).await, want);
    assert_eq!(intact(&bench.ledger).await, [23, 3]);
    // A database that refuses a gap as well has no trouble with one row.
    bench.sql("ALTER TABLE entry ADD CHECK (seq < 0) NOT VALID").await;
    let rows = writes(100..102).map(|(id, fact)| (OutboxId(id), fact)).collect();
    assert_eq!(bench.ledger.append(rows).await.unwrap_err().kind, TroubleKind::Unfit);
}

/// A writer that was stopped, or lost its way to the server, in the middle of a transaction keeps nothing from the others for long, whatever the role or the
/// database has as its own limits.
#[tokio::test]
async fn a_server_ends_a_transaction_of_whom_nothing_is_heard() {
    let Some((bench, other)) = two().await else { return };
    other.close().await;
    let database = bench.ask("SELECT current_database()").await.remove(0);
    bench.sql(&format!("ALTER DATABASE {database} SET lock_timeout = 0")).await;
    bench.sql(&format!("ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'")).await;
    bench
        .sql(
            "CREATE FUNCTION said() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 NEW.detail = current_setting('lock_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout') || ' '
                     || coalesce(current_setting('client_connection_check_interval', true), '5s') || ' ' || current_setting('transaction_isolation');
                 RETURN NEW;
             END $$;
             CREATE TRIGGER said BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION said()",
        )
        .await;
    let fresh = Ledger::open(&bench.place(), bench.options.clone()).await.unwrap();
    append(&fresh, 80..81).await;
    let said = bench.ask("SELECT detail FROM entry WHERE detail IS NOT NULL").await;
    assert_eq!(said, ["10s 30s 5s read committed"]);
}

/// What a server ends in the middle of a transaction: by the operator's limit, because somebody cancels it, or with its session. Whoever handed it in does so
/// again, as the relay does, and it is written once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_ends_is_written_once_when_it_comes_again() {
    let Some((bench, other)) = two().await else { return };
    bench.clock.set(START + 60_000);
    let database = bench.ask("SELECT current_database()").await.remove(0);
    let waits = format!(
        "FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
    );
    let ways = [
        ("cancelled", format!("SELECT pg_cancel_backend(pid)::text {waits}")),
        ("terminated", format!("SELECT pg_terminate_backend(pid)::text {waits}")),
        ("out of time", "SELECT 'it ends by itself'".to_owned()),
    ];
    for (at, (way, ends)) in ways.into_iter().enumerate() {
        let (from, number) = (100 * (at as u64 + 1), at as u64 + 10);
        if way == "out of time" {
            bench.sql(&format!("ALTER DATABASE {database} SET statement_timeout = '300ms'")).await;
            // So that both have sessions that know it.
            bench.ask(&format!("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()")).await;
        }
        let holder = postgres_rig::client(bench.url.as_deref().unwrap()).await.unwrap();
        holder
            .batch_execute(
                "SET statement_timeout = 0; BEGIN; LOCK TABLE mdss_relay_ledger.entry IN EXCLUSIVE MODE",
            )
            .await
            .unwrap();
        let rows: Vec<_> = writes(from..from + 20).map(|(id, fact)| (OutboxId(id), fact)).collect();
        let (first, handed_in) = (other.clone(), rows.clone());
        let under_way = tokio::spawn(async move { first.append(handed_in).await });
        let (second, about) = (bench.ledger.clone(), posted(number));
        let heard = tokio::spawn(async move { second.receive(about).await });
        let both_wait = async || bench.ask(&format!("SELECT count(*) {waits}")).await == ["2"];
        if way != "out of time" {
            drive::until("both wait in their transactions", Duration::from_secs(8), both_wait).await.unwrap();
        }
        assert!(!bench.ask(&ends).await.is_empty());
        let (ended, result) = (under_way.await.unwrap(), heard.await.unwrap());
        assert!(ended.is_err() && result.is_err(), "{way}: {ended:?}, {result:?}");
        drop(holder);
        let held = "SELECT count(*) FROM pg_locks WHERE relation = 'mdss_relay_ledger.entry'::regclass AND mode = 'ExclusiveLock'";
        drive::until("the lock is gone", Duration::from_secs(8), async || bench.ask(held).await == ["0"])
            .await
            .unwrap();
        // The next call has a session again.
        let again = other.append(rows.clone()).await.unwrap();
        assert_eq!((again.entries, again.repeated), (20, 0), "{way}: nothing of it was kept");
        assert_eq!(other.append(rows).await.unwrap().repeated, 20, "{way}");
        let became = async || bench.ledger.receive(posted(number)).await.unwrap()[0].became;
        assert_eq!((became().await, became().await), (Became::Matched, Became::Repeated), "{way}");
        intact(&bench.ledger).await;
    }
    let entries: u64 = intact(&bench.ledger).await.iter().sum();
    assert_eq!(entries, 6 + 3 * 20 + 3);
}

/// What is told to somebody else, or stands in no outbox, is on a standby first.
#[tokio::test]
async fn what_is_told_is_on_a_standby_first() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let mut server = postgres_rig::Server::setup(&binaries).start().unwrap();
    let url = server.database().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let open = async || Ledger::open(&place(dir.path(), Some(&url)), Options::default()).await.unwrap();
    let (one, two) = (open().await, open().await);
    append(&one, 1..4).await;
    let signed = one.checkpoint().await.unwrap().unwrap();
    two.beat().await.unwrap();
    // From here on there is a standby to wait for, which does not answer. Rows of an outbox do not wait.
    server.set("synchronous_standby_names", "nobody").unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let until = async |what: &str, sql: &str, want: &str| {
        let holds = async || server.ask(sql).await.unwrap() == [want];
        drive::until(what, Duration::from_secs(15), holds).await.unwrap();
    };
    until("the server knows", "SHOW synchronous_standby_names", "nobody").await;
    append(&one, 4..6).await;
    let read = tokio::spawn(async move { two.unpublished().await });
    until("who reads checkpoints waits", waiting, "1").await;
    let recorded =
        tokio::spawn(async move { one.record(Fact::new(Kind::Gap, Moment::from_millis(START))).await });
    until("and an entry of no outbox", waiting, "2").await;
    server.set("synchronous_standby_names", "").unwrap();
    assert_eq!(read.await.unwrap().unwrap(), [signed]);
    assert_eq!(recorded.await.unwrap().unwrap().entries, 1);
}

/// Dead rows and statistics still have what was erased, until they are cleared: whoever has erased it hears whether they are.
#[tokio::test]
async fn what_cannot_be_cleared_away_is_told() {
    let Some(world) = World::database() else { return };
    let bench = world.bench().await;
    bench.append(writes(1..300)).await;
    bench.sql("ANALYZE entry").await;
    let statistics = "SELECT count(*) FROM pg_stats WHERE schemaname = 'mdss_relay_ledger' AND (histogram_bounds::text || coalesce(most_common_vals::text, ''))
         LIKE '%696e636f6d696e67%'";
    assert_ne!(bench.ask(statistics).await, ["0"]);
    let forget = |which: &[u8]| Forget {
        bucket: BucketName::new("invoices"),
        which: Which::Prefix(which.to_vec()),
        reason: "Art. 17".into(),
        actor: "anna".into(),
    };
    assert_eq!(bench.ledger.forget(forget(b"incoming/")).await.unwrap().remains, Remains::Database);
    assert_eq!(bench.ask(statistics).await, ["0"]);
    let World::Database(server) = world else { return };
    let name = bench.ask("SELECT current_database()").await.remove(0);
    // Whoever owns the database may do this with all its tables; and since version 17 whoever has MAINTAIN, which is in ALL.
    let own = format!(
        "ALTER DATABASE {name} OWNER TO CURRENT_USER; ALTER TABLE mdss_relay_ledger.entry OWNER TO CURRENT_USER;
         GRANT SELECT, INSERT, UPDATE, DELETE ON mdss_relay_ledger.entry TO relay"
    );
    postgres_rig::ask(&server.admin_url(&name), &own).await.unwrap();
    bench.append(writes(300..310)).await;
    assert_eq!(bench.ledger.forget(forget(b"incoming/")).await.unwrap().remains, Remains::Rows);
}

/// A server that goes away is a trouble, and what was handed in is handed in again.
#[tokio::test]
async fn a_server_that_is_killed_keeps_what_it_has_told() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let mut server = postgres_rig::Server::setup(&binaries).start().unwrap();
    let url = server.database().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&place(dir.path(), Some(&url)), Options::default()).await.unwrap();
    append(&ledger, 1..4).await;
    server.kill().unwrap();
    let rows = || writes(4..6).map(|(id, fact)| (OutboxId(id), fact)).collect();
    let trouble = ledger.append(rows()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
    let trouble = ledger.record(Fact::new(Kind::Gap, Moment::from_millis(START))).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
    server.start().unwrap();
    assert_eq!(ledger.append(rows()).await.unwrap().entries, 2);
    let again: BTreeSet<_> = intact(&ledger).await.into_iter().collect();
    assert_eq!(again, BTreeSet::from([5]));
}

/// A table that has grown since its last ANALYZE, as one does in the first minute: a page of it costs a page.
#[tokio::test]
async fn a_walk_in_the_order_of_keys_reads_each_write_once() {
    const WRITES: u64 = 4000;
    let Some(world) = World::database() else { return };
    let bench = world.bench().await;
    bench.sql("ALTER TABLE entry SET (autovacuum_enabled = off)").await;
    bench.append(writes(1..WRITES + 1)).await;
    let fetched = async || {
        let sql = "SELECT coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0) FROM pg_stat_user_tables WHERE relname = 'entry'";
        bench.ask(sql).await[0].parse::<u64>().unwrap()
    };
    let before = fetched().await;
    let (mut walked, mut after) = (0, None);
    loop {
        let page =
            bench.ledger.writes_from(&BucketName::new("invoices"), after.as_deref(), 200).await.unwrap();
        walked += page.len() as u64;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
    }
    assert_eq!(walked, WRITES);
    // A session tells what it has read once it is closed.
    bench.ledger.close().await;
    drive::until("the server's own count", Duration::from_secs(15), async || {
        fetched().await - before >= WRITES
    })
    .await
    .unwrap();
    let read = fetched().await - before;
    assert!(read < 2 * WRITES, "{read} entries read for {WRITES}");
}

/// A relay of an earlier version does not write whose it is into the column that it does not know, and would sign the new chain with the old key.
#[tokio::test]
async fn no_key_is_replaced_under_a_relay_of_an_earlier_version() {
    let Some((bench, _other)) = two().await else { return };
    let rekey = async || {
        let asked = Rekey { actor: "anna".into(), reason: "it was in a mail".into(), lost: false };
        Ledger::rekey(&bench.place(), bench.options.clone(), asked).await
    };
    let before = std::fs::read(bench.path().join("ledger.key")).unwrap();
    for earlier in ["knows = NULL", "knows = 'whoever had the chain before'"] {
        bench.sql(&format!("UPDATE writer SET {earlier} WHERE chain = 1")).await;
        let trouble = rekey().await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Refused);
        assert!(trouble.detail.contains("a relay of an earlier version writes this ledger"), "{trouble}");
        assert!(!bench.path().join("ledger.key.next").exists(), "nothing is left of what was refused");
        assert_eq!(std::fs::read(bench.path().join("ledger.key")).unwrap(), before);
    }
    assert_eq!(intact(&bench.ledger).await, [3, 3]);
    // It is gone, and its lease with it.
    bench.sql("UPDATE writer SET until = clock_timestamp() - interval '1 second' WHERE chain = 1").await;
    assert!(!rekey().await.unwrap().resumed);
    assert_eq!(bench.ledger.chains().await.unwrap().len(), 3);
}
