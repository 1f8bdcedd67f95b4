//! A secret that is compared without telling anything about itself.
//!
//! `subtle` compares two slices of one length in constant time, but answers at once when the lengths differ, and so
//! tells a patient caller how long the secret is. Here both sides are copied into rooms of one fixed size before they
//! are compared, and the lengths are compared as numbers. What still shows is how long the *given* text is, which its
//! sender knows, and that the secret is no longer than the room, which is written below.

use std::fmt;

use subtle::ConstantTimeEq;

/// The longest secret, in bytes. Long enough for every token we know of that is typed into a setting; a signed token
/// (JWT), which is longer, is verified and not compared.
pub(crate) const LONGEST: usize = 1024;

/// What every secret has to be, wherever it is written and whichever check it is for. What is wrong with it would otherwise
/// show as refusals of everybody, and mostly it is the file that is wrong: an editor's byte order mark, a second line.
///
/// # Errors
///
/// What was expected. Never the text.
pub(crate) fn plain(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() {
        return Err("a text that is not empty");
    }
    if text.starts_with('\u{feff}') {
        return Err("a text without a byte order mark before it");
    }
    if text.contains(['\n', '\r']) {
        return Err("a single line");
    }
    if text.contains(char::is_control) {
        return Err("a text without control characters");
    }
    if text.trim() != text {
        return Err("a text without spaces at its ends");
    }
    Ok(())
}

/// A secret of 1 to [`LONGEST`] bytes. `Debug` shows `[redacted]`; there is no `Display` and no way to read it back.
#[derive(Clone)]
pub(crate) struct Secret {
    room: Box<[u8; LONGEST]>,
    length: u64,
}

impl Secret {
    /// Takes the text as it is.
    ///
    /// # Errors
    ///
    /// What was expected, if the text is empty or longer than [`LONGEST`] bytes. Never the text.
    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        match text.len() {
            0 => return Err("a text that is not empty"),
            1..=LONGEST => {}
            _ => return Err("at most 1024 bytes"),
        }
        let (room, length) = padded(text.as_bytes());
        Ok(Self { room: Box::new(room), length })
    }

    /// Whether `given` is this secret, to the byte. The time depends on the length of `given` and on nothing else.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        let (room, length) = padded(given);
        // `&` on `Choice`, not `&&`: both sides are always computed.
        bool::from(self.room.ct_eq(&room) & self.length.ct_eq(&length))
    }
}

/// The bytes in a room of fixed size, filled up with zeros, and their true length. Bytes beyond the room are left
/// out: the length says that they were there, and no secret is that long.
fn padded(bytes: &[u8]) -> ([u8; LONGEST], u64) {
    let mut room = [0; LONGEST];
    for (place, byte) in room.iter_mut().zip(bytes) {
        *place = *byte;
    }
    (room, bytes.len() as u64)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What should be seen of a short token or password, which somebody else may have chosen. The other secrets have to be this long.
pub(crate) fn short_remark(place: &str, secret: &str) -> Option<String> {
    let short = secret.chars().count() < 16;
    short.then(|| format!("{place}: fewer than 16 characters can be guessed"))
}

/// What should be seen of a secret of several words: a file that was made from a table, or two secrets in one file, never match.
pub(crate) fn space_remark(place: &str, secret: &str) -> Option<String> {
    secret
        .contains(char::is_whitespace)
        .then(|| format!("{place}: the secret holds a space, which counts like every other character"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_very_bytes_match() {
        let secret = Secret::new("s3cret").unwrap();
        for (given, expected) in [
            (&b"s3cret"[..], true),
            (b"", false),
            (b"s3cre", false),
            (b"s3crets", false),
            (b"S3cret", false),
            // The room is filled up with zeros: a zero in the given text must not pass for the filling.
            (b"s3cret\0", false),
            (b"\0s3cret", false),
        ] {
            assert_eq!(secret.is(given), expected, "{given:?}");
        }
    }

    #[test]
    fn bytes_beyond_the_room_do_not_pass() {
        let longest = "x".repeat(LONGEST);
        let secret = Secret::new(&longest).unwrap();
        assert!(secret.is(longest.as_bytes()));
        assert!(!secret.is("x".repeat(LONGEST + 1).as_bytes()));
        assert!(!secret.is("x".repeat(LONGEST - 1).as_bytes()));
    }

    #[test]
    fn a_secret_is_one_line_of_characters_that_can_be_seen() {
        for (text, expected) in [
            ("s3cret", Ok(())),
            ("two words", Ok(())),
            ("\u{fc}n\u{ef}c\u{f6}de", Ok(())),
            ("", Err("a text that is not empty")),
            ("                    ", Err("a text that is not empty")),
            ("\u{feff}s3cret", Err("a text without a byte order mark before it")),
            ("s3cret\nother", Err("a single line")),
            ("s3cret\rother", Err("a single line")),
            ("s3\tcret", Err("a text without control characters")),
            ("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", Err("a text without control characters")),
            (" s3cret", Err("a text without spaces at its ends")),
            ("s3cret\u{a0}", Err("a text without spaces at its ends")),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
    }

    #[test]
    fn empty_and_overlong_secrets_are_refused() {
        assert_eq!(Secret::new("").unwrap_err(), "a text that is not empty");
        assert_eq!(Secret::new(&"x".repeat(LONGEST + 1)).unwrap_err(), "at most 1024 bytes");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("s3cret").unwrap()), "[redacted]");
    }

    proptest! {
        #[test]
        fn agrees_with_plain_equality(secret in ".{1,40}", given in proptest::collection::vec(any::<u8>(), 0..60)) {
            let sealed = Secret::new(&secret).unwrap();
            prop_assert_eq!(sealed.is(&given), given == secret.as_bytes());
            prop_assert!(sealed.is(secret.as_bytes()));
        }
    }
}
