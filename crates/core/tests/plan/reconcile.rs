//! Objects that a listing has shown: planned like events, told apart from each other like writes, and never from a stranger.

use mdss_relay_core::{Decision, Delivery, Dialect, ListedObject, Role, Settings, found_objects, plan};

use super::{Plan, Planned, http, planned, verdict, verdicts};

const MODIFIED: &str = "2026-11-27T01:02:03.5Z";

/// An object of bucket `b`.
fn object(key: &str) -> ListedObject<'_> {
    let modified = MODIFIED.parse().ok();
    ListedObject { bucket: "b", key, etag: Some("0d73"), size: Some(7), modified, ..ListedObject::default() }
}

fn with(routes: &str, object: ListedObject<'_>) -> Planned {
    let routes =
        routes.replace("UNIT", "storage_client_id = \"u\"").replace("OTHER", "storage_client_id = \"v\"");
    let settings =
        Settings::read([("RELAY_CONFIG_TOML".into(), routes.into())], Role::Explain).finish().unwrap();
    let mut plan = plan(&settings.rules, &found_objects(None, "r", "r-0", &[object]));
    assert_eq!((plan.dialect, plan.records.len()), (Some(Dialect::Reconcile), 1));
    plan.records.remove(0)
}

fn found(objects: &[ListedObject<'_>]) -> Plan {
    plan(&super::settings().rules, &found_objects(Some("s"), "r", "r-0", objects))
}

#[test]
fn r6_keys_are_what_they_are() {
    let keys = [
        "a//b",
        "/lead",
        "./dot",
        " lead",
        "trail ",
        "x/../y",
        "per%2Fcent",
        "tab\there",
        "back\\slash",
        "amp&<x>",
        "ünï/cö.txt",
        "dir/",
        "sp ace+plus.txt",
        "ctl\u{1}x",
    ];
    let objects: Vec<_> = keys.iter().map(|key| object(key)).collect();
    let plan = found(&objects);
    let read: Vec<_> = plan.records.iter().map(|record| record.key.as_ref().unwrap().as_str()).collect();
    assert_eq!(read, keys);
    for (record, key) in plan.records.iter().zip(keys) {
        let Decision::Send(submission) = &record.decision else { panic!("{key:?}: {:?}", record.decision) };
        assert_eq!(submission.storage_client_id(), "unit-1");
        let shown = serde_json::to_value(submission).unwrap();
        let metadata: serde_json::Value = serde_json::from_str(shown["metadata"].as_str().unwrap()).unwrap();
        assert_eq!(metadata["s3"]["object"]["key"], *key);
    }
}

/// The dialect is whoever's who makes the delivery. What comes from outside is never read as one, wherever it stands, and no source can be
/// pinned to it.
#[test]
fn no_sender_can_say_that_an_object_was_listed() {
    let body = found_objects(None, "r", "r-0", &[object("k")]).body;
    let text = String::from_utf8(body.clone()).unwrap();
    let record = &text[r#"{"Records":["#.len()..text.len() - 2];
    for body in [text.clone(), record.to_owned(), format!("[{record}]"), format!("[{text}]")] {
        assert_eq!(verdicts(&planned(body.clone())), ["unknown_dialect"], "{body}");
        for pin in Dialect::ALL {
            let plan = http(Some(*pin), &[], body.as_bytes());
            assert!(!verdicts(&plan).contains(&"send"), "pinned to {pin}: {body}");
        }
    }
    // In an envelope it is none either, whoever made that.
    let wrapped =
        serde_json::json!({ "Message": text, "MessageId": "m", "TopicArn": "t", "Type": "Notification" });
    let (dialect, body) = (Some(Dialect::Reconcile), wrapped.to_string().into_bytes());
    let delivery = Delivery { dialect, body, ..Delivery::default() };
    assert!(!verdicts(&plan(&super::settings().rules, &delivery)).contains(&"send"));
    let source = "[[source]]\nname = 's'\npath = '/s'\ndialect = 'reconcile'\nauth = 'none'\n";
    let draft = Settings::read([("RELAY_CONFIG_TOML".into(), source.into())], Role::Explain);
    assert!(
        draft.mistakes.iter().any(|mistake| mistake.to_string().contains("dialect")),
        "{:?}",
        draft.mistakes
    );
}

/// The same forwarded write is sent once, a newer one again.
#[test]
fn the_mark_of_a_listed_object_is_that_of_its_write() {
    let mark = |object: ListedObject<'_>| {
        let mark = found(&[object]).records[0].write_mark(Some("s"));
        mark.map(|mark| mark.as_str().to_owned())
    };
    let base = mark(object("k")).unwrap();
    assert_eq!(mark(object("k")), Some(base.clone()));
    let later = "2026-11-27T01:02:04Z".parse().ok();
    for other in [
        ListedObject { modified: later, ..object("k") },
        ListedObject { etag: Some("other"), ..object("k") },
        ListedObject { size: Some(8), ..object("k") },
        ListedObject { version: Some("2"), ..object("k") },
        ListedObject { bucket: "c", ..object("k") },
        object("l"),
    ] {
        let other_mark = mark(other);
        assert!(other_mark.is_some() && other_mark.as_ref() != Some(&base), "{other:?}");
    }
    // Without a time nothing tells one write from the next.
    let timeless = ListedObject { modified: None, ..object("k") };
    assert_eq!(mark(timeless), None);
    assert!(mark(ListedObject { version: Some("2"), ..timeless }).is_some());
    assert_eq!(mark(ListedObject { version: Some("null"), ..timeless }), None);
}

#[test]
fn only_an_empty_folder_is_one() {
    let folder = ListedObject { size: Some(0), ..object("dir/") };
    assert_eq!(verdicts(&found(&[folder, object("dir/")])), ["folder_marker", "send"]);
}

/// A route's own word, then what the listing says of its store, then what most stores are.
#[test]
fn how_the_unit_is_registered() {
    let metadata = |routes: &str, store| {
        let record = with(routes, ListedObject { store, ..object("k") });
        let Decision::Send(submission) = record.decision else { panic!("{:?}", record.decision) };
        serde_json::to_value(&submission).unwrap()["metadata"].as_str().unwrap().to_owned()
    };
    let (plain, s3) = (r#"{"Name":"k"}"#, r#"{"s3":{"object":{"key":"k"}}}"#);
    let route = "[[route]]\nbucket = 'b'\nUNIT\n";
    assert_eq!(metadata(route, None), s3);
    assert_eq!(metadata(route, Some(Dialect::Oci)), plain);
    assert_eq!(metadata(&format!("{route}storage_type = 's3-compatible'\n"), Some(Dialect::Oci)), s3);
}

/// What a listing lacks is not known, and what is not known is no "no".
#[test]
fn a_condition_that_asks_what_a_listing_does_not_say_is_in_doubt() {
    let condition = |condition: &str| format!("[[route]]\nbucket = 'b'\nUNIT\ncondition = {condition}\n");
    for (routes, key, want) in [
        (condition("{ s3 = { object = { key = 'in/*' } } }"), "in/a", ("send", false)),
        (condition("{ s3 = { object = { key = 'in/*' } } }"), "out/a", ("not_selected", false)),
        (condition("{ s3 = { bucket = { name = 'b' }, object = { size = [6, 7] } } }"), "a", ("send", false)),
        (condition("{ s3 = { object = { size = 8 } } }"), "a", ("not_selected", false)),
        (condition("{ data = { resourceName = '*.pdf' } }"), "a.pdf", ("send", false)),
        (condition("{ detail = { object = { key = '*.pdf' } } }"), "a.txt", ("not_selected", false)),
        (condition("{ bucket = 'b', name = 'a*', size = '7' }"), "a", ("send", false)),
        // As a producer writes it that encodes keys.
        (condition("{ s3 = { object = { key = 'a+b*' } } }"), "a b/c", ("send", false)),
        (condition("{ s3 = { object = { key = 'a b*' } } }"), "a b/c", ("send", false)),
        // Not said: type, who, version, metadata.
        (condition("{ eventType = '*createobject' }"), "a", ("send", true)),
        (condition("{ userIdentity = { principalId = 'x' } }"), "a", ("send", true)),
        (condition("{ s3 = { object = { versionId = '*' } } }"), "a", ("send", true)),
        (condition("{ metageneration = ['1'] }"), "a", ("send", true)),
        // What is said may be against it all the same, before and behind.
        (condition("{ eventType = 'x', data = { resourceName = 'in/*' } }"), "a", ("not_selected", false)),
        (condition("{ data = { resourceName = 'in/*' }, eventType = 'x' }"), "a", ("not_selected", false)),
        // A later route takes it for sure, and the event might have gone to the first.
        (
            format!("{}[[route]]\nbucket = 'b'\nOTHER\n", condition("{ eventType = 'x' }")),
            "a",
            ("send", true),
        ),
        (
            format!("[[route]]\nbucket = 'b'\nOTHER\n{}", condition("{ eventType = 'x' }")),
            "a",
            ("send", false),
        ),
        // An earlier one takes nothing of it.
        (
            format!("[[route]]\nbucket = 'b'\nprefix = 'in/'\nOTHER\n{}", condition("{ size = '7' }")),
            "a",
            ("send", false),
        ),
        (
            "[[route]]\nbucket = 'b'\nUNIT\ncompartments = 'ocid1.compartment.oc1..aaa'\n".into(),
            "a",
            ("send", true),
        ),
        ("[[route]]\nbucket = 'b'\nUNIT\nnamespace = 'n'\n".into(), "a", ("send", true)),
        ("[[route]]\nbucket = 'c'\nUNIT\nnamespace = 'n'\n".into(), "a", ("unmapped_bucket", false)),
    ] {
        let record = with(&routes, object(key));
        assert_eq!((verdict(&record), record.in_doubt), want, "{key}\n{routes}{record:?}");
        assert_eq!(record.in_doubt, !record.warnings.is_empty(), "{routes}");
    }
    let elsewhere = "[[route]]\nbucket = 'b'\nUNIT\nnamespace = 'n'\n";
    let named = with(elsewhere, ListedObject { namespace: Some("n"), ..object("a") });
    assert_eq!((verdict(&named), named.in_doubt), ("send", false));
    let named = with(elsewhere, ListedObject { namespace: Some("m"), ..object("a") });
    assert_eq!(verdict(&named), "unmapped_bucket");
}

/// How it was written is not known: any rule about new objects may have told of it.
#[test]
fn a_bucket_s_document_takes_what_a_rule_of_it_may_have_told() {
    let document = |event: &str| {
        format!(
            "[[route]]\nbucket = 'b'\nUNIT\nnotification = '''<NotificationConfiguration><TopicConfiguration>\
             <Filter><S3Key><FilterRule><Name>prefix</Name><Value>in/</Value></FilterRule></S3Key></Filter>\
             <Topic>arn:aws:sns:eu-west-1:123456789012:t</Topic><Event>{event}</Event></TopicConfiguration></NotificationConfiguration>'''\n"
        )
    };
    for (event, key, want) in [
        ("s3:ObjectCreated:*", "in/a", "send"),
        ("s3:ObjectCreated:Post", "in/a", "send"),
        ("s3:ObjectCreated:*", "out/a", "not_selected"),
    ] {
        assert_eq!(verdict(&with(&document(event), object(key))), want, "{event} {key}");
    }
}
