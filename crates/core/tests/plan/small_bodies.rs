//! Small bodies that would cost much: depth, repetition, and lists in lists.

use std::time::{Duration, Instant};

use super::*;

/// Far more than any of these takes, and far less than it took while the cost grew with the square or the cube.
const ENOUGH: Duration = Duration::from_secs(20);

fn in_time(body: String) -> Plan {
    let start = Instant::now();
    let plan = planned(body);
    assert!(start.elapsed() < ENOUGH, "took {:?}", start.elapsed());
    plan
}

#[test]
fn lists_of_deliveries_do_not_lie_in_each_other() {
    let record = s3(r#"{"key":"k"}"#);
    for pre in ["{\"EventList\":[", "[{\"EventList\":["] {
        let post: String = pre
            .chars()
            .rev()
            .filter_map(|c| match c {
                '[' => Some(']'),
                '{' => Some('}'),
                _ => None,
            })
            .collect();
        for depth in [2, 20_000] {
            let plan = in_time(format!("{}{record}{}", pre.repeat(depth), post.repeat(depth)));
            assert!(verdicts(&plan).iter().all(|verdict| *verdict != "send"), "{:?}", verdicts(&plan));
            assert!(!plan.records.is_empty());
        }
    }
}

#[test]
fn a_list_beside_a_list_is_refused_in_a_list_as_well() {
    let (one, two) = (
        s3(r#"{"key":"a"}"#),
        r#"{"eventType":"b2:ObjectCreated:Upload","bucketName":"b","objectName":"b"}"#,
    );
    let both = format!(r#"{{"Records":[{one}],"events":[{two}]}}"#);
    for body in [both.clone(), format!("[{both}]"), format!("[{both},{{\"Records\":[{one}]}}]")] {
        let plan = planned(body.clone());
        assert_eq!(verdicts(&plan)[0], "unreadable", "{body}");
    }
    assert_eq!(verdicts(&planned(format!("[{both},{{\"Records\":[{one}]}}]"))), ["unreadable", "send"]);
}

#[test]
fn what_repeats_an_id_costs_no_more_than_what_does_not() {
    let message = r#"{"eventSource":"aws:sqs","messageId":"m","body":"{}\n{}"}"#;
    let plan = in_time(format!(r#"{{"Records":[{}]}}"#, vec![message; 4000].join(",")));
    assert_eq!(plan.records.len(), 8000);
    let mut items: Vec<_> = plan.records.iter().map(|record| record.item.clone()).collect();
    items.sort();
    items.dedup();
    assert_eq!(items.len(), 8000);
}

#[test]
fn as_many_lines_as_there_may_be_are_read_in_time() {
    let record = s3(r#"{"key":"k"}"#);
    let plan = in_time(vec![record; 20_000].join("\n"));
    assert_eq!(plan.records.len(), 20_000);
    assert!(verdicts(&plan).iter().all(|verdict| *verdict == "send"));
}

#[test]
fn what_cannot_be_read_counts_as_a_record() {
    let messages = vec![r#"{"body":"[{},{}]"}"#; 1000].join(",");
    let answer = format!(r#"{{"success":true,"errors":[],"result":{{"messages":[{messages}]}}}}"#);
    let plan = in_time(format!("[{}]", vec![answer; 100].join(",")));
    assert!(plan.records.len() <= 20_200, "{}", plan.records.len());
    assert!(verdicts(&plan).iter().all(|verdict| *verdict != "send"));
}

#[test]
fn a_list_beside_anything_else_that_holds_objects_is_refused() {
    let records = format!(r#""Records":[{}]"#, s3(r#"{"key":"a"}"#));
    let events = r#""events":[{"eventType":"b2:ObjectCreated:Upload","bucketName":"b","objectName":"b"}]"#;
    let inner = format!("{{{records}}}");
    for other in [
        r#""message":{"attributes":{"bucketId":"b","objectId":"k","eventType":"OBJECT_FINALIZE"}}"#
            .to_owned(),
        r#""subscription":"s","message":{"data":"e30="}"#.to_owned(),
        format!(r#""specversion":"1.0","type":"t","data":{inner}"#),
        format!(r#""requestContext":{{}},"requestPayload":{inner}"#),
        r#""context":{"eventType":"google.storage.object.finalize"},"data":{"bucket":"b","name":"k"}"#
            .to_owned(),
        r#""kind":"storage\u0023object","bucket":"b","name":"k""#.to_owned(),
        r#""lease_id":"l","body":"{}""#.to_owned(),
        r#""success":true,"errors":[],"result":{"messages":[]}"#.to_owned(),
    ] {
        for list in [records.as_str(), events] {
            for body in [format!("{{{other},{list}}}"), format!("[{{{list},{other}}}]")] {
                assert_eq!(verdicts(&planned(body.as_str())), ["unreadable"], "{body}");
            }
        }
    }
}
