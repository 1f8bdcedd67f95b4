//! What an event of OCI says outside of `additionalDetails`, and what it says of nothing.

use super::*;

fn event(kind: &str, data: Value) -> Plan {
    let event = json!({ "cloudEventsVersion": "0.1", "eventType": format!("com.oraclecloud.objectstorage.{kind}"),
                        "eventTime": "2023-07-25T19:58:33Z", "data": data });
    planned(event.to_string())
}

#[test]
fn the_resource_id_says_once_more_where_an_object_is() {
    let id = "/n/ns/b/bucket/o/a/o/b";
    let plan = event("createobject", json!({ "resourceName": "a/o/b", "resourceId": id }));
    let record = &plan.records[0];
    assert_eq!((verdicts(&plan), record.bucket.as_ref().unwrap().as_str()), (vec!["send"], "bucket"));
    assert_eq!(record.details.namespace.as_deref(), Some("ns"));
    assert_eq!(record.details.time.unwrap().to_string(), "2023-07-25T19:58:33Z");
    for id in ["", "/n//b/bucket/o/k", "/b/bucket/o/k", "ocid1.bucket.oc1..x"] {
        let plan = event("createobject", json!({ "resourceName": "k", "resourceId": id }));
        assert_eq!(verdicts(&plan), ["missing_bucket"], "{id}");
    }
}

/// Its objects are content, too: a skip would be silent, so somebody has to mend the rule.
#[test]
fn events_of_the_classic_service_are_failures() {
    for kind in ["object.create", "bucket.update"] {
        let plan = event(kind, json!({ "bucketName": "b", "resourceName": "k" }));
        assert_eq!(verdicts(&plan), ["obsolete_event"], "{kind}");
        assert!(detail(&plan.records[0]).contains("Classic service"), "{kind}");
    }
    assert_eq!(verdicts(&event("deletebucket", json!({ "resourceName": "b" }))), ["not_content"]);
}
