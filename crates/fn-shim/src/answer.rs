//! What may leave the socket: three statuses, and a JSON body unless an HTTP gateway is to get another.
//!
//! The agent takes 200 for success, 502 for a failure and 504 for a time-out, and **shuts the container
//! down** on any other status (fnproject/fn, `api/agent/agent.go`, `hotSlot.dispatch`;
//! FunctionInvokeInvalidResponse in
//! <https://docs.oracle.com/en-us/iaas/Content/Functions/Tasks/functionstroubleshooting_topic-Issues-invoking-functions.htm>).
//! So a status is not a number here but one of three variants, and there is no 404 to be sent by mistake.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::body::{BODY_LIMIT, Ending};

/// The `error_type` by which a handler says that it ran out of time: answered 504 instead of 502.
pub const DEADLINE: &str = "deadline";

const JSON: &str = "application/json";
// The name and version are free for an FDK that is not Fn's own (fn-docs, `fn/develop/fn-format.md`); the
// runner only logs the version (fnproject/fn, `api/agent/runner_client.go`). The official ones send both,
// fdk-python for one.
const FDK_VERSION_NAME: HeaderName = HeaderName::from_static("fn-fdk-version");
const FDK_RUNTIME_NAME: HeaderName = HeaderName::from_static("fn-fdk-runtime");
const FDK_VERSION: &str = concat!("fn-shim/", env!("CARGO_PKG_VERSION"));
const FDK_RUNTIME: &str = concat!("rust/", env!("CARGO_PKG_RUST_VERSION"));

/// What an answer has at most unless a gateway is to get it, with the length and the date that hyper adds.
const HEADERS: usize = 6;

/// One answer, whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200.
    Done(Bytes),
    /// 200, to an HTTP gateway: what the handler replied, its status among the headers.
    Replied(Box<HeaderMap>, Bytes),
    /// 502: "function failed"; the container is kept, body and headers never reach the caller.
    Failed(Bytes),
    /// 504: "timed out"; the same holds.
    OutOfTime(Bytes),
}

/// What this crate answers without, or instead of, the handler.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// hyper could not read the request's head.
    Malformed,
    /// Neither the method nor the path of a call.
    Route,
    TooLarge,
    /// The body ended early, or its chunks are no chunks.
    BodyBroken,
    NotUtf8,
    /// Not JSON, or not the JSON that the handler takes.
    Unreadable(serde_json::Error),
    /// The handler's response is not one that JSON can express.
    Unwritable,
    /// The handler's response is not one to an HTTP request, for this reason.
    NotAReply(&'static str),
    Panicked,
    /// The process is ending.
    Stopping,
    Deadline,
}

impl Refusal {
    /// The `errorType`: stable, for machines.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed_request",
            Self::Route => "unknown_route",
            Self::TooLarge => "body_too_large",
            Self::BodyBroken => "body_incomplete",
            Self::NotUtf8 | Self::Unreadable(_) => "body_not_readable",
            Self::Unwritable => "response_not_json",
            Self::NotAReply(_) => "response_not_http",
            Self::Panicked => "panic",
            Self::Stopping => "stopping",
            Self::Deadline => DEADLINE,
        }
    }

    /// The `errorMessage`: for people. Quotes nothing of what was sent or panicked about.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Malformed => "the request is not HTTP/1.1, or its headers are too large".to_owned(),
            Self::Route => "only POST /call is served".to_owned(),
            Self::TooLarge => format!("the body has more than {BODY_LIMIT} bytes"),
            Self::BodyBroken => "the body ended early or is malformed".to_owned(),
            Self::NotUtf8 => "the body is not UTF-8".to_owned(),
            Self::Unreadable(error) => {
                let what = if error.is_data() { "not what the function takes" } else { "not JSON" };
                format!("the body is {what}, line {} column {}", error.line(), error.column())
            }
            Self::Unwritable => "the function's response cannot be written as JSON".to_owned(),
            Self::NotAReply(why) => format!("the function's response cannot be sent as an HTTP one: {why}"),
            Self::Panicked => "the function panicked".to_owned(),
            Self::Stopping => "the function is stopping".to_owned(),
            Self::Deadline => "the function ran out of time".to_owned(),
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let diagnostic =
            Diagnostic { error_type: refusal.name().to_owned(), error_message: refusal.sentence() };
        Self::from(diagnostic)
    }
}

