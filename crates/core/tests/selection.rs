//! Which objects routes take, and that an object is never left out without a word that says why.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;

use mdss_relay_core::{Decision, Delivery, Kind, Plan, Role, Settings, plan};
use serde_json::{Value, json};

fn settings(config: &str, more: &[(&str, &str)]) -> Settings {
    let mut vars = vec![("RELAY_CONFIG_TOML", config)];
    vars.extend(more);
    let vars = vars.into_iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Explain).finish().unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn routes(routes: &[&str]) -> String {
    let route = |(n, members): (usize, &&str)| {
        format!("[[route]]\nbucket = \"b\"\nstorage_client_id = \"unit-{n}\"\n{members}\n")
    };
    routes.iter().enumerate().map(route).collect()
}

fn minio(key: &str) -> Value {
    json!({ "EventName": "s3:ObjectCreated:Put", "Records": [{ "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": key } } }] })
}

fn planned(settings: &Settings, body: &Value) -> Plan {
    plan(&settings.rules, &Delivery::from_function(body.to_string(), ""))
}

/// The unit an object goes to, or why it goes to none.
fn verdict(settings: &Settings, body: &Value) -> String {
    let plan = planned(settings, body);
    let record = &plan.records[0];
    match &record.decision {
        Decision::Send(submission) => submission.storage_client_id().to_owned(),
        Decision::Skip(reason) => format!("{reason}: {}", record.skip_detail.as_deref().unwrap_or("-")),
        Decision::Fail(failure) => failure.to_string(),
    }
}

#[test]
fn what_no_route_takes_is_told_with_the_nearest_route_and_what_decided() {
    let cases: &[(&[&str], &str, &str)] = &[
        (
            &["prefix = \"/2026/\""],
            "2026%2Fa.pdf",
            "not_selected: route[0] is the nearest: key \"2026/a.pdf\" begins with none of prefix \"/2026/\"",
        ),
        (
            &["prefix = \"in/\"\nsuffix = [\".pdf\"]\nsuffix_any_case = \".tif\"", "prefix = \"out/\""],
            "in%2Fa.doc",
            "not_selected: route[0] is the nearest: key \"in/a.doc\" ends in none of suffix \".pdf\", suffix_any_case \".tif\"",
        ),
        // The one that got furthest, not the first.
        (
            &["prefix = \"out/\"", "prefix = \"in/\"\nexclude_suffix = \".part\""],
            "in%2Fa.part",
            "not_selected: route[1] is the nearest: key \"in/a.part\" ends in one of exclude_suffix \".part\"",
        ),
        (
            &["exclude_prefix = [\"q/\", \"in/\"]"],
            "in%2Fa",
            "not_selected: route[0] is the nearest: key \"in/a\" begins with one of exclude_prefix \"q/\", \"in/\"",
        ),
        (
            &["condition = { s3 = { object = { key = \"out/*\" } } }"],
            "in%2Fa",
            "not_selected: route[0] is the nearest: by its condition s3.object.key is \"in/a\", wanted \"out/*\"",
        ),
        (
            &["condition = { s3 = { object = { contentType = \"application/pdf\" } } }"],
            "a",
            "not_selected: route[0] is the nearest: by its condition s3.object.contentType is absent, wanted \"application/pdf\"",
        ),
        (
            &["compartments = [\"ocid1.compartment.oc1..a\"]"],
            "a",
            "not_selected: route[0] is the nearest: the compartment is none, wanted one of \"ocid1.compartment.oc1..a\"",
        ),
    ];
    for (members, key, want) in cases {
        let settings = settings(&routes(members), &[]);
        assert_eq!(verdict(&settings, &minio(key)), *want, "{members:?}");
    }
}

#[test]
fn a_condition_sees_the_key_as_it_was_sent_and_decoded() {
    let condition = |pattern: &str| {
        settings(&routes(&[&format!("condition = {{ s3 = {{ object = {{ key = {pattern:?} }} }} }}")]), &[])
    };
    for (pattern, taken) in [
        ("2026/*", true),
        ("2026%2F*", true),
        ("2026/a b+c.pdf", true),
        ("2026%2Fa+b%2Bc.pdf", true),
        ("*a b*", true),
        ("2027/*", false),
        ("2026/a+b*", false),
    ] {
        let got = verdict(&condition(pattern), &minio("2026%2Fa+b%2Bc.pdf"));
        assert_eq!(got == "unit-0", taken, "{pattern}: {got}");
    }
    // Also with what else is in the record as it was, and in an envelope.
    let quoted = json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "m", "body": minio("%22a%22%2Fb").to_string() }] });
    assert_eq!(verdict(&condition("\"a\"/b"), &quoted), "unit-0");
}

