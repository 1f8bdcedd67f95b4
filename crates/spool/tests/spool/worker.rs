//! The worker against a stand-in for MDSS, over real sockets and a real file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::child::Process;
use crate::common::*;
use mdss_relay_core::{Outcome, Relay};
use mdss_relay_spool::{Desk, Filter, Pacing, Position, Sender, Spool, State, Worker};
use mdss_sim::{
    Config as SimConfig, HeaderMap, Refusal, Sim, StatusCode, Step, StorageType, Unit, UnitState, units,
};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PACING: Pacing = Pacing { rate: 10_000, park_after: None };

/// A worker on a task of its own, and how it is stopped.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(spool: &Spool, relay: &Arc<Relay>) -> Self {
        Self::with(spool, relay, PACING)
    }

    fn with(spool: &Spool, relay: &Arc<Relay>, pacing: Pacing) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = Worker::new(spool.clone(), Arc::clone(relay), pacing);
        let task = tokio::spawn(worker.run(async {
            let _ = stopped.await;
        }));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

async fn sim() -> Sim {
    Sim::start(SimConfig::default()).await.unwrap()
}

/// How often each key was accepted.
fn accepted(sim: &Sim) -> BTreeMap<String, u64> {
    sim.accepted().into_iter().map(|a| (a.key, a.times)).collect()
}

async fn empty(spool: &Spool) -> bool {
    spool.snapshot().await.unwrap().stock.depths.is_empty()
}

fn items(dir: &Path) -> i64 {
    query(dir, "SELECT count(*) FROM item")
}

/// State and reason of every item, by key.
async fn states(dir: &Path) -> BTreeMap<String, String> {
    let entries = Desk::open(dir).unwrap().list(&Filter::default(), None, 10_000).await.unwrap();
    let word = |e: &mdss_relay_spool::Entry| format!("{} {}", e.state, e.reason.as_deref().unwrap_or("-"));
    entries.iter().map(|e| (e.key.clone().unwrap_or_default(), word(e))).collect()
}

#[tokio::test]
async fn what_is_kept_is_sent_once_and_leaves_nothing_behind() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[]);
    let worker = Running::start(&spool, &relay);
    for n in 0..50 {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    // Many in one delivery, and a key that is encoded.
    let many: Vec<_> = (0..100).map(|n| record("b", &format!("m+{n}"), Some("01"))).collect();
    accept(&spool, &relay, delivery(&many)).await.unwrap();
    until("everything is sent", async || empty(&spool).await).await;
    worker.stop().await;
    let got = accepted(&sim);
    assert_eq!(got.len(), 150);
    assert!(got.values().all(|times| *times == 1), "{got:?}");
    assert!(got.contains_key("m 7"));
    let rows = "SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM item)";
    assert_eq!(query::<i64>(dir.path(), rows), 0);
    // The marks stay: a repetition is answered and not sent.
    let report = accept(&spool, &relay, delivery(&many[..1])).await.unwrap();
    assert_eq!((report.outcome, results(&report)), (Outcome::Done, vec!["skipped:duplicate".into()]));
    let counts = spool.snapshot().await.unwrap().counts;
    assert_eq!((counts.accepted, counts.spooled, counts.duplicates), (51, 150, 1));
    assert_eq!(counts.delivered[units::AMAZON_S3], 150);
    assert_eq!(counts.attempts[&(units::AMAZON_S3.to_owned(), "accepted")], 150);
    assert_eq!(counts.latency.counts.iter().sum::<u64>(), 150);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_cannot_is_parked() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[]);
    for step in [
        Step::Unavailable,
        Step::Reset,
        Step::EmptyBody,
        Step::HalfBody,
        Step::status(StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let key = format!("{step:?}");
        sim.push_for(key.as_str(), [step]);
        keep(&spool, &relay, &key).await;
        // One at a time: five different objects that fail in a row would open the breaker.
        keep(&spool, &relay, "between").await;
    }
    sim.push_for("large", [Step::status(StatusCode::PAYLOAD_TOO_LARGE)]);
    keep(&spool, &relay, "large").await;
    let worker = Running::start(&spool, &relay);
    until("all but one are sent", async || items(dir.path()) == 1).await;
    assert_eq!(states(dir.path()).await, BTreeMap::from([("large".into(), "parked mdss_too_large".into())]));
    assert_eq!(accepted(&sim).len(), 6);
    // Nobody but the operator wakes it, from another process.
    Desk::open(dir.path()).unwrap().retry(&Filter::default(), None).await.unwrap();
    until("the parked one is sent", async || empty(&spool).await).await;
    worker.stop().await;
    let counts = spool.snapshot().await.unwrap().counts;
    assert_eq!(counts.parked[&(units::AMAZON_S3.to_owned(), "mdss_too_large")], 1);
}

