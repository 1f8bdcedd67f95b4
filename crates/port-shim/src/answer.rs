//! What leaves the port: a status and a JSON body, always.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use lambda_runtime::Diagnostic;
use shim::{DEADLINE, Ending, Refusal, failure_body};

/// One answer, whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// 200 with this body, which is not empty.
    pub(crate) fn success(body: Bytes) -> Self {
        Self { status: StatusCode::OK, body }
    }

    /// The answer as hyper wants it, to a request whose body came to `ending`.
    pub(crate) fn into_response(self, ending: Ending) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if ending == Ending::Abandoned {
            // hyper is going to close, without a word, and the client may send its next call into the closing connection.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Diagnostic> for Answer {
    /// The handler's failure; it decides what the body says.
    fn from(diagnostic: Diagnostic) -> Self {
        let late = diagnostic.error_type == DEADLINE;
        let status = if late { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self { status, body: failure_body(diagnostic) }
    }
}

impl From<Refusal> for Answer {
    /// Any status except 2xx is a failed call; which one is for people.
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Route(_) => StatusCode::NOT_FOUND,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Malformed
            | Refusal::BodyBroken
            | Refusal::NotUtf8
            | Refusal::Unreadable(_)
            | Refusal::NotWrapped(_) => StatusCode::BAD_REQUEST,
            Refusal::Unwritable | Refusal::NotAReply(_) | Refusal::Panicked => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Deadline => StatusCode::GATEWAY_TIMEOUT,
        };
        Self { status, body: failure_body(Diagnostic::from(&refusal)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_failed_looks_like_a_success_and_no_body_is_empty() {
        let unreadable = serde_json::from_str::<u8>("x").unwrap_err();
        for (refusal, status) in [
            (Refusal::Malformed, 400),
            (Refusal::Route("x"), 404),
            (Refusal::TooLarge(1), 413),
            (Refusal::BodyBroken, 400),
            (Refusal::NotUtf8, 400),
            (Refusal::Unreadable(unreadable), 400),
            (Refusal::NotWrapped("why".to_owned()), 400),
            (Refusal::Unwritable, 500),
            (Refusal::NotAReply("why"), 500),
            (Refusal::Panicked, 500),
            (Refusal::Stopping, 503),
            (Refusal::Deadline, 504),
        ] {
            let name = refusal.name();
            let answer = Answer::from(refusal);
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!((answer.status.as_u16(), body["errorType"].as_str()), (status, Some(name)));
        }
        for (error_type, status) in [("Boom", 500), ("deadline", 504)] {
            let diagnostic =
                Diagnostic { error_type: error_type.to_owned(), error_message: "{\"a\":1}".to_owned() };
            let answer = Answer::from(diagnostic);
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, &b"{\"a\":1}"[..]));
        }
    }
}
