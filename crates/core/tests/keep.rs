//! What somebody who keeps deliveries on disk needs of the core: which headers to keep, which events are told twice, and what
//! the sender hears.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mdss_relay_core::{Cause, Decision, Delivery, Failure, Kept, Plan, Report, Role, Settings, plan};

fn planned(body: String) -> Plan {
    planned_by(("STORAGECLIENTID", "unit-1"), body)
}

fn planned_by(setting: (&str, &str), body: String) -> Plan {
    let vars = [setting].map(|(n, v)| (OsString::from(n), OsString::from(v)));
    let settings = Settings::read(vars, Role::Explain).finish().unwrap();
    plan(&settings.rules, &Delivery::from_function(body, ""))
}

/// The mark of the only record of an S3-shaped delivery.
fn mark(source: Option<&str>, object: &str) -> Option<String> {
    let body = format!(
        r#"{{"Records":[{{"eventSource":"aws:s3","eventName":"ObjectCreated:Put",
            "s3":{{"bucket":{{"name":"b"}},"object":{object}}}}}]}}"#
    );
    let plan = planned(body);
    plan.records[0].write_mark(source).map(|mark| mark.as_str().to_owned())
}

#[test]
fn only_a_mark_of_the_write_makes_a_duplicate() {
    let first = mark(None, r#"{"key":"k","sequencer":"01","versionId":"v1","eTag":"e1"}"#).unwrap();
    for (source, object, same) in [
        (None, r#"{"key":"k","sequencer":"01","versionId":"v1","eTag":"\"e1\"","more":1}"#, true),
        (None, r#"{"key":"%6B","sequencer":"01","versionId":"v1","eTag":"e1"}"#, true),
        // What a request may have brought is the same, and the content is not.
        (None, r#"{"key":"k","sequencer":"01","versionId":"v1","eTag":"e2"}"#, false),
        (None, r#"{"key":"k","sequencer":"01","versionId":"v1","eTag":"e1","size":7}"#, false),
        (None, r#"{"key":"k","sequencer":"01","versionId":"v1"}"#, false),
        (None, r#"{"key":"k","sequencer":"02","versionId":"v1","eTag":"e1"}"#, false),
        (None, r#"{"key":"k","sequencer":"01","versionId":"v2","eTag":"e1"}"#, false),
        (None, r#"{"key":"k","sequencer":"01","eTag":"e1"}"#, false),
        (None, r#"{"key":"l","sequencer":"01","versionId":"v1","eTag":"e1"}"#, false),
        (Some("weak"), r#"{"key":"k","sequencer":"01","versionId":"v1","eTag":"e1"}"#, false),
    ] {
        assert_eq!(mark(source, object).as_ref() == Some(&first), same, "{source:?} {object}");
    }
    for (object, marked) in [
        (r#"{"key":"k","eTag":"e1","size":3}"#, false),
        (r#"{"key":"k","versionId":"null"}"#, false),
        (r#"{"key":"k","versionId":""}"#, false),
        (r#"{"key":"k","versionId":"v1"}"#, true),
        (r#"{"key":"k","versionId":"null","sequencer":"01"}"#, true),
    ] {
        assert_eq!(mark(None, object).is_some(), marked, "{object}");
    }
    let long = format!(r#"{{"key":"k","sequencer":"{}"}}"#, "0".repeat(5000));
    assert_eq!(mark(None, &long), None);
}

/// Two tenancies may have a bucket of one name, and an id of an event is unique in neither more than in its own.
#[test]
fn another_namespace_is_another_write() {
    let mark = |namespace: &str| {
        let body = format!(
            r#"{{"cloudEventsVersion":"0.1","eventType":"com.oraclecloud.objectstorage.createobject","eventID":"1",
                "data":{{"resourceName":"k","additionalDetails":{{"bucketName":"b","namespace":"{namespace}"}}}}}}"#
        );
        planned(body).records[0].write_mark(None).unwrap()
    };
    assert_eq!(mark("one"), mark("one"));
    assert_ne!(mark("one"), mark("two"));
}

#[test]
fn another_time_is_another_write() {
    let mark = |time: &str| {
        let body = format!(
            r#"{{"Records":[{{"eventSource":"oss","eventName":"s3:ObjectCreated:Put","eventTime":"{time}",
                "responseElements":{{"x-amz-request-id":"SAME"}},"s3":{{"bucket":{{"name":"b"}},"object":{{"key":"k"}}}}}}]}}"#
        );
        planned(body).records[0].write_mark(None)
    };
    let first = mark("2026-03-04T08:15:42.137Z");
    assert!(first.is_some());
    assert_eq!(mark("2026-03-04T09:15:42.137+01:00"), first, "the same moment");
    assert_ne!(mark("2026-03-04T08:15:42.138Z"), first);
    assert_ne!(mark("no time at all"), first);
}

/// Every dialect that names its events or requests has its mark; `@@` is exchanged.
#[test]
fn ids_of_events_and_requests_are_marks() {
    for body in [
        r#"{"cloudEventsVersion":"0.1","eventType":"com.oraclecloud.objectstorage.createobject","eventID":"@@",
            "data":{"resourceName":"k","additionalDetails":{"bucketName":"b"}}}"#,
        r#"{"events":[{"eventType":"b2:ObjectCreated:Upload","eventId":"@@","bucketName":"b","objectName":"k"}]}"#,
        r#"{"operation":"Object:Write","bucket":"b","key":"k","notification":{"request_id":"@@"}}"#,
        r#"{"source":"aws.s3","detail-type":"Object Created","id":"@@","detail":{"bucket":{"name":"b"},"object":{"key":"k"}}}"#,
        r#"{"source":"aws.s3","detail-type":"Object Created","detail":{"request-id":"@@","bucket":{"name":"b"},"object":{"key":"k"}}}"#,
        r#"{"Records":[{"source":"oss","id":"@@","detail":{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}}]}"#,
        r#"{"Records":[{"source":"oss","detail":{"eventName":"s3:ObjectCreated:Put","responseElements":{"x-amz-request-id":"@@"},"s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}}]}"#,
        r#"{"Records":[{"eventSource":"oss","eventName":"s3:ObjectCreated:Put","responseElements":{"x-amz-request-id":"@@"},"s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#,
        r#"{"Records":[{"eventSource":"ceph:s3","eventId":"@@","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#,
    ] {
        let mark = |id: &str| planned(body.replace("@@", id)).records[0].write_mark(None);
        assert!(mark("1").is_some(), "{body}");
        assert_eq!((mark("1") == mark("1"), mark("1") == mark("2"), mark("")), (true, false, None), "{body}");
    }
}

/// Where an event has no id, what brings it may have one.
#[test]
fn ids_in_headers_are_marks() {
    const R2: &str = r#"{"account":"a","action":"PutObject","bucket":"b","object":{"key":"k"}}"#;
    const IBM: &str = r#"{"operation":"Object:Write","bucket":"b","key":"k","notification":{}}"#;
    let vars = [(OsString::from("STORAGECLIENTID"), OsString::from("unit-1"))];
    let rules = Settings::read(vars, Role::Explain).finish().unwrap().rules;
    let event = [("ce-specversion", "1.0"), ("ce-type", "com.ibm.cloud.cos.document.write")];
    for (body, id, others) in
        [(R2, "X-Message-Id", [("X-Queue", "q"), ("X-Attempts", "1")]), (IBM, "Ce-Id", event)]
    {
        let mark = |value: &str| {
            let headers = [(id, value)].into_iter().chain(others);
            let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            let delivery = Delivery { headers, body: body.into(), ..Delivery::default() };
            plan(&rules, &delivery).records[0].write_mark(None)
        };
        assert!(mark("1").is_some(), "{body}");
        assert_eq!((mark("1") == mark("1"), mark("1") == mark("2"), mark("")), (true, false, None), "{body}");
    }
}

#[test]
fn of_the_headers_only_those_a_dialect_reads_are_kept() {
    let headers = [
        ("X-JDCloud-Message-Type", "Notification"),
        ("Authorization", "Bearer t0ken"),
        ("Cookie", "session=1"),
        ("X-Auth-Token", "t0ken"),
        ("X-OCI-NS-ConfirmationURL", "https://notification.x.oraclecloud.com/subscriptions/x?token=t0ken"),
        ("X-Bz-Event-Notification-Signature", "v1=t0ken"),
        ("X-Message-Id", "547a66725e208fe954b50c323e79c684"),
        ("Ce-Relaysecret", "t0ken"),
        ("Content-Type", "application/json"),
    ];
    let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
    let delivery = Delivery { headers, ..Delivery::default() };
    let want =
        [("x-jdcloud-message-type", "Notification"), ("x-message-id", "547a66725e208fe954b50c323e79c684")];
    assert_eq!(delivery.headers_to_keep(), want.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[test]
fn what_is_on_disk_is_done_and_what_is_not_is_not() {
    use Kept::{Duplicate, NoRoom, Nothing, Spooled};
    const ROUTE: (&str, &str) =
        ("RELAY_CONFIG_TOML", "[[route]]\nbucket = 'b'\nstorage_client_id = 'unit-1'");
    let record = |bucket: &str, name: &str| {
        format!(
            r#"{{"eventSource":"aws:s3","eventName":"{name}","s3":{{"bucket":{{"name":"{bucket}"}},"object":{{"key":"k"}}}}}}"#
        )
    };
    let (good, gone) = (record("b", "ObjectCreated:Put"), record("b", "ObjectRemoved:Delete"));
    let lost = record("nowhere", "ObjectCreated:Put");
    let no_room = || NoRoom("there is no room".into());
    let bad = r#"{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"}}}"#;
    for (records, kept, want) in [
        (vec![good.as_str()], vec![Spooled], r#"done spooled:-"#),
        (vec![good.as_str()], vec![Duplicate], "done skipped:duplicate"),
        (vec![bad], vec![Spooled], "done spooled:missing_key"),
        (vec![bad], vec![Nothing], "permanent failed:missing_key"),
        (vec![good.as_str(), bad], vec![Spooled, Nothing], "done spooled:- failed:missing_key"),
        (vec![good.as_str(), bad], vec![Duplicate, Nothing], "done skipped:duplicate failed:missing_key"),
        (vec![gone.as_str(), bad], vec![Nothing, Nothing], "permanent skipped:removed failed:missing_key"),
        (vec![gone.as_str()], vec![Nothing], "done skipped:removed"),
        (vec![good.as_str()], vec![Nothing], "config failed:internal"),
        // Of what could succeed later nothing would be left: the sender is to come again, whatever was kept beside it.
        (vec![good.as_str()], vec![no_room()], "transient failed:spool_unavailable"),
        (
            vec![good.as_str(), good.as_str()],
            vec![Spooled, no_room()],
            "transient spooled:- failed:spool_unavailable",
        ),
        (
            vec![good.as_str(), lost.as_str()],
            vec![Spooled, no_room()],
            "config spooled:- failed:unmapped_bucket",
        ),
        (
            vec![good.as_str(), lost.as_str()],
            vec![Duplicate, no_room()],
            "config skipped:duplicate failed:unmapped_bucket",
        ),
        (
            vec![good.as_str(), bad, lost.as_str()],
            vec![Spooled, Spooled, no_room()],
            "config spooled:- spooled:missing_key failed:unmapped_bucket",
        ),
        (
            vec![good.as_str(), lost.as_str()],
            vec![no_room(), no_room()],
            "transient failed:spool_unavailable failed:unmapped_bucket",
        ),
        // These bytes never will.
        (vec![good.as_str(), bad], vec![Spooled, no_room()], "done spooled:- failed:missing_key"),
        (
            vec![good.as_str(), bad],
            vec![no_room(), no_room()],
            "transient failed:spool_unavailable failed:missing_key",
        ),
        (vec![bad], vec![no_room()], "permanent failed:missing_key"),
    ] {
        let body = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let plan = planned_by(ROUTE, body);
        let report = Report::kept(&plan, &kept, Duration::ZERO, "");
        let mut got = serde_json::to_value(report.outcome).unwrap().as_str().unwrap().to_owned();
        for record in &report.records {
            let result = serde_json::to_value(record.result).unwrap();
            got += &format!(" {}:{}", result.as_str().unwrap(), record.reason.unwrap_or("-"));
        }
        assert_eq!(got, want, "{records:?} {kept:?}");
    }
}

/// What never became a delivery is a plan all the same, so that it is reported like one.
#[test]
fn a_refused_request_is_one_record_that_says_why() {
    let plan = Plan::refused(Failure::new(Cause::UnknownPath, "no source has this path"));
    assert_eq!((plan.records.len(), plan.dialect, plan.is_queue()), (1, None, false));
    let Decision::Fail(failure) = &plan.records[0].decision else { panic!("{plan:?}") };
    assert_eq!((failure.cause, failure.detail.as_str()), (Cause::UnknownPath, "no source has this path"));
    assert_eq!((plan.records[0].item.as_str(), plan.records[0].kind), ("0", None));
}

/// What an uploader has signed with comes wrapped in whatever a queue, a shipper or a forwarder puts around an event, and beside
/// events of others; and whoever reads the kept body again must find the same objects.
#[test]
fn a_kept_body_holds_no_credential_and_the_same_objects() {
    const SIGNED: &str = "q-sign-algorithm=sha1";
    let record = |key: &str| {
        format!(
            r#"{{"cos":{{"cosBucket":{{"name":"b","appid":"1"}},"cosObject":{{"key":"/1/b/{key}"}}}},"event":{{"eventName":"cos:ObjectCreated:Put","requestParameters":{{"requestHeaders":{{"Authorization":"{SIGNED}"}}}}}}}}"#
        )
    };
    let other = r#"{"eventType":"b2:ObjectCreated:Upload","bucketName":"b","objectName":"x"}"#;
    let text = |json: &str| serde_json::to_string(json).unwrap();
    let (one, two) = (record("a"), record("c"));
    let both = format!(r#"{{"Records":[{one},{two}]}}"#);
    let message =
        |body: &str| format!(r#"{{"messageId":"m","eventSource":"aws:sqs","body":{}}}"#, text(body));
    let odd = both.replacen("q-sign", "\u{1}q-sign", 1).into_bytes();
    let odd: Vec<u8> = odd.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    for body in [
        both.clone().into_bytes(),
        format!("\u{feff}{both}").into_bytes(),
        format!("[{other},{one},{two}]").into_bytes(),
        format!("{one}\n{two}\n").into_bytes(),
        format!("{one}\r\n\r\n{two}\r\n{other}").into_bytes(),
        format!("{one}\n{{\"torn\":\n{{\"requestHeaders\":\"{SIGNED}\n{two}").into_bytes(),
        text(&both).into_bytes(),
        STANDARD.encode(&both).into_bytes(),
        text(&STANDARD.encode(format!("{one}\n{two}"))).into_bytes(),
        format!(r#"{{"Records":[{},{}]}}"#, message(&both), message(other)).into_bytes(),
        format!(r#"{{"Records":[{}]}}"#, message(&STANDARD.encode(&both))).into_bytes(),
        format!(r#"{{"requestContext":{{}},"requestPayload":{}}}"#, text(&both)).into_bytes(),
        format!(r#"{{"specversion":"1.0","type":"t","data_base64":"{}"}}"#, STANDARD.encode(&both))
            .into_bytes(),
        odd,
    ] {
        let vars = [("STORAGECLIENTID", "unit-1")].map(|(n, v)| (OsString::from(n), OsString::from(v)));
        let settings = Settings::read(vars, Role::Explain).finish().unwrap();
        let mut delivery = Delivery::from_function("", "");
        delivery.body = body;
        let said = |plan: &Plan| {
            let records = plan.records.iter();
            let said =
                records.map(|r| format!("{} {:?} {:?} {:?}", r.item, r.key, r.kind, r.write_mark(None)));
            said.collect::<Vec<_>>()
        };
        let shown = String::from_utf8_lossy(&delivery.body).into_owned();
        let before = plan(&settings.rules, &delivery);
        assert!(before.records.len() >= 2, "{shown}");
        let kept =
            delivery.body_to_keep(before.records.iter().filter_map(|r| r.dialect).chain(before.dialect));
        assert!(!unwrapped(&kept).contains("q-sign"), "{shown}: {}", unwrapped(&kept));
        delivery.body = kept;
        assert_eq!(said(&plan(&settings.rules, &delivery)), said(&before), "{shown}");
    }
}

/// A body with every base64 text in it opened.
fn unwrapped(body: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    for _ in 0..3 {
        let parts: Vec<_> = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c))).collect();
        let opened: Vec<_> = parts
            .iter()
            .filter(|part| part.len() > 80)
            .filter_map(|part| STANDARD.decode(part).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect();
        text.push_str(&opened.concat());
    }
    text
}
