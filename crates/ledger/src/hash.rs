//! SHA-256 values, the byte that each begins with, and hexadecimal.

use std::fmt;

use ring::digest::{Context, SHA256};

// The first byte of everything that is hashed or signed says what it is.

/// Of what an entry says.
pub(crate) const SUBJECT: u8 = 0;
/// Of an entry and the one before it.
pub(crate) const LINK: u8 = 1;
/// Of the beginning of a chain.
pub(crate) const GENESIS: u8 = 2;
/// Of what a checkpoint signs.
pub(crate) const CHECKPOINT: u8 = 3;
/// Of the numbers of entries whose keys were erased.
pub(crate) const ERASED: u8 = 4;
/// Of the columns of an export.
pub(crate) const EXPORT: u8 = 5;
/// Of a run.
pub(crate) const RUN: u8 = 6;
/// Of the checkpoints that were kept when entries were removed.
pub(crate) const PRUNED: u8 = 7;

/// The form of what follows; the second byte where that may change one day.
pub(crate) const FORM: u8 = 1;

/// A SHA-256 value. It is shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Of these parts, one after the other.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(part);
        }
        Self::finish(context)
    }

    pub(crate) fn finish(context: Context) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }

    /// Reads 64 hexadecimal digits.
    pub fn read(text: &str) -> Option<Self> {
        from_hex(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// `None` unless every two characters are a byte in lower case: what is read is written the same again.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(|two| Some(digit(two[0])? << 4 | digit(two[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_only_as_it_is_written() {
        assert_eq!(from_hex("00ff7a"), Some(vec![0, 255, 122]));
        assert_eq!(hex(&[0, 255, 122]), "00ff7a");
        for text in ["0", "0g", "FF", "ü"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }
}
