//! Lists a bucket of Google Cloud Storage.
//! <https://cloud.google.com/storage/docs/json_api/v1/objects/list>
//!
//! While a listing runs it goes on by `pageToken`; later by `startOffset`, the last key, which is listed once more and left out here.

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use crate::client::Client;
use crate::list::query::{encode, query};
use crate::page::Listed;
use crate::raw::{Begin, MOST_OBJECTS, PAGE, Raw};
use crate::sign::Service;
use crate::trouble::{Trouble, TroubleKind};

const PERMISSION: &str = "storage.objects.list (role Storage Object Viewer)";
const HOST: &str = "https://storage.googleapis.com";

/// What is asked for of each object.
const FIELDS: &[u8] = b"nextPageToken,items(name,generation,size,etag,updated)";

pub(crate) struct GcsLister {
    client: Client,
    bucket: String,
    prefix: Vec<u8>,
}

#[derive(Deserialize)]
struct Objects {
    #[serde(default)]
    items: Vec<Item>,
    #[serde(rename = "nextPageToken")]
    token: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    generation: Option<String>,
    size: Option<String>,
    etag: Option<String>,
    updated: Option<String>,
}

impl GcsLister {
    pub(crate) fn new(client: Client, bucket: &str, prefix: &[u8]) -> Self {
        Self { client, bucket: bucket.to_owned(), prefix: prefix.to_vec() }
    }

    pub(crate) async fn page(&self, begin: &Begin) -> Result<Raw, Trouble> {
        let number = PAGE.to_string();
        let mut pairs: Vec<(&str, &[u8])> = vec![("maxResults", number.as_bytes()), ("fields", FIELDS)];
        if !self.prefix.is_empty() {
            pairs.push(("prefix", &self.prefix));
        }
        match begin {
            Begin::First => {}
            Begin::Token { token, .. } => pairs.push(("pageToken", token.as_bytes())),
            Begin::After(key) => pairs.push(("startOffset", key)),
        }
        let base =
            self.client.settings.endpoint.as_ref().map_or(HOST, |url| url.as_str()).trim_end_matches('/');
        let address = format!("{base}/storage/v1/b/{}/o?{}", encode(self.bucket.as_bytes()), query(&pairs));
        let request = Request::get(address).body(Bytes::new()).map_err(|_| {
            self.client.trouble(TroubleKind::Refused, "no bucket can have this name").of(&self.bucket)
        })?;
        let answer = self.client.send(Service::Own, request).await.map_err(|t| t.of(&self.bucket))?;
        let answer = self.client.judged(answer, Some(&self.bucket), PERMISSION)?;
        let unreadable = |why: String| {
            self.client.trouble(TroubleKind::Unreadable, format!("answers with {why}")).of(&self.bucket)
        };
        let page: Objects =
            serde_json::from_slice(&answer.body).map_err(|e| unreadable(format!("no listing: {e}")))?;
        if page.items.len() > MOST_OBJECTS {
            return Err(unreadable(format!("more than {MOST_OBJECTS} objects in a page")));
        }
        let mut objects: Vec<Listed> = page.items.into_iter().map(Item::listed).collect();
        if let Begin::After(key) = begin {
            objects.retain(|object| object.key != *key);
        }
        let token = page.token.filter(|token| !token.is_empty());
        Ok(Raw { objects, passed: Vec::new(), more: token.is_some(), token })
    }
}

impl Item {
    fn listed(self) -> Listed {
        Listed {
            key: self.name.into_bytes(),
            // A generation is what its events call the version of an object.
            version: self.generation,
            etag: self.etag.map(|etag| etag.trim_matches('"').to_owned()).filter(|etag| !etag.is_empty()),
            size: self.size.and_then(|size| size.parse().ok()),
            modified: self.updated.and_then(|updated| updated.parse().ok()),
            // What is on the tier Archive can be read at once there.
            archived: false,
        }
    }
}