/// An uploader writes the metadata: as much as a store takes, and more, must not make his object one that nobody scans.
#[test]
fn ample_metadata_in_a_condition_is_read() {
    let ceph = |pairs: usize| {
        let metadata: Vec<Value> =
            (0..pairs).map(|n| json!({ "key": format!("x-amz-meta-{n}"), "val": "v" })).collect();
        json!({ "Records": [{ "eventSource": "ceph:s3", "eventName": "ObjectCreated:Put", "eventId": "1",
            "s3": { "bucket": { "name": "b", "id": "i" }, "object": { "key": "k", "metadata": metadata } } }] })
    };
    let alternatives: Vec<String> =
        (0..60).map(|n| format!("{{ key = \"x-amz-meta-owner-{n}\", val = \"partner-{n}\" }}")).collect();
    let condition =
        format!("condition = {{ s3 = {{ object = {{ metadata = [{}] }} }} }}", alternatives.join(", "));
    let both = settings(&routes(&[&condition, ""]), &[]);
    let alone = settings(&routes(&[&condition]), &[]);
    // Compared to the end: another route takes it, or none does, and the sentence says so.
    assert_eq!(verdict(&both, &ceph(400)), "unit-1");
    assert!(
        verdict(&alone, &ceph(400))
            .starts_with("not_selected: route[0] is the nearest: by its condition s3.object.metadata")
    );
    assert_eq!(verdict(&both, &ceph(4000)), "unit-1");
    // Beyond what is compared nobody can tell: what takes it for sure has it, else it is taken all the same, with a warning.
    assert_eq!(verdict(&both, &ceph(20_000)), "unit-1");
    assert_eq!(verdict(&alone, &ceph(20_000)), "unit-0");
    let warnings = planned(&alone, &ceph(20_000)).records[0].warnings.clone();
    assert!(
        warnings[0].starts_with("route[0].condition: s3.object.metadata.key: more than 1000000 comparisons"),
        "{warnings:?}"
    );
    // So it is where the condition is deeper than anybody looks.
    let deep = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "k", "userMetadata": serde_json::from_str::<Value>(&("[".repeat(100) + &"]".repeat(100))).unwrap() } } }] });
    let config = routes(&["condition = { s3 = { object = { userMetadata = \"x\" } } }"]);
    assert_eq!(verdict(&settings(&config, &[]), &deep), "unit-0");
}

#[test]
fn comparing_a_whole_delivery_ends_too() {
    let metadata: Vec<Value> = (0..3000).map(|n| json!({ "key": format!("m{n}"), "val": "v" })).collect();
    let record = json!({ "eventSource": "ceph:s3", "eventName": "ObjectCreated:Put", "eventId": "1",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "k", "metadata": metadata } } });
    let body = json!({ "Records": vec![record; 20] });
    let alternatives: Vec<String> = (0..100).map(|n| format!("{{ key = \"x{n}\" }}")).collect();
    let config = routes(&[&format!(
        "condition = {{ s3 = {{ object = {{ metadata = [{}] }} }} }}",
        alternatives.join(", ")
    )]);
    let plan = planned(&settings(&config, &[]), &body);
    let sent = plan.records.iter().filter(|r| matches!(r.decision, Decision::Send(_))).count();
    assert!((10..20).contains(&sent), "{sent} of 20: what nobody has compared is taken");
}

