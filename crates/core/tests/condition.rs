//! Conditions and compartments in routes, for the records of every dialect.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mdss_relay_core::{Cause, Decision, Delivery, Dialect, Plan, Role, Settings, plan, subjects};
use serde_json::{Value, json};

/// One `[[route]]` a text, all of them for every bucket; the unit's id says which.
fn routes(members: &[&str]) -> Settings {
    let route = |(index, members): (usize, &&str)| {
        format!("[[route]]\nbucket = \"*\"\nstorage_client_id = \"unit-{index}\"\n{members}\n")
    };
    let config: String = members.iter().enumerate().map(route).collect();
    let vars = [(OsString::from("RELAY_CONFIG_TOML"), OsString::from(config))];
    Settings::read(vars, Role::Explain).finish().unwrap()
}

/// The unit each object goes to, or the reason why not.
fn verdicts_of(plan: &Plan) -> Vec<String> {
    let verdict = |decision: &Decision| match decision {
        Decision::Send(submission) => {
            serde_json::to_value(submission).unwrap()["storageClientId"].as_str().unwrap().to_owned()
        }
        Decision::Skip(reason) => reason.name().to_owned(),
        Decision::Fail(failure) => failure.to_string(),
    };
    plan.records.iter().map(|r| verdict(&r.decision)).collect()
}

fn verdicts(settings: &Settings, body: &impl ToString) -> Vec<String> {
    verdicts_of(&plan(&settings.rules, &Delivery::from_function(body.to_string(), "")))
}

fn oci(name: &str, event: Value, resource: Value) -> Value {
    json!({
        "cloudEventsVersion": "0.1", "eventType": "com.oraclecloud.objectstorage.createobject", "source": "ObjectStorage",
        "extensions": { "compartmentId": event },
        "data": { "resourceName": name, "compartmentId": resource,
                  "additionalDetails": { "bucketName": "b", "namespace": "ns" } }
    })
}

fn s3(source: &str, key: &str) -> Value {
    json!({ "eventSource": source, "eventName": "ObjectCreated:Put", "awsRegion": "eu",
            "s3": { "bucket": { "name": "b" }, "object": { "key": key } } })
}

#[test]
fn a_route_takes_what_its_condition_matches() {
    let settings = routes(&[
        r#"condition = { data = { resourceName = ["in/*", "*.pdf"] } }"#,
        r#"condition = '{"data": {"additionalDetails": {"namespace": "n*"}, "resourceName": "out/*"}}'"#,
    ]);
    for (name, want) in
        [("in/a", "unit-0"), ("out/a.pdf", "unit-0"), ("out/a", "unit-1"), ("a", "not_selected")]
    {
        assert_eq!(verdicts(&settings, &oci(name, json!(null), json!(null))), [want], "{name}");
    }
}

/// What a delivery of one dialect says about `in/a` and `out/b`, in one delivery or in two.
fn both(dialect: Dialect) -> Vec<Delivery> {
    let function = |body: Value| vec![Delivery::from_function(body.to_string(), "")];
    let records = |source: &str| json!({ "Records": [s3(source, "in/a"), s3(source, "out/b")] });
    let events = ["in/a", "out/b"].map(|name| oci(name, json!(null), json!(null)));
    match dialect {
        Dialect::Oci => events.into_iter().flat_map(function).collect(),
        Dialect::OciStream => {
            let record = |(offset, event): (usize, Value)| {
                json!({ "stream": "s", "partition": "0", "key": null, "offset": offset, "timestamp": 0,
                        "value": STANDARD.encode(event.to_string()) })
            };
            function(events.into_iter().enumerate().map(record).collect())
        }
        Dialect::OciNotifications => {
            let post = |event: Value| Delivery {
                method: "POST".into(),
                headers: vec![("X-OCI-NS-MessageType".into(), "Notification".into())],
                ..Delivery::from_function(event.to_string(), "")
            };
            events.into_iter().map(post).collect()
        }
        Dialect::AwsSqs => {
            let body = records("aws:s3").to_string();
            function(json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "m", "body": body }] }))
        }
        Dialect::AwsSns => {
            let body = records("aws:s3").to_string();
            function(json!({ "Type": "Notification", "TopicArn": "arn", "Message": body }))
        }
        Dialect::AwsEventBridge => ["in/a", "out/b"]
            .map(|key| {
                json!({ "source": "aws.s3", "detail-type": "Object Created",
                        "detail": { "bucket": { "name": "b" }, "object": { "key": key } } })
            })
            .into_iter()
            .flat_map(function)
            .collect(),
        Dialect::JdCloudFunction => {
            let record = |key: &str| {
                json!({ "source": "oss", "detail": { "eventName": "s3:ObjectCreated:Put",
                        "s3": { "bucket": { "name": "b" }, "object": { "key": key } } } })
            };
            function(json!({ "Records": [record("in/a"), record("out/b")] }))
        }
        Dialect::AwsS3 => function(records("aws:s3")),
        Dialect::JdCloud => function(records("oss")),
        Dialect::Minio => function(records("minio:s3")),
        Dialect::Rustfs => function(records("rustfs:s3")),
        Dialect::Ceph => function(records("ceph:s3")),
        Dialect::StorageGrid => function(records("sgws:s3")),
        Dialect::Gcs => ["in/a", "out/b"]
            .map(|name| {
                let data = STANDARD.encode(json!({ "name": name, "bucket": "b" }).to_string());
                let attributes = json!({ "eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": name });
                json!({ "message": { "attributes": attributes, "data": data }, "subscription": "s" })
            })
            .into_iter()
            .flat_map(function)
            .collect(),
        Dialect::S3Compatible => function(records("acme:s3")),
        other => panic!("{other}: no delivery of it is written here"),
    }
}

