//! What is kept of a delivery, what its sender hears, and what is a repetition.

use mdss_relay_core::{Delivery, Dialect, Outcome};
use mdss_relay_spool::seam::Outcome as SpoolOutcome;
use mdss_relay_spool::{Filter, Sender, Spool};
use serde_json::{Value, json};

use crate::bench::{Bench, claim, settle};
use crate::common::*;

/// State, lane and path of every item, in their order.
async fn kept(spool: &Spool) -> Vec<String> {
    let entries = spool.engine().list(&Filter::default(), None, 1000).await.unwrap();
    entries.iter().map(|e| format!("{} {} {}", e.state, e.lane, e.path)).collect()
}

pub(crate) async fn each_record_becomes_an_item_or_says_why_not(bench: Bench) {
    let removed = json!({ "eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete",
                          "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } });
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b" });
    let records = |records: &[Value]| json!({ "Records": records }).to_string();
    let (b, c) = (record("b", "k", None), record("c", "k", None));
    let (no, d) = (record("b", "no/k", None), record("d", "k", None));
    for (body, sender, outcome, heard, want) in [
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
        let bench = bench.another();
        let spool = bench.open();
        spool.ready().await.unwrap();
        let delivery = raw(body.clone());
        let plan = routed().plan(&delivery);
        let report = spool.accept(delivery, &plan, sender).await.unwrap();
        assert_eq!(report.outcome, outcome, "{body} {sender:?}");
        let mut heard_of = results(&report);
        heard_of.iter_mut().for_each(|r| *r = r.replace("unreadable", "unknown_dialect"));
        assert_eq!(heard_of, heard, "{body} {sender:?}");
        assert_eq!(kept(&spool).await, want, "{body} {sender:?}");
    }
}

pub(crate) async fn a_delivery_comes_back_as_it_was_without_what_nobody_reads(bench: Bench) {
    let spool = bench.open();
    let headers = [
        ("X-JDCloud-Message-Type", "Notification"),
        ("Authorization", "Bearer t0ken-0123"),
        ("X-Other", "t0ken-0123"),
    ];
    let delivery = Delivery {
        dialect: Some(Dialect::JdCloud),
        headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
        ..delivery(&[record("b", "ключ \u{1f511}", None)])
    };
    let body = delivery.body.clone();
    let plan = routed().plan(&delivery);
    spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    let desk = bench.desk();
    let entry = desk.list(&Filter::default(), None, 10).await.unwrap().remove(0);
    let shown = desk.show(entry.id).await.unwrap().unwrap();
    let found = shown.delivery.unwrap();
    assert_eq!(shown.entry, entry);
    assert_eq!((entry.bucket.as_deref(), entry.key.as_deref()), (Some("b"), Some("ключ \u{1f511}")));
    assert_eq!(
        (found.body, found.dialect, found.source.as_deref()),
        (body, Some(Dialect::JdCloud), Some("s"))
    );
    assert_eq!(found.headers, [("x-jdcloud-message-type".to_owned(), "Notification".to_owned())]);
}

/// A filer's event may hold a small file. What is kept is planned as what came.
pub(crate) async fn what_is_in_an_object_is_not_kept(bench: Bench) {
    let spool = bench.open();
    let event = |content: &str| {
        let entry = |content: &str| json!({ "name": "k", "content": content, "attributes": { "mtime": 7 } });
        let message = json!({ "old_entry": entry("c2VjcmV0"), "new_entry": entry(content) });
        raw(json!({ "event_type": "update", "key": "/buckets/b/k", "message": message }).to_string())
    };
    let relay = routed();
    for (content, heard) in [("bmV3IHNlY3JldA==", "spooled:-"), ("c2VjcmV0", "skipped:not_content")] {
        let delivery = event(content);
        let plan = relay.plan(&delivery);
        let report = spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
        assert_eq!(results(&report), [heard], "{content}");
    }
    let desk = bench.desk();
    let entry = desk.list(&Filter::default(), None, 10).await.unwrap().remove(0);
    let kept = desk.show(entry.id).await.unwrap().unwrap().delivery.unwrap();
    let body = String::from_utf8(kept.body.clone()).unwrap();
    assert!(!body.contains("c2VjcmV0") && !body.contains("bmV3IHNlY3JldA=="), "{body}");
    let decided = |plan: &mdss_relay_core::Plan| format!("{:?}", plan.records[0].decision);
    assert_eq!(decided(&relay.plan(&kept)), decided(&relay.plan(&event("bmV3IHNlY3JldA=="))));
}

pub(crate) async fn the_same_write_is_kept_once(bench: Bench) {
    let spool = bench.open();
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
    // What is remembered is on disk.
    spool.close();
    let spool = bench.open();
    let report = accept(&spool, &relay, first()).await.unwrap();
    assert_eq!(results(&report), ["skipped:duplicate"]);
    // What was purged is not known any more: the sender may mean it.
    let desk = bench.desk();
    assert_eq!(desk.purge(&Filter::default(), None).await.unwrap().entries.len(), 6);
    let report = accept(&spool, &relay, first()).await.unwrap();
    assert_eq!(results(&report), ["spooled:-"]);
}

/// A mark is known from the moment its item is kept until long after MDSS has accepted the object, without a gap.
pub(crate) async fn a_write_that_mdss_has_accepted_is_not_kept_again(bench: Bench) {
    let spool = bench.open();
    let relay = routed();
    let repeated = async |spool: &Spool| {
        let report = accept(spool, &relay, delivery(&[record("b", "k", Some("01"))])).await.unwrap();
        results(&report).remove(0)
    };
    assert_eq!(repeated(&spool).await, "spooled:-");
    let claims = claim(&spool, 10).await;
    assert_eq!(repeated(&spool).await, "skipped:duplicate", "it is given out");
    settle(&spool, claims, |_| SpoolOutcome::Accepted).await;
    assert_eq!((kept(&spool).await.len(), repeated(&spool).await.as_str()), (0, "skipped:duplicate"));
    spool.close();
    let spool = bench.open();
    assert_eq!(repeated(&spool).await, "skipped:duplicate");
    // What was not accepted is not known.
    let other = || delivery(&[record("b", "other", Some("01"))]);
    accept(&spool, &relay, other()).await.unwrap();
    let claims = claim(&spool, 10).await;
    settle(&spool, claims, |_| SpoolOutcome::Skipped).await;
    assert_eq!(results(&accept(&spool, &relay, other()).await.unwrap()), ["spooled:-"]);
}

/// Whatever bytes there are, they come back as they were, and harm no neighbour in the same transaction.
pub(crate) async fn no_byte_is_too_much(bench: Bench) {
    let spool = bench.open();
    let relay = routed();
    let mut large = record("b", "large", None);
    large["padding"] = "x".repeat(6 << 20).into();
    // Deep in a member that nobody needs.
    let mut broken = delivery(&[record("b", "broken", None)]).body;
    let at = broken.windows(3).position(|bytes| bytes == b"aws").unwrap();
    broken.splice(at - 1..at - 1, *b"\"\xff\xfe\",\"x\":");
    for (what, delivery, key) in [
        ("NUL", delivery(&[record("b", "a%00b", None)]), Some("a\0b")),
        ("six megabytes", delivery(&[large]), Some("large")),
        ("no UTF-8", raw(broken), None),
        ("nothing", raw(Vec::new()), None),
    ] {
        let body = delivery.body.clone();
        let (spooled, neighbour) = tokio::join!(
            accept(&spool, &relay, delivery),
            accept(&spool, &relay, self::delivery(&[record("b", "neighbour", None)]))
        );
        assert_eq!(results(&neighbour.unwrap()), ["spooled:-"], "{what}");
        spooled.unwrap();
        let entries = spool.engine().list(&Filter::default(), None, 10).await.unwrap();
        let entry = entries.iter().find(|entry| entry.key.as_deref() != Some("neighbour"));
        if body.is_empty() {
            assert_eq!(entry.is_some(), !entries.is_empty() && entries.len() == 2, "{what}: {entries:?}");
        } else {
            let entry = entry.unwrap_or_else(|| panic!("{what}: {entries:?}"));
            assert_eq!(
                entry.key.clone().filter(|_| key.is_some()),
                key.map(|key| bench.shown(key)),
                "{what}"
            );
            let shown = spool.engine().show(entry.id).await.unwrap().unwrap();
            assert!(shown.delivery.unwrap().body == body, "{what}");
        }
        bench.desk().purge(&Filter::default(), None).await.unwrap();
    }
}

/// What a stranger sends to an open source takes no mark away from a source that proves who it is, whatever becomes of it.
pub(crate) async fn a_mark_planted_through_an_open_source_swallows_nothing(bench: Bench) {
    let spool = bench.open();
    let relay = relay(NOWHERE, &[]);
    let of = |source: &str| Delivery {
        source: Some(source.into()),
        ..delivery(&[record("b", "k", Some("01")), record("b", "k", Some("01"))])
    };
    for (source, sender, want) in [
        ("open", Sender::Anyone, ["spooled:-", "skipped:duplicate"]),
        ("strong", Sender::Proven, ["spooled:-", "skipped:duplicate"]),
        // Names that would run into each other if they were only put side by side.
        ("strong\",\"b", Sender::Proven, ["spooled:-", "skipped:duplicate"]),
    ] {
        let delivery = of(source);
        let plan = relay.plan(&delivery);
        let report = spool.accept(delivery, &plan, sender).await.unwrap();
        assert_eq!((report.outcome, results(&report)), (Outcome::Done, want.map(str::to_owned).to_vec()));
    }
}
