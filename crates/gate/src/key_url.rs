//! The URL of a key: one that may be fetched, or one that a stranger named and that may only be shown.

use std::fmt;

/// Where a key can be had. The gate makes these of what an operator has listed, and of what SNS may name after its host
/// and path have been compared with the ones expected; nothing else is ever to be fetched.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyUrl {
    text: String,
    listed: bool,
    holds: Holds,
}

/// What is expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holds {
    /// A certificate, or a public key, in PEM.
    Key,
    /// An issuer's key set.
    KeySet,
}

impl KeyUrl {
    /// More than any certificate with its chain needs, and any issuer's key set; a longer answer is not to be read.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// A URL from the settings: `https`, or `http` too where that is allowed.
    ///
    /// # Errors
    ///
    /// What was expected. Only characters that every reader of URLs takes for the same are let through (no backslash,
    /// no space, nothing beyond ASCII), and no user name, so that the host that is asked is the one that is read.
    pub(crate) fn listed(text: &str, allow_http: bool) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("https://").or(text.strip_prefix("http://").filter(|_| allow_http));
        let Some(rest) = rest else {
            return Err(if allow_http {
                "a URL that begins with https:// or http://"
            } else {
                "a URL that begins with https:// (http:// only beside allow_http = true)"
            });
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
        let path_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?&=%+:,;@!$'()*".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(host_byte) || !path.bytes().all(path_byte) {
            return Err("a URL of a host and a path, without user, password, fragment and spaces");
        }
        Ok(Self { text: text.to_owned(), listed: true, holds: Holds::Key })
    }

    /// The URL of an issuer's key set, from the settings.
    ///
    /// # Errors
    ///
    /// As [`listed`](Self::listed).
    pub(crate) fn key_set(text: &str, allow_http: bool) -> Result<Self, &'static str> {
        Ok(Self { holds: Holds::KeySet, ..Self::listed(text, allow_http)? })
    }

    /// `https://<host>/<file>`, both already found good.
    pub(crate) fn derived(url: &str) -> Self {
        Self { text: url.to_owned(), listed: false, holds: Holds::Key }
    }

    /// The URL, for fetching it. It may hold a secret in its query; `Display` and `Debug` leave that out.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the operator has written this very URL into the settings. Such a URL may lead to a private address or
    /// use plain HTTP; any other is `https`, and is to be fetched from public addresses only.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// What is expected there.
    pub(crate) fn holds(&self) -> Holds {
        self.holds
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        &rest[..rest.find(['/', '?']).unwrap_or(rest.len())]
    }
}

impl fmt::Display for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.text.as_bytes()))
    }
}

impl fmt::Debug for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUrl({self})")
    }
}

/// The host that a URL of somebody's names, if it names one plainly: to the byte, so without user, port and capital letters where it is compared.
pub(crate) fn named_host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or(url.strip_prefix("http://"))?;
    rest.split(['/', '?', '#']).next()
}

/// The most that is shown of a URL somebody sent.
const LONGEST_SHOWN: usize = 300;

/// A URL as it may stand in a log, whatever it is made of: printable ASCII only, clipped, and without what may hold a
/// secret. Everything before the last `@` goes, not only what stands where a user name belongs: whoever wrote it may
/// have forgotten to encode a slash in a password. What remains may then be shorter than the truth, never more.
pub(crate) fn shown(url: &[u8]) -> String {
    let end = url.iter().position(|byte| b"?#".contains(byte)).unwrap_or(url.len());
    let (kept, rest) = url.split_at(end);
    let scheme = ["https://", "http://"].into_iter().find(|scheme| kept.starts_with(scheme.as_bytes()));
    let scheme = scheme.map_or(0, str::len);
    let user = kept.iter().rposition(|byte| *byte == b'@').map_or(scheme, |at| at + 1);
    let printable = |byte: &u8| if matches!(byte, b'!'..=b'~') { char::from(*byte) } else { '.' };
    let text: String = kept[..scheme].iter().chain(&kept[user..]).map(printable).collect();
    let mark = if rest.is_empty() { "" } else { "?..." };
    text.chars().take(LONGEST_SHOWN - mark.len()).chain(mark.chars()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_list_may_hold() {
        let scheme = "a URL that begins with https:// (http:// only beside allow_http = true)";
        let either = "a URL that begins with https:// or http://";
        let shape = "a URL of a host and a path, without user, password, fragment and spaces";
        for (url, allow_http, expected) in [
            ("https://keys.example/a.pem", false, Ok("keys.example")),
            ("https://keys.example", false, Ok("keys.example")),
            ("https://keys.example:8443/a?b=c", false, Ok("keys.example:8443")),
            ("http://keys.example/a.pem", true, Ok("keys.example")),
            ("http://keys.example/a.pem", false, Err(scheme)),
            ("HTTPS://keys.example/a.pem", false, Err(scheme)),
            ("ftp://keys.example/a.pem", true, Err(either)),
            ("keys.example/a.pem", true, Err(either)),
            ("", false, Err(scheme)),
            ("https://", false, Err(shape)),
            ("https:///a.pem", false, Err(shape)),
            ("https://u:p@keys.example/a.pem", false, Err(shape)),
            ("https://keys.example\\@evil.example/a.pem", false, Err(shape)),
            ("https://keys.example/a.pem#x", false, Err(shape)),
            ("https://keys.example/a b", false, Err(shape)),
            ("https://keys.example/a.pem\n", false, Err(shape)),
            ("https://k\u{e9}ys.example/a.pem", false, Err(shape)),
        ] {
            let found = KeyUrl::listed(url, allow_http);
            assert_eq!(found.as_ref().map(KeyUrl::authority).map_err(|why| *why), expected, "{url}");
        }
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        for (url, expected) in [
            ("https://a.example/b.pem", "https://a.example/b.pem"),
            ("https://u:s3cret@a.example/b.pem", "https://a.example/b.pem"),
            ("https://u:s3c/ret@a.example/b.pem", "https://a.example/b.pem"),
            ("u:s3cret@a.example/b.pem", "a.example/b.pem"),
            ("https://a.example/b.pem?s3cret", "https://a.example/b.pem?..."),
            ("https://a.example/b.pem#s3cret", "https://a.example/b.pem?..."),
            ("https://a.example/b?x@s3cret://", "https://a.example/b?..."),
            ("s3cret@https://a.example", "https://a.example"),
            ("s3cret@https://u@a.example", "a.example"),
            ("gopher://u:s3cret@a.example/", "a.example/"),
            ("https://a.example/\r\n\u{202e}\0b", "https://a.example/......b"),
            ("", ""),
        ] {
            assert_eq!(shown(url.as_bytes()), expected, "{url}");
        }
        assert_eq!(shown(&[b'x'; 301]).len(), 300);
        let url = KeyUrl::listed("https://a.example/b?sig=s3cret", false).unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://a.example/b?... KeyUrl(https://a.example/b?...)");
        assert_eq!(url.as_str(), "https://a.example/b?sig=s3cret");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_short_and_printable(url in proptest::collection::vec(any::<u8>(), 0..700)) {
            let shown = shown(&url);
            prop_assert!(shown.len() <= LONGEST_SHOWN && shown.bytes().all(|byte| matches!(byte, b'!'..=b'~')));
        }
    }
}
