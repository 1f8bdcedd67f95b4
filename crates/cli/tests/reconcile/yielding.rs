//! R8: when nothing new is forwarded, and how it goes on.

use std::time::{Duration, Instant};

use drive::Process;
use mdss_relay_spool::Desk;
use mdss_sim::{Refusal, Step};
use serde_json::{Value, json};

use crate::s3::Store;
use crate::world::{LIMIT, UNIT, World, objects, until};

/// As soon as MDSS takes objects again, forwarding goes on within so long.
const GOES_ON: Duration = Duration::from_secs(30);

/// What is forwarded to MDSS until it waits, and not one object more: with `--rate 40` that would be a hundred by then.
async fn forwards_nothing_for_a_while(world: &World) -> usize {
    let before = world.in_spool("o/").await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(world.in_spool("o/").await, before, "it forwards although it says that it waits");
    before
}

/// MDSS is well again: it goes on by itself, in time, and comes to its end.
async fn goes_on(world: &World, mut process: Process, count: usize) {
    let accepted = || world.sim.accepted_keys().iter().filter(|key| key.starts_with("o/")).count();
    let (before, begun) = (accepted(), Instant::now());
    world.sim.calm();
    until("it goes on", || accepted() > before).await;
    until("it says so", || process.stderr().contains("going on")).await;
    assert!(begun.elapsed() < GOES_ON, "{:?}: {}", begun.elapsed(), process.stderr());
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(0), "{}", process.stderr());
    let json: Value = serde_json::from_str(process.stdout().trim()).unwrap();
    assert_eq!(json["counts"]["forwarded"], json!(count), "{}", process.stderr());
    until("all are accepted", || accepted() == count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_while_mdss_is_away_it_waits_says_so_and_goes_on() {
    let store = Store::of(objects(120)).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("first", None).await;
    world.sim.push(vec![Step::Unavailable; 5000]);
    let process = world.begin(&["--route", "invoices", "--forward", "--rate", "40", "--json"]);
    // Nothing is known of MDSS before it was asked: some have to go first.
    until("it waits", || process.stderr().contains("waiting: MDSS is away (")).await;
    assert!(forwards_nothing_for_a_while(&world).await < 120);
    goes_on(&world, process, 120).await;
}

/// MDSS itself is well: it turns down everything of one unit, and that unit's breaker is open before the run begins.
#[tokio::test(flavor = "multi_thread")]
async fn r8_while_the_breaker_of_the_lane_is_open_nothing_is_forwarded() {
    let store = Store::of(objects(60)).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("first", None).await;
    world.sim.push(vec![Step::OkButRefused(Refusal::NotEnabled); 5000]);
    for n in 0..8 {
        world.post(&format!("live-{n}"), None).await;
    }
    let desk = Desk::open(&world.data()).unwrap();
    drive::until("the breaker is open, and MDSS is not away", LIMIT, async || {
        let health = desk.noted().await.unwrap().map(|noted| noted.health).unwrap_or_default();
        health.away.is_none() && health.pauses.contains_key(UNIT)
    })
    .await
    .unwrap();
    let process = world.begin(&["--route", "invoices", "--forward", "--rate", "40", "--json"]);
    let sentence = format!("waiting: the breaker of {UNIT} is open (");
    until("it waits", || process.stderr().contains(&sentence)).await;
    assert_eq!(forwards_nothing_for_a_while(&world).await, 0);
    goes_on(&world, process, 60).await;
}

/// MDSS takes what it is given, but the relay has more for it than it may send: 1,060 events wait, and leave one by one.
#[tokio::test(flavor = "multi_thread")]
async fn r8_while_more_than_a_thousand_events_wait_nothing_is_forwarded() {
    const WAIT: usize = 1060;
    let store = Store::of(objects(20)).await;
    let world = World::new(&World::s3(&store.url)).await;
    let mut world = world.set("RELAY_SPOOL_RATE", "10");
    world.relay().await;
    let keys: Vec<_> = (0..WAIT).map(|n| format!("live-{n:04}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for keys in keys.chunks(WAIT / 4) {
        world.deliver(mdss_sim::created("minio:s3", "invoices", keys).into_bytes()).await;
    }
    let mut process = world.begin(&["--route", "invoices", "--forward", "--rate", "40", "--json"]);
    until("it waits", || process.stderr().contains(&format!(" events wait for {UNIT}"))).await;
    let told = loop {
        let forwarded = world.in_spool("o/").await;
        let told = world.sim.requests().len();
        if forwarded > 0 {
            break told;
        }
        assert!(told < WAIT / 2, "it does not go on: {}", process.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // Sixty have left the spool before a thousand are left, and each was told to MDSS before; then it takes a look and a delivery.
    assert!((WAIT - 1000..WAIT - 900).contains(&told), "MDSS was told of {told} of {WAIT}");
    until("it says so", || process.stderr().contains("going on")).await;
    process.signal("KILL").unwrap();
    process.wait(LIMIT).await.unwrap();
}
