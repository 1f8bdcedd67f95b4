//! The names of the dialects, and how a producer may encode a key. Nothing is read here.

use std::fmt;
use std::str::FromStr;

macro_rules! dialects {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $keys:expr;)+) => {
        /// The dialects that are read. The one table: name and default key encoding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Dialect { $($(#[doc = $doc])+ $variant,)+ }

        impl Dialect {
            /// Every dialect, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name used in settings, reports and the `explain` output.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// How its producer encodes keys, unless a setting says otherwise; `None` for envelopes, which have none.
            pub fn key_encoding(self) -> Option<KeyEncoding> {
                match self { $(Self::$variant => $keys,)+ }
            }
        }
    };
}

dialects! {
    /// OCI Events, Object Storage.
    Oci = "oci", Some(KeyEncoding::Verbatim);
    /// OCI Streaming records with OCI events inside, as Connector Hub delivers them.
    OciStream = "oci-stream", None;
    /// OCI Notifications over HTTPS with OCI events inside.
    OciNotifications = "oci-notifications", None;
    /// Amazon S3 event notifications.
    AwsS3 = "aws-s3", Some(KeyEncoding::Form);
    /// Amazon S3 events as EventBridge delivers them.
    AwsEventBridge = "aws-eventbridge", Some(KeyEncoding::Verbatim);
    /// Amazon SNS messages, over HTTPS, to Lambda or in a queue, with notifications inside.
    AwsSns = "aws-sns", None;
    /// Amazon SQS messages as Lambda delivers them, with notifications inside.
    AwsSqs = "aws-sqs", None;
    /// JD Cloud Object Storage callbacks over HTTP.
    JdCloud = "jdcloud", Some(KeyEncoding::Verbatim);
    /// JD Cloud Function Service's records of the same events.
    JdCloudFunction = "jdcloud-function", Some(KeyEncoding::Verbatim);
    /// MinIO bucket notifications.
    Minio = "minio", Some(KeyEncoding::Form);
    /// RustFS bucket notifications.
    Rustfs = "rustfs", Some(KeyEncoding::Form);
    /// Ceph RADOS Gateway bucket notifications.
    Ceph = "ceph", Some(KeyEncoding::Verbatim);
    /// NetApp StorageGRID event notifications.
    StorageGrid = "storagegrid", Some(KeyEncoding::Percent);
    /// Any other store that writes S3-shaped records.
    S3Compatible = "s3-compatible", Some(KeyEncoding::Form);
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = String;

    /// # Errors
    /// A sentence that lists the names, or says that this one is reserved.
    fn from_str(name: &str) -> Result<Self, String> {
        if let Some(dialect) = Self::ALL.iter().find(|d| d.name() == name) {
            return Ok(*dialect);
        }
        if let Some((name, what)) = RESERVED.iter().find(|(n, _)| *n == name) {
            return Err(format!("a dialect that is read; {name} ({what}) is reserved for a later version"));
        }
        let names: Vec<_> = Self::ALL.iter().map(|d| d.name()).collect();
        Err(format!("one of {}", names.join(", ")))
    }
}

/// How a producer writes an object's key into its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEncoding {
    /// `application/x-www-form-urlencoded`: `+` is a space, `%2B` a plus.
    Form,
    /// As in a URL's path: `%20` is a space, a plus is a plus.
    Percent,
    /// Not encoded.
    Verbatim,
}

impl FromStr for KeyEncoding {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "form" => Ok(Self::Form),
            "percent" => Ok(Self::Percent),
            "verbatim" => Ok(Self::Verbatim),
            _ => Err("form, percent or verbatim".into()),
        }
    }
}

impl Dialect {
    /// Whether its producer posts an event again and again until it hears a 2xx, and keeps everything behind it waiting: MinIO and RustFS
    /// from a target's queue (minio/minio, `internal/store/store.go`, `sendItems`), Ceph from a persistent topic (Ceph, "Bucket
    /// Notifications"; seen with 16.2.15).
    pub fn redelivers_forever(self) -> bool {
        matches!(self, Self::Minio | Self::Rustfs | Self::Ceph)
    }
}

/// Name and description of each dialect that is recognised and refused.
pub const RESERVED: &[(&str, &str)] = &[
    ("alibaba-oss", "an Alibaba Cloud OSS event"),
    ("tencent-cos", "a Tencent COS event"),
    ("huawei-obs", "a Huawei OBS event"),
    ("gcs", "a Google Cloud Storage notification"),
    ("azure-blob", "an Azure Blob Storage event"),
    ("ibm-cos", "an IBM Cloud Object Storage event"),
    ("r2", "a Cloudflare R2 event"),
    ("b2", "a Backblaze B2 event"),
    ("yandex", "a Yandex Object Storage event"),
    ("volcengine-tos", "a Volcengine TOS event"),
    ("seaweedfs", "a SeaweedFS filer event"),
];

/// The operator's word on key encodings, where the documentation has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyRules(Vec<(Dialect, KeyEncoding)>);

impl KeyRules {
    pub(crate) fn set(&mut self, dialect: Dialect, encoding: KeyEncoding) {
        self.0.retain(|(d, _)| *d != dialect);
        self.0.push((dialect, encoding));
    }

    pub(crate) fn get(&self, dialect: Dialect) -> Option<KeyEncoding> {
        self.0.iter().find(|(d, _)| *d == dialect).map(|(_, e)| *e)
    }
}
