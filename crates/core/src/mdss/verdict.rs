//! What an answer of MDSS means: pure, decided on the status *and* the body.
//!
//! Success and errors are told apart by members of the body (OPSWAT documentation,
//! `mdss/configuration/event-based-request-format`); no HTTP status is documented for either. A wrong path answers 200
//! with the web interface's HTML, so a status alone proves nothing.

use std::fmt;
use std::time::Duration;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::model::failure::{Cause, Failure};
use crate::plain::line;
use crate::plain::secret::Secret;

/// A longer id is none; the documented one has 24 characters.
const MOST_ID_BYTES: usize = 200;

/// For so long an accepted object speaks for the key, and for the way to MDSS.
const LATELY: Duration = Duration::from_secs(60);

/// What MDSS calls an accepted object: an opaque word (24 hex digits in the documentation, UUIDs elsewhere).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the body of an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// As announced.
    Complete,
    /// Before that.
    Short,
    /// Not within the bytes we are willing to read; the rest was left.
    TooLong,
}

/// An answer, as far as the verdict needs it.
#[derive(Clone)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The wish of a `Retry-After` header.
    pub retry_after: Option<Duration>,
    /// The body, or its beginning.
    pub body: &'a [u8],
    /// How it ended.
    pub end: BodyEnd,
    /// How long ago MDSS accepted an object with the same key; `None`: it has not yet.
    pub accepted_ago: Option<Duration>,
}

/// A documented error: how it is recognised, its cause, and the remedy OPSWAT's page gives for it.
struct Documented {
    key: Option<&'static str>,
    message: &'static str,
    cause: Cause,
    remedy: &'static str,
}

/// "Common error responses". Only one `responseKey` is published; the sentences are, so they count as well.
const DOCUMENTED: &[Documented] = &[
    Documented {
        key: None,
        message: "The storage could not be found",
        cause: Cause::MdssStorageNotFound,
        remedy: "verify the storage client id and that the storage is configured in MDSS",
    },
    Documented {
        key: Some("REST_API_MSG_FAILED_STORAGE_RTP_NOT_ENABLED"),
        message: "Real-Time Process is not enabled.",
        cause: Cause::MdssNotEnabled,
        remedy: "enable real-time processing for this storage in MDSS",
    },
    Documented {
        key: None,
        message: "Real-Time Process is enabled, but it is not set to Event Based.",
        cause: Cause::MdssNotEventBased,
        remedy: "stop the current real-time scan in MDSS and start another one as Event-Based",
    },
];

/// The members of an answer in their order, one that is repeated as often as it stands there: of two readers each may take
/// another one.
#[derive(Default)]
struct Body(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Body(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Body {
    /// The members of that name, in any case.
    fn members(&self, name: &str) -> impl Iterator<Item = &(String, Value)> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members(name).find_map(|(_, value)| value.as_str()).filter(|text| !text.is_empty())
    }

    fn documented(&self) -> Option<&'static Documented> {
        let bare = |text: &str| text.trim().trim_end_matches('.').to_ascii_lowercase();
        let (key, message) = (self.text("responseKey"), self.text("responseMessage"));
        DOCUMENTED.iter().find(|d| {
            (d.key.is_some() && d.key == key) || message.is_some_and(|m| bare(m) == bare(d.message))
        })
    }

    /// The proof of acceptance.
    ///
    /// # Errors
    /// What stands there instead of it, as the rest of "MDSS … ".
    fn correlation_id(&self) -> Result<&str, &'static str> {
        let mut ids = self.members("correlationId");
        match (ids.next(), ids.next()) {
            (Some((name, Value::String(id))), None) if name == "correlationId" => {
                let word =
                    !id.is_empty() && id.len() <= MOST_ID_BYTES && id.bytes().all(|b| b.is_ascii_graphic());
                if word { Ok(id) } else { Err("sent a correlationId that is no word") }
            }
            (Some(_), Some(_)) => Err("sent several a correlationId"),
            (Some(_), None) => Err("sent a correlationId that is no text"),
            (None, _) => Err("sent JSON without a correlationId"),
        }
    }

    /// The first member that tells of an error, whatever its name.
    fn error(&self) -> Option<(&str, &Value)> {
        self.0.iter().find(|(name, value)| tells_of_error(name, value, true)).map(|(n, v)| (n.as_str(), v))
    }

    /// What the answer says for itself, for a sentence. The secret is masked before anything is clipped or quoted: afterwards
    /// it would not be recognised.
    fn said(&self, secret: &Secret) -> Option<String> {
        let clip = |text: &str| line::clip(&secret.redact(text), 200);
        match (self.text("responseKey").map(clip), self.text("responseMessage").map(clip)) {
            (Some(key), Some(message)) => Some(format!("{key}: {message:?}")),
            (Some(one), None) => Some(one),
            (None, Some(message)) => Some(format!("{message:?}")),
            (None, None) => {
                let (name, value) = self.error()?;
                let value = match value {
                    Value::String(text) => format!("{:?}", clip(text)),
                    Value::Array(_) => "a list".to_owned(),
                    Value::Object(_) => "an object".to_owned(),
                    Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
                };
                Some(format!("{}: {value}", clip(name)))
            }
        }
    }
}

