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
use shim::{DEADLINE, Ending, Refusal, failure_body};

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

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::from(Diagnostic::from(&refusal))
    }
}

impl From<Diagnostic> for Answer {
    /// A failure; the handler decides what its body says.
    fn from(diagnostic: Diagnostic) -> Self {
        let out_of_time = diagnostic.error_type == DEADLINE;
        let body = failure_body(diagnostic);
        if out_of_time { Self::OutOfTime(body) } else { Self::Failed(body) }
    }
}

impl Answer {
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
    fn a_handler_that_ran_out_of_time_says_so() {
        for (error_type, want) in [("Boom", 502), ("deadline", 504), ("Deadline", 502)] {
            assert_eq!(failure(error_type, "{}").status(), want, "{error_type}");
        }
    }

    #[test]
    fn refusals_are_502_and_lateness_504() {
        let unreadable =
            |text: &str| Refusal::Unreadable(serde_json::from_str::<BTreeMap<String, u8>>(text).unwrap_err());
        let table = [
            (Refusal::Malformed, 502, "malformed_request"),
            (Refusal::Route("x"), 502, "unknown_route"),
            (Refusal::TooLarge(1), 502, "body_too_large"),
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
    fn only_an_abandoned_body_closes_the_connection() {
        let closes = |ending| {
            let response = Answer::from(Refusal::Malformed).into_response(ending);
            response.headers().get(CONNECTION).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(closes(Ending::Abandoned).as_deref(), Some("close"));
        assert_eq!(closes(Ending::Reached), None);
    }
}
