//! The worker against a stand-in for MDSS, over real sockets.

use std::collections::BTreeMap;
use std::time::Duration;

use mdss_relay_core::Outcome;
use mdss_relay_spool::{Filter, Health, Pacing, Sender, State};
use mdss_sim::{Refusal, StatusCode, Step, units};
use serde_json::json;

use crate::bench::Bench;
use crate::common::*;

pub(crate) async fn what_is_kept_is_sent_once_and_leaves_nothing_behind(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    let relay = relay_for(&sim, &[]);
    let worker = Running::start(&spool, &relay);
    for n in 0..50 {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    // Many in one delivery, and a key that is encoded.
    let many: Vec<_> = (0..100).map(|n| record("b", &format!("m+{n}"), Some("01"))).collect();
    accept(&spool, &relay, delivery(&many)).await.unwrap();
    until("everything is sent", async || empty(&spool).await).await;
    worker.stop().await;
    let got = accepted(&sim);
    assert_eq!(got.len(), 150);
    assert!(got.values().all(|times| *times == 1), "{got:?}");
    assert!(got.contains_key("m 7"));
    // The marks stay: a repetition is answered and not sent.
    let report = accept(&spool, &relay, delivery(&many[..1])).await.unwrap();
    assert_eq!((report.outcome, results(&report)), (Outcome::Done, vec!["skipped:duplicate".into()]));
    let counts = spool.snapshot().await.unwrap().counts;
    assert_eq!((counts.accepted, counts.spooled, counts.duplicates), (51, 150, 1));
    assert_eq!(counts.delivered[units::AMAZON_S3], 150);
    assert_eq!(counts.latency.counts.iter().sum::<u64>(), 150);
}

pub(crate) async fn what_may_pass_is_tried_again_and_what_cannot_is_parked(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    let relay = relay_for(&sim, &[]);
    for step in [
        Step::Unavailable,
        Step::Reset,
        Step::EmptyBody,
        Step::HalfBody,
        Step::status(StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let key = format!("{step:?}");
        sim.push_for(key.as_str(), [step]);
        keep(&spool, &relay, &key).await;
        // One at a time: five different objects that fail in a row would open the breaker.
        keep(&spool, &relay, "between").await;
    }
    sim.push_for("large", [Step::status(StatusCode::PAYLOAD_TOO_LARGE)]);
    keep(&spool, &relay, "large").await;
    let worker = Running::start(&spool, &relay);
    until("all but one are sent", async || items(&spool).await == 1).await;
    assert_eq!(states(&spool).await, BTreeMap::from([("large".into(), "parked mdss_too_large".into())]));
    assert_eq!(accepted(&sim).len(), 6);
    // Nobody but the operator wakes it, from another process.
    bench.desk().retry(&Filter::default(), None).await.unwrap();
    until("the parked one is sent", async || empty(&spool).await).await;
    worker.stop().await;
    let counts = spool.snapshot().await.unwrap().counts;
    assert_eq!(counts.parked[&(units::AMAZON_S3.to_owned(), "mdss_too_large")], 1);
}

pub(crate) async fn a_mended_configuration_heals_what_is_held(bench: Bench) {
    let sim = sim().await;
    let routes = |text: &str| {
        let toml = text.replace("UNIT", units::AMAZON_S3);
        relay_for(&sim, &[("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", toml.as_str())])
    };
    let first = routes(
        "[[route]]\nbucket = \"a\"\nstorage_client_id = \"UNIT\"\n[[route]]\nbucket = \"wrong\"\nstorage_client_id = \"no-such-unit\"",
    );
    let spool = bench.open();
    let worker = Running::start(&spool, &first);
    let records = [
        record("a", "sent", None),
        record("b", "unmapped", None),
        record("c", "unwanted", None),
        record("wrong", "misrouted", None),
    ];
    let report = accept(&spool, &first, delivery(&records)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    until("MDSS has said what it thinks", async || {
        states(&spool).await.get("misrouted").is_some_and(|s| s == "held mdss_storage_not_found")
            && items(&spool).await == 3
    })
    .await;
    worker.stop().await;
    assert_eq!(accepted(&sim).keys().collect::<Vec<_>>(), ["sent"]);
    assert_eq!(states(&spool).await["unmapped"], "held unmapped_bucket");
    spool.close();

    let second = routes(
        "[[route]]\nbucket = \"c\"\nprefix = \"other/\"\nstorage_client_id = \"UNIT\"\n[[route]]\nbucket = \"*\"\nstorage_client_id = \"UNIT\"\nexclude_prefix = \"unw\"",
    );
    let spool = bench.open();
    let worker = Running::start(&spool, &second);
    until("nothing is left", async || empty(&spool).await).await;
    worker.stop().await;
    let delivered = spool.snapshot().await.unwrap().counts.delivered;
    assert_eq!(delivered, BTreeMap::from([(units::AMAZON_S3.into(), 2)]), "by the lanes of today");
    let want: BTreeMap<_, _> = ["sent", "unmapped", "misrouted"].map(|k| (k.to_owned(), 1)).into();
    assert_eq!(accepted(&sim), want, "a done record is not sent again, an unwanted one not at all");
}

pub(crate) async fn a_stop_writes_down_what_came_while_one_is_out(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    let relay = relay_for(&sim, &[("RELAY_TIMEOUT", "60s")]);
    sim.push_for("out", [Step::Hang]);
    keep(&spool, &relay, "out").await;
    let worker = Running::start(&spool, &relay);
    until("one is out", async || sim.requests().len() == 1).await;
    sim.push_for("last", [Step::Delay { ms: 500 }]);
    keep(&spool, &relay, "last").await;
    until("the last is out as well", async || sim.requests().len() == 2).await;
    worker.stop.send(()).unwrap();
    until("the last is accepted", async || accepted(&sim).contains_key("last")).await;
    until("it is written down", async || items(&spool).await == 1).await;
    assert!(!worker.task.is_finished());
    worker.task.abort();
}

pub(crate) async fn age_parks_and_never_drops(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    let relay = relay_for(&sim, &[]);
    sim.push_for("old", std::iter::repeat_n(Step::OkButRefused(Refusal::NotEnabled), 1000));
    keep(&spool, &relay, "old").await;
    let worker =
        Running::with(&spool, &relay, Pacing { park_after: Some(Duration::from_secs(60)), ..PACING });
    let attempts = async || spool.engine().list(&Filter::default(), None, 10).await.unwrap()[0].attempts;
    // A clock that jumps ahead does not park what has hardly been tried.
    for n in 1..=5 {
        until("one more attempt", async || attempts().await == n).await;
        assert_eq!(
            states(&spool).await["old"],
            if n < 5 { "held mdss_not_enabled" } else { "parked mdss_not_enabled" },
            "{n}"
        );
        bench.pass(Duration::from_secs(3600));
    }
    keep(&spool, &relay, "new").await;
    until("the next one is sent", async || accepted(&sim).contains_key("new")).await;
    assert_eq!(sim.requests().len(), 6, "a parked one is left alone");
    worker.stop().await;
    assert_eq!(bench.desk().stock().await.unwrap().depths[0].state, State::Parked);
}

pub(crate) async fn bad_neighbours_are_parked_and_sent_when_they_can_be_read(bench: Bench) {
    let sim = sim().await;
    let relay = relay_for(&sim, &[]);
    let spool = bench.open();
    let bad = json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "b" } } });
    let delivery = delivery(&[record("b", "good", None), bad]);
    let plan = relay.plan(&delivery);
    spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    let worker = Running::start(&spool, &relay);
    until("the good one is sent", async || accepted(&sim).contains_key("good") && items(&spool).await == 1)
        .await;
    // Tried by hand, it is read again, and is no better.
    bench.desk().retry(&Filter::default(), None).await.unwrap();
    until("it is parked again", async || states(&spool).await[""] == "parked missing_key").await;
    worker.stop().await;
    assert_eq!(sim.requests().len(), 1);
}