/// Whether a member of an answer tells of an error. MDSS's errors are documented by two names; what an older or a later
/// version, or a gateway, calls its own nobody knows, so it goes by the parts of a name. A success is documented as the
/// `correlationId` alone, and nothing of this stands in it.
fn tells_of_error(name: &str, value: &Value, top: bool) -> bool {
    // The documented success, of which most answers are all; nothing below finds an error in it.
    if name == "correlationId" && value.is_string() {
        return false;
    }
    let name = name.to_ascii_lowercase();
    if matches!(name.as_str(), "success" | "succeeded" | "issuccess" | "issuccessful" | "ok" | "accepted") {
        return *value == Value::Bool(false);
    }
    let nothing = match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(text.trim(), "" | "0"),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) => false,
    };
    if nothing {
        return false;
    }
    let named = ["error", "exception", "failure", "failed", "problem", "responsekey", "responsemessage"];
    named.iter().any(|part| name.contains(part))
        || name == "fault"
        // Deeper down a message may be about anything.
        || (top && name.contains("message"))
        || match value {
            Value::Object(members) => members.iter().any(|(n, v)| tells_of_error(n, v, false)),
            Value::Array(list) => {
                let members = list.iter().filter_map(Value::as_object).flatten();
                members.into_iter().any(|(n, v)| tells_of_error(n, v, false))
            }
            _ => false,
        }
}

