//! The rate and the breakers of several relays together.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use mdss_relay_spool::{Pacing, Position};
use mdss_sim::{Config as SimConfig, Sim, Step, StorageType, Unit, UnitState};
use postgres_rig::{Line, Proxy};

use crate::common::*;
use crate::store::Store;

async fn database() -> Option<String> {
    match postgres_rig::shared().unwrap() {
        Some(server) => Some(server.database().await.unwrap()),
        None => None,
    }
}

/// The most requests in any time of that length.
fn most_within(times: &[SystemTime], length: Duration) -> usize {
    let within = |begin: &SystemTime| {
        let end = *begin + length;
        times.iter().filter(|time| *time >= begin && **time < end).count()
    };
    times.iter().map(within).max().unwrap_or(0)
}

fn times(sim: &Sim) -> Vec<SystemTime> {
    sim.requests().iter().map(|request| request.time).collect()
}

async fn fill(store: &Store, relay: &mdss_relay_core::Relay, bucket: &str, count: usize) {
    let records: Vec<_> = (0..count).map(|n| record(bucket, &format!("{bucket}{n}"), None)).collect();
    accept(store, relay, delivery(&records)).await.unwrap();
}

#[tokio::test]
async fn the_rate_is_that_of_all_relays_together() {
    let Some(url) = database().await else { return };
    let sim = sim().await;
    // With few at a time none of them claims all there is.
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "2")]);
    let stores = [Store::open(&url), Store::open(&url), Store::open(&url)];
    fill(&stores[0], &relay, "b", 600).await;
    let pacing = Pacing { rate: 150, ..PACING };
    let workers: Vec<_> = stores.iter().map(|store| Running::with(store, &relay, pacing)).collect();
    until("everything is sent", async || empty(&stores[0]).await).await;
    for worker in workers {
        worker.stop().await;
    }
    let times = times(&sim);
    assert_eq!(times.len(), 600);
    let (begin, end) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    let lasted = end.duration_since(*begin).unwrap().as_secs_f64();
    // A bucket of a quarter of a second is full at the beginning.
    assert!(600.0 - 38.0 <= 1.05 * 150.0 * lasted, "{lasted} s");
    let most = most_within(&times, Duration::from_secs(1));
    assert!(most <= 225, "{most} in a second");
    // On a busy machine timers are late.
    assert!(600.0 >= 0.6 * 150.0 * lasted, "{lasted} s");
}

/// Each finds by what it is refused how much it may send, as flows on one road do.
#[tokio::test]
async fn a_gateway_that_refuses_above_a_rate_is_given_by_all_of_them_what_it_takes() {
    let Some(url) = database().await else { return };
    let rate = mdss_sim::Rate { per_second: 300, burst: 30 };
    let sim = Sim::start(SimConfig { rate: Some(rate), ..SimConfig::default() }).await.unwrap();
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "16")]);
    let stores = [Store::open(&url), Store::open(&url), Store::open(&url)];
    for from in 0..24 {
        let records: Vec<_> = (0..100).map(|n| record("b", &format!("{from}-{n}"), None)).collect();
        accept(&stores[0], &relay, delivery(&records)).await.unwrap();
    }
    let workers: Vec<_> = stores.iter().map(|store| Running::start(store, &relay)).collect();
    until("the rate is found", async || accepted(&sim).len() >= 600).await;
    let begin = Instant::now();
    until("most are sent", async || accepted(&sim).len() >= 1800).await;
    let goodput = 1200.0 / begin.elapsed().as_secs_f64();
    let requests = sim.requests();
    let refused =
        requests.iter().filter(|r| r.status == Some(mdss_sim::StatusCode::SERVICE_UNAVAILABLE)).count();
    for worker in workers {
        worker.stop().await;
    }
    // On a busy machine timers are late, and less is sent.
    assert!(goodput >= 0.25 * 300.0, "{goodput:.0} a second");
    assert!(refused * 10 <= requests.len(), "{refused} of {} refused", requests.len());
}

