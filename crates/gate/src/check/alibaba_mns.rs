//! The signature of Alibaba Cloud's message service (MNS, now Simple Message Queue), which posts a topic's messages over HTTP.
//!
//! Interface: <https://www.alibabacloud.com/help/en/mns/developer-reference/httpendpoint> and, for the signature,
//! <https://help.aliyun.com/document_detail/158007.html>; the form is JD Cloud's ([`header_signature`](super::header_signature)).
//!
//! - The service signs for all of its customers, so a right signature says that Alibaba has posted, and not whose topic. Owner and name of the topic
//!   have to be on the operator's list. They stand in headers, which are signed, or in the body, which `Content-MD5` binds.
//! - Anybody can have a topic of his own posted to our URL, and only the path is signed, not the host. So a secret path is demanded beside it.
//! - The only captured request there is (of 2023, in public repositories, with a certificate of 2015) was signed with a key of 512 bits. Such a key
//!   is refused when it is read (`key.rs`): whoever wants to can find out its private half. Whether the newer certificates have longer keys is not known.
//! - `Content-MD5` was upper-case hex in that capture, and is base64 of hex in the documents; the forms are told apart by what they are.
//! - The documents advise to keep the certificate by its URL, because a new key has a new URL. So an unlisted URL is not the sender's fault.

use jiff::Timestamp;

use super::header_signature::{HeaderSignature, Proven, Scheme, Signed, Unlisted};
use super::names::ALIBABA_MNS;
use super::objection::Objection;
use crate::head::Request;
use crate::keys::Keys;
use crate::members::Members;
use crate::replay::ReplayKey;

/// What the message service calls things. Its request id is another one in each attempt, so a repetition is known by the message's.
pub(crate) const MNS: Scheme = Scheme {
    check: ALIBABA_MNS,
    prefix: "x-mns-",
    date: Some("x-mns-date"),
    request_id: "x-mns-message-id",
    unlisted: Unlisted::Later,
};

const OWNER: &str = "x-mns-topic-owner";
const NAME: &str = "x-mns-topic-name";

#[derive(Clone, Debug)]
pub(crate) struct AlibabaMns {
    pub(crate) signature: HeaderSignature,
    pub(crate) topics: Vec<MnsTopic>,
}

/// A topic on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MnsTopic {
    owner: String,
    name: String,
}

impl MnsTopic {
    /// From `<owner's account>/<name>`.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str =
            "a topic as OWNER/NAME, such as 1000000000000001/intake (the owner is an account's number)";
        let (owner, name) = text.split_once('/').ok_or(EXPECTED)?;
        let is_number = !owner.is_empty() && owner.bytes().all(|byte| byte.is_ascii_digit());
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !is_number || name.is_empty() || !name.bytes().all(is_word) {
            return Err(EXPECTED);
        }
        Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    fn is(&self, owner: &str, name: &str) -> bool {
        self.owner == owner && self.name == name
    }
}

impl AlibabaMns {
    pub(crate) fn judge(
        &self,
        request: &Request<'_>,
        now: Timestamp,
        keys: &Keys,
    ) -> Result<Option<ReplayKey>, Objection> {
        let signed = self.signature.signed(&request.head)?;
        let Letter { owner, name, id } = Letter::of(&signed, request.body)?;
        if !self.topics.iter().any(|topic| topic.is(&owner, &name)) {
            return Err("the topic is not on the list".into());
        }
        let Proven { until, .. } = self.signature.prove(&signed, request, now, keys)?;
        let id = id.filter(|id| !id.is_empty());
        Ok(id.map(|id| ReplayKey::new(ALIBABA_MNS, id.as_bytes(), request.body, until)))
    }
}

/// What the service says of a message, in headers (`SIMPLIFIED`) or around it (`JSON`, `XML`).
struct Letter {
    owner: String,
    name: String,
    id: Option<String>,
}

impl Letter {
    /// From the headers, if they name a topic: then the body is whatever its publisher has written.
    fn of(signed: &Signed<'_>, body: &[u8]) -> Result<Self, &'static str> {
        let own = |name| signed.own(name).map(|value| String::from_utf8_lossy(value).into_owned());
        match (own(OWNER), own(NAME)) {
            (Some(owner), Some(name)) => Ok(Self { owner, name, id: own(MNS.request_id) }),
            (None, None) => Self::around(body).ok_or("neither headers nor body name the topic and its owner"),
            _ => Err("of the topic and its owner only one is named"),
        }
    }

    fn around(body: &[u8]) -> Option<Self> {
        if let Some(members) = Members::read(body) {
            let text = |name| members.text(name).map(str::to_owned);
            return Some(Self {
                owner: text("TopicOwner")?,
                name: text("TopicName")?,
                id: text("MessageId"),
            });
        }
        let body = std::str::from_utf8(body).ok()?;
        // The service writes elements alone. A comment or a section of text could hold what looks like one.
        if !body.starts_with('<') || body.contains("<!") {
            return None;
        }
        let text = |name| element(body, name).map(str::to_owned);
        Some(Self { owner: text("TopicOwner")?, name: text("TopicName")?, id: text("MessageId") })
    }
}

/// The text of an element that is there once.
fn element<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    let (_, behind) = body.split_once(&format!("<{name}>"))?;
    let (text, rest) = behind.split_once(&format!("</{name}>"))?;
    (!text.contains('<') && !rest.contains(&format!("<{name}>"))).then_some(text)
}

#[cfg(test)]
mod tests;
