//! What is posted to MDSS: pure, so that it can be shown without being sent.
//!
//! Body: OPSWAT documentation, `mdss/configuration/event-based-request-format`. `metadata` is a *string that holds JSON*;
//! the published templates are partly not even valid JSON, so both layers come from a real encoder.

use serde::Serialize;

use crate::model::event::ObjectKey;
use crate::model::unit::{StorageClientId, StorageType};

/// One object for MDSS: exactly the body of one webhook request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Submission {
    #[serde(rename = "storageClientId")]
    storage_client_id: String,
    metadata: String,
    /// Required once a partition scan is active on the unit (request-format page, 4.2.0 and later).
    #[serde(rename = "scanId", skip_serializing_if = "Option::is_none")]
    scan_id: Option<String>,
}

impl Submission {
    /// The minimal documented body: the vendor's samples send whole records, which carry identities and addresses
    /// nobody at the other end needs.
    pub fn new(
        storage_client_id: &StorageClientId,
        storage_type: StorageType,
        key: &ObjectKey,
        scan_id: Option<&str>,
    ) -> Self {
        Self {
            storage_client_id: storage_client_id.as_str().to_owned(),
            metadata: storage_type.metadata(key),
            scan_id: scan_id.map(str::to_owned),
        }
    }

    /// The storage unit it is for.
    pub fn storage_client_id(&self) -> &str {
        &self.storage_client_id
    }

    /// The JSON text that is posted.
    pub fn body(&self) -> String {
        serde_json::to_string(self).expect("three strings always serialise")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(storage_type: StorageType, key: &str, scan_id: Option<&str>) -> String {
        let unit = StorageClientId::new("0c5454e3-d576-44c5-8ce4-cdc078011d0b").unwrap();
        Submission::new(&unit, storage_type, &ObjectKey::from_verbatim(key).unwrap(), scan_id).body()
    }

    #[test]
    fn the_three_shapes() {
        insta::assert_snapshot!(body(StorageType::AmazonS3, "folder1/test-file.txt", None), @r#"{"storageClientId":"0c5454e3-d576-44c5-8ce4-cdc078011d0b","metadata":"{\"s3\":{\"object\":{\"key\":\"folder1/test-file.txt\"}}}"}"#);
        insta::assert_snapshot!(body(StorageType::Alibaba, "a \"b\"", None), @r#"{"storageClientId":"0c5454e3-d576-44c5-8ce4-cdc078011d0b","metadata":"{\"oss\":{\"object\":{\"key\":\"a \\\"b\\\"\"}}}"}"#);
        insta::assert_snapshot!(body(StorageType::Oracle, "é", Some("scan-1")), @r#"{"storageClientId":"0c5454e3-d576-44c5-8ce4-cdc078011d0b","metadata":"{\"Name\":\"é\"}","scanId":"scan-1"}"#);
    }

    proptest! {
        #[test]
        fn every_key_comes_back_from_both_layers(key in "\\PC{1,40}|[\u{0}-\u{1f}\u{7f}\"\\\\/+%]{1,12}", shape in 0..3usize) {
            let (storage_type, path) = [
                (StorageType::S3Compatible, "/s3/object/key"),
                (StorageType::Alibaba, "/oss/object/key"),
                (StorageType::Smb, "/Name"),
            ][shape];
            let outer: serde_json::Value = serde_json::from_str(&body(storage_type, &key, None)).unwrap();
            let inner: serde_json::Value = serde_json::from_str(outer["metadata"].as_str().unwrap()).unwrap();
            prop_assert_eq!(inner.pointer(path).unwrap().as_str().unwrap(), key);
        }
    }
}
