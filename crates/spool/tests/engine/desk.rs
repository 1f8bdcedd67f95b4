//! What an operator sees and changes, and the counts of it all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mdss_relay_core::Kept;
use mdss_relay_spool::{Filter, ItemId, Parties, Sender, State};

use crate::bench::{Bench, again, claim, settle};
use crate::common::*;

pub(crate) async fn items_are_found_by_what_they_are(bench: Bench) {
    let spool = bench.open();
    let relay = routed();
    for records in
        [vec![record("b", "one", None), record("c", "two", None)], vec![record("d", "three", None)]]
    {
        accept(&spool, &relay, delivery(&records)).await.unwrap();
    }
    accept(&spool, &relay, raw("<xml>")).await.unwrap();
    let desk = bench.desk();
    let all = desk.list(&Filter::default(), None, 10).await.unwrap();
    assert!(all.is_sorted_by(|a, b| a.id < b.id), "{all:?}");
    let found = async |filter: Filter| {
        let entries = desk.list(&filter, None, 10).await.unwrap();
        entries.iter().map(|e| e.key.clone().unwrap_or_default()).collect::<Vec<_>>().join(" ")
    };
    let any = Filter::default;
    for (filter, want) in [
        (any(), "one two three "),
        (Filter { state: Some(State::Waiting), ..any() }, "one two"),
        (Filter { state: Some(State::Held), ..any() }, "three"),
        (Filter { state: Some(State::Parked), ..any() }, ""),
        (Filter { lane: Some("unit-2".into()), ..any() }, "two"),
        (Filter { bucket: Some("d".into()), ..any() }, "three"),
        (Filter { reason: Some("unmapped_bucket".into()), ..any() }, "three"),
        (Filter { bucket: Some("d".into()), state: Some(State::Waiting), ..any() }, ""),
        (Filter { ids: vec![all[0].id, all[2].id], ..any() }, "one three"),
        (Filter { received_before: Some(all[3].received), ..any() }, "one two three "),
        (Filter { received_before: Some(mdss_relay_spool::Moment::from_millis(1)), ..any() }, ""),
    ] {
        assert_eq!(found(filter.clone()).await, want, "{filter:?}");
    }
    // By pages.
    let page = desk.list(&any(), None, 3).await.unwrap();
    assert_eq!(page, all[..3]);
    assert_eq!(desk.list(&any(), Some(page[2].id), 3).await.unwrap(), all[3..]);
    let shown = desk.show(all[1].id).await.unwrap().unwrap();
    assert_eq!((&shown.entry, shown.delivery.is_ok()), (&all[1], true));
    assert!(desk.show(ItemId::new(i64::MAX)).await.unwrap().is_none());
}

pub(crate) async fn a_retry_makes_due_and_a_purge_deletes_what_fits(bench: Bench) {
    let spool = bench.open();
    let relay = routed();
    accept(&spool, &relay, delivery(&[record("b", "one", None), record("c", "two", None)])).await.unwrap();
    accept(&spool, &relay, raw("<xml>")).await.unwrap();
    let claims = claim(&spool, 10).await;
    settle(&spool, claims, |_| again(State::Held, Duration::from_secs(600))).await;
    let desk = bench.desk();
    let of = |bucket: &str| Filter { bucket: Some(bucket.into()), ..Filter::default() };
    let before = desk.list(&of("b"), None, 10).await.unwrap();
    let retried = desk.retry(&of("b"), None).await.unwrap();
    assert_eq!((retried.entries, retried.next), (before, None));
    let claims = claim(&spool, 10).await;
    let [item] = &claims.items[..] else { panic!("{claims:?}") };
    assert_eq!((item.lane.as_str(), item.state, item.attempts), ("unit-1", State::Waiting, 1));
    drop(claims);
    // Parked ones, too.
    let parked = Filter { state: Some(State::Parked), ..Filter::default() };
    assert_eq!(desk.retry(&parked, None).await.unwrap().entries.len(), 1);
    assert_eq!(claim(&spool, 10).await.items.len(), 2);
    let purged = desk.purge(&of("c"), None).await.unwrap();
    assert_eq!(purged.entries.iter().map(|e| e.key.as_deref()).collect::<Vec<_>>(), [Some("two")]);
    assert_eq!((items(&spool).await, desk.purge(&of("c"), None).await.unwrap().entries.len()), (2, 0));
}

