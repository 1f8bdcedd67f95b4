//! What is written down of a delivery, and what its sender hears.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crate::common::*;
use mdss_relay_core::{Delivery, Outcome};
use mdss_relay_spool::{Config, Desk, Filter, Parties, Sender, Spool, State, SystemClock, TroubleKind};
use serde_json::{Value, json};

const ROUTES: &str = r#"
    [[route]]
    bucket = "b"
    exclude_prefix = "no/"
    storage_client_id = "unit-1"
    [[route]]
    bucket = "c"
    storage_client_id = "unit-2"
"#;

fn routed() -> Arc<mdss_relay_core::Relay> {
    relay(NOWHERE, &[("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", ROUTES)])
}

fn bad() -> Value {
    json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "b" } } })
}

/// State, lane and path of every item, in the order of the file.
async fn items(dir: &std::path::Path) -> Vec<String> {
    let desk = Desk::open(dir).unwrap();
    let entries = desk.list(&Filter::default(), None, 1000).await.unwrap();
    entries.iter().map(|e| format!("{} {} {}", e.state, e.lane, e.path)).collect()
}

#[tokio::test]
async fn each_record_becomes_an_item_or_says_why_not() {
    let removed = json!({ "eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete",
                          "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } });
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b" });
    let records = |records: &[Value]| json!({ "Records": records }).to_string();
    let (b, c) = (record("b", "k", None), record("c", "k", None));
    let (no, d) = (record("b", "no/k", None), record("d", "k", None));
    for (body, sender, outcome, heard, kept) in [
        (
            records(std::slice::from_ref(&b)),
            Sender::Proven,
            Outcome::Done,
            vec!["spooled:-"],
            vec!["waiting unit-1 0"],
        ),
        (
            records(&[b.clone(), no.clone(), c.clone(), removed.clone()]),
            Sender::Anyone,
            Outcome::Done,
            vec!["spooled:-", "skipped:not_selected", "spooled:-", "skipped:removed"],
            vec!["waiting unit-1 0", "waiting unit-2 2"],
        ),
        (
            records(&[no, removed]),
            Sender::Proven,
            Outcome::Done,
            vec!["skipped:not_selected", "skipped:removed"],
            vec![],
        ),
        (test.to_string(), Sender::Proven, Outcome::Done, vec!["skipped:test_event"], vec![]),
        (records(&[]), Sender::Proven, Outcome::Done, vec![], vec![]),
        // For an operator to mend.
        (
            records(&[d]),
            Sender::Anyone,
            Outcome::Done,
            vec!["spooled:unmapped_bucket"],
            vec!["held unrouted 0"],
        ),
        // What can never be used is kept for whoever is known, and for nobody else.
        (
            records(&[b.clone(), bad()]),
            Sender::Proven,
            Outcome::Done,
            vec!["spooled:-", "spooled:missing_key"],
            vec!["waiting unit-1 0", "parked unrouted 1"],
        ),
        (
            records(&[b.clone(), bad()]),
            Sender::Anyone,
            Outcome::Done,
            vec!["spooled:-", "failed:missing_key"],
            vec!["waiting unit-1 0"],
        ),
        (
            "<xml>".into(),
            Sender::Proven,
            Outcome::Done,
            vec!["spooled:unknown_dialect"],
            vec!["parked unrouted 0"],
        ),
        ("<xml>".into(), Sender::Anyone, Outcome::Permanent, vec!["failed:unknown_dialect"], vec![]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _keeping) = start(dir.path());
        spool.ready().await.unwrap();
        let delivery = raw(body.clone());
        let plan = routed().plan(&delivery);
        let report = spool.accept(delivery, &plan, sender).await.unwrap();
        assert_eq!(report.outcome, outcome, "{body} {sender:?}");
        let mut heard_of = results(&report);
        heard_of.iter_mut().for_each(|r| *r = r.replace("unreadable", "unknown_dialect"));
        assert_eq!(heard_of, heard, "{body} {sender:?}");
        assert_eq!(items(dir.path()).await, kept, "{body} {sender:?}");
    }
}

#[tokio::test]
async fn a_delivery_comes_back_as_it_was_without_what_nobody_reads() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, keeping) = start(dir.path());
    let headers = [
        ("X-JDCloud-Message-Type", "Notification"),
        ("Authorization", "Bearer t0ken-0123"),
        ("X-Other", "t0ken-0123"),
    ];
    let delivery = Delivery {
        dialect: Some(mdss_relay_core::Dialect::JdCloud),
        headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
        ..delivery(&[record("b", "ключ \u{1f511}", None)])
    };
    let body = delivery.body.clone();
    let plan = routed().plan(&delivery);
    spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    let desk = Desk::open(dir.path()).unwrap();
    let entry = desk.list(&Filter::default(), None, 10).await.unwrap().remove(0);
    let shown = desk.show(entry.id).await.unwrap().unwrap();
    let found = shown.delivery.unwrap();
    assert_eq!(shown.entry, entry);
    assert_eq!((entry.bucket.as_deref(), entry.key.as_deref()), (Some("b"), Some("ключ \u{1f511}")));
    assert_eq!(
        (found.body, found.dialect, found.source.as_deref()),
        (body, Some(mdss_relay_core::Dialect::JdCloud), Some("s"))
    );
    assert_eq!(found.headers, [("x-jdcloud-message-type".to_owned(), "Notification".to_owned())]);

    // No credential anywhere, and nobody else may look.
    drop((spool, desk));
    keeping.wait();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(10).any(|w| w == b"t0ken-0123"), "{}", path.display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn the_log_of_the_file_is_nobody_elses_either() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("data/relay");
    let (spool, _keeping) = start(&new);
    keep(&spool, &routed(), "k").await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&new), 0o700);
    for file in ["spool.db", "spool.db-wal", "spool.db-shm", "relay.lock"] {
        assert_eq!(mode(&new.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn the_same_write_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, keeping) = start(dir.path());
    let relay = routed();
    let first = || delivery(&[record("b", "k", Some("01"))]);
    for (what, delivery, heard) in [
        ("the first", first(), vec!["spooled:-"]),
        ("the same again", first(), vec!["skipped:duplicate"]),
        ("another write", delivery(&[record("b", "k", Some("02"))]), vec!["spooled:-"]),
        ("another source", Delivery { source: Some("t".into()), ..first() }, vec!["spooled:-"]),
        ("without a mark", delivery(&[record("b", "k", None)]), vec!["spooled:-"]),
        ("without a mark, again", delivery(&[record("b", "k", None)]), vec!["spooled:-"]),
        (
            "twice in one delivery, beside a new one",
            delivery(&[
                record("b", "x", Some("01")),
                record("b", "x", Some("01")),
                record("b", "k", Some("01")),
            ]),
            vec!["spooled:-", "skipped:duplicate", "skipped:duplicate"],
        ),
    ] {
        let report = accept(&spool, &relay, delivery).await.unwrap();
        assert_eq!(
            (report.outcome, results(&report)),
            (Outcome::Done, heard.iter().map(|s| (*s).to_owned()).collect()),
            "{what}"
        );
    }
    assert_eq!(
        query::<i64>(dir.path(), "SELECT count(*) FROM delivery"),
        6,
        "a delivery of repetitions is none"
    );

    // What is remembered is on disk.
    drop(spool);
    keeping.wait();
    let (spool, _keeping) = start(dir.path());
    let report = accept(&spool, &relay, first()).await.unwrap();
    assert_eq!(results(&report), ["skipped:duplicate"]);
    // What was purged is not known any more: the sender may mean it.
    let desk = Desk::open(dir.path()).unwrap();
    assert_eq!(desk.purge(&Filter::default(), None).await.unwrap().entries.len(), 6);
    let report = accept(&spool, &relay, first()).await.unwrap();
    assert_eq!(results(&report), ["spooled:-"]);
}

#[tokio::test]
async fn a_full_spool_takes_nothing_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { limit: 400 << 10, ..config(dir.path()) };
    let (spool, _keeping) = Spool::start(config, Arc::new(SystemClock)).unwrap();
    let relay = routed();
    spool.ready().await.unwrap();
    let key = "k".repeat(900);
    let mut taken = 0;
    let trouble = loop {
        match accept(&spool, &relay, delivery(&[record("b", &key, None)])).await {
            Ok(_) => taken += 1,
            Err(trouble) => break trouble,
        }
        assert!(taken < 1000, "never full");
    };
    assert!(taken > 10, "{taken}");
    assert_eq!(trouble.kind, TroubleKind::Full);
    assert!(trouble.detail.contains("RELAY_SPOOL_LIMIT, 409600"), "{trouble}");
    assert_eq!(query::<i64>(dir.path(), "SELECT count(*) FROM item"), taken);
    assert_eq!(spool.snapshot().await.unwrap().counts.refused[TroubleKind::Full.name()], 1);
    Desk::open(dir.path()).unwrap().purge(&Filter::default(), None).await.unwrap();
    keep(&spool, &relay, "again").await;
}