/// Each hears for itself how long MDSS wants to be left alone: that costs some requests for each relay, and not one more.
#[tokio::test]
async fn a_wish_to_be_left_alone_is_heard_by_each_relay_with_its_first_requests() {
    const SEATS: usize = 4;
    const WISH: Duration = Duration::from_secs(3);
    let Some(url) = database().await else { return };
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", &SEATS.to_string())]);
    let stores = [Store::open(&url), Store::open(&url), Store::open(&url)];
    for n in 0..10 {
        fill(&stores[0], &relay, &format!("b{n}"), 100).await;
    }
    let wish = Step::RetryAfter { status: mdss_sim::StatusCode::TOO_MANY_REQUESTS, seconds: 3 };
    sim.push(vec![wish; 3 * SEATS]);
    let begin = Instant::now();
    let workers: Vec<_> = stores.iter().map(|store| Running::start(store, &relay)).collect();
    until("it is refused", async || !sim.requests().is_empty()).await;
    tokio::time::sleep(WISH - Duration::from_millis(500)).await;
    let refused = sim.requests().len();
    until("all are sent", async || accepted(&sim).len() == 1000).await;
    let lasted = begin.elapsed();
    for worker in workers {
        worker.stop().await;
    }
    // A few times the wish, until it is no longer uttered; and then it is no creeping.
    assert!(lasted < 10 * WISH, "{lasted:?}");
    assert!(
        (2..=3 * SEATS).contains(&refused),
        "{refused} requests in the time that MDSS wanted to be left alone"
    );
}

/// One of them asks whether MDSS is back, and when it is, both go on at once.
#[tokio::test]
async fn while_mdss_is_away_one_relay_asks_and_all_others_wait() {
    let Some(url) = database().await else { return };
    let sim = sim().await;
    sim.push(vec![Step::status(mdss_sim::StatusCode::INTERNAL_SERVER_ERROR); 5000]);
    let relay = relay_for(&sim, &[]);
    let stores = [Store::open(&url), Store::open(&url), Store::open(&url)];
    fill(&stores[0], &relay, "b", 100).await;
    let workers: Vec<_> = stores.iter().map(|store| Running::start(store, &relay)).collect();
    let open = |store: &Store| store.counts().breakers.get("").is_some_and(|p| *p != Position::Closed);
    until("all know", async || stores.iter().all(open)).await;
    let from = SystemTime::now();
    let probes = || times(&sim).into_iter().filter(|time| *time >= from).collect::<Vec<_>>();
    until("it is asked again and again", async || probes().len() >= 3).await;
    let most = most_within(&probes(), Duration::from_millis(950));
    assert!(most <= 2, "{most} requests in a second");
    sim.calm();
    let begin = Instant::now();
    until("everything is sent", async || empty(&stores[0]).await).await;
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    for worker in workers {
        worker.stop().await;
    }
    assert!(accepted(&sim).values().all(|times| *times == 1));
    until("all know that it is back", async || {
        postgres_rig::ask(&url, "SELECT lane FROM mdss_relay.breaker").await.unwrap().is_empty()
    })
    .await;
}

#[tokio::test]
async fn what_a_relay_was_finding_out_is_taken_over_when_it_dies() {
    let Some(url) = database().await else { return };
    let sim = sim().await;
    let relay = relay_for(&sim, &[]);
    let (dead, alive) = (Store::open(&url), Store::open(&url));
    fill(&dead, &relay, "b", 20).await;
    // It has just said that MDSS is away, and is never heard of again.
    let ask = mdss_relay_spool::seam::Ask { open: vec![("".into(), "x".into())], ..Default::default() };
    dead.engine().share(ask).await.unwrap();
    let worker = Running::start(&alive, &relay);
    until("it is left to the other one", async || {
        alive.counts().breakers.get("").is_some_and(|p| *p == Position::Open)
    })
    .await;
    assert_eq!(sim.requests().len(), 0);
    postgres_rig::ask(&url, "UPDATE mdss_relay.breaker SET until = clock_timestamp()").await.unwrap();
    until("everything is sent", async || empty(&alive).await).await;
    worker.stop().await;
}

