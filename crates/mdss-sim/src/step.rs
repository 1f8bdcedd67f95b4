//! What can be asked of the stand-in instead of its normal behaviour, in Rust and in JSON.

use std::collections::BTreeMap;
use std::str::FromStr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use crate::refusal::Refusal;

/// What happens to one request (or, for [`Step::SlowHandshake`], to one connection).
///
/// Unless a variant says otherwise nothing is judged and no object is accepted. The JSON forms stand in
/// the table of this crate's front page.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Nothing unusual: the contract decides. Lets the next fault hit a later request.
    Accept,
    /// This answer. `content-length` and `transfer-encoding` are the server's own: those given are dropped.
    Answer {
        /// 200 to 999.
        #[serde(deserialize_with = "status")]
        status: StatusCode,
        /// None by default, not even a content type.
        #[serde(default, deserialize_with = "headers")]
        headers: HeaderMap,
        /// Empty by default.
        #[serde(default, deserialize_with = "text")]
        body: Bytes,
    },
    /// A status with `Retry-After` in seconds.
    RetryAfter {
        /// Usually 429 or 503.
        #[serde(deserialize_with = "status")]
        status: StatusCode,
        /// Seconds to wait.
        seconds: u32,
    },
    /// A status with `Retry-After` as an HTTP date.
    RetryAfterDate {
        /// Usually 429 or 503.
        #[serde(deserialize_with = "status")]
        status: StatusCode,
        /// How many seconds from the moment of the answer the date lies.
        seconds: u32,
    },
    /// 503 with nginx's HTML, as above its rate limit or while MDSS restarts.
    Unavailable,
    /// 200 with HTML, as from the web interface or a login page.
    WebPage,
    /// 200 with a documented error in its body.
    OkButRefused(Refusal),
    /// 200 with `{}`.
    EmptyObject,
    /// 200 without a body.
    EmptyBody,
    /// 200, JSON, a `content-length` of twice what is sent, then an orderly close.
    HalfBody,
    /// A redirect without a body.
    Redirect {
        /// Usually 301, 302, 307 or 308.
        #[serde(deserialize_with = "status")]
        status: StatusCode,
        /// The `location`.
        #[serde(deserialize_with = "header_value")]
        location: HeaderValue,
    },
    /// Reads the request and never answers: until the client leaves or the stand-in stops.
    Hang,
    /// Reads the request, then resets the connection (RST) before any byte of an answer.
    Reset,
    /// Sends 200 and the headers of a JSON answer, then resets the connection.
    ResetAfterHeaders,
    /// Sends 200, headers and half the body they announce, then resets the connection.
    ResetAfterHalfBody,
    /// Waits, then lets the contract decide. A client that leaves while this waits has nothing accepted.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Lets the contract decide, then resets the connection instead of answering: an accepted object counts
    /// as accepted, and the client cannot know.
    AcceptAndDrop,
    /// The next new connection waits before its TLS handshake (without TLS: before its first byte is read).
    SlowHandshake {
        /// Milliseconds.
        ms: u64,
    },
}

impl Step {
    /// An answer with this status and JSON body.
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self::Answer { status, headers: HeaderMap::from_iter([content_type]), body: body.into() }
    }

    /// An answer with this status and nothing else.
    pub fn status(status: StatusCode) -> Self {
        Self::Answer { status, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

/// Steps that are queued together, for every request or for those about one object.
///
/// In JSON a list of steps, or `{"key": …, "steps": […]}` for one object's requests.
///
/// ```
/// use mdss_sim::{Batch, Step};
///
/// let all: Batch = r#"["reset", {"delay": {"ms": 20}}]"#.parse().unwrap();
/// assert_eq!(all, Batch { key: None, steps: vec![Step::Reset, Step::Delay { ms: 20 }] });
///
/// let one: Batch = r#"{"key": "a/b.txt", "steps": ["hang"]}"#.parse().unwrap();
/// assert_eq!(one.key.as_deref(), Some("a/b.txt"));
///
/// let mistake = r#"["reset", "rest"]"#.parse::<Batch>().unwrap_err();
/// assert!(mistake.starts_with("step 2: unknown variant `rest`, expected one of"), "{mistake}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The object key a request must have, exactly; none for every request.
    pub key: Option<String>,
    /// The steps, in order; each request takes one.
    pub steps: Vec<Step>,
}

impl FromStr for Batch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Keyed {
            key: Option<String>,
            steps: Vec<Value>,
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let Keyed { key, steps } = match value {
            Value::Array(steps) => Keyed { key: None, steps },
            Value::Object(_) => Keyed::deserialize(value).map_err(|error| error.to_string())?,
            _ => return Err("expected a list of steps, or an object with key and steps".into()),
        };
        let steps = steps.into_iter().enumerate().map(|(index, step)| {
            Step::deserialize(step).map_err(|error| format!("step {}: {error}", index + 1))
        });
        Ok(Self { key, steps: steps.collect::<Result<_, _>>()? })
    }
}