#[tokio::test]
async fn what_cannot_be_used_does_not_take_the_place_of_what_can() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { limit: 4 << 20, ..config(dir.path()) };
    let (spool, _keeping) = Spool::start(config, Arc::new(SystemClock)).unwrap();
    let relay = routed();
    let junk = "x".repeat(100_000);
    let mut parked = 0;
    loop {
        let report = accept(&spool, &relay, raw(junk.clone())).await.unwrap();
        if report.outcome == Outcome::Permanent {
            break;
        }
        parked += 1;
        assert!(parked < 100, "the park has no end");
    }
    assert_eq!(parked, 10, "a quarter of four megabytes");
    let mut large = bad();
    large["padding"] = "x".repeat(100_000).into();
    let report = accept(&spool, &relay, delivery(&[record("b", "k", None), large])).await.unwrap();
    assert_eq!(
        (report.outcome, results(&report)),
        (Outcome::Done, vec!["spooled:-".into(), "failed:missing_key".into()])
    );
    let stock = spool.snapshot().await.unwrap().stock;
    let parked = stock.depths.iter().find(|d| d.state == State::Parked).unwrap();
    assert_eq!((parked.items, parked.reason.as_str()), (10, "unreadable"));
}

/// A delivery of one source with a hundred kilobytes in it.
async fn send(spool: &Spool, source: &str, bucket: &str, sender: Sender) -> (Outcome, String, String) {
    let mut record = record(bucket, "k", None);
    if bucket == "bad" {
        record = bad();
    }
    record["padding"] = "x".repeat(100_000).into();
    let delivery = Delivery { source: Some(source.into()), ..delivery(&[record]) };
    let plan = routed().plan(&delivery);
    let report = spool.accept(delivery, &plan, sender).await.unwrap();
    let detail = report.records[0].detail.clone().unwrap_or_default();
    (report.outcome, results(&report).concat(), detail)
}

