//! A request as the gate looks at it, while it is axum's.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use jiff::Timestamp;
use mdss_relay_gate::{DoorVerdict, Keys, RequestHead, Sources};
use mdss_relay_request::Arrived;

/// Headers as the gate looks at them: those of one name in the order in which they came.
pub(crate) fn pairs(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// The way through the door of a request of which only the head has arrived.
pub(crate) fn enter(sources: &Sources, parts: &Parts, client: Option<IpAddr>) -> DoorVerdict {
    let headers = pairs(&parts.headers);
    let head =
        RequestHead { method: parts.method.as_str(), target: target(parts), headers: &headers, client };
    sources.enter(&head, None, Timestamp::now(), &Keys::new())
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
