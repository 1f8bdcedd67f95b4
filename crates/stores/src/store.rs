//! A store: the handle for everybody outside.

use bytes::Bytes;
use http::Request;

use crate::client::Client;
use crate::kind::Kind;
use crate::list::s3_bucket::S3Bucket;
use crate::listing::Listing;
use crate::settings::StoreSettings;
use crate::sign::Service;
use crate::source::Source;
use crate::trouble::{Trouble, TroubleKind};
use crate::wire::Answer;

/// One store, ready to be asked. Cheap to clone; credentials are looked for when the first request is signed.
#[derive(Clone)]
pub struct Store {
    client: Client,
}

impl Store {
    /// A store of the settings. Nothing is sent yet.
    ///
    /// # Errors
    /// If TLS cannot be set up, which a build would have shown.
    pub fn open(settings: &StoreSettings) -> Result<Self, Trouble> {
        Ok(Self { client: Client::new(settings)? })
    }

    /// Its settings.
    pub fn settings(&self) -> &StoreSettings {
        &self.client.settings
    }

    /// The listing of a bucket: every object whose key begins with `prefix`.
    pub fn list(&self, bucket: &str, prefix: &[u8]) -> Listing {
        let source = Source::new(&self.client, bucket, prefix);
        Listing::new(source, &self.client.settings.name, bucket)
    }

    /// Signs a request with the store's credentials and sends it once. Its URI is whole and encoded.
    ///
    /// An answer is given whatever its status; [`judge`](Self::judge) says what that means.
    ///
    /// # Errors
    /// There are no credentials, or no answer came.
    pub async fn send(&self, service: Service<'_>, request: Request<Bytes>) -> Result<Answer, Trouble> {
        self.client.send(service, request).await
    }

    /// Asks a bucket of an S3 store for one of its properties: `("notification", "")`. The bucket's region is found on the way.
    ///
    /// # Errors
    /// As [`send`](Self::send); and that the store is of another kind.
    pub async fn ask(&self, bucket: &str, query: &[(&str, &str)]) -> Result<Answer, Trouble> {
        if self.client.settings.kind != Kind::S3 {
            let detail = format!("a store of kind {} is asked in other ways", self.client.settings.kind);
            return Err(self.client.trouble(TroubleKind::Refused, detail).of(bucket));
        }
        let query: Vec<(&str, &[u8])> = query.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        S3Bucket::new(self.client.clone(), bucket).get(&query).await
    }

    /// The answer, if it is a success.
    ///
    /// # Errors
    /// What its status and its body say otherwise; for a refusal with the name of the permission that may be missing.
    pub fn judge(
        &self,
        answer: Answer,
        bucket: Option<&str>,
        permission: &'static str,
    ) -> Result<Answer, Trouble> {
        self.client.judged(answer, bucket, permission)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.client.settings).finish()
    }
}