pub(crate) async fn a_bulk_change_goes_on_where_its_last_step_ended(bench: Bench) {
    let spool = bench.open();
    let records: Vec<_> = (0..1234).map(|n| record("b", &n.to_string(), None)).collect();
    accept(&spool, &routed(), delivery(&records)).await.unwrap();
    let desk = bench.desk();
    for retry in [true, false] {
        let (mut count, mut after, mut steps) = (0, None, 0);
        loop {
            let batch = match retry {
                true => desk.retry(&Filter::default(), after).await.unwrap(),
                false => desk.purge(&Filter::default(), after).await.unwrap(),
            };
            (count, after, steps) = (count + batch.entries.len(), batch.next, steps + 1);
            if after.is_none() {
                break;
            }
        }
        assert!(count == 1234 && steps > 1, "{count} in {steps}");
    }
    assert!(empty(&spool).await);
}

/// Counted one by one, and to the byte.
pub(crate) async fn the_counts_are_those_of_the_items(bench: Bench) {
    let spool = bench.open();
    let relay = routed();
    let mut large = record("c", "large", None);
    large["padding"] = "x".repeat(3000).into();
    let bodies = [
        delivery(&[record("b", "1", None), record("b", "2", None), record("c", "3", None)]),
        delivery(&[record("b", "4", None), record("d", "5", None), record("d", "6", None)]),
        delivery(&[large]),
        raw("<xml>"),
    ];
    let bytes: usize = bodies.iter().map(|delivery| delivery.body.len()).sum();
    for delivery in bodies {
        let plan = relay.plan(&delivery);
        spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    }
    let check = async |what: &str| {
        let desk = bench.desk();
        let mut counted = BTreeMap::new();
        let entries = desk.list(&Filter::default(), None, 1000).await.unwrap();
        for entry in &entries {
            let key = (entry.lane.clone(), entry.state, entry.reason.clone().unwrap_or_default());
            let (items, bytes) = counted.entry(key).or_insert((0, 0));
            (*items, *bytes) = (*items + 1, *bytes + entry.bytes);
        }
        let (stock, depths) = (desk.stock().await.unwrap(), spool.snapshot().await.unwrap().stock.depths);
        assert_eq!(stock.depths, depths, "{what}");
        let of =
            |d: &mdss_relay_spool::Depth| ((d.lane.clone(), d.state, d.reason.clone()), (d.items, d.bytes));
        assert_eq!(depths.iter().map(of).collect::<BTreeMap<_, _>>(), counted, "{what}");
        let lanes = |states: &[State]| -> BTreeSet<String> {
            entries.iter().filter(|e| states.contains(&e.state)).map(|e| e.lane.clone()).collect()
        };
        for (oldest, states) in
            [(&stock.oldest, &[State::Waiting, State::Held][..]), (&stock.oldest_waiting, &[State::Waiting])]
        {
            let found = oldest.iter().map(|(lane, _)| lane.clone()).collect();
            assert_eq!(lanes(states), found, "{what} {states:?}");
        }
        entries
    };
    let entries = check("accepted").await;
    // Everything of every body is somebody's, and what an item needs beside it.
    let sum: u64 = entries.iter().map(|e| e.bytes).sum();
    let each = (sum - bytes as u64) / entries.len() as u64;
    assert!(sum > bytes as u64 && (100..2000).contains(&each), "{sum} for {bytes}: {each}");
    let three: Vec<_> = entries[..3].iter().map(|e| e.bytes).collect();
    assert!(three.iter().all(|n| *n == three[0]), "each has an equal part: {three:?}");
    // Of a delivery with items that stay until somebody acts, one of those has the whole body.
    let staying: Vec<_> = entries[3..6].iter().map(|e| (e.state, e.bytes)).collect();
    assert_eq!(staying[0].1, staying[2].1, "{staying:?}");
    assert!(staying[1].0 == State::Held && staying[1].1 > staying[2].1 + 200, "{staying:?}");

    let claims = claim(&spool, 3).await;
    settle(&spool, claims, |_| again(State::Held, Duration::ZERO)).await;
    check("held").await;
    let claims = claim(&spool, 2).await;
    settle(&spool, claims, |_| mdss_relay_spool::seam::Outcome::Accepted).await;
    let left = check("accepted by MDSS").await;
    // Who stays has the bytes of those that have left its delivery.
    assert!(left.iter().map(|e| e.bytes).sum::<u64>() > sum - 2 * 2000 - 3000);
    bench.desk().retry(&Filter::default(), None).await.unwrap();
    check("retried").await;
    bench.desk().purge(&Filter { lane: Some("unit-1".into()), ..Filter::default() }, None).await.unwrap();
    check("purged").await;
}

