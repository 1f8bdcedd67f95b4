//! `deliver` against the stand-in, over real sockets: what each answer of MDSS, and each lack of one, leads to.
//! Helpers stand here, the tests in one file for each question.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod answers;
mod api_key;
mod batches;
mod repeats;
mod wire;

use std::ffi::OsString;
use std::time::{Duration, Instant};

use mdss_relay_core::{Deadline, Decision, Delivery, Outcome, Relay, Report, Role, Settings};
use mdss_sim::{Config, DEFAULT_API_KEY, HeaderValue, Sim, StatusCode, Step, units};
use serde_json::{Value, json};

const OWN: Duration = Duration::from_secs(25);

/// Settings with short pauses; `more` wins.
fn settings(sim: &Sim, more: &[(&str, &str)]) -> Settings {
    let url = sim.url();
    let mut vars = vec![
        ("APIENDPOINT", url.as_str()),
        ("APIKEY", DEFAULT_API_KEY),
        ("STORAGECLIENTID", units::AMAZON_S3),
    ];
    for (name, value) in more {
        vars.retain(|(n, _)| n != name);
        vars.push((name, value));
    }
    let vars = vars.into_iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Function).finish().unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn event(keys: &[&str]) -> Delivery {
    Delivery::from_function(mdss_sim::created("aws:s3", "invoices", keys), "call-1")
}

async fn deliver(settings: Settings, delivery: &Delivery, left: Option<Duration>) -> Report {
    let relay = Relay::new(settings).unwrap();
    let plan = relay.plan(delivery);
    relay.deliver(&plan, Deadline::new(left, OWN), "call-1").await
}

/// One object, with a script; what came of it and how many requests it took.
async fn one(steps: impl IntoIterator<Item = Step>, more: &[(&str, &str)]) -> (Report, usize) {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push(steps);
    let report = deliver(settings(&sim, more), &event(&["a.txt"]), None).await;
    let requests = sim.requests().len();
    sim.stop().await;
    (report, requests)
}

fn reason(report: &Report) -> &str {
    report.records[0].reason.unwrap_or("accepted")
}
