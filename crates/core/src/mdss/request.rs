//! What is posted to MDSS: pure, so that it can be shown without being sent.
//!
//! Body: OPSWAT documentation, `mdss/configuration/event-based-request-format`. `metadata` is a *string that holds JSON*;
//! the published templates are partly not even valid JSON, so both layers come from a real encoder.

use std::str::FromStr;

use serde::Serialize;

use crate::dialect::Dialect;
use crate::event::ObjectKey;
use crate::route::StorageClientId;

/// How a storage unit is registered in MDSS, which decides the shape of `metadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageType {
    /// "Amazon S3".
    AmazonS3,
    /// "S3 Compatible".
    S3Compatible,
    /// "Alibaba Cloud".
    Alibaba,
    /// "OracleSdk".
    Oracle,
    /// "Google Cloud".
    Google,
    /// "Azure Blob".
    AzureBlob,
    /// "SMB Compatible".
    Smb,
    /// "NFS".
    Nfs,
    /// "SFTP".
    Sftp,
    /// "FTP".
    Ftp,
    /// "NetApp ONTAP".
    NetappOntap,
}

impl StorageType {
    const NAMES: &[(&str, Self)] = &[
        ("amazon-s3", Self::AmazonS3),
        ("s3-compatible", Self::S3Compatible),
        ("alibaba", Self::Alibaba),
        ("oracle", Self::Oracle),
        ("google", Self::Google),
        ("azure-blob", Self::AzureBlob),
        ("smb", Self::Smb),
        ("nfs", Self::Nfs),
        ("sftp", Self::Sftp),
        ("ftp", Self::Ftp),
        ("netapp-ontap", Self::NetappOntap),
    ];

    /// What a record's provider is usually registered as. An OCI bucket may also be an "S3 Compatible" unit, through
    /// OCI's S3 API, on MDSS versions without OracleSdk: that is what the setting is for.
    pub(crate) fn usual(dialect: Option<Dialect>) -> Self {
        match dialect {
            Some(Dialect::Oci | Dialect::OciStream | Dialect::OciNotifications) => Self::Oracle,
            Some(Dialect::AwsS3 | Dialect::AwsEventBridge | Dialect::AwsSns | Dialect::AwsSqs) => {
                Self::AmazonS3
            }
            Some(
                Dialect::JdCloud
                | Dialect::JdCloudFunction
                | Dialect::Minio
                | Dialect::Rustfs
                | Dialect::Ceph
                | Dialect::StorageGrid
                | Dialect::S3Compatible,
            )
            | None => Self::S3Compatible,
        }
    }

    fn metadata(self, key: &ObjectKey) -> String {
        let key = serde_json::Value::from(key.as_str());
        match self {
            Self::AmazonS3 | Self::S3Compatible => format!(r#"{{"s3":{{"object":{{"key":{key}}}}}}}"#),
            Self::Alibaba => format!(r#"{{"oss":{{"object":{{"key":{key}}}}}}}"#),
            Self::Oracle
            | Self::Google
            | Self::AzureBlob
            | Self::Smb
            | Self::Nfs
            | Self::Sftp
            | Self::Ftp
            | Self::NetappOntap => format!(r#"{{"Name":{key}}}"#),
        }
    }
}

impl FromStr for StorageType {
    type Err = String;

    /// # Errors
    /// The list of the names.
    fn from_str(name: &str) -> Result<Self, String> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, t)| *t).ok_or_else(|| {
            let names: Vec<_> = Self::NAMES.iter().map(|(n, _)| *n).collect();
            format!("one of {}", names.join(", "))
        })
    }
}

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
