//! The signature of JD Cloud's callbacks: RSA and SHA-1 over the headers and the path.
//!
//! Documented at
//! <https://docs.jdcloud.com/cn/object-storage-service/setting-signature-authentication-for-callback-server> (read
//! 2026-09). Where the document leaves a choice, the safer one is taken:
//!
//! - The signature does not cover the body. Only `Content-MD5`, which is covered, ties the body to it, and the vendor's
//!   own sample never looks at that. Here it is recomputed, and demanded unless the settings say otherwise. (MD5 is broken
//!   for whoever makes both texts himself; here the text is JD's.)
//! - The certificate's URL stands in a header, which proves nothing: anybody can put a certificate into a bucket of his
//!   own, and the documented sample lies in one, under the domain of all buckets
//!   (<https://docs.jdcloud.com/cn/object-storage-service/endpoint-using-rulers>). So no rule about domains is made: the
//!   operator pins the certificate, or writes down its URL exactly.
//! - No date window and no memory of what was seen are documented. The same interface elsewhere asks for 15 minutes
//!   (Alibaba's message service, of which this one has the headers and the sample values).
//!
//! Not covered are host and scheme: a signed request may be posted to another server, but not to another path.

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq;

use super::names::JDCLOUD_SIGNATURE;
use super::objection::Objection;
use crate::encoding::{BASE64, hex};
use crate::head::{Head, Request};
use crate::key::{Hash, Key, Pinned};
use crate::key_url::{KeyUrl, shown};
use crate::keys::{Found, Keys};
use crate::moment;
use crate::replay::ReplayKey;

const PREFIX: &str = "x-jdcloud-";
const CERTIFICATE_URL: &str = "x-jdcloud-signing-cert-url";
const REQUEST_ID: &str = "x-jdcloud-request-id";

/// The longest certificate URL that is decoded; a longer one is on nobody's list.
const LONGEST_URL: usize = 4096;

/// Base64 of the signature of the largest key, 8192 bits.
const LONGEST_SIGNATURE: usize = 1368;

/// Whether a request without `Content-MD5` is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentMd5 {
    Required,
    /// Without it, whoever sees one signed request can send any body with it, until its date is too old.
    Optional,
}

/// Whose signatures are believed.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// The operator has the certificates.
    Pinned(Pinned),
    /// The operator knows their URLs, to the byte.
    Listed(Vec<KeyUrl>),
}

#[derive(Clone, Debug)]
pub(crate) struct JdcloudSignature {
    /// The setting, for warnings.
    pub(crate) place: String,
    pub(crate) trust: Trust,
    pub(crate) content_md5: ContentMd5,
    pub(crate) window: SignedDuration,
}

impl JdcloudSignature {
    /// What an operator should know about this setting.
    pub(crate) fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = match &self.trust {
            Trust::Pinned(pinned) => pinned.warnings(now),
            Trust::Listed(urls) => urls
                .iter()
                .filter(|url| url.as_str().starts_with("http://"))
                .map(|url| {
                    format!(
                        "{}: {url} is fetched over plain HTTP, where anybody on the way can exchange it",
                        self.place
                    )
                })
                .collect(),
        };
        if self.content_md5 == ContentMd5::Optional {
            warnings.push(format!(
                "{}: content_md5 is optional, so a body can be exchanged and a request be repeated",
                self.place
            ));
        }
        warnings
    }

    /// In the order in which things get dear, and with the key last: a stranger whose date or hash is wrong makes
    /// nobody fetch anything.
    pub(crate) fn judge(
        &self,
        request: &Request<'_>,
        now: Timestamp,
        keys: &Keys,
    ) -> Result<Option<ReplayKey>, Objection> {
        let head = &request.head;
        if head.method != "POST" {
            return Err("the method is not POST".into());
        }
        let signed = Signed::of(head)?;
        let url = match &self.trust {
            Trust::Pinned(_) => None,
            Trust::Listed(urls) => Some(listed(urls, &signed)?),
        };
        let date = signed.date.ok_or("no Date header")?;
        let date = moment::parse(date).ok_or("the Date header is no date")?;
        let until =
            moment::end_of_window(date, self.window, now).ok_or("the Date header is outside the window")?;
        let covered = match (signed.content_md5, self.content_md5) {
            (Some(given), _) => {
                is_md5_of(given, request.body)?;
                true
            }
            (None, ContentMd5::Optional) => false,
            (None, ContentMd5::Required) => {
                return Err("no Content-MD5 header, so that the body is not signed".into());
            }
        };
        let signature = signed.authorization.ok_or("no Authorization header")?;
        if signature.len() > LONGEST_SIGNATURE {
            return Err("the signature is too long".into());
        }
        let signature = BASE64.decode(signature).map_err(|_| "the signature is not base64")?;
        let text = signed.text(head);
        let wrong = Objection::Refused("the signature is wrong");
        let fits = |key: &Key| key.verifies(Hash::Sha1, &text, &signature);
        match (&self.trust, url) {
            (Trust::Listed(_), Some(url)) => match keys.find(url, now) {
                Found::Here { key, .. } if fits(key) => {}
                Found::Here { renewable: true, .. } | Found::Fetch => {
                    return Err(Objection::NeedKey(url.clone()));
                }
                Found::Here { .. } => return Err(wrong),
                Found::NotNow(why) => return Err(Objection::Unavailable(why)),
            },
            (Trust::Pinned(pinned), _) if pinned.keys.iter().any(fits) => {}
            _ => return Err(wrong),
        }
        let id = signed.namespace.iter().find(|(name, _)| name == REQUEST_ID).map(|(_, value)| *value);
        let id = id.filter(|id| !id.is_empty() && covered);
        Ok(id.map(|id| ReplayKey::new(JDCLOUD_SIGNATURE, id, request.body, until)))
    }
}