#[tokio::test]
async fn a_mended_configuration_heals_what_is_held() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let routes = |text: &str| {
        let toml = text.replace("UNIT", units::AMAZON_S3);
        relay_for(&sim, &[("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", toml.as_str())])
    };
    let first = routes(
        "[[route]]\nbucket = \"a\"\nstorage_client_id = \"UNIT\"\n[[route]]\nbucket = \"wrong\"\nstorage_client_id = \"no-such-unit\"",
    );
    let (spool, keeping) = start(dir.path());
    let worker = Running::start(&spool, &first);
    let records = [
        record("a", "sent", None),
        record("b", "unmapped", None),
        record("c", "unwanted", None),
        record("wrong", "misrouted", None),
    ];
    let report = accept(&spool, &first, delivery(&records)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    until("MDSS has said what it thinks", async || {
        states(dir.path()).await.get("misrouted").is_some_and(|s| s == "held mdss_storage_not_found")
            && items(dir.path()) == 3
    })
    .await;
    worker.stop().await;
    drop(spool);
    keeping.wait();
    assert_eq!(accepted(&sim).keys().collect::<Vec<_>>(), ["sent"]);
    assert_eq!(states(dir.path()).await["unmapped"], "held unmapped_bucket");

    let second = routes(
        "[[route]]\nbucket = \"c\"\nprefix = \"other/\"\nstorage_client_id = \"UNIT\"\n[[route]]\nbucket = \"*\"\nstorage_client_id = \"UNIT\"\nexclude_prefix = \"unw\"",
    );
    let (spool, _keeping) = start(dir.path());
    let worker = Running::start(&spool, &second);
    until("nothing is left", async || empty(&spool).await).await;
    worker.stop().await;
    let delivered = spool.snapshot().await.unwrap().counts.delivered;
    assert_eq!(delivered, BTreeMap::from([(units::AMAZON_S3.into(), 2)]), "by the lanes of today");
    let want: BTreeMap<_, _> = ["sent", "unmapped", "misrouted"].map(|k| (k.to_owned(), 1)).into();
    assert_eq!(accepted(&sim), want, "a done record is not sent again, an unwanted one not at all");
}

#[tokio::test]
async fn units_that_refuse_everything_keep_no_other_waiting() {
    const OFF: [&str; 4] = ["off-0", "off-1", "off-2", "off-3"];
    let dir = tempfile::tempdir().unwrap();
    let off = |name: &str| Unit { state: UnitState::NotEnabled, ..Unit::new(name, StorageType::AmazonS3) };
    let on = Unit::new("on", StorageType::AmazonS3);
    let all = OFF.map(off).into_iter().chain([on]).collect();
    let sim = Sim::start(SimConfig { units: all, ..SimConfig::default() }).await.unwrap();
    let route = |name: &str| format!("[[route]]\nbucket = \"{name}\"\nstorage_client_id = \"{name}\"\n");
    let toml = OFF.map(route).concat() + &route("on");
    let relay =
        relay_for(&sim, &[("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", &toml), ("RELAY_CONCURRENCY", "4")]);
    let (spool, _keeping) = start(dir.path());
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

#[tokio::test]
async fn what_waits_before_a_closed_unit_does_not_take_the_place_of_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let off = Unit { state: UnitState::NotEnabled, ..Unit::new("off", StorageType::AmazonS3) };
    let all = vec![off, Unit::new("on", StorageType::AmazonS3)];
    let sim = Sim::start(SimConfig { units: all, ..SimConfig::default() }).await.unwrap();
    let route = |name: &str| format!("[[route]]\nbucket = \"{name}\"\nstorage_client_id = \"{name}\"\n");
    let toml = route("off") + &route("on");
    let relay =
        relay_for(&sim, &[("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", &toml), ("RELAY_CONCURRENCY", "4")]);
    let (spool, _keeping) = start(dir.path());
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

#[tokio::test]
async fn one_poisoned_object_stops_nobody() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[]);
    sim.push_for("poison", std::iter::repeat_n(Step::Unavailable, 1000));
    keep(&spool, &relay, "poison").await;
    for n in 0..20 {
        keep(&spool, &relay, &format!("k{n}")).await;
    }
    let worker = Running::start(&spool, &relay);
    until("all others are sent", async || accepted(&sim).len() == 20 && items(dir.path()) == 1).await;
    let attempts = "SELECT attempts FROM item";
    until("the poisoned one is tried on", async || query::<i64>(dir.path(), attempts) >= 3).await;
    keep(&spool, &relay, "late").await;
    until("a new one is sent", async || accepted(&sim).contains_key("late")).await;
    assert!(spool.snapshot().await.unwrap().counts.breakers.get("").is_none_or(|p| *p == Position::Closed));
    worker.stop().await;
    assert_eq!(states(dir.path()).await["poison"], "waiting mdss_unavailable");
}

