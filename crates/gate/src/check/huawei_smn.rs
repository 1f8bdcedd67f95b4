//! The signature of Huawei Cloud's Simple Message Notification (SMN), which stands in the body.
//!
//! <https://support.huaweicloud.com/intl/en-us/usermanual-smn/smn_ug_a9003.html> and smn_ug_a9002.html (read 2026-11). As with SNS
//! ([`sns`](super::sns)), and for the same reasons:
//!
//! - The topic must be on the operator's list: every customer of Huawei can have SMN sign a message of his own topic.
//! - A part of the string to sign that is one line must be one, a member that stands twice is refused, and so is a header that says otherwise than
//!   the body.
//!
//! What is SMN's own:
//!
//! - The certificate's host is the one of the topic's region, `smn.<region>.myhuaweicloud.com`, as in every captured message (of cn-north-4,
//!   cn-south-1 and sa-brazil-1). Buckets have names under `obs.<region>`, so no customer can take it (an inference). Other brands have hosts of
//!   their own, which the operator lists.
//! - The hash is SHA-256, whatever the certificate is signed with. Captured signatures have 256 bytes.
//! - Whether an empty `subject` is signed is not agreed on: the manual and its Node sample leave it out, its Java and Go samples do not. So both strings
//!   are tried, in this order.
//! - `unsubscribe_url` is never signed, and nobody looks at it here.
//! - How the two types for a user's own confirmation are signed is not published where it could be read. They announce nothing that is sent, so they
//!   are tried as a notification and as a confirmation; if neither fits, the line about the refusal is all there is of them.
//! - SMN repeats after a 5xx and nothing else (smn_ug_a9002). So a host that nobody has listed is not the sender's fault, nor is a certificate
//!   that cannot be had, nor a clock that is not set.

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};

use super::names::HUAWEI_SMN;
use super::objection::Objection;
use super::trust::fetched;
use crate::encoding::BASE64;
use crate::head::{Head, Request};
use crate::key::{Hash, Key, Pinned};
use crate::key_url::{KeyUrl, named_host, shown};
use crate::keys::Keys;
use crate::members::Members;
use crate::moment;
use crate::replay::ReplayKey;

/// The longest of the members that are one line; SMN's own are far shorter, except the confirmation's URL.
const LONGEST_LINE: usize = 4096;

/// Base64 of the signature of the largest key, 8192 bits.
const LONGEST_SIGNATURE: usize = 1368;

const NOTIFICATION: &[&str] = &["message", "message_id", "timestamp", "topic_urn", "type"];
const WITH_SUBJECT: &[&str] = &["message", "message_id", "subject", "timestamp", "topic_urn", "type"];
const CONFIRMATION: &[&str] = &["message", "message_id", "subscribe_url", "timestamp", "topic_urn", "type"];

#[derive(Clone, Debug)]
pub(crate) struct HuaweiSmn {
    pub(crate) topics: Vec<SmnTopic>,
    pub(crate) pinned: Option<Pinned>,
    /// Hosts of certificates beside the topic's own.
    pub(crate) hosts: Vec<String>,
    pub(crate) window: SignedDuration,
}

/// A topic on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SmnTopic {
    urn: String,
    region: String,
}

impl SmnTopic {
    /// # Errors
    ///
    /// What was expected, if the text is no URN of a topic.
    pub(crate) fn new(urn: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str =
            "a topic's URN, such as urn:smn:cn-north-4:28a70000000000000000000000000005:intake";
        let parts: Vec<&str> = urn.split(':').collect();
        let ["urn", "smn", region, project, name] = parts[..] else { return Err(EXPECTED) };
        let word = |text: &str, more: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        // The region becomes part of a host's name.
        let is_label = !region.starts_with('-') && !region.ends_with('-') && region.len() <= 63;
        if !word(region, b"-")
            || region.bytes().any(|byte| byte.is_ascii_uppercase())
            || !is_label
            || !word(project, b"")
            || !word(name, b"-_")
        {
            return Err(EXPECTED);
        }
        Ok(Self { urn: urn.to_owned(), region: region.to_owned() })
    }
}

