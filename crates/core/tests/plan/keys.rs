//! How a key was encoded is decided by its producer, or by the operator.

use super::*;

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
            (found.dialect.map(Dialect::name), found.key.as_ref().unwrap().as_str()),
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
    assert_eq!(planned(bucket_id).records[0].dialect.map(Dialect::name), Some("ceph"));
}

/// The vendors whose records are not S3-shaped: what is in force without a setting, and that a setting overrides it.
#[test]
fn other_producers_have_a_rule_and_a_setting_too() {
    let data =
        |kind: &str, data: Value| json!({ "specversion": "1.0", "type": kind, "data": data }).to_string();
    let obs = |key: &str| json!({ "eventName": "ObjectCreated:Put", "obs": { "bucket": { "name": "b" }, "object": { "key": key } } });
    let block = |name: &str, key: &str| {
        json!({ "events": [{ "eventName": "ObjectCreated:Put", name: { "bucket": { "name": "b" }, "object": { "key": key } } }] })
            .to_string()
    };
    let cos = |key: &str| {
        let cos = json!({ "cosBucket": { "name": "b", "appid": "1" }, "cosObject": { "key": format!("/1/b/{key}") } });
        json!({ "Records": [{ "cos": cos, "event": { "eventName": "cos:ObjectCreated:Put" } }] }).to_string()
    };
    let yandex = |key: &str| {
        let metadata = json!({ "event_type": "yandex.cloud.events.storage.ObjectCreate" });
        json!({ "messages": [{ "event_metadata": metadata, "details": { "bucket_id": "b", "object_id": key } }] }).to_string()
    };
    let key = "a+b%2Fc";
    for (body, dialect, without, warned) in [
        (json!({ "Records": [obs(key)] }).to_string(), "HUAWEI_OBS", "a b/c", false),
        // Whether EventGrid encodes is a setting over there, so whoever has not said it here is warned.
        (data("OBS:DWR:ObjectCreated:PUT", obs(key)), "HUAWEI_OBS", "a b/c", true),
        (block("oss", key), "ALIBABA_OSS", key, false),
        (block("tos", key), "VOLCENGINE_TOS", key, false),
        (cos(key), "TENCENT_COS", key, false),
        (yandex(key), "YANDEX", key, false),
    ] {
        let record = &planned(body.clone()).records[0];
        assert_eq!(record.key.as_ref().unwrap().as_str(), without, "{body}");
        assert_eq!(record.warnings.iter().any(|w| w.contains("RELAY_KEYS_HUAWEI_OBS")), warned, "{body}");
        for (encoding, key) in [("form", "a b/c"), ("percent", "a+b/c"), ("verbatim", key)] {
            let variable = format!("RELAY_KEYS_{dialect}");
            let vars = [("STORAGECLIENTID", "u"), (&*variable, encoding)];
            let vars = vars.map(|(n, v)| (OsString::from(n), OsString::from(v)));
            let settings = Settings::read(vars, Role::Explain).finish().unwrap();
            let plan = plan_with(&settings, &body);
            assert_eq!(plan.records[0].key.as_ref().unwrap().as_str(), key, "{variable}={encoding}");
            assert_eq!(plan.records[0].warnings, [""; 0], "the operator has decided");
        }
    }
    // A form cannot hold these, so nobody has encoded them.
    for bare in ["a b+c%20", "中+文"] {
        assert_eq!(
            planned(data("OBS:DWR:ObjectCreated:PUT", obs(bare))).records[0].key.as_ref().unwrap().as_str(),
            bare
        );
    }
}

fn plan_with(settings: &Settings, body: &str) -> Plan {
    plan(&settings.rules, &Delivery::from_function(body, ""))
}

/// A producer that does not name itself is told by what is around its record, or in it.
#[test]
fn a_producer_without_a_name_is_known_by_its_marks() {
    let body = |outer: &str, extra: &str, bucket: &str, object: &str| {
        format!(
            r#"{{{outer}"Records":[{{"eventName":"ObjectCreated:Put"{extra},"s3":{{"bucket":{{"name":"b"{bucket}}},"object":{{"key":"a+b%2B"{object}}}}}}}]}}"#
        )
    };
    for (outer, extra, bucket, object, dialect, key) in [
        ("", "", "", "", "aws-s3", "a b+"),
        (r#""EventName":"s3:ObjectCreated:Put","#, "", "", "", "minio", "a b+"),
        ("", r#","eventId":"1.2""#, "", "", "ceph", "a+b%2B"),
        ("", "", r#","id":"x:y""#, "", "ceph", "a+b%2B"),
        ("", "", "", r#","metadata":[]"#, "ceph", "a+b%2B"),
        // MinIO's is an object.
        ("", "", "", r#","metadata":{}"#, "aws-s3", "a b+"),
    ] {
        let body = body(outer, extra, bucket, object);
        let record = &planned(body.clone()).records[0];
        assert_eq!(
            (record.dialect.map(Dialect::name), record.key.as_ref().unwrap().as_str()),
            (Some(dialect), key),
            "{body}"
        );
    }
}
