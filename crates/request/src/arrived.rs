//! A request that has arrived as a whole, on a connection or in a function's event.

use std::net::IpAddr;

use jiff::Timestamp;
use mdss_relay_core::Delivery;
use mdss_relay_gate::{DoorVerdict, Entered, Keys, RequestHead, Sources};

/// A request whose body is complete. It has no `Debug`: target and headers hold secrets.
pub struct Arrived {
    /// The method.
    pub method: String,
    /// The request target, undecoded, with its query.
    pub target: String,
    /// The headers, a repeated one as often as it was sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The address of the client, if it is known.
    pub client: Option<IpAddr>,
    /// The bytes of the body.
    pub body: Vec<u8>,
}

impl Arrived {
    /// Its way through the door.
    pub fn enter(&self, sources: &Sources, keys: &Keys) -> DoorVerdict {
        self.with_head(|head| sources.enter(head, Some(&self.body), Timestamp::now(), keys))
    }

    /// What the door says of its head alone.
    pub fn enter_head(&self, sources: &Sources) -> DoorVerdict {
        self.with_head(|head| sources.enter(head, None, Timestamp::now(), &Keys::new()))
    }

    /// What the relay gets of it.
    pub fn delivery(mut self, entered: &Entered) -> Delivery {
        let body = std::mem::take(&mut self.body);
        self.with_head(|head| entered.delivery(head, body))
    }

    fn with_head<T>(&self, look: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let Self { method, target, headers, client, .. } = self;
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        look(&RequestHead { method, target, headers: &headers, client: *client })
    }
}