fn four_megabytes(dir: &std::path::Path) -> Spool {
    let config = Config { limit: 4 << 20, ..config(dir) };
    Spool::start(config, Arc::new(SystemClock)).unwrap().0
}

#[tokio::test]
async fn no_source_fills_the_spool_with_what_no_route_names() {
    for sender in [Sender::Anyone, Sender::Proven] {
        let dir = tempfile::tempdir().unwrap();
        let spool = four_megabytes(dir.path());
        let fill = async |source: &str, bucket: &str| {
            let mut kept = 0;
            loop {
                let (outcome, result, detail) = send(&spool, source, bucket, sender).await;
                if outcome != Outcome::Done {
                    return (kept, outcome, result, detail);
                }
                kept += 1;
                assert!(kept < 100, "it has no end");
            }
        };
        let (kept, outcome, result, detail) = fill("m", "nowhere").await;
        assert_eq!(
            (kept, outcome, result.as_str()),
            (10, Outcome::Config, "failed:unmapped_bucket"),
            "a quarter of four megabytes"
        );
        assert!(detail.contains("bytes of source \"m\" are held and wait for somebody, expected at most a quarter of RELAY_SPOOL_LIMIT, 1048576"), "{detail}");
        // Others have theirs, and what can be sent is taken of everybody.
        for source in ["m", "n"] {
            assert_eq!(send(&spool, source, "b", sender).await.0, Outcome::Done);
        }
        assert_eq!(fill("n", "nowhere").await.0, 10);
        spool.ready().await.unwrap();
        // All together have half of it.
        let (kept, outcome, _, detail) = fill("o", "nowhere").await;
        assert_eq!((kept, outcome), (0, Outcome::Config));
        assert!(
            detail.contains(
                "bytes of all sources wait for somebody, expected at most half of RELAY_SPOOL_LIMIT, 2097152"
            ),
            "{detail}"
        );
        assert_eq!(send(&spool, "o", "b", sender).await.0, Outcome::Done);
        let counts = spool.counts().no_room;
        let got: Vec<_> = counts.iter().map(|((source, share), n)| (source.as_str(), *share, *n)).collect();
        assert_eq!(got, [("m", "held", 1), ("n", "held", 1), ("o", "all", 1)]);
        // Somebody acts.
        let filter = Filter { ids: vec![], bucket: Some("nowhere".into()), ..Filter::default() };
        Desk::open(dir.path()).unwrap().purge(&filter, None).await.unwrap();
        assert_eq!(send(&spool, "m", "nowhere", sender).await.0, Outcome::Done);
    }
}

