//! What cannot be read is refused in a sentence, alone, and at its own cost.

use super::*;

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
        assert_eq!(plan.dialect.map(Dialect::name), None, "{shown}");
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
        // Somebody's record in S3's shape: how it writes keys is anybody's guess, so nobody guesses.
        (s3(r#"{"key":"k"}"#).replace("aws:s3", "x"), "unknown_dialect", "eventSource \"x\""),
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
        (r#"{"eventSource":"x","eventSource":"aws:s3","s3":{}}"#.into(), "unreadable", "duplicate field `eventSource`"),
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
        assert_eq!(plan.dialect.map(Dialect::name), Some("aws-s3"));
    }
    // The first record may be the bad one.
    let body = format!(r#"{{"Records":[7,{}]}}"#, s3(r#"{"key":"k"}"#));
    assert_eq!(
        (verdicts(&planned(body.clone())), planned(body).dialect.map(Dialect::name)),
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
