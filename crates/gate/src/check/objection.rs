//! What speaks against a request.

use crate::key_url::KeyUrl;

/// Why a check does not admit a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Objection {
    /// It has failed.
    Refused(&'static str),
    /// It has failed for the time at which the request was signed.
    OutOfDate(&'static str),
    /// It has failed because of the certificate's URL, here as it may be shown.
    WrongUrl(&'static str, String),
    /// It cannot be made, because nobody has listed the certificate's URL; here as it may be shown.
    UnknownUrl(&'static str, String),
    /// It needs the key at this URL.
    NeedKey(KeyUrl),
    /// It needs a key that cannot be had just now, or a clock.
    Unavailable(&'static str),
}

impl From<&'static str> for Objection {
    fn from(why: &'static str) -> Self {
        Self::Refused(why)
    }
}
