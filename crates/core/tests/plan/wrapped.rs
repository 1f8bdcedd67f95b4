//! What somebody between a store and the relay has made of a delivery: each form is read as what it holds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

fn record(key: &str) -> String {
    s3(&format!(r#"{{"key":"{key}"}}"#))
}

fn delivery(key: &str) -> String {
    format!(r#"{{"Records":[{}]}}"#, record(key))
}

fn keys(body: &str) -> Vec<String> {
    let plan = planned(body);
    assert!(verdicts(&plan).iter().all(|verdict| *verdict == "send"), "{body}: {:?}", verdicts(&plan));
    plan.records.iter().filter_map(|record| record.key.as_ref()).map(|key| key.as_str().to_owned()).collect()
}

#[test]
fn lists_lines_and_texts_are_what_they_hold() {
    let (a, b) = (delivery("a"), delivery("b"));
    let (one, two) = (record("a"), record("b"));
    let text = |json: &str| serde_json::to_string(json).unwrap();
    let base64 = |json: &str| STANDARD.encode(json);
    let message =
        |json: &str| format!(r#"{{"messageId":"m","eventSource":"aws:sqs","body":{}}}"#, text(json));
    for body in [
        format!("[{a},{b}]"),
        format!("[{one},{two}]"),
        format!("[{one},{b}]"),
        format!("{a}\n{b}"),
        format!("{a}\r\n\r\n{two}\n"),
        format!("[{a}]\n{b}"),
        text(&format!("[{a},{b}]")),
        base64(&format!("[{a},{b}]")),
        text(&base64(&format!("{a}\n{b}"))),
        format!("[{},{}]", message(&a), message(&b)),
        format!("[{}]", message(&format!("[{one},{two}]"))),
        format!(r#"{{"requestContext":{{}},"requestPayload":[{a},{b}]}}"#),
        format!(r#"{{"specversion":"1.0","type":"t","source":"s","id":"1","data":[{one},{two}]}}"#),
        format!(
            r#"{{"specversion":"1.0","type":"t","data_base64":"{}"}}"#,
            base64(&format!("[{one},{two}]"))
        ),
        format!(
            r#"[{{"specversion":"1.0","type":"t","data":{one}}},{{"specversion":"1.0","type":"t","data":{}}}]"#,
            text(&two)
        ),
    ] {
        assert_eq!(keys(&body), ["a", "b"], "{body}");
    }
    for body in [one, text(&record("a")), base64(&record("a"))] {
        assert_eq!(keys(&body), ["a"], "{body}");
    }
}

#[test]
fn a_binary_cloudevent_is_what_its_body_is() {
    let headers = [("ce-specversion", "1.0"), ("ce-type", "com.amazonaws.ObjectCreated:Put"), ("ce-id", "1")];
    for body in [delivery("a"), record("a"), format!("[{}]", record("a"))] {
        assert_eq!(verdicts(&http(None, &headers, body.as_bytes())), ["send"], "{body}");
        // The headers are the sender's, and cannot outvote a pin.
        assert_eq!(verdicts(&http(Some(Dialect::Minio), &headers, body.as_bytes())), ["send"], "{body}");
        let other = http(Some(Dialect::AwsEventBridge), &headers, body.as_bytes());
        assert!(!verdicts(&other).contains(&"send"), "{body}");
    }
}

#[test]
fn a_bad_element_takes_no_neighbour_along_and_says_where_it_lies() {
    let a = delivery("a");
    for (body, place) in [
        (format!(r#"[{a},{{"x":1}}]"#), "element 1"),
        (format!(r#"[{a},7]"#), "element 1"),
        (format!(r#"[{a},{{"Records":[{{"s3":7}}]}}]"#), "element 1"),
        (format!("{a}\n{{\"x\":1}}"), "line 2"),
        (format!("{a}\n\n{{"), "line 3"),
        (format!("{a}\nnot json"), "line 2"),
    ] {
        let plan = planned(body.as_str());
        let sent = verdicts(&plan);
        assert_eq!((sent.len(), sent[0]), (2, "send"), "{body}: {sent:?}");
        let detail = detail(&plan.records[1]);
        assert!(detail.contains(place), "{body}: {detail}");
    }
}

/// What is refused tells names of members, never what they hold.
#[test]
fn a_list_of_nothing_known_is_refused_without_its_values() {
    for body in [
        r#"[{"Authorization":"secret-value"}]"#,
        r#"{"events":[{"Authorization":"secret-value"}]}"#,
        r#"{"messages":[{"Authorization":"secret-value"}]}"#,
        r#"{"events":[]}"#,
        r#"{"messages":[]}"#,
        "[]",
        "[7]",
    ] {
        let plan = planned(body);
        let failed = verdicts(&plan);
        assert!(!failed.is_empty() && failed.iter().all(|verdict| *verdict != "send"), "{body}: {failed:?}");
        assert!(plan.records.iter().all(|record| !detail(record).contains("secret-value")), "{body}");
    }
}

#[test]
fn two_lists_in_one_delivery_are_refused() {
    let events = r#""events":[{"eventSource":"tigris"}]"#;
    let body = format!(r#"{{"Records":[{}],{events}}}"#, record("a"));
    let plan = planned(body.as_str());
    assert_eq!(verdicts(&plan), ["unreadable"]);
    assert_eq!(detail(&plan.records[0]), "expected either `Records` or `events`, found both");
}

#[test]
fn a_detail_alone_is_read_where_its_members_leave_no_doubt() {
    let detail_of = |more: &str| format!(r#"{{"bucket":{{"name":"b"}},"object":{{"key":"a+b"{more}}}"#);
    for (body, want) in [
        (format!(r#"{},"reason":"PutObject"}}"#, detail_of(r#","size":1"#)), "send"),
        (format!(r#"{},"reason":"CompleteMultipartUpload"}}"#, detail_of("")), "send"),
        (format!(r#"{},"requester":"1"}}"#, detail_of(r#","size":1"#)), "send"),
        (format!(r#"{},"reason":"DeleteObject"}}"#, detail_of("")), "removed"),
        (
            format!(r#"{},"requester":"1","deletion-type":"Delete Marker Created"}}"#, detail_of("")),
            "removed",
        ),
        (
            format!(r#"{},"requester":"1","source-storage-class":"GLACIER"}}"#, detail_of(r#","size":1"#)),
            "not_content",
        ),
        (format!(r#"{},"reason":"Something"}}"#, detail_of("")), "unknown_event"),
        (format!(r#"{},"requester":"1"}}"#, detail_of("")), "missing_event_name"),
        // The block of an S3 record looks alike, and its keys are form-encoded.
        (format!(r#"{},"s3SchemaVersion":"1.0","request-id":"1"}}"#, detail_of("")), "unknown_dialect"),
    ] {
        assert_eq!(verdicts(&planned(body.as_str())), [want], "{body}");
        if want != "unknown_dialect" {
            let whole = format!(r#"{{"source":"aws.s3","time":"2026-03-04T08:15:42Z","detail":{body}}}"#);
            assert_eq!(verdicts(&planned(whole.as_str())), [want], "{whole}");
        }
    }
    assert_eq!(keys(&format!(r#"{},"reason":"PutObject"}}"#, detail_of(""))), ["a+b"]);
}
