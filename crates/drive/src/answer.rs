//! An HTTP answer, read to its end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::error::DriveError;

/// The longest answer that is read. Ours are reports of a few kilobytes; what is longer is not an answer.
pub(crate) const LONGEST: usize = 16 * 1024 * 1024;

/// What came back from a server or a function.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status, as a number.
    pub status: u16,
    /// The headers in the order they came, names in lower case; a value that is not UTF-8 is shown as well as it can be.
    pub headers: Vec<(String, String)>,
    /// The whole body, at most 16 MiB.
    pub body: Bytes,
    /// From the call to the last byte of the body, including a new connection if one was needed.
    pub elapsed: Duration,
}

impl Answer {
    /// The first value of the header `name`, whose case does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, with replacement characters where it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) async fn read(response: Response<Incoming>, started: Instant) -> Result<Self, DriveError> {
        let (head, body) = response.into_parts();
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = Limited::new(body, LONGEST).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                DriveError::TooLong { limit: LONGEST }
            } else {
                DriveError::Connection { what: "the answer broke off".to_owned(), source: error }
            }
        })?;
        Ok(Self { status: head.status.as_u16(), headers, body: body.to_bytes(), elapsed: started.elapsed() })
    }
}