// === JSON text into http's types ===

fn status<'de, D: Deserializer<'de>>(from: D) -> Result<StatusCode, D::Error> {
    let number = u16::deserialize(from)?;
    // An informational status is not an answer: the client goes on waiting.
    StatusCode::from_u16(number)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| D::Error::custom(format!("status {number}, expected 200 to 999")))
}

fn header_value<'de, D: Deserializer<'de>>(from: D) -> Result<HeaderValue, D::Error> {
    HeaderValue::try_from(String::deserialize(from)?).map_err(D::Error::custom)
}

fn headers<'de, D: Deserializer<'de>>(from: D) -> Result<HeaderMap, D::Error> {
    let pairs = BTreeMap::<String, String>::deserialize(from)?;
    let parse = |(name, value)| -> Result<_, http::Error> {
        Ok((HeaderName::try_from(name)?, HeaderValue::try_from(value)?))
    };
    pairs.into_iter().map(parse).collect::<Result<_, _>>().map_err(D::Error::custom)
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
    String::deserialize(from).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_json_form() {
        let rows = [
            (r#""accept""#, Step::Accept),
            (
                r#"{"answer":{"status":500,"headers":{"Content-Type":"application/json"},"body":"{}"}}"#,
                Step::json(StatusCode::INTERNAL_SERVER_ERROR, "{}"),
            ),
            (r#"{"answer":{"status":299}}"#, Step::status(StatusCode::from_u16(299).unwrap())),
            (
                r#"{"retry_after":{"status":429,"seconds":2}}"#,
                Step::RetryAfter { status: StatusCode::TOO_MANY_REQUESTS, seconds: 2 },
            ),
            (
                r#"{"retry_after_date":{"status":503,"seconds":2}}"#,
                Step::RetryAfterDate { status: StatusCode::SERVICE_UNAVAILABLE, seconds: 2 },
            ),
            (r#""unavailable""#, Step::Unavailable),
            (r#""web_page""#, Step::WebPage),
            (r#"{"ok_but_refused":"storage_not_found"}"#, Step::OkButRefused(Refusal::StorageNotFound)),
            (r#""empty_object""#, Step::EmptyObject),
            (r#""empty_body""#, Step::EmptyBody),
            (r#""half_body""#, Step::HalfBody),
            (
                r#"{"redirect":{"status":302,"location":"https://mdss.example/"}}"#,
                Step::Redirect {
                    status: StatusCode::FOUND,
                    location: HeaderValue::from_static("https://mdss.example/"),
                },
            ),
            (r#""hang""#, Step::Hang),
            (r#""reset""#, Step::Reset),
            (r#""reset_after_headers""#, Step::ResetAfterHeaders),
            (r#""reset_after_half_body""#, Step::ResetAfterHalfBody),
            (r#"{"delay":{"ms":5}}"#, Step::Delay { ms: 5 }),
            (r#""accept_and_drop""#, Step::AcceptAndDrop),
            (r#"{"slow_handshake":{"ms":5}}"#, Step::SlowHandshake { ms: 5 }),
        ];
        for (json, want) in rows {
            assert_eq!(format!("[{json}]").parse(), Ok(Batch { key: None, steps: vec![want] }), "{json}");
        }
    }

    #[test]
    fn the_front_page_shows_every_step() {
        let page = include_str!("../README.md");
        let table = page.split("| Step |").nth(1).unwrap().split("## ").next().unwrap();
        let shown: Vec<_> =
            table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
        for json in &shown {
            assert!(format!("[{json}]").parse::<Batch>().is_ok(), "{json}");
        }
        // serde lists the names it knows.
        let known = r#"["?"]"#.parse::<Batch>().unwrap_err();
        for name in known.split('`').skip(3).step_by(2) {
            assert!(shown.iter().any(|json| json.contains(&format!("\"{name}\""))), "{name}");
        }
        assert_eq!(known.split('`').skip(3).step_by(2).count(), shown.len());
    }

    #[test]
    fn mistakes_are_located() {
        let rows = [
            ("", "not JSON: EOF while parsing a value at line 1 column 0"),
            ("7", "expected a list of steps, or an object with key and steps"),
            (r#"{"steps":[],"kye":"k"}"#, "unknown field `kye`, expected `key` or `steps`"),
            (r#"[{"answer":{"status":100}}]"#, "step 1: status 100, expected 200 to 999"),
            (
                r#"["hang",{"answer":{"status":200,"headers":{"a b":""}}}]"#,
                "step 2: invalid HTTP header name",
            ),
            (r#"[{"delay":{"ms":1,"s":1}}]"#, "step 1: unknown field `s`, expected `ms`"),
        ];
        for (json, want) in rows {
            assert_eq!(json.parse::<Batch>(), Err(want.to_owned()), "{json}");
        }
    }
}
