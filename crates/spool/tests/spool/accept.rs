//! What is written down of a delivery, and what its sender hears.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crate::common::*;
use mdss_relay_core::{Delivery, Outcome};
use mdss_relay_spool::{Config, Desk, Filter, Sender, Spool, State, SystemClock, TroubleKind};
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
fn items(dir: &std::path::Path) -> Vec<String> {
    let desk = Desk::open(dir).unwrap();
    let entries = desk.list(&Filter::default(), None, 1000).unwrap();
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
        assert_eq!(items(dir.path()), kept, "{body} {sender:?}");
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
    let entry = desk.list(&Filter::default(), None, 10).unwrap().remove(0);
    let shown = desk.show(entry.id).unwrap().unwrap();
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
    let mut desk = Desk::open(dir.path()).unwrap();
    assert_eq!(desk.purge(&Filter::default(), None).unwrap().entries.len(), 6);
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
    Desk::open(dir.path()).unwrap().purge(&Filter::default(), None).unwrap();
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

#[tokio::test]
async fn nobody_unknown_fills_the_spool_with_what_no_route_names() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { limit: 4 << 20, ..config(dir.path()) };
    let (spool, _keeping) = Spool::start(config, Arc::new(SystemClock)).unwrap();
    let relay = routed();
    let lost = |key: &str| {
        let mut record = record("nowhere", key, None);
        record["padding"] = "x".repeat(100_000).into();
        delivery(&[record])
    };
    let send = async |key: &str, sender| {
        let delivery = lost(key);
        let plan = relay.plan(&delivery);
        let report = spool.accept(delivery, &plan, sender).await.unwrap();
        (report.outcome, results(&report).concat())
    };
    let mut held = 0;
    while send("k", Sender::Anyone).await.0 == Outcome::Done {
        held += 1;
        assert!(held < 100, "it has no end");
    }
    assert_eq!(held, 10, "a quarter of four megabytes");
    // The sender hears of it, and a line says so.
    let refused = (Outcome::Config, "failed:unmapped_bucket".to_owned());
    assert_eq!(send("k", Sender::Anyone).await, refused);
    // Whoever is known still has it kept, and what can be sent is taken of everybody.
    let kept = (Outcome::Done, "spooled:unmapped_bucket".to_owned());
    assert_eq!(send("k", Sender::Proven).await, kept);
    let good = delivery(&[record("b", "k", None)]);
    let plan = relay.plan(&good);
    assert_eq!(spool.accept(good, &plan, Sender::Anyone).await.unwrap().outcome, Outcome::Done);
}