/// One relay's own way to MDSS is broken, and it has been the first to say so. Those that MDSS answers find that out and go on, although the other
/// one is heard of all the time.
#[tokio::test]
async fn a_relay_that_alone_does_not_reach_mdss_stops_no_other() {
    let Some(url) = database().await else { return };
    let sim = sim().await;
    // Nobody listens there.
    let (cut_off, relay) = (relay("http://127.0.0.1:1", &[]), relay_for(&sim, &[]));
    let stores = [Store::open(&url), Store::open(&url)];
    fill(&stores[0], &relay, "b", 50).await;
    let alone = Running::start(&stores[0], &cut_off);
    let held = "SELECT 'held' FROM mdss_relay.breaker WHERE lane = ''";
    until("it has said so", async || !postgres_rig::ask(&url, held).await.unwrap().is_empty()).await;
    let works = Running::start(&stores[1], &relay);
    let begin = Instant::now();
    until("all know", async || stores[1].counts().breakers.contains_key("")).await;
    until("everything is sent", async || empty(&stores[1]).await).await;
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
    // Whoever works is stopped no more, however seldom something comes.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let begin = Instant::now();
    fill(&stores[0], &relay, "c", 20).await;
    until("they are sent", async || accepted(&sim).len() >= 65).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    alone.stop().await;
    works.stop().await;
}

#[tokio::test]
async fn a_unit_that_refuses_is_left_alone_by_all_of_them() {
    let Some(url) = database().await else { return };
    let units = [("off", UnitState::NotEnabled), ("on", Unit::new("on", StorageType::AmazonS3).state)];
    let unit = |(name, state): (&str, UnitState)| Unit { state, ..Unit::new(name, StorageType::AmazonS3) };
    let sim = Sim::start(SimConfig { units: units.map(unit).into(), ..SimConfig::default() }).await.unwrap();
    let route = |name: &str| format!("[[route]]\nbucket = \"{name}\"\nstorage_client_id = \"{name}\"\n");
    let toml = route("off") + &route("on");
    let more = [("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", toml.as_str()), ("RELAY_CONCURRENCY", "4")];
    let relay = relay_for(&sim, &more);
    let stores = [Store::open(&url), Store::open(&url)];
    fill(&stores[0], &relay, "off", 200).await;
    let workers: Vec<_> = stores.iter().map(|store| Running::start(store, &relay)).collect();
    let open = |store: &Store| store.counts().breakers.get("off").is_some_and(|p| *p != Position::Closed);
    // The other one hears of it, and has mostly had nothing for the unit by then: its own breaker stays closed.
    until("one of them knows", async || stores.iter().any(open)).await;
    fill(&stores[1], &relay, "on", 200).await;
    until("the others are sent", async || accepted(&sim).len() == 200).await;
    let refused = || {
        let off = |r: &&mdss_sim::Recorded| r.storage_client_id.as_deref() == Some("off");
        sim.requests().iter().filter(off).map(|r| r.time).collect::<Vec<_>>()
    };
    // One of them looks whether it is back, after a second and after two more. What was under way at the other one has ended before.
    until("it is left alone", async || {
        refused().last().and_then(|last| last.elapsed().ok()) > Some(Duration::from_millis(500))
    })
    .await;
    let before = refused().len();
    assert!(before < 30, "{before}");
    until("it is looked at again and again", async || refused().len() >= before + 2).await;
    let late = refused().split_off(before);
    let apart = late[1].duration_since(late[0]).unwrap();
    assert!(apart >= Duration::from_millis(900), "{apart:?}");
    for worker in workers {
        worker.stop().await;
    }
}

/// Somebody else may be given what it holds.
#[tokio::test]
async fn a_relay_that_is_cut_off_from_the_database_stops_sending() {
    let Some(url) = database().await else { return };
    let port = url.split("127.0.0.1:").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()));
    let proxy = Proxy::start([target]).await.unwrap();
    let sim = sim().await;
    let relay = relay_for(&sim, &[]);
    let store = Store::open(&url.replace(&port, &proxy.address().port().to_string()));
    fill(&store, &relay, "b", 2000).await;
    let worker = Running::with(&store, &relay, Pacing { rate: 100, ..PACING });
    until("it sends", async || sim.requests().len() >= 30).await;
    proxy.set(Line::Held);
    let cut = SystemTime::now();
    let late = || times(&sim).iter().filter(|time| **time > cut + Duration::from_millis(500)).count();
    // That nothing comes is seen by waiting.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(late(), 0);
    proxy.set(Line::Open);
    until("it goes on", async || late() > 0).await;
    worker.task.abort();
}
