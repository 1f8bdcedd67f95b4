//! How much is kept, and of whom.

use mdss_relay_core::{Delivery, Outcome};
use mdss_relay_spool::{Filter, Parties, Sender, Spool, State, TroubleKind};
use serde_json::Value;

use crate::bench::{Bench, again, claim, settle};
use crate::common::*;

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

pub(crate) async fn a_full_spool_takes_nothing_and_goes_on_when_there_is_room(bench: Bench) {
    let spool = bench.open_with(400 << 10);
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
    assert!(trouble.detail.contains("but RELAY_SPOOL_LIMIT allows 409600"), "{trouble}");
    assert_eq!(items(&spool).await, taken);
    assert_eq!(spool.snapshot().await.unwrap().counts.refused[TroubleKind::Full.name()], 1);
    bench.desk().purge(&Filter::default(), None).await.unwrap();
    keep(&spool, &relay, "again").await;
}

pub(crate) async fn what_cannot_be_used_does_not_take_the_place_of_what_can(bench: Bench) {
    let spool = bench.open_with(4 << 20);
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

pub(crate) async fn no_source_fills_the_spool_with_what_no_route_names(bench: Bench) {
    for sender in [Sender::Anyone, Sender::Proven] {
        let bench = bench.another();
        let spool = bench.open_with(4 << 20);
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
        assert!(detail.contains("bytes of source \"m\" are held until an operator acts, and its share is a quarter of RELAY_SPOOL_LIMIT, 1048576 bytes"), "{detail}");
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
                "bytes of all sources are held or parked until an operator acts, and their share is half of RELAY_SPOOL_LIMIT, 2097152 bytes"
            ),
            "{detail}"
        );
        assert_eq!(send(&spool, "o", "b", sender).await.0, Outcome::Done);
        let counts = spool.counts().no_room;
        let got: Vec<_> = counts.iter().map(|((source, share), n)| (source.as_str(), *share, *n)).collect();
        assert_eq!(got, [("m", "held", 1), ("n", "held", 1), ("o", "all", 1)]);
        // Somebody acts.
        let filter = Filter { ids: vec![], bucket: Some("nowhere".into()), ..Filter::default() };
        bench.desk().purge(&filter, None).await.unwrap();
        assert_eq!(send(&spool, "m", "nowhere", sender).await.0, Outcome::Done);
    }
}

