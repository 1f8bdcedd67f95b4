//! The S3 reader against `aws_lambda_events`.

use mdss_relay_core::Cause;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use super::*;

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
        let time = ours.details.time.map(|time| time.as_microsecond());
        prop_assert_eq!(time, Some(theirs.event_time.timestamp_micros()), "{}", body);
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