#[tokio::test]
async fn no_source_has_the_place_of_another_for_what_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let spool = four_megabytes(dir.path());
    let mut parked = 0;
    let detail = loop {
        match send(&spool, "m", "bad", Sender::Proven).await {
            (Outcome::Done, ..) => parked += 1,
            (Outcome::Permanent, _, detail) => break detail,
            other => panic!("{other:?}"),
        }
        assert!(parked < 100, "it has no end");
    };
    assert_eq!(parked, 10, "a quarter of four megabytes");
    assert!(detail.contains("bytes of source \"m\" are parked"), "{detail}");
    // What is held has a share of its own.
    for (source, bucket) in [("n", "bad"), ("m", "nowhere"), ("m", "b")] {
        assert_eq!(send(&spool, source, bucket, Sender::Proven).await.0, Outcome::Done, "{source} {bucket}");
    }
}

/// A unit is off, or MDSS is slow and one source posts more than it takes.
#[tokio::test]
async fn what_waits_for_one_unit_or_came_from_one_source_leaves_room_for_others() {
    for (parties, share, first, others) in [
        (Parties { sources: 1, units: 2 }, "unit", ("m", "b"), [("m", "c")].as_slice()),
        (Parties { sources: 2, units: 1 }, "source", ("m", "b"), &[("n", "b"), ("n", "nowhere")]),
        (Parties { sources: 2, units: 2 }, "unit", ("m", "b"), &[("n", "c")]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let spool = four_megabytes(dir.path());
        spool.share_among(parties);
        let fill = async |source: &str, bucket: &str| {
            let mut kept = 0;
            while let (Outcome::Done, ..) = send(&spool, source, bucket, Sender::Proven).await {
                kept += 1;
                assert!(kept < 100, "it has no end");
            }
            kept
        };
        let most = fill(first.0, first.1).await;
        assert!((28..=31).contains(&most), "{most}: three quarters of four megabytes");
        let (outcome, result, detail) = send(&spool, first.0, first.1, Sender::Proven).await;
        assert_eq!((outcome, result.as_str()), (Outcome::Transient, "failed:spool_unavailable"));
        assert!(detail.contains("bytes in the spool, expected at most 3 times what is free, "), "{detail}");
        assert!(spool.counts().no_room.keys().all(|(_, of)| *of == share), "{:?}", spool.counts().no_room);
        // It is no trouble of the spool's.
        spool.ready().await.unwrap();
        for (source, bucket) in others {
            assert_eq!(
                send(&spool, source, bucket, Sender::Proven).await.0,
                Outcome::Done,
                "{source} {bucket}"
            );
        }
        // One of a batch waits for it: the sender comes again, and of the others a repetition is one.
        if share == "unit" {
            let batch =
                delivery(&[record("c", "x", Some("01")), record("b", &"k".repeat(200_000), Some("01"))]);
            let repeated = Delivery { source: Some(others[0].0.into()), ..batch };
            for want in ["spooled:-", "skipped:duplicate"] {
                let plan = routed().plan(&repeated);
                let report = spool.accept(repeated.clone(), &plan, Sender::Proven).await.unwrap();
                assert_eq!(
                    (report.outcome, results(&report)),
                    (Outcome::Transient, vec![want.to_owned(), "failed:spool_unavailable".to_owned()])
                );
            }
        }
    }
    // Who is alone has everything.
    let dir = tempfile::tempdir().unwrap();
    let spool = four_megabytes(dir.path());
    spool.share_among(Parties { sources: 1, units: 1 });
    let trouble = loop {
        let mut one = record("b", "k", None);
        one["padding"] = "x".repeat(100_000).into();
        if let Err(trouble) = accept(&spool, &routed(), delivery(&[one])).await {
            break trouble;
        }
    };
    assert_eq!(trouble.kind, TroubleKind::Full);
    assert!(query::<i64>(dir.path(), "SELECT count(*) FROM item") > 35);
}
