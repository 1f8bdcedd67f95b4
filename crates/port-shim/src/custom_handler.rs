//! What the Azure Functions host wraps an event in, and what it wants an answer to be wrapped in.
//!
//! A body is `{"Data":{"NAME":VALUE},"Metadata":{…}}`, NAME being the trigger's in `function.json`. How a value is written depends
//! on what it is in the host (Azure/azure-functions-host, `src/WebJobs.Script/Workers/MessageExtensions/ScriptInvocationContextExtensions.cs`, and
//! `test/WebJobs.Script.Tests/Workers/Http/DefaultHttpWorkerServiceTests.cs`):
//!
//! | In the host | Here |
//! | --- | --- |
//! | an object: Event Grid | the object |
//! | a text: a queue's message, Event Grid with `"dataType": "string"` | the text as JSON, and that once more as a JSON text |
//! | a list: `"cardinality": "many"` | the list as JSON, and that as a JSON text |
//! | bytes: `"dataType": "binary"` | Base64 in a text |
//! | an HTTP request | an object: `Url`, `Method`, `Query`, `Headers`, `Params`, `Identities`, `Body` |
//!
//! Microsoft's own page shows texts written once (<https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>), so nothing
//! is taken for granted here: a value is unwrapped as long as it is a text of JSON. **Inference:** that no event is itself a
//! text of JSON that is meant as a text. A message that Event Grid puts into a Storage queue is Base64, which the host decodes unless
//! `extensions.queues.messageEncoding` is `none`; therefore a text that is no JSON is tried as Base64, once.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use shim::Refusal;

/// How often a value is unwrapped: what is documented and seen is twice.
const MOST_WRAPPINGS: usize = 3;

/// What a handler is given of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The trigger's event, unwrapped: JSON, byte for byte as its sender wrote it wherever the host left it so.
    Plain(String),
    /// An HTTP trigger's request: the whole body, as it is.
    HttpRequest(String),
}

/// An object as its members, so that no two of one name become one.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn named(&self, name: &str) -> Vec<&'a RawValue> {
        self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| *value).collect()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Read).map(Members)
    }
}

/// What the host says about an event. Numbers are texts of numbers there, except in `RetryContext`.
#[derive(Deserialize)]
struct Metadata<'a> {
    /// Only with a `retry` policy in `function.json` (the host's `sample/CustomHandlerRetry`).
    #[serde(borrow, default, rename = "RetryContext")]
    retry: Option<&'a RawValue>,
    /// How often a Storage queue's message has been taken, this time included.
    #[serde(borrow, default, rename = "DequeueCount")]
    dequeued: Option<&'a RawValue>,
    /// The same of a Service Bus message.
    #[serde(borrow, default, rename = "DeliveryCount")]
    delivered: Option<&'a RawValue>,
}

impl Metadata<'_> {
    /// How often the host has called for this event before, if it says so.
    fn repetitions(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct Retry<'a> {
            #[serde(borrow, rename = "RetryCount")]
            count: Option<&'a RawValue>,
        }
        let retry = self.retry.and_then(|retry| serde_json::from_str::<Retry<'_>>(retry.get()).ok());
        let retried = retry.and_then(|retry| number(retry.count));
        let taken = number(self.dequeued).or(number(self.delivered)).map(|taken| taken.saturating_sub(1));
        retried.max(taken)
    }
}

/// A number, or a text of one.
fn number(value: Option<&RawValue>) -> Option<u64> {
    let text = value?.get();
    text.trim_matches('"').parse().ok()
}

