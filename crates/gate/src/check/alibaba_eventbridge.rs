//! The signature with which Alibaba Cloud's EventBridge posts an event to an HTTP target: RSA and SHA-256 over the target's URL, some headers and
//! the body.
//!
//! <https://www.alibabacloud.com/help/en/eventbridge/user-guide/signature-algorithm> and the vendor's own code (aliyun/alibabacloud-eventbridge-sdk,
//! `util/java`, `signature/StringToSignBuilder.java`), both read 2026-11. What is chosen here:
//!
//! - Version 2 alone. Version 1 is an HMAC with a key that travels in the request, encrypted with the *private* key of Alibaba: all of it rests
//!   on the strictness with which padding is removed, and nothing that still needs it is known.
//! - The signed URL is the target's as it stands in the rule, so a proxy that changes it would break every signature. It is put together
//!   from the operator's `public_url` and of what the request has behind the source's path; no header of a request has a say in it.
//! - The vendor's code ends the string with a line feed, the documents do not; and it is not said whether a token is a line of it. So there
//!   are four strings, in a fixed order, and each is verified in full.
//! - Certificates lie in a bucket whose name anybody could have had (`<region>-eventbridge.oss-…`), so their URLs are listed to the byte, or they are
//!   pinned. Their names hold a date, so a new key has a new URL, and an unlisted one is not the sender's fault.
//! - One key signs for every customer, and anybody's bus can have our URL for a target. So a secret has to stand beside this check.
//!
//! Nothing is known of how long an attempt is repeated with one signature; the documents call 60 seconds expired.

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};

use super::names::ALIBABA_EVENTBRIDGE;
use super::objection::Objection;
use super::trust::Trust;
use crate::encoding::BASE64;
use crate::head::{Head, Request, printable};
use crate::key::{Hash, Key};
use crate::keys::Keys;
use crate::moment;
use crate::replay::ReplayKey;

const SIGNATURE: &str = "x-eventbridge-signature-v2";
const OLD_SIGNATURE: &str = "x-eventbridge-signature";
const METHOD: &str = "x-eventbridge-hash-method";
const TIMESTAMP: &str = "x-eventbridge-signature-timestamp";
const VERSION: &str = "x-eventbridge-signature-version";
const CERTIFICATE_URL: &str = "x-eventbridge-signature-url";
const TOKEN: &str = "x-eventbridge-signature-token";

/// How far apart two clocks may be: this much is added to the age, and a request may be this far ahead.
const CLOCKS: SignedDuration = SignedDuration::from_secs(30);

/// Base64 of the signature of the largest key, 8192 bits.
const LONGEST_SIGNATURE: usize = 1368;

#[derive(Clone, Debug)]
pub(crate) struct AlibabaEventbridge {
    /// The setting, for warnings.
    pub(crate) place: String,
    pub(crate) trust: Trust,
    /// The target's URL up to what the request has behind the source's path.
    pub(crate) public_url: String,
    /// How old a request may be.
    pub(crate) window: SignedDuration,
}

