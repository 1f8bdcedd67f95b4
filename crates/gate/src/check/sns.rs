//! The signature of Amazon SNS, which stands in the body.
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html> (read 2026-11). Some rules here are
//! stricter than that page:
//!
//! - The topic must be on the operator's list. Every AWS customer can have SNS sign a message of his own topic.
//! - The certificate's host must be the one of the topic's region, as in the newest AWS SDK (aws/aws-sdk-java-v2,
//!   `services-custom/sns-message-manager`), and its path one file name; the certificate must be one for SNS.
//! - The string to sign separates its parts by line feeds, and a message may hold line feeds. Two different messages could
//!   so have one string. None of the other parts ever holds one, so a part that does is refused: then the string can be
//!   read backwards in one way only.
//! - A member that stands twice is refused: another reader could see the other one. So is a header that says otherwise than
//!   the body.
//!
//! With raw delivery there is no signature, so this check refuses it. Functions never come here: what reaches them was
//! authenticated by the platform.

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::names::SNS;
use super::objection::Objection;
use crate::encoding::BASE64;
use crate::head::{Head, Request};
use crate::key::{Hash, Key, Pinned};
use crate::key_url::{KeyUrl, named_host, shown};
use crate::keys::{Found, Keys};
use crate::moment;
use crate::replay::ReplayKey;

/// The longest of the members that are one line; SNS's own are far shorter, except the confirmation's URL and token.
const LONGEST_LINE: usize = 4096;

/// The longest name of a certificate's file; SNS's have 62 characters.
const LONGEST_FILE: usize = 200;

#[derive(Clone, Debug)]
pub(crate) struct Sns {
    pub(crate) topics: Vec<Topic>,
    pub(crate) pinned: Option<Pinned>,
    pub(crate) window: SignedDuration,
}

/// A topic on the list, and who signs for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    arn: String,
    signer: Option<Signer>,
}

/// The host of a region's certificates, and the names they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signer {
    host: String,
    names: [String; 2],
}

impl Topic {
    /// # Errors
    ///
    /// What was expected, if the text is no ARN of a topic.
    pub(crate) fn new(arn: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a topic's ARN, such as arn:aws:sns:eu-central-1:123456789012:topic";
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else { return Err(EXPECTED) };
        let word = |text: &str, more: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        if !partition.starts_with("aws")
            || !word(partition, b"-")
            || !word(region, b"-")
            || region.bytes().any(|byte| byte.is_ascii_uppercase())
            || account.len() != 12
            || !account.bytes().all(|byte| byte.is_ascii_digit())
            || !word(name, b"-_.")
        {
            return Err(EXPECTED);
        }
        Ok(Self { arn: arn.to_owned(), signer: Signer::of(partition, region) })
    }

    /// Whether certificates for it can be fetched; if not, one has to be pinned.
    pub(crate) fn has_signer(&self) -> bool {
        self.signer.is_some()
    }
}

impl Signer {
    /// The names are those of aws/aws-sdk-java-v2 (`SnsHostProvider.java`): `sns.amazonaws.com` in the older regions,
    /// `sns-signing.<region>` in the younger, and older ones still in GovCloud and China. Which region is which is a list
    /// that grows, so both are accepted everywhere in a partition. `None` for partitions whose names nobody could check.
    fn of(partition: &str, region: &str) -> Option<Self> {
        let (domain, first) = match partition {
            "aws" => ("amazonaws.com", "sns.amazonaws.com".to_owned()),
            "aws-us-gov" => ("amazonaws.com", "sns-us-gov-west-1.amazonaws.com".to_owned()),
            "aws-cn" => ("amazonaws.com.cn", format!("sns-{region}.amazonaws.com.cn")),
            _ => return None,
        };
        Some(Self {
            host: format!("sns.{region}.{domain}"),
            names: [first, format!("sns-signing.{region}.{domain}")],
        })
    }

    /// The certificate's URL, if it is one of this region's.
    fn url(&self, text: &str) -> Option<KeyUrl> {
        let file = text.strip_prefix("https://")?.strip_prefix(self.host.as_str())?.strip_prefix('/')?;
        let name = file.strip_suffix(".pem")?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (!name.is_empty() && name.len() <= LONGEST_FILE && name.bytes().all(good))
            .then(|| KeyUrl::derived(text))
    }
}

