//! What is on its way to the ledger: written with what makes it so, and there until whoever keeps the ledger has it.

use std::time::Duration;

use mdss_relay_core::facts;
use mdss_relay_spool::seam::{Claims, Outcome, Settled, Settlement};
use mdss_relay_spool::{Filter, OUTBOX_LIMIT, Spool, State};
use serde_json::{Value, json};

use crate::bench::{Bench, again, claim, settle};
use crate::common::*;

async fn fill(spool: &Spool, count: usize) {
    let records: Vec<_> = (0..count).map(|n| record("b", &n.to_string(), None)).collect();
    accept(spool, &routed(), delivery(&records)).await.unwrap();
}

/// Settles what was claimed, each with its path as its fact.
async fn tell(spool: &Spool, claims: Claims, outcome: impl Fn(&str) -> Outcome) -> Settled {
    let settlement = |item: mdss_relay_spool::seam::Claimed| {
        let fact = Some(json!({ "path": item.path }).to_string());
        Settlement { outcome: outcome(&item.path), ticket: item.ticket, fact }
    };
    let batch: Vec<_> = claims.items.into_iter().map(settlement).collect();
    spool.engine().settle(batch.into()).await.unwrap()
}

/// What is in the outbox, as JSON.
async fn told(spool: &Spool) -> Vec<Value> {
    let rows = spool.engine().outbox_take(1000).await.unwrap();
    rows.iter().map(|row| serde_json::from_slice(&row.body).unwrap()).collect()
}

/// The same, taken away.
async fn taken(spool: &Spool) -> Vec<Value> {
    let rows = spool.engine().outbox_take(1000).await.unwrap();
    spool.engine().outbox_drop(rows.iter().map(|row| row.id).collect()).await.unwrap();
    rows.iter().map(|row| serde_json::from_slice(&row.body).unwrap()).collect()
}

pub(crate) async fn a_fact_is_there_with_the_outcome_that_it_tells_of(bench: Bench) {
    let spool = bench.open();
    fill(&spool, 6).await;
    let parked = || Outcome::Parked { reason: "r", detail: String::new(), attempted: true };
    tell(&spool, claim(&spool, 10).await, |path| match path {
        "0" => Outcome::Accepted,
        "1" => Outcome::Skipped,
        "2" => parked(),
        _ => again(State::Waiting, Duration::ZERO),
    })
    .await;
    // Whoever settles decides what has a fact; what is tried again has one here, too.
    let mut paths: Vec<_> = told(&spool).await.iter().map(|fact| fact["path"].to_string()).collect();
    paths.sort();
    assert_eq!(paths, ["\"0\"", "\"1\"", "\"2\"", "\"3\"", "\"4\"", "\"5\""]);
    spool.close();
    // And after a restart.
    let spool = bench.open();
    let size = spool.engine().outbox_size().await.unwrap();
    assert!(size.rows == 6 && size.bytes > 60 && size.lost == 0 && size.limit.is_none(), "{size:?}");
    assert_eq!(told(&spool).await.len(), 6);
    assert_eq!(taken(&spool).await.len(), 6);
    assert!(told(&spool).await.is_empty());
    let size = spool.engine().outbox_size().await.unwrap();
    assert_eq!((size.rows, size.bytes, size.age), (0, 0, Duration::ZERO));
}

/// A fact tells that an item has left: who finds it gone has nothing to tell, nor has who writes the same outcome twice.
pub(crate) async fn what_was_gone_before_has_no_fact(bench: Bench) {
    let spool = bench.open();
    fill(&spool, 3).await;
    let claims = claim(&spool, 10).await;
    bench.desk().purge(&Filter::default(), None).await.unwrap();
    tell(&spool, claims, |path| match path {
        "0" => Outcome::Accepted,
        "1" => Outcome::Skipped,
        _ => Outcome::Parked { reason: "r", detail: String::new(), attempted: true },
    })
    .await;
    assert_eq!(told(&spool).await, Vec::<Value>::new(), "and nobody keeps a ledger, so the purge has none");
}

pub(crate) async fn without_a_ledger_nothing_is_written(bench: Bench) {
    let spool = bench.open();
    fill(&spool, 4).await;
    settle(&spool, claim(&spool, 2).await, |_| Outcome::Accepted).await;
    bench.desk().by("anna").retry(&Filter::default(), None).await.unwrap();
    bench.desk().by("anna").purge(&Filter::default(), None).await.unwrap();
    assert!(told(&spool).await.is_empty() && !spool.has_ledger());
}

