//! A page of `ListObjectsV2`, or of `ListObjects`, its predecessor.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html>

use percent_encoding::percent_decode_str;

use crate::list::xml::{Step, walk};
use crate::page::Listed;
use crate::raw::MOST_OBJECTS;
use crate::settings::Plus;

/// Tiers from which nobody reads before the object has been restored.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>
const ARCHIVED: &[&str] = &["GLACIER", "DEEP_ARCHIVE"];

/// A page as it stands there.
#[derive(Debug, Default)]
pub(crate) struct S3Page {
    entries: Vec<Entry>,
    /// Whether keys are encoded.
    encoded: bool,
    pub(super) truncated: Option<bool>,
    pub(super) token: Option<String>,
    pub(super) next_marker: Option<String>,
    /// Whether the store speaks version 1, whatever it was asked in.
    pub(super) first_version: bool,
}

#[derive(Debug, Default)]
struct Entry {
    key: String,
    object: Listed,
}

impl S3Page {
    /// # Errors
    /// Why it is no page.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut page = Self::default();
        let (mut marker, mut counted) = (false, false);
        walk(body, |path, step| {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            if let Some(root) = names.first().filter(|root| **root != "ListBucketResult") {
                return Err(format!("<{root}> in place of a listing"));
            }
            match (names.get(1..).unwrap_or_default(), step) {
                (["Contents"], Step::Begin) => {
                    if page.entries.len() >= MOST_OBJECTS {
                        return Err(format!("more than {MOST_OBJECTS} objects in a page"));
                    }
                    page.entries.push(Entry::default());
                }
                (["Contents", member], Step::End { text, .. }) => {
                    if let Some(entry) = page.entries.last_mut() {
                        entry.set(member, text);
                    }
                }
                ([member], Step::End { text, .. }) => match *member {
                    "IsTruncated" => page.truncated = Some(text.trim() == "true"),
                    "NextContinuationToken" => page.token = Some(text.to_owned()),
                    "NextMarker" => page.next_marker = Some(text.to_owned()),
                    "EncodingType" => page.encoded = text.trim() == "url",
                    "Marker" => marker = true,
                    "KeyCount" => counted = true,
                    _ => {}
                },
                _ => {}
            }
            Ok(())
        })?;
        page.first_version = marker && !counted && page.token.is_none();
        if page.truncated.is_none() {
            return Err("a listing that does not say whether it is complete".to_owned());
        }
        if page.entries.iter().any(|entry| entry.key.is_empty()) {
            return Err("an object without a key".to_owned());
        }
        Ok(page)
    }

    /// The first encoded key of which it is not clear what it means.
    pub(super) fn first_plus(&self) -> Option<&str> {
        let keys = self.entries.iter().map(|entry| entry.key.as_str());
        keys.filter(|_| self.encoded).find(|key| key.contains('+'))
    }

    /// Whether a key is among its keys, as it is encoded.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The objects, with their keys decoded once.
    pub(crate) fn objects(self, plus: Plus) -> Vec<Listed> {
        let encoded = self.encoded;
        let decoded = |Entry { key, object }| {
            let key = if encoded { decode(&key, plus) } else { key.into_bytes() };
            Listed { key, ..object }
        };
        self.entries.into_iter().map(decoded).collect()
    }

    /// A key of this page that stands outside its objects.
    pub(super) fn decoded(&self, key: &str, plus: Plus) -> Vec<u8> {
        if self.encoded { decode(key, plus) } else { key.as_bytes().to_vec() }
    }
}

impl Entry {
    fn set(&mut self, member: &str, text: &str) {
        match member {
            "Key" => self.key = text.to_owned(),
            "ETag" => {
                self.object.etag = Some(text.trim_matches('"').to_owned()).filter(|etag| !etag.is_empty())
            }
            "Size" => self.object.size = text.trim().parse().ok(),
            "LastModified" => self.object.modified = text.trim().parse().ok(),
            "StorageClass" => self.object.archived = ARCHIVED.contains(&text.trim()),
            _ => {}
        }
    }
}

/// A key that is encoded as in a URL. Once: what stands in it afterwards is the key.
fn decode(key: &str, plus: Plus) -> Vec<u8> {
    match plus {
        Plus::Space => percent_decode_str(&key.replace('+', " ")).collect(),
        Plus::Plus => percent_decode_str(key).collect(),
    }
}
