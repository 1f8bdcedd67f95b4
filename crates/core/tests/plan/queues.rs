//! Batches of a queue, and the answer to them.

use super::*;

#[test]
fn a_queue_hears_which_messages_failed() {
    let message = |id: &str, body: &str, arn: &str| json!({ "messageId": id, "eventSource": "aws:sqs", "eventSourceARN": arn, "body": body });
    let good = format!(r#"{{"Records":[{}]}}"#, s3(r#"{"key":"k"}"#));
    let batch = |arn: &str, bodies: &[&str]| {
        let list: Vec<Value> =
            bodies.iter().enumerate().map(|(n, b)| message(&format!("m{n}"), b, arn)).collect();
        planned(json!({ "Records": list }).to_string())
    };
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    let plan = batch("arn:q", &[&good, "garbage", test, r#"{"Records":[]}"#]);
    assert_eq!(plan.dialect.map(Dialect::name), Some("aws-sqs"));
    assert_eq!(verdicts(&plan), ["send", "unreadable", "test_event"]);
    assert!(detail(&plan.records[1]).starts_with("Records[1].body: "), "{}", detail(&plan.records[1]));
    let items: Vec<_> = plan.records.iter().map(|r| r.item.as_str()).collect();
    assert_eq!(items, ["m0/0", "m1/0", "m2/0"]);
    assert_eq!(plan.queue_answer().unwrap(), json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }] }));

    // In a FIFO queue nothing may overtake what failed.
    let fifo = batch("arn:q.fifo", &[&good, "garbage", &good]);
    let want = json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }, { "itemIdentifier": "m2" }] });
    assert_eq!(fifo.queue_answer().unwrap(), want);

    // Whatever ids are sent, no two records have one path.
    for ids in [["1", "", "x"], ["a", "a", "1"], ["", "0", "0"], ["a/0", "a", "1"]] {
        let body = |id: &&str| message(id, r#"{"Records":[7,7]}"#, "arn:q");
        let plan = planned(json!({ "Records": ids.iter().map(body).collect::<Vec<_>>() }).to_string());
        let mut items: Vec<_> = plan.records.iter().map(|r| r.item.as_str()).collect();
        items.sort_unstable();
        items.dedup();
        assert_eq!(items.len(), 6, "{ids:?}: {items:?}");
    }

    // A message without an id cannot be named; the empty name is the whole batch.
    let nameless = planned(json!({ "Records": [{ "eventSource": "aws:sqs", "body": 7 }] }).to_string());
    assert_eq!(nameless.queue_answer().unwrap(), json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }));
    assert_eq!(planned(good).queue_answer(), None);
    // A batch inside a message is nobody's format, and no way to make one reader recurse without end.
    let nested = json!({ "Records": [message("i", "{}", "")] }).to_string();
    assert_eq!(verdicts(&batch("arn:q", &[&nested])), ["unreadable"]);
}
