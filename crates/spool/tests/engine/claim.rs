//! What a claim gives: from which lanes, in which order, how much, and never twice.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use mdss_relay_spool::seam::{Claims, Outcome, Want};
use mdss_relay_spool::{Filter, ItemId, Spool, State};

use crate::bench::{Bench, again, claim, settle};
use crate::common::*;

const A: &str = "unit-1";
const B: &str = "unit-2";

/// So many items of a bucket, of one delivery with a body of about so many bytes.
async fn fill(spool: &Spool, bucket: &str, count: usize, bytes: usize) {
    let mut records: Vec<_> = (0..count).map(|_| record(bucket, "k", None)).collect();
    records[0]["padding"] = "x".repeat(bytes).into();
    let report = accept(spool, &routed(), delivery(&records)).await.unwrap();
    assert_eq!(report.outcome, mdss_relay_core::Outcome::Done);
}

async fn claim_by(spool: &Spool, want: Want) -> Claims {
    spool.engine().claim(want).await.unwrap()
}

/// The claimed items of a lane, by their paths.
fn of(claims: &Claims, lane: &str) -> Vec<usize> {
    claims.items.iter().filter(|c| c.lane == lane).map(|c| c.path.parse().unwrap()).collect()
}

fn ids(claims: &Claims) -> BTreeSet<ItemId> {
    claims.items.iter().map(|c| c.ticket.id()).collect()
}

pub(crate) async fn no_item_is_given_out_twice(bench: Bench) {
    let spool = bench.open();
    fill(&spool, "b", 10, 0).await;
    let first = claim(&spool, 4).await;
    let second = claim(&spool, 100).await;
    assert_eq!((ids(&first).len(), ids(&second).len()), (4, 6));
    assert!(ids(&first).is_disjoint(&ids(&second)));
    assert!(!second.empty && claim(&spool, 100).await.items.is_empty());
    // What is given back untried is as it was.
    let (back, tries) = (ids(&first), first.items.iter().map(|c| c.attempts).sum::<u32>());
    spool.engine().give_back(first.items.into_iter().map(|c| c.ticket).collect()).await.unwrap();
    let third = claim(&spool, 100).await;
    assert_eq!((ids(&third), third.items.iter().map(|c| c.attempts).sum::<u32>()), (back, tries));
    // What is settled is free, too.
    settle(&spool, second, |_| again(State::Waiting, Duration::ZERO)).await;
    assert_eq!(claim(&spool, 100).await.items.len(), 6);
}

/// At once, from many tasks.
pub(crate) async fn claims_at_the_same_time_share_what_there_is(bench: Bench) {
    let spool = bench.open();
    for bucket in ["b", "c"] {
        fill(&spool, bucket, 50, 0).await;
    }
    let tasks: Vec<_> = (0..8)
        .map(|turn| {
            let engine = spool.engine().clone();
            tokio::spawn(
                async move { engine.claim(Want { most: 10, turn, ..Want::default() }).await.unwrap() },
            )
        })
        .collect();
    let (mut seen, mut count) = (BTreeSet::new(), 0);
    let mut all = Vec::new();
    for task in tasks {
        let claims = task.await.unwrap();
        count += claims.items.len();
        seen.extend(ids(&claims));
        all.push(claims);
    }
    assert_eq!((count, seen.len()), (80, 80));
}

/// As after a crash: whoever held them is no more.
pub(crate) async fn what_was_given_out_is_there_after_a_restart(bench: Bench) {
    let spool = bench.open();
    fill(&spool, "b", 3, 0).await;
    let claims = claim(&spool, 10).await;
    let before = ids(&claims);
    drop(claims);
    spool.close();
    let spool = bench.open();
    assert_eq!(ids(&claim(&spool, 10).await), before);
}

pub(crate) async fn a_long_lane_leaves_the_others_their_share(bench: Bench) {
    let spool = bench.open();
    fill(&spool, "b", 1000, 0).await;
    fill(&spool, "c", 2, 0).await;
    fill(&spool, "nobody", 100, 0).await;
    // Held by the plan, and due.
    bench.pass(Duration::from_secs(2 * 3600));
    let counts = |claims: &Claims| [A, B, "unrouted"].map(|lane| of(claims, lane).len());
    for turn in 0..7 {
        let claims = claim_by(&spool, Want { most: 12, turn, ..Want::default() }).await;
        assert_eq!(counts(&claims), [4, 2, 4], "{turn}");
    }
    // With fewer places than lanes the lanes take turns.
    let mut seen = BTreeSet::new();
    for turn in 0..3 {
        let claims = claim_by(&spool, Want { most: 1, turn, ..Want::default() }).await;
        seen.extend(claims.items.iter().map(|c| c.lane.clone()));
    }
    assert_eq!(seen, [A, B, "unrouted"].map(str::to_owned).into());
    // A lane whose breaker is open has none, one that is probed has one.
    let lanes = HashMap::from([(A.to_owned(), 0), ("unrouted".to_owned(), 1)]);
    let claims = claim_by(&spool, Want { most: 12, lanes, ..Want::default() }).await;
    assert_eq!(counts(&claims), [0, 2, 1]);
}

