//! Lists a bucket of OCI Object Storage.
//! <https://docs.oracle.com/en-us/iaas/api/#/en/objectstorage/20160918/Object/ListObjects>
//!
//! Without `fields` only names come. While a listing runs it goes on by `start`, which is the next name; later by `startAfter`.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use crate::client::Client;
use crate::list::query::{encode, query};
use crate::page::Listed;
use crate::raw::{Begin, MOST_OBJECTS, PAGE, Raw};
use crate::sign::Service;
use crate::trouble::{Trouble, TroubleKind};

const PERMISSION: &str = "OBJECT_INSPECT (\"to inspect objects\")";
const NAMESPACE_PERMISSION: &str =
    "OBJECTSTORAGE_NAMESPACE_READ, which is not needed if the settings name the namespace";

const FIELDS: &[u8] = b"name,size,etag,timeCreated,timeModified,storageTier,archivalState";

pub(crate) struct OciLister {
    client: Client,
    bucket: String,
    prefix: Vec<u8>,
    namespace: Mutex<Option<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Objects {
    objects: Vec<Item>,
    next_start_with: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: String,
    size: Option<u64>,
    etag: Option<String>,
    time_created: Option<String>,
    time_modified: Option<String>,
    storage_tier: Option<String>,
    archival_state: Option<String>,
}

impl OciLister {
    pub(crate) fn new(client: Client, bucket: &str, prefix: &[u8]) -> Self {
        let namespace = Mutex::new(client.settings.namespace.clone());
        Self { client, bucket: bucket.to_owned(), prefix: prefix.to_vec(), namespace }
    }

    pub(crate) async fn page(&self, begin: &Begin) -> Result<Raw, Trouble> {
        let namespace = self.namespace().await?;
        let number = PAGE.to_string();
        let mut pairs: Vec<(&str, &[u8])> = vec![("limit", number.as_bytes()), ("fields", FIELDS)];
        if !self.prefix.is_empty() {
            pairs.push(("prefix", &self.prefix));
        }
        match begin {
            Begin::First => {}
            Begin::Token { token, .. } => pairs.push(("start", token.as_bytes())),
            Begin::After(key) => pairs.push(("startAfter", key)),
        }
        let (namespace, bucket) = (encode(namespace.as_bytes()), encode(self.bucket.as_bytes()));
        let body = self.get(&format!("/n/{namespace}/b/{bucket}/o?{}", query(&pairs)), PERMISSION).await?;
        let page: Objects =
            serde_json::from_slice(&body).map_err(|e| self.unreadable(format!("no listing: {e}")))?;
        if page.objects.len() > MOST_OBJECTS {
            return Err(self.unreadable(format!("more than {MOST_OBJECTS} objects in a page")));
        }
        let token = page.next_start_with.filter(|token| !token.is_empty());
        let objects = page.objects.into_iter().map(Item::listed).collect();
        Ok(Raw { objects, passed: Vec::new(), more: token.is_some(), token })
    }

    /// The namespace of the tenancy, asked once if the settings do not name it.
    /// <https://docs.oracle.com/en-us/iaas/api/#/en/objectstorage/20160918/Namespace/GetNamespace>
    async fn namespace(&self) -> Result<String, Trouble> {
        if let Some(known) = &*self.namespace.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known.clone());
        }
        let body = self.get("/n/", NAMESPACE_PERMISSION).await?;
        let found: String =
            serde_json::from_slice(&body).map_err(|e| self.unreadable(format!("no namespace: {e}")))?;
        *self.namespace.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        Ok(found)
    }

    async fn get(&self, path: &str, permission: &'static str) -> Result<Bytes, Trouble> {
        let settings = &self.client.settings;
        let base = match &settings.endpoint {
            Some(endpoint) => endpoint.as_str().trim_end_matches('/').to_owned(),
            None => {
                let region = settings.region.as_deref().unwrap_or_default();
                format!("https://objectstorage.{region}.oraclecloud.com")
            }
        };
        let request = Request::get(format!("{base}{path}")).body(Bytes::new()).map_err(|_| {
            self.client.trouble(TroubleKind::Refused, "no bucket can have this name").of(&self.bucket)
        })?;
        let answer = self.client.send(Service::Own, request).await.map_err(|t| t.of(&self.bucket))?;
        Ok(self.client.judged(answer, Some(&self.bucket), permission)?.body)
    }

    fn unreadable(&self, why: String) -> Trouble {
        self.client.trouble(TroubleKind::Unreadable, format!("answers with {why}")).of(&self.bucket)
    }
}

impl Item {
    fn listed(self) -> Listed {
        // `archivalState` is there for objects of the tier Archive alone: Archived, Restoring, Restored.
        let archived = match self.archival_state.as_deref() {
            Some(state) => !state.eq_ignore_ascii_case("restored"),
            None => self.storage_tier.is_some_and(|tier| tier.eq_ignore_ascii_case("archive")),
        };
        let time = self.time_modified.or(self.time_created);
        Listed {
            key: self.name.into_bytes(),
            version: None,
            etag: self.etag.filter(|etag| !etag.is_empty()),
            size: self.size,
            modified: time.and_then(|time| time.parse().ok()),
            archived,
        }
    }
}
