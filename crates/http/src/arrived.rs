//! A request as the gate looks at it, while it is axum's.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use jiff::Timestamp;
use mdss_relay_core::Delivery;
use mdss_relay_gate::{DoorVerdict, Entered, Keys, RequestHead, Sources};

/// Headers as the gate looks at them: those of one name in the order in which they came.
pub(crate) fn pairs(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// The way through the door of a request of which only the head has arrived.
pub(crate) fn enter(sources: &Sources, parts: &Parts, client: Option<IpAddr>, keys: &Keys) -> DoorVerdict {
    with_head(parts, client, |head| sources.enter(head, None, Timestamp::now(), keys))
}

/// A request whose body is complete.
pub(crate) struct Arrived {
    pub(crate) parts: Parts,
    pub(crate) client: Option<IpAddr>,
    pub(crate) body: Vec<u8>,
}

impl Arrived {
    /// Its way through the door.
    pub(crate) fn enter(&self, sources: &Sources, keys: &Keys) -> DoorVerdict {
        with_head(&self.parts, self.client, |head| {
            sources.enter(head, Some(&self.body), Timestamp::now(), keys)
        })
    }

    /// What the relay gets of it.
    pub(crate) fn delivery(self, entered: &Entered) -> Delivery {
        let Self { parts, client, body } = self;
        with_head(&parts, client, |head| entered.delivery(head, body))
    }
}

fn with_head<T>(parts: &Parts, client: Option<IpAddr>, look: impl FnOnce(&RequestHead<'_>) -> T) -> T {
    let headers = pairs(&parts.headers);
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    look(&RequestHead { method: parts.method.as_str(), target, headers: &headers, client })
}