#[test]
fn the_operator_says_what_becomes_of_unknown_events() {
    let s3 = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectDreamt:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } }] });
    let nameless = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectDreamt:Put",
        "s3": { "bucket": { "name": "b" }, "object": {} } }] });
    let bucket = json!({ "Records": [{ "eventSource": "minio:s3", "eventName": "s3:BucketDreamt:*", "s3": { "bucket": { "name": "b" } } }] });
    let oci = json!({ "cloudEventsVersion": "0.1", "eventType": "com.oraclecloud.objectstorage.importobject",
        "data": { "resourceName": "k", "additionalDetails": { "bucketName": "b" } } });
    let of_bucket = json!({ "cloudEventsVersion": "0.1", "eventType": "com.oraclecloud.objectstorage.tagbucket",
        "data": { "resourceName": "b", "additionalDetails": { "bucketName": "b" } } });
    let bridge = json!({ "source": "aws.s3", "detail-type": "Object Dreamt", "detail": { "bucket": { "name": "b" }, "object": { "key": "k" } } });
    let jd = json!({ "Records": [{ "source": "oss", "detail": { "eventName": "dream", "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } } }] });
    for (body, named) in [(&s3, true), (&nameless, false), (&oci, true), (&bridge, true), (&jd, true)] {
        let with = |word: &str| settings(&routes(&[""]), &[("RELAY_UNKNOWN_EVENTS", word)]);
        let fails = verdict(&with("fail"), body);
        assert!(
            fails.starts_with("unknown_event: ") && fails.contains("RELAY_UNKNOWN_EVENTS=send"),
            "{fails}"
        );
        let skips = verdict(&with("skip"), body);
        assert!(
            skips.starts_with("not_content: ") && skips.ends_with("RELAY_UNKNOWN_EVENTS is skip"),
            "{skips}"
        );
        let sends = verdict(&with("send"), body);
        assert_eq!(sends == "unit-0", named, "{sends}");
        assert!(named || sends.starts_with("unknown_event: "), "{sends}");
        let plan = planned(&with("send"), body);
        assert_eq!(plan.records[0].kind == Some(Kind::Created), named);
        assert!(!named || plan.records[0].warnings[0].ends_with("taken as new content"), "{plan:?}");
    }
    let service = json!({ "source": "aws.s3", "detail-type": "AWS Service Event via CloudTrail",
        "detail": { "eventName": "ImportObject", "requestParameters": { "bucketName": "b", "key": "k" } } });
    let elsewhere = json!({ "source": "aws.s3", "detail-type": "Async Copy Completion", "detail": { "destination": { "bucket": "b", "key": "k" } } });
    for body in [&service, &elsewhere] {
        assert!(verdict(&settings(&routes(&[""]), &[]), body).starts_with("unknown_event: "), "{body}");
    }
    // What speaks of no object is no object's news.
    for body in [&bucket, &of_bucket] {
        assert_eq!(verdict(&settings(&routes(&[""]), &[]), body), "not_content: -");
    }
}

/// Releases of some stores tell a size of 0 of what came in by another way than a plain upload.
#[test]
fn a_size_of_0_is_believed_of_a_plain_upload_alone() {
    let of = |name: &str, key: &str, size: Value| {
        let body = json!({ "Records": [{ "eventSource": "ceph:s3", "eventName": name, "eventId": "1",
            "s3": { "bucket": { "name": "b", "id": "i" }, "object": { "key": key, "size": size, "eTag": "9e107d9d372bb6826bd81d3542a419d6" } } }] });
        verdict(&settings(&routes(&[""]), &[]), &body)
    };
    for name in ["ObjectCreated:Put", "s3:ObjectCreated:Put", "ObjectCreated:Post", "Object Created"] {
        assert_eq!(of(name, "new folder/", json!(0)), "folder_marker: -", "{name}");
        assert_eq!(of(name, "new folder/", json!(1)), "unit-0", "{name}");
    }
    for name in [
        "ObjectSynced:Create",
        "Replication:Create",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "CopyObject",
    ] {
        assert_eq!(of(name, "evil.exe/", json!(0)), "unit-0", "{name}");
    }
}

/// A unit of Azure Blob may want the container in front of the name, and nobody has written down whether it does.
#[test]
fn an_object_may_be_named_with_its_bucket_in_front() {
    let metadata = |settings: &Settings| {
        let plan = planned(settings, &minio("a%2Fb+c.pdf"));
        let record = &plan.records[0];
        assert_eq!(record.key.as_ref().map(|key| key.as_str()), Some("a/b c.pdf"), "the key itself stays");
        let Decision::Send(submission) = &record.decision else { panic!("{record:?}") };
        let body: Value = serde_json::from_str(&submission.body()).unwrap();
        body["metadata"].as_str().unwrap().to_owned()
    };
    let azure = "storage_type = \"azure-blob\"\n";
    let with_bucket = format!("{azure}object_name = \"bucket/key\"\n");
    for (members, want) in [(azure, "a/b c.pdf"), (&with_bucket, "b/a/b c.pdf")] {
        assert_eq!(
            metadata(&settings(&routes(&[members]), &[])),
            format!("{{\"Name\":\"{want}\"}}"),
            "{members}"
        );
    }
    let alone =
        [("STORAGECLIENTID", "u"), ("RELAY_STORAGE_TYPE", "azure-blob"), ("RELAY_OBJECT_NAME", "bucket/key")];
    assert_eq!(metadata(&settings("", &alone)), "{\"Name\":\"b/a/b c.pdf\"}");
    let vars = [("RELAY_CONFIG_TOML", routes(&["object_name = \"bucket\""]))];
    let vars = vars.map(|(n, v)| (OsString::from(n), OsString::from(v)));
    let mistakes = Settings::read(vars, Role::Explain).finish().unwrap_err();
    assert_eq!(mistakes[0].to_string(), "route[0].object_name: found \"bucket\", expected key or bucket/key");
}