pub(crate) async fn the_oldest_come_first_and_the_newest_do_not_wait_for_all_of_them(bench: Bench) {
    let spool = bench.open();
    fill(&spool, "b", 1000, 0).await;
    let claims = claim(&spool, 8).await;
    assert_eq!(of(&claims, A), [0, 1, 2, 3, 4, 5, 999, 998]);
    // What is given out is passed over, at both ends.
    assert_eq!(of(&claim(&spool, 8).await, A), [6, 7, 8, 9, 10, 11, 997, 996]);
    drop(claims);
    // A lane's one place among others.
    fill(&spool, "c", 2, 0).await;
    let mut single = Vec::new();
    for turn in 0..8 {
        single.extend(of(&claim_by(&spool, Want { most: 2, turn, ..Want::default() }).await, A));
    }
    assert_eq!(single, [0, 0, 0, 999, 0, 0, 0, 999]);
}

/// It should say whether anything passes, and not meet the same poison over and over.
pub(crate) async fn a_probe_is_the_one_that_was_tried_least_of_those_that_came_last(bench: Bench) {
    let spool = bench.open();
    fill(&spool, "b", 300, 0).await;
    let closed = || Want { most: 8, lanes: HashMap::from([(A.to_owned(), 1)]), ..Want::default() };
    let probes = async || {
        let only = of(&claim(&spool, 1).await, A);
        (only, of(&claim_by(&spool, closed()).await, A))
    };
    assert_eq!(probes().await, (vec![299], vec![299]));
    // Every one is tried, except the first.
    let try_all_except = async |untried: &[&str]| {
        let claims = claim(&spool, 300).await;
        assert_eq!(claims.items.len(), 300);
        settle(&spool, claims, |item| Outcome::Again {
            state: State::Waiting,
            pause: Duration::ZERO,
            reason: "x",
            detail: String::new(),
            attempted: !untried.contains(&item.path.as_str()),
        })
        .await;
    };
    try_all_except(&["5"]).await;
    assert_eq!(probes().await, (vec![299], vec![299]), "the hundred that came last");
    try_all_except(&["5", "250"]).await;
    assert_eq!(probes().await, (vec![250], vec![250]));
}

pub(crate) async fn a_claim_brings_a_few_megabytes_into_memory_at_most(bench: Bench) {
    for (bytes, want) in [(10, 5), (900_000, 2), (1_500_000, 1), (6_000_000, 1)] {
        let spool = bench.open();
        for _ in 0..5 {
            fill(&spool, "b", 1, bytes).await;
        }
        let claims = claim(&spool, 8).await;
        assert_eq!((claims.items.len(), claims.cut, claims.empty), (want, want < 5, false), "{bytes}");
        drop(claims);
        bench.desk().purge(&Default::default(), None).await.unwrap();
        spool.close();
    }
}

pub(crate) async fn what_is_parked_or_gone_is_nobodys(bench: Bench) {
    let spool = bench.open();
    assert!(claim(&spool, 8).await.empty);
    fill(&spool, "b", 2, 0).await;
    let claims = claim(&spool, 8).await;
    settle(&spool, claims, |item| match item.path.as_str() {
        "0" => Outcome::Accepted,
        _ => Outcome::Parked { reason: "x", detail: String::new(), attempted: true },
    })
    .await;
    bench.pass(Duration::from_secs(86_400));
    let claims = claim(&spool, 8).await;
    assert_eq!((claims.items.len(), claims.empty, claims.next), (0, true, None));
}

pub(crate) async fn what_is_put_off_is_due_after_its_pause_and_not_before(bench: Bench) {
    let spool = bench.open();
    fill(&spool, "b", 2, 0).await;
    let claims = claim(&spool, 1).await;
    settle(&spool, claims, |_| again(State::Waiting, Duration::from_secs(600))).await;
    let minutes = |claims: &Claims| claims.next.map(|next| next.as_secs().div_ceil(60));
    let claims = claim(&spool, 8).await;
    // Whoever got something may be told to look again before.
    assert!(claims.items.len() == 1 && minutes(&claims).is_some_and(|next| next <= 10), "{claims:?}");
    let none = claim(&spool, 8).await;
    assert_eq!((none.items.len(), minutes(&none), none.empty), (0, Some(10), false));
    bench.pass(Duration::from_secs(540));
    let early = claim(&spool, 8).await;
    assert_eq!((early.items.len(), minutes(&early), early.empty), (0, Some(1), false));
    bench.pass(Duration::from_secs(61));
    let due = claim(&spool, 8).await;
    let [item] = &due.items[..] else { panic!("{due:?}") };
    assert_eq!((item.attempts, item.reason.as_deref()), (1, Some("mdss_unavailable")));
    assert!(due.next.is_none_or(|next| next < Duration::from_secs(1)), "nothing else is put off: {due:?}");
    // It has been waiting since it came, by the engine's clock.
    let waited = [item.waited, item.delivery.age].map(|age| age.as_secs());
    assert!(waited.iter().all(|seconds| (601..660).contains(seconds)), "{waited:?}");
}

