//! Google Cloud Storage: what only a header tells, which of two names counts, and which events are the same write.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const GCS: Option<Dialect> = Some(Dialect::Gcs);

/// A finalized object's push, changed by whoever asks.
fn push(change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let mut attributes = json!({
        "bucketId": "b", "objectId": "k", "objectGeneration": "7", "eventType": "OBJECT_FINALIZE",
        "eventTime": "2026-03-04T08:15:42.230000Z", "payloadFormat": "JSON_API_V1",
    });
    let mut object =
        json!({ "kind": "storage#object", "name": "k", "bucket": "b", "generation": "7", "size": "3" });
    change(&mut attributes, &mut object);
    let message =
        json!({ "attributes": attributes, "data": STANDARD.encode(object.to_string()), "messageId": "1" });
    json!({ "message": message, "subscription": "s" }).to_string()
}

/// Whatever a body says: one body, three headers, three meanings.
#[test]
fn only_a_header_tells_a_removal_from_a_creation() {
    let body = br#"{"kind":"storage#object","name":"k","bucket":"b","generation":"7","size":"3"}"#;
    for pin in [None, GCS] {
        for (eventarc, unwrapped, want) in [
            ("finalized", "OBJECT_FINALIZE", "send"),
            ("deleted", "OBJECT_DELETE", "removed"),
            ("archived", "OBJECT_ARCHIVE", "removed"),
            ("metadataUpdated", "OBJECT_METADATA_UPDATE", "not_content"),
            ("somethingNew", "OBJECT_SOMETHING_NEW", "unknown_event"),
        ] {
            let kind = format!("google.cloud.storage.object.v1.{eventarc}");
            let event = http(pin, &[("CE-Type", &kind), ("ce-specversion", "1.0")], body);
            assert_eq!(verdicts(&event), [want], "{kind}");
            let push = http(pin, &[("eventType", unwrapped), ("x-goog-pubsub-message-id", "1")], body);
            assert_eq!(verdicts(&push), [want], "{unwrapped}");
        }
        // Without any nobody knows.
        assert_eq!(verdicts(&http(pin, &[], body)), ["missing_event_name"]);
    }
}