/// As a firewall for web applications does, by the look of a name.
#[tokio::test]
async fn names_that_a_gateway_refuses_are_held_and_stop_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let sim = sim().await;
    let bad: Vec<_> = (0..30).map(|n| format!("../../etc/passwd-{n}")).collect();
    let page = Step::Answer {
        status: StatusCode::FORBIDDEN,
        headers: HeaderMap::new(),
        body: "<html>Request blocked</html>".into(),
    };
    bad.iter().for_each(|key| sim.push_for(key, vec![page.clone(); 99]));
    let relay = relay_for(&sim, &[]);
    let (spool, _keeping) = start(dir.path());
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
            let states = states(dir.path()).await;
            bad.iter().all(|key| states.get(key).is_some_and(|s| s == "held mdss_object_refused"))
        }
    })
    .await;
    let breakers = spool.snapshot().await.unwrap().counts.breakers;
    assert!(breakers.values().all(|position| *position == Position::Closed), "{breakers:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_proxy_that_pushes_back_is_yielded_to_and_an_outage_is_survived() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let (spool, _keeping) = start(dir.path());
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

#[tokio::test]
async fn retry_after_is_for_everybody() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let (spool, _keeping) = start(dir.path());
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

#[tokio::test]
async fn a_stop_writes_down_what_came_while_one_is_out() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[("RELAY_TIMEOUT", "60s")]);
    sim.push_for("out", [Step::Hang]);
    keep(&spool, &relay, "out").await;
    let worker = Running::start(&spool, &relay);
    until("one is out", async || sim.requests().len() == 1).await;
    sim.push_for("last", [Step::Delay { ms: 500 }]);
    keep(&spool, &relay, "last").await;
    until("the last is out as well", async || sim.requests().len() == 2).await;
    worker.stop.send(()).unwrap();
    until("the last is accepted", async || accepted(&sim).contains_key("last")).await;
    until("it is written down", async || items(dir.path()) == 1).await;
    assert!(!worker.task.is_finished());
    worker.task.abort();
}

#[tokio::test]
async fn what_cannot_be_written_down_is_bounded_and_sent_once() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "1")]);
    let records: Vec<_> = (0..300).map(|n| record("b", &format!("k{n}"), None)).collect();
    accept(&spool, &relay, delivery(&records)).await.unwrap();
    // Whoever locks the file lets others read, so that the worker may claim.
    let mut child = Process::start("locks", dir.path(), "", 0, "");
    assert_eq!(child.next().as_deref(), Some("locked"));
    let worker = Running::start(&spool, &relay);
    until("as much as may be is sent", async || accepted(&sim).len() >= 33).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((accepted(&sim).len(), items(dir.path())), (33, 300));
    child.kill();
    until("everything is sent", async || empty(&spool).await).await;
    worker.stop().await;
    let got = accepted(&sim);
    assert!(got.len() == 300 && got.values().all(|times| *times == 1), "{got:?}");
}

#[tokio::test]
async fn age_parks_and_never_drops() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let clock = HandClock::new(1_000_000);
    let (spool, _keeping) = Spool::start(config(dir.path()), clock.clone()).unwrap();
    let relay = relay_for(&sim, &[]);
    sim.push_for("old", std::iter::repeat_n(Step::OkButRefused(Refusal::NotEnabled), 1000));
    keep(&spool, &relay, "old").await;
    let worker =
        Running::with(&spool, &relay, Pacing { park_after: Some(Duration::from_secs(60)), ..PACING });
    let attempts = |n: i64| {
        let dir = dir.path().to_owned();
        async move || query::<i64>(&dir, "SELECT attempts FROM item") == n
    };
    // A clock that jumps ahead does not park what has hardly been tried.
    for n in 1..=5 {
        until("one more attempt", attempts(n)).await;
        assert_eq!(
            states(dir.path()).await["old"],
            if n < 5 { "held mdss_not_enabled" } else { "parked mdss_not_enabled" },
            "{n}"
        );
        clock.set(1_000_000 + n * 3_600_000);
    }
    keep(&spool, &relay, "new").await;
    until("the next one is sent", async || accepted(&sim).contains_key("new")).await;
    assert_eq!(sim.requests().len(), 6, "a parked one is left alone");
    worker.stop().await;
    assert_eq!(Desk::open(dir.path()).unwrap().stock().await.unwrap().depths[0].state, State::Parked);
}

