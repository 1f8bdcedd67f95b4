//! What the tests of this crate share.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mdss_relay_core::{Delivery, Outcome, Relay, Report, Role, Settings};
use mdss_relay_spool::{Clock, Config, Moment, Sender, Spool, StoreThread, SystemClock, Trouble};
use mdss_sim::{DEFAULT_API_KEY, Sim, units};
use serde_json::{Value, json};

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

pub(crate) fn config(dir: &Path) -> Config {
    Config { dir: dir.to_owned(), limit: 1 << 30 }
}

pub(crate) fn start(dir: &Path) -> (Spool, StoreThread) {
    Spool::start(config(dir), Arc::new(SystemClock)).unwrap()
}

pub(crate) fn record(bucket: &str, key: &str, sequencer: Option<&str>) -> Value {
    let mut object = json!({ "key": key });
    if let Some(sequencer) = sequencer {
        object["sequencer"] = sequencer.into();
    }
    json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": bucket }, "object": object } })
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

/// Waits until something holds. The limit is for a test that has failed; none that passes comes near it.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..6000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// A clock that is set by hand.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn new(millis: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(millis)))
    }

    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Looks into the file as an operator would.
pub(crate) fn query<T: rusqlite::types::FromSql>(dir: &Path, sql: &str) -> T {
    let db = rusqlite::Connection::open(dir.join("spool.db")).unwrap();
    db.busy_timeout(Duration::from_secs(30)).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}
