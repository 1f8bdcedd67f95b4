//! Texts that are mostly hexadecimal, kept in a file as their bytes: ETags, ids of MDSS, UUIDs. A million of each are 16 MB less.

use crate::hash::{from_hex, hex};

/// In front of the bytes of a UUID. Hexadecimal of this many bytes is kept as text.
const UUID: u8 = b'u';
const UUID_BYTES: usize = 17;

/// Where a UUID has its dashes (RFC 9562, 4).
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The bytes that are kept instead of a text; `None`: it is kept as it is.
pub(super) fn pack(text: &str) -> Option<Vec<u8>> {
    if text.len() == 36 && DASHES.iter().all(|at| text.as_bytes()[*at] == b'-') {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let mut bytes = from_hex(&digits).filter(|bytes| bytes.len() == UUID_BYTES - 1)?;
        bytes.insert(0, UUID);
        return Some(bytes);
    }
    from_hex(text).filter(|bytes| bytes.len() >= 4 && bytes.len() != UUID_BYTES)
}

/// The text that these bytes were.
pub(super) fn unpack(bytes: &[u8]) -> String {
    let mut text = match bytes {
        [UUID, rest @ ..] if bytes.len() == UUID_BYTES => hex(rest),
        _ => return hex(bytes),
    };
    for at in DASHES {
        text.insert(at, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_comes_back_as_it_was(text in "[0-9a-f-]{0,40}|[0-9a-fA-F]{34}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|u[0-9a-f]{33}|75[0-9a-f]{32}") {
            if let Some(bytes) = pack(&text) {
                prop_assert_eq!(unpack(&bytes), text);
            }
        }
    }

    #[test]
    fn what_is_hexadecimal_is_half_as_long() {
        assert_eq!(pack("0123456789abcdef0123456789abcdef").map(|b| b.len()), Some(16));
        assert_eq!(pack("0198f02f-0000-7abc-8def-0123456789ab").map(|b| b.len()), Some(17));
        for text in ["", "a", "abcd", "ABCDEF0123", "0123456789abcdef-2", "3/L4kqtJlcpXroDTDmJ"] {
            assert_eq!(pack(text), None, "{text}");
        }
    }
}