/// A host's name, as an operator lists it.
///
/// # Errors
///
/// What was expected.
pub(crate) fn host(text: &str) -> Result<String, &'static str> {
    let is_label = |label: &str| {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let has_letter = text.bytes().any(|byte| byte.is_ascii_lowercase());
    if text.len() > 253 || text.split('.').count() < 2 || !text.split('.').all(is_label) || !has_letter {
        return Err(
            "a host's name in small letters, such as smn.ru-moscow-1.hc.cloud.ru, without https://, port and path",
        );
    }
    Ok(text.to_owned())
}

impl HuaweiSmn {
    pub(crate) fn judge(
        &self,
        request: &Request<'_>,
        now: Timestamp,
        keys: &Keys,
    ) -> Result<Option<ReplayKey>, Objection> {
        let message = Members::read(request.body)
            .map(Message)
            .ok_or("the body is no JSON object of SMN, or a member stands in it twice")?;
        message.agrees_with(&request.head)?;
        let texts = message.texts()?;
        let urn = message.line("topic_urn")?;
        let topic =
            self.topics.iter().find(|topic| topic.urn == urn).ok_or("the topic is not on the list")?;
        let timestamp = moment::parse(message.line("timestamp")?.as_bytes())
            .ok_or("the timestamp in the body is no time")?;
        if !moment::is_set(now) {
            return Err(Objection::Unavailable(moment::NOT_SET));
        }
        let until = moment::end_of_window(timestamp, self.window, now)
            .ok_or(Objection::OutOfDate("the timestamp is outside the window"))?;
        // "v1" in every message; the manual calls it V1.
        if !message.0.text("signature_version").is_some_and(|version| version.eq_ignore_ascii_case("v1")) {
            return Err("the signature_version is not v1".into());
        }
        let signature = message.0.text("signature").ok_or("no signature in the body")?;
        if signature.len() > LONGEST_SIGNATURE {
            return Err("the signature is too long".into());
        }
        let signature = BASE64.decode(signature).map_err(|_| "the signature is not base64")?;
        let fits =
            |key: &Key| texts.iter().any(|text| key.verifies(Hash::Sha256, text.as_bytes(), &signature));
        match &self.pinned {
            Some(pinned) if pinned.keys.iter().any(fits) => {}
            Some(_) => return Err("the signature is wrong".into()),
            None => {
                let url = message.0.text("signing_cert_url").ok_or("no signing_cert_url in the body")?;
                fetched(&self.certificate(url, topic)?, now, keys, fits)?;
            }
        }
        // What was signed, not the body: whoever has one message can add members to it that nobody signed. The first string, whichever of
        // them fits: it is the same with an empty subject and without one.
        let id = message.line("message_id")?;
        let text = texts.first().map_or("", String::as_str);
        Ok(Some(ReplayKey::new(HUAWEI_SMN, id.as_bytes(), text.as_bytes(), until)))
    }

