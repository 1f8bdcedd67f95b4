//! What the tests of this crate share: relays, deliveries, a worker, and what is to be seen of a spool. No engine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_core::{Delivery, Outcome, Relay, Report, Role, Settings, Watch};
use mdss_relay_spool::{Filter, Pacing, Sender, Spool, Trouble, Worker};
use mdss_sim::{Config as SimConfig, DEFAULT_API_KEY, Sim, created_record, units};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Nobody listens there.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:9/api/webhook/realtime";

pub(crate) fn relay(url: &str, more: &[(&str, &str)]) -> Arc<Relay> {
    let mut vars = vec![
        ("APIENDPOINT", url),
        ("APIKEY", DEFAULT_API_KEY),
        ("STORAGECLIENTID", units::AMAZON_S3),
        ("RELAY_TIMEOUT", "2s"),
    ];
    for (name, value) in more {
        vars.retain(|(n, _)| n != name);
        vars.push((name, value));
    }
    let vars = vars.into_iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
    let settings = Settings::read(vars, Role::Function).finish().unwrap_or_else(|m| panic!("{m:?}"));
    Arc::new(Relay::new(settings).unwrap())
}

pub(crate) fn relay_for(sim: &Sim, more: &[(&str, &str)]) -> Arc<Relay> {
    relay(&sim.url(), more)
}

pub(crate) fn record(bucket: &str, key: &str, sequencer: Option<&str>) -> Value {
    let mut record = created_record("aws:s3", bucket, key);
    if let Some(sequencer) = sequencer {
        record["s3"]["object"]["sequencer"] = sequencer.into();
    }
    record
}

pub(crate) fn delivery(records: &[Value]) -> Delivery {
    raw(json!({ "Records": records }).to_string())
}

pub(crate) fn raw(body: impl Into<Vec<u8>>) -> Delivery {
    Delivery {
        source: Some("s".into()),
        method: "POST".into(),
        body: body.into(),
        id: "s-1".into(),
        ..Delivery::default()
    }
}

pub(crate) async fn accept(spool: &Spool, relay: &Relay, delivery: Delivery) -> Result<Report, Trouble> {
    let plan = relay.plan(&delivery);
    spool.accept(delivery, &plan, Sender::Proven).await
}

/// Accepts one object, which must be kept.
pub(crate) async fn keep(spool: &Spool, relay: &Relay, key: &str) {
    let report = accept(spool, relay, delivery(&[record("b", key, None)])).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{}", report.json());
}

/// The result and reason of every record.
pub(crate) fn results(report: &Report) -> Vec<String> {
    let result = |kind| serde_json::to_value(kind).unwrap().as_str().unwrap().to_owned();
    report.records.iter().map(|r| format!("{}:{}", result(r.result), r.reason.unwrap_or("-"))).collect()
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    drive::until(what, Duration::from_secs(60), holds).await.unwrap();
}

pub(crate) const PACING: Pacing = Pacing { rate: 10_000, park_after: None };

/// A worker on a task of its own, and how it is stopped.
pub(crate) struct Running {
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(spool: &Spool, relay: &Arc<Relay>) -> Self {
        Self::with(spool, relay, PACING)
    }

    pub(crate) fn with(spool: &Spool, relay: &Arc<Relay>, pacing: Pacing) -> Self {
        Self::of(Worker::new(spool.clone(), Arc::clone(relay), pacing))
    }

    /// One that writes down how MDSS stands, as the server's does.
    pub(crate) fn telling(spool: &Spool, settings: Settings) -> Self {
        let watch = Arc::new(Watch::default());
        let relay = Arc::new(Relay::new(settings).unwrap().watched(Arc::clone(&watch)));
        Self::of(Worker::new(spool.clone(), relay, PACING).telling(watch))
    }

    fn of(worker: Worker) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(worker.run(async {
            let _ = stopped.await;
        }));
        Self { stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

pub(crate) async fn sim() -> Sim {
    Sim::start(SimConfig::default()).await.unwrap()
}

/// How often each key was accepted.
pub(crate) fn accepted(sim: &Sim) -> BTreeMap<String, u64> {
    sim.accepted().into_iter().map(|a| (a.key, a.times)).collect()
}

/// How many items there are, in any state.
pub(crate) async fn items(spool: &Spool) -> u64 {
    spool.snapshot().await.unwrap().stock.depths.iter().map(|depth| depth.items).sum()
}

pub(crate) async fn empty(spool: &Spool) -> bool {
    items(spool).await == 0
}

/// State and reason of every item, by key.
pub(crate) async fn states(spool: &Spool) -> BTreeMap<String, String> {
    let entries = spool.engine().list(&Filter::default(), None, 10_000).await.unwrap();
    let word = |e: &mdss_relay_spool::Entry| format!("{} {}", e.state, e.reason.as_deref().unwrap_or("-"));
    entries.iter().map(|e| (e.key.clone().unwrap_or_default(), word(e))).collect()
}

/// Bucket `b` is for `unit-1`, `c` for `unit-2`; nobody has named another one.
const ROUTES: &str = r#"
    [[route]]
    bucket = "b"
    exclude_prefix = "no/"
    storage_client_id = "unit-1"
    [[route]]
    bucket = "c"
    storage_client_id = "unit-2"
"#;

pub(crate) fn routed() -> Arc<Relay> {
    relay(NOWHERE, &[("STORAGECLIENTID", ""), ("RELAY_CONFIG_TOML", ROUTES)])
}

/// A record that can never be used.
pub(crate) fn bad() -> Value {
    json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "b" } } })
}