/// Whether MDSS has accepted the object; if not, whose turn it is.
///
/// # Errors
/// Transient for 408, 429, 5xx and a 2xx whose body is empty or broke off; permanent for 413; config for everything else
/// that is not an acceptance, the three documented errors among them whatever their status.
///
/// A server may repeat the key it was sent; wherever it does, `secret` is masked.
pub fn judge(answer: &Answer<'_>, secret: &Secret) -> Result<CorrelationId, Failure> {
    let Answer { status, end, .. } = *answer;
    // A byte order mark means nothing (RFC 8259, 8.1).
    let bytes = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(answer.body);
    let json = serde_json::from_slice::<Body>(bytes);
    // Without an announced length a body ends with its connection, wherever that breaks.
    let broke_off =
        end == BodyEnd::Short || json.as_ref().is_err_and(|e| e.is_eof() && end == BodyEnd::Complete);
    let body = json.ok().filter(|_| end == BodyEnd::Complete).unwrap_or_default();
    if let Some(documented) = body.documented() {
        let detail = format!(
            "MDSS answered {status}: {} ({}); {}",
            documented.message.trim_end_matches('.'),
            body.text("responseKey").map_or("no response key", |_| "documented error"),
            documented.remedy
        );
        return Err(Failure::new(documented.cause, detail));
    }
    let error_said = body.said(secret);
    let said = error_said.as_ref().map_or_else(|| seen(bytes, end, broke_off), |said| format!("said {said}"));
    let failure = |cause, detail: String| {
        let throttled = matches!(status, 429 | 503);
        Err(Failure { retry_after: answer.retry_after, throttled, ..Failure::new(cause, detail) })
    };
    match status {
        200..=299 if bytes.trim_ascii().is_empty() || broke_off => failure(
            Cause::MdssHalfAnswer,
            format!("MDSS answered {status} and {said}, expected a body with a correlationId"),
        ),
        200..=299 => match (body.correlation_id(), &error_said) {
            (Ok(id), None) => Ok(CorrelationId(secret.redact(id))),
            (_, Some(said)) => failure(
                Cause::MdssUnexpectedAnswer,
                format!(
                    "MDSS answered {status} and said {said}, expected a correlationId and no error beside it"
                ),
            ),
            (Err(_), None) if body.0.is_empty() => failure(
                Cause::MdssUnexpectedAnswer,
                format!("MDSS answered {status} and {said}, expected a correlationId; {CHECK_PATH}"),
            ),
            (Err(found), None) => failure(
                Cause::MdssUnexpectedAnswer,
                format!(
                    "MDSS answered {status} and {found}, expected one correlationId, a word; {CHECK_PATH}"
                ),
            ),
        },
        407 => failure(
            Cause::MdssProxy,
            "a proxy on the way to MDSS answered 407: it wants a user and a password, or other ones".into(),
        ),
        413 => failure(
            Cause::MdssTooLarge,
            format!("MDSS answered 413 and {said}, expected it to take one object"),
        ),
        408 | 429 | 500..=599 => {
            failure(Cause::MdssUnavailable, format!("MDSS answered {status} and {said}"))
        }
        300..=399 => failure(
            Cause::MdssRedirected,
            format!(
                "MDSS answered {status}, a redirect, which is not followed; set the endpoint to the final address"
            ),
        ),
        400..=499 if is_gateways(bytes) && answer.accepted_ago.is_some_and(|ago| ago < LATELY) => failure(
            Cause::MdssObjectRefused,
            format!(
                "something before MDSS answered {status} and {said}, while MDSS takes other objects with the same key; let \
                     the gateway (a web application firewall?) pass this object's name. If it refuses all objects from \
                     now on, check the API key"
            ),
        ),
        401 | 403 => failure(
            Cause::MdssUnauthorized,
            format!(
                "MDSS answered {status} and {said}; check the API key: generating a new one, or changing the password of \
                 its user, makes the old one invalid{}",
                if is_gateways(bytes) {
                    ". If MDSS takes other objects, something before it refuses this object's name"
                } else {
                    ""
                }
            ),
        ),
        404 | 405 => failure(Cause::MdssRefused, format!("MDSS answered {status} and {said}; {CHECK_PATH}")),
        _ => failure(Cause::MdssRefused, format!("MDSS answered {status} and {said}")),
    }
}

const CHECK_PATH: &str = "check that the endpoint is MDSS's webhook URL (…/api/webhook/realtime)";

/// Whether a refusal looks as if a gateway before MDSS had made it: by a page, or another text. MDSS answers in JSON, or, if
/// it does not know the key, perhaps with nothing: its framework's own refusal has no body (dotnet/aspnetcore,
/// `src/Security/Authentication/Core/src/AuthenticationHandler.cs`).
pub(crate) fn is_gateways(bytes: &[u8]) -> bool {
    bytes.trim_ascii().first().is_some_and(|first| !matches!(first, b'{' | b'[' | b'"'))
}

/// What a body that says nothing in MDSS's own words looks like.
fn seen(bytes: &[u8], end: BodyEnd, broke_off: bool) -> String {
    let text = bytes.trim_ascii();
    let what = match text.first() {
        None if end == BodyEnd::Short => return "a body that broke off at once".into(),
        None => return "an empty body".into(),
        Some(b'<') => "sent HTML or XML",
        Some(b'{' | b'[' | b'"') => "sent JSON without a correlationId",
        Some(_) => "sent other text",
    };
    match end {
        BodyEnd::Complete if !broke_off => what.into(),
        BodyEnd::Complete | BodyEnd::Short => format!("{what} that broke off after {} bytes", bytes.len()),
        BodyEnd::TooLong => format!("{what} of more than {} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests;
