//! No change of any byte outside bucket, key, event name and envelope turns a record that is sent into one that is neither
//! sent nor failed: whatever an uploader, a store or a box on the way does to a record, it does not vanish.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;
use std::ops::Range;

use mdss_relay_core::{Decision, Delivery, Dialect, Role, Settings, plan};
use proptest::prelude::*;

fn settings() -> Settings {
    let vars = [("STORAGECLIENTID", "unit-1")].map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Explain).finish().unwrap()
}

/// A delivery of each dialect whose records name objects themselves, and the texts in it that may not change.
const DELIVERIES: &[(Option<Dialect>, &str, &[&str])] = &[
    (
        None,
        r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2026-03-04T08:15:42.137Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AWS:AIDA"},"requestParameters":{"sourceIPAddress":"198.51.100.24"},"responseElements":{"x-amz-request-id":"C1A2","x-amz-id-2":"q1Vo"},"s3":{"s3SchemaVersion":"1.0","configurationId":"relay","bucket":{"name":"claims","ownerIdentity":{"principalId":"A2"},"arn":"arn:aws:s3:::x"},"object":{"key":"a+b.pdf","size":48213,"eTag":"0e57","versionId":"v1","sequencer":"0065"}}}]}"#,
        &[r#"{"Records":["#, r#""ObjectCreated:Put""#, r#""claims""#, r#""a+b.pdf""#],
    ),
    (
        Some(Dialect::Ceph),
        r#"{"Records":[{"eventVersion":"2.2","eventSource":"ceph:s3","awsRegion":"","eventTime":"2026-03-04T08:15:42.417003Z","eventName":"ObjectSynced:Create","userIdentity":{"principalId":"lab"},"responseElements":{"x-amz-request-id":"2b6b.417"},"s3":{"bucket":{"name":"claims","id":"103d.417.9"},"object":{"key":"a+b.pdf","size":"20480","etag":"f8f0","versionId":"","sequencer":"385E","metadata":[{"key":"x-amz-meta-author","val":"Mueller"}],"tags":[]}},"eventId":"1772.41.f8"}]}"#,
        &[r#"{"Records":["#, r#""ObjectSynced:Create""#, r#""claims""#, r#""a+b.pdf""#],
    ),
    (
        None,
        r#"{"EventName":"s3:ObjectCreated:Copy","Key":"claims/x","Records":[{"eventVersion":"2.0","eventSource":"minio:s3","eventTime":"2026-03-04T08:15:42.137Z","eventName":"s3:ObjectCreated:Copy","s3":{"bucket":{"name":"claims"},"object":{"key":"a%2Bb.pdf","size":9,"eTag":"0e57","contentType":"application/pdf","userMetadata":{"content-type":"application/pdf","x-amz-meta-a":"b"},"sequencer":"18A7"}},"source":{"host":"198.51.100.24","port":"","userAgent":"MinIO (linux; amd64)"}}]}"#,
        &[
            r#"{"EventName":"s3:ObjectCreated:Copy","#,
            r#""Records":["#,
            r#""eventName":"s3:ObjectCreated:Copy""#,
            r#""name":"claims""#,
            r#""a%2Bb.pdf""#,
        ],
    ),
    (
        None,
        r#"{"cloudEventsVersion":"0.1","eventID":"5c6a","eventType":"com.oraclecloud.objectstorage.createobject","source":"ObjectStorage","eventTypeVersion":"2.0","eventTime":"2026-03-04T08:15:42Z","contentType":"application/json","extensions":{"compartmentId":"ocid1.c"},"data":{"compartmentId":"ocid1.c","resourceName":"a+b.pdf","resourceId":"/n/ns/b/x/o/a","additionalDetails":{"bucketName":"claims","namespace":"ns","eTag":"c1b7","versionId":"v1","archivalState":"Available"}}}"#,
        &[
            r#"{"cloudEventsVersion":"0.1","#,
            r#""eventType":"com.oraclecloud.objectstorage.createobject""#,
            r#""a+b.pdf""#,
            r#""claims""#,
        ],
    ),
    (
        None,
        r#"{"version":"0","id":"17793124","detail-type":"Object Created","source":"aws.s3","account":"111122223333","time":"2026-03-04T08:15:42Z","region":"eu-central-1","resources":["arn:aws:s3:::x"],"detail":{"version":"0","bucket":{"name":"claims"},"object":{"key":"a+b.pdf","size":5,"etag":"b1946","version-id":"I9","sequencer":"0061"},"request-id":"N4N7","requester":"1111","source-ip-address":"1.2.3.4","reason":"PutObject"}}"#,
        &[r#""detail-type":"Object Created","source":"aws.s3""#, r#""claims""#, r#""a+b.pdf""#],
    ),
    (
        Some(Dialect::JdCloud),
        r#"{"Records":[{"eventVersion":"1.0","eventSource":"oss","awsRegion":"cn-north-1","eventTime":"Mon, 06 Aug 2018 10:19:51 GMT","eventName":"s3:ObjectCreated:Put","responseElements":{"x-amz-request-id":"9A6B"},"s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"claims"},"object":{"key":"a+b.pdf","eTag":"49b7"}},"callBackVar":{"callBackVars":{"k":"v"}}}]}"#,
        &[r#"{"Records":["#, r#""s3:ObjectCreated:Put""#, r#""name":"claims""#, r#""a+b.pdf""#],
    ),
    (
        Some(Dialect::JdCloudFunction),
        r#"{"Records":[{"version":"0","id":"6a7e","time":"2018-08-06T10:19:51Z","source":"oss","base64OwnerPin":"NT","resources":["jrn:oss:x"],"region":"cn-north-1","detailType":"o","detail":{"eventName":"s3:ObjectCreated:Put","responseElements":{"x-amz-request-id":"4F14"},"s3":{"bucket":{"name":"claims"},"object":{"key":"a+b.pdf","eTag":"c6","size":"1024"}}}}]}"#,
        &[r#"{"Records":["#, r#""s3:ObjectCreated:Put""#, r#""name":"claims""#, r#""a+b.pdf""#],
    ),
];

/// Where the texts stand.
fn fixed(body: &str, texts: &[&str]) -> Vec<Range<usize>> {
    let range = |text: &&str| {
        let at = body.find(*text).unwrap_or_else(|| panic!("{text} in {body}"));
        at..at + text.len()
    };
    texts.iter().map(range).collect()
}

#[derive(Clone, Debug)]
enum Change {
    Replace(u8),
    Insert(u8),
    Remove,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => any::<u8>().prop_map(Change::Replace),
        // What JSON is made of does more harm than a byte by chance.
        2 => prop::sample::select(b"\"\\{}[]:,0n\x00\xff".to_vec()).prop_map(Change::Replace),
        2 => any::<u8>().prop_map(Change::Insert),
        1 => Just(Change::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_does_not_vanish(
        which in 0..DELIVERIES.len(),
        at in any::<prop::sample::Index>(),
        change in change(),
        pinned in any::<bool>(),
    ) {
        let (dialect, body, texts) = DELIVERIES[which];
        let fixed = fixed(body, texts);
        let free: Vec<usize> = (0..body.len()).filter(|n| !fixed.iter().any(|range| range.contains(n))).collect();
        let at = free[at.index(free.len())];
        let mut bytes = body.as_bytes().to_vec();
        match change {
            Change::Replace(byte) => bytes[at] = byte,
            Change::Insert(byte) => bytes.insert(at, byte),
            Change::Remove => {
                bytes.remove(at);
            }
        }
        let delivery = Delivery { dialect: dialect.filter(|_| pinned), ..Delivery::from_function(bytes.clone(), "") };
        let plan = plan(&settings().rules, &delivery);
        let told = |decision: &Decision| matches!(decision, Decision::Send(_) | Decision::Fail(_));
        prop_assert!(
            !plan.records.is_empty() && plan.records.iter().all(|record| told(&record.decision)),
            "{:?}\nof {}", plan.records, String::from_utf8_lossy(&bytes)
        );
    }
}

/// What is changed is sent as it is; otherwise the property says nothing.
#[test]
fn each_is_sent_as_it_stands() {
    for (dialect, body, texts) in DELIVERIES {
        fixed(body, texts);
        for dialect in [*dialect, None] {
            let delivery = Delivery { dialect, ..Delivery::from_function(*body, "") };
            let plan = plan(&settings().rules, &delivery);
            assert!(
                matches!(plan.records[..], [ref r] if matches!(r.decision, Decision::Send(_))),
                "{body}: {plan:?}"
            );
        }
    }
}

/// Every byte beyond ASCII in a text that nobody needs leaves the record what it was: sent.
#[test]
fn a_byte_in_a_text_that_nobody_needs_costs_nothing() {
    let (dialect, body, _) = DELIVERIES[1];
    let at = body.find("Mueller").unwrap() + 1;
    for byte in 0x80..=0xff {
        let mut bytes = body.as_bytes().to_vec();
        bytes[at] = byte;
        let delivery = Delivery { dialect, ..Delivery::from_function(bytes, "") };
        let record = &plan(&settings().rules, &delivery).records[0];
        assert!(matches!(record.decision, Decision::Send(_)), "{byte:#x}: {record:?}");
        assert_eq!(record.key.as_ref().unwrap().as_str(), "a+b.pdf");
        assert_eq!(record.warnings.len(), 1, "{:?}", record.warnings);
    }
}