/// Unwraps what the Azure Functions host posts.
///
/// ```
/// use port_shim::{Event, unwrap};
///
/// let body = r#"{"Data":{"message":"\"{\\\"id\\\": 1}\""},"Metadata":{"DequeueCount":"1"}}"#;
/// assert_eq!(unwrap(body.into()).unwrap(), Event::Plain(r#"{"id": 1}"#.to_owned()));
/// ```
///
/// # Errors
///
/// A refusal with a sentence, if the body is not such an object, or does not say which of its members is the event.
pub fn unwrap(body: Vec<u8>) -> Result<Event, Refusal> {
    let body = String::from_utf8(body).map_err(|_| Refusal::NotUtf8)?;
    let members: Members<'_> = serde_json::from_str(&body).map_err(|e| not_wrapped(&e, "the body"))?;
    let data: Members<'_> = match &members.named("Data")[..] {
        [data] => serde_json::from_str(data.get()).map_err(|e| not_wrapped(&e, "Data"))?,
        found => return Err(not_one("the body", found.len(), "members Data", "")),
    };
    let [(_, value)] = &data.0[..] else {
        return Err(not_one(
            "Data",
            data.0.len(),
            "members",
            ": its trigger's, and no input binding beside it",
        ));
    };
    // What cannot be read there is nothing that a call is refused for.
    let metadata =
        members.named("Metadata").pop().and_then(|m| serde_json::from_str::<Metadata<'_>>(m.get()).ok());
    if let Some(times) = metadata.as_ref().and_then(Metadata::repetitions).filter(|times| *times > 0) {
        tracing::info!(faas.repetitions = times, "the host calls once more for an event");
    }
    if is_http_request(value.get()) {
        return Ok(Event::HttpRequest(body));
    }
    Ok(Event::Plain(event(value.get())))
}

fn not_wrapped(error: &serde_json::Error, what: &str) -> Refusal {
    let found = if error.is_data() { "is no object" } else { "is not JSON" };
    let place = format!("line {} column {}", error.line(), error.column());
    Refusal::NotWrapped(format!("{what} {found}, {place}: this is not what the Azure Functions host posts"))
}

fn not_one(of: &str, found: usize, members: &str, why: &str) -> Refusal {
    Refusal::NotWrapped(format!("{of} has {found} {members}, expected one{why}"))
}

/// Whether a value is what the host makes of an HTTP request (`src/WebJobs.Script/Extensions/HttpRequestExtensions.cs`,
/// `GetRequestAsJObject`). Whoever can put an event of this form into a queue wins nothing: a request is asked who posts it, an event is not.
fn is_http_request(value: &str) -> bool {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "their being there is what is asked")]
    struct Request {
        #[serde(rename = "Url")]
        url: String,
        #[serde(rename = "Method")]
        method: String,
    }
    value.starts_with('{') && serde_json::from_str::<Request>(value).is_ok()
}

/// The event in a value; of a list, each element by itself.
fn event(value: &str) -> String {
    let value = unwrapped(value);
    if value.starts_with('[')
        && let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(&value)
        && elements.iter().any(|element| element.get().starts_with('"'))
    {
        let elements: Vec<_> = elements.iter().map(|element| unwrapped(element.get())).collect();
        return format!("[{}]", elements.join(","));
    }
    value.into_owned()
}

/// A value without the texts that it is wrapped in. What is a text in the end stays one, as JSON: the handler may know what it is.
fn unwrapped(value: &str) -> Cow<'_, str> {
    let mut value = Cow::Borrowed(value);
    for _ in 0..MOST_WRAPPINGS {
        if !value.starts_with('"') {
            break;
        }
        // A text may hold half of a surrogate pair, which JSON can write and UTF-8 cannot.
        let Ok(inside) = serde_json::from_str::<String>(&value) else { break };
        if let Some(json) = json(&inside) {
            value = Cow::Owned(json.to_owned());
            continue;
        }
        let decoded = BASE64.decode(inside.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(json) = decoded.as_deref().and_then(json) {
            value = Cow::Owned(json.to_owned());
        }
        break;
    }
    value
}

/// A text as JSON, without what is around it.
fn json(text: &str) -> Option<&str> {
    serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
}

