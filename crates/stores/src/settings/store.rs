//! A store, as the settings have it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mdss_relay_core::{Pattern, Proxies, RetryPolicy};
use rustls_pki_types::CertificateDer;
use url::Url;

use crate::kind::Kind;

/// One `[[store]]`: where it is, how it is asked, and whose objects it has.
#[derive(Clone)]
pub struct StoreSettings {
    /// Its name in commands, reports and logs.
    pub name: String,
    /// How it is asked.
    pub kind: Kind,
    /// Where it is; `None`: where its cloud is.
    pub endpoint: Option<Url>,
    /// Where the services beside it are that are asked whom its buckets tell; `None`: where its cloud has them.
    pub management_endpoint: Option<Url>,
    /// The resource id of the storage account (Azure).
    pub resource_id: Option<String>,
    /// Where its buckets are; `None`: the store is asked.
    pub region: Option<String>,
    /// Where the name of a bucket stands (S3).
    pub style: Style,
    /// What a `+` means in its encoded keys (S3); `None`: the store is asked.
    pub plus: Option<Plus>,
    /// Its buckets.
    pub buckets: Vec<Pattern>,
    /// The source whose routes its objects take.
    pub source: Option<String>,
    /// What a bucket has to name so that its events come here.
    pub expects: Vec<String>,
    /// The namespace of its buckets (OCI); `None`: the store is asked.
    pub namespace: Option<String>,
    /// The storage account (Azure).
    pub account: Option<String>,
    /// The tree (directory); `{bucket}` in it stands for the name of a bucket.
    pub path: PathBuf,
    /// When and how often a page is asked for again.
    pub retry: RetryPolicy,
    pub(crate) credentials: Credentials,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) proxies: Proxies,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
}

/// Where the name of a bucket stands in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `https://s3.example/bucket`.
    Path,
    /// `https://bucket.s3.example/`.
    Virtual,
}

/// What a `+` means in a key that a listing encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// A space, as in forms: Amazon, MinIO.
    Space,
    /// Itself.
    Plus,
}

/// What a store is shown. Secrets stay in their files until a request is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// What the cloud's own tools would find: variables, files in the home directory, the machine's identity.
    Found {
        profile: Option<String>,
    },
    Aws {
        id: String,
        secret: PathBuf,
        token: Option<PathBuf>,
    },
    AzureKey {
        account: String,
        key: PathBuf,
    },
    AzureSas {
        token: PathBuf,
    },
    GoogleFile {
        json: PathBuf,
    },
    GoogleToken {
        token: PathBuf,
    },
    Oracle {
        tenancy: String,
        user: String,
        fingerprint: String,
        key: PathBuf,
    },
}

impl StoreSettings {
    /// Whether a bucket is one of this store's.
    pub fn has(&self, bucket: &str) -> bool {
        self.buckets.iter().any(|pattern| pattern.matches(bucket))
    }

    /// The one bucket that it has, if its settings name exactly one and no pattern.
    pub fn only_bucket(&self) -> Option<&str> {
        match self.buckets.as_slice() {
            [one] if !one.as_str().contains('*') => Some(one.as_str()),
            _ => None,
        }
    }
}

impl fmt::Debug for StoreSettings {
    /// No path of a secret, and no proxy's address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("endpoint", &self.endpoint.as_ref().and_then(Url::host_str))
            .field("buckets", &self.buckets.iter().map(Pattern::as_str).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
