//! The listers behind one face.

use mdss_relay_core::RetryPolicy;

use crate::client::Client;
use crate::kind::Kind;
use crate::list::azure::AzureLister;
use crate::list::gcs::GcsLister;
use crate::list::oci::OciLister;
use crate::list::s3::S3Lister;
use crate::patience::Patience;
use crate::raw::{Begin, Raw};
use crate::tree::Tree;
use crate::trouble::Trouble;

/// What gives pages.
pub(crate) struct Source {
    lister: Lister,
    policy: RetryPolicy,
}

enum Lister {
    S3(S3Lister),
    Azure(AzureLister),
    Gcs(GcsLister),
    Oci(OciLister),
    Tree(Tree),
}

impl Source {
    pub(crate) fn new(client: &Client, bucket: &str, prefix: &[u8]) -> Self {
        let own = client.clone();
        let lister = match client.settings.kind {
            Kind::S3 => Lister::S3(S3Lister::new(own, bucket, prefix)),
            Kind::Azure => Lister::Azure(AzureLister::new(own, bucket, prefix)),
            Kind::Gcs => Lister::Gcs(GcsLister::new(own, bucket, prefix)),
            Kind::Oci => Lister::Oci(OciLister::new(own, bucket, prefix)),
            Kind::Directory => Lister::Tree(Tree::new(&own.settings, bucket, prefix)),
        };
        Self { lister, policy: client.settings.retry }
    }

    /// One page. What may pass is tried again.
    pub(crate) async fn page(&self, begin: &Begin) -> Result<Raw, Trouble> {
        let mut patience = Patience::new(self.policy);
        loop {
            match self.once(begin).await {
                Ok(raw) => return Ok(raw),
                Err(trouble) => patience.pause(trouble).await?,
            }
        }
    }

    async fn once(&self, begin: &Begin) -> Result<Raw, Trouble> {
        match &self.lister {
            Lister::S3(lister) => lister.page(begin).await,
            Lister::Azure(lister) => lister.page(begin).await,
            Lister::Gcs(lister) => lister.page(begin).await,
            Lister::Oci(lister) => lister.page(begin).await,
            Lister::Tree(tree) => tree.page(begin).await,
        }
    }

    /// Whether the store goes on only where a token of its own says, and not after a key.
    pub(crate) fn goes_on_by_token_alone(&self) -> bool {
        matches!(self.lister, Lister::Azure(_))
    }
}
