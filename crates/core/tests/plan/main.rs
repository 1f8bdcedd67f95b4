//! `plan` on what senders should not send, and on every envelope: it says what is wrong, and costs no good record anything.
//! Helpers stand here, the tests in one file for each question.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod azure;
mod bad_input;
mod credentials;
mod gcs;
mod handshakes;
mod keys;
mod oci;
mod oracle;
mod pins;
mod properties;
mod queues;
mod reconcile;
mod small_bodies;
mod streams;
mod wrapped;

use std::ffi::OsString;

use mdss_relay_core::{
    Decision, Delivery, Dialect, Door, Kind, Plan, Planned, Role, Settings, explain, plan,
};
use serde_json::{Value, json};

fn settings() -> Settings {
    let vars = [("STORAGECLIENTID", "unit-1")].map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Explain).finish().unwrap()
}

fn planned(body: impl Into<Vec<u8>>) -> Plan {
    plan(&settings().rules, &Delivery::from_function(body, ""))
}

fn http(dialect: Option<Dialect>, headers: &[(&str, &str)], body: &[u8]) -> Plan {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let delivery = Delivery {
        source: Some("s".into()),
        dialect,
        method: "POST".into(),
        headers,
        body: body.to_vec(),
        id: String::new(),
    };
    plan(&settings().rules, &delivery)
}

/// "send", or the reason.
fn verdict(record: &Planned) -> &'static str {
    match &record.decision {
        Decision::Send(_) => "send",
        Decision::Skip(reason) => reason.name(),
        Decision::Fail(failure) => failure.cause.name(),
    }
}

fn verdicts(plan: &Plan) -> Vec<&'static str> {
    plan.records.iter().map(verdict).collect()
}

fn detail(record: &Planned) -> &str {
    match &record.decision {
        Decision::Fail(failure) => &failure.detail,
        other => panic!("{other:?}"),
    }
}

fn s3(object: &str) -> String {
    format!(
        r#"{{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{{"bucket":{{"name":"b"}},"object":{object}}}}}"#
    )
}

/// Every byte that is not unreserved, as any URL encoder may write it.
fn percent_encode(text: &str) -> String {
    let unreserved = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    text.bytes()
        .map(|b| if unreserved(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