impl Sns {
    pub(crate) fn judge(
        &self,
        request: &Request<'_>,
        now: Timestamp,
        keys: &Keys,
    ) -> Result<Option<ReplayKey>, Objection> {
        if request.head.values("x-amz-sns-rawdelivery").any(|value| !value.eq_ignore_ascii_case(b"false")) {
            return Err("raw delivery, which SNS does not sign".into());
        }
        // As text: what is ignored is not decoded, and would else be let through where another reader stumbles.
        let body = std::str::from_utf8(request.body).map_err(|_| "the body is not UTF-8")?;
        let message: Message = serde_json::from_str(body)
            .map_err(|_| "the body is no JSON object of SNS, or a member stands in it twice")?;
        message.agrees_with(&request.head)?;
        let text = message.text()?;
        let arn = message.line(&message.topic_arn)?;
        let topic =
            self.topics.iter().find(|topic| topic.arn == arn).ok_or("the topic is not on the list")?;
        let timestamp = moment::parse(message.line(&message.timestamp)?.as_bytes())
            .ok_or("the Timestamp in the body is no time")?;
        if !moment::is_set(now) {
            return Err(Objection::Unavailable(moment::NOT_SET));
        }
        let until = moment::end_of_window(timestamp, self.window, now)
            .ok_or(Objection::OutOfDate("the Timestamp is outside the window"))?;
        let hash = match message.signature_version.as_deref() {
            Some("1") => Hash::Sha1,
            Some("2") => Hash::Sha256,
            _ => return Err("the SignatureVersion is neither 1 nor 2".into()),
        };
        let signature = message.signature.as_deref().ok_or("no Signature in the body")?;
        let signature = BASE64.decode(signature).map_err(|_| "the Signature is not base64")?;
        let fits = |key: &Key| key.verifies(hash, text.as_bytes(), &signature);
        let wrong = Objection::Refused("the signature is wrong");
        match (&self.pinned, &topic.signer) {
            (Some(pinned), _) => pinned.keys.iter().any(fits).then_some(()).ok_or(wrong)?,
            (None, Some(signer)) => {
                let url = message.certificate_url.as_deref().ok_or("no SigningCertURL in the body")?;
                let url = signer.url(url).ok_or_else(|| {
                    let shown = shown(url.as_bytes());
                    // What a file at the right host is called may change, and SNS would not come again after a refusal.
                    if named_host(url) == Some(signer.host.as_str()) {
                        return Objection::UnknownUrl("the SigningCertURL is not one of SNS", shown);
                    }
                    Objection::WrongUrl("the SigningCertURL is not of the topic's region", shown)
                })?;
                match keys.find(&url, now) {
                    Found::Here { key, .. } if !key.is_for(&signer.names) => {
                        return Err("the certificate is not one for SNS in the topic's region".into());
                    }
                    Found::Here { key, .. } if key.is_valid(now) && fits(key) => {}
                    Found::Here { renewable: true, .. } | Found::Fetch => {
                        return Err(Objection::NeedKey(url));
                    }
                    Found::Here { key, .. } if !key.is_valid(now) => {
                        return Err("the certificate is not valid at this time".into());
                    }
                    Found::Here { .. } => return Err(wrong),
                    Found::NotNow(why) => return Err(Objection::Unavailable(why)),
                }
            }
            (None, None) => return Err("the topic's partition needs a pinned certificate".into()),
        }
        let id = message.line(&message.message_id)?;
        // What was signed, not the body: whoever has one message can add members to it that nobody signed.
        Ok(Some(ReplayKey::new(SNS, id.as_bytes(), text.as_bytes(), until)))
    }
}

/// The members of SNS's HTTP form that matter here, decoded. Lambda's form spells some of them otherwise.
#[derive(Default)]
struct Message {
    kind: Option<String>,
    message_id: Option<String>,
    topic_arn: Option<String>,
    subject: Option<String>,
    message: Option<String>,
    timestamp: Option<String>,
    subscribe_url: Option<String>,
    token: Option<String>,
    signature_version: Option<String>,
    signature: Option<String>,
    certificate_url: Option<String>,
}

impl Message {
    /// A member that has to be there, on one line.
    fn line<'m>(&self, member: &'m Option<String>) -> Result<&'m str, &'static str> {
        let text = member.as_deref().ok_or("a member that is signed is missing in the body")?;
        if text.is_empty() || text.len() > LONGEST_LINE || text.contains(char::is_control) {
            return Err("a member that is one line is empty, too long or holds a control character");
        }
        Ok(text)
    }

    /// The string to sign: which members it has, and in which order, depends on the type.
    fn text(&self) -> Result<String, &'static str> {
        let message = self.message.as_deref().ok_or("a member that is signed is missing in the body")?;
        let kind = self.line(&self.kind)?;
        let mut text = String::new();
        let mut part = |name: &str, value: &str| {
            for line in [name, "\n", value, "\n"] {
                text.push_str(line);
            }
        };
        part("Message", message);
        part("MessageId", self.line(&self.message_id)?);
        match kind {
            "Notification" => {
                // "If present"; it must be ASCII text without line breaks, so an empty one or none is the only question.
                if let Some(subject) = &self.subject {
                    if subject.contains(char::is_control) {
                        return Err("the Subject holds a control character");
                    }
                    part("Subject", subject);
                }
                part("Timestamp", self.line(&self.timestamp)?);
            }
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
                part("SubscribeURL", self.line(&self.subscribe_url)?);
                part("Timestamp", self.line(&self.timestamp)?);
                part("Token", self.line(&self.token)?);
            }
            _ => return Err("the Type is none of the three that SNS has"),
        }
        part("TopicArn", self.line(&self.topic_arn)?);
        part("Type", kind);
        Ok(text)
    }

    /// The headers repeat what the body says, and they are not signed.
    fn agrees_with(&self, head: &Head<'_>) -> Result<(), &'static str> {
        for (name, member) in [
            ("x-amz-sns-message-type", &self.kind),
            ("x-amz-sns-message-id", &self.message_id),
            ("x-amz-sns-topic-arn", &self.topic_arn),
        ] {
            let same = |value: &[u8]| member.as_deref().is_some_and(|member| member.as_bytes() == value);
            if !head.values(name).all(same) {
                return Err("a header of SNS says otherwise than the body");
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Message;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message, A::Error> {
                let mut message = Message::default();
                let mut names = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    let place = match name.as_str() {
                        "Type" => Some(&mut message.kind),
                        "MessageId" => Some(&mut message.message_id),
                        "TopicArn" => Some(&mut message.topic_arn),
                        "Subject" => Some(&mut message.subject),
                        "Message" => Some(&mut message.message),
                        "Timestamp" => Some(&mut message.timestamp),
                        "SubscribeURL" => Some(&mut message.subscribe_url),
                        "Token" => Some(&mut message.token),
                        "SignatureVersion" => Some(&mut message.signature_version),
                        "Signature" => Some(&mut message.signature),
                        "SigningCertURL" => Some(&mut message.certificate_url),
                        _ => None,
                    };
                    match place {
                        Some(place) => *place = map.next_value()?,
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                    if !names.insert(name) {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                }
                Ok(message)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests;