pub(crate) async fn what_is_done_by_hand_is_told_with_who_and_how_many(bench: Bench) {
    let spool = bench.open();
    spool.engine().outbox_keep(Some(OUTBOX_LIMIT)).await.unwrap();
    assert_eq!(spool.engine().outbox_size().await.unwrap().limit, Some(OUTBOX_LIMIT));
    fill(&spool, 5).await;
    let filter = Filter { bucket: Some("b".into()), ..Filter::default() };
    bench.desk().by("anna").retry(&filter, None).await.unwrap();
    bench.desk().purge(&filter, None).await.unwrap();
    // Nothing fits any more.
    bench.desk().by("anna").purge(&filter, None).await.unwrap();
    let mut told = taken(&spool).await;
    for fact in &mut told {
        let time = fact.as_object_mut().unwrap().remove(facts::TIMESTAMP).unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    assert_eq!(
        told,
        [
            json!({ "kind": "retried", "mdss.actor": "anna", "mdss.filter": "bucket: b", "mdss.count": 5 }),
            json!({ "kind": "purged", "mdss.filter": "bucket: b", "mdss.count": 5 }),
        ]
    );
    spool.engine().outbox_keep(None).await.unwrap();
    fill(&spool, 1).await;
    bench.desk().purge(&filter, None).await.unwrap();
    assert!(taken(&spool).await.is_empty());
}

/// The worker's own facts: what MDSS has accepted, what is parked, at the door and later, and what nobody wants any more.
pub(crate) async fn a_worker_tells_what_becomes_of_each_item(bench: Bench) {
    let (spool, sim) = (bench.open(), sim().await);
    let spool = (*spool).clone().with_ledger();
    let relay = relay_for(&sim, &[]);
    let event = json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-11-27T01:02:03.5Z",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "a+b.pdf", "size": 7, "eTag": "e", "versionId": "v", "sequencer": "1" } } });
    accept(&spool, &relay, delivery(&[event, bad()])).await.unwrap();
    let running = Running::start(&spool, &relay);
    until("the object is told of", async || told(&spool).await.len() == 2).await;
    running.stop().await;
    let mut told = taken(&spool).await;
    for fact in &mut told {
        let members = fact.as_object_mut().unwrap();
        assert!(members.remove(facts::TIMESTAMP).is_some() && members.remove("mdss.received_time").is_some());
        members.remove("mdss.correlation_id");
    }
    told.sort_by_key(|fact| fact["kind"].to_string());
    assert_eq!(
        told,
        [
            json!({ "kind": "accepted", "mdss.source": "s", "mdss.dialect": "aws-s3", "faas.document.collection": "b",
                "faas.document.name": "a b.pdf", "mdss.object.version": "v", "mdss.object.etag": "e",
                "mdss.object.size_bytes": 7, "faas.document.time": "2026-11-27T01:02:03.5Z",
                "http.request.resend_count": 0, "mdss.lane": mdss_sim::units::AMAZON_S3 }),
            json!({ "kind": "parked", "mdss.source": "s", "mdss.dialect": "aws-s3", "faas.document.collection": "b",
                "mdss.lane": "unrouted", "mdss.reason": "missing_key" }),
        ]
    );
    // What is retried by hand is what it is, and what the settings no longer select leaves with a fact.
    bench.pass(Duration::from_secs(60));
    bench.desk().purge(&Filter::default(), None).await.unwrap();
    keep(&spool, &routed(), "no").await;
    bench.pass(Duration::from_secs(60));
    spool.engine().retry(&Filter::default(), None, None).await.unwrap();
    let relay = relay_for(&sim, &[("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", UNSELECTED)]);
    let running = Running::start(&spool, &relay);
    until("nothing is left", async || empty(&spool).await).await;
    running.stop().await;
    let told = taken(&spool).await;
    let words = |fact: &Value| {
        let word = |name: &str| fact[name].as_str().unwrap_or("-").to_owned();
        [word("kind"), word("mdss.origin"), word("mdss.reason")]
    };
    assert_eq!(told.iter().map(words).collect::<Vec<_>>(), [["unselected", "retry", "not_selected"]]);
}

/// Nothing of the bucket is wanted any more.
const UNSELECTED: &str = r#"
    [[route]]
    bucket = "b"
    prefix = "yes/"
    storage_client_id = "unit-1"
"#;

/// A ledger that cannot be written stops nothing, and what it misses is known.
pub(crate) async fn beyond_the_limit_facts_are_counted_and_the_count_is_told(bench: Bench) {
    let spool = bench.open();
    spool.engine().outbox_keep(Some(400)).await.unwrap();
    // In between a database is asked how full it is.
    for n in 0..40 {
        keep(&spool, &routed(), &n.to_string()).await;
        let settled = tell(&spool, claim(&spool, 1).await, |_| Outcome::Accepted).await;
        assert_eq!(settled, Settled { fenced: 0 });
        spool.engine().outbox_size().await.unwrap();
    }
    assert!(empty(&spool).await, "nothing else stops");
    let size = spool.engine().outbox_size().await.unwrap();
    assert!(size.bytes <= 400 + 100 && size.rows < 20, "{size:?}");
    assert_eq!(size.rows + size.lost, 40, "{size:?}");
    // It is stored, as the facts are.
    spool.close();
    let spool = bench.open();
    assert_eq!(spool.engine().outbox_size().await.unwrap().lost, size.lost);
    assert_eq!(taken(&spool).await.len() as u64, size.rows);
    // The ledger works again: the gap is the next fact, and there is room for others.
    tell(&spool, claim(&spool, 1).await, |_| Outcome::Accepted).await;
    let gaps = taken(&spool).await;
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let gap = &gaps[0];
    assert_eq!((gap["kind"].as_str(), gap["mdss.reason"].as_str()), (Some("gap"), Some("outbox_full")));
    assert_eq!(gap["mdss.count"], size.lost);
    for moment in [facts::GAP_FROM, facts::GAP_TO, facts::TIMESTAMP] {
        assert!(gap[moment].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{gap}");
    }
    keep(&spool, &routed(), "after").await;
    tell(&spool, claim(&spool, 1).await, |_| Outcome::Accepted).await;
    assert_eq!(taken(&spool).await.len(), 1);
    assert_eq!(spool.engine().outbox_size().await.unwrap().lost, 0);
}

/// What waits for the ledger takes no place from events.
pub(crate) async fn an_outbox_that_is_full_leaves_the_spool_its_room(bench: Bench) {
    let spool = bench.open();
    let used = async || spool.engine().stock().await.unwrap().used_bytes;
    let before = used().await;
    fill(&spool, 1).await;
    let fact = Some(format!("{{\"x\":\"{}\"}}", "x".repeat(3_000_000)));
    let batch = claim(&spool, 1).await.items.into_iter();
    let batch: Vec<_> = batch
        .map(|item| Settlement { ticket: item.ticket, outcome: Outcome::Accepted, fact: fact.clone() })
        .collect();
    spool.engine().settle(batch.into()).await.unwrap();
    let after = used().await;
    assert!(after < before + 200_000, "{before} {after}");
    // One in any case, and no more bytes than may be held.
    assert_eq!(told(&spool).await.len(), 1);
}

/// Of several relays one takes at a time, and none twice what was dropped.
pub(crate) async fn nothing_is_taken_twice(bench: Bench) {
    let spool = bench.open();
    fill(&spool, 30).await;
    tell(&spool, claim(&spool, 100).await, |_| Outcome::Accepted).await;
    let first = spool.engine().outbox_take(10).await.unwrap();
    assert_eq!(first.len(), 10);
    let second = match bench.kind() {
        // Another relay cannot work on the same directory.
        "file" => Vec::new(),
        _ => bench.open().engine().outbox_take(10).await.unwrap(),
    };
    assert!(second.is_empty(), "{second:?}");
    // Until they are dropped they are the next ones.
    assert_eq!(spool.engine().outbox_take(10).await.unwrap(), first);
    spool.engine().outbox_drop(first.iter().map(|row| row.id).collect()).await.unwrap();
    let rest = spool.engine().outbox_take(100).await.unwrap();
    assert!(rest.len() == 20 && rest.iter().all(|row| row.id > first[9].id), "{rest:?}");
}