/// The headers of an unwrapped push are the event, so whoever keeps the delivery keeps them, and not the credential.
#[test]
fn what_is_kept_of_an_unwrapped_push_is_read_again_as_the_same() {
    let delivery = Delivery {
        method: "POST".into(),
        dialect: GCS,
        headers: [
            ("EventType", "OBJECT_DELETE"),
            ("X-Goog-Pubsub-Message-Id", "1"),
            ("Authorization", "Bearer t"),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .to_vec(),
        ..Delivery::from_function(r#"{"kind":"storage#object","name":"k","bucket":"b"}"#, "")
    };
    let kept = delivery.headers_to_keep();
    assert!(kept.iter().all(|(_, value)| !value.contains("Bearer")), "{kept:?}");
    let again = Delivery { headers: kept, ..delivery };
    assert_eq!(verdicts(&plan(&settings().rules, &again)), ["removed"]);
}

#[test]
fn the_attributes_say_which_object_it_is() {
    let sent = |plan: &Plan| {
        let record = &plan.records[0];
        let text = |name: Option<&str>| name.unwrap_or_default().to_owned();
        (
            text(record.bucket.as_ref().map(|b| b.as_str())),
            text(record.key.as_ref().map(|k| k.as_str())),
            record.details.size,
            record.warnings.len(),
        )
    };
    let of = |bucket: &str, key: &str, size, warnings| (bucket.to_owned(), key.to_owned(), size, warnings);
    let plain = planned(push(|_, _| ()));
    assert_eq!(sent(&plain), of("b", "k", Some(3), 0));
    // Another object's size says nothing of this one: it must not make a folder marker of it.
    let other = planned(push(|attributes, object| {
        attributes["objectId"] = "k/".into();
        object["size"] = "0".into();
    }));
    assert_eq!((sent(&other), verdicts(&other)), (of("b", "k/", None, 1), vec!["send"]));
    let elsewhere = planned(push(|attributes, _| attributes["bucketId"] = "c".into()));
    assert_eq!(sent(&elsewhere), of("c", "k", None, 1));
    // What the attributes leave out, the payload may say.
    let alone = planned(push(|attributes, _| attributes["objectId"] = Value::Null));
    assert_eq!(sent(&alone), of("b", "k", Some(3), 0));
    let nobody = planned(push(|attributes, object| {
        attributes["objectId"] = Value::Null;
        object["name"] = Value::Null;
    }));
    assert_eq!(
        detail(&nobody.records[0]),
        "message.attributes.objectId: expected the name of an object, found none"
    );
}

/// A payload that is none costs its size, and not the object.
#[test]
fn a_payload_nobody_can_read_costs_no_event() {
    let good = push(|_, _| ());
    let data = STANDARD.encode(r#"{"name":"k","name":"k"}"#);
    for data in
        [json!("*"), json!("/w=="), json!("eyI="), json!(7), json!("\u{e9}"), json!(data), json!("W10=")]
    {
        let mut body: Value = serde_json::from_str(&good).unwrap();
        body["message"]["data"] = data.clone();
        let plan = planned(body.to_string());
        assert_eq!((verdicts(&plan), plan.records[0].warnings.len()), (vec!["send"], 1), "{data}");
    }
    for data in [json!(""), Value::Null] {
        let mut body: Value = serde_json::from_str(&good).unwrap();
        body["message"]["data"] = data.clone();
        let plan = planned(body.to_string());
        assert_eq!((verdicts(&plan), plan.records[0].warnings.len()), (vec!["send"], 0), "{data}");
    }
}

/// "Messages … published for the same change" have ids of their own, and one generation.
#[test]
fn a_generation_is_one_write() {
    let mark = |body: String| planned(body).records[0].write_mark(None);
    let with_id = |id: &str| push(|_, _| ()).replace(r#""messageId":"1""#, &format!(r#""messageId":"{id}""#));
    let first = mark(with_id("1"));
    assert!(first.is_some());
    assert_eq!(first, mark(with_id("2")));
    let next = push(|attributes, object| {
        attributes["objectGeneration"] = "8".into();
        object["generation"] = 8.into();
    });
    assert_ne!(first, mark(next));
    // Where no generation is said, the message's id is all there is.
    let without = |id: &str| {
        let body = push(|attributes, object| {
            attributes["objectGeneration"] = Value::Null;
            object["generation"] = Value::Null;
        });
        mark(body.replace(r#""messageId":"1""#, &format!(r#""messageId":"{id}""#)))
    };
    assert!(without("1").is_some());
    assert_ne!(without("1"), without("2"));
}

/// Storj publishes to Pub/Sub, too; neither is taken for the other, whatever a source is pinned to.
#[test]
fn what_storj_publishes_stays_what_it_was() {
    let records = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"a%20b"}"#));
    let message = json!({ "attributes": {}, "data": STANDARD.encode(&records), "messageId": "m" });
    let storj = json!({ "message": message, "subscription": "s" }).to_string();
    let eventarc = [("ce-type", "google.cloud.pubsub.topic.v1.messagePublished"), ("ce-specversion", "1.0")];
    for headers in [&[][..], &eventarc] {
        for pin in [None, Some(Dialect::S3Compatible)] {
            let plan = http(pin, headers, storj.as_bytes());
            assert_eq!((verdicts(&plan), plan.records[0].item.as_str()), (vec!["send"], "m/0"));
        }
        assert_eq!(verdicts(&http(GCS, headers, storj.as_bytes())), ["missing_event_name"]);
        let google = push(|_, _| ());
        assert_eq!(verdicts(&http(None, headers, google.as_bytes())), ["send"]);
        assert_eq!(verdicts(&http(GCS, headers, google.as_bytes())), ["send"]);
        assert_ne!(verdicts(&http(Some(Dialect::S3Compatible), headers, google.as_bytes())), ["send"]);
    }
}

/// An unwrapped push without a payload names its object in a header alone; what announces no content loses nothing by it.
#[test]
fn an_empty_unwrapped_push_is_no_object() {
    for (kind, want) in
        [("OBJECT_FINALIZE", "missing_key"), ("OBJECT_DELETE", "not_content"), ("?", "missing_key")]
    {
        for pin in [None, GCS] {
            let plan = http(pin, &[("eventType", kind), ("x-goog-pubsub-message-id", "1")], b" \n");
            assert_eq!((verdicts(&plan), plan.dialect), (vec![want], GCS), "{kind}");
        }
    }
}

#[test]
fn a_pinned_source_hears_what_its_message_lacks() {
    let garbage = br#"{"message":{"data":"","messageId":"1"},"subscription":"s"}"#;
    let plan = http(GCS, &[], garbage);
    assert_eq!(verdicts(&plan), ["missing_event_name"]);
    assert_eq!(
        detail(&plan.records[0]),
        "message.attributes.eventType: expected the name of an event, found none"
    );
    for body in [&b"{}"[..], b"{\"message\":7}", b"{\"Records\":[]}"] {
        let plan = http(GCS, &[], body);
        assert_eq!(verdicts(&plan), ["unreadable"], "{}", String::from_utf8_lossy(body));
        assert!(detail(&plan.records[0]).contains("a push of Pub/Sub"), "{}", detail(&plan.records[0]));
    }
    let twice = push(|_, _| ()).replacen(r#"{"attributes":{"#, r#"{"attributes":{"objectId":"other","#, 1);
    let plan = planned(twice);
    assert_eq!(verdicts(&plan), ["unreadable"]);
    assert!(detail(&plan.records[0]).contains("objectId"), "{}", detail(&plan.records[0]));
}
