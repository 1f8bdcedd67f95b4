//! Events in a wrapper that is not read, or without the one they need: what somebody's own function, rule or shipper between
//! a store and the relay makes of them. Each is recognised for the sentence that says what it is and what to change.

use serde_json::value::RawValue;

use crate::plain::json;

json::members! {
    struct Marks {
        records = "Records",
        message_id = "messageId",
        body = "body",
        event_source = "eventSource",
        s3 = "s3",
        source = "source",
        detail = "detail",
        request_payload = "requestPayload",
        request_context = "requestContext",
        raw_path = "rawPath",
        http_method = "httpMethod",
        spec_version = "specversion",
        bucket = "bucket",
        object = "object",
    }
}

/// What an object that no dialect knows is, for "this is …".
pub(super) fn object(raw: &str) -> Option<&'static str> {
    let marks: Marks<'_> = json::object(raw, "").ok()?;
    if marks.request_payload.is_some() && marks.request_context.is_some() {
        return Some(
            "Lambda's record of a call that failed (a failure destination): send what its `requestPayload` holds",
        );
    }
    if marks.request_context.is_some() && (marks.raw_path.is_some() || marks.http_method.is_some()) {
        return Some(
            "an HTTP request as a function URL or API Gateway hands it on: let senders post to mdss-relay-http, or hand on its `body`",
        );
    }
    if marks.spec_version.is_some() {
        return Some("a CloudEvent that holds no event this version reads there: send what its `data` holds");
    }
    if marks.event_source.is_some() && marks.s3.is_some() {
        return Some("one record alone: send it as {\"Records\": [it]}");
    }
    if json::string(marks.source).is_ok_and(|source| source == "aws.s3") && marks.detail.is_some() {
        return Some(
            "an event of EventBridge without its `detail-type`, which says what happened: send it with that member",
        );
    }
    let names = |value: Option<&RawValue>, member: &str| {
        value.is_some_and(|value| json::member(value, member).is_some())
    };
    if names(marks.bucket, "name") && names(marks.object, "key") {
        return Some("the `detail` of an EventBridge event alone: send the whole event");
    }
    None
}

/// The same for a list.
pub(super) fn list(raw: &RawValue) -> Option<&'static str> {
    let (list, _) = json::array(raw, 16)?;
    let first = list.iter().find(|element| element.get().starts_with('{'))?;
    let marks: Marks<'_> = json::object(first.get(), "").ok()?;
    if marks.records.is_some() {
        return Some("a list of deliveries: send each on its own");
    }
    if marks.message_id.is_some() && marks.body.is_some() {
        return Some(
            "a list of queue messages without `Records` around it (as EventBridge Pipes hands it on): send it as {\"Records\": it}",
        );
    }
    if marks.event_source.is_some() || marks.s3.is_some() {
        return Some("a list of records without `Records` around it: send it as {\"Records\": it}");
    }
    object(first.get()).map(|_| "a list of events: send each on its own")
}

/// The same for a text that is not one JSON value.
pub(super) fn text(text: &str) -> Option<&'static str> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let whole =
        |line: &str| line.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(line).is_ok();
    (lines.clone().count() > 1 && lines.all(whole)).then_some("lines of JSON: send each on its own")
}

/// The same for a JSON string.
pub(super) fn string(raw: &RawValue) -> Option<&'static str> {
    let inner = json::string(Some(raw)).ok()?;
    inner
        .trim_start()
        .starts_with(['{', '['])
        .then_some("JSON inside a JSON string: send the text itself, encoded once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_by_its_members() {
        let of = |json: &str| {
            let Ok(raw) = serde_json::from_str::<&RawValue>(json) else { return text(json) };
            match raw.get().as_bytes()[0] {
                b'{' => object(raw.get()),
                b'[' => list(raw),
                _ => string(raw),
            }
        };
        for (json, want) in [
            (r#"{"requestContext":{},"requestPayload":{}}"#, "Lambda's record"),
            (r#"{"requestContext":{},"rawPath":"/","body":"x"}"#, "an HTTP request"),
            (r#"{"requestContext":{},"httpMethod":"POST"}"#, "an HTTP request"),
            (r#"{"specversion":"1.0","data":{}}"#, "a CloudEvent"),
            (r#"{"eventSource":"aws:s3","s3":{}}"#, "one record alone"),
            (r#"{"source":"aws.s3","detail":{}}"#, "an event of EventBridge without"),
            (r#"{"bucket":{"name":"b"},"object":{"key":"k"},"reason":"PutObject"}"#, "the `detail`"),
            (r#"[1,{"Records":[]}]"#, "a list of deliveries"),
            (r#"[{"messageId":"m","body":"{}"}]"#, "a list of queue messages"),
            (r#"[{"eventSource":"aws:s3"}]"#, "a list of records"),
            (r#"[{"source":"aws.s3","detail":{}}]"#, "a list of events"),
            ("{}\n{}", "lines of JSON"),
            ("{}\r\n\n {}\n", "lines of JSON"),
            (r#""{\"Records\":[]}""#, "JSON inside"),
            (r#"{"bucket":"b","object":"o"}"#, ""),
            ("{}", ""),
            ("[]", ""),
            ("[1]", ""),
            ("{}\n{", ""),
            ("{}{}", ""),
            ("\"a\"", ""),
            ("", ""),
        ] {
            let got = of(json);
            assert!(
                got.unwrap_or_default().starts_with(want) && got.is_none() == want.is_empty(),
                "{json}: {got:?}"
            );
        }
    }
}
