//! What leaves the port: a status, headers and a JSON body, always.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use lambda_runtime::Diagnostic;
use serde::Serialize;
use shim::{DEADLINE, Ending, Outcome, Refusal, failure_body};

use crate::custom_handler;
use crate::profile::{Profile, Wrapping};

/// As many characters of a sentence go into a header.
const LONGEST_MESSAGE: usize = 200;

/// One answer, whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// What the platform is to hear of an outcome. `is_request`: the call was an HTTP request that the platform had wrapped.
    pub(crate) fn of(profile: &Profile, outcome: Outcome, is_request: bool) -> Self {
        let response = match outcome {
            Outcome::Response(response) => response,
            Outcome::Failed(diagnostic) => return Self::failed(profile, diagnostic),
            Outcome::Refused(refusal) => return Self::refused(profile, &refusal),
        };
        let body = match profile.answer {
            Wrapping::Bare => Ok(response.into()),
            Wrapping::CustomHandler => custom_handler::success(response, is_request),
            Wrapping::Reply => Ok(reply(StatusCode::OK, &response)),
        };
        match body {
            Ok(body) => Self::new(profile, StatusCode::OK, body),
            Err(refusal) => {
                tracing::error!(error.type = refusal.name(), "{}", refusal.sentence());
                Self::refused(profile, &refusal)
            }
        }
    }

    /// The answer to a question of the platform's.
    pub(crate) fn ready(profile: &Profile) -> Self {
        let body = match profile.answer {
            Wrapping::Bare | Wrapping::CustomHandler => Bytes::from_static(b"{}"),
            Wrapping::Reply => reply(StatusCode::OK, b""),
        };
        Self::new(profile, StatusCode::OK, body)
    }

    /// The handler's failure; it decides what the body says.
    fn failed(profile: &Profile, diagnostic: Diagnostic) -> Self {
        let late = diagnostic.error_type == DEADLINE;
        let status = if late { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::INTERNAL_SERVER_ERROR };
        let message = format!("the function failed: {}", diagnostic.error_type);
        Self::failure(profile, status, failure_body(diagnostic), None, &message)
    }

    /// What did not get to the handler, or not to its end.
    pub(crate) fn refused(profile: &Profile, refusal: &Refusal) -> Self {
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
        let body = failure_body(Diagnostic::from(refusal));
        Self::failure(profile, status, body, Some(refusal), &refusal.sentence())
    }

    fn failure(
        profile: &Profile,
        status: StatusCode,
        body: Bytes,
        refusal: Option<&Refusal>,
        message: &str,
    ) -> Self {
        let status = (profile.signs.failure)(status, refusal);
        let body = match profile.answer {
            Wrapping::Bare | Wrapping::CustomHandler => body,
            Wrapping::Reply => reply(status, &body),
        };
        let mut answer = Self::new(profile, status, body);
        if let Some(errors) = &profile.signs.error {
            let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
            let message: String = message.chars().take(LONGEST_MESSAGE).map(shown).collect();
            answer.say(errors.code, (errors.name)(refusal));
            answer.say(errors.message, &message);
        }
        answer
    }

    fn new(profile: &Profile, status: StatusCode, body: Bytes) -> Self {
        let mut answer = Self { status, headers: HeaderMap::new(), body };
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(name) = profile.signs.status {
            answer.say(name, status.as_str());
        }
        answer
    }

    /// The same, to a call that took so long.
    pub(crate) fn after(mut self, profile: &Profile, time: Duration) -> Self {
        if let Some(errors) = &profile.signs.error {
            self.say(errors.duration, &format!("{:.2}", time.as_secs_f64() * 1000.0));
        }
        self
    }

    /// Adds a header. The values that get here are ones that a header can have.
    fn say(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
    }

    pub(crate) fn is_failure(&self) -> bool {
        !self.status.is_success()
    }

    /// The answer as hyper wants it, to a request whose body came to `ending`.
    pub(crate) fn into_response(self, ending: Ending) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if ending == Ending::Abandoned {
            // hyper is going to close, without a word, and the client may send its next call into the closing connection.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// An HTTP response as an object, with this body.
fn reply(status: StatusCode, body: &[u8]) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply<'a> {
        is_base64_encoded: bool,
        status_code: u16,
        headers: Nothing,
        body: &'a str,
    }
    #[derive(Serialize)]
    struct Nothing {}
    // What gets here is JSON, so it is text.
    let body = str::from_utf8(body).unwrap_or_default();
    let reply = Reply { is_base64_encoded: false, status_code: status.as_u16(), headers: Nothing {}, body };
    // These always serialise; an empty body would still carry the status.
    serde_json::to_vec(&reply).map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        ALIBABA_FC, AZURE_FUNCTIONS, HUAWEI_FUNCTIONGRAPH, TENCENT_SCF, VOLCENGINE_FAAS, YANDEX_CONTAINERS,
    };

    /// Every refusal, and the handler's own failures; then the status of each platform, in the order of `PLATFORMS`.
    const PLATFORMS: [&Profile; 6] = [
        &AZURE_FUNCTIONS,
        &ALIBABA_FC,
        &TENCENT_SCF,
        &HUAWEI_FUNCTIONGRAPH,
        &VOLCENGINE_FAAS,
        &YANDEX_CONTAINERS,
    ];

    fn failed(error_type: &str) -> Outcome {
        let error_message = "{\"a\":1}".to_owned();
        Outcome::Failed(Diagnostic { error_type: error_type.to_owned(), error_message })
    }

    #[test]
    fn nothing_that_failed_looks_like_a_success_and_no_body_is_empty() {
        let unreadable = || Refusal::Unreadable(serde_json::from_str::<u8>("x").unwrap_err());
        type Case = (fn() -> Outcome, [u16; 6]);
        let table: &[Case] = &[
            (|| Outcome::Refused(Refusal::Malformed), [400, 404, 500, 500, 500, 500]),
            (|| Outcome::Refused(Refusal::Route("x")), [404, 404, 404, 404, 400, 404]),
            (|| Outcome::Refused(Refusal::TooLarge(1)), [413, 404, 500, 500, 500, 500]),
            (|| Outcome::Refused(Refusal::BodyBroken), [400, 404, 500, 500, 500, 500]),
            (|| Outcome::Refused(Refusal::NotUtf8), [400, 404, 500, 500, 400, 500]),
            (|| Outcome::Refused(Refusal::NotWrapped("why".to_owned())), [400, 404, 500, 500, 400, 500]),
            (|| Outcome::Refused(Refusal::Unwritable), [500, 404, 500, 500, 500, 500]),
            (|| Outcome::Refused(Refusal::NotAReply("why")), [500, 404, 500, 500, 500, 500]),
            (|| Outcome::Refused(Refusal::Panicked), [500, 404, 500, 500, 500, 500]),
            (|| Outcome::Refused(Refusal::Stopping), [503, 404, 500, 500, 500, 500]),
            (|| Outcome::Refused(Refusal::Deadline), [504, 404, 500, 500, 500, 500]),
            (|| failed("Boom"), [500, 404, 500, 500, 500, 500]),
            (|| failed("deadline"), [504, 404, 500, 500, 500, 500]),
        ];
        for (outcome, statuses) in table {
            for (profile, status) in PLATFORMS.into_iter().zip(*statuses) {
                let answer = Answer::of(profile, outcome(), false);
                let body: Value = serde_json::from_slice(&answer.body).unwrap();
                assert_eq!(answer.status, status, "{:?}: {}", outcome(), profile.caller);
                assert!(answer.is_failure() && body.is_object(), "{:?}: {}", outcome(), profile.caller);
            }
        }
        for profile in PLATFORMS {
            assert!(Answer::refused(profile, &unreadable()).is_failure(), "{}", profile.caller);
        }
        let body = |outcome| Answer::of(&TENCENT_SCF, outcome, false).body;
        assert_eq!(body(failed("Boom")), "{\"a\":1}");
        assert_eq!(
            body(Outcome::Refused(Refusal::Panicked)),
            r#"{"errorType":"panic","errorMessage":"the function panicked"}"#
        );
    }

    #[test]
    fn each_platform_hears_it_in_its_own_way() {
        let success = || Outcome::Response(br#"{"ok":"\u00e9"}"#.to_vec());
        let header = |profile, outcome, name: &str| {
            let answer = Answer::of(profile, outcome, false);
            answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(&ALIBABA_FC, success(), "x-fc-status").as_deref(), Some("200"));
        assert_eq!(header(&ALIBABA_FC, failed("Boom"), "x-fc-status").as_deref(), Some("404"));
        let reply = |outcome| {
            let answer = Answer::of(&HUAWEI_FUNCTIONGRAPH, outcome, false);
            serde_json::from_slice::<Value>(&answer.body).unwrap()
        };
        let want = |status: u16, body: &str| json!({ "isBase64Encoded": false, "statusCode": status, "headers": {}, "body": body });
        assert_eq!(reply(success()), want(200, r#"{"ok":"\u00e9"}"#));
        assert_eq!(reply(failed("Boom")), want(500, r#"{"a":1}"#));
        const CODE: &str = "x-faas-response-error-code";
        const MESSAGE: &str = "x-faas-response-error-message";
        assert_eq!(header(&VOLCENGINE_FAAS, success(), CODE), None);
        for (outcome, code, message) in [
            (failed("B\u{f6}\n\r: x"), "function_execution_error", "the function failed: B???: x"),
            (Outcome::Refused(Refusal::Panicked), "function_panic", "the function panicked"),
            (Outcome::Refused(Refusal::NotUtf8), "invalid_cloud_event", "the body is not UTF-8"),
            (Outcome::Refused(Refusal::Route("POST")), "invalid_event_type", "only POST is served"),
        ] {
            let answer = Answer::of(&VOLCENGINE_FAAS, outcome, false);
            assert_eq!(
                (&answer.headers[CODE], &answer.headers[MESSAGE]),
                (&code.parse().unwrap(), &message.parse().unwrap())
            );
        }
        let long = header(&VOLCENGINE_FAAS, failed(&"x".repeat(9000)), MESSAGE);
        assert_eq!(long.map(|message| message.len()), Some(LONGEST_MESSAGE));
    }
}
