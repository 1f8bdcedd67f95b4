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
    /// The headers as the gate looks at them.
    pub fn pairs(&self) -> Vec<(&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
    }

    /// The head, with these headers.
    pub fn head<'r>(&'r self, headers: &'r [(&'r str, &'r [u8])]) -> RequestHead<'r> {
        RequestHead { method: &self.method, target: &self.target, headers, client: self.client }
    }

    /// Its way through the door.
    pub fn enter(&self, sources: &Sources, keys: &Keys) -> DoorVerdict {
        sources.enter(&self.head(&self.pairs()), Some(&self.body), Timestamp::now(), keys)
    }

    /// What the relay gets of it.
    pub fn delivery(mut self, entered: &Entered) -> Delivery {
        let body = std::mem::take(&mut self.body);
        entered.delivery(&self.head(&self.pairs()), body)
    }
}
