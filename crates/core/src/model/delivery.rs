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

impl Delivery {
    /// A function's delivery: a body and the platform's id for it, nothing else.
    pub fn from_function(body: impl Into<Vec<u8>>, id: impl Into<String>) -> Self {
        Self { body: body.into(), id: id.into(), ..Self::default() }
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}