#[test]
fn it_sees_the_innermost_value_of_each_record_in_every_dialect() {
    let on_records = routes(&[r#"condition = { s3 = { object = { key = "in/*" } }, eventName = "*" }"#]);
    let on_events = routes(&[r#"condition = { data = { resourceName = "in/*" }, source = "*" }"#]);
    let on_bridge = routes(&[r#"condition = { source = "aws.s3", detail = { object = { key = "in/*" } } }"#]);
    let on_functions =
        routes(&[r#"condition = { source = "oss", detail = { s3 = { object = { key = "in/*" } } } }"#]);
    let on_objects = routes(&[r#"condition = { name = "in/*", bucket = "*" }"#]);
    // One of each shape; what keeps a record's JSON is the same for all.
    for dialect in &[
        Dialect::Oci,
        Dialect::OciStream,
        Dialect::OciNotifications,
        Dialect::AwsS3,
        Dialect::AwsEventBridge,
        Dialect::AwsSns,
        Dialect::AwsSqs,
        Dialect::JdCloud,
        Dialect::JdCloudFunction,
        Dialect::Minio,
        Dialect::Rustfs,
        Dialect::Ceph,
        Dialect::StorageGrid,
        Dialect::Gcs,
        Dialect::S3Compatible,
    ] {
        let oracle = matches!(dialect, Dialect::Oci | Dialect::OciStream | Dialect::OciNotifications);
        let settings = match dialect {
            _ if oracle => &on_events,
            Dialect::AwsEventBridge => &on_bridge,
            Dialect::JdCloudFunction => &on_functions,
            Dialect::Gcs => &on_objects,
            _ => &on_records,
        };
        let plans: Vec<_> = both(*dialect).iter().map(|delivery| plan(&settings.rules, delivery)).collect();
        assert!(
            plans.iter().all(|plan| plan.dialect.map(Dialect::name) == Some(dialect.name())),
            "{dialect}: {plans:?}"
        );
        let said: Vec<_> = plans.iter().flat_map(verdicts_of).collect();
        assert_eq!(said, ["unit-0", "not_selected"], "{dialect}");
    }
}

/// Whoever uploads an object chooses `callBackVar`, so no route may ask about it.
#[test]
fn what_an_uploader_writes_decides_nothing() {
    for condition in [
        r#"{ callBackVar = { callBackVars = { department = "legal" } } }"#,
        r#"'{"detail": {"callBackVar": "*"}}'"#,
        r#"{ a = [{ callBackVar = 1 }] }"#,
    ] {
        let route = format!(
            "[[route]]\nbucket = \"*\"\nstorage_client_id = \"5b0e3f0c-6d2a-4b7e-9d55-0f6c1c2a9e01\"\ncondition = {condition}"
        );
        let vars = [(OsString::from("RELAY_CONFIG_TOML"), OsString::from(route))];
        let mistakes = Settings::read(vars, Role::Explain).finish().unwrap_err();
        assert_eq!(
            mistakes[0].to_string(),
            "route[0].condition: found \"callBackVar\", expected fields that the provider writes; the uploader chooses this one, \
             so no condition may use it"
        );
    }
}

/// The record as it was sent: the key is still encoded.
#[test]
fn it_sees_what_was_sent_and_not_what_was_read() {
    let settings = routes(&[r#"condition = { s3 = { object = { key = "a+b" } } }"#]);
    assert_eq!(
        verdicts(&settings, &json!({ "Records": [s3("aws:s3", "a+b"), s3("aws:s3", "a b")] })),
        ["unit-0", "not_selected"]
    );
}

#[test]
fn a_bucket_is_named_before_a_condition_is_asked() {
    let config = "[[route]]\nbucket = \"other\"\nstorage_client_id = \"unit-0\"\ncondition = {}";
    let vars = [(OsString::from("RELAY_CONFIG_TOML"), OsString::from(config))];
    let settings = Settings::read(vars, Role::Explain).finish().unwrap();
    let body = json!({ "Records": [s3("aws:s3", "k")] });
    assert!(verdicts(&settings, &body)[0].starts_with("unmapped_bucket: "));
}

/// An object must not stay unscanned because a stranger wrote a field twice, and not go to the wrong unit either.
#[test]
fn a_record_that_is_ambiguous_where_a_condition_looks_fails() {
    let settings = routes(&[
        r#"prefix = "in/"
        condition = { awsRegion = "eu" }"#,
        "",
    ]);
    let twice = |key: &str| s3("aws:s3", key).to_string().replacen('{', r#"{"tag":1,"tag":2,"#, 1);
    let body = format!(r#"{{"Records":[{},{}]}}"#, twice("in/a"), twice("out/a"));
    assert_eq!(verdicts(&settings, &body), ["unit-0", "unit-1"], "nobody looks there");

    let settings = routes(&[
        r#"prefix = "in/"
        condition = { tag = 1 }"#,
        "",
    ]);
    let plan = plan(&settings.rules, &Delivery::from_function(body, ""));
    let Decision::Fail(failure) = &plan.records[0].decision else { panic!("{:?}", plan.records[0].decision) };
    assert_eq!(failure.cause, Cause::Unreadable);
    assert_eq!(
        failure.detail,
        "tag: stands there twice, expected once, because a route's condition looks there"
    );
    assert!(matches!(plan.records[1].decision, Decision::Send(_)), "its neighbour is not harmed");
}

#[test]
fn compartments_stand_in_for_the_scope_of_a_rule() {
    let settings = routes(&[r#"compartments = ["ocid1.compartment.oc1..a", "ocid1.tenancy.oc1..root"]"#]);
    let id = |name: &str| json!(format!("ocid1.compartment.oc1..{name}"));
    for (event, resource, want) in [
        (id("a"), id("a"), "unit-0"),
        (id("a"), json!(null), "unit-0"),
        (id("b"), id("a"), "unit-0"),
        (json!("ocid1.tenancy.oc1..root"), id("b"), "unit-0"),
        (id("b"), id("b"), "not_selected"),
        (id("A"), id("aa"), "not_selected"),
        (json!(null), json!(7), "not_selected"),
    ] {
        assert_eq!(verdicts(&settings, &oci("k", event.clone(), resource)), [want], "{event}");
    }
    let mut s3 = s3("aws:s3", "k");
    s3["data"] = json!({ "compartmentId": "ocid1.compartment.oc1..a" });
    assert_eq!(verdicts(&settings, &json!({ "Records": [s3] })), ["not_selected"], "OCI only");

    let body = oci("k", id("a"), id("a")).to_string();
    let body = body.replacen(r#""extensions":{"#, r#""extensions":{"compartmentId":"x","#, 1);
    let plan = plan(&settings.rules, &Delivery::from_function(body, ""));
    let Decision::Fail(failure) = &plan.records[0].decision else { panic!("{:?}", plan.records[0].decision) };
    assert_eq!(failure.cause, Cause::Unreadable);
    assert!(failure.detail.starts_with("extensions: duplicate field"), "{}", failure.detail);
}

#[test]
fn the_tool_sees_what_routes_see() {
    let seen = |body: &str| -> Vec<(String, Result<String, &'static str>)> {
        let subjects = subjects(&Delivery::from_function(body, ""));
        subjects.into_iter().map(|s| (s.item, s.event.map_err(|f| f.cause.name()))).collect()
    };
    let one = |event: &str| vec![("0".to_owned(), Ok(event.to_owned()))];
    let event = oci("k", json!(null), json!(null)).to_string();
    assert_eq!(seen(&format!(" {event}\n")), one(&event));
    assert_eq!(
        seen(r#"{"any":"thing"}"#),
        one(r#"{"any":"thing"}"#),
        "an object nobody knows is an event as a whole"
    );
    let eventbridge = r#"{"source":"aws.s3","detail-type":"Object Created"}"#;
    assert_eq!(seen(eventbridge), one(eventbridge), "also one that is only recognised");

    let (a, b) = (s3("aws:s3", "a").to_string(), r#"{"eventSource":"aws:dynamodb"}"#);
    assert_eq!(
        seen(&format!(r#"{{"Records":[{a}, {b} ]}}"#)),
        [("0".to_owned(), Ok(a.clone())), ("1".to_owned(), Ok(b.to_owned()))]
    );
    let message = |id: &str, body: &str| json!({ "eventSource": "aws:sqs", "messageId": id, "body": body });
    let records = format!(r#"{{"Records":[{a}]}}"#);
    let batch = json!({ "Records": [message("m", &records), message("n", "text"), message("o", b)] });
    assert_eq!(
        seen(&batch.to_string()),
        [
            ("m/0".to_owned(), Ok(a)),
            ("n/0".to_owned(), Err("unreadable")),
            ("o/0".to_owned(), Ok(b.to_owned()))
        ]
    );
    for (body, want) in [
        ("not json", vec![("0".to_owned(), Err("unreadable"))]),
        ("[]", vec![("0".to_owned(), Err("unknown_dialect"))]),
        (r#"{"Records":[]}"#, vec![]),
    ] {
        assert_eq!(seen(body), want, "{body}");
    }
}
