//! Batches of OCI Streaming.

use super::*;

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
    assert_eq!(plan.dialect.map(Dialect::name), Some("oci-stream"));
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
    assert_eq!(plan.records[0].dialect.map(Dialect::name), Some("oci"));
    for (index, words) in [
        (1, "record 1.value: expected base64"),
        (2, "record 2: the body is not"),
        (3, "record 3: expected an object"),
    ] {
        assert!(detail(&plan.records[index]).starts_with(words), "{}", detail(&plan.records[index]));
    }
    let single = planned(record(5, event("x").into()).to_string());
    assert_eq!(
        (single.dialect.map(Dialect::name), single.records[0].item.as_str()),
        (Some("oci-stream"), "5/0")
    );
    // A bad record in front makes no strangers of the rest.
    for bad in [json!({ "stream": "s", "value": "e30=" }), json!(7)] {
        let plan = planned(json!([bad, record(1, event("x").into())]).to_string());
        assert_eq!(
            (plan.dialect.map(Dialect::name), verdicts(&plan).last()),
            (Some("oci-stream"), Some(&"send")),
            "{bad}"
        );
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
