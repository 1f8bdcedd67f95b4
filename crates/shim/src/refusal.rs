//! What is answered without, or instead of, the handler; and what the body of a failure says.

use bytes::Bytes;
use lambda_runtime::Diagnostic;
use serde::de::IgnoredAny;

/// The `error_type` by which a handler says that it ran out of time.
pub const DEADLINE: &str = "deadline";

/// What a shim answers without, or instead of, the handler.
#[derive(Debug)]
pub enum Refusal {
    /// The request's head could not be read.
    Malformed,
    /// Neither the method nor the path of a call; what is served, to be read before "is served".
    Route(&'static str),
    /// The body has more bytes than this.
    TooLarge(usize),
    /// The body ended early, or its chunks are no chunks.
    BodyBroken,
    /// The body is not UTF-8, as JSON is (RFC 8259, section 8.1).
    NotUtf8,
    /// Not JSON, or not the JSON that the handler takes.
    Unreadable(serde_json::Error),
    /// Not what the platform wraps an event in, for this reason: a sentence that quotes no value.
    NotWrapped(String),
    /// The handler's response is not one that JSON can express.
    Unwritable,
    /// The handler's response is not one to an HTTP request, for this reason.
    NotAReply(&'static str),
    /// The handler panicked.
    Panicked,
    /// The process is ending.
    Stopping,
    /// The time is over.
    Deadline,
}

impl Refusal {
    /// The `errorType`: stable, for machines.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed_request",
            Self::Route(_) => "unknown_route",
            Self::TooLarge(_) => "body_too_large",
            Self::BodyBroken => "body_incomplete",
            Self::NotUtf8 | Self::Unreadable(_) | Self::NotWrapped(_) => "body_not_readable",
            Self::Unwritable => "response_not_json",
            Self::NotAReply(_) => "response_not_http",
            Self::Panicked => "panic",
            Self::Stopping => "stopping",
            Self::Deadline => DEADLINE,
        }
    }

    /// The `errorMessage`: for people. Quotes nothing of what was sent or panicked about.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Malformed => "the request is not HTTP/1.1, or its headers are too large".to_owned(),
            Self::Route(served) => format!("only {served} is served"),
            Self::TooLarge(limit) => format!("the body has more than {limit} bytes"),
            Self::BodyBroken => "the body ended early or is malformed".to_owned(),
            Self::NotUtf8 => "the body is not UTF-8".to_owned(),
            Self::Unreadable(error) => {
                let what = if error.is_data() { "not what the function takes" } else { "not JSON" };
                format!("the body is {what}, line {} column {}", error.line(), error.column())
            }
            Self::NotWrapped(why) => why.clone(),
            Self::Unwritable => "the function's response cannot be written as JSON".to_owned(),
            Self::NotAReply(why) => format!("the function's response cannot be sent as an HTTP one: {why}"),
            Self::Panicked => "the function panicked".to_owned(),
            Self::Stopping => "the function is stopping".to_owned(),
            Self::Deadline => "the function ran out of time".to_owned(),
        }
    }
}

impl From<&Refusal> for Diagnostic {
    fn from(refusal: &Refusal) -> Self {
        Self { error_type: refusal.name().to_owned(), error_message: refusal.sentence() }
    }
}

/// What the body of a failure says. The handler decides: an `error_message` that is the text of a JSON object
/// is the body as it is; anything else is wrapped as `{"errorType":…,"errorMessage":…}`, the form that
/// `lambda_runtime` posts.
#[must_use]
pub fn failure_body(diagnostic: Diagnostic) -> Bytes {
    if is_object(&diagnostic.error_message) {
        return diagnostic.error_message.into();
    }
    // Two texts always serialise; an empty body would still carry the status.
    serde_json::to_vec(&diagnostic).map(Bytes::from).unwrap_or_default()
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_handler_decides_what_a_failure_says() {
        let wrapped = |message: &str| format!(r#"{{"errorType":"Boom","errorMessage":{message}}}"#);
        let table = [
            ("it broke", wrapped(r#""it broke""#)),
            (r#"{"outcome": "config" }"#, r#"{"outcome": "config" }"#.to_owned()),
            ("{}", "{}".to_owned()),
            ("", wrapped(r#""""#)),
            // Only a whole object is an object.
            ("[1]", wrapped(r#""[1]""#)),
            ("{\"a\":", wrapped(r#""{\"a\":""#)),
            ("{} or so", wrapped(r#""{} or so""#)),
        ];
        for (message, want) in table {
            let diagnostic = Diagnostic { error_type: "Boom".to_owned(), error_message: message.to_owned() };
            assert_eq!(failure_body(diagnostic), want, "{message}");
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
}