/// The body of an answer to a call that succeeded. It is never empty: after a success whose body is empty or `null` the call never ends,
/// and after one that is no JSON it has failed (Azure/azure-functions-host, `src/WebJobs.Script/Workers/Http/DefaultHttpWorkerService.cs`,
/// `ProcessDefaultInvocationRequest`).
///
/// What the handler says of an event becomes a line of the host's log that belongs to the call. What it says of an HTTP request is the body, with the
/// response in it: `{"Outputs":{"res":{"statusCode":"200","headers":{},"body":""}},…}`. Anything else would be sent to whoever asked as a success.
pub(crate) fn success(response: Vec<u8>, is_http_request: bool) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(rename = "Outputs")]
        outputs: Nothing,
        #[serde(rename = "Logs")]
        logs: &'a [&'a str],
        #[serde(rename = "ReturnValue")]
        value: (),
    }
    #[derive(Serialize)]
    struct Nothing {}
    if is_http_request {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "their being there is what is asked")]
        struct Reply<'a> {
            #[serde(borrow, rename = "Outputs")]
            outputs: Members<'a>,
        }
        let is_reply = response.starts_with(b"{") && serde_json::from_slice::<Reply<'_>>(&response).is_ok();
        let why = "expected an object with Outputs";
        return if is_reply { Ok(response.into()) } else { Err(Refusal::NotAReply(why)) };
    }
    let line = str::from_utf8(&response).map_err(|_| Refusal::Unwritable)?;
    let logs: &[&str] = if line == "null" { &[] } else { &[line] };
    let answer = Answer { outputs: Nothing {}, logs, value: () };
    serde_json::to_vec(&answer).map(Bytes::from).map_err(|_| Refusal::Unwritable)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn plain(value: &Value) -> String {
        let body = json!({ "Data": { "event": value }, "Metadata": {} }).to_string();
        match unwrap(body.clone().into_bytes()) {
            Ok(Event::Plain(event)) => event,
            other => panic!("{body}: {other:?}"),
        }
    }

    fn text(text: &str) -> String {
        Value::from(text).to_string()
    }

    #[test]
    fn an_event_is_unwrapped_whatever_it_is_wrapped_in() {
        // Spaces, an escape and the order of members tell a copy from the original.
        let event = r#"{"id" : "1","a":"\u00e9 \"b\" \\"}"#;
        let list = format!("[{event}, {event}]");
        let base64 = BASE64.encode(event);
        for (value, want) in [
            (Value::from(event), event),
            (Value::from(text(event)), event),
            (Value::from(text(&text(event))), event),
            (Value::from(base64.clone()), event),
            (Value::from(text(&base64)), event),
            (Value::from(format!(" {base64}\n")), event),
            (Value::from(format!("\n{event} ")), event),
            (Value::from(list.clone()), &list),
            (Value::from(text(&list)), &list),
        ] {
            assert_eq!(plain(&value), want, "{value}");
        }
        assert_eq!(plain(&json!({ "b": [1, "2"] })), r#"{"b":[1,"2"]}"#);
    }

    #[test]
    fn a_list_of_texts_is_a_list_of_events() {
        let event = r#"{"id" : 1}"#;
        let base64 = BASE64.encode(event);
        for list in [
            json!([event, text(event), base64, { "id": 2 }]),
            Value::from(json!([event, text(event), base64, { "id": 2 }]).to_string()),
        ] {
            assert_eq!(plain(&list), format!(r#"[{event},{event},{event},{{"id":2}}]"#), "{list}");
        }
        assert_eq!(plain(&json!([])), "[]");
    }

    #[test]
    fn what_is_no_event_is_the_handlers_matter() {
        let deep = "[".repeat(200);
        for (value, want) in [
            (json!("hello there"), r#""hello there""#.to_owned()),
            (json!(""), r#""""#.to_owned()),
            (json!("\"\""), r#""""#.to_owned()),
            (json!("12"), "12".to_owned()),
            (json!(null), "null".to_owned()),
            (json!({}), "{}".to_owned()),
            // Base64 of nothing that is JSON.
            (json!("aGVsbG8="), r#""aGVsbG8=""#.to_owned()),
            (json!("/w=="), r#""/w==""#.to_owned()),
            (json!(deep), text(&deep)),
        ] {
            assert_eq!(plain(&value), want, "{value}");
        }
        // Four times is once too often: a text is left, and nobody goes on for ever.
        let event = "{}";
        assert_eq!(plain(&Value::from(text(&text(&text(event))))), text(event));
        let half = br#"{"Data":{"event":"\ud800"}}"#;
        assert_eq!(unwrap(half.to_vec()).unwrap(), Event::Plain(r#""\ud800""#.to_owned()));
    }

    #[test]
    fn what_the_host_would_not_post_is_refused_with_a_sentence() {
        for (body, want) in [
            (
                &b""[..],
                "the body is not JSON, line 1 column 0: this is not what the Azure Functions host posts",
            ),
            (b"[]", "the body is no object, line 1 column 0"),
            (br#"[{"a":1},{}]"#, "the body is no object"),
            (b"{}", "the body has 0 members Data, expected one"),
            (br#"{"Data":[1]}"#, "Data is no object"),
            (br#"{"Data":{"a":1}} x"#, "the body is not JSON, line 1 column 18"),
            (br#"{"Data":{"a":1},"Data":{"a":2}}"#, "the body has 2 members Data, expected one"),
            (br#"{"Data":{}}"#, "Data has 0 members, expected one"),
            (br#"{"Data":{"a":1,"a":2}}"#, "Data has 2 members, expected one: its trigger's"),
            (b"\xff", "the body is not UTF-8"),
        ] {
            let refusal = unwrap(body.to_vec()).unwrap_err();
            assert!(refusal.sentence().contains(want), "{}: {}", body.escape_ascii(), refusal.sentence());
            assert_eq!(refusal.name(), "body_not_readable");
        }
    }

    #[test]
    fn a_request_is_told_from_an_event_by_all_that_makes_one() {
        let request = json!({ "Url": "https://a.example/api/x?code=1", "Method": "POST", "Query": { "code": "1" },
            "Headers": { "Content-Type": ["application/json"] }, "Params": {}, "Identities": [], "Body": "{}" });
        let body = |value: &Value| json!({ "Data": { "req": value }, "Metadata": {} }).to_string();
        let whole = body(&request);
        assert_eq!(unwrap(whole.clone().into_bytes()).unwrap(), Event::HttpRequest(whole));
        for member in ["Url", "Method"] {
            let mut event = request.clone();
            event.as_object_mut().unwrap().remove(member);
            let unwrapped = unwrap(body(&event).into_bytes()).unwrap();
            assert_eq!(unwrapped, Event::Plain(event.to_string()), "{member}");
        }
    }

    #[test]
    fn how_often_the_host_has_called_before() {
        for (metadata, want) in [
            (json!({}), None),
            (json!({ "DequeueCount": "1" }), Some(0)),
            (json!({ "DequeueCount": "4", "Id": "\"800a\"" }), Some(3)),
            (json!({ "DeliveryCount": 2 }), Some(1)),
            (json!({ "RetryContext": { "RetryCount": 1, "MaxRetryCount": 2 } }), Some(1)),
            (json!({ "RetryContext": { "RetryCount": "2" }, "DequeueCount": "2" }), Some(2)),
            (json!({ "RetryContext": "odd", "DequeueCount": [1] }), None),
            (json!({ "DequeueCount": "0" }), Some(0)),
        ] {
            let text = metadata.to_string();
            let read: Metadata<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!(read.repetitions(), want, "{metadata}");
        }
    }

    #[test]
    fn an_answer_is_never_empty() {
        let reply = r#"{"Outputs":{"res":{"statusCode":"200"}},"Logs":[]}"#;
        for (response, is_request, want) in [
            (r#"{"a":1}"#, false, Some(r#"{"Outputs":{},"Logs":["{\"a\":1}"],"ReturnValue":null}"#)),
            ("null", false, Some(r#"{"Outputs":{},"Logs":[],"ReturnValue":null}"#)),
            (reply, true, Some(reply)),
            ("null", true, None),
            (r#"{"outcome":"permanent"}"#, true, None),
            (r#"{"Outputs":null}"#, true, None),
            ("[{}]", true, None),
        ] {
            let got = success(response.into(), is_request);
            assert_eq!(got.as_deref().ok(), want.map(str::as_bytes), "{response}");
            assert!(got.is_ok() || got.unwrap_err().name() == "response_not_http");
        }
    }
}