impl From<Diagnostic> for Answer {
    /// A failure. The handler decides what its body says: an `error_message` that is the text of a JSON
    /// object becomes the body as it is; anything else is wrapped as `{"errorType":…,"errorMessage":…}`, the
    /// form `lambda_runtime` posts.
    fn from(diagnostic: Diagnostic) -> Self {
        let out_of_time = diagnostic.error_type == DEADLINE;
        let body = if is_object(&diagnostic.error_message) {
            Bytes::from(diagnostic.error_message)
        } else {
            // Two strings always serialise; an empty body would still carry the status.
            serde_json::to_vec(&diagnostic).map(Bytes::from).unwrap_or_default()
        };
        if out_of_time { Self::OutOfTime(body) } else { Self::Failed(body) }
    }
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

impl Answer {
    /// The answer to a call that the handler finished.
    pub(crate) fn from_response(response: &impl Serialize) -> Result<Self, Refusal> {
        serde_json::to_vec(response).map(|body| Self::Done(body.into())).map_err(|_| Refusal::Unwritable)
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Done(_) | Self::Replied(..) => StatusCode::OK,
            Self::Failed(_) => StatusCode::BAD_GATEWAY,
            Self::OutOfTime(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The headers that say what the answer is, and the body.
    fn into_parts(self) -> (HeaderMap, Bytes) {
        match self {
            Self::Done(body) | Self::Failed(body) | Self::OutOfTime(body) => {
                let mut headers = HeaderMap::with_capacity(HEADERS);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
                (headers, body)
            }
            Self::Replied(headers, body) => (*headers, body),
        }
    }

    /// The answer as hyper wants it, to a request whose body came to `ending`.
    pub(crate) fn into_response(self, ending: Ending) -> Response<Full<Bytes>> {
        let status = self.status();
        let (headers, body) = self.into_parts();
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        let headers = response.headers_mut();
        headers.insert(FDK_VERSION_NAME, HeaderValue::from_static(FDK_VERSION));
        headers.insert(FDK_RUNTIME_NAME, HeaderValue::from_static(FDK_RUNTIME));
        match ending {
            Ending::Reached => {}
            // hyper is going to close, without a word. A client that is not told may send its next call into
            // the closing connection, and Go, which the agent is written in, does not repeat a POST
            // (net/http, `Transport`).
            Ending::Abandoned => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        response
    }

    /// The answer as bytes, for the one case in which hyper does not ask (see [`wire`](crate::wire)).
    pub(crate) fn into_http(self) -> Bytes {
        let status = self.status();
        let (_, body) = self.into_parts();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {JSON}\r\n{FDK_VERSION_NAME}: {FDK_VERSION}\r\n\
             {FDK_RUNTIME_NAME}: {FDK_RUNTIME}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn failure(error_type: &str, error_message: &str) -> Answer {
        Diagnostic { error_type: error_type.to_owned(), error_message: error_message.to_owned() }.into()
    }

    #[test]
    fn the_handler_decides_what_a_failure_says() {
        let failed = |body: &'static str| Answer::Failed(Bytes::from_static(body.as_bytes()));
        let table = [
            ("Boom", "it broke", failed(r#"{"errorType":"Boom","errorMessage":"it broke"}"#)),
            ("Boom", r#"{"outcome": "config" }"#, failed(r#"{"outcome": "config" }"#)),
            ("Boom", "{}", failed("{}")),
            ("Boom", "", failed(r#"{"errorType":"Boom","errorMessage":""}"#)),
            // Only a whole object is an object.
            ("Boom", "[1]", failed(r#"{"errorType":"Boom","errorMessage":"[1]"}"#)),
            ("Boom", "{\"a\":", failed(r#"{"errorType":"Boom","errorMessage":"{\"a\":"}"#)),
            ("Boom", "{} or so", failed(r#"{"errorType":"Boom","errorMessage":"{} or so"}"#)),
            ("deadline", "{}", Answer::OutOfTime(Bytes::from_static(b"{}"))),
            (
                "deadline",
                "late",
                Answer::OutOfTime(Bytes::from_static(br#"{"errorType":"deadline","errorMessage":"late"}"#)),
            ),
            ("Deadline", "{}", failed("{}")),
        ];
        for (error_type, error_message, want) in table {
            assert_eq!(failure(error_type, error_message), want, "{error_type} {error_message}");
        }
    }

    #[test]
    fn refusals_are_502_and_lateness_504() {
        let unreadable =
            |text: &str| Refusal::Unreadable(serde_json::from_str::<BTreeMap<String, u8>>(text).unwrap_err());
        let table = [
            (Refusal::Malformed, 502, "malformed_request"),
            (Refusal::Route, 502, "unknown_route"),
            (Refusal::TooLarge, 502, "body_too_large"),
            (Refusal::BodyBroken, 502, "body_incomplete"),
            (Refusal::NotUtf8, 502, "body_not_readable"),
            (unreadable("{"), 502, "body_not_readable"),
            (Refusal::Unwritable, 502, "response_not_json"),
            (Refusal::NotAReply("why"), 502, "response_not_http"),
            (Refusal::Panicked, 502, "panic"),
            (Refusal::Stopping, 502, "stopping"),
            (Refusal::Deadline, 504, "deadline"),
        ];
        for (refusal, status, name) in table {
            let said = format!("{refusal:?}");
            let answer = Answer::from(refusal);
            assert_eq!(answer.status(), status, "{said}");
            let body: serde_json::Value = serde_json::from_slice(&answer.into_parts().1).unwrap();
            assert_eq!(body["errorType"], json!(name), "{said}");
        }
    }

    #[test]
    fn an_unreadable_body_is_located_not_quoted() {
        let table = [
            ("{\"a\":\n nope}", "the body is not JSON, line 2 column 3"),
            ("", "the body is not JSON, line 1 column 0"),
            (r#"{"a":"secret"}"#, "the body is not what the function takes, line 1 column 13"),
        ];
        for (text, want) in table {
            let error = serde_json::from_str::<BTreeMap<String, u8>>(text).unwrap_err();
            assert_eq!(Refusal::Unreadable(error).sentence(), want, "{text}");
        }
    }

    #[test]
    fn a_response_json_cannot_express_is_a_failure() {
        let done = |body: &'static [u8]| Answer::Done(Bytes::from_static(body));
        assert_eq!(Answer::from_response(&json!({"a": 1})).unwrap(), done(b"{\"a\":1}"));
        assert_eq!(Answer::from_response(&()).unwrap(), done(b"null"));
        let refusal = Answer::from_response(&BTreeMap::from([((), 1)])).unwrap_err();
        assert_eq!(refusal.name(), "response_not_json");
    }

    #[test]
    fn both_forms_carry_the_same_headers() {
        let response = Answer::from(Refusal::Malformed).into_response(Ending::Abandoned);
        let text = Answer::from(Refusal::Malformed).into_http();
        let text = std::str::from_utf8(&text).unwrap();
        for (name, value) in response.headers() {
            let line = format!("\r\n{name}: {}\r\n", value.to_str().unwrap());
            assert!(text.contains(&line), "{line:?} in {text:?}");
        }
        assert!(text.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{text:?}");
        assert!(
            Answer::from(Refusal::Route).into_response(Ending::Reached).headers().get(CONNECTION).is_none()
        );
    }
}
