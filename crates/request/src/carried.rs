//! An HTTP request that a platform hands to a function as an event.
//!
//! Five platforms, three forms of an answer. What each of them keeps of a request decides which checks of the gate can hold; the
//! table stands in the crate's README.
//!
//! - Format 2.0: function URLs, API Gateway's HTTP APIs
//!   (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>), and `fn-shim`
//!   for what Fn's gateways pass on.
//! - Format 1.0: API Gateway's REST APIs
//!   (<https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>), HTTP APIs on demand.
//! - Load balancer: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html>
//! - Functions host: Azure/azure-functions-host, `src/WebJobs.Script/Extensions/HttpRequestExtensions.cs`, `GetRequestAsJObject`.
//!
//! The sender's address is what the platform itself says of the connection. A load balancer, Fn and the Functions host say
//! nothing of it, and a forwarded header is anybody's word: there the address is not known.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mdss_relay_core::{Cause, Failure, is_http_request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::arrived::Arrived;
use crate::reply::Form;

/// What API Gateway has decoded in a query, as nearly every sender encodes it (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request out of a function's event, and the form in which its answer has to be given.
pub struct Carried {
    /// The request.
    pub request: Arrived,
    /// The form of its answer.
    pub form: Form,
}

impl Carried {
    /// The request in an event; `None` if the event is none.
    ///
    /// # Errors
    /// [`Cause::Unreadable`] if a member is not what its platform documents, [`Cause::BodyIncomplete`] if the platform has kept
    /// the body to itself.
    pub fn of(event: &str) -> Option<Result<Self, Failure>> {
        is_http_request(event).then(|| match serde_json::from_str(event) {
            Ok(Value::Object(members)) => read(&members)?.complete(),
            _ => Err(unreadable("the event", "an object")),
        })
    }

    /// An empty body asks some sources whether somebody is there, and is a success: so it must not be an event that was lost.
    fn complete(self) -> Result<Self, Failure> {
        let Arrived { headers, body, .. } = &self.request;
        let announced = |(name, value): &(String, Vec<u8>)| {
            let length = name.eq_ignore_ascii_case("content-length")
                && value.iter().any(|b| (b'1'..=b'9').contains(b));
            // The Functions host passes on no body whose length the request did not announce. Other platforms put chunks together.
            length || (name.eq_ignore_ascii_case("transfer-encoding") && self.form == Form::FunctionsHost)
        };
        if body.is_empty() && headers.iter().any(announced) {
            let detail = "the platform has handed on no body, and the request had one; the Functions host keeps one to itself that was \
                          sent in chunks: expected a request with Content-Length, and its body";
            return Err(Failure::new(Cause::BodyIncomplete, detail));
        }
        Ok(self)
    }
}

fn read(event: &Map<String, Value>) -> Result<Carried, Failure> {
    let Some(context) = event.get("requestContext").and_then(Value::as_object) else {
        return functions_host(event);
    };
    let identity = |member: &str| context.get(member).and_then(Value::as_object);
    if let Some(http) = identity("http") {
        let target = target(text(event, "rawPath")?, event.get("rawQueryString").and_then(Value::as_str));
        let request = Arrived {
            method: text(http, "method")?.to_owned(),
            target,
            headers: headers(event)?,
            client: http.get("sourceIp").and_then(address),
            body: body(event)?,
        };
        return Ok(Carried { request, form: Form::Gateway });
    }
    let balanced = context.contains_key("elb");
    let query = query(event, balanced)?;
    let request = Arrived {
        method: text(event, "httpMethod")?.to_owned(),
        target: target(text(event, "path")?, Some(&query)),
        headers: headers(event)?,
        client: identity("identity").and_then(|identity| identity.get("sourceIp")).and_then(address),
        body: body(event)?,
    };
    let several = event.get("multiValueHeaders").is_some_and(Value::is_object);
    let form = if balanced { Form::LoadBalancer { several } } else { Form::Gateway };
    Ok(Carried { request, form })
}

/// Path and query put together. A `?` in a path that its platform has decoded begins no query.
fn target(path: &str, query: Option<&str>) -> String {
    let path = path.replace('?', "%3F");
    match query {
        None | Some("") => path,
        Some(query) => format!("{path}?{query}"),
    }
}