pub(crate) async fn no_source_has_the_place_of_another_for_what_cannot_be_used(bench: Bench) {
    let spool = bench.open_with(4 << 20);
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
pub(crate) async fn what_waits_for_one_unit_or_came_from_one_source_leaves_room_for_others(bench: Bench) {
    for (parties, share, first, others) in [
        (Parties { sources: 1, units: 2 }, "unit", ("m", "b"), [("m", "c")].as_slice()),
        (Parties { sources: 2, units: 1 }, "source", ("m", "b"), &[("n", "b"), ("n", "nowhere")]),
        (Parties { sources: 2, units: 2 }, "unit", ("m", "b"), &[("n", "c")]),
    ] {
        let bench = bench.another();
        let spool = bench.open_with(4 << 20);
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
        assert!(detail.contains("bytes in the spool, and its share is 3 times the "), "{detail}");
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
    let spool = bench.open_with(4 << 20);
    spool.share_among(Parties { sources: 1, units: 1 });
    let trouble = loop {
        let mut one = record("b", "k", None);
        one["padding"] = "x".repeat(100_000).into();
        if let Err(trouble) = accept(&spool, &routed(), delivery(&[one])).await {
            break trouble;
        }
    };
    assert_eq!(trouble.kind, TroubleKind::Full);
    assert!(items(&spool).await > 35);
}

/// The bad record of a batch is kept with the whole body, so it is the body that takes the room.
pub(crate) async fn a_parked_record_is_counted_with_all_that_it_keeps(bench: Bench) {
    let sim = sim().await;
    let relay = relay_for(&sim, &[]);
    let spool = bench.open_with(4 << 20);
    let _worker = Running::start(&spool, &relay);
    for n in 0..60 {
        let mut records: Vec<Value> = (0..100).map(|m| record("b", &format!("{n}-{m}"), None)).collect();
        records.iter_mut().for_each(|record| record["padding"] = "x".repeat(900).into());
        records.push(bad());
        let taken = accept(&spool, &relay, delivery(&records)).await;
        assert!(
            !matches!(&taken, Err(trouble) if trouble.kind == TroubleKind::Full),
            "after {n} batches everything is parked, and nothing that can be sent is taken"
        );
        taken.unwrap();
        until("all but the parked are sent", async || {
            spool.snapshot().await.unwrap().stock.depths.iter().all(|d| d.state == State::Parked)
        })
        .await;
    }
}

/// Records for a bucket that nobody has named, all in one delivery, whose body has about so many bytes.
async fn unmapped(spool: &Spool, count: usize, bytes: usize) -> (usize, usize) {
    let mut records = vec![record("nowhere", "k", None); count];
    records[0]["padding"] = "x".repeat(bytes).into();
    let report = accept(spool, &routed(), delivery(&records)).await.unwrap();
    let results = results(&report);
    let count = |what: &str| results.iter().filter(|result| *result == what).count();
    (count("spooled:unmapped_bucket"), count("failed:unmapped_bucket"))
}

async fn held(spool: &Spool) -> u64 {
    let stock = spool.snapshot().await.unwrap().stock;
    stock.depths.iter().filter(|d| d.state == State::Held).map(|d| d.bytes).sum()
}

/// Else one body of thousands of records went past its share.
pub(crate) async fn what_one_delivery_brings_adds_up(bench: Bench) {
    let spool = bench.open_with(4 << 20);
    let (kept, refused) = unmapped(&spool, 3000, 0).await;
    assert!(kept > 100 && refused > 100 && kept + refused == 3000, "{kept} {refused}");
    let bytes = held(&spool).await;
    assert!((900_000..=1 << 20).contains(&bytes), "{bytes} of a quarter of four megabytes");
}

/// Else what is refused would be refused too early.
pub(crate) async fn a_body_is_counted_once_and_only_for_those_that_stay(bench: Bench) {
    let spool = bench.open_with(8 << 20);
    assert_eq!(unmapped(&spool, 100, 1 << 20).await, (100, 0));
    assert!((1 << 20..2 << 20).contains(&held(&spool).await));
    // What MDSS has refused is held in the lane of its unit, and takes nothing of the share for what no route names.
    let bench = bench.another();
    let spool = bench.open_with(4 << 20);
    let hold = |_: &_| again(State::Held, std::time::Duration::from_secs(600));
    for _ in 0..15 {
        assert_eq!(send(&spool, "m", "b", Sender::Proven).await.0, Outcome::Done);
    }
    let claims = claim(&spool, 100).await;
    assert_eq!(claims.items.len(), 15);
    settle(&spool, claims, hold).await;
    assert!(held(&spool).await > 1 << 20);
    let mut kept = 0;
    while send(&spool, "m", "nowhere", Sender::Proven).await.0 == Outcome::Done {
        kept += 1;
        assert!(kept < 100, "it has no end");
    }
    assert_eq!(kept, 10, "a quarter of four megabytes");
    // Of a batch that can be sent, each item has its part of the body.
    let bench = bench.another();
    let spool = bench.open_with(4 << 20);
    spool.share_among(Parties { sources: 1, units: 2 });
    let mut records = vec![record("b", "k", None); 10];
    records[0]["padding"] = "x".repeat(1 << 20).into();
    let report = accept(&spool, &routed(), delivery(&records)).await.unwrap();
    assert_eq!(results(&report), vec!["spooled:-"; 10]);
    // One that leaves too little for the others is refused, unless there are none.
    for (units, want) in [(2, "failed:spool_unavailable"), (1, "spooled:-")] {
        let bench = bench.another();
        let spool = bench.open_with(4 << 20);
        spool.share_among(Parties { sources: 1, units });
        let mut large = record("b", "k", None);
        large["padding"] = "x".repeat(3_400_000).into();
        assert_eq!(results(&accept(&spool, &routed(), delivery(&[large])).await.unwrap()), [want]);
    }
}
