//! A request as the gate looks at it, while it is axum's.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use mdss_relay_gate::RequestHead;
use mdss_relay_request::Arrived;

/// Headers as the gate looks at them: those of one name in the order in which they came.
pub(crate) fn pairs(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// The head of a request with these headers.
pub(crate) fn head<'r>(
    parts: &'r Parts,
    headers: &'r [(&'r str, &'r [u8])],
    client: Option<IpAddr>,
) -> RequestHead<'r> {
    RequestHead { method: parts.method.as_str(), target: target(parts), headers, client }
}

/// The request, now that its body is complete.
pub(crate) fn arrived(parts: &Parts, client: Option<IpAddr>, body: Vec<u8>) -> Arrived {
    let headers =
        pairs(&parts.headers).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Arrived {
        method: parts.method.as_str().to_owned(),
        target: target(parts).to_owned(),
        headers,
        client,
        body,
    }
}

fn target(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("", |target| target.as_str())
}
