//! MDSS's storage units: their ids, and how a unit can be registered.

use std::borrow::Cow;
use std::fmt;

use crate::model::event::{Bucket, ObjectKey};

/// The id of a storage unit, copied from the MDSS dashboard. A UUID in every example; opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClientId(String);

impl StorageClientId {
    /// `None` for text no dashboard shows: empty, or with white space or control characters in it.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let odd = text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control());
        (!odd).then(|| Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorageClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What MDSS is told as the name of an object.
///
/// MDSS's documentation has a placeholder for "Object Path", and one unit is one bucket in every example of it. Only the vendor's
/// function for Azure puts the container in front (OPSWAT/metadefender-k8s,
/// `terraform/CloudFunctions/Azure/webhook-notification`), and which of both a unit for Azure Blob expects is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ObjectName {
    /// Its key.
    #[default]
    Key,
    /// Its key with the bucket in front.
    BucketAndKey,
}

impl ObjectName {
    /// Their names in the settings.
    pub(crate) const NAMES: &[(&str, Self)] = &[("key", Self::Key), ("bucket/key", Self::BucketAndKey)];

    /// The name of an object.
    pub(crate) fn of<'k>(self, bucket: &Bucket, key: &'k ObjectKey) -> Cow<'k, ObjectKey> {
        match self {
            Self::Key => Cow::Borrowed(key),
            Self::BucketAndKey => Cow::Owned(key.behind(bucket)),
        }
    }
}

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
    /// Their names in the settings.
    pub(crate) const NAMES: &[(&str, Self)] = &[
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

    /// The name used in settings.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn metadata(self, key: &ObjectKey) -> String {
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
