//! What a document of notification rules must satisfy. Helpers stand here, the tests in one file for each question.

mod checking;
mod firing;
mod properties;
mod reading;
mod writing;

use std::ffi::OsString;

use super::document::*;
use crate::settings::{Role, Settings};

const JD: &str = include_str!("../../../tests/notification/jd-in-order.xml");
const AMAZON: &str = include_str!("../../../tests/notification/amazon-all-targets.xml");
const MINIO: &str = include_str!("../../../tests/notification/minio-overlapping.xml");
const INVALID: &str = include_str!("../../../tests/notification/invalid.xml");

fn read(text: &str) -> Notification {
    Notification::parse(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{text}"))
}

fn mistakes(text: &str) -> Vec<String> {
    match Notification::parse(text.as_bytes()) {
        Ok(notification) => panic!("no mistake: {notification:?}\n{text}"),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

/// A document on one line.
fn document(rules: &str) -> String {
    format!("<NotificationConfiguration>{rules}</NotificationConfiguration>")
}

fn filter(prefix: &str, suffix: &str) -> String {
    let rule = |name: &str, value: &str| {
        format!("<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>")
    };
    format!("<Filter><S3Key>{}{}</S3Key></Filter>", rule("prefix", prefix), rule("suffix", suffix))
}

fn events(list: &[&str]) -> String {
    list.iter().map(|e| format!("<Event>{e}</Event>")).collect()
}

/// A rule of JD Cloud.
fn jd(prefix: &str, suffix: &str, names: &[&str]) -> String {
    format!(
        "<TopicConfiguration>{}<Topic>NS:https://a.example/in</Topic>{}</TopicConfiguration>",
        filter(prefix, suffix),
        events(names)
    )
}

/// A rule of S3, to a queue.
fn queue(arn: &str, prefix: &str, suffix: &str, names: &[&str]) -> String {
    format!(
        "<QueueConfiguration>{}<Queue>{arn}</Queue>{}</QueueConfiguration>",
        filter(prefix, suffix),
        events(names)
    )
}

const AMAZONS: &str = "arn:aws:sqs:eu-central-1:111122223333:q";
const MINIOS: &str = "arn:minio:sqs::relay:webhook";
const CREATED: &[&str] = &["s3:ObjectCreated:*"];

/// The rules without their lines.
fn bare_rules(notification: &Notification) -> Vec<Rule> {
    notification.rules.iter().map(|r| Rule { line: 0, ..r.clone() }).collect()
}

fn settings(routes: &str) -> Settings {
    let vars = [("RELAY_CONFIG_TOML", routes)].map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Explain).finish().unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn route(more: &str) -> String {
    format!("[[route]]\nstorage_client_id = \"u\"\n{more}\n")
}

fn addresses() -> Target {
    Target::Addresses(vec![Address::new("https://relay.example/jd").unwrap()])
}