/// Age is counted by the engine's clock, whoever asks.
pub(crate) async fn a_stock_says_how_long_the_oldest_has_been_waiting(bench: Bench) {
    let spool = bench.open();
    keep(&spool, &routed(), "first").await;
    bench.pass(Duration::from_secs(600));
    accept(&spool, &routed(), delivery(&[record("c", "second", None)])).await.unwrap();
    let stock = spool.snapshot().await.unwrap().stock;
    let ages: Vec<_> = stock.ages().map(|(lane, age)| (lane, age.as_secs() / 60)).collect();
    assert_eq!(ages, [("unit-1", 10), ("unit-2", 0)]);
    // What is held waits for an operator, and for nothing that MDSS could do.
    let claims = claim(&spool, 1).await;
    settle(&spool, claims, |_| again(State::Held, Duration::ZERO)).await;
    keep(&spool, &routed(), "third").await;
    bench.pass(Duration::from_secs(60));
    let stock = spool.snapshot().await.unwrap().stock;
    let minutes = |age: Duration| age.as_secs() / 60;
    let ages: Vec<_> = stock.ages().map(|(lane, age)| (lane, minutes(age))).collect();
    assert_eq!(ages, [("unit-1", 11), ("unit-2", 1)]);
    let waiting: Vec<_> = stock.waiting_ages().map(|(lane, age)| (lane, minutes(age))).collect();
    assert_eq!(waiting, [("unit-1", 1), ("unit-2", 1)]);
}

pub(crate) async fn what_is_handed_in_beside_a_relay_is_sent_by_it(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    let relay = relay_for(&sim, &[]);
    // The file is there from here on.
    keep(&spool, &relay, "zero").await;
    let running = Running::start(&spool, &relay);
    let desk = bench.desk();
    let parties = Parties { sources: 1, units: 1 };
    let hand_in = async |key: &str| {
        let delivery = delivery(&[record("b", key, Some("01")), bad()]);
        let plan = mdss_relay_core::plan(&relay.settings().rules, &delivery);
        desk.accept(delivery, &plan, 1 << 30, parties).await
    };
    let handed_in = std::time::Instant::now();
    assert_eq!(hand_in("one").await.unwrap(), [Kept::Spooled, Kept::Spooled]);
    until("it is sent", async || accepted(&sim).contains_key("one")).await;
    // The relay looks once a second; the rest is what a busy machine takes.
    assert!(handed_in.elapsed() < Duration::from_secs(5), "{:?}", handed_in.elapsed());
    // The record that cannot be read has no mark.
    until("it is written down", async || spool.engine().stock().await.unwrap().depths.len() == 1).await;
    assert_eq!(hand_in("one").await.unwrap(), [Kept::Duplicate, Kept::Spooled]);
    running.stop().await;
    assert_eq!(accepted(&sim)["one"], 1);
    // What nothing is to be kept of does not touch it.
    let removed = mdss_relay_core::Delivery::from_function("{}", "");
    let plan = mdss_relay_core::Plan::default();
    assert_eq!(desk.accept(removed, &plan, 1 << 30, parties).await.unwrap(), []);
    let full = delivery(&[record("b", "two", None)]);
    let plan = mdss_relay_core::plan(&relay.settings().rules, &full);
    let trouble = desk.accept(full, &plan, 1, parties).await.unwrap_err();
    assert_eq!(trouble.kind, mdss_relay_spool::TroubleKind::Full);
}
