//! A CloudEvent in both of its forms: what stands in headers and a body means what it means in members.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mdss_relay_core::{Delivery, Dialect, Door, explain};
use serde_json::{Map, Value};

use crate::head;
use crate::plan::{SETTINGS, check};

const ATTRIBUTES: [&str; 5] = ["type", "source", "subject", "id", "time"];

/// Plans an event in the binary and in the structured form, and compares what becomes of it.
///
/// The first line of the input is the name of the dialect its source is pinned to, or `-`; lines of attributes follow up to an
/// empty line, and then the data.
pub fn cloudevents(bytes: &[u8]) {
    let Some(parts) = head::split(bytes) else { return };
    let dialect = match parts.first {
        "-" => None,
        name => match name.parse::<Dialect>() {
            Ok(dialect) => Some(dialect),
            Err(_) => return,
        },
    };
    // An attribute that stands there twice is two readers' choice, and an event has a type.
    let mut attributes = Map::new();
    for (name, value) in &parts.headers {
        let Ok(value) = str::from_utf8(value) else { return };
        if ATTRIBUTES.contains(name) && attributes.insert((*name).to_owned(), value.into()).is_some() {
            return;
        }
    }
    if !attributes.contains_key("type") || parts.body.is_empty() {
        return;
    }
    let deliver = |headers, body| Delivery {
        source: Some("s".into()),
        dialect,
        method: "POST".into(),
        headers,
        body,
        id: String::new(),
    };
    let header = |(name, value): (&String, &Value)| {
        (format!("ce-{name}"), percent_encoded(value.as_str().unwrap_or_default()))
    };
    let mut headers: Vec<_> = attributes.iter().map(header).collect();
    headers.push(("ce-specversion".into(), "1.0".into()));
    let binary = deliver(headers, parts.body.to_vec());

    attributes.insert("specversion".into(), "1.0".into());
    attributes.insert("data_base64".into(), STANDARD.encode(parts.body).into());
    let structured = deliver(Vec::new(), Value::Object(attributes).to_string().into_bytes());
    let (binary, structured) = (outcome(&binary), outcome(&structured));
    // A pinned dialect may know the members of the one form and not the body of the other: then each is refused in its own words.
    if binary["outcome"] != "reject" || structured["outcome"] != "reject" {
        assert_eq!(binary, structured);
    }
}

/// All that is said of a delivery.
fn outcome(delivery: &Delivery) -> Value {
    let plan = mdss_relay_core::plan(&SETTINGS.rules, delivery);
    check(&plan, delivery);
    serde_json::from_str(&explain("f", &Door::Open(&plan))).expect("the line is JSON")
}

/// As the HTTP binding has it in headers.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if !matches!(byte, b'%' | b'"') => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    encoded
}
