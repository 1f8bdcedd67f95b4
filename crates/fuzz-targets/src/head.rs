//! An input as a text that people can read: a line that says how, lines of headers, an empty line, and the body.

/// The parts of an input.
pub(crate) struct Parts<'a> {
    /// The first line.
    pub(crate) first: &'a str,
    /// Lines of `name: value`; the value may be any bytes but a line feed.
    pub(crate) headers: Vec<(&'a str, &'a [u8])>,
    /// What comes behind the first empty line.
    pub(crate) body: &'a [u8],
}

/// Takes an input apart; `None` if it has no first line. A line that is no header is passed over.
pub(crate) fn split(bytes: &[u8]) -> Option<Parts<'_>> {
    let (head, body) = match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &b""[..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = str::from_utf8(lines.next()?).ok()?;
    let header = |line| {
        let colon = <[u8]>::iter(line).position(|byte| *byte == b':')?;
        let value: &[u8] = &line[colon + 1..];
        Some((str::from_utf8(&line[..colon]).ok()?, value.strip_prefix(b" ").unwrap_or(value)))
    };
    Some(Parts { first, headers: lines.filter_map(header).collect(), body })
}