/// The query of a format that has it in parts. Their order is lost, and whether an empty value had its `=`.
fn query(event: &Map<String, Value>, kept_encoded: bool) -> Result<String, Failure> {
    let several = "multiValueQueryStringParameters";
    let member = if given(event, several).is_some() { several } else { "queryStringParameters" };
    let mut query = String::new();
    for (name, value) in pairs(event, member)? {
        if !query.is_empty() {
            query.push('&');
        }
        // "If the query parameters are URL-encoded, the load balancer does not decode them" (Elastic Load Balancing).
        if kept_encoded {
            query.push_str(&format!("{name}={value}"));
        } else {
            let encoded = |text| utf8_percent_encode(text, ENCODED);
            query.push_str(&format!("{}={}", encoded(name), encoded(value)));
        }
    }
    Ok(query)
}

/// The headers: of two members, the one that has every value.
fn headers(event: &Map<String, Value>) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let several = "multiValueHeaders";
    let member = if given(event, several).is_some() { several } else { "headers" };
    let headers = pairs(event, member)?;
    Ok(headers.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_owned())).collect())
}

/// Names with their values, each a text or a list of texts; none, if there is no such member.
fn pairs<'e>(event: &'e Map<String, Value>, member: &str) -> Result<Vec<(&'e str, &'e str)>, Failure> {
    let wrong = || unreadable(member, "an object whose members are texts or lists of texts");
    let Some(value) = given(event, member) else { return Ok(Vec::new()) };
    let mut pairs = Vec::new();
    for (name, value) in value.as_object().ok_or_else(wrong)? {
        match value {
            Value::String(value) => pairs.push((name.as_str(), value.as_str())),
            Value::Array(values) => {
                for value in values {
                    pairs.push((name.as_str(), value.as_str().ok_or_else(wrong)?));
                }
            }
            _ => return Err(wrong()),
        }
    }
    Ok(pairs)
}

fn body(event: &Map<String, Value>) -> Result<Vec<u8>, Failure> {
    let encoded = match event.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(encoded)) => *encoded,
        Some(_) => return Err(unreadable("isBase64Encoded", "true or false")),
    };
    let Some(body) = given(event, "body") else { return Ok(Vec::new()) };
    let body = body.as_str().ok_or_else(|| unreadable("body", "a text or null"))?;
    if encoded { bytes(body, "body") } else { Ok(body.as_bytes().to_owned()) }
}

/// `{"Data": {"<name of the trigger>": {"Url", "Method", "Headers", "Body"}}, "Metadata"}`.
fn functions_host(event: &Map<String, Value>) -> Result<Carried, Failure> {
    let data = event.get("Data").and_then(Value::as_object);
    let mut triggers = data.into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let is_request = |member: &&Map<String, Value>| member.contains_key("Url");
    let request = triggers.find(is_request).ok_or_else(|| unreadable("Data", "an object with a request"))?;
    let url = text(request, "Url")?;
    // The host writes path and query behind scheme and host, encoded (`PathString.ToString`).
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let target = rest.find(['/', '?']).map_or("/", |at| &rest[at..]);
    let headers = pairs(request, "Headers")?;
    let header = |wanted: &str| {
        let mut values = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        values.next().map(|(_, value)| *value)
    };
    let body = match given(request, "Body") {
        None => Vec::new(),
        Some(body) => {
            let body = body.as_str().ok_or_else(|| unreadable("Body", "a text"))?;
            let kind = header("content-type").unwrap_or_default().to_ascii_lowercase();
            let kind = kind.split(';').next().unwrap_or_default().trim();
            // `IsMediaTypeOctetOrMultipart`: these are handed on as bytes, and bytes in JSON are base64.
            match kind == "application/octet-stream" || kind.starts_with("multipart/") {
                true => bytes(body, "Body")?,
                false => body.as_bytes().to_owned(),
            }
        }
    };
    let request = Arrived {
        method: text(request, "Method")?.to_owned(),
        target: target.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_owned()))
            .collect(),
        client: None,
        body,
    };
    Ok(Carried { request, form: Form::FunctionsHost })
}

fn bytes(text: &str, place: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(text).map_err(|_| unreadable(place, "base64"))
}

/// An address, as API Gateway writes it; its documentation shows one with the length of a prefix.
fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.split('/').next()?.parse().ok()
}

/// A member that is neither absent nor null.
fn given<'e>(event: &'e Map<String, Value>, member: &str) -> Option<&'e Value> {
    event.get(member).filter(|value| !value.is_null())
}

fn text<'e>(event: &'e Map<String, Value>, member: &str) -> Result<&'e str, Failure> {
    event.get(member).and_then(Value::as_str).ok_or_else(|| unreadable(member, "a text"))
}

/// What was found is not shown: it may be a credential.
fn unreadable(place: &str, expected: &str) -> Failure {
    Failure::new(
        Cause::Unreadable,
        format!("an HTTP request as a platform hands it on: {place}: expected {expected}"),
    )
}

#[cfg(test)]
mod tests;