/// Claims that follow each other at once, of which the first was full.
pub(crate) async fn what_is_put_off_says_when_it_is_due_beside_a_lane_that_is_full(bench: Bench) {
    let spool = bench.open();
    fill(&spool, "b", 10, 0).await;
    fill(&spool, "c", 1, 0).await;
    let claims = claim(&spool, 2).await;
    assert_eq!([A, B].map(|lane| of(&claims, lane).len()), [1, 1]);
    settle(&spool, claims, |item| match item.lane.as_str() {
        A => Outcome::Accepted,
        _ => again(State::Waiting, Duration::from_secs(600)),
    })
    .await;
    let claims = claim(&spool, 2).await;
    assert_eq!(([A, B].map(|lane| of(&claims, lane).len()), claims.more.len()), ([1, 0], 1));
    assert!(claims.next.is_some_and(|next| next.as_secs() <= 600), "{claims:?}");
    // Without the lane that is full there is nothing to be had before that.
    let claims =
        claim_by(&spool, Want { most: 2, lanes: [(A.to_owned(), 0)].into(), ..Want::default() }).await;
    assert_eq!((claims.items.len(), claims.next.map(|next| next.as_secs().div_ceil(60))), (0, Some(10)));
}

/// One body for all items of a delivery.
pub(crate) async fn items_of_one_delivery_share_it(bench: Bench) {
    let spool = bench.open();
    for bucket in ["b", "c"] {
        fill(&spool, bucket, 3, 0).await;
    }
    let claims = claim(&spool, 10).await;
    let by = |lane: &str| -> Vec<_> { claims.items.iter().filter(|c| c.lane == lane).collect() };
    for lane in [A, B] {
        let [first, others @ ..] = &by(lane)[..] else { panic!("{claims:?}") };
        assert_eq!((others.len(), first.delivery.items), (2, 3));
        assert!(others.iter().all(|other| other.delivery.id == first.delivery.id));
    }
    assert_ne!(by(A)[0].delivery.id, by(B)[0].delivery.id);
    // The same one, in another claim.
    let (id, claims) = (by(A)[0].delivery.id, claims);
    drop(claims);
    assert!(claim(&spool, 10).await.items.iter().any(|c| c.lane == A && c.delivery.id == id));
}

/// While MDSS is away, whatever waits may find out whether it is back.
pub(crate) async fn before_its_time_comes_what_was_tried_least_and_nothing_that_is_held_or_spared(
    bench: Bench,
) {
    let spool = bench.open();
    fill(&spool, "b", 4, 0).await;
    let hour = Duration::from_secs(3600);
    for (only, state) in [(0, State::Waiting), (1, State::Waiting), (2, State::Waiting), (3, State::Held)] {
        let claims = claim(&spool, 10).await;
        settle(&spool, claims, |item| {
            let pause = if item.path == only.to_string() { hour } else { Duration::ZERO };
            again(if pause == hour { state } else { State::Waiting }, pause)
        })
        .await;
    }
    let early = |except: &[ItemId]| Want { most: 1, early: Some(except.to_vec()), ..Want::default() };
    assert!(claim(&spool, 10).await.items.is_empty(), "nothing is due");
    assert_eq!(of(&claim_by(&spool, early(&[])).await, A), [0], "it was tried once, the others more often");
    let first = claim_by(&spool, early(&[])).await;
    assert_eq!(of(&claim_by(&spool, early(&[])).await, A), [1], "what is given out is nobody else's");
    let spared = [first.items[0].ticket.id()];
    drop(first);
    assert_eq!(of(&claim_by(&spool, early(&spared)).await, A), [1]);
    let all: Vec<_> = spool.engine().list(&Filter::default(), None, 3).await.unwrap();
    let spared: Vec<_> = all.iter().map(|entry| entry.id).collect();
    assert!(claim_by(&spool, early(&spared)).await.items.is_empty(), "what is held waits for an operator");
    // What is due goes before.
    fill(&spool, "c", 1, 0).await;
    assert_eq!(of(&claim_by(&spool, early(&[])).await, B), [0]);
}
