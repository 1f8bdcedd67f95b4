//! Dialects that are known by name and not read yet.

use super::*;

#[test]
fn reserved_dialects_are_refused_by_name() {
    for (body, name) in [
        (r#"{"Records":[{"cos":{}}]}"#, "tencent-cos"),
        (r#"{"Records":[{"eventSource":"OBS","obs":{}}]}"#, "huawei-obs"),
        (r#"{"events":[{"eventSource":"acs:oss","oss":{}}]}"#, "alibaba-oss"),
        (r#"{"events":[{"tos":{}}]}"#, "volcengine-tos"),
        (r#"{"events":[{"eventType":"b2:ObjectCreated:Upload"}]}"#, "b2"),
        (r#"{"messages":[{"event_metadata":{}}]}"#, "yandex"),
        (r#"{"event_type":"create","key":"/buckets/b/k","message":{}}"#, "seaweedfs"),
        (r#"{"operation":"Object:Write","notification":{}}"#, "ibm-cos"),
        (r#"{"account":"a","action":"PutObject","bucket":"b","object":{}}"#, "r2"),
    ] {
        let plan = planned(body);
        assert_eq!(
            (plan.dialect.map(Dialect::name), verdicts(&plan)),
            (Some(name), vec!["unsupported_dialect"]),
            "{body}"
        );
        assert!(detail(&plan.records[0]).contains(name), "{body}");
    }
}

#[test]
fn reserved_dialects_that_show_in_a_header_are_named_too() {
    for (name, value, dialect) in [
        ("ce-type", "com.ibm.cloud.cos.document.write", "ibm-cos"),
        ("X-SMN-Message-Type", "Notification", "huawei-obs"),
        ("X-Bz-Event-Notification-Signature", "v1=", "b2"),
    ] {
        let plan = http(None, &[(name, value)], br#"{"name":"a.txt"}"#);
        assert_eq!(
            (plan.dialect.map(Dialect::name), verdicts(&plan)),
            (Some(dialect), vec!["unsupported_dialect"]),
            "{name}"
        );
        // With raw delivery the event itself is behind it.
        let event = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
        assert_eq!(verdicts(&http(None, &[(name, value)], event.as_bytes())), ["send"], "{name}");
    }
}
