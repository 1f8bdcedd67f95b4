//! What an answer of MDSS means: pure, decided on the status *and* the body.
//!
//! Success and errors are told apart by members of the body (OPSWAT documentation,
//! `mdss/configuration/event-based-request-format`); no HTTP status is documented for either. A wrong path answers 200
//! with the web interface's HTML, so a status alone proves nothing.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Cause, Failure};
use crate::secret::Secret;
use crate::wire;

/// What MDSS calls an accepted object; opaque (24 hex digits in the documentation, UUIDs elsewhere).
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

#[derive(Default, Deserialize)]
struct Body {
    #[serde(rename = "correlationId", default)]
    correlation_id: Value,
    #[serde(rename = "responseKey", default)]
    response_key: Value,
    #[serde(rename = "responseMessage", default)]
    response_message: Value,
}

impl Body {
    /// Masked before anything is clipped or quoted: afterwards the secret would not be recognised.
    fn masked(self, secret: &Secret) -> Self {
        let mask = |value: Value| match value {
            Value::String(text) => Value::String(secret.redact(&text)),
            other => other,
        };
        Self {
            correlation_id: mask(self.correlation_id),
            response_key: mask(self.response_key),
            response_message: mask(self.response_message),
        }
    }

    fn documented(&self) -> Option<&'static Documented> {
        let bare = |text: &str| text.trim().trim_end_matches('.').to_ascii_lowercase();
        let (key, message) = (self.response_key.as_str(), self.response_message.as_str());
        DOCUMENTED.iter().find(|d| {
            (d.key.is_some() && d.key == key) || message.is_some_and(|m| bare(m) == bare(d.message))
        })
    }

    /// What the answer says for itself, for a sentence.
    fn said(&self) -> Option<String> {
        let text = |v: &Value| v.as_str().filter(|t| !t.is_empty()).map(|t| wire::clip(t, 200));
        match (text(&self.response_key), text(&self.response_message)) {
            (Some(key), Some(message)) => Some(format!("{key}: {message:?}")),
            (Some(one), None) => Some(one),
            (None, Some(message)) => Some(format!("{message:?}")),
            (None, None) => None,
        }
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
    let Answer { status, body: bytes, end, .. } = *answer;
    let json: Option<Body> = match end {
        // serde reads a list into a struct as well, and a list proves nothing.
        BodyEnd::Complete if bytes.trim_ascii_start().starts_with(b"{") => serde_json::from_slice(bytes).ok(),
        BodyEnd::Complete | BodyEnd::Short | BodyEnd::TooLong => None,
    };
    let body = json.unwrap_or_default().masked(secret);
    if let Some(documented) = body.documented() {
        let detail = format!(
            "MDSS answered {status}: {} ({}); {}",
            documented.message.trim_end_matches('.'),
            body.response_key.as_str().map_or("no response key", |_| "documented error"),
            documented.remedy
        );
        return Err(Failure::new(documented.cause, detail));
    }
    let said = body.said().map_or_else(|| seen(bytes, end), |said| format!("said {said}"));
    let failure = |cause, detail: String| {
        let throttled = matches!(status, 429 | 503);
        Err(Failure { retry_after: answer.retry_after, throttled, ..Failure::new(cause, detail) })
    };
    match status {
        200..=299 => {
            if bytes.trim_ascii().is_empty() || end == BodyEnd::Short {
                return failure(
                    Cause::MdssHalfAnswer,
                    format!("MDSS answered {status} and {said}, expected a body with a correlationId"),
                );
            }
            match body.correlation_id.as_str() {
                Some(id) if !id.is_empty() && body.response_key.is_null() => Ok(CorrelationId(id.to_owned())),
                _ => failure(
                    Cause::MdssUnexpectedAnswer,
                    format!(
                        "MDSS answered {status} and {said}, expected a correlationId; check that the endpoint is MDSS's \
                         webhook URL (…/api/webhook/realtime)"
                    ),
                ),
            }
        }
        401 | 403 => failure(
            Cause::MdssUnauthorized,
            format!(
                "MDSS answered {status} and {said}; check the API key: generating a new one, or changing the password of \
                 its user, makes the old one invalid"
            ),
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
        _ => failure(Cause::MdssRefused, format!("MDSS answered {status} and {said}")),
    }
}

/// What a body that says nothing in MDSS's own words looks like.
fn seen(bytes: &[u8], end: BodyEnd) -> String {
    let text = bytes.trim_ascii();
    let what = match text.first() {
        None if end == BodyEnd::Short => return "a body that broke off at once".into(),
        None => return "an empty body".into(),
        Some(b'<') => "sent HTML or XML",
        Some(b'{' | b'[' | b'"') => "sent JSON without a correlationId",
        Some(_) => "sent other text",
    };
    match end {
        BodyEnd::Complete => what.into(),
        BodyEnd::Short => format!("{what} that broke off after {} bytes", bytes.len()),
        BodyEnd::TooLong => format!("{what} of more than {} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind::{Config, Permanent, Transient};

    fn verdict(status: u16, body: &str, end: BodyEnd) -> Result<CorrelationId, Failure> {
        judge(&Answer { status, retry_after: None, body: body.as_bytes(), end }, &Secret::new("s3cret"))
    }

    #[test]
    fn only_a_server_that_asks_for_less_throttles() {
        for (status, want) in
            [(429, true), (503, true), (500, false), (502, false), (504, false), (401, false)]
        {
            let failure = verdict(status, "", BodyEnd::Complete).unwrap_err();
            assert_eq!(failure.throttled, want, "{status}");
        }
    }

    #[test]
    fn acceptance_needs_a_success_status_and_the_id() {
        assert_eq!(verdict(200, r#"{"correlationId":"67ea"}"#, BodyEnd::Complete).unwrap().as_str(), "67ea");
        assert_eq!(
            verdict(202, "\n{\"correlationId\":\"x\",\"more\":1}", BodyEnd::Complete).unwrap().as_str(),
            "x"
        );
    }

    #[test]
    fn everything_else() {
        use BodyEnd::{Complete, Short, TooLong};
        let rtp = r#"{"responseKey":"REST_API_MSG_FAILED_STORAGE_RTP_NOT_ENABLED","responseMessage":"Real-Time Process is not enabled."}"#;
        let unknown_key = r#"{"responseKey":"SOMETHING_ELSE","responseMessage":"No."}"#;
        for (status, body, end, cause, kind) in [
            (200, rtp, Complete, Cause::MdssNotEnabled, Config),
            (500, rtp, Complete, Cause::MdssNotEnabled, Config),
            (401, rtp, Complete, Cause::MdssNotEnabled, Config),
            (
                400,
                r#"{"responseMessage":"the storage could not be found."}"#,
                Complete,
                Cause::MdssStorageNotFound,
                Config,
            ),
            (
                503,
                r#"{"responseMessage":"Real-Time Process is enabled, but it is not set to Event Based."}"#,
                Complete,
                Cause::MdssNotEventBased,
                Config,
            ),
            (200, unknown_key, Complete, Cause::MdssUnexpectedAnswer, Config),
            (500, unknown_key, Complete, Cause::MdssUnavailable, Transient),
            (400, unknown_key, Complete, Cause::MdssRefused, Config),
            // A response key takes the proof away, whatever else is there.
            (
                200,
                r#"{"correlationId":"x","responseKey":"K"}"#,
                Complete,
                Cause::MdssUnexpectedAnswer,
                Config,
            ),
            (200, r#"{"correlationId":""}"#, Complete, Cause::MdssUnexpectedAnswer, Config),
            (200, r#"{"correlationId":7}"#, Complete, Cause::MdssUnexpectedAnswer, Config),
            (200, "{}", Complete, Cause::MdssUnexpectedAnswer, Config),
            (200, "[]", Complete, Cause::MdssUnexpectedAnswer, Config),
            (200, r#"["67ea"]"#, Complete, Cause::MdssUnexpectedAnswer, Config),
            (200, r#"["67ea",null,null]"#, Complete, Cause::MdssUnexpectedAnswer, Config),
            (200, r#""67ea""#, Complete, Cause::MdssUnexpectedAnswer, Config),
            (200, "<!doctype html><p>MDSS", Complete, Cause::MdssUnexpectedAnswer, Config),
            (200, "<!doctype html>", TooLong, Cause::MdssUnexpectedAnswer, Config),
            (200, "", Complete, Cause::MdssHalfAnswer, Transient),
            (200, " \n", Complete, Cause::MdssHalfAnswer, Transient),
            (200, r#"{"correlationId":"67"#, Short, Cause::MdssHalfAnswer, Transient),
            // Even if what came happens to be whole JSON: more was announced.
            (200, r#"{"correlationId":"67"}"#, Short, Cause::MdssHalfAnswer, Transient),
            (408, "", Complete, Cause::MdssUnavailable, Transient),
            (429, "", Complete, Cause::MdssUnavailable, Transient),
            (500, "", Complete, Cause::MdssUnavailable, Transient),
            (503, "<html>", Complete, Cause::MdssUnavailable, Transient),
            (599, "", Short, Cause::MdssUnavailable, Transient),
            (401, "", Complete, Cause::MdssUnauthorized, Config),
            (403, "<html>", Short, Cause::MdssUnauthorized, Config),
            (404, "", Complete, Cause::MdssRefused, Config),
            (413, "<html>", Complete, Cause::MdssTooLarge, Permanent),
            (302, "", Complete, Cause::MdssRedirected, Config),
            (304, "", Complete, Cause::MdssRedirected, Config),
            (101, "", Complete, Cause::MdssRefused, Config),
        ] {
            let failure = verdict(status, body, end).unwrap_err();
            assert_eq!((failure.cause, failure.kind()), (cause, kind), "{status} {body} {end:?}: {failure}");
        }
    }

    #[test]
    fn a_repeated_secret_is_masked_before_it_is_clipped_or_quoted() {
        let long = format!(r#"{{"responseMessage":"{}s3cret"}}"#, "p".repeat(197));
        let failure = verdict(400, &long, BodyEnd::Complete).unwrap_err();
        assert!(!failure.detail.contains("s3"), "{failure}");
        let id = verdict(200, r#"{"correlationId":"key s3cret"}"#, BodyEnd::Complete).unwrap();
        assert_eq!(id.as_str(), "key [redacted]");
    }

    #[test]
    fn sentences() {
        let say = |status, body| verdict(status, body, BodyEnd::Complete).unwrap_err().to_string();
        insta::assert_snapshot!(
            say(400, r#"{"responseMessage":"The storage could not be found"}"#),
            @"mdss_storage_not_found: MDSS answered 400: The storage could not be found (no response key); verify the storage client id and that the storage is configured in MDSS"
        );
        insta::assert_snapshot!(
            say(200, "<html></html>"),
            @"mdss_unexpected_answer: MDSS answered 200 and sent HTML or XML, expected a correlationId; check that the endpoint is MDSS's webhook URL (…/api/webhook/realtime)"
        );
        insta::assert_snapshot!(say(200, ""), @"mdss_half_answer: MDSS answered 200 and an empty body, expected a body with a correlationId");
        insta::assert_snapshot!(say(418, r#"{"responseKey":"A","responseMessage":"b"}"#), @r#"mdss_refused: MDSS answered 418 and said A: "b""#);
    }
}
