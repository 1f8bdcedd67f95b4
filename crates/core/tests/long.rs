//! Deliveries that are long or full of garbage: what they cost in answers and in lines is bounded by what their sender paid,
//! and no object is lost in a number.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mdss_relay_core::{Deadline, Delivery, Kept, Plan, Report, Role, Settings, plan};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

fn settings() -> Settings {
    let vars = [("STORAGECLIENTID", "unit-1")].map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Explain).finish().unwrap()
}

fn planned(body: String) -> Plan {
    plan(&settings().rules, &Delivery::from_function(body, ""))
}

/// Whatever is logged, a text a line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("mdss_relay_core")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, " {}={value:?}", field.name());
            }
        }
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The report of a delivery of which nothing was kept, and the lines about it.
fn told(body: String) -> (Report, Vec<String>) {
    let lines = Lines::default();
    let report = tracing::subscriber::with_default(lines.clone(), || {
        let plan = planned(body);
        Report::kept(&plan, &vec![Kept::Nothing; plan.records.len()], Duration::ZERO, "d-1")
    });
    let lines = lines.0.lock().unwrap().clone();
    (report, lines)
}

fn records(n: usize, record: impl Fn(usize) -> Value) -> String {
    json!({ "Records": (0..n).map(record).collect::<Vec<_>>() }).to_string()
}

fn named(name: &str, key: usize) -> Value {
    json!({ "eventSource": "aws:s3", "eventName": name, "s3": { "bucket": { "name": "b" }, "object": { "key": format!("key-{key}!") } } })
}

#[test]
fn a_report_of_many_records_is_their_number_and_the_first_that_failed() {
    let mixed = |n: usize| {
        records(n, |i| named(if i % 2 == 0 { "ObjectDreamt:Put" } else { "ObjectRemoved:Delete" }, i))
    };
    let few: Value = serde_json::from_str(&told(mixed(300)).0.json()).unwrap();
    assert_eq!((few["records"].as_array().unwrap().len(), few.get("counts")), (300, None));

    let (report, _) = told(mixed(5000));
    assert_eq!(report.records.len(), 5000, "whoever counts them sees them all");
    let many: Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(many["outcome"], "permanent");
    assert_eq!(many["counts"], json!({ "failed": 2500, "skipped": 2500 }));
    let listed = many["records"].as_array().unwrap();
    assert_eq!(listed.len(), 100);
    assert!(listed.iter().all(|r| r["reason"] == "unknown_event"), "{many}");
    assert_eq!(listed[99]["key"], "key-198!");
}

#[test]
fn a_report_has_no_more_bytes_than_it_may() {
    // A few long names, and one that is longer than all that may be listed.
    for (n, length) in [(40, 60_000), (1, 3_000_000)] {
        let long = "k".repeat(length);
        let body = records(
            n,
            |_| json!({ "eventSource": "aws:s3", "eventName": "ObjectDreamt:Put", "s3": { "bucket": { "name": "b" }, "object": { "key": long } } }),
        );
        let (report, _) = told(body);
        let text = report.json();
        assert!(text.len() < 300_000, "{} bytes", text.len());
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["counts"], json!({ "failed": n }));
    }
}

