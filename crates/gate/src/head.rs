//! What the gate is shown of a request: borrowed, and exactly as it came over the wire.

use std::fmt;
use std::net::IpAddr;

/// A request's head, before any of its body is read. `Debug` shows neither target nor header values: both may hold a secret.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The method as sent, `POST` for instance.
    pub method: &'a str,
    /// The request target as the *sender* wrote it: nothing decoded, with the query if there is one. Signatures cover
    /// it and a `shared_secret` may be in its query. Where a proxy rewrites paths, the adapter puts the sender's path
    /// (`public_path` of the source, and what follows it) in place of the one it received.
    pub path: &'a str,
    /// What follows the source's own path, without the query, nothing decoded. For a source at `/minio`, a post to
    /// `/minio/abc` has the rest `/abc`, with its slash. `None` and an empty text both mean that nothing follows.
    ///
    /// It is the router that knows where a source's path ends, so it says so here; a path secret is looked for in
    /// this part only.
    pub path_rest: Option<&'a str>,
    /// Every header line in the order it came, a repeated header as often as it was sent. Names in any case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The address of whoever sent the request: the TCP peer, or what a proxy that is trusted says of it. `None` where
    /// there is none, as in `explain`; then `source_addresses` refuses.
    pub client: Option<IpAddr>,
}

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", &self.method)
            .field("headers", &self.headers.len())
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl<'a> Head<'a> {
    /// Every value of the header `name`, in the order they came; the case of `name` does not matter.
    pub(crate) fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The only value of the header `name`; `None` if there is no such header.
    ///
    /// # Errors
    ///
    /// If it is there more than once, even with equal values: two readers must not be able to pick different ones.
    pub(crate) fn only(&self, name: &str) -> Result<Option<&'a [u8]>, Doubled> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(Doubled),
        }
    }

    /// The target's query, what follows the first `?`.
    pub(crate) fn query(&self) -> Option<&'a str> {
        self.path.split_once('?').map(|(_, query)| query)
    }
}

/// A header's value, if it is text: printable ASCII.
pub(crate) fn printable(value: &[u8]) -> Option<&str> {
    let is_text = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    std::str::from_utf8(value).ok().filter(|_| is_text)
}

/// A header that is there more than once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubled;

/// A whole request: its head and every byte of its body, of which `Debug` shows the number.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The head, the same that `check_head` was shown.
    pub head: Head<'a>,
    /// The body as it came, before any of it is parsed.
    pub body: &'a [u8],
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("head", &self.head).field("bytes", &self.body.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_what_no_secret_can_be_in() {
        let headers = [("authorization", &b"Bearer s3cret"[..])];
        let head = Head {
            method: "POST",
            path: "/a?code=s3cret",
            path_rest: Some("/s3cret"),
            headers: &headers,
            client: None,
        };
        let shown = format!("{:?}", Request { head, body: b"s3cret" });
        assert_eq!(
            shown,
            r#"Request { head: Head { method: "POST", headers: 1, client: None, .. }, bytes: 6 }"#
        );
    }
}
