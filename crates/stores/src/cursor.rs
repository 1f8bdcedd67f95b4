//! Where a listing goes on, as a text that can be kept.
//!
//! A cursor is the last key that was listed, and the store's own token for what comes after it, where it gives one. While a
//! listing runs, the token is used: it is right whatever the order. Later, in another process, the key is used where the store
//! can go on after a key and has listed in order so far; a token may have expired by then.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What stays as it is: what is easy to read in a key.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~').remove(b'=');

/// A place in a listing, between two pages.
///
/// ```
/// use mdss_relay_stores::Cursor;
///
/// let cursor: Cursor = "ordered incoming/a%20b.pdf".parse().unwrap();
/// assert_eq!(cursor.last(), b"incoming/a b.pdf");
/// assert_eq!(cursor.to_string(), "ordered incoming/a%20b.pdf");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub(crate) last: Vec<u8>,
    pub(crate) token: Option<String>,
    pub(crate) ordered: bool,
}

impl Cursor {
    /// The last key that was listed before this place; empty if none was.
    pub fn last(&self) -> &[u8] {
        &self.last
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.ordered { "ordered" } else { "unordered" };
        write!(f, "{how} {}", percent_encode(&self.last, ENCODED))?;
        match &self.token {
            Some(token) => write!(f, " {}", percent_encode(token.as_bytes(), ENCODED)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({self})")
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "a place in a listing, as this program wrote it";
        let mut parts = text.split(' ');
        let ordered = match parts.next() {
            Some("ordered") => true,
            Some("unordered") => false,
            _ => return Err(EXPECTED),
        };
        let last = percent_decode_str(parts.next().ok_or(EXPECTED)?).collect();
        let token = parts.next().map(|token| percent_decode_str(token).decode_utf8().map(String::from));
        let token = token.transpose().map_err(|_| EXPECTED)?;
        if parts.next().is_some() {
            return Err(EXPECTED);
        }
        Ok(Self { last, token, ordered })
    }
}
