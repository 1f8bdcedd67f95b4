//! Lists a bucket of Amazon's, or of a store that speaks the same protocol.
//!
//! `encoding-type=url` always: keys may hold characters that XML does not have. While a listing runs, the store's own token says
//! where it goes on; later it is the last key (`start-after`), which needs nothing from the store. Stores that know only the first
//! version of the call have `marker` for both.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::client::Client;
use crate::list::s3_bucket::S3Bucket;
use crate::list::s3_page::S3Page;
use crate::raw::{Begin, PAGE, Raw};
use crate::settings::Plus;
use crate::trouble::{Trouble, TroubleKind};

/// What its credentials need.
pub(crate) const PERMISSION: &str = "s3:ListBucket";

pub(crate) struct S3Lister {
    bucket: S3Bucket,
    prefix: Vec<u8>,
    /// Whether the store knows only the first version of the call.
    first_version: AtomicBool,
    plus: Mutex<Option<Plus>>,
}

impl S3Lister {
    pub(crate) fn new(client: Client, bucket: &str, prefix: &[u8]) -> Self {
        let plus = Mutex::new(client.settings.plus);
        let bucket = S3Bucket::new(client, bucket);
        Self { bucket, prefix: prefix.to_vec(), first_version: AtomicBool::new(false), plus }
    }

    pub(crate) async fn page(&self, begin: &Begin) -> Result<Raw, Trouble> {
        let page = match self.ask(begin).await {
            // What it does not know it may call by many names; if the first version is none either, this is what is said.
            Err(trouble) if trouble.kind == TroubleKind::Refused && self.may_be_old(begin, &trouble) => {
                self.first_version.store(true, Ordering::Relaxed);
                self.ask(begin).await.map_err(|_| {
                    self.first_version.store(false, Ordering::Relaxed);
                    trouble
                })?
            }
            page => page?,
        };
        // It has been asked to begin after a key in words that it does not know, and has begun at the first one.
        let page = if page.first_version && !self.first_version.swap(true, Ordering::Relaxed) {
            match begin {
                Begin::First => page,
                Begin::Token { .. } | Begin::After(_) => self.ask(begin).await?,
            }
        } else {
            page
        };
        let plus = self.plus(&page).await?;
        let more = page.truncated == Some(true);
        let token = page.token.clone();
        let next_marker = page.next_marker.as_ref().map(|marker| page.decoded(marker, plus));
        if more && token.is_none() && !page.first_version {
            return Err(self.unreadable("a listing that goes on, and does not say where".to_owned()));
        }
        let objects = page.objects(plus);
        if let (true, Some(marker)) = (more && token.is_none(), &next_marker)
            && objects.last().is_none_or(|last| last.key != *marker)
        {
            return Err(
                self.unreadable("a listing that goes on elsewhere than behind its last key".to_owned())
            );
        }
        Ok(Raw { objects, passed: Vec::new(), token, more })
    }

    /// Whether a refusal may mean that the store knows only the first version.
    fn may_be_old(&self, begin: &Begin, trouble: &Trouble) -> bool {
        let code = trouble.code.as_deref().unwrap_or_default();
        !self.first_version.load(Ordering::Relaxed)
            && !matches!(begin, Begin::Token { .. })
            && [
                "NotImplemented",
                "InvalidArgument",
                "InvalidRequest",
                "MethodNotAllowed",
                "UnsupportedOperation",
            ]
            .contains(&code)
    }

    /// One page, in the version that the store is known to speak.
    async fn ask(&self, begin: &Begin) -> Result<S3Page, Trouble> {
        let number = PAGE.to_string();
        let mut pairs: Vec<(&str, &[u8])> =
            vec![("encoding-type", b"url"), ("max-keys", number.as_bytes()), ("prefix", &self.prefix)];
        if self.first_version.load(Ordering::Relaxed) {
            match begin {
                Begin::First => {}
                Begin::Token { last: key, .. } | Begin::After(key) => pairs.push(("marker", key)),
            }
        } else {
            pairs.push(("list-type", b"2"));
            match begin {
                Begin::First => {}
                Begin::Token { token, .. } => pairs.push(("continuation-token", token.as_bytes())),
                Begin::After(key) => pairs.push(("start-after", key)),
            }
        }
        self.parsed(&pairs).await
    }

    async fn parsed(&self, pairs: &[(&str, &[u8])]) -> Result<S3Page, Trouble> {
        let answer = self.bucket.get(pairs).await?;
        let answer = self.bucket.client.judged(answer, Some(&self.bucket.name), PERMISSION)?;
        S3Page::parse(&answer.body).map_err(|why| self.unreadable(why))
    }

    fn unreadable(&self, why: String) -> Trouble {
        self.bucket
            .client
            .trouble(TroubleKind::Unreadable, format!("answers with {why}"))
            .of(&self.bucket.name)
    }

    /// What a `+` means in encoded keys. Amazon and MinIO write a space so, as forms do, and a plus `%2B`; SeaweedFS writes a plus as it
    /// is (`url.PathEscape`: `weed/s3api/s3api_object_handlers_list.go` in seaweedfs/seaweedfs). A wrong guess would be another object's
    /// name. So the store is asked for the keys that begin with the one reading of a key, and with the other one: where the key is, that
    /// is what it means.
    async fn plus(&self, page: &S3Page) -> Result<Plus, Trouble> {
        let Some(key) = page.first_plus() else { return Ok(Plus::Space) };
        if let Some(known) = *self.plus.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known);
        }
        for plus in [Plus::Space, Plus::Plus] {
            let read = page.decoded(key, plus);
            let mut pairs: Vec<(&str, &[u8])> = vec![("encoding-type", b"url"), ("prefix", &read)];
            if !self.first_version.load(Ordering::Relaxed) {
                pairs.push(("list-type", b"2"));
            }
            if self.parsed(&pairs).await?.has(key) {
                *self.plus.lock().unwrap_or_else(PoisonError::into_inner) = Some(plus);
                return Ok(plus);
            }
        }
        // It has gone meanwhile; the page is asked for again.
        Err(self.unreadable("a key with a plus that it then does not have; plus in the store's settings can say what it means".to_owned()))
    }
}
