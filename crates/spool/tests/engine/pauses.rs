//! Whose turn it is, who pauses, and what is due when a pause is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdss_relay_core::Relay;
use mdss_relay_spool::{Filter, Position, Spool};
use mdss_sim::{Config as SimConfig, HeaderMap, Sim, StatusCode, Step, StorageType, Unit, UnitState};

use crate::bench::Bench;
use crate::common::*;

pub(crate) async fn units_that_refuse_everything_keep_no_other_waiting(bench: Bench) {
    const OFF: [&str; 4] = ["off-0", "off-1", "off-2", "off-3"];
    let off = |name: &str| Unit { state: UnitState::NotEnabled, ..Unit::new(name, StorageType::AmazonS3) };
    let on = Unit::new("on", StorageType::AmazonS3);
    let all = OFF.map(off).into_iter().chain([on]).collect();
    let sim = Sim::start(SimConfig { units: all, ..SimConfig::default() }).await.unwrap();
    let route = |name: &str| format!("[[route]]\nbucket = \"{name}\"\nstorage_client_id = \"{name}\"\n");
    let toml = OFF.map(route).concat() + &route("on");
    let relay =
        relay_for(&sim, &[("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", &toml), ("RELAY_CONCURRENCY", "4")]);
    let spool = bench.open();
    for (bucket, count) in OFF.map(|name| (name, 300)).into_iter().chain([("on", 100)]) {
        let records: Vec<_> = (0..count).map(|n| record(bucket, &format!("{bucket}-{n}"), None)).collect();
        accept(&spool, &relay, delivery(&records)).await.unwrap();
    }
    let worker = Running::start(&spool, &relay);
    until("the good unit has everything", async || accepted(&sim).len() == 100).await;
    let requests = sim.requests();
    let closed = |name: &&str| {
        let refused = requests.iter().filter(|r| r.storage_client_id.as_deref() == Some(name)).count();
        assert!(refused < 20, "the breaker of {name} lets {refused} requests through");
    };
    OFF.iter().for_each(closed);
    until("the breakers are seen", async || {
        let breakers = spool.snapshot().await.unwrap().counts.breakers;
        let open = |name: &&str| breakers.get(*name).is_some_and(|p| *p != Position::Closed);
        OFF.iter().all(open) && breakers.get("").is_none_or(|p| *p == Position::Closed)
    })
    .await;
    worker.stop().await;
    let stock = spool.snapshot().await.unwrap().stock;
    let left: u64 = stock.depths.iter().map(|d| d.items).sum();
    assert_eq!(left, 1200);
}

pub(crate) async fn what_waits_before_a_closed_unit_does_not_take_the_place_of_what_comes(bench: Bench) {
    let off = Unit { state: UnitState::NotEnabled, ..Unit::new("off", StorageType::AmazonS3) };
    let all = vec![off, Unit::new("on", StorageType::AmazonS3)];
    let sim = Sim::start(SimConfig { units: all, ..SimConfig::default() }).await.unwrap();
    let route = |name: &str| format!("[[route]]\nbucket = \"{name}\"\nstorage_client_id = \"{name}\"\n");
    let toml = route("off") + &route("on");
    let relay =
        relay_for(&sim, &[("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", &toml), ("RELAY_CONCURRENCY", "4")]);
    let spool = bench.open();
    // More than the worker keeps ready.
    let records: Vec<_> = (0..300).map(|n| record("off", &format!("off-{n}"), None)).collect();
    accept(&spool, &relay, delivery(&records)).await.unwrap();
    let worker = Running::start(&spool, &relay);
    until("the bad unit's breaker opens", async || {
        let breakers = spool.snapshot().await.unwrap().counts.breakers;
        breakers.get("off").is_some_and(|p| *p != Position::Closed)
    })
    .await;
    accept(&spool, &relay, delivery(&[record("on", "late", None)])).await.unwrap();
    until("what came late is sent", async || accepted(&sim).contains_key("late")).await;
    worker.stop().await;
}

