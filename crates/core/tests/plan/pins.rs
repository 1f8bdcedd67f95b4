//! A source that is pinned to a dialect, and what lies in what.

use super::*;

#[test]
fn a_pinned_source_is_read_as_what_it_is_pinned_to() {
    let record = r#"{"Records":[{"eventSource":"aws:s3","eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a+b"}}}]}"#;
    for (dialect, key) in [(Dialect::Minio, "a b"), (Dialect::Ceph, "a+b"), (Dialect::JdCloud, "a+b")] {
        let plan = http(Some(dialect), &[], record.as_bytes());
        assert_eq!(plan.dialect.map(Dialect::name), Some(dialect.name()));
        assert_eq!(plan.records[0].dialect.map(Dialect::name), Some(dialect.name()));
        assert_eq!(plan.records[0].key.as_ref().unwrap().as_str(), key, "{dialect}");
    }
    let foreign = http(Some(Dialect::Minio), &[], br#"{"specversion":"1.0"}"#);
    assert_eq!((foreign.dialect.map(Dialect::name), verdicts(&foreign)), (None, vec!["unreadable"]));
    assert!(detail(&foreign.records[0]).contains("expected an event of minio"));
    // A header of another dialect decides nothing at a pinned source.
    let header = [("x-jdcloud-message-type", "SubscriptionConfirmation")];
    assert_eq!(verdicts(&http(Some(Dialect::Minio), &header, b"text")), ["unreadable"]);
}

/// Pins under which S3-shaped records are read, whoever wrote them.
const READ_S3_RECORDS: &[Dialect] = &[
    Dialect::AwsS3,
    Dialect::AwsSqs,
    Dialect::JdCloud,
    Dialect::JdCloudFunction,
    Dialect::Minio,
    Dialect::Rustfs,
    Dialect::Ceph,
    Dialect::StorageGrid,
    Dialect::HuaweiObs,
    Dialect::S3Compatible,
];

/// What may lie in what: each envelope holds what really occurs in it, and a source's dialect is the outermost one.
#[test]
fn envelopes_nest_as_they_occur_and_no_deeper() {
    let s3 = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    let bridge = json!({ "source": "aws.s3", "detail-type": "Object Created",
                         "detail": { "bucket": { "name": "b" }, "object": { "key": "k" } } })
    .to_string();
    let topic = |message: &str| {
        json!({ "Type": "Notification", "TopicArn": "arn", "MessageId": "t", "Message": message }).to_string()
    };
    let invoked = |message: &str| {
        json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "MessageId": "t", "Message": message } }] })
            .to_string()
    };
    let queue = |body: &str| {
        json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "q", "body": body }] }).to_string()
    };
    let jd = |message: &str| {
        json!({ "topicOwner": "1", "subscriptionName": "s", "messageId": "j", "message": message })
            .to_string()
    };
    let smn = |message: &str| {
        json!({ "type": "Notification", "topic_urn": "urn", "message_id": "m", "message": message })
            .to_string()
    };
    let smn_invoked = |message: &str| {
        json!({ "record": [{ "smn": { "type": "notification", "message_id": "m", "message": message } }] })
            .to_string()
    };
    let mns = |message: &str| {
        json!({ "TopicOwner": "1", "SubscriptionName": "s", "MessageId": "a", "Message": message })
            .to_string()
    };
    let yandex_queue = |body: &str| {
        let kind = "yandex.cloud.events.messagequeue.QueueMessage";
        let message = json!({ "message_id": "y", "body": body });
        json!({ "messages": [{ "event_metadata": { "event_type": kind }, "details": { "message": message } }] })
            .to_string()
    };
    let obs = r#"{"Records":[{"eventName":"ObjectCreated:Put","obs":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
    let oss = r#"{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
    use Dialect::{
        AlibabaOss, AwsEventBridge, AwsS3, AwsSns, AwsSqs, HuaweiObs, JdCloud, JdCloudFunction, StorageGrid,
        Yandex,
    };
    let function = r#"{"Records":[{"source":"oss","detail":{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}}]}"#;
    for (body, pins, outer, item) in [
        (s3.clone(), vec![AwsS3], "aws-s3", Ok("0")),
        (bridge.clone(), vec![AwsEventBridge], "aws-eventbridge", Ok("0")),
        (topic(&s3), vec![AwsSns], "aws-sns", Ok("t/0")),
        (topic(&bridge), vec![AwsSns], "aws-sns", Ok("t/0")),
        (invoked(&s3), vec![AwsSns], "aws-sns", Ok("t/0")),
        (invoked(&bridge), vec![AwsSns], "aws-sns", Ok("t/0")),
        (queue(&s3), vec![AwsSqs], "aws-sqs", Ok("q/0")),
        (queue(&bridge), vec![AwsSqs], "aws-sqs", Ok("q/0")),
        (queue(&topic(&s3)), vec![AwsSqs], "aws-sqs", Ok("q/t/0")),
        (queue(&topic(&bridge)), vec![AwsSqs], "aws-sqs", Ok("q/t/0")),
        (function.into(), vec![JdCloudFunction], "jdcloud-function", Ok("0")),
        (jd(&s3.replace("aws:s3", "oss")), vec![JdCloud], "jdcloud", Ok("j/0")),
        (format!("Action=Publish&Message={}", percent_encode(&s3)), vec![StorageGrid], "aws-s3", Ok("0")),
        (obs.into(), vec![HuaweiObs], "huawei-obs", Ok("0")),
        (smn(obs), vec![HuaweiObs], "huawei-obs", Ok("m/0")),
        (smn(&s3), vec![HuaweiObs], "huawei-obs", Ok("m/0")),
        (smn_invoked(obs), vec![HuaweiObs], "huawei-obs", Ok("m/0")),
        (queue(&smn(obs)), vec![AwsSqs], "aws-sqs", Ok("q/m/0")),
        (oss.into(), vec![AlibabaOss], "alibaba-oss", Ok("0")),
        (mns(oss), vec![AlibabaOss], "alibaba-oss", Ok("a/0")),
        (yandex_queue(oss), vec![Yandex], "yandex", Ok("y/0")),
        (yandex_queue(&topic(&s3)), vec![Yandex], "yandex", Ok("y/t/0")),
        (smn(&smn(obs)), vec![HuaweiObs], "huawei-obs", Err("unreadable")),
        (smn_invoked(&smn(obs)), vec![HuaweiObs], "huawei-obs", Err("unreadable")),
        (mns(&mns(oss)), vec![AlibabaOss], "alibaba-oss", Err("unreadable")),
        (yandex_queue(&yandex_queue(oss)), vec![Yandex], "yandex", Err("unreadable")),
        (queue(&queue(&s3)), vec![AwsSqs], "aws-sqs", Err("unreadable")),
        (queue(&invoked(&s3)), vec![AwsSqs], "aws-sqs", Err("unreadable")),
        (queue(&jd(&s3)), vec![AwsSqs], "aws-sqs", Err("unreadable")),
        (topic(&topic(&s3)), vec![AwsSns], "aws-sns", Err("unreadable")),
        (topic(&queue(&s3)), vec![AwsSns], "aws-sns", Err("unreadable")),
        (topic(&jd(&s3)), vec![AwsSns], "aws-sns", Err("unreadable")),
        (invoked(&topic(&s3)), vec![AwsSns], "aws-sns", Err("unreadable")),
        (jd(&jd(&s3)), vec![], "jdcloud", Err("unreadable")),
    ] {
        let plan = planned(body.clone());
        let said = verdicts(&plan);
        assert_eq!(plan.dialect.map(Dialect::name), Some(outer), "{body}");
        match item {
            Ok(item) => assert_eq!((said[0], plan.records[0].item.as_str()), ("send", item), "{body}"),
            Err(reason) => assert_eq!(said, [reason], "{body}"),
        }
        for dialect in Dialect::ALL {
            let sent = verdicts(&http(Some(*dialect), &[], body.as_bytes())) == ["send"];
            // A producer's own records may come to any source of that family, whose rule for keys then holds.
            let family = body == s3 && READ_S3_RECORDS.contains(dialect);
            let wanted = item.is_ok() && (pins.contains(dialect) || family);
            assert_eq!(sent, wanted, "pinned to {dialect}: {body}");
        }
    }
}