impl AlibabaEventbridge {
    /// What an operator should know about this setting.
    pub(crate) fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = self.trust.warnings(&self.place, now);
        if self.public_url.starts_with("http://") {
            warnings.push(format!(
                "{}.public_url: is plain HTTP, where anybody on the way can read the secret beside the signature",
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
        let signed = Signed::of(&request.head)?;
        let url = self
            .trust
            .url(signed.certificate_url.as_bytes())
            .map_err(|shown| Objection::UnknownUrl("the certificate's URL is not on the list", shown))?;
        let at =
            milliseconds(signed.timestamp).ok_or("the timestamp is no number of milliseconds since 1970")?;
        if !moment::is_set(now) {
            return Err(Objection::Unavailable(moment::NOT_SET));
        }
        let age = now.duration_since(at);
        if age > self.window.saturating_add(CLOCKS) || age < -CLOCKS {
            return Err(Objection::OutOfDate("the timestamp is outside the window"));
        }
        let until = at.saturating_add(self.window.saturating_add(CLOCKS)).unwrap_or(Timestamp::MAX);
        // Without this the first line of a body could be taken for the token, and the token for the first line of a body.
        if request.body.starts_with(format!("{TOKEN}: ").as_bytes()) {
            return Err("the body begins like a signed header".into());
        }
        if signed.signature.len() > LONGEST_SIGNATURE {
            return Err("the signature is too long".into());
        }
        let signature = BASE64.decode(signed.signature).map_err(|_| "the signature is not base64")?;
        let texts = signed.texts(&self.target(&request.head), request.body);
        let fits = |key: &Key| texts.iter().any(|text| key.verifies(Hash::Sha256, text, &signature));
        self.trust.proves(url, now, keys, fits)?;
        // By the signature alone: it fits one string, and each of the four readings of that string is the same event.
        Ok(Some(ReplayKey::new(ALIBABA_EVENTBRIDGE, &signature, &[], until)))
    }

    /// The URL that the rule has, as far as the operator and the request line say it.
    fn target(&self, head: &Head<'_>) -> String {
        let query = head.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{}{query}", self.public_url, head.path_rest.unwrap_or_default())
    }
}

/// The headers that the signature covers, and itself.
struct Signed<'a> {
    signature: &'a str,
    method: &'a str,
    timestamp: &'a str,
    version: &'a str,
    certificate_url: &'a str,
    token: Option<&'a str>,
}

impl<'a> Signed<'a> {
    /// Each of them once, and text: the string to sign is lines, so nothing in it may end one. An HTTP parser lets none of that through; the
    /// proof should not depend on it.
    fn of(head: &Head<'a>) -> Result<Self, &'static str> {
        if head.method != "POST" {
            return Err("the method is not POST");
        }
        let only = |name| match head.only(name) {
            Err(_) => Err("a signed header is there more than once"),
            Ok(None) => Ok(None),
            Ok(Some(value)) => printable(value).map(Some).ok_or("a signed header is no text"),
        };
        let needed = |name| only(name)?.ok_or("a header of EventBridge's signature is missing");
        let Some(signature) = only(SIGNATURE)? else {
            return Err(match only(OLD_SIGNATURE)? {
                Some(_) => {
                    "a signature of version 1 alone, whose key travels in the request: it is not taken for a proof"
                }
                None => "no header X-EventBridge-Signature-V2",
            });
        };
        let signed = Self {
            signature,
            method: needed(METHOD)?,
            timestamp: needed(TIMESTAMP)?,
            version: needed(VERSION)?,
            certificate_url: needed(CERTIFICATE_URL)?,
            token: only(TOKEN)?,
        };
        if signed.method != "SHA256" {
            return Err("the hash method is not SHA256");
        }
        if head.path.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("the request target holds a control character");
        }
        Ok(signed)
    }

    /// The strings that may have been signed, at most four, in the order in which they are tried: with the token, where there is one, before
    /// without it, and with a line feed at the end, as the vendor's code has it, before without it, as the documents have it.
    fn texts(&self, url: &str, body: &[u8]) -> Vec<Vec<u8>> {
        let Self { method, timestamp, version, certificate_url, token, .. } = self;
        let head = format!(
            "{url}\n{TIMESTAMP}: {timestamp}\n{METHOD}: {method}\n{VERSION}: {version}\n{CERTIFICATE_URL}: {certificate_url}\n"
        );
        let with_token = token.map(|token| format!("{head}{TOKEN}: {token}\n"));
        let heads = with_token.into_iter().chain([head]);
        let text = |head: &str, end: &[u8]| [head.as_bytes(), body, end].concat();
        heads.flat_map(|head| [text(&head, b"\n"), text(&head, b"")]).collect()
    }
}

/// A number of milliseconds since 1970, in digits alone.
fn milliseconds(text: &str) -> Option<Timestamp> {
    let digits = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    Timestamp::from_millisecond(text.parse().ok().filter(|_| digits)?).ok()
}

#[cfg(test)]
mod tests;