/// The engine owns what it has given out, so two workers need not know of each other.
pub(crate) async fn two_workers_send_each_object_once(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "4")]);
    let records: Vec<_> = (0..400).map(|n| record("b", &format!("k{n}"), None)).collect();
    accept(&spool, &relay, delivery(&records)).await.unwrap();
    let workers = [Running::start(&spool, &relay), Running::start(&spool, &relay)];
    until("everything is sent", async || empty(&spool).await).await;
    for worker in workers {
        worker.stop().await;
    }
    let got = accepted(&sim);
    assert!(got.len() == 400 && got.values().all(|times| *times == 1), "{got:?}");
}

/// A worker that fails takes nothing with it: what it held is given to the next one.
pub(crate) async fn what_a_failed_worker_held_is_sent_by_the_next_one(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    let relay = relay_for(&sim, &[("RELAY_TIMEOUT", "60s")]);
    sim.push_for("out", [Step::Hang]);
    keep(&spool, &relay, "out").await;
    let worker = Running::start(&spool, &relay);
    until("one is out", async || sim.requests().len() == 1).await;
    worker.task.abort();
    let _ = worker.task.await;
    let worker = Running::start(&spool, &relay);
    until("it is sent", async || empty(&spool).await).await;
    worker.stop().await;
    assert_eq!(accepted(&sim).keys().collect::<Vec<_>>(), ["out"]);
}

pub(crate) async fn an_operator_sees_how_mdss_stands(bench: Bench) {
    let sim = sim().await;
    let noted = async || bench.desk().noted().await.unwrap().map(|noted| noted.health).unwrap_or_default();
    let spool = bench.open();
    let away = relay(NOWHERE, &[]);
    for n in 0..6 {
        keep(&spool, &away, &format!("k{n}")).await;
    }
    assert_eq!(noted().await, Health::default(), "no worker has said anything");
    let worker = Running::telling(&spool, away.settings().clone());
    until("the breaker is open", async || noted().await.pauses.contains_key("")).await;
    let health = noted().await;
    let seen = health.away.clone().unwrap();
    assert_eq!((seen.reason.as_str(), health.last_answer), ("mdss_unreachable", None));
    assert!(seen.failures >= 5 && seen.detail.contains("127.0.0.1"), "{seen:?}");
    assert_eq!(health.pause_of("some unit"), Some("mdss_unreachable"));
    assert!(bench.is_worked_on());
    worker.stop().await;
    spool.close();
    assert!(!bench.is_worked_on(), "it was said by a relay that has gone");

    let spool = bench.open();
    let relay = relay_for(&sim, &[]);
    let worker = Running::telling(&spool, relay.settings().clone());
    bench.desk().retry(&Filter::default(), None).await.unwrap();
    keep(&spool, &relay, "new").await;
    until("everything is sent", async || empty(&spool).await).await;
    // What was said last is there when the relay has gone.
    worker.stop().await;
    spool.close();
    let health = noted().await;
    assert_eq!((health.away.as_ref(), health.pauses.len()), (None, 0));
    assert!(health.since.is_some() && health.since <= health.last_accepted, "{health:?}");
    let flow = health.flow.iter().fold((0, 0), |sum, flow| (sum.0 + flow.stored, sum.1 + flow.accepted));
    assert_eq!(flow, (1, 7));
}