    /// The certificate's URL, if it may be fetched: `https://<host>/smn/SMN_….pem`, and for Huawei's own host with the topic's region in both. What
    /// the files of other brands are called is not known beyond `SMN_`.
    ///
    /// What a file at the right host is called may change, and SMN would not come again after a refusal. So only another host is one.
    fn certificate(&self, text: &str, topic: &SmnTopic) -> Result<KeyUrl, Objection> {
        const STRANGE: &str = "the signing_cert_url is not one of SMN";
        let own = format!("smn.{}.myhuaweicloud.com", topic.region);
        let is_right =
            named_host(text).is_some_and(|host| host == own || self.hosts.iter().any(|known| known == host));
        let wrong = |why| match is_right {
            true => Objection::UnknownUrl(why, shown(text.as_bytes())),
            false => Objection::WrongUrl(why, shown(text.as_bytes())),
        };
        let parts = text.strip_prefix("https://").and_then(|rest| rest.split_once("/smn/SMN_"));
        let (given, file) = parts.filter(|(given, _)| host(given).is_ok()).ok_or_else(|| wrong(STRANGE))?;
        let name = file.strip_suffix(".pem").filter(|name| is_file(name)).ok_or_else(|| wrong(STRANGE))?;
        let of_region = name.rsplit_once('_').filter(|(_, digits)| is_hash(digits)).map(|(region, _)| region);
        let is_huaweis = given == own;
        let is_listed = self.hosts.iter().any(|listed| listed == given);
        match of_region {
            Some(region) if region == topic.region && (is_huaweis || is_listed) => Ok(KeyUrl::derived(text)),
            None if is_listed => Ok(KeyUrl::derived(text)),
            None if is_huaweis => Err(wrong(STRANGE)),
            Some(region) if region != topic.region => {
                Err(wrong("the certificate is not one of the topic's region"))
            }
            _ if given.ends_with(".myhuaweicloud.com") => {
                Err(wrong("the host of the certificate is not the one of the topic's region"))
            }
            _ => Err(Objection::UnknownUrl(
                "the host of the certificate is not listed",
                shown(text.as_bytes()),
            )),
        }
    }
}

fn is_hash(digits: &str) -> bool {
    digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// One file's name, without what could lead elsewhere.
fn is_file(name: &str) -> bool {
    const LONGEST: usize = 200;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(good)
}

/// The members of SMN's message.
struct Message(Members);

impl Message {
    /// A member that has to be there, on one line.
    fn line(&self, name: &str) -> Result<&str, &'static str> {
        let text = self.0.text(name).ok_or("a member that is signed is missing in the body, or no text")?;
        if text.is_empty() || text.len() > LONGEST_LINE || text.contains(char::is_control) {
            return Err("a member that is one line is empty, too long or holds a control character");
        }
        Ok(text)
    }

    /// The strings that may have been signed, in the order in which they are tried.
    fn texts(&self) -> Result<Vec<String>, &'static str> {
        let forms: &[&[&str]] = match self.line("type")? {
            "Notification" => match self.0.get("subject") {
                None => &[NOTIFICATION],
                Some(serde_json::Value::Null) => &[NOTIFICATION],
                Some(serde_json::Value::String(subject)) if subject.is_empty() => {
                    &[NOTIFICATION, WITH_SUBJECT]
                }
                Some(serde_json::Value::String(subject)) if subject.contains(char::is_control) => {
                    return Err("the subject holds a control character");
                }
                Some(serde_json::Value::String(_)) => &[WITH_SUBJECT],
                Some(_) => return Err("the subject is no text"),
            },
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => &[CONFIRMATION],
            "HttpSubscriptionUserConfirm" | "HttpSubscriptionUserUnsubscribe" => {
                match self.0.get("subscribe_url").is_some() {
                    true => &[NOTIFICATION, CONFIRMATION],
                    false => &[NOTIFICATION],
                }
            }
            _ => return Err("the type is none of the five that SMN has"),
        };
        forms.iter().map(|names| self.text(names)).collect()
    }

    /// For each name a line with it, and its value with a line feed.
    fn text(&self, names: &[&str]) -> Result<String, &'static str> {
        let mut text = String::new();
        for name in names {
            let value = match *name {
                "message" => {
                    self.0.text(name).ok_or("a member that is signed is missing in the body, or no text")?
                }
                "subject" => self.0.text(name).unwrap_or_default(),
                _ => self.line(name)?,
            };
            for part in [name, "\n", value, "\n"] {
                text.push_str(part);
            }
        }
        Ok(text)
    }

    /// The headers repeat what the body says, and they are not signed.
    fn agrees_with(&self, head: &Head<'_>) -> Result<(), &'static str> {
        for (header, name) in [
            ("x-smn-message-type", "type"),
            ("x-smn-message-id", "message_id"),
            ("x-smn-topic-urn", "topic_urn"),
        ] {
            let same = |value: &[u8]| self.0.text(name).is_some_and(|member| member.as_bytes() == value);
            if !head.values(header).all(same) {
                return Err("a header of SMN says otherwise than the body");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
