//! Identifiers in the shapes the platforms use. They only have to be unique.

use std::time::{SystemTime, UNIX_EPOCH};

/// Crockford's base 32, without I, L, O and U: <https://github.com/ulid/spec>.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 26 characters in a ULID's alphabet: milliseconds since 1970, then 80 random bits.
pub(crate) fn ulid() -> String {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let number = (ms << 80) | (fastrand::u128(..) >> 48);
    (0..26).rev().map(|place| char::from(CROCKFORD[(number >> (5 * place)) as usize & 31])).collect()
}

/// A random UUID, version 4: <https://www.rfc-editor.org/rfc/rfc9562#section-5.4>.
pub(crate) fn uuid() -> String {
    let number = fastrand::u128(..) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let text = format!("{number:032x}");
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn shapes() {
        let ulid = ulid();
        assert_eq!(ulid.len(), 26);
        assert!(ulid.bytes().all(|byte| CROCKFORD.contains(&byte)), "{ulid}");
        let uuid = uuid();
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(uuid.as_bytes()[14] == b'4' && b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
    }

    #[test]
    fn a_thousand_differ() {
        assert_eq!((0..1000).map(|_| ulid()).collect::<HashSet<_>>().len(), 1000);
        assert_eq!((0..1000).map(|_| uuid()).collect::<HashSet<_>>().len(), 1000);
    }
}
