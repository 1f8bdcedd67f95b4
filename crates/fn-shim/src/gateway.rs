//! Calls that an HTTP gateway made: the event a handler gets for one, and the reply it gives.
//!
//! Fn passes a request on with its method, URL and headers in headers of the call, and wants a response in
//! the same form (fn-docs, `fn/develop/fn-format.md`). A `lambda_runtime` handler that serves HTTP knows
//! another form, that of Amazon's API Gateway for HTTP APIs, payload format 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>),
//! so that is what it is given, and whose reply is read here. Members about which Fn says nothing are left
//! out (`accountId`, `apiId`, `sourceIp`, …): a made-up value would be believed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use shim::Refusal;

use crate::answer::Answer;

/// What a header of the HTTP request, or of the response to it, is called in the call that carries it
/// (fnproject/fdk-go, `handler.go`, `withHTTPContext` and `encapHeaders`). `Content-Type` alone is the same.
const PREFIX: &str = "fn-http-h-";
const METHOD: &str = "fn-http-method";
const URL: &str = "fn-http-request-url";
const STATUS: HeaderName = HeaderName::from_static("fn-http-status");

/// The gateway takes any number (fnproject/fn, `api/server/runner_httptrigger.go`, `triggerResponseWriter`),
/// but a status below 200 is not the end of a response (RFC 9110, section 15.2), and above 599 none at all.
const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// The agent has a limit, which costs the container and is not published (`MaxHdrResponseSize` in
/// fnproject/fn, `api/agent/config.go`); this is several times what servers accept. It also keeps a head
/// below hyper's buffer, on which [`wire`](crate::wire) relies.
const REPLY_HEADERS_LIMIT: usize = 64 * 1024;

/// Between two hosts, not for whoever asked: the agent's own list (fnproject/fn, `api/common/io_utils.go`).
/// And the length, which is the body's and not the handler's to choose.
const NOT_EMITTED: [&str; 10] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

// === the event ===

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_name: Option<Cow<'a, str>>,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: Cow<'a, str>,
    path: &'a str,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
}

/// There are no routes and no stages here; with Amazon, `$default` is the one that takes everything.
const DEFAULT: &str = "$default";

/// The event for the call `id` with these headers and this body, as JSON.
///
/// Without a method it is a POST, which is what the call itself is: `Fn-Intent` is open to whoever may invoke the
/// function.
pub(crate) fn event(headers: &HeaderMap, body: Vec<u8>, id: &str, received: Timestamp) -> String {
    let url = headers.get(URL).map(text).unwrap_or_default();
    let (path, query) = split_url(&url);
    let request = request_headers(headers);
    let value = |name: HeaderName| request.get(name.as_str()).and_then(|values| values.first().cloned());
    let (body, is_base64_encoded) = match String::from_utf8(body) {
        Ok(text) => ((!text.is_empty()).then_some(text), false),
        Err(error) => (Some(BASE64.encode(error.as_bytes())), true),
    };
    let event = Event {
        version: "2.0",
        route_key: DEFAULT,
        raw_path: &path,
        raw_query_string: query,
        // "Each cookie" is a member of its own, and there is no such header.
        cookies: request
            .get(COOKIE.as_str())
            .into_iter()
            .flatten()
            .flat_map(|cookies| cookies.split(';'))
            .map(|cookie| cookie.trim().to_owned())
            .filter(|cookie| !cookie.is_empty())
            .collect(),
        headers: request
            .iter()
            .filter(|(name, _)| **name != COOKIE.as_str())
            // "Duplicate headers are combined with commas."
            .map(|(name, values)| (*name, values.join(",")))
            .collect(),
        query_string_parameters: parameters(query),
        request_context: RequestContext {
            domain_name: value(HOST),
            http: Http {
                method: headers.get(METHOD).map_or(Cow::Borrowed("POST"), text),
                path: &path,
                protocol: "HTTP/1.1",
                user_agent: value(USER_AGENT),
            },
            request_id: id,
            route_key: DEFAULT,
            stage: DEFAULT,
            time: received.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            time_epoch: received.as_millisecond(),
        },
        body,
        is_base64_encoded,
    };
    #[expect(clippy::expect_used, reason = "what cannot fail needs no way to fail")]
    serde_json::to_string(&event).expect("strings, numbers and maps with string keys are JSON")
}

