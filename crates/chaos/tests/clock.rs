//! The row "clock": time jumps by a year, forwards and backwards, while events come in, MDSS fails and the worker is
//! started anew. The spool is used as a library here, because a process has the clock it has.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mdss_relay_core::{Delivery, Outcome, Relay, Role, Settings};
use mdss_relay_spool::{Clock, Config, Moment, Pacing, Place, Sender, Spool, State, Worker};
use mdss_sim::{DEFAULT_API_KEY, Sim, StatusCode, Step, units};
use serde_json::json;

const YEAR: i64 = 365 * 86_400_000;

/// The system's clock, and by how much it is wrong.
#[derive(Debug, Default)]
struct Wrong(AtomicI64);

impl Clock for Wrong {
    fn now(&self) -> Moment {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Moment::from_millis(since.as_millis() as i64 + self.0.load(Ordering::SeqCst))
    }
}

fn delivery(key: &str) -> Delivery {
    let body = json!({ "Records": [{ "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
        "s3": { "bucket": { "name": "chaos" }, "object": { "key": key } } }] });
    Delivery { method: "POST".into(), body: body.to_string().into(), id: "c-1".into(), ..Delivery::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_by_years_loses_doubles_and_parks_nothing() {
    let sim = Sim::start(mdss_sim::Config::default()).await.unwrap();
    let vars = [
        ("APIENDPOINT", sim.url().as_str()),
        ("APIKEY", DEFAULT_API_KEY),
        ("STORAGECLIENTID", units::S3_COMPATIBLE),
    ]
    .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let settings = Settings::read(vars, Role::Function).finish().unwrap_or_else(|m| panic!("{m:?}"));
    let relay = Arc::new(Relay::new(settings).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Wrong::default());
    let config = Config { place: Place::Directory(dir.path().to_owned()), limit: 1 << 30 };
    let (spool, _keeping) = Spool::start(config, clock.clone()).unwrap();

    let mut issued = BTreeSet::new();
    // Where a jump leads to; the first round is one of a clock in order.
    for (round, years) in [0, 1, -1, 0, 3, 2, -40, 0].into_iter().enumerate() {
        let failures = [
            Step::Unavailable,
            Step::status(StatusCode::INTERNAL_SERVER_ERROR),
            Step::status(StatusCode::UNAUTHORIZED),
            Step::WebPage,
            Step::Reset,
        ];
        sim.push(failures.into_iter().cycle().take(8));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let pacing = Pacing { rate: 10_000, park_after: None };
        let worker = Worker::new(spool.clone(), Arc::clone(&relay), pacing);
        let worker = tokio::spawn(worker.run(async { drop(stopped.await) }));
        for n in 0..20 {
            if n == 10 {
                clock.0.store(years * YEAR, Ordering::SeqCst);
            }
            let key = format!("{round}-{n:02}");
            let delivery = delivery(&key);
            let plan = relay.plan(&delivery);
            let report = spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
            assert_eq!(report.outcome, Outcome::Done, "{}", report.json());
            issued.insert(key);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(stop);
        worker.await.unwrap();
    }

    // A worker that begins slowly has not met all of the failures, and MDSS is in order by now.
    sim.calm();
    let worker = Worker::new(spool.clone(), relay, Pacing { rate: 10_000, park_after: None });
    let worker = tokio::spawn(worker.run(std::future::pending()));
    // Once more, under the worker's eyes: whatever was put off by then is a year away, and it notices.
    clock.0.store(-YEAR, Ordering::SeqCst);
    // The limit is for a test that has failed.
    for _ in 0..6000 {
        let stock = spool.snapshot().await.unwrap().stock;
        if stock.depths.is_empty() {
            break;
        }
        assert!(stock.depths.iter().all(|depth| depth.state != State::Parked), "{:?}", stock.depths);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    worker.abort();
    let accepted = sim.accepted();
    let arrived: BTreeSet<_> = accepted.iter().map(|object| object.key.clone()).collect();
    assert_eq!(issued.difference(&arrived).collect::<Vec<_>>(), Vec::<&String>::new(), "lost");
    assert_eq!(arrived.difference(&issued).collect::<Vec<_>>(), Vec::<&String>::new(), "not issued");
    assert!(accepted.iter().all(|object| object.times == 1), "{accepted:?}");
    println!(
        "clock: issued {}, acknowledged {}, accepted {}, duplicated 0, lost 0",
        issued.len(),
        issued.len(),
        arrived.len()
    );
}
