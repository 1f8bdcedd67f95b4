//! The rules by which Pub/Sub pushes, replayed against the real server: no object is given up while MDSS is away, misconfigured
//! or refuses, and what can never succeed is not pushed for ever.
//!
//! Rules: a message is done with 102, 200, 201, 202 or 204, and comes again after everything else (Google, "Receive messages by
//! push subscription"). With a dead-letter topic it comes at most as often as that says, 5 to 100 times, and is then published
//! there ("Handle message failures").

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drive::{Program, Server};
use mdss_sim::{Away, Config, DEFAULT_API_KEY, Refusal, Sim, StatusCode, Step, units};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20);
const PATH: &str = "/gcs/a-long-path-secret-1";
const DONE: [u16; 5] = [102, 200, 201, 202, 204];

/// A subscription: what waits for its acknowledgement, and what became of the rest.
#[derive(Default)]
struct Subscription {
    waiting: Vec<Message>,
    done: BTreeSet<String>,
    dead: BTreeSet<String>,
    /// How often a message comes at most, if there is a dead-letter topic.
    most: Option<u32>,
    /// The statuses of the last round.
    statuses: Vec<u16>,
}

struct Message {
    name: String,
    attributes: serde_json::Value,
    data: String,
    attempt: u32,
}

impl Subscription {
    /// A message about a new object, or, with other attributes, about nothing.
    fn publish(&mut self, name: &str, attributes: serde_json::Value) {
        let data = json!({ "kind": "storage#object", "name": name, "bucket": "b", "size": "3" }).to_string();
        let data = STANDARD.encode(data);
        self.waiting.push(Message { name: name.to_owned(), attributes, data, attempt: 0 });
    }

    fn finalized(&mut self, name: &str) {
        self.publish(
            name,
            json!({ "eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": name, "objectGeneration": "7" }),
        );
    }

    /// Pushes everything that waits, once.
    async fn push(&mut self, server: &Server) {
        self.statuses.clear();
        for mut message in std::mem::take(&mut self.waiting) {
            message.attempt += 1;
            let mut body = json!({
                "message": { "attributes": message.attributes, "data": message.data, "messageId": message.name },
                "subscription": "projects/p/subscriptions/s",
            });
            if self.most.is_some() {
                body["deliveryAttempt"] = message.attempt.into();
            }
            let answer = server.send("POST", PATH, &[], body.to_string()).await.unwrap();
            self.statuses.push(answer.status);
            match answer.status {
                status if DONE.contains(&status) => _ = self.done.insert(message.name),
                _ if self.most.is_some_and(|most| message.attempt >= most) => {
                    _ = self.dead.insert(message.name)
                }
                _ => self.waiting.push(message),
            }
        }
    }

    fn given_up(&self) -> usize {
        self.done.len() + self.dead.len()
    }
}

/// The relay as Cloud Run runs it, with one route.
fn relay(url: &str, key: &str, bucket: &str, source: &str) -> Program {
    let config = format!(
        "[[route]]\nbucket = \"{bucket}\"\nstorage_client_id = \"{}\"\n\
         [[source]]\nname = \"gcs\"\npath = \"/gcs\"\ndialect = \"gcs\"\n{source}\
         auth = {{ path_secret = {{ secret = \"a-long-path-secret-1\" }} }}\n",
        units::GOOGLE
    );
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", url)
        .env("APIKEY", key)
        .env("RELAY_CONFIG_TOML", config)
        .env("RELAY_DEADLINE", "2s")
        .env("RELAY_ATTEMPTS", "2")
}

async fn start(program: Program) -> Server {
    Server::start(&program, LIMIT).await.unwrap()
}