/// The headers of the HTTP request by their lower-case names, values in order. Nothing else of the call is
/// visible: what is not prefixed is between the platform and this crate, or from who knows whom.
fn request_headers(headers: &HeaderMap) -> BTreeMap<&str, Vec<Cow<'_, str>>> {
    let mut found: BTreeMap<&str, Vec<Cow<'_, str>>> = BTreeMap::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(PREFIX).filter(|name| !name.is_empty()) else { continue };
        found.entry(name).or_default().push(text(value));
    }
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        // Should a gateway send it both ways, it is still one.
        found.insert(CONTENT_TYPE.as_str(), vec![text(content_type)]);
    }
    found
}

/// JSON has no other text than Unicode, HTTP has: what is not UTF-8 becomes U+FFFD.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Path and query of `/path?query` (OCI's gateway) or `https://host/path?query` (Fn's own).
fn split_url(url: &str) -> (Cow<'_, str>, &str) {
    let target = match url.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            &rest[rest.find(['/', '?']).unwrap_or(rest.len())..]
        }
        _ => url,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = if path.starts_with('/') { path.into() } else { format!("/{path}").into() };
    (path, query)
}

/// The query's parameters, decoded; those of one name "combined with commas".
fn parameters(query: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        found
            .entry(decoded(name))
            .and_modify(|values| {
                values.push(',');
                values.push_str(&decoded(value));
            })
            .or_insert_with(|| decoded(value));
    }
    found
}

// === the reply ===

/// What a handler replies. Members not known here are passed over, as Amazon does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    status_code: u16,
    headers: Option<BTreeMap<String, String>>,
    /// Not in format 2.0 proper, but written by what Rust programs write it with (`aws_lambda_events`,
    /// `ApiGatewayV2httpResponse`), there beside `headers`, which hold one value of each name only.
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

