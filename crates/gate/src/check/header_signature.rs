//! A signature over headers and path, RSA and SHA-1, as the notification services of JD Cloud and of Alibaba Cloud make it. They have one
//! interface, and differ in what their headers are called.
//!
//! Where their documents leave a choice, the safer one is taken:
//!
//! - The signature does not cover the body. Only `Content-MD5`, which is covered, ties the body to it. Here it is recomputed, and demanded
//!   unless the settings say otherwise. (MD5 is broken for whoever makes both texts himself; here the text is the service's.)
//! - The certificate's URL stands in a header, which proves nothing: anybody can put a certificate into a bucket of his
//!   own, and the documented samples lie in buckets, under the domain of all buckets. So no rule about domains is made: the
//!   operator pins the certificate, or writes down its URL exactly.
//!
//! Not covered are host and scheme: a signed request may be posted to another server, but not to another path.

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq;

use super::objection::Objection;
use super::trust::Trust;
use crate::encoding::{BASE64, hex};
use crate::head::{Head, Request};
use crate::key::{Hash, Key};
use crate::key_url::KeyUrl;
use crate::keys::Keys;
use crate::moment;
use crate::replay::ReplayKey;

/// The header with the certificate's URL, in base64, behind the prefix.
const CERTIFICATE_URL: &str = "signing-cert-url";

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

/// What one service calls things, and what becomes of a request that names an unlisted certificate.
#[derive(Debug)]
pub(crate) struct Scheme {
    /// The check's name.
    pub(crate) check: &'static str,
    /// With what the names of its own headers begin, in lower case, with the hyphen. All of them are signed.
    pub(crate) prefix: &'static str,
    /// The header of its own that may stand for `Date`.
    pub(crate) date: Option<&'static str>,
    /// The header by which a repetition is known.
    pub(crate) request_id: &'static str,
    pub(crate) unlisted: Unlisted,
}

/// What becomes of a request that names a certificate which is not on the list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unlisted {
    /// It is refused.
    Refused,
    /// It may come again, until somebody has listed the URL: the service is known to change it together with the key.
    Later,
}

/// The check of such a signature.
#[derive(Clone, Debug)]
pub(crate) struct HeaderSignature {
    pub(crate) scheme: &'static Scheme,
    /// The setting, for warnings.
    pub(crate) place: String,
    pub(crate) trust: Trust,
    pub(crate) content_md5: ContentMd5,
    /// How far the date may be from now, in either direction.
    pub(crate) window: SignedDuration,
}

impl HeaderSignature {
    /// What an operator should know about this setting.
    pub(crate) fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = self.trust.warnings(&self.place, now);
        if self.content_md5 == ContentMd5::Optional {
            warnings.push(format!(
                "{}: content_md5 is optional, so a body can be exchanged and a request be repeated",
                self.place
            ));
        }
        warnings
    }

    pub(crate) fn judge(
        &self,
        request: &Request<'_>,
        now: Timestamp,
        keys: &Keys,
    ) -> Result<Option<ReplayKey>, Objection> {
        let signed = self.signed(&request.head)?;
        let Proven { covered, until } = self.prove(&signed, request, now, keys)?;
        let id = signed.own(self.scheme.request_id).filter(|id| !id.is_empty() && covered);
        Ok(id.map(|id| ReplayKey::new(self.scheme.check, id, request.body, until)))
    }

    /// What of a request is signed.
    pub(super) fn signed<'a>(&self, head: &Head<'a>) -> Result<Signed<'a>, Objection> {
        if head.method != "POST" {
            return Err("the method is not POST".into());
        }
        Ok(Signed::of(head, self.scheme)?)
    }

    /// In the order in which things get dear, and with the key last: a stranger whose date or hash is wrong makes
    /// nobody fetch anything.
    pub(super) fn prove(
        &self,
        signed: &Signed<'_>,
        request: &Request<'_>,
        now: Timestamp,
        keys: &Keys,
    ) -> Result<Proven, Objection> {
        let url = match &self.trust {
            Trust::Pinned(_) => None,
            Trust::Listed(_) => self.url(signed)?,
        };
        let date = signed.date.ok_or("no Date header")?;
        let date = moment::parse(date).ok_or("the Date header is no date")?;
        if !moment::is_set(now) {
            return Err(Objection::Unavailable(moment::NOT_SET));
        }
        let until = moment::end_of_window(date, self.window, now)
            .ok_or(Objection::OutOfDate("the Date header is outside the window"))?;
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
        let text = signed.text(&request.head);
        let fits = |key: &Key| key.verifies(Hash::Sha1, &text, &signature);
        self.trust.proves(url, now, keys, fits)?;
        Ok(Proven { covered, until })
    }

    /// The URL on the list that the request names.
    fn url(&self, signed: &Signed<'_>) -> Result<Option<&KeyUrl>, Objection> {
        let encoded = signed.certificate_url().ok_or("no header with the certificate's URL")?;
        if encoded.len() > LONGEST_URL {
            return Err("the certificate's URL is too long".into());
        }
        let url = BASE64.decode(encoded).map_err(|_| "the certificate's URL is not base64")?;
        // The documented sample of JD decodes to a URL and a line feed.
        self.trust.url(url.trim_ascii()).map_err(|shown| {
            let why = "the certificate's URL is not on the list";
            match self.scheme.unlisted {
                Unlisted::Refused => Objection::WrongUrl(why, shown),
                Unlisted::Later => Objection::UnknownUrl(why, shown),
            }
        })
    }
}

/// What a signature has proven.
#[derive(Clone, Copy)]
pub(super) struct Proven {
    /// Whether the body is the one that was signed.
    pub(super) covered: bool,
    /// When the check will refuse the request for its age.
    pub(super) until: Timestamp,
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
pub(super) struct Signed<'a> {
    scheme: &'static Scheme,
    authorization: Option<&'a [u8]>,
    content_md5: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    date: Option<&'a [u8]>,
    /// All headers of the service's own, their names in lower case, in ascending order.
    namespace: Vec<(String, &'a [u8])>,
}

impl<'a> Signed<'a> {
    fn of(head: &Head<'a>, scheme: &'static Scheme) -> Result<Self, &'static str> {
        let only = |name| head.only(name).map_err(|_| "a signed header is there more than once");
        let present = |value: Option<&'a [u8]>| value.filter(|value| !value.is_empty());
        let mut namespace: Vec<(String, &[u8])> = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), *value))
            .filter(|(name, _)| name.starts_with(scheme.prefix))
            .collect();
        namespace.sort_unstable();
        if namespace.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err("a signed header is there more than once");
        }
        let mut signed = Self {
            scheme,
            authorization: present(only("authorization")?),
            content_md5: present(only("content-md5")?),
            content_type: only("content-type")?,
            date: present(only("date")?),
            namespace,
        };
        signed.date = signed.date.or_else(|| signed.own(scheme.date?));
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

    /// A header of the service's own, by its name in lower case.
    pub(super) fn own(&self, name: &str) -> Option<&'a [u8]> {
        self.namespace.iter().find(|(given, _)| given == name).map(|(_, value)| *value)
    }

    fn certificate_url(&self) -> Option<&'a [u8]> {
        let is_it = |name: &str| name.strip_prefix(self.scheme.prefix) == Some(CERTIFICATE_URL);
        self.namespace.iter().find(|(name, _)| is_it(name)).map(|(_, value)| *value)
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