#[test]
fn records_that_nobody_can_read_are_counted_beyond_the_first() {
    for garbage in ["1", "{}", r#"{"eventSource":1}"#] {
        let body = format!(r#"{{"Records":[{}]}}"#, vec![garbage; 20_000].join(","));
        let sent = body.len();
        let plan = planned(body.clone());
        assert_eq!(plan.records.len(), 101, "{garbage}");
        let (report, lines) = told(body);
        assert!(report.worst().is_some());
        let last = report.records.last().unwrap();
        assert!(
            last.detail.as_ref().unwrap().contains("(and 19899 more behind it that cannot be read)"),
            "{last:?}"
        );
        let written: usize = lines.iter().map(String::len).sum();
        assert!(lines.len() <= 103 && written < 100_000, "{} lines, {written} bytes for {sent}", lines.len());
    }
    // A good one among them is not lost, wherever it stands.
    let good = named("ObjectCreated:Put", 7).to_string();
    let body =
        format!(r#"{{"Records":[{},{good},{}]}}"#, vec!["1"; 5000].join(","), vec!["1"; 5000].join(","));
    let plan = planned(body);
    assert!(plan.records.iter().any(|r| r.key.as_ref().is_some_and(|k| k.as_str() == "key-7!")));
}

#[test]
fn the_lines_of_a_delivery_are_bounded_and_every_object_is_in_one() {
    for (name, words) in [
        ("ObjectDreamt:Put", "more records of this delivery failed"),
        ("ObjectRemoved:Delete", "more events of this delivery were skipped"),
        ("s3:TestEvent", "more events of this delivery were skipped"),
    ] {
        let body = records(20_000, |i| named(name, i));
        let sent = body.len();
        let (report, lines) = told(body);
        let written: usize = lines.iter().map(String::len).sum();
        assert!(written < sent, "{name}: {written} bytes of log for {sent}");
        assert!(lines.len() < 300, "{name}: {} lines", lines.len());
        let more: usize = lines
            .iter()
            .filter(|line| line.contains(words))
            .map(|line| {
                line.split("mdss.more=").nth(1).unwrap().split(' ').next().unwrap().parse::<usize>().unwrap()
            })
            .sum();
        assert_eq!(more + 100, report.records.len(), "{name}");
        if name != "s3:TestEvent" {
            let all = lines.join("\n");
            for key in [0, 99, 100, 101, 9_999, 19_999] {
                assert!(all.contains(&format!("key-{key}!")), "{name}: key-{key}!");
            }
        }
    }
}

#[test]
fn warnings_are_bounded_too() {
    let body = records(1000, |i| named("ObjectCreated:FromTheFuture", i));
    let (_, lines) = told(body);
    let warnings = lines.iter().filter(|line| line.contains("unknown member of ObjectCreated")).count();
    assert_eq!(warnings, 100);
    assert!(lines.iter().any(|line| line.contains("and 900 more warnings")), "{lines:?}");
}

#[tokio::test]
async fn what_is_delivered_has_a_line_each() {
    let sim = mdss_sim::Sim::start(mdss_sim::Config::default()).await.unwrap();
    let url = sim.url();
    let vars = [
        ("APIENDPOINT", url.as_str()),
        ("APIKEY", mdss_sim::DEFAULT_API_KEY),
        ("STORAGECLIENTID", mdss_sim::units::AMAZON_S3),
    ];
    let vars = vars.map(|(n, v)| (OsString::from(n), OsString::from(v)));
    let relay = mdss_relay_core::Relay::new(Settings::read(vars, Role::Function).finish().unwrap()).unwrap();
    let lines = Lines::default();
    let guard = tracing::subscriber::set_default(lines.clone());
    let body = records(400, |i| named("ObjectCreated:Put", i));
    let plan = relay.plan(&Delivery::from_function(body, ""));
    let report = relay.deliver(&plan, Deadline::new(None, Duration::from_secs(25)), "call").await;
    drop(guard);
    let accepted =
        lines.0.lock().unwrap().iter().filter(|line| line.contains("object accepted by MDSS")).count();
    assert_eq!(accepted, 400, "each with its correlation id");
    let json: Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json, json!({ "outcome": "done", "counts": { "accepted": 400 }, "records": [] }));
    sim.stop().await;
}

/// The places of the texts in a value.
fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, inner)| texts(inner, &format!("{at}/{i}"), found));
        }
        Value::Object(members) => members.iter().for_each(|(name, inner)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            texts(inner, &format!("{at}/{name}"), found);
        }),
        _ => {}
    }
}

#[test]
fn no_text_of_a_sender_makes_a_long_line() {
    let events = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let long = "x".repeat(100_000);
    let mut tried = 0;
    for file in [
        "aws-eventbridge/create.json",
        "aws-s3/create.json",
        "aws-sns/create.json",
        "aws-sqs/create.json",
        "ceph/create.json",
        "minio/create.json",
        "oci/create.json",
        "oci/classic-type.json",
    ] {
        let Ok(text) = std::fs::read_to_string(events.join(file)) else { panic!("{file} is not there") };
        let sent: Value = serde_json::from_str(&text).unwrap();
        let mut places = Vec::new();
        texts(&sent, "", &mut places);
        for place in places {
            let old = sent.pointer(&place).unwrap().as_str().unwrap();
            // Names have parts, and their first ones decide whose they are.
            let parts = old.match_indices(['.', ':']).map(|(at, _)| &old[..=at]);
            for begins in [old, ""].into_iter().chain(parts.take(5)) {
                let mut value = sent.clone();
                *value.pointer_mut(&place).unwrap() = Value::String(format!("{begins}{long}"));
                let (_, lines) = told(value.to_string());
                for line in lines {
                    // An object is named whole, once: somebody has to find it.
                    let names = usize::from(line.contains("faas.document."));
                    let line = line.replacen(&long, "", names);
                    assert!(line.len() < 10_000, "{file}{place}: {} … of {} bytes", &line[..300], line.len());
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
}
