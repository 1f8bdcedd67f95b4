//! Senders as they are: they repeat what was not acknowledged a few times, and then they forget it.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use drive::HttpPoster;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::oracle::{Book, Object, Unit};

/// How long a sender waits for an answer. JD waits for seconds, and tries three times within a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How long one waits that has nothing else to do.
const MOST_PATIENCE: Duration = Duration::from_secs(60);

/// How often an event is sent, at most.
const TRIES: u32 = 4;

/// Objects a second that one of those that [`Sender::run`] announces, about, if each is answered at once: two at a time, and then 50 ms of nothing.
pub(crate) const OF_ONE_SENDER: u32 = 40;

/// The pause after the first try, doubled with each further one.
const PAUSE: Duration = Duration::from_millis(50);

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wording {
    /// Notifications of an S3-compatible store
    Events,
    /// MDSS's own requests, for a product that only passes bodies on
    Mdss,
}

/// Somebody who posts.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    poster: HttpPoster,
    pub(crate) url: String,
    pub(crate) book: Arc<Book>,
    wording: Wording,
    /// Bytes that each record carries for nothing.
    padding: usize,
}

impl Sender {
    pub(crate) fn new(url: String, book: Arc<Book>, wording: Wording, padding: usize) -> Self {
        Self { poster: HttpPoster::new(PATIENCE), url, book, wording, padding }
    }

    /// One that waits as long as a relay may take.
    pub(crate) fn patient(&self) -> Self {
        Self { poster: HttpPoster::new(MOST_PATIENCE), ..self.clone() }
    }

    /// The body that announces these objects, and `more` records beside them.
    pub(crate) fn body(&self, objects: &[Object], more: &[Value]) -> Vec<u8> {
        if self.wording == Wording::Mdss {
            // One request is one object.
            let object = objects.first().map(|object| (object.unit.id(), self.book.key(*object)));
            let (unit, key) = object.unwrap_or((Unit::Good.id(), String::new()));
            let metadata = json!({ "s3": { "object": { "key": key } } }).to_string();
            return json!({ "storageClientId": unit, "metadata": metadata }).to_string().into_bytes();
        }
        let record = |object: &Object| {
            let mut record = record(object.unit, &self.book.key(*object));
            if object.marked {
                record["s3"]["object"]["sequencer"] = format!("{:016X}", object.number).into();
            }
            if self.padding > 0 {
                record["padding"] = "x".repeat(self.padding).into();
            }
            record
        };
        let records: Vec<_> = objects.iter().map(record).chain(more.iter().cloned()).collect();
        json!({ "Records": records }).to_string().into_bytes()
    }

    pub(crate) fn wording(&self) -> Wording {
        self.wording
    }

    /// How many objects one body can announce.
    pub(crate) fn most(&self) -> usize {
        match self.wording {
            Wording::Events => 3,
            Wording::Mdss => 1,
        }
    }

    /// Posts once, and writes down what came of it.
    pub(crate) async fn tell(&self, objects: &[Object], body: Vec<u8>) -> bool {
        let answer = self.poster.send("POST", &self.url, &[("content-type", "application/json")], body).await;
        let done = answer.is_ok_and(|answer| (200..300).contains(&answer.status));
        if done {
            self.book.acknowledged(objects);
        } else {
            self.book.unanswered(objects);
        }
        done
    }

    /// Posts until it is acknowledged or patience has an end.
    pub(crate) async fn deliver(&self, objects: &[Object], more: &[Value]) -> bool {
        let body = self.body(objects, more);
        for attempt in 0..TRIES {
            if self.tell(objects, body.clone()).await {
                return true;
            }
            sleep(PAUSE * (1 << attempt)).await;
        }
        self.book.given_up(objects);
        false
    }

    /// Announces objects, some at a time, until it is told to stop; `units` to choose from.
    pub(crate) async fn run(self, units: &[Unit], mut rng: fastrand::Rng, stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let objects: Vec<_> = (0..rng.usize(1..=self.most()))
                .map(|_| self.book.issue(units[rng.usize(..units.len())], rng.bool()))
                .collect();
            self.deliver(&objects, &[]).await;
            sleep(Duration::from_millis(rng.u64(20..80))).await;
        }
    }
}

/// A record as MinIO writes it, without what nobody reads; whole ones are in `events/minio`.
pub(crate) fn record(unit: Unit, key: &str) -> Value {
    json!({ "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
            "s3": { "bucket": { "name": unit.bucket() }, "object": { "key": key } } })
}
