//! What is written down of items, and what makes them due.

use std::collections::BTreeMap;
use std::time::Duration;

use mdss_relay_spool::seam::{Outcome, Settled};
use mdss_relay_spool::{Entry, Filter, ItemId, Spool, State};

use crate::bench::{Bench, again, claim, settle};
use crate::common::*;

const HOUR: Duration = Duration::from_secs(3600);

async fn fill(spool: &Spool, bucket: &str, count: usize) {
    let records: Vec<_> = (0..count).map(|n| record(bucket, &n.to_string(), None)).collect();
    accept(spool, &routed(), delivery(&records)).await.unwrap();
}

async fn list(spool: &Spool) -> Vec<Entry> {
    spool.engine().list(&Filter::default(), None, 1000).await.unwrap()
}

fn parked() -> Outcome {
    Outcome::Parked { reason: "mdss_too_large", detail: "too large".into(), attempted: true }
}

pub(crate) async fn each_outcome_is_written_as_it_is(bench: Bench) {
    let spool = bench.open();
    fill(&spool, "b", 6).await;
    let claims = claim(&spool, 10).await;
    let settled = settle(&spool, claims, |item| match item.path.as_str() {
        "0" => Outcome::Accepted,
        "1" => Outcome::Skipped,
        "2" => again(State::Waiting, HOUR),
        "3" => again(State::Held, HOUR),
        "4" => parked(),
        _ => Outcome::Lane("unit-2".into()),
    })
    .await;
    assert_eq!(settled, Settled { fenced: 0 });
    spool.close();
    let spool = bench.open();
    let word = |e: &Entry| {
        let (reason, detail) = (e.reason.as_deref().unwrap_or("-"), e.detail.as_deref().unwrap_or("-"));
        format!("{} {} {} {} {reason}: {detail}", e.path, e.state, e.lane, e.attempts)
    };
    assert_eq!(
        list(&spool).await.iter().map(word).collect::<Vec<_>>(),
        [
            "2 waiting unit-1 1 mdss_unavailable: a sentence",
            "3 held unit-1 1 mdss_unavailable: a sentence",
            "4 parked unit-1 1 mdss_too_large: too large",
            "5 waiting unit-2 0 -: -",
        ]
    );
    // What has changed its lane is due there; the others are not, and the parked one never.
    let claims = claim(&spool, 10).await;
    assert_eq!(claims.items.iter().map(|c| c.lane.as_str()).collect::<Vec<_>>(), ["unit-2"]);
    bench.pass(HOUR);
    assert_eq!(claim(&spool, 10).await.items.len(), 2);
}

/// An operator was faster.
pub(crate) async fn an_item_that_is_gone_stays_gone(bench: Bench) {
    let spool = bench.open();
    fill(&spool, "b", 6).await;
    let claims = claim(&spool, 10).await;
    bench.desk().purge(&Filter::default(), None).await.unwrap();
    settle(&spool, claims, |item| match item.path.as_str() {
        "0" => Outcome::Accepted,
        "1" => Outcome::Skipped,
        "2" => again(State::Held, HOUR),
        "3" => parked(),
        _ => Outcome::Lane("unit-2".into()),
    })
    .await;
    assert!(list(&spool).await.is_empty() && claim(&spool, 10).await.empty);
    assert!(spool.snapshot().await.unwrap().stock.depths.is_empty());
}

pub(crate) async fn what_is_put_off_is_released_by_lane_and_by_number(bench: Bench) {
    let spool = bench.open();
    for bucket in ["b", "c"] {
        fill(&spool, bucket, 3).await;
    }
    let claims = claim(&spool, 10).await;
    settle(&spool, claims, |item| match item.path.as_str() {
        "2" => again(State::Waiting, HOUR),
        _ => again(State::Held, HOUR),
    })
    .await;
    let engine = spool.engine();
    let due = async || {
        let mut lanes = BTreeMap::new();
        for item in claim(&spool, 10).await.items {
            *lanes.entry(item.lane).or_insert(0) += 1;
        }
        lanes.into_iter().map(|(lane, n)| format!("{lane} {n}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(due().await, "");
    let release = async |lane: Option<&str>, spared: &[ItemId], most| {
        engine.release(lane.map(Into::into), spared.into(), most).await.unwrap()
    };
    assert_eq!(release(Some("unit-3"), &[], 10).await, 0);
    assert_eq!(release(Some("unit-1"), &[], 10).await, 3, "what waits as well as what is held");
    assert_eq!(due().await, "unit-1 3", "the other lane's unit refuses its objects still");
    assert_eq!(release(None, &[], 1).await, 1);
    assert_eq!(due().await, "unit-1 3, unit-2 1");
    let left = list(&spool).await.into_iter().max_by_key(|entry| entry.not_before).unwrap().id;
    assert_eq!(release(None, &[left], 10).await, 1);
    assert_eq!(release(None, &[left], 10).await, 0, "one is spared");
    assert_eq!(release(None, &[], 10).await, 1);
    assert_eq!(due().await, "unit-1 3, unit-2 3");
    // A release changes no state: a failure that comes again is no news.
    assert_eq!(list(&spool).await.iter().filter(|e| e.state == State::Held).count(), 4);
}
