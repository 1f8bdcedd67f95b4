//! A pace that finds itself: what MDSS takes is given to it, and hardly more.

use std::time::{Duration, Instant};

use mdss_relay_spool::Spool;
use mdss_sim::{Config as SimConfig, Rate, Sim, StatusCode, StorageType, Unit};

use crate::bench::Bench;
use crate::common::*;

/// What a relay has in spooled mode.
const SEATS: (&str, &str) = ("RELAY_CONCURRENCY", "128");

/// So many objects of a bucket, all of them there before the worker begins.
async fn burst(spool: &Spool, relay: &mdss_relay_core::Relay, bucket: &str, count: usize) {
    for from in (0..count).step_by(100) {
        let keys = from..count.min(from + 100);
        let records: Vec<_> = keys.map(|n| record(bucket, &format!("{bucket}{n}"), None)).collect();
        accept(spool, relay, delivery(&records)).await.unwrap();
    }
}

pub(crate) async fn a_gateway_that_refuses_above_a_rate_is_given_what_it_takes(bench: Bench) {
    let rate = Rate { per_second: 300, burst: 30 };
    let sim = Sim::start(SimConfig { rate: Some(rate), ..SimConfig::default() }).await.unwrap();
    let relay = relay_for(&sim, &[SEATS]);
    let spool = bench.open();
    burst(&spool, &relay, "b", 2100).await;
    let worker = Running::start(&spool, &relay);
    until("the rate is found", async || accepted(&sim).len() >= 600).await;
    let begin = Instant::now();
    until("most are sent", async || accepted(&sim).len() >= 1800).await;
    let goodput = 1200.0 / begin.elapsed().as_secs_f64();
    worker.stop().await;
    let requests = sim.requests();
    let refused = requests.iter().filter(|r| r.status == Some(StatusCode::SERVICE_UNAVAILABLE)).count();
    // On a busy machine timers are late, and less is sent; the exact shares are those of the simulation.
    assert!(goodput >= 0.25 * 300.0, "{goodput:.0} a second");
    assert!(refused * 20 <= requests.len(), "{refused} of {} refused", requests.len());
}

pub(crate) async fn a_server_that_is_slower_the_fuller_it_is_is_not_filled(bench: Bench) {
    let sim = Sim::start(SimConfig { capacity: 200.try_into().ok(), ..SimConfig::default() }).await.unwrap();
    let relay = relay_for(&sim, &[SEATS]);
    let spool = bench.open();
    burst(&spool, &relay, "b", 600).await;
    let begin = Instant::now();
    let worker = Running::start(&spool, &relay);
    until("everything is sent", async || empty(&spool).await).await;
    let goodput = 600.0 / begin.elapsed().as_secs_f64();
    worker.stop().await;
    assert!(goodput >= 0.3 * 200.0, "{goodput:.0} a second");
    assert!(sim.connections() <= 32, "{} at a time", sim.connections());
}

pub(crate) async fn a_slow_unit_does_not_hold_a_fast_one_back(bench: Bench) {
    let units = ["slow", "fast"].map(|name| Unit::new(name, StorageType::AmazonS3)).into();
    let sim = Sim::start(SimConfig { units, ..SimConfig::default() }).await.unwrap();
    let route = |name: &str| format!("[[route]]\nbucket = \"{name}\"\nstorage_client_id = \"{name}\"\n");
    let toml = route("slow") + &route("fast");
    let more = [("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", &toml), ("RELAY_CONCURRENCY", "16")];
    let relay = relay_for(&sim, &more);
    let spool = bench.open();
    // More than is kept ready, so that they could keep the others from being claimed as well.
    burst(&spool, &relay, "slow", 800).await;
    for n in 0..800 {
        sim.push_for(format!("slow{n}"), [mdss_sim::Step::Delay { ms: 1000 }]);
    }
    let worker = Running::start(&spool, &relay);
    until("the slow ones are under way", async || sim.requests().len() >= 8).await;
    burst(&spool, &relay, "fast", 1000).await;
    let begin = Instant::now();
    let fast = || accepted(&sim).keys().filter(|key| key.starts_with("fast")).count();
    until("the fast ones are sent", async || fast() == 1000).await;
    // Behind the slow ones it would take them a minute.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    worker.task.abort();
}
