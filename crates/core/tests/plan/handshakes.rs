//! Probes, handshakes and confirmations.

use super::*;

#[test]
fn an_empty_post_is_a_probe_only_where_senders_probe() {
    assert_eq!(verdicts(&http(Some(Dialect::Minio), &[], b"")), ["probe"]);
    assert_eq!(verdicts(&http(Some(Dialect::Rustfs), &[], b"")), ["probe"]);
    assert_eq!(verdicts(&http(Some(Dialect::Ceph), &[], b"")), ["unreadable"]);
    assert_eq!(verdicts(&http(None, &[], b"")), ["unreadable"]);
}

#[test]
fn the_jd_handshake_is_answered_in_both_spellings_and_nothing_else_is() {
    for kind in ["SubscriptionConfirmation", "SubscriptionConfiguration", "SUBSCRIPTIONCONFIRMATION"] {
        let plan = http(None, &[("X-JDCloud-Message-Type", kind)], "prüfung\n".as_bytes());
        let reply = plan.reply.clone().unwrap();
        assert_eq!(
            (reply.status, reply.content_type, reply.body.as_str()),
            (200, "text/plain", "cHLDvGZ1bmcK")
        );
        assert_eq!((verdicts(&plan), plan.records[0].kind), (vec!["handshake"], Some(Kind::Handshake)));
    }
    let odd = http(None, &[("x-jdcloud-message-type", "Unsubscribe")], b"{}");
    assert_eq!((verdicts(&odd), odd.reply.is_none()), (vec!["unreadable"], true));
    // What names objects is no mere handshake.
    let event = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    let named = http(None, &[("x-jdcloud-message-type", "SubscriptionConfirmation")], event.as_bytes());
    assert_eq!((verdicts(&named), named.reply.is_none()), (vec!["send"], true));
    let twice = format!(r#"{{"Records":[],"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    let oci = r#"{"cloudEventsVersion":"0.1","eventType":"com.oraclecloud.objectstorage.createobject","data":{"resourceName":"k","additionalDetails":{"bucketName":"b"}}}"#;
    for (header, kind) in [
        ("x-jdcloud-message-type", "SubscriptionConfirmation"),
        ("x-oci-ns-messagetype", "SubscriptionConfirmation"),
    ] {
        for body in [twice.as_str(), oci] {
            let plan = http(None, &[(header, kind)], body.as_bytes());
            assert!(!verdicts(&plan).contains(&"handshake"), "{header} {body}: {:?}", verdicts(&plan));
        }
    }
    let large = http(None, &[("x-jdcloud-message-type", "SubscriptionConfirmation")], &[b'a'; 20_000]);
    assert_eq!((verdicts(&large), large.reply.is_none()), (vec!["unreadable"], true));
}

#[test]
fn notifications_hold_an_event_or_want_a_visit() {
    let event = br#"{"cloudEventsVersion":"0.1","eventType":"com.oraclecloud.objectstorage.createobject","data":{"resourceName":"a","additionalDetails":{"bucketName":"b"}}}"#;
    let kind = "x-oci-ns-messagetype";
    let plan = http(None, &[(kind, "Notification")], event);
    assert_eq!(
        (plan.dialect.map(Dialect::name), plan.records[0].dialect.map(Dialect::name), verdicts(&plan)),
        (Some("oci-notifications"), Some("oci"), vec!["send"])
    );
    // The sender picks the body, not the reader: behind this header there are events of OCI.
    let foreign = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    assert_eq!(verdicts(&http(None, &[(kind, "Notification")], foreign.as_bytes())), ["missing_event_name"]);

    let url = "https://cell1.notification.eu-frankfurt-1.oci.oraclecloud.com/20181201/subscriptions/x/confirmation?token=t";
    let headers = [
        (kind, "SubscriptionConfirmation"),
        ("x-oci-ns-confirmationurl", url),
        ("x-oci-ns-topicocid", "ocid1.onstopic.1"),
    ];
    let plan = http(None, &headers, b"{}");
    let confirm = plan.confirm.clone().unwrap();
    assert_eq!((confirm.url.as_str(), confirm.topic.as_str()), (url, "ocid1.onstopic.1"));
    assert_eq!((verdicts(&plan), plan.records[0].kind), (vec!["handshake"], Some(Kind::Handshake)));
    assert!(explain("f", &Door::Open(&plan)).contains(&format!(r#""confirm":"{url}""#)));

    for (headers, words) in [
        (vec![(kind, "SubscriptionConfirmation")], "found none"),
        (
            vec![
                (kind, "SubscriptionConfirmation"),
                ("x-oci-ns-confirmationurl", "https://10.0.0.1/?token=t0ken"),
            ],
            "another host",
        ),
        (vec![(kind, "Unsubscribed")], "found \"Unsubscribed\""),
    ] {
        let plan = http(None, &headers, b"{}");
        assert_eq!((verdicts(&plan), plan.confirm.is_none()), (vec!["unreadable"], true));
        assert!(detail(&plan.records[0]).contains(words) && !detail(&plan.records[0]).contains("t0ken"));
    }
}

#[test]
fn a_topic_of_sns_wants_a_visit_to_its_own_service_and_to_nothing_else() {
    let topic = "arn:aws:sns:eu-central-1:111122223333:landed";
    let url = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t0ken";
    let message = |kind: &str, topic: &str, url: &str| {
        let message =
            json!({ "Type": kind, "TopicArn": topic, "MessageId": "m", "SubscribeURL": url, "Message": "x" });
        planned(message.to_string())
    };
    let plan = message("SubscriptionConfirmation", topic, url);
    let confirm = plan.confirm.clone().unwrap();
    assert_eq!((confirm.url.as_str(), confirm.topic.as_str()), (url, topic));
    assert_eq!((plan.dialect.map(Dialect::name), verdicts(&plan)), (Some("aws-sns"), vec!["handshake"]));
    assert_eq!(plan.records[0].kind, Some(Kind::Handshake));

    let ended = message("UnsubscribeConfirmation", topic, url);
    assert_eq!((verdicts(&ended), ended.confirm.is_none()), (vec!["handshake"], true));
    assert!(ended.records[0].warnings[0].contains("has ended this subscription"), "{ended:?}");

    for (kind, topic, url, words) in [
        (
            "SubscriptionConfirmation",
            topic,
            "https://sns.eu-west-1.amazonaws.com/?Token=t0ken",
            "another host",
        ),
        // A host is made of the region, so what is no topic names none.
        ("SubscriptionConfirmation", "arn:aws:sqs:eu-central-1:1:landed", url, "another one"),
        ("SubscriptionConfirmation", "urn:aws:sns:eu-central-1:1:landed", url, "another one"),
        (
            "SubscriptionConfirmation",
            "arn:aws:sns:eu:1:landed",
            &url.replace("eu-central-1", "eu"),
            "another one",
        ),
        (
            "SubscriptionConfirmation",
            "arn:aws:sns:EU-1:1:landed",
            &url.replace("eu-central-1", "EU-1"),
            "another one",
        ),
        ("Farewell", topic, url, "found \"Farewell\""),
    ] {
        let plan = message(kind, topic, url);
        assert_eq!(
            (verdicts(&plan), plan.confirm.is_none()),
            (vec!["unreadable"], true),
            "{kind} {topic} {url}"
        );
        let detail = detail(&plan.records[0]);
        assert!(detail.contains(words) && !detail.contains("t0ken"), "{kind} {topic} {url}: {detail}");
    }
}

#[test]
fn a_topic_of_smn_wants_a_visit_to_the_console_and_to_nothing_else() {
    let topic = "urn:smn:cn-north-4:28a7:landed";
    let url =
        format!("https://console.huaweicloud.com/smn/subscription/confirm?token=t0ken&topic_urn={topic}");
    let message = |kind: &str, url: &str| {
        let message = json!({ "type": kind, "topic_urn": topic, "message_id": "m", "subscribe_url": url, "message": "x" });
        planned(message.to_string())
    };
    let plan = message("SubscriptionConfirmation", &url);
    let confirm = plan.confirm.clone().unwrap();
    assert_eq!((confirm.url.as_str(), confirm.topic.as_str()), (url.as_str(), topic));
    assert_eq!((plan.dialect.map(Dialect::name), verdicts(&plan)), (Some("huawei-obs"), vec!["handshake"]));

    for (kind, warning) in [
        ("UnsubscribeConfirmation", "has ended this subscription"),
        ("HttpSubscriptionUserUnsubscribe", "has ended this subscription"),
        ("HttpSubscriptionUserConfirm", "was confirmed"),
    ] {
        let plan = message(kind, &url);
        assert_eq!((verdicts(&plan), plan.confirm.is_none()), (vec!["handshake"], true), "{kind}");
        assert!(plan.records[0].warnings[0].contains(warning), "{kind}: {plan:?}");
    }
    for (kind, url, words) in [
        ("SubscriptionConfirmation", url.replace("://console", "://cn-south-1-console"), "another host"),
        ("SubscriptionConfirmation", url.replace("landed", "elsewhere"), "another topic"),
        ("SubscriptionConfirmation", String::new(), "found none"),
        ("Farewell", url.clone(), "found \"Farewell\""),
    ] {
        let plan = message(kind, &url);
        assert_eq!((verdicts(&plan), plan.confirm.is_none()), (vec!["unreadable"], true), "{kind} {url}");
        let detail = detail(&plan.records[0]);
        assert!(detail.contains(words) && !detail.contains("t0ken"), "{kind} {url}: {detail}");
    }
    // What names objects is no mere handshake.
    let both = json!({ "type": "SubscriptionConfirmation", "topic_urn": topic, "subscribe_url": url, "Records": [] });
    let plan = planned(both.to_string());
    assert_eq!((verdicts(&plan), plan.confirm.is_none()), (vec!["unreadable"], true));
}
