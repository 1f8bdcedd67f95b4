//! The names of the dialects, and how a producer may encode a key. Nothing is read here.

use std::fmt;
use std::str::FromStr;

macro_rules! dialects {
    ($($(#[doc = $doc:literal])+ $(#[cfg($cfg:ident)])? $variant:ident = $name:literal;)+
     own $($(#[doc = $own_doc:literal])+ $own:ident = $own_name:literal;)+) => {
        /// The dialects: what a provider's notification looks like. Nothing but names; what else there is to know of one is
        /// in its own file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Dialect { $($(#[doc = $doc])+ $(#[cfg($cfg)])? $variant,)+ $($(#[doc = $own_doc])+ $own,)+ }

        impl Dialect {
            /// Every dialect that somebody sends, in the order of the documentation.
            pub const ALL: &[Self] = &[$($(#[cfg($cfg)])? Self::$variant,)+];

            /// What the relay tells itself. Nobody can send it: it is never recognised, and no source may be pinned to it.
            pub const OWN: &[Self] = &[$(Self::$own,)+];

            /// The name used in settings, reports and the `explain` output.
            pub fn name(self) -> &'static str {
                match self { $($(#[cfg($cfg)])? Self::$variant => $name,)+ $(Self::$own => $own_name,)+ }
            }

            /// What an event of it is called in a sentence.
            pub fn what(self) -> &'static str {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant => concat!($($doc,)+).trim_ascii(),)+
                    $(Self::$own => concat!($($own_doc,)+).trim_ascii(),)+
                }
            }
        }
    };
}

dialects! {
    /// OCI Events, Object Storage.
    Oci = "oci";
    /// OCI Streaming records with OCI events inside, as Connector Hub delivers them.
    OciStream = "oci-stream";
    /// OCI Notifications over HTTPS with OCI events inside.
    OciNotifications = "oci-notifications";
    /// Amazon S3 event notifications.
    AwsS3 = "aws-s3";
    /// Amazon S3 events as EventBridge delivers them.
    AwsEventBridge = "aws-eventbridge";
    /// Amazon SNS messages, over HTTPS, to Lambda or in a queue, with notifications inside.
    AwsSns = "aws-sns";
    /// Amazon SQS messages as Lambda delivers them, with notifications inside.
    AwsSqs = "aws-sqs";
    /// JD Cloud Object Storage callbacks over HTTP.
    JdCloud = "jdcloud";
    /// JD Cloud Function Service's records of the same events.
    JdCloudFunction = "jdcloud-function";
    /// MinIO bucket notifications.
    Minio = "minio";
    /// RustFS bucket notifications.
    Rustfs = "rustfs";
    /// Ceph RADOS Gateway bucket notifications.
    Ceph = "ceph";
    /// NetApp StorageGRID event notifications.
    StorageGrid = "storagegrid";
    /// Azure Blob Storage events, as Event Grid delivers them.
    AzureBlob = "azure-blob";
    /// Google Cloud Storage notifications, through Pub/Sub or Eventarc.
    Gcs = "gcs";
    /// IBM Cloud Object Storage, through Code Engine.
    IbmCos = "ibm-cos";
    /// Cloudflare R2 event notifications, out of their queue.
    R2 = "r2";
    /// Backblaze B2 event notifications.
    B2 = "b2";
    /// SeaweedFS, its filer's webhook.
    SeaweedFs = "seaweedfs";
    /// Tigris object notifications.
    Tigris = "tigris";
    /// Alibaba Cloud OSS events, from Function Compute, a topic or EventBridge.
    AlibabaOss = "alibaba-oss";
    /// Tencent Cloud COS events, from a trigger or EventBridge.
    TencentCos = "tencent-cos";
    /// Huawei Cloud OBS events, from SMN, FunctionGraph or EventGrid.
    HuaweiObs = "huawei-obs";
    /// Yandex Object Storage events, as a trigger delivers them.
    Yandex = "yandex";
    /// Volcengine TOS events, as veFaaS delivers them.
    VolcengineTos = "volcengine-tos";
    /// Any other store that writes S3-shaped records.
    S3Compatible = "s3-compatible";
    /// A made-up store, for the tests of what a dialect needs: this name, its file and its row.
    #[cfg(test)]
    Lighthouse = "lighthouse";

    own
    /// Objects that a listing of their bucket has shown, and no event.
    Reconcile = "reconcile";
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = String;

    /// Its own ones, too: what is on disk is read back by its name.
    ///
    /// # Errors
    /// A sentence that lists the names.
    fn from_str(name: &str) -> Result<Self, String> {
        let own = Self::OWN.iter().find(|d| d.name() == name);
        own.map_or_else(|| Self::sent(name), |dialect| Ok(*dialect))
    }
}

impl Dialect {
    /// A dialect that a sender may speak, by its name.
    ///
    /// # Errors
    /// A sentence that lists the names.
    pub(crate) fn sent(name: &str) -> Result<Self, String> {
        if let Some(dialect) = Self::ALL.iter().find(|d| d.name() == name) {
            return Ok(*dialect);
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

/// The operator's word on how keys are written, where the documentation has none or an installation may differ.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyRules {
    encodings: Vec<(Dialect, KeyEncoding)>,
    /// Where SeaweedFS has its buckets.
    buckets_folder: Option<String>,
}

impl KeyRules {
    /// Where SeaweedFS has its buckets, unless `filer.options.buckets_folder` of its `filer.toml` says otherwise
    /// (`weed/server/filer_server.go`).
    pub(crate) const BUCKETS_FOLDER: &str = "/buckets";

    pub(crate) fn set(&mut self, dialect: Dialect, encoding: KeyEncoding) {
        self.encodings.retain(|(d, _)| *d != dialect);
        self.encodings.push((dialect, encoding));
    }

    pub(crate) fn get(&self, dialect: Dialect) -> Option<KeyEncoding> {
        self.encodings.iter().find(|(d, _)| *d == dialect).map(|(_, e)| *e)
    }

    pub(crate) fn set_buckets_folder(&mut self, folder: String) {
        self.buckets_folder = Some(folder);
    }

    /// The folder of SeaweedFS's buckets, without a slash at its end.
    pub(crate) fn buckets_folder(&self) -> &str {
        self.buckets_folder.as_deref().unwrap_or(Self::BUCKETS_FOLDER)
    }
}