pub(crate) async fn one_poisoned_object_stops_nobody(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    let relay = relay_for(&sim, &[]);
    sim.push_for("poison", std::iter::repeat_n(Step::Unavailable, 1000));
    keep(&spool, &relay, "poison").await;
    for n in 0..20 {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    let worker = Running::start(&spool, &relay);
    until("all others are sent", async || accepted(&sim).len() == 20 && items(&spool).await == 1).await;
    let attempts = async || {
        let entries = spool.engine().list(&Filter::default(), None, 10).await.unwrap();
        entries.iter().map(|entry| entry.attempts).max()
    };
    until("the poisoned one is tried on", async || attempts().await >= Some(3)).await;
    keep(&spool, &relay, "late").await;
    until("a new one is sent", async || accepted(&sim).contains_key("late")).await;
    assert!(spool.snapshot().await.unwrap().counts.breakers.get("").is_none_or(|p| *p == Position::Closed));
    worker.stop().await;
    assert_eq!(states(&spool).await["poison"], "waiting mdss_unavailable");
}

/// As a firewall for web applications does, by the look of a name.
pub(crate) async fn names_that_a_gateway_refuses_are_held_and_stop_nobody(bench: Bench) {
    let sim = sim().await;
    let bad: Vec<_> = (0..30).map(|n| format!("../../etc/passwd-{n}")).collect();
    let page = Step::Answer {
        status: StatusCode::FORBIDDEN,
        headers: HeaderMap::new(),
        body: "<html>Request blocked</html>".into(),
    };
    bad.iter().for_each(|key| sim.push_for(key, vec![page.clone(); 99]));
    let relay = relay_for(&sim, &[]);
    let spool = bench.open();
    let worker = Running::start(&spool, &relay);
    // Only what is accepted proves that the key is good.
    keep(&spool, &relay, "first").await;
    until("the first is accepted", async || accepted(&sim).len() == 1).await;
    let mixed: Vec<_> =
        bad.iter().enumerate().flat_map(|(n, key)| [key.clone(), format!("good-{n}")]).collect();
    let records: Vec<_> = mixed.iter().map(|key| record("b", key, None)).collect();
    accept(&spool, &relay, delivery(&records)).await.unwrap();
    until("the good ones are accepted, and the others held", async || {
        accepted(&sim).len() == 31 && {
            let states = states(&spool).await;
            bad.iter().all(|key| states.get(key).is_some_and(|s| s == "held mdss_object_refused"))
        }
    })
    .await;
    let breakers = spool.snapshot().await.unwrap().counts.breakers;
    assert!(breakers.values().all(|position| *position == Position::Closed), "{breakers:?}");
    worker.stop().await;
}

pub(crate) async fn a_proxy_that_pushes_back_is_yielded_to_and_an_outage_is_survived(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    // Five at a time, so that the fifth failure opens the breaker and nobody is on the way behind it.
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "5")]);
    let keys: Vec<String> = (0..200).map(|n| format!("k{n}")).collect();
    let records: Vec<_> = keys.iter().map(|key| record("b", key, None)).collect();
    accept(&spool, &relay, delivery(&records)).await.unwrap();
    sim.push(std::iter::repeat_n(Step::Unavailable, 7));
    let worker = Running::start(&spool, &relay);
    until("everything is sent", async || empty(&spool).await).await;
    worker.stop().await;
    // Five fail, then two probes: not one attempt for each of two hundred.
    let failed = sim.requests().iter().filter(|r| r.status == Some(StatusCode::SERVICE_UNAVAILABLE)).count();
    assert_eq!(failed, 7);
    assert_eq!(sim.requests().len(), 207);
    let got = accepted(&sim);
    assert_eq!(got.keys().collect::<BTreeSet<_>>(), keys.iter().collect());
    assert!(got.values().all(|times| *times == 1));
}

pub(crate) async fn retry_after_is_for_everybody(bench: Bench) {
    let sim = sim().await;
    let spool = bench.open();
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "1")]);
    for n in 0..3 {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    let wish = Step::RetryAfter { status: StatusCode::TOO_MANY_REQUESTS, seconds: 2 };
    sim.push([wish.clone(), wish]);
    let worker = Running::start(&spool, &relay);
    until("everything is sent", async || empty(&spool).await).await;
    worker.stop().await;
    let times: Vec<_> = sim.requests().iter().map(|r| r.time).collect();
    assert_eq!(times.len(), 5);
    // One object's answer is believed for a second, two objects' as it was said.
    for (n, wanted) in [(1, 950), (2, 1950)] {
        let pause = times[n].duration_since(times[n - 1]).unwrap();
        assert!(pause >= Duration::from_millis(wanted), "asked for two seconds, came back after {pause:?}");
    }
}

/// A reload, after the operator has mended what was wrong, makes a new worker.
pub(crate) async fn a_breaker_that_a_worker_leaves_open_is_not_shown_for_ever(bench: Bench) {
    let sim = sim().await;
    let relays = [relay(NOWHERE, &[]), relay_for(&sim, &[])];
    let spool = bench.open();
    let relay = &relays[0];
    for n in 0..8 {
        keep(&spool, relay, &format!("k{n}")).await;
    }
    let breakers = async || spool.snapshot().await.unwrap().counts.breakers;
    let worker = Running::start(&spool, relay);
    until("the breaker opens", async || breakers().await.contains_key("")).await;
    until("the breaker is open", async || breakers().await[""] != Position::Closed).await;
    worker.stop().await;
    let worker = Running::start(&spool, &relays[1]);
    until("everything is sent", async || accepted(&sim).len() == 8).await;
    worker.stop().await;
    let shown = breakers().await;
    assert!(shown.values().all(|position| *position == Position::Closed), "{shown:?}");
}