#[tokio::test]
async fn no_object_is_given_up_while_mdss_is_away_misconfigured_or_refuses() {
    let mut subscription = Subscription { most: Some(100), ..Subscription::default() };
    ["a b+c%20.pdf", "é.pdf", "folder/x"].iter().for_each(|name| subscription.finalized(name));
    let away = Away::new().unwrap();
    let server = start(relay(&away.url(), DEFAULT_API_KEY, "b", "")).await;
    subscription.push(&server).await;
    assert_eq!((subscription.statuses.as_slice(), subscription.given_up()), (&[429; 3][..], 0), "away");

    for (what, key, bucket, step) in [
        ("a wrong key", "another-key", "b", None),
        ("no route", DEFAULT_API_KEY, "another-bucket", None),
        ("restarting", DEFAULT_API_KEY, "b", Some(Step::Unavailable)),
        (
            "asks to wait",
            DEFAULT_API_KEY,
            "b",
            Some(Step::RetryAfter { status: StatusCode::TOO_MANY_REQUESTS, seconds: 60 }),
        ),
        ("not event based", DEFAULT_API_KEY, "b", Some(Step::OkButRefused(Refusal::NotEventBased))),
        ("a web page", DEFAULT_API_KEY, "b", Some(Step::WebPage)),
        ("half an answer", DEFAULT_API_KEY, "b", Some(Step::ResetAfterHeaders)),
    ] {
        let sim = Sim::start(Config::default()).await.unwrap();
        sim.push(step.into_iter().cycle().take(6));
        let server = start(relay(&sim.url(), key, bucket, "")).await;
        subscription.push(&server).await;
        assert_eq!((subscription.statuses.as_slice(), subscription.given_up()), (&[429; 3][..], 0), "{what}");
        assert_eq!(sim.accepted().len(), 0, "{what}");
    }

    let sim = away.back(Config::default()).await.unwrap();
    let server = start(relay(&sim.url(), DEFAULT_API_KEY, "b", "")).await;
    subscription.push(&server).await;
    assert_eq!((subscription.waiting.len(), subscription.done.len(), subscription.dead.len()), (0, 3, 0));
    let accepted: Vec<_> = sim.accepted().into_iter().map(|a| (a.key, a.times)).collect();
    assert_eq!(accepted, ["a b+c%20.pdf", "folder/x", "é.pdf"].map(|key| (key.to_owned(), 1)));
}

/// What says nothing of any object: a message of another service, and one that names none.
fn garbage(subscription: &mut Subscription) {
    subscription.publish("build", json!({ "buildId": "1", "status": "SUCCESS" }));
    subscription
        .publish("nameless", json!({ "eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "" }));
}

#[tokio::test]
async fn what_can_never_succeed_is_acknowledged_once_it_is_written_down() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(relay(&sim.url(), DEFAULT_API_KEY, "b", "")).await;
    let mut subscription = Subscription::default();
    garbage(&mut subscription);
    subscription.push(&server).await;
    assert_eq!((subscription.statuses.as_slice(), subscription.waiting.len()), (&[200, 200][..], 0));
    for reason in ["missing_event_name", "missing_key"] {
        server.process.wait_for_line(reason, LIMIT).await.unwrap();
    }
    let page = server.send("GET", "/metrics", &[], "").await.unwrap();
    assert!(page.text().contains("mdss_relay_unusable_total{source=\"gcs\"} 2"), "{}", page.text());
}

/// Where an operator says that there is a dead-letter topic, it is kept there instead, with everything it was.
#[tokio::test]
async fn what_can_never_succeed_ends_in_the_dead_letter_topic_if_there_is_one() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(relay(&sim.url(), DEFAULT_API_KEY, "b", "redelivers = \"dead-letters\"\n")).await;
    let mut subscription = Subscription { most: Some(5), ..Subscription::default() };
    garbage(&mut subscription);
    subscription.finalized("good");
    for _ in 0..5 {
        subscription.push(&server).await;
    }
    assert_eq!(subscription.done, BTreeSet::from(["good".to_owned()]));
    assert_eq!(subscription.dead, ["build", "nameless"].map(str::to_owned).into());
    assert_eq!(sim.accepted_keys(), ["good"]);
}

fn spooled(program: Program, folder: &Path) -> Program {
    program.env("RELAY_MODE", "spooled").env("RELAY_DATA_DIR", folder)
}

/// With a disk the event is safe before MDSS is asked, and what cannot be used is parked.
#[tokio::test]
async fn with_a_spool_everything_is_acknowledged_from_the_disk() {
    let away = Away::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = spooled(relay(&away.url(), DEFAULT_API_KEY, "b", ""), folder.path());
    let server = start(program).await;
    let mut subscription = Subscription::default();
    subscription.finalized("kept");
    garbage(&mut subscription);
    subscription.push(&server).await;
    assert_eq!((subscription.statuses.as_slice(), subscription.waiting.len()), (&[200; 3][..], 0));
    let sim = away.back(Config::default()).await.unwrap();
    drive::until("the object at MDSS", LIMIT, async || sim.accepted_keys() == ["kept"]).await.unwrap();
    let page = server.send("GET", "/metrics", &[], "").await.unwrap().text();
    let parked: Vec<_> =
        page.lines().filter(|line| line.contains("parked") && !line.starts_with('#')).collect();
    assert!(
        parked.iter().any(|line| line.contains("missing_event_name") && line.ends_with(" 1")),
        "{parked:?}"
    );
}
