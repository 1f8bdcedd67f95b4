//! What the gate is shown of a request: borrowed, and exactly as it came over the wire.

/// A request's head, before any of its body is read.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method as sent, `POST` for instance.
    pub method: &'a str,
    /// The request target as sent: nothing decoded, with the query if there is one.
    pub path: &'a str,
    /// What follows the source's own path, without the query, nothing decoded. For a source at `/minio`, a post to
    /// `/minio/abc` has the rest `/abc`, with its slash. `None` and an empty text both mean that nothing follows.
    ///
    /// It is the router that knows where a source's path ends, so it says so here; a path secret is looked for in
    /// this part only.
    pub path_rest: Option<&'a str>,
    /// Every header line in the order it came, a repeated header as often as it was sent. Names in any case.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> Head<'a> {
    /// Every value of the header `name`, in the order they came; the case of `name` does not matter.
    pub(crate) fn values(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

/// A whole request: its head and every byte of its body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The head, the same that `check_head` was shown.
    pub head: Head<'a>,
    /// The body as it came, before any of it is parsed.
    pub body: &'a [u8],
}
