//! `plan` on what senders should not send: it says what is wrong, and costs no good record anything.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;

use mdss_relay_core::{
    Cause, Decision, Delivery, Dialect, Door, Kind, Plan, Planned, Role, Settings, explain, plan,
};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
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

/// A batch with one good record before and one behind the given one.
fn among(record: &str) -> String {
    format!(r#"{{"Records":[{0},{record},{0}]}}"#, s3(r#"{"key":"good"}"#))
}

#[test]
fn a_delivery_that_cannot_be_read_is_one_record_that_says_why() {
    let deep = "[".repeat(2000) + &"]".repeat(2000);
    let deep_object = format!(r#"{{"a":{deep}}}"#);
    let huge = vec![b' '; 6 << 20];
    for (body, cause, words) in [
        (&b""[..], "unreadable", "the body is empty"),
        (b" \n", "unreadable", "the body is empty"),
        (&huge, "unreadable", "the body is empty"),
        (b"hello", "unreadable", "not one JSON value: expected value at line 1 column 1"),
        (b"{\"Records\":[", "unreadable", "EOF while parsing"),
        (b"{\"Records\":[]} {}", "unreadable", "trailing characters at line 1 column 16"),
        (b"{\"Records\":[]}\0", "unreadable", "trailing characters"),
        (b"\xef\xbb\xbf", "unreadable", "the body is empty"),
        (b"\xff\xfe{\0}\0", "unreadable", "the byte order mark of UTF-16"),
        (b"\xfe\xff\0{\0}", "unreadable", "the byte order mark of UTF-16"),
        (b"{\"Records\":\xff}", "unreadable", "not UTF-8 from byte 11 on"),
        (b"{\"Records\":\"\xff\"}", "unreadable", "not UTF-8 from byte 12 on"),
        (b"{\"Records\":[],\"Records\":[]}", "unreadable", "duplicate field `Records`"),
        (b"{\"Records\":{}}", "unreadable", "Records: expected an array, found an object"),
        (b"{\"Records\":null}", "unknown_dialect", "found an object with `Records`"),
        (b"42", "unknown_dialect", "found a number"),
        (b"null", "unknown_dialect", "found null"),
        (b"[]", "unknown_dialect", "found an array"),
        (b"{}", "unknown_dialect", "found an object with no members"),
        (deep.as_bytes(), "unknown_dialect", "found an array"),
        (deep_object.as_bytes(), "unknown_dialect", "found an object with `a`"),
        (
            b"{\"cloudEventsVersion\":\"0.1\",\"eventType\":\"com.example.x\"}",
            "unknown_dialect",
            "`eventType`",
        ),
    ] {
        let plan = planned(body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        assert_eq!(verdicts(&plan), [cause], "{shown}");
        assert!(detail(&plan.records[0]).contains(words), "{shown}: {}", detail(&plan.records[0]));
        assert_eq!(plan.dialect, None, "{shown}");
        assert!(explain("f", &Door::Open(&plan)).contains(r#""outcome":"reject""#), "{shown}");
    }
}

#[test]
fn a_bad_record_costs_its_neighbours_nothing() {
    let deep = "[".repeat(2000) + &"]".repeat(2000);
    for (record, verdict_, words) in [
        ("42".to_owned(), "unreadable", "Records[1]: expected an object, found a number"),
        ("null".into(), "unreadable", "found null"),
        ("{}".into(), "unknown_dialect", "neither `eventSource` nor `s3`"),
        (r#"{"eventSource":"aws:dynamodb"}"#.into(), "unknown_dialect", "eventSource \"aws:dynamodb\""),
        (r#"{"eventSource":7,"s3":{}}"#.into(), "missing_event_name", "Records[1].eventName"),
        (r#"{"eventSource":"aws:s3","eventName":"ObjectCreated:Put"}"#.into(), "missing_bucket", "s3.bucket.name"),
        (r#"{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":7}"#.into(), "missing_bucket", "s3.bucket.name"),
        (r#"{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":9},"object":{"key":"k"}}}"#.into(), "missing_bucket", "expected a string, found a number"),
        (s3("{}"), "missing_key", "Records[1].s3.object.key: expected the name of an object, found none"),
        (s3("[]"), "missing_key", "found none"),
        (s3(r#"{"key":""}"#), "missing_key", "found an empty string"),
        (s3(r#"{"key":null}"#), "missing_key", "found none"),
        (s3(r#"{"key":12}"#), "missing_key", "found a number"),
        (s3(r#"{"key":["a"]}"#), "missing_key", "found an array"),
        (s3(r#"{"key":"%FF%FE"}"#), "invalid_key", "expected UTF-8 once decoded, found \"%FF%FE\""),
        (s3(r#"{"key":"\ud800"}"#), "invalid_key", "lone surrogate"),
        (s3(r#"{"key":"a","key":"b"}"#), "unreadable", "Records[1].s3.object: duplicate field `key`"),
        (r#"{"eventSource":"aws:s3","eventSource":"minio:s3"}"#.into(), "unreadable", "duplicate field `eventSource`"),
        // What is odd in members nobody needs, or that may be missing, is no failure.
        (s3(r#"{"key":"k","size":99999999999999999999}"#), "send", ""),
        (s3(r#"{"key":"k","size":-1}"#), "send", ""),
        (s3(r#"{"key":"k","size":1e400}"#), "send", ""),
        (s3(&format!(r#"{{"key":"k","metadata":{deep}}}"#)), "send", ""),
        (s3(r#"{"key":"k","other":"\ud800","other":1}"#), "send", ""),
        (s3(r#"{"key":"a\u0000b\r\nc"}"#), "send", ""),
    ] {
        let plan = planned(among(&record));
        assert_eq!(verdicts(&plan), ["send", verdict_, "send"], "{record:.80}");
        if verdict_ != "send" {
            assert!(detail(&plan.records[1]).contains(words), "{record:.80}: {}", detail(&plan.records[1]));
            assert_eq!(plan.records[1].kind, None);
        }
        assert_eq!(plan.dialect, Some("aws-s3"));
    }
    // The first record may be the bad one.
    let body = format!(r#"{{"Records":[7,{}]}}"#, s3(r#"{"key":"k"}"#));
    assert_eq!(
        (verdicts(&planned(body.clone())), planned(body).dialect),
        (vec!["unreadable", "send"], Some("aws-s3"))
    );
}

#[test]
fn a_key_that_is_not_utf8_keeps_its_bucket() {
    let plan = planned(among(&s3(r#"{"key":"%C3","size":5}"#)));
    let record = &plan.records[1];
    assert_eq!(record.bucket.as_ref().unwrap().as_str(), "b");
    assert_eq!((record.key.as_ref(), record.kind, record.details.size), (None, None, Some(5)));
}

#[test]
fn more_records_than_anybody_sends_are_refused_as_a_whole() {
    let many = |n: usize| format!(r#"{{"Records":[{}]}}"#, vec![s3(r#"{"key":"k"}"#); n].join(","));
    assert_eq!(planned(many(20_000)).records.len(), 20_000);
    let plan = planned(many(20_001));
    assert_eq!(plan.records.len(), 1);
    assert!(detail(&plan.records[0]).contains("at most 20000"), "{}", detail(&plan.records[0]));
    // The largest batch a queue hands over; a message itself counts for nothing, what is in it does.
    let body = many(1);
    let messages: Vec<Value> = (0..10_000)
        .map(|n| json!({ "messageId": n.to_string(), "eventSource": "aws:sqs", "body": body }))
        .collect();
    let plan = planned(json!({ "Records": messages }).to_string());
    assert_eq!(plan.records.iter().filter(|r| verdict(r) == "send").count(), 10_000);
    // Six mebibytes of the smallest records there are.
    assert_eq!(planned(format!(r#"{{"Records":[{}0]}}"#, "0,".repeat(3 << 20))).records.len(), 1);
}

#[test]
fn a_long_text_is_not_multiplied_by_the_records_around_it() {
    let long = "x".repeat(500_000);
    let outer = format!(
        r#"{{"EventName":"s3:ObjectCreated:{long}","Records":[{}]}}"#,
        vec![r#"{"s3":{}}"#; 9000].join(",")
    );
    let message = json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": long,
        "body": format!(r#"{{"Records":[{}]}}"#, vec!["7"; 9000].join(",")) }] });
    let own = format!(r#"{{"Records":[{{"eventSource":"aws:s3","eventName":"{long}","s3":{{}}}}]}}"#);
    for body in [outer, message.to_string(), own] {
        let line = explain("f", &Door::Open(&planned(body.clone())));
        // Half a kilobyte a record, and the text that came once is there once at most, in the answer to the queue.
        let (once, records) = (body.len(), planned(body).records.len());
        assert!(line.len() < 1000 + once + 600 * records, "{} bytes for {records} records", line.len());
    }
}

#[test]
fn the_producer_decides_how_a_key_is_read_and_a_setting_overrides() {
    let record = |source: &str, extra: &str| {
        format!(
            r#"{{"Records":[{{{source}"eventName":"ObjectCreated:Put"{extra},"s3":{{"bucket":{{"name":"b"}},"object":{{"key":"a+b%2Fc%zz"}}}}}}]}}"#
        )
    };
    let (form, percent, verbatim) = ("a b/c%zz", "a+b/c%zz", "a+b%2Fc%zz");
    for (source, extra, dialect, key, warned) in [
        (r#""eventSource":"aws:s3","#, "", "aws-s3", form, false),
        ("", "", "aws-s3", form, false),
        (r#""eventSource":"minio:s3","#, "", "minio", form, false),
        (r#""eventSource":"rustfs:s3","#, "", "rustfs", form, false),
        (r#""eventSource":"ceph:s3","#, "", "ceph", verbatim, false),
        (r#""eventSource":"aws:s3","#, r#","eventId":"1.2""#, "ceph", verbatim, false),
        (r#""eventSource":"sgws:s3","#, "", "storagegrid", percent, false),
        (r#""eventSource":"oss","#, "", "jdcloud", verbatim, false),
        (r#""eventSource":"wasabi:s3","#, "", "s3-compatible", form, false),
        (r#""eventSource":"storj:s3","#, "", "s3-compatible", form, true),
        (r#""eventSource":"ctyun:s3","#, "", "s3-compatible", verbatim, false),
        (r#""eventSource":"acme:s3","#, "", "s3-compatible", form, true),
        (r#""eventSource":"acme:s3","#, r#","eventId":"1.2""#, "s3-compatible", verbatim, false),
    ] {
        let plan = planned(record(source, extra));
        let found = &plan.records[0];
        assert_eq!(
            (found.dialect, found.key.as_ref().unwrap().as_str()),
            (Some(dialect), key),
            "{source} {extra}"
        );
        assert_eq!(!found.warnings.is_empty(), warned, "{source}: {:?}", found.warnings);

        let variable = format!("RELAY_KEYS_{}", dialect.replace('-', "_").to_uppercase());
        for (encoding, key) in [("form", form), ("percent", percent), ("verbatim", verbatim)] {
            let vars = [("STORAGECLIENTID", "u"), (&variable, encoding)];
            let vars = vars.map(|(n, v)| (OsString::from(n), OsString::from(v)));
            let settings = Settings::read(vars, Role::Explain).finish().unwrap();
            let plan = plan_with(&settings, &record(source, extra));
            assert_eq!(plan.records[0].key.as_ref().unwrap().as_str(), key, "{variable}={encoding}");
            assert_eq!(plan.records[0].warnings, [""; 0], "the operator has decided");
        }
    }
    let bucket_id = r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b","id":"x"},"object":{"key":"a+b"}}}]}"#;
    assert_eq!(planned(bucket_id).records[0].dialect, Some("ceph"));
}

fn plan_with(settings: &Settings, body: &str) -> Plan {
    plan(&settings.rules, &Delivery::from_function(body, ""))
}

#[test]
fn a_pinned_source_is_read_as_what_it_is_pinned_to() {
    let record = r#"{"Records":[{"eventSource":"aws:s3","eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a+b"}}}]}"#;
    for (dialect, key) in [(Dialect::Minio, "a b"), (Dialect::Ceph, "a+b"), (Dialect::JdCloud, "a+b")] {
        let plan = http(Some(dialect), &[], record.as_bytes());
        assert_eq!(plan.dialect, Some(dialect.name()));
        assert_eq!(plan.records[0].dialect, Some(dialect.name()));
        assert_eq!(plan.records[0].key.as_ref().unwrap().as_str(), key, "{dialect}");
    }
    let foreign = http(Some(Dialect::Minio), &[], br#"{"specversion":"1.0"}"#);
    assert_eq!((foreign.dialect, verdicts(&foreign)), (None, vec!["unreadable"]));
    assert!(detail(&foreign.records[0]).contains("expected an event of minio"));
    // A header of another dialect decides nothing at a pinned source.
    let header = [("x-jdcloud-message-type", "SubscriptionConfirmation")];
    assert_eq!(verdicts(&http(Some(Dialect::Minio), &header, b"text")), ["unreadable"]);
}

#[test]
fn an_empty_post_is_a_probe_only_where_senders_probe() {
    assert_eq!(verdicts(&http(Some(Dialect::Minio), &[], b"")), ["probe"]);
    assert_eq!(verdicts(&http(Some(Dialect::Rustfs), &[], b"")), ["probe"]);
    assert_eq!(verdicts(&http(Some(Dialect::Ceph), &[], b"")), ["unreadable"]);
    assert_eq!(verdicts(&http(None, &[], b"")), ["unreadable"]);
}

#[test]
fn the_jd_handshake_is_answered_in_both_spellings_and_nothing_else_is() {
    for kind in ["SubscriptionConfirmation", "SubscriptionConfiguration", "SUBSCRIPTIONCONFIRMATION"] {
        let plan = http(None, &[("X-JDCloud-Message-Type", kind)], "prüfung\n".as_bytes());
        let reply = plan.reply.clone().unwrap();
        assert_eq!(
            (reply.status, reply.content_type, reply.body.as_str()),
            (200, "text/plain", "cHLDvGZ1bmcK")
        );
        assert_eq!((verdicts(&plan), plan.records[0].kind), (vec!["handshake"], Some(Kind::Handshake)));
    }
    let odd = http(None, &[("x-jdcloud-message-type", "Unsubscribe")], b"{}");
    assert_eq!((verdicts(&odd), odd.reply.is_none()), (vec!["unreadable"], true));
    // What names objects is no mere handshake.
    let event = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    let named = http(None, &[("x-jdcloud-message-type", "SubscriptionConfirmation")], event.as_bytes());
    assert_eq!((verdicts(&named), named.reply.is_none()), (vec!["send"], true));
    let twice = format!(r#"{{"Records":[],"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    let oci = r#"{"cloudEventsVersion":"0.1","eventType":"com.oraclecloud.objectstorage.createobject","data":{"resourceName":"k","additionalDetails":{"bucketName":"b"}}}"#;
    for (header, kind) in [
        ("x-jdcloud-message-type", "SubscriptionConfirmation"),
        ("x-oci-ns-messagetype", "SubscriptionConfirmation"),
    ] {
        for body in [twice.as_str(), oci] {
            let plan = http(None, &[(header, kind)], body.as_bytes());
            assert!(!verdicts(&plan).contains(&"handshake"), "{header} {body}: {:?}", verdicts(&plan));
        }
    }
    let large = http(None, &[("x-jdcloud-message-type", "SubscriptionConfirmation")], &[b'a'; 20_000]);
    assert_eq!((verdicts(&large), large.reply.is_none()), (vec!["unreadable"], true));
}

#[test]
fn a_queue_hears_which_messages_failed() {
    let message = |id: &str, body: &str, arn: &str| json!({ "messageId": id, "eventSource": "aws:sqs", "eventSourceARN": arn, "body": body });
    let good = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    let batch = |arn: &str, bodies: &[&str]| {
        let list: Vec<Value> =
            bodies.iter().enumerate().map(|(n, b)| message(&format!("m{n}"), b, arn)).collect();
        planned(json!({ "Records": list }).to_string())
    };
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    let plan = batch("arn:q", &[&good, "garbage", test, r#"{"Records":[]}"#]);
    assert_eq!(plan.dialect, Some("aws-sqs"));
    assert_eq!(verdicts(&plan), ["send", "unreadable", "test_event"]);
    assert!(detail(&plan.records[1]).starts_with("Records[1].body: "), "{}", detail(&plan.records[1]));
    let items: Vec<_> = plan.records.iter().map(|r| r.item.as_str()).collect();
    assert_eq!(items, ["m0/0", "m1/0", "m2/0"]);
    assert_eq!(plan.queue_answer().unwrap(), json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }] }));

    // In a FIFO queue nothing may overtake what failed.
    let fifo = batch("arn:q.fifo", &[&good, "garbage", &good]);
    let want = json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }, { "itemIdentifier": "m2" }] });
    assert_eq!(fifo.queue_answer().unwrap(), want);

    // Whatever ids are sent, no two records have one path.
    for ids in [["1", "", "x"], ["a", "a", "1"], ["", "0", "0"], ["a/0", "a", "1"]] {
        let body = |id: &&str| message(id, r#"{"Records":[7,7]}"#, "arn:q");
        let plan = planned(json!({ "Records": ids.iter().map(body).collect::<Vec<_>>() }).to_string());
        let mut items: Vec<_> = plan.records.iter().map(|r| r.item.as_str()).collect();
        items.sort_unstable();
        items.dedup();
        assert_eq!(items.len(), 6, "{ids:?}: {items:?}");
    }

    // A message without an id cannot be named; the empty name is the whole batch.
    let nameless = planned(json!({ "Records": [{ "eventSource": "aws:sqs", "body": 7 }] }).to_string());
    assert_eq!(nameless.queue_answer().unwrap(), json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }));
    assert_eq!(planned(good).queue_answer(), None);
    // A batch inside a message is nobody's format, and no way to make one reader recurse without end.
    let nested = json!({ "Records": [message("i", "{}", "")] }).to_string();
    assert_eq!(verdicts(&batch("arn:q", &[&nested])), ["unreadable"]);
}

#[test]
fn stream_records_are_reported_by_their_offsets() {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let event = |key: &str| {
        encode(&format!(
            r#"{{"cloudEventsVersion":"0.1","eventType":"com.oraclecloud.objectstorage.createobject","data":{{"resourceName":"{key}","additionalDetails":{{"bucketName":"b"}}}}}}"#
        ))
    };
    let record = |offset: u64, value: Value| json!({ "stream": "s", "partition": "0", "key": null, "value": value, "offset": offset, "timestamp": 1 });
    let batch = json!([
        record(7, event("a+b%20c").into()),
        record(8, "not base64!".into()),
        record(9, encode("garbage").into()),
        42,
        record(7, event("d").trim_end_matches('=').into()),
        record(10, Value::Null),
        record(11, base64::engine::general_purpose::STANDARD.encode([0xff]).into()),
    ]);
    let plan = planned(batch.to_string());
    assert_eq!(plan.dialect, Some("oci-stream"));
    let seen: Vec<_> = plan.records.iter().map(|r| (r.item.as_str(), verdict(r))).collect();
    assert_eq!(
        seen,
        [
            ("7/0", "send"),
            ("8/0", "unreadable"),
            ("9/0", "unreadable"),
            ("3/0", "unreadable"),
            ("7#4/0", "send"),
            ("10/0", "unreadable"),
            ("11/0", "unreadable")
        ]
    );
    assert_eq!(plan.records[0].key.as_ref().unwrap().as_str(), "a+b%20c");
    assert_eq!(plan.records[0].dialect, Some("oci"));
    for (index, words) in [
        (1, "record 1.value: expected base64"),
        (2, "record 2: the body is not"),
        (3, "record 3: expected an object"),
    ] {
        assert!(detail(&plan.records[index]).starts_with(words), "{}", detail(&plan.records[index]));
    }
    let single = planned(record(5, event("x").into()).to_string());
    assert_eq!((single.dialect, single.records[0].item.as_str()), (Some("oci-stream"), "5/0"));
    // A bad record in front makes no strangers of the rest.
    for bad in [json!({ "stream": "s", "value": "e30=" }), json!(7)] {
        let plan = planned(json!([bad, record(1, event("x").into())]).to_string());
        assert_eq!((plan.dialect, verdicts(&plan).last()), (Some("oci-stream"), Some(&"send")), "{bad}");
    }
    // A pinned stream holds events of OCI and nothing else, and an S3 event is no stream.
    let s3_event = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    let inside = json!([record(1, encode(&s3_event).into())]).to_string();
    for body in [inside.as_str(), &s3_event] {
        assert!(!verdicts(&http(Some(Dialect::OciStream), &[], body.as_bytes())).contains(&"send"), "{body}");
    }
    assert!(!verdicts(&http(Some(Dialect::OciNotifications), &[], s3_event.as_bytes())).contains(&"send"));
    // Streams in streams are nobody's format.
    let nested = planned(json!([record(1, encode(&batch.to_string()).into())]).to_string());
    assert_eq!(verdicts(&nested), ["unknown_dialect"]);
}

#[test]
fn reserved_dialects_are_refused_by_name() {
    for (body, name) in [
        (r#"{"Records":[{"cos":{}}]}"#, "tencent-cos"),
        (r#"{"Records":[{"eventSource":"OBS","obs":{}}]}"#, "huawei-obs"),
        (r#"{"events":[{"eventSource":"acs:oss","oss":{}}]}"#, "alibaba-oss"),
        (r#"{"events":[{"tos":{}}]}"#, "volcengine-tos"),
        (r#"{"events":[{"eventType":"b2:ObjectCreated:Upload"}]}"#, "b2"),
        (r#"{"messages":[{"event_metadata":{}}]}"#, "yandex"),
        (r#"{"message":{"attributes":{"bucketId":"b"}},"subscription":"s"}"#, "gcs"),
        (r#"[{"eventType":"Microsoft.Storage.BlobCreated"}]"#, "azure-blob"),
        (r#"{"event_type":"create","key":"/buckets/b/k","message":{}}"#, "seaweedfs"),
        (r#"{"operation":"Object:Write","notification":{}}"#, "ibm-cos"),
        (r#"{"account":"a","action":"PutObject","bucket":"b","object":{}}"#, "r2"),
    ] {
        let plan = planned(body);
        assert_eq!((plan.dialect, verdicts(&plan)), (Some(name), vec!["unsupported_dialect"]), "{body}");
        assert!(detail(&plan.records[0]).contains(name), "{body}");
    }
}

#[test]
fn notifications_hold_an_event_or_want_a_visit() {
    let event = br#"{"cloudEventsVersion":"0.1","eventType":"com.oraclecloud.objectstorage.createobject","data":{"resourceName":"a","additionalDetails":{"bucketName":"b"}}}"#;
    let kind = "x-oci-ns-messagetype";
    let plan = http(None, &[(kind, "Notification")], event);
    assert_eq!(
        (plan.dialect, plan.records[0].dialect, verdicts(&plan)),
        (Some("oci-notifications"), Some("oci"), vec!["send"])
    );
    // The sender picks the body, not the reader: behind this header there are events of OCI.
    let foreign = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    assert_eq!(verdicts(&http(None, &[(kind, "Notification")], foreign.as_bytes())), ["missing_event_name"]);

    let url = "https://cell1.notification.eu-frankfurt-1.oci.oraclecloud.com/20181201/subscriptions/x/confirmation?token=t";
    let headers = [
        (kind, "SubscriptionConfirmation"),
        ("x-oci-ns-confirmationurl", url),
        ("x-oci-ns-topicocid", "ocid1.onstopic.1"),
    ];
    let plan = http(None, &headers, b"{}");
    let confirm = plan.confirm.clone().unwrap();
    assert_eq!((confirm.url.as_str(), confirm.topic.as_str()), (url, "ocid1.onstopic.1"));
    assert_eq!((verdicts(&plan), plan.records[0].kind), (vec!["handshake"], Some(Kind::Handshake)));
    assert!(explain("f", &Door::Open(&plan)).contains(&format!(r#""confirm":"{url}""#)));

    for (headers, words) in [
        (vec![(kind, "SubscriptionConfirmation")], "found none"),
        (
            vec![
                (kind, "SubscriptionConfirmation"),
                ("x-oci-ns-confirmationurl", "https://10.0.0.1/?token=t0ken"),
            ],
            "another host",
        ),
        (vec![(kind, "Unsubscribed")], "found \"Unsubscribed\""),
    ] {
        let plan = http(None, &headers, b"{}");
        assert_eq!((verdicts(&plan), plan.confirm.is_none()), (vec!["unreadable"], true));
        assert!(detail(&plan.records[0]).contains(words) && !detail(&plan.records[0]).contains("t0ken"));
    }
}

#[test]
fn reserved_dialects_that_show_in_a_header_are_named_too() {
    for (name, value, dialect) in [
        ("Ce-Type", "google.cloud.storage.object.v1.finalized", "gcs"),
        ("ce-type", "com.ibm.cloud.cos.document.write", "ibm-cos"),
        ("aeg-event-type", "SubscriptionValidation", "azure-blob"),
        ("X-SMN-Message-Type", "Notification", "huawei-obs"),
        ("X-Bz-Event-Notification-Signature", "v1=", "b2"),
    ] {
        let plan = http(None, &[(name, value)], br#"{"name":"a.txt"}"#);
        assert_eq!((plan.dialect, verdicts(&plan)), (Some(dialect), vec!["unsupported_dialect"]), "{name}");
        // With raw delivery the event itself is behind it.
        let event = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
        assert_eq!(verdicts(&http(None, &[(name, value)], event.as_bytes())), ["send"], "{name}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("Records"),
        Just("s3"),
        Just("bucket"),
        Just("object"),
        Just("key"),
        Just("name"),
        Just("eventSource"),
        Just("eventName"),
        Just("size"),
        Just("eTag"),
        Just("body"),
        Just("messageId"),
        Just("data"),
        Just("eventType"),
        Just("additionalDetails"),
        Just("bucketName"),
        Just("resourceName"),
        Just("cloudEventsVersion"),
        Just("Event"),
        Just("EventSource"),
        Just("Sns"),
        Just("Type"),
        Just("TopicArn"),
        Just("Message"),
        Just("message"),
        Just("topicOwner"),
        Just("subscriptionName"),
        Just("source"),
        Just("detail"),
        Just("detail-type"),
        Just("eventTime"),
        Just("x"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![
            Just("aws:s3"),
            Just("aws:sqs"),
            Just("minio:s3"),
            Just("oss"),
            Just("aws:sns"),
            Just("aws.s3"),
            Just("Notification"),
            Just("SubscriptionConfirmation"),
            Just("s3:ObjectCreated:Put"),
            Just("%ff"),
            Just("s3:TestEvent"),
            Just("com.oraclecloud.objectstorage.createobject"),
            Just("{\"Records\":[{}]}"),
            Just(""),
        ]
        .prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8).prop_map(|members| Value::Object(
                members.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let plan = planned(bytes.clone());
        prop_assert!(!plan.records.is_empty() || plan.dialect.is_some());
        for dialect in Dialect::ALL {
            http(Some(*dialect), &[("x-jdcloud-message-type", "Notification")], &bytes);
        }
    }

    #[test]
    fn no_json_makes_it_panic_and_every_record_has_a_reason(value in any_json()) {
        let plan = planned(value.to_string());
        for dialect in Dialect::ALL {
            http(Some(*dialect), &[], value.to_string().as_bytes());
        }
        let line: Value = serde_json::from_str(&explain("f", &Door::Open(&plan))).unwrap();
        let mut items = Vec::new();
        for record in line["records"].as_array().unwrap() {
            items.push(record["item"].as_str().unwrap().to_owned());
            match record["action"].as_str().unwrap() {
                "send" => prop_assert!(record["request"].is_object() && record["kind"] == "created"),
                _ => prop_assert!(record["reason"].is_string() && record["request"].is_null()),
            }
        }
        let count = items.len();
        items.sort();
        items.dedup();
        prop_assert_eq!(items.len(), count, "items are unique");
    }

    #[test]
    fn every_key_is_decoded_exactly_once(key in "\\PC{1,30}|[\u{0}-\u{7f}]{1,30}") {
        prop_assume!(!key.ends_with('/'));
        let form: String = percent_encode(&key).replace("%20", "+");
        for (source, wire) in [
            ("aws:s3", form.clone()), ("minio:s3", form), ("sgws:s3", percent_encode(&key)), ("ceph:s3", key.clone()), ("oss", key.clone()),
        ] {
            let body = json!({ "Records": [{ "eventSource": source, "eventName": "ObjectCreated:Put",
                "s3": { "bucket": { "name": "b" }, "object": { "key": wire } } }] });
            let plan = planned(body.to_string());
            prop_assert_eq!(plan.records[0].key.as_ref().unwrap().as_str(), key.as_str(), "{}", source);
            // … and arrives at MDSS as the same name.
            let Decision::Send(submission) = &plan.records[0].decision else { panic!("{:?}", plan.records[0]) };
            let outer: Value = serde_json::from_str(&submission.body()).unwrap();
            let inner: Value = serde_json::from_str(outer["metadata"].as_str().unwrap()).unwrap();
            prop_assert_eq!(inner["s3"]["object"]["key"].as_str().unwrap(), key.as_str());
        }
        let event = json!({ "cloudEventsVersion": "0.1", "eventType": "com.oraclecloud.objectstorage.createobject",
            "data": { "resourceName": key, "additionalDetails": { "bucketName": "b" } } });
        let plan = planned(event.to_string());
        prop_assert_eq!(plan.records[0].key.as_ref().unwrap().as_str(), key.as_str());
    }
}

/// Every byte that is not unreserved, as any URL encoder may write it.
fn percent_encode(text: &str) -> String {
    let unreserved = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    text.bytes()
        .map(|b| if unreserved(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// The typed crate is the oracle: whatever it accepts is read to the same bucket, key and version. It does not decode keys;
/// AWS's rule, form encoding, is spelled out here once more.
fn compare_with_the_oracle(body: &Value) -> Result<usize, TestCaseError> {
    let Ok(oracle) = serde_json::from_value::<aws_lambda_events::s3::S3Event>(body.clone()) else {
        return Ok(0);
    };
    let plan = planned(body.to_string());
    prop_assert_eq!(plan.records.len(), oracle.records.len(), "{}", body);
    for (ours, theirs) in plan.records.iter().zip(&oracle.records) {
        let object = &theirs.s3.object;
        let decoded = |raw: &String| {
            percent_encoding::percent_decode_str(&raw.replace('+', " "))
                .decode_utf8()
                .ok()
                .map(|k| k.into_owned())
        };
        let present = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        let key = object.key.as_ref().and_then(decoded).filter(|k| !k.is_empty());
        let named = present(&theirs.event_name).is_some();
        let bucket = present(&theirs.s3.bucket.name);
        match &ours.decision {
            Decision::Fail(failure) => {
                let known = failure.cause != Cause::UnknownEvent;
                let missing = key.is_none() || bucket.is_none() || !named || !known;
                prop_assert!(missing, "{}: {}", failure.detail, body);
            }
            _ => {
                prop_assert_eq!(ours.bucket.as_ref().map(|b| b.as_str()), bucket.as_deref(), "{}", body);
                // Something other than content may be about no object.
                let shown = ours.key.as_ref().map(|k| k.as_str());
                let notice = matches!(ours.kind, Some(Kind::Other | Kind::Test)) && shown.is_none();
                prop_assert!(notice || shown == key.as_deref(), "{}", body);
            }
        }
        prop_assert_eq!(&ours.details.version_id, &present(&object.version_id), "{}", body);
        prop_assert_eq!(&ours.details.sequencer, &present(&object.sequencer), "{}", body);
        let size = object.size.filter(|s| *s >= 0).map(|s| s as u64);
        prop_assert_eq!(ours.details.size, size, "{}", body);
    }
    Ok(oracle.records.len())
}

/// A record as AWS writes it, in which each member may be missing, null, empty or odd.
fn any_s3_record() -> impl Strategy<Value = Value> {
    fn odd(usual: Value) -> impl Strategy<Value = Option<Value>> {
        prop_oneof![
            60 => Just(Some(usual)),
            1 => Just(None),
            1 => Just(Some(Value::Null)),
            1 => Just(Some(json!(""))),
            1 => Just(Some(json!(7))),
            1 => Just(Some(json!({}))),
        ]
    }
    let key = prop_oneof![
        Just(json!("rote+Blume%2B%C3%A9.jpg")),
        // Amazon encodes every blank and every character beyond ASCII; a key that has one was not written by it.
        "[a-zA-Z0-9+%/._-]{0,12}".prop_map(Value::from),
        "(%[0-9a-f]{2}|\\+|[a-z]){1,6}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("ObjectCreated:Put"),
        Just("s3:ObjectCreated:Copy"),
        Just("ObjectRemoved:Delete"),
        Just("ObjectTagging:Put"),
        Just("ObjectCreated:FromTheFuture"),
    ];
    let object = (
        key.prop_flat_map(odd),
        odd(json!(1024)),
        odd(json!("d41d8cd98f00b204e9800998ecf8427e")),
        odd(json!("v1")),
        odd(json!("0055AED6DCD90281E5")),
    );
    let rest = (
        name.prop_flat_map(|n| odd(json!(n))),
        odd(json!("my-bucket")),
        odd(json!("1970-01-01T00:00:00.000Z")),
        odd(json!("aws:s3")),
        odd(json!({ "principalId": "AIDA" })),
    );
    (object, rest).prop_map(|((key, size, etag, version, sequencer), (name, bucket, time, source, identity))| {
        let members = |list: Vec<(&str, Option<Value>)>| {
            let present = list.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v?)));
            Value::Object(present.collect())
        };
        members(vec![
            ("eventVersion", Some(json!("2.1"))),
            // Another source is another producer; the crate does not look at it.
            ("eventSource", source.filter(|s| s.is_null() || s == "aws:s3")),
            ("eventTime", time),
            ("eventName", name),
            ("userIdentity", identity),
            ("requestParameters", Some(json!({ "sourceIPAddress": "172.16.0.1" }))),
            (
                "s3",
                Some(json!({
                    "s3SchemaVersion": "1.0",
                    "bucket": members(vec![("name", bucket), ("arn", Some(json!("arn:aws:s3:::b")))]),
                    "object": members(vec![
                        ("key", key), ("size", size), ("eTag", etag), ("versionId", version), ("sequencer", sequencer),
                    ]),
                })),
            ),
        ])
    })
}

#[test]
fn agrees_with_aws_lambda_events() {
    // Most of what is made up must be accepted, or nothing is compared.
    let (mut compared, mut tried) = (0, 0);
    let mut runner = TestRunner::new(ProptestConfig { cases: 3000, ..ProptestConfig::default() });
    let records = prop::collection::vec(any_s3_record(), 0..3);
    let counts = std::cell::RefCell::new((&mut compared, &mut tried));
    let checked = runner.run(&records, |records| {
        let many = records.len();
        let count = compare_with_the_oracle(&json!({ "Records": records }))?;
        let mut counts = counts.borrow_mut();
        *counts.0 += count;
        *counts.1 += many;
        Ok(())
    });
    checked.unwrap();
    assert!(compared * 5 > tried, "{compared} of {tried} records were compared");
    // The fixtures of the same producer.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/aws-s3");
    let mut compared = 0;
    // Amazon has written neither of these.
    let rewritten = ["never-encoded.json", "rewritten-by-a-rule.json"];
    for file in std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()) {
        if rewritten.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        if let Ok(body) = serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()) {
            compared += compare_with_the_oracle(&body).unwrap();
        }
    }
    assert!(compared > 20, "{compared} records of fixtures were compared");
}

/// What may lie in what: each envelope holds what really occurs in it, and a source's dialect is the outermost one.
#[test]
fn envelopes_nest_as_they_occur_and_no_deeper() {
    let s3 = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    let bridge = json!({ "source": "aws.s3", "detail-type": "Object Created",
                         "detail": { "bucket": { "name": "b" }, "object": { "key": "k" } } })
    .to_string();
    let topic = |message: &str| {
        json!({ "Type": "Notification", "TopicArn": "arn", "MessageId": "t", "Message": message }).to_string()
    };
    let invoked = |message: &str| {
        json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "MessageId": "t", "Message": message } }] })
            .to_string()
    };
    let queue = |body: &str| {
        json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "q", "body": body }] }).to_string()
    };
    let jd = |message: &str| {
        json!({ "topicOwner": "1", "subscriptionName": "s", "messageId": "j", "message": message })
            .to_string()
    };
    use Dialect::{AwsEventBridge, AwsS3, AwsSns, AwsSqs, JdCloud, JdCloudFunction, StorageGrid};
    let function = r#"{"Records":[{"source":"oss","detail":{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}}]}"#;
    for (body, pins, outer, item) in [
        (s3.clone(), vec![AwsS3], "aws-s3", Ok("0")),
        (bridge.clone(), vec![AwsEventBridge], "aws-eventbridge", Ok("0")),
        (topic(&s3), vec![AwsSns], "aws-sns", Ok("t/0")),
        (topic(&bridge), vec![AwsSns], "aws-sns", Ok("t/0")),
        (invoked(&s3), vec![AwsSns], "aws-sns", Ok("t/0")),
        (invoked(&bridge), vec![AwsSns], "aws-sns", Ok("t/0")),
        (queue(&s3), vec![AwsSqs], "aws-sqs", Ok("q/0")),
        (queue(&bridge), vec![AwsSqs], "aws-sqs", Ok("q/0")),
        (queue(&topic(&s3)), vec![AwsSqs], "aws-sqs", Ok("q/t/0")),
        (queue(&topic(&bridge)), vec![AwsSqs], "aws-sqs", Ok("q/t/0")),
        (function.into(), vec![JdCloudFunction], "jdcloud-function", Ok("0")),
        (jd(&s3.replace("aws:s3", "oss")), vec![JdCloud], "jdcloud", Ok("j/0")),
        (format!("Action=Publish&Message={}", percent_encode(&s3)), vec![StorageGrid], "aws-s3", Ok("0")),
        (queue(&queue(&s3)), vec![AwsSqs], "aws-sqs", Err("unreadable")),
        (queue(&invoked(&s3)), vec![AwsSqs], "aws-sqs", Err("unreadable")),
        (queue(&jd(&s3)), vec![AwsSqs], "aws-sqs", Err("unreadable")),
        (topic(&topic(&s3)), vec![AwsSns], "aws-sns", Err("unreadable")),
        (topic(&queue(&s3)), vec![AwsSns], "aws-sns", Err("unreadable")),
        (topic(&jd(&s3)), vec![AwsSns], "aws-sns", Err("unreadable")),
        (invoked(&topic(&s3)), vec![AwsSns], "aws-sns", Err("unreadable")),
        (jd(&jd(&s3)), vec![], "jdcloud", Err("unreadable")),
    ] {
        let plan = planned(body.clone());
        let said = verdicts(&plan);
        assert_eq!(plan.dialect, Some(outer), "{body}");
        match item {
            Ok(item) => assert_eq!((said[0], plan.records[0].item.as_str()), ("send", item), "{body}"),
            Err(reason) => assert_eq!(said, [reason], "{body}"),
        }
        for dialect in Dialect::ALL {
            let sent = verdicts(&http(Some(*dialect), &[], body.as_bytes())) == ["send"];
            // A producer's own records may come to any source of that family, whose rule for keys then holds.
            let family = body == s3
                && !matches!(
                    dialect,
                    Dialect::Oci | Dialect::OciStream | Dialect::OciNotifications | AwsEventBridge | AwsSns
                );
            let wanted = item.is_ok() && (pins.contains(dialect) || family);
            assert_eq!(sent, wanted, "pinned to {dialect}: {body}");
        }
    }
}
