//! Bytes as text, whatever they are. One odd byte in a member that nobody needs is no reason to miss a scan: an uploader who
//! sends a header that is not UTF-8 would otherwise make his record unreadable (Ceph writes metadata as it got it).
//!
//! What cannot be read is replaced by a character that occurs nowhere else in the text. So whoever reads a bucket, a key or
//! the name of an event from it can tell that a byte was lost, and fail: a name with a replacement in it would be that of
//! another object.

use std::borrow::Cow;
use std::fmt;

/// A text, and what stands in it for bytes that are none.
#[derive(PartialEq, Eq)]
pub(crate) struct Text<'b> {
    pub(crate) text: Cow<'b, str>,
    /// What was lost; `None` if nothing was.
    pub(crate) lost: Option<Lost>,
}

/// Without the text, which is a whole delivery.
impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text")
            .field("bytes", &self.text.len())
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// Bytes that are no UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The character in their place.
    pub(crate) mark: char,
    /// Where the first of them stood, in bytes.
    pub(crate) at: usize,
}

/// The usual replacement first; then characters that are for nobody's text ("noncharacters", Unicode 16, 23.7).
fn marks() -> impl Iterator<Item = char> {
    std::iter::once(char::REPLACEMENT_CHARACTER).chain('\u{fdd0}'..='\u{fdef}')
}

impl<'b> Text<'b> {
    /// Reads UTF-8. A byte order mark in front is passed over, as a reader of JSON may do (RFC 8259, 8.1).
    pub(crate) fn of(bytes: &'b [u8]) -> Self {
        let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let error = match std::str::from_utf8(bare) {
            Ok(text) => return Self { text: Cow::Borrowed(text), lost: None },
            Err(error) => error,
        };
        let mark = marks().find(|mark| !occurs(*mark, bare)).unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut text = String::with_capacity(bare.len() + 16);
        for chunk in bare.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                text.push(mark);
            }
        }
        let at = bytes.len() - bare.len() + error.valid_up_to();
        Self { text: Cow::Owned(text), lost: Some(Lost { mark, at }) }
    }
}

/// Whether a character stands in the bytes in any of its spellings: as it is, as an escape of JSON, or percent-encoded.
fn occurs(mark: char, bytes: &[u8]) -> bool {
    let mut raw = [0; 4];
    let raw = mark.encode_utf8(&mut raw).as_bytes();
    let json = format!("u{:04x}", u32::from(mark));
    let percent: String = raw.iter().map(|byte| format!("%{byte:02x}")).collect();
    let any_case = |wanted: &str| {
        bytes.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    bytes.windows(raw.len()).any(|window| window == raw) || any_case(&json) || any_case(&percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_is_marked_by_what_occurs_nowhere_else() {
        for (bytes, text, lost) in [
            (&b"{}"[..], "{}", None),
            (b"\xef\xbb\xbf{}", "{}", None),
            (b"", "", None),
            (b"M\xfcller", "M\u{fffd}ller", Some(('\u{fffd}', 1))),
            (b"\xef\xbb\xbfM\xfc", "M\u{fffd}", Some(('\u{fffd}', 4))),
            (b"\xef\xbf\xbd\xff", "\u{fffd}\u{fdd0}", Some(('\u{fdd0}', 3))),
            (b"\\uFFfd\xff", "\\uFFfd\u{fdd0}", Some(('\u{fdd0}', 6))),
            (b"%EF%bf%BD\xff", "%EF%bf%BD\u{fdd0}", Some(('\u{fdd0}', 9))),
            (
                b"\xef\xbf\xbd\xef\xb7\x90\xed\xa0\x80",
                "\u{fffd}\u{fdd0}\u{fdd1}\u{fdd1}\u{fdd1}",
                Some(('\u{fdd1}', 6)),
            ),
            // Cut off in the middle of a character.
            (b"\xf0\x9f\x98", "\u{fffd}", Some(('\u{fffd}', 0))),
        ] {
            let lost = lost.map(|(mark, at)| Lost { mark, at });
            assert_eq!(Text::of(bytes), Text { text: text.into(), lost }, "{bytes:?}");
        }
    }

    #[test]
    fn a_text_in_which_everything_occurs_is_read_all_the_same() {
        let mut bytes: Vec<u8> = marks().collect::<String>().into_bytes();
        bytes.push(0xff);
        assert_eq!(Text::of(&bytes).lost.unwrap().mark, '\u{fffd}');
    }
}
