//! What an adapter hands over: one notification, exactly as it came.

use std::fmt;

use crate::model::dialect::Dialect;

/// One notification as a platform or a sender delivered it. The body is raw: the core decides what it is.
#[derive(Clone, Default)]
pub struct Delivery {
    /// The HTTP source it came through; `None` on functions, where the platform has already decided who may call.
    pub source: Option<String>,
    /// The dialect the source is pinned to; `None` means: recognise it.
    pub dialect: Option<Dialect>,
    /// The HTTP method, upper case; empty on functions.
    pub method: String,
    /// Header names and values as they came; empty on functions.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// What the platform calls this delivery (a request id), for the log; may be empty.
    pub id: String,
}

impl fmt::Debug for Delivery {
    /// Headers hold credentials and bodies hold whatever a sender likes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("source", &self.source)
            .field("dialect", &self.dialect)
            .field("id", &self.id)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The headers that some dialect reads. Whoever keeps a delivery keeps these and no others: the rest may hold
/// credentials. Not among them: the confirmation URL of OCI Notifications, which holds a token and is of no use later.
const READ_HEADERS: &[&str] = &[
    "x-jdcloud-message-type",
    "x-oci-ns-messagetype",
    "ce-type",
    "x-goog-pubsub-message-id",
    "aeg-event-type",
    "x-amz-sns-message-type",
    "x-amz-sns-rawdelivery",
    "x-bz-event-notification-signature",
    "x-smn-message-type",
];

impl Delivery {
    /// The headers that reading this delivery again needs, with the values that are looked at.
    pub fn headers_to_keep(&self) -> Vec<(String, String)> {
        let kept = self.headers.iter().filter_map(|(name, value)| {
            let name = READ_HEADERS.iter().find(|known| name.eq_ignore_ascii_case(known))?;
            // That this one is there tells the dialect; what it says is between sender and gate.
            let value = if name.ends_with("-signature") { "" } else { value.as_str() };
            Some(((*name).to_owned(), value.to_owned()))
        });
        kept.collect()
    }

    /// A function's delivery: a body and the platform's id for it, nothing else.
    pub fn from_function(body: impl Into<Vec<u8>>, id: impl Into<String>) -> Self {
        Self { body: body.into(), id: id.into(), ..Self::default() }
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}