/// The URL on the list that the request names.
fn listed<'u>(urls: &'u [KeyUrl], signed: &Signed<'_>) -> Result<&'u KeyUrl, Objection> {
    let encoded = signed.namespace.iter().find(|(name, _)| name == CERTIFICATE_URL);
    let (_, encoded) = encoded.ok_or("no header with the certificate's URL")?;
    if encoded.len() > LONGEST_URL {
        return Err("the certificate's URL is too long".into());
    }
    let url = BASE64.decode(encoded).map_err(|_| "the certificate's URL is not base64")?;
    // The documented sample decodes to a URL and a line feed.
    let url = url.trim_ascii();
    urls.iter()
        .find(|listed| listed.as_str().as_bytes() == url)
        .ok_or_else(|| Objection::WrongUrl("the certificate's URL is not on the list", shown(url)))
}

/// `Content-MD5` in any of the three forms: base64 of the hash's hex text, as JD's samples have it; base64 of the hash,
/// as RFC 1864 has it; hex.
fn is_md5_of(given: &[u8], body: &[u8]) -> Result<(), &'static str> {
    let none = "the Content-MD5 header is no MD5";
    let given: [u8; 16] = match hex(given) {
        Some(hash) => hash,
        None => {
            let decoded = BASE64.decode(given).map_err(|_| none)?;
            hex(&decoded).or_else(|| decoded.try_into().ok()).ok_or(none)?
        }
    };
    let hash: [u8; 16] = Md5::digest(body).into();
    bool::from(hash.ct_eq(&given)).then_some(()).ok_or("the Content-MD5 header does not fit the body")
}

/// What the signature covers, each header at most once.
struct Signed<'a> {
    authorization: Option<&'a [u8]>,
    content_md5: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    date: Option<&'a [u8]>,
    /// All `x-jdcloud-` headers, their names in lower case, in ascending order.
    namespace: Vec<(String, &'a [u8])>,
}

impl<'a> Signed<'a> {
    fn of(head: &Head<'a>) -> Result<Self, &'static str> {
        let only = |name| head.only(name).map_err(|_| "a signed header is there more than once");
        let present = |value: Option<&'a [u8]>| value.filter(|value| !value.is_empty());
        let mut namespace: Vec<(String, &[u8])> = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), *value))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        namespace.sort_unstable();
        if namespace.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err("a signed header is there more than once");
        }
        let signed = Self {
            authorization: present(only("authorization")?),
            content_md5: present(only("content-md5")?),
            content_type: only("content-type")?,
            date: present(only("date")?),
            namespace,
        };
        // The signed text is lines, so nothing in it may end one: otherwise two requests could have the same text. An
        // HTTP parser lets none of this through; the proof should not depend on it.
        let values = [signed.content_md5, signed.content_type, signed.date].into_iter().flatten();
        let values = values.chain(signed.namespace.iter().map(|(_, value)| *value));
        let names = signed.namespace.iter().map(|(name, _)| name.as_bytes());
        let breaks = |text: &[u8]| text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
        if values.chain(names).chain([head.path.as_bytes()]).any(breaks)
            || signed.namespace.iter().any(|(name, _)| name.contains(':'))
        {
            return Err("a signed header or the path holds a control character");
        }
        if !head.path.starts_with('/') {
            return Err("the request target is no path");
        }
        Ok(signed)
    }

    /// The string to sign. A header that is missing is an empty line; the resource is the target as the sender wrote
    /// it. (Whether a query belongs to it is not documented: what is sent is verified.)
    fn text(&self, head: &Head<'_>) -> Vec<u8> {
        let mut text = Vec::new();
        let lines = [Some(head.method.as_bytes()), self.content_md5, self.content_type, self.date];
        for line in lines {
            text.extend_from_slice(line.unwrap_or_default());
            text.push(b'\n');
        }
        for (name, value) in &self.namespace {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        text.extend_from_slice(head.path.as_bytes());
        text
    }
}

#[cfg(test)]
mod tests;
