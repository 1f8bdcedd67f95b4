//! A rule of OCI Events, tried on the events that a bucket would send: the condition is read by the core, as `match` reads it.
//! <https://docs.oracle.com/en-us/iaas/Content/Events/Concepts/filterevents.htm>

use mdss_relay_core::Condition;
use serde_json::{Value, json};

use crate::notifies::takes::Takes;

/// An overwritten object is an update. A rule for the first alone never tells of it.
/// <https://docs.oracle.com/en-us/iaas/Content/Events/Reference/eventsproducers.htm>
pub(crate) const CREATIONS: &[&str] =
    &["com.oraclecloud.objectstorage.createobject", "com.oraclecloud.objectstorage.updateobject"];

const REMOVAL: &str = "com.oraclecloud.objectstorage.deleteobject";

/// The members of an event that are known before there is one. What a condition wants of any other cannot be told.
const KNOWN: &[&str] = &[
    "eventType",
    "source",
    "data.compartmentId",
    "data.resourceName",
    "data.resourceId",
    "data.additionalDetails.bucketName",
    "data.additionalDetails.namespace",
    "data.additionalDetails.bucketId",
];

/// A bucket, as its events call it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OciBucket {
    /// Its name.
    pub name: String,
    /// The namespace of the tenancy.
    pub namespace: String,
    /// Its OCID.
    pub id: String,
    /// The OCID of its compartment.
    pub compartment: String,
}

/// A rule and the bucket whose events it is tried on.
#[derive(Clone, Debug)]
pub struct OciRule {
    /// Its condition; or why it cannot be read.
    pub condition: Result<Condition, String>,
    /// The bucket.
    pub bucket: OciBucket,
}

impl OciRule {
    pub(crate) fn takes(&self, event: &str, key: &str) -> Takes {
        let condition = match &self.condition {
            Ok(condition) => condition,
            Err(why) => return Takes::Unclear(format!("its condition cannot be read: {why}")),
        };
        match condition.mismatch(&self.bucket.event(event, key).to_string()) {
            Ok(None) => Takes::Yes,
            Ok(Some(mismatch)) if KNOWN.contains(&mismatch.field.as_str()) => {
                Takes::No(format!("by its condition {mismatch}"))
            }
            Ok(Some(mismatch)) => Takes::Unclear(format!(
                "its condition asks for {}, which is not known before there is an object",
                mismatch.field
            )),
            Err(why) => Takes::Unclear(why),
        }
    }

    /// Whether it may be about objects of this bucket at all.
    pub(crate) fn concerns(&self) -> bool {
        // Some key of the bucket that the condition names, if it names any.
        let any = |event: &&str| match self.takes(event, "any") {
            Takes::Yes | Takes::Unclear(_) => true,
            Takes::No(why) => why.contains(" data.resourceName ") || why.contains(" data.resourceId "),
        };
        CREATIONS.iter().any(any)
    }

    pub(crate) fn superfluous(&self) -> Vec<String> {
        let taken = matches!(self.takes(REMOVAL, "any"), Takes::Yes);
        if taken { vec![REMOVAL.to_owned()] } else { Vec::new() }
    }
}

impl OciBucket {
    /// An event of it, as far as it is known before.
    fn event(&self, event: &str, key: &str) -> Value {
        let Self { name, namespace, id, compartment } = self;
        json!({
            "eventType": event,
            "cloudEventsVersion": "0.1",
            "source": "ObjectStorage",
            "data": {
                "compartmentId": compartment,
                "resourceName": key,
                "resourceId": format!("/n/{namespace}/b/{name}/o/{key}"),
                "additionalDetails": { "bucketName": name, "namespace": namespace, "bucketId": id },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_tried_on_what_is_known_of_an_event() {
        let bucket = OciBucket {
            name: "invoices".into(),
            namespace: "n".into(),
            id: "ocid1.bucket.oc1..b".into(),
            compartment: "ocid1.compartment.oc1..c".into(),
        };
        let (create, update) = (CREATIONS[0], CREATIONS[1]);
        for (condition, event, want) in [
            ("{}", create, "Yes"),
            (r#"{"eventType": "com.oraclecloud.objectstorage.createobject"}"#, create, "Yes"),
            (r#"{"eventType": "com.oraclecloud.objectstorage.createobject"}"#, update, "No"),
            (r#"{"data": {"additionalDetails": {"bucketName": ["other", "invoices"]}}}"#, update, "Yes"),
            (r#"{"data": {"additionalDetails": {"bucketName": "other"}}}"#, update, "No"),
            (r#"{"data": {"resourceName": "in/*"}}"#, update, "Yes"),
            (r#"{"data": {"resourceName": "out/*"}}"#, update, "No"),
            (r#"{"data": {"freeformTags": {"scan": "yes"}}}"#, update, "Unclear"),
            ("nonsense", update, "Unclear"),
        ] {
            let condition = Condition::from_json(condition)
                .map_err(|mistakes| mistakes.first().map(ToString::to_string).unwrap_or_default());
            let rule = OciRule { condition, bucket: bucket.clone() };
            let takes = format!("{:?}", rule.takes(event, "in/a.pdf"));
            assert!(takes.starts_with(want), "{rule:?}: {takes}");
        }
    }
}