/// The answer to an HTTP gateway from the JSON of the handler's response: always 200 to the agent, with the status for whoever asked in a header.
/// Whatever is not a reply in the form above is a failure: guessing would answer somebody with 200.
pub(crate) fn answer(response: &[u8]) -> Result<Answer, Refusal> {
    let reply: Reply = serde_json::from_slice(response)
        .map_err(|_| Refusal::NotAReply("it is not an object with a statusCode and what may go with it"))?;
    if !STATUSES.contains(&reply.status_code) {
        return Err(Refusal::NotAReply("its statusCode is not one of 200 to 599"));
    }
    let is_base64 = reply.is_base64_encoded.unwrap_or_default();
    let body = reply.body.unwrap_or_default();
    let body = if is_base64 {
        BASE64.decode(body).map_err(|_| Refusal::NotAReply("its body is not Base64"))?
    } else {
        body.into_bytes()
    };

    let several = reply.multi_value_headers.unwrap_or_default();
    let single = reply.headers.unwrap_or_default();
    let cookies = reply.cookies.unwrap_or_default();
    let mut given: Vec<(&str, &str)> = Vec::new();
    for (name, values) in &several {
        given.extend(values.iter().map(|value| (name.as_str(), value.as_str())));
    }
    for (name, value) in &single {
        // What is in both is meant once (Amazon's rule for format 1.0, which has both).
        if !given.iter().any(|(other, same)| other.eq_ignore_ascii_case(name) && same == value) {
            given.push((name, value));
        }
    }
    given.extend(cookies.iter().map(|cookie| (SET_COOKIE.as_str(), cookie.as_str())));

    let mut headers = HeaderMap::new();
    headers.insert(STATUS, HeaderValue::from(reply.status_code));
    let mut size = 0;
    for (name, value) in given {
        size += PREFIX.len() + name.len() + value.len();
        if size > REPLY_HEADERS_LIMIT {
            return Err(Refusal::NotAReply("its headers have more than 64 KiB"));
        }
        add(&mut headers, name, value).ok_or(Refusal::NotAReply("a header of it cannot be sent"))?;
    }
    if !body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
        // Else the platform would look at the bytes and guess, maybe that they are HTML (fnproject/fn,
        // `api/server/runner_httptrigger.go`).
        let default = if is_base64 { "application/octet-stream" } else { "text/plain; charset=utf-8" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(default));
    }
    Ok(Answer::Replied(Box::new(headers), body.into()))
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    if name == CONTENT_TYPE {
        headers.insert(CONTENT_TYPE, value);
    } else if !NOT_EMITTED.contains(&name.as_str()) {
        let name = HeaderName::from_bytes(format!("{PREFIX}{name}").as_bytes()).ok()?;
        headers.try_append(name, value).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_whichever_their_form() {
        let table = [
            ("/a/b?c=d&e", "/a/b", "c=d&e"),
            ("/a%2Fb?c?d", "/a%2Fb", "c?d"),
            ("/", "/", ""),
            ("", "/", ""),
            ("?a", "/", "a"),
            ("https://example.com/a?b", "/a", "b"),
            ("http://example.com:8080", "/", ""),
            ("http://example.com?a=b/c", "/", "a=b/c"),
            ("/a?to=http://example.com/b", "/a", "to=http://example.com/b"),
            ("a/b", "/a/b", ""),
            ("//a/b", "//a/b", ""),
        ];
        for (url, path, query) in table {
            assert_eq!(split_url(url), (path.into(), query), "{url}");
        }
    }

    #[test]
    fn parameters_are_decoded_once_and_kept_in_order() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("a=b", &[("a", "b")]),
            ("a=c&b=1&a=b&a", &[("a", "c,b,"), ("b", "1")]),
            ("a+b=c%20d+e%2B%252B", &[("a b", "c d e+%2B")]),
            ("a=b=c&&=d", &[("", "d"), ("a", "b=c")]),
            ("a=%zz%e9%C3%A9", &[("a", "%zz\u{fffd}\u{e9}")]),
        ];
        for (query, want) in table {
            let want = want.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(parameters(query), want, "{query}");
        }
    }

    #[test]
    fn event_as_documented() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("fn-http-method", "POST"),
            ("fn-http-request-url", "/my/path?parameter1=value1&parameter1=value2&parameter2=value"),
            ("fn-http-h-header2", "value1"),
            ("fn-http-h-header2", "value2"),
            ("fn-http-h-cookie", "cookie1; cookie2"),
            ("fn-http-h-user-agent", "agent"),
            ("fn-http-h-content-type", "text/html"),
            ("content-type", "text/plain"),
            ("fn-deadline", "2026-12-01T00:00:00Z"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let received = "2020-03-12T19:03:58.390Z".parse().unwrap();
        let event = event(&headers, b"Hello from client!".to_vec(), "id", received);
        // Amazon's own example, less what Fn does not say.
        let want = serde_json::json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/my/path",
            "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
            "cookies": ["cookie1", "cookie2"],
            "headers": {"header2": "value1,value2", "user-agent": "agent", "content-type": "text/plain"},
            "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
            "requestContext": {
                "http": {"method": "POST", "path": "/my/path", "protocol": "HTTP/1.1", "userAgent": "agent"},
                "requestId": "id",
                "routeKey": "$default",
                "stage": "$default",
                "time": "12/Mar/2020:19:03:58 +0000",
                "timeEpoch": 1_584_039_838_390_i64,
            },
            "body": "Hello from client!",
            "isBase64Encoded": false,
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&event).unwrap(), want);
    }
}
