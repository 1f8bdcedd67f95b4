//! Routes that take their selection from a bucket's notification configuration.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;
use std::time::Duration;

use mdss_relay_core::{Deadline, Decision, Delivery, Door, Plan, Relay, Role, Settings, explain, plan};
use serde_json::{Value, json};

const JD: &str = include_str!("notification/jd-in-order.xml");

fn draft(config: &str) -> mdss_relay_core::Draft {
    let vars = [("RELAY_CONFIG_TOML", config)].map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Explain)
}

fn settings(config: &str) -> Settings {
    draft(config).finish().unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn mistakes(config: &str) -> Vec<String> {
    draft(config).mistakes.iter().map(ToString::to_string).collect()
}

/// A route for bucket `b` with a document in it.
fn route(document: &str, more: &str) -> String {
    format!(
        "[[route]]\nbucket = \"b\"\nstorage_client_id = \"unit-1\"\nnotification = '''{document}'''\n{more}\n"
    )
}

fn planned(settings: &Settings, event: &str, key: &str) -> Plan {
    let record = json!({ "eventSource": "oss", "eventVersion": "1.0", "eventName": event,
        "s3": { "bucket": { "name": "b" }, "object": { "key": key } } });
    plan(&settings.rules, &Delivery::from_function(json!({ "Records": [record] }).to_string(), ""))
}

/// The unit it goes to, or the reason and what there is to say about it.
fn verdict(plan: &Plan) -> String {
    let line: Value = serde_json::from_str(&explain("f", &Door::Open(plan))).unwrap();
    let record = &line["records"][0];
    match &record["request"] {
        Value::Null => {
            format!("{}: {}", record["reason"].as_str().unwrap(), record["detail"].as_str().unwrap_or("-"))
        }
        request => request["storageClientId"].as_str().unwrap().to_owned(),
    }
}

#[test]
fn a_route_takes_what_a_rule_fires_for() {
    let settings = settings(&route(JD, ""));
    for (event, key, want) in [
        ("s3:ObjectCreated:Copy", "contracts/2026 & later/a.pdf", "unit-1"),
        // Whomever the rule tells: it is the object that matters.
        ("s3:ObjectCreated:Put", "elsewhere/a.pdf", "unit-1"),
        (
            "s3:ObjectCreated:Copy",
            "contracts/2025/a.pdf",
            r#"not_selected: no rule of route[0].notification fires for "s3:ObjectCreated:Copy" of "contracts/2025/a.pdf"; rule[0] (id "contracts") wants prefix "contracts/2026 & later/""#,
        ),
        (
            "s3:ObjectCreated:Put",
            "a.txt",
            r#"not_selected: no rule of route[0].notification fires for "s3:ObjectCreated:Put" of "a.txt"; rule[1] wants suffix ".pdf""#,
        ),
        // Removals are never sent, whatever fires.
        ("s3:ObjectRemoved:Delete", "a.pdf", "removed: -"),
    ] {
        assert_eq!(verdict(&planned(&settings, event, key)), want, "{event} {key}");
    }
}

#[test]
fn everything_else_a_route_says_holds_as_well() {
    let more = "prefix = \"elsewhere/\"\nexclude_prefix = \"elsewhere/quarantine/\"\nexclude_suffix = \".tmp.pdf\"\n\
                condition = { eventVersion = \"1.0\" }\n";
    let config = route(JD, more);
    for (config, key, want) in [
        (config.as_str(), "elsewhere/a.pdf", "unit-1"),
        (
            &config,
            "contracts/2026 & later/a.pdf",
            "not_selected: route[0] is the nearest: key \"contracts/2026 & later/a.pdf\" begins with none of prefix \"elsewhere/\"",
        ),
        (
            &config,
            "elsewhere/quarantine/a.pdf",
            "not_selected: route[0] is the nearest: key \"elsewhere/quarantine/a.pdf\" begins with one of exclude_prefix \"elsewhere/quarantine/\"",
        ),
        (
            &config,
            "elsewhere/a.tmp.pdf",
            "not_selected: route[0] is the nearest: key \"elsewhere/a.tmp.pdf\" ends in one of exclude_suffix \".tmp.pdf\"",
        ),
        (
            &config.replace("1.0", "2.0"),
            "elsewhere/a.pdf",
            "not_selected: route[0] is the nearest: by its condition eventVersion is \"1.0\", wanted \"2.0\"",
        ),
    ] {
        assert_eq!(
            verdict(&planned(&settings(config), "s3:ObjectCreated:Put", key)),
            want,
            "{key}\n{config}"
        );
    }
    // The next route gets its turn, and the first document that was against it has the word.
    let other = "[[route]]\nbucket = \"b\"\nprefix = \"x/\"\nstorage_client_id = \"unit-2\"\n";
    let both = settings(&(route(JD, "") + other + &route(JD, "")));
    assert_eq!(verdict(&planned(&both, "s3:ObjectCreated:Put", "x/a.txt")), "unit-2");
    assert!(
        verdict(&planned(&both, "s3:ObjectCreated:Put", "a.txt")).contains("route[0].notification fires")
    );
    assert_eq!(both.warnings, [""; 0]);
}

#[test]
fn a_document_may_stand_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bucket.xml");
    let path = file.to_str().unwrap();
    let config =
        format!("[[route]]\nbucket = \"*\"\nstorage_client_id = \"unit-1\"\nnotification_file = '{path}'\n");
    let missing = mistakes(&config);
    assert_eq!(missing.len(), 1);
    assert!(
        missing[0]
            .starts_with(&format!("route[0].notification_file: found {path:?}, expected a readable file")),
        "{missing:?}"
    );

    std::fs::write(&file, JD).unwrap();
    let read = settings(&config);
    assert_eq!(verdict(&planned(&read, "s3:ObjectCreated:Put", "a.pdf")), "unit-1");
    let against = verdict(&planned(&read, "s3:ObjectCreated:Put", "a.txt"));
    assert!(against.contains(&format!("no rule of route[0].notification_file {path:?} fires")), "{against}");

    std::fs::write(&file, include_str!("notification/minio-overlapping.xml")).unwrap();
    let warnings = settings(&config).warnings;
    assert!(
        warnings[0].starts_with(&format!("route[0].notification_file {path:?}, line 6, rule[0].Event[1]: ")),
        "{warnings:?}"
    );

    std::fs::write(&file, vec![b' '; (4 << 20) + 10]).unwrap();
    assert!(mistakes(&config)[0].contains("at most 4194304 bytes"));
    std::fs::write(&file, [0xff]).unwrap();
    assert!(mistakes(&config)[0].contains("line 1: expected XML in UTF-8"));
}

