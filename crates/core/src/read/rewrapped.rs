//! An HTTP request that reached a function: what a function URL or a gateway hands on. It is recognised for the sentence that
//! says what it is and what to change.

use crate::plain::json;

json::members! {
    struct Marks {
        request_context = "requestContext",
        raw_path = "rawPath",
        http_method = "httpMethod",
    }
}

/// What an object that no dialect knows is, for "this is …".
pub(super) fn object(raw: &str) -> Option<&'static str> {
    let marks: Marks<'_> = json::object(raw, "").ok()?;
    let request =
        marks.request_context.is_some() && (marks.raw_path.is_some() || marks.http_method.is_some());
    request.then_some(
        "an HTTP request as a function URL or API Gateway hands it on: let senders post to mdss-relay-http, or hand on its `body`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_by_its_members() {
        for (json, want) in [
            (r#"{"requestContext":{},"rawPath":"/","body":"x"}"#, true),
            (r#"{"requestContext":{},"httpMethod":"POST"}"#, true),
            (r#"{"requestContext":{},"requestPayload":{}}"#, false),
            ("{}", false),
        ] {
            assert_eq!(object(json).is_some(), want, "{json}");
        }
    }
}
