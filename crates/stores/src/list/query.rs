//! Addresses that no library changes on the way: everything that could mean something is encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// All but the unreserved characters (RFC 3986, 2.3), which signatures want as well.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A part of a path or of a query.
pub(crate) fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, ENCODED).to_string()
}

/// A query from names and values.
pub(crate) fn query(pairs: &[(&str, &[u8])]) -> String {
    let pair = |(name, value): &(&str, &[u8])| format!("{}={}", encode(name.as_bytes()), encode(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}