#[tokio::test]
async fn a_clock_that_jumps_back_delays_nothing() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let year = 365 * 86_400_000;
    let clock = HandClock::new(60 * year);
    let (spool, _keeping) = Spool::start(config(dir.path()), clock.clone()).unwrap();
    let relay = relay_for(&sim, &[]);
    sim.push_for("k", [Step::Unavailable]);
    keep(&spool, &relay, "k").await;
    let worker = Running::start(&spool, &relay);
    until("it has failed once", async || query::<i64>(dir.path(), "SELECT sum(attempts) FROM item") == 1)
        .await;
    // The item is put off to a second that is now a year away.
    clock.set(59 * year);
    until("it is sent all the same", async || empty(&spool).await).await;
    worker.stop().await;

    // The same, found out at the start.
    keep(&spool, &relay, "l").await;
    clock.set(58 * year);
    let worker = Running::start(&spool, &relay);
    until("the next one is sent, too", async || empty(&spool).await).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_flipped_byte_names_no_other_object() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[]);
    let (spool, _keeping) = start(dir.path());
    keep(&spool, &relay, "right").await;
    let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
    db.execute("UPDATE delivery SET body = CAST(replace(CAST(body AS TEXT), 'right', 'wrong') AS BLOB)", [])
        .unwrap();
    let worker = Running::start(&spool, &relay);
    until("it is parked", async || states(dir.path()).await["right"] == "parked internal").await;
    worker.stop().await;
    assert_eq!(sim.requests().len(), 0);
}

#[tokio::test]
async fn bad_neighbours_are_parked_and_sent_when_they_can_be_read() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[]);
    let (spool, _keeping) = start(dir.path());
    let bad = json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "b" } } });
    let delivery = delivery(&[record("b", "good", None), bad]);
    let plan = relay.plan(&delivery);
    spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    let worker = Running::start(&spool, &relay);
    until("the good one is sent", async || accepted(&sim).contains_key("good") && items(dir.path()) == 1)
        .await;
    // Tried by hand, it is read again, and is no better.
    Desk::open(dir.path()).unwrap().retry(&Filter::default(), None).await.unwrap();
    until("it is parked again", async || states(dir.path()).await[""] == "parked missing_key").await;
    worker.stop().await;
    assert_eq!(sim.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_about_an_item_of_another_file_concerns_nobody() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim().await);
    let relay = relay_for(&sim, &[]);
    let (spool, _keeping) = start(dir.path());
    sim.push_for("old", [Step::Delay { ms: 1500 }]);
    keep(&spool, &relay, "old").await;
    let worker = Running::start(&spool, &relay);
    until("the old one is on its way", async || sim.requests().len() == 1).await;
    for tail in ["", "-wal", "-shm"] {
        std::fs::rename(
            dir.path().join(format!("spool.db{tail}")),
            dir.path().join(format!("away.db{tail}")),
        )
        .unwrap();
    }
    // It has the old one's number.
    keep(&spool, &relay, "new").await;
    assert_eq!(query::<i64>(dir.path(), "SELECT id FROM item"), 1);
    until("the new one is sent", async || accepted(&sim).contains_key("new")).await;
    worker.stop().await;
    assert_eq!(accepted(&sim).len(), 2);
}

/// What the first release has left on a disk.
#[tokio::test]
async fn a_spool_of_the_first_version_is_sent() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), Sim::start(SimConfig::default()).await.unwrap());
    let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.execute_batch(include_str!("../../src/sqlite/1.sql")).unwrap();
    db.execute_batch("PRAGMA application_id = 0x4d445352; PRAGMA user_version = 1").unwrap();
    let body = delivery(&[record("b", "first", Some("01")), record("b", "second", None)]).body;
    let checksum = crc32fast::hash(&[&b"[]\0"[..], &body].concat());
    db.execute(
        "INSERT INTO delivery (name, source, method, headers, body, received, checksum) VALUES ('s-1', 's', 'POST', '[]', ?1, 0, ?2)",
        rusqlite::params![body, checksum],
    )
    .unwrap();
    let lane = mdss_sim::units::AMAZON_S3;
    for path in ["0", "1"] {
        let sql = "INSERT INTO item (delivery, path, lane, state, since, not_before, bytes) VALUES (1, ?1, ?2, 'waiting', 0, 0, 700)";
        db.execute(sql, [path, lane]).unwrap();
    }
    drop(db);
    let (spool, _keeping) = start(dir.path());
    let relay = relay_for(&sim, &[]);
    keep(&spool, &relay, "third").await;
    assert_eq!(query::<i64>(dir.path(), "SELECT sum(items) FROM tally WHERE source = 's'"), 3);
    let pacing = Pacing { rate: 10_000, park_after: None };
    tokio::spawn(Worker::new(spool.clone(), relay, pacing).run(std::future::pending()));
    until("all are sent", async || {
        let sent: std::collections::BTreeSet<_> = sim.accepted().into_iter().map(|a| a.key).collect();
        sent == ["first", "second", "third"].map(str::to_owned).into()
    })
    .await;
    until("nothing is left", async || spool.snapshot().await.unwrap().stock.depths.is_empty()).await;
}