/// An operator who purges everything while MDSS is away has an alarm less, not one for ever.
pub(crate) async fn a_breaker_before_which_nobody_waits_is_forgotten(bench: Bench) {
    let relay = relay(NOWHERE, &[]);
    let spool = bench.open();
    for n in 0..8 {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    let _worker = Running::start(&spool, &relay);
    let breakers = async || spool.counts().breakers;
    until("the breaker opens", async || breakers().await.get("") == Some(&Position::Open)).await;
    bench.desk().purge(&Filter::default(), None).await.unwrap();
    until("it is forgotten", async || breakers().await.is_empty()).await;
}

const THREE: [&str; 3] = ["a", "b", "c"];

/// A simulator with the units a, b and c, and a relay with a bucket and a route for each, which makes one request at a time.
async fn three_units(more: &[(&str, UnitState)]) -> (Sim, Arc<Relay>) {
    let unit = |name: &&str| {
        let state = more.iter().find(|(of, _)| of == name).map(|(_, state)| *state);
        let unit = Unit::new(*name, StorageType::AmazonS3);
        Unit { state: state.unwrap_or(unit.state), ..unit }
    };
    let units = THREE.iter().map(unit).collect();
    let sim = Sim::start(SimConfig { units, ..SimConfig::default() }).await.unwrap();
    let route = |name: &str| format!("[[route]]\nbucket = \"{name}\"\nstorage_client_id = \"{name}\"\n");
    let toml = THREE.map(route).concat();
    let more = [("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", toml.as_str()), ("RELAY_CONCURRENCY", "1")];
    let relay = relay_for(&sim, &more);
    (sim, relay)
}

async fn fill(spool: &Spool, relay: &Relay, bucket: &str, count: usize) {
    let records: Vec<_> = (0..count).map(|n| record(bucket, &format!("{bucket}-{n:02}"), None)).collect();
    accept(spool, relay, delivery(&records)).await.unwrap();
}

/// The units of the first so many requests.
fn units_of(sim: &Sim, count: usize) -> Vec<String> {
    sim.requests().iter().take(count).filter_map(|r| r.storage_client_id.clone()).collect()
}

pub(crate) async fn lanes_take_turns(bench: Bench) {
    let (sim, relay) = three_units(&[]).await;
    let spool = bench.open();
    // The first name has no turn more than the others.
    for bucket in ["a", "c"] {
        fill(&spool, &relay, bucket, 50).await;
    }
    let worker = Running::start(&spool, &relay);
    until("everything is sent", async || empty(&spool).await).await;
    worker.stop().await;
    let units = units_of(&sim, 20);
    for name in ["a", "c"] {
        let count = units.iter().filter(|unit| *unit == name).count();
        assert!(count >= 8, "{count} of 20 for {name}: {units:?}");
    }
}

/// Between two lanes stands one that has nothing to send, because its unit refuses everything.
pub(crate) async fn a_closed_lane_does_not_cost_the_next_one_its_turn(bench: Bench) {
    let (sim, relay) = three_units(&[("b", UnitState::NotEnabled)]).await;
    let spool = bench.open();
    for (bucket, count) in [("a", 50), ("b", 300), ("c", 50)] {
        fill(&spool, &relay, bucket, count).await;
    }
    let worker = Running::start(&spool, &relay);
    until("both have everything", async || accepted(&sim).len() == 100).await;
    worker.stop().await;
    let units = units_of(&sim, usize::MAX);
    let last = |name: &str| units.iter().rposition(|unit| unit == name).unwrap();
    assert!(last("c") < 125 && last("a") < 125, "{units:?}");
    let refused = units.iter().filter(|unit| *unit == "b").count();
    assert!(refused < 20, "{refused}");
}

/// Nobody starts the relay anew when somebody has mended MDSS from outside.
pub(crate) async fn what_was_held_is_sent_when_mdss_is_back(bench: Bench) {
    let (sim, relay) = three_units(&[]).await;
    let spool = bench.open();
    for bucket in ["a", "b"] {
        fill(&spool, &relay, bucket, 10).await;
    }
    // As many as open the breaker of the endpoint, and none of a unit; then the probe passes.
    sim.push(vec![Step::status(StatusCode::UNAUTHORIZED); 5]);
    let worker = Running::start(&spool, &relay);
    let held = async || {
        let states = states(&spool).await;
        states.values().filter(|state| *state == "held mdss_unauthorized").count()
    };
    until("five are held", async || held().await == 5).await;
    let begin = Instant::now();
    until("everything is sent", async || empty(&spool).await).await;
    // What is held is put off for 15 s at least.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    worker.stop().await;
    assert_eq!((accepted(&sim).len(), sim.requests().len()), (20, 25));
}