#[test]
fn mistakes_in_a_document_are_mistakes_of_the_settings() {
    let invalid = include_str!("notification/invalid.xml");
    let told = mistakes(&(route(invalid, "colour = 1") + &route("<Notification>", "")));
    assert_eq!(told.len(), 12, "{told:#?}");
    for want in [
        "route[0].colour: expected a known name",
        "route[0].notification, line 13, rule[0].Event[0]: found \"s3:ObjectCreated:Putt\", expected an event of JD Cloud; is s3:ObjectCreated:Put meant?",
        "route[1].notification, line 1: expected </Notification>, for the <Notification> of line 1; the document ends",
    ] {
        assert!(told.iter().any(|m| m.starts_with(want)), "{want}\n{told:#?}");
    }
    assert!(!format!("{told:?}").contains("s3cret"));
    for (config, want) in [
        (
            route(JD, "notification_file = \"/nowhere\""),
            "route[0].notification_file: expected no value, because the route has notification: one of the two",
        ),
        (
            route(JD, "").replace(&format!("'''{JD}'''"), "7"),
            "route[0].notification: found \"integer\", expected a text",
        ),
        (route(" ", ""), "route[0].notification: found \"\", expected a text that is not empty"),
        (
            route("<NotificationConfiguration/>", ""),
            "route[0].notification: expected at least one rule for s3:ObjectCreated:…: this document takes nothing",
        ),
        (
            route(
                "<NotificationConfiguration><CloudFunctionConfiguration><CloudFunction>f</CloudFunction><Event>s3:ObjectRemoved:*</Event></CloudFunctionConfiguration></NotificationConfiguration>",
                "",
            ),
            "expected at least one rule for s3:ObjectCreated:…",
        ),
    ] {
        let told = mistakes(&config);
        assert!(told.len() == 1 && told[0].contains(want), "{want}\n{told:?}");
    }
}

#[test]
fn a_document_of_s3_selects_by_decoded_keys() {
    let settings = settings(&route(include_str!("notification/amazon-all-targets.xml"), ""));
    let record = |key: &str| {
        let body = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": "b" }, "object": { "key": key } } }] });
        plan(&settings.rules, &Delivery::from_function(body.to_string(), ""))
    };
    for (key, send) in [
        ("raw+files%26more/a", true),
        ("raw%20files%26more/a", true),
        ("raw%2Bfiles%26more/a", false),
        ("images/a.jpg", true),
        ("images/a.gif", false),
    ] {
        assert_eq!(matches!(record(key).records[0].decision, Decision::Send(_)), send, "{key}");
    }
    // An event of OCI is none of S3's: no rule names it.
    let oci = include_str!("../../../events/oci/create.json");
    let any_bucket = route(JD, "").replace("\"b\"", "\"*\"");
    let plan = plan(&self::settings(&any_bucket).rules, &Delivery::from_function(oci, ""));
    assert!(verdict(&plan).contains("wants event \"s3:ObjectCreated:*\""), "{}", verdict(&plan));
}

#[tokio::test]
async fn the_report_says_which_document_was_against_it() {
    let vars =
        [("APIENDPOINT", "https://mdss.invalid/"), ("APIKEY", "k"), ("RELAY_CONFIG_TOML", &route(JD, ""))]
            .map(|(n, v)| (OsString::from(n), OsString::from(v)));
    let relay = Relay::new(Settings::read(vars, Role::Function).finish().unwrap()).unwrap();
    let plan = planned(relay.settings(), "s3:ObjectCreated:Put", "a.txt");
    let deadline = Deadline::new(None, Duration::from_secs(5));
    let report = relay.deliver(&plan, deadline, "call-1").await.json();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["outcome"], "done");
    assert_eq!(report["records"][0]["reason"], "not_selected");
    assert!(
        report["records"][0]["detail"]
            .as_str()
            .unwrap()
            .starts_with("no rule of route[0].notification fires")
    );
}
