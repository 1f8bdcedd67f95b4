//! What holds for every body, made up.

use proptest::prelude::*;

use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("Records"),
        Just("s3"),
        Just("bucket"),
        Just("object"),
        Just("key"),
        Just("name"),
        Just("eventSource"),
        Just("eventName"),
        Just("size"),
        Just("eTag"),
        Just("body"),
        Just("messageId"),
        Just("data"),
        Just("eventType"),
        Just("additionalDetails"),
        Just("bucketName"),
        Just("resourceName"),
        Just("cloudEventsVersion"),
        Just("Event"),
        Just("EventSource"),
        Just("Sns"),
        Just("Type"),
        Just("TopicArn"),
        Just("Message"),
        Just("message"),
        Just("topicOwner"),
        Just("subscriptionName"),
        Just("source"),
        Just("detail"),
        Just("detail-type"),
        Just("eventTime"),
        Just("x"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![
            Just("aws:s3"),
            Just("aws:sqs"),
            Just("minio:s3"),
            Just("oss"),
            Just("aws:sns"),
            Just("aws.s3"),
            Just("Notification"),
            Just("SubscriptionConfirmation"),
            Just("s3:ObjectCreated:Put"),
            Just("%ff"),
            Just("s3:TestEvent"),
            Just("com.oraclecloud.objectstorage.createobject"),
            Just("{\"Records\":[{}]}"),
            Just(""),
        ]
        .prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8).prop_map(|members| Value::Object(
                members.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let plan = planned(bytes.clone());
        // Nothing is lost without a word: who is not understood has one record that says so.
        if serde_json::from_slice::<Value>(&bytes).is_err() {
            let said = verdicts(&plan);
            prop_assert!(said.len() == 1 && ["unreadable", "unknown_dialect"].contains(&said[0]), "{said:?}");
        }
        for dialect in Dialect::ALL {
            http(Some(*dialect), &[("x-jdcloud-message-type", "Notification")], &bytes);
        }
    }

    #[test]
    fn no_json_makes_it_panic_and_every_record_has_a_reason(value in any_json()) {
        let plan = planned(value.to_string());
        for dialect in Dialect::ALL {
            http(Some(*dialect), &[], value.to_string().as_bytes());
        }
        let line: Value = serde_json::from_str(&explain("f", &Door::Open(&plan))).unwrap();
        let mut items = Vec::new();
        for record in line["records"].as_array().unwrap() {
            items.push(record["item"].as_str().unwrap().to_owned());
            match record["action"].as_str().unwrap() {
                "send" => prop_assert!(record["request"].is_object() && record["kind"] == "created"),
                _ => prop_assert!(record["reason"].is_string() && record["request"].is_null()),
            }
        }
        let count = items.len();
        items.sort();
        items.dedup();
        prop_assert_eq!(items.len(), count, "items are unique");
    }

    #[test]
    fn every_key_is_decoded_exactly_once(key in "\\PC{1,30}|[\u{0}-\u{7f}]{1,30}") {
        prop_assume!(!key.ends_with('/'));
        let form: String = percent_encode(&key).replace("%20", "+");
        for (source, wire) in [
            ("aws:s3", form.clone()), ("minio:s3", form), ("sgws:s3", percent_encode(&key)), ("ceph:s3", key.clone()), ("oss", key.clone()),
        ] {
            let body = json!({ "Records": [{ "eventSource": source, "eventName": "ObjectCreated:Put",
                "s3": { "bucket": { "name": "b" }, "object": { "key": wire } } }] });
            let plan = planned(body.to_string());
            prop_assert_eq!(plan.records[0].key.as_ref().unwrap().as_str(), key.as_str(), "{}", source);
            // … and arrives at MDSS as the same name.
            let Decision::Send(submission) = &plan.records[0].decision else { panic!("{:?}", plan.records[0]) };
            let outer: Value = serde_json::from_str(&submission.body()).unwrap();
            let inner: Value = serde_json::from_str(outer["metadata"].as_str().unwrap()).unwrap();
            prop_assert_eq!(inner["s3"]["object"]["key"].as_str().unwrap(), key.as_str());
        }
        let event = json!({ "cloudEventsVersion": "0.1", "eventType": "com.oraclecloud.objectstorage.createobject",
            "data": { "resourceName": key, "additionalDetails": { "bucketName": "b" } } });
        let plan = planned(event.to_string());
        prop_assert_eq!(plan.records[0].key.as_ref().unwrap().as_str(), key.as_str());
    }
}
