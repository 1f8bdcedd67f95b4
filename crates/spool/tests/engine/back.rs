//! MDSS was away and is back: the first object is there at once, and nobody has been asked more than once a second meanwhile.

use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use mdss_relay_spool::{Filter, Spool};
use mdss_sim::{Away, Config as SimConfig, Recorded, Sim, StatusCode, Step};

use crate::bench::Bench;
use crate::common::*;

/// How late the first object may be.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// Steps of an outage; nobody takes them all.
const MANY: usize = 5000;

/// How often the items were tried, all together.
async fn attempts(spool: &Spool) -> usize {
    let entries = spool.engine().list(&Filter::default(), None, 100).await.unwrap();
    entries.iter().map(|entry| entry.attempts as usize).sum()
}

/// Waits until the first object is accepted, from now on.
async fn first(sim: &Sim) -> Duration {
    let begin = Instant::now();
    until("the first object is accepted", async || !sim.accepted().is_empty()).await;
    begin.elapsed()
}

/// The most requests in any second from then on.
fn most_in_a_second(requests: &[Recorded], from: SystemTime) -> usize {
    let times: Vec<_> = requests.iter().map(|request| request.time).filter(|time| *time >= from).collect();
    let within = |begin: &SystemTime| {
        // A timer is a little late at times, and the next one is not.
        let end = *begin + Duration::from_millis(950);
        times.iter().filter(|time| *time >= begin && **time < end).count()
    };
    times.iter().map(within).max().unwrap_or(0)
}

pub(crate) async fn mdss_that_refused_connections_is_back_at_once(bench: Bench) {
    join_all([1, 3, 40].map(|objects| survives_alone(bench.another(), objects))).await;
}

/// Is away for some seconds, in which so many objects wait.
async fn survives_alone(bench: Bench, objects: usize) {
    let away = Away::new().unwrap();
    let relay = relay(&away.url(), &[]);
    let spool = bench.open();
    for n in 0..objects {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    let worker = Running::start(&spool, &relay);
    // Alone, it would wait for four seconds and more by then.
    until("it was tried for a while", async || attempts(&spool).await >= objects.min(5) + 4).await;
    let sim = away.back(SimConfig::default()).await.unwrap();
    let late = first(&sim).await;
    assert!(late <= AT_ONCE, "{objects} objects: {late:?}");
    let begin = Instant::now();
    until("everything is sent", async || accepted(&sim).len() == objects).await;
    assert!(begin.elapsed() < Duration::from_secs(2), "{objects} objects: {:?}", begin.elapsed());
    worker.stop().await;
}

/// Fails each request for some seconds, in which so many objects wait. When it is back, the first one is there at once.
async fn survives(bench: Bench, step: Step, objects: usize, more: &[(&str, &str)]) {
    let row = format!("{step:?}, {objects} objects");
    let sim = sim().await;
    sim.push(vec![step; MANY]);
    let relay = relay_for(&sim, more);
    let spool = bench.open();
    for n in 0..objects {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    let worker = Running::start(&spool, &relay);
    until("it was asked", async || !sim.requests().is_empty()).await;
    // From here on it is known, or may be suspected.
    let from = sim.requests()[0].time + Duration::from_millis(1100);
    let probes = || sim.requests().iter().filter(|request| request.time >= from).count();
    until("it is asked again and again", async || probes() >= 3).await;
    sim.calm();
    let late = first(&sim).await;
    assert!(late <= AT_ONCE, "{row}: {late:?}");
    let away: Vec<_> = sim.requests().into_iter().take_while(|r| r.status != Some(StatusCode::OK)).collect();
    let most = most_in_a_second(&away, from);
    assert!(most <= 1, "{row}: {most} requests in a second");
    // It would wait for what hangs.
    worker.task.abort();
}

pub(crate) async fn mdss_that_answered_503_is_back_at_once(bench: Bench) {
    join_all([1, 3, 40].map(|objects| survives(bench.another(), Step::Unavailable, objects, &[]))).await;
}

/// No request that hangs is ever answered, and none of them has run out of time when MDSS is back.
pub(crate) async fn mdss_that_answered_nothing_is_back_at_once(bench: Bench) {
    let cases = [(1, "16"), (3, "4"), (40, "4")].map(async |(objects, at_once)| {
        let more = [("RELAY_TIMEOUT", "20s"), ("RELAY_CONCURRENCY", at_once)];
        survives(bench.another(), Step::Hang, objects, &more).await;
    });
    join_all(cases).await;
}

/// What is in the file says when an object would be tried again; the relay that wrote it there is gone.
pub(crate) async fn mdss_is_back_at_once_for_a_relay_that_was_started_meanwhile(bench: Bench) {
    let away = Away::new().unwrap();
    let relay = relay(&away.url(), &[]);
    let spool = bench.open();
    keep(&spool, &relay, "k").await;
    let worker = Running::start(&spool, &relay);
    until("it was tried for a while", async || attempts(&spool).await >= 4).await;
    worker.stop().await;
    spool.close();
    let spool = bench.open();
    let worker = Running::start(&spool, &relay);
    until("it is tried again", async || attempts(&spool).await >= 6).await;
    let sim = away.back(SimConfig::default()).await.unwrap();
    let late = first(&sim).await;
    assert!(late <= AT_ONCE, "{late:?}");
    worker.stop().await;
}

pub(crate) async fn mdss_that_named_a_time_is_left_alone_until_then(bench: Bench) {
    let sim = sim().await;
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "1")]);
    let spool = bench.open();
    keep(&spool, &relay, "named").await;
    // The second answer puts it off for three seconds, in which other objects find out that MDSS is back.
    let wish = Step::RetryAfter { status: StatusCode::SERVICE_UNAVAILABLE, seconds: 3 };
    sim.push([Step::Unavailable, wish]);
    let worker = Running::start(&spool, &relay);
    until("it has named the time", async || sim.requests().len() == 2).await;
    keep(&spool, &relay, "other").await;
    until("the other one is accepted", async || accepted(&sim).contains_key("other")).await;
    until("everything is sent", async || empty(&spool).await).await;
    worker.stop().await;
    let requests = sim.requests();
    assert_eq!(requests.len(), 4);
    let left_alone = requests[3].time.duration_since(requests[1].time).unwrap();
    assert!(left_alone >= Duration::from_millis(2950), "{left_alone:?}");
}
